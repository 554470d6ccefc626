#include "rpc/health.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gen/grpc/health/v1/health.grpc-c.h"
#include "rpc/server_core.h"

typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthListResponse__StatusesEntry list_entry;

/* gRPC's numbers, under names that fit on a line. */
enum state {
	STATE_UNTOLD = -1,
	STATE_SERVING =
	    GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
	STATE_NOT_SERVING =
	    GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
	STATE_SERVICE_UNKNOWN =
	    GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
};

struct service {
	char *name;
	bool is_serving;
};

/*
 * A call of Watch. It is listed, and held, until the client or the server goes;
 * the hold passes to each wake and is taken anew when that has come.
 */
struct watch {
	struct rpc_health *health;
	struct rpc_server_call *call;
	char *name; /* NULL: too long to be anyone's */
	/* On the call's worker. */
	enum state told;
	bool is_sending;
	/* Guarded by the mutex. */
	enum state state;
	bool is_listed;
	bool is_woken; /* a wake is on its way and has the hold */
	struct watch *next, **link;
};

struct rpc_health {
	const struct rpc_server *server;
	pthread_mutex_t mutex;
	/* Guarded by it. */
	struct service *services; /* the first is "" */
	size_t service_count;
	bool is_shut_down;
	struct watch *watches;
	unsigned watch_count;
};

/* ---- States ---- */

static struct service *
find_service(const struct rpc_health *health, const char *name)
{
	for (size_t i = 0; i < health->service_count; i++)
		if (strcmp(health->services[i].name, name) == 0)
			return &health->services[i];
	return NULL;
}

static bool
is_served(const struct rpc_health *health, const char *name)
{
	const struct rpc_server *server = health->server;

	for (size_t i = 0; i < server->method_count; i++)
		if (strcmp(server->methods[i].method->service, name) == 0)
			return true;
	return false;
}

/* Mutex held. */
static enum state
find_state(const struct rpc_health *health, const char *name)
{
	const struct service *service;

	if (name == NULL)
		return STATE_SERVICE_UNKNOWN;
	service = find_service(health, name);
	if (service == NULL && is_served(health, name))
		service = &health->services[0];
	if (service == NULL)
		return STATE_SERVICE_UNKNOWN;
	return service->is_serving && !health->is_shut_down ? STATE_SERVING
							    : STATE_NOT_SERVING;
}

/* ---- Watch ---- */

static void on_told(struct rpc_server_call *call, bool is_alive, void *arg);

/* What the client does not know yet, unless something is on its way to it. */
static void
tell(struct watch *watch)
{
	check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	enum state state;

	pthread_mutex_lock(&watch->health->mutex);
	state = watch->state;
	pthread_mutex_unlock(&watch->health->mutex);
	if (watch->is_sending || state == watch->told)
		return;
	response.status =
	    (Grpc__Health__V1__HealthCheckResponse__ServingStatus)state;
	watch->told = state;
	watch->is_sending = grpc_health_v1_health_watch_send(
	    watch->call, &response, on_told, watch);
}

static void
on_told(struct rpc_server_call *call, bool is_alive, void *arg)
{
	struct watch *watch = arg;

	(void)call;
	watch->is_sending = false;
	if (is_alive)
		tell(watch);
}

static void
on_wake(struct rpc_server_call *call, bool is_alive, void *arg)
{
	struct watch *watch = arg;

	pthread_mutex_lock(&watch->health->mutex);
	watch->is_woken = false;
	if (watch->is_listed)
		rpc_server_call_hold(call);
	pthread_mutex_unlock(&watch->health->mutex);
	if (is_alive)
		tell(watch);
}

/* Mutex held. */
static void
wake_watches(struct rpc_health *health)
{
	for (struct watch *watch = health->watches; watch != NULL;
	     watch = watch->next) {
		enum state state = find_state(health, watch->name);

		if (state == watch->state)
			continue;
		watch->state = state;
		if (!watch->is_woken)
			watch->is_woken =
			    rpc_server_call_wake(watch->call, on_wake, watch);
	}
}

/* On the worker: no wake comes any more but the one on its way. */
static void
unlist(struct watch *watch)
{
	struct rpc_health *health = watch->health;
	bool is_held;

	pthread_mutex_lock(&health->mutex);
	is_held = watch->is_listed && !watch->is_woken;
	if (watch->is_listed) {
		*watch->link = watch->next;
		if (watch->next != NULL)
			watch->next->link = watch->link;
		health->watch_count--;
	}
	watch->is_listed = false;
	pthread_mutex_unlock(&health->mutex);
	if (is_held)
		rpc_server_call_release(watch->call);
}

static void
on_gone(struct rpc_server_call *call, void *arg)
{
	(void)call;
	unlist(arg);
}

/* The last word, if it can be sent now, and the end. */
static void
on_close(struct rpc_server_call *call, void *arg)
{
	struct watch *watch = arg;

	tell(watch);
	unlist(watch);
	rpc_server_call_fail(call, RPC_CODE_UNAVAILABLE,
	    "the server is stopping", bytes_empty());
}

static void
watch_free(void *user)
{
	struct watch *watch = user;

	free(watch->name);
	free(watch);
}

/* STATUS_BUSY: there are too many; STATUS_NOMEM. */
static enum status
watch_new(struct rpc_health *health, struct rpc_server_call *call,
    const char *name, struct watch **out)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	enum status st = STATUS_OK;

	if (watch == NULL)
		return STATUS_NOMEM;
	if (strlen(name) <= RPC_HEALTH_NAME_MAX &&
	    (watch->name = strdup(name)) == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	watch->health = health;
	watch->call = call;
	watch->told = STATE_UNTOLD;
	pthread_mutex_lock(&health->mutex);
	if (health->watch_count >= RPC_HEALTH_WATCHES_MAX) {
		st = STATUS_BUSY;
	} else {
		watch->state = find_state(health, watch->name);
		watch->is_listed = true;
		watch->next = health->watches;
		watch->link = &health->watches;
		if (watch->next != NULL)
			watch->next->link = &watch->next;
		health->watches = watch;
		health->watch_count++;
		rpc_server_call_hold(call);
		*out = watch;
		watch = NULL;
	}
	pthread_mutex_unlock(&health->mutex);
out:
	if (watch != NULL)
		watch_free(watch);
	return st;
}

static void
watch_service(void *service, struct rpc_server_call *call,
    const Grpc__Health__V1__HealthCheckRequest *request)
{
	struct watch *watch = NULL;
	enum status st = watch_new(service, call, request->service, &watch);

	if (st != STATUS_OK) {
		rpc_server_call_fail(call, rpc_code_from_status(st),
		    st == STATUS_BUSY ? "too many watch already" : NULL,
		    bytes_empty());
		return;
	}
	rpc_server_call_drop_request(call);
	rpc_server_call_set_user(call, watch, watch_free);
	rpc_server_call_on_cancel(call, on_gone, watch);
	tell(watch);
	rpc_server_call_on_close(call, on_close, watch);
}

/* ---- Check and List ---- */

static void
check(void *service, struct rpc_server_call *call,
    const Grpc__Health__V1__HealthCheckRequest *request)
{
	struct rpc_health *health = service;
	check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	enum state state;

	pthread_mutex_lock(&health->mutex);
	state = find_state(health, request->service);
	pthread_mutex_unlock(&health->mutex);
	if (state == STATE_SERVICE_UNKNOWN) {
		rpc_server_call_fail(call, RPC_CODE_NOT_FOUND,
		    "the server does not know this service", bytes_empty());
		return;
	}
	response.status =
	    (Grpc__Health__V1__HealthCheckResponse__ServingStatus)state;
	grpc_health_v1_health_check_reply(call, &response);
}

struct listing {
	size_t count; /* past the limit: more than there is room for */
	list_entry entries[RPC_HEALTH_LIST_MAX];
	list_entry *list[RPC_HEALTH_LIST_MAX];
	check_response values[RPC_HEALTH_LIST_MAX];
};

/* Mutex held. */
static void
listing_add(
    struct listing *listing, const struct rpc_health *health, const char *name)
{
	size_t i = listing->count;

	if (i > RPC_HEALTH_LIST_MAX)
		return;
	for (size_t k = 0; k < i; k++)
		if (strcmp(listing->entries[k].key, name) == 0)
			return;
	listing->count++;
	if (i == RPC_HEALTH_LIST_MAX)
		return;
	grpc__health__v1__health_check_response__init(&listing->values[i]);
	grpc__health__v1__health_list_response__statuses_entry__init(
	    &listing->entries[i]);
	listing->values[i].status =
	    (Grpc__Health__V1__HealthCheckResponse__ServingStatus)find_state(
		health, name);
	listing->entries[i].key = (char *)(uintptr_t)name;
	listing->entries[i].value = &listing->values[i];
	listing->list[i] = &listing->entries[i];
}

static void
list(void *service, struct rpc_server_call *call,
    const Grpc__Health__V1__HealthListRequest *request)
{
	struct rpc_health *health = service;
	Grpc__Health__V1__HealthListResponse response =
	    GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
	struct listing listing;

	(void)request;
	listing.count = 0;
	pthread_mutex_lock(&health->mutex);
	for (size_t i = 0; i < health->service_count; i++)
		listing_add(&listing, health, health->services[i].name);
	for (size_t i = 0; i < health->server->method_count; i++)
		listing_add(&listing, health,
		    health->server->methods[i].method->service);
	pthread_mutex_unlock(&health->mutex);
	if (listing.count > RPC_HEALTH_LIST_MAX) {
		rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "there are too many services to list", bytes_empty());
		return;
	}
	/* Names are never freed while the server runs. */
	response.n_statuses = listing.count;
	response.statuses = listing.list;
	grpc_health_v1_health_list_reply(call, &response);
}

static const struct grpc_health_v1_health_handlers handlers = {
    .check = check,
    .list = list,
    .watch = watch_service,
};

/* ---- For the application ---- */

enum status
rpc_health_new(struct rpc_health **out)
{
	struct rpc_health *health = calloc(1, sizeof(*health));
	enum status st;

	if (health == NULL)
		return STATUS_NOMEM;
	pthread_mutex_init(&health->mutex, NULL);
	if ((st = rpc_health_add(health, "", true)) != STATUS_OK)
		rpc_health_free(health);
	else
		*out = health;
	return st;
}

enum status
rpc_health_register(struct rpc_health *health, struct rpc_server *server)
{
	health->server = server;
	return grpc_health_v1_health_register(server, &handlers, health);
}

/* Mutex held. */
static enum status
add_service(struct rpc_health *health, const char *name, bool is_serving)
{
	struct service *grown;
	char *copy;

	if (find_service(health, name) != NULL)
		return STATUS_EXISTS;
	grown = reallocarray(
	    health->services, health->service_count + 1, sizeof(*grown));
	if (grown == NULL)
		return STATUS_NOMEM;
	health->services = grown;
	if ((copy = strdup(name)) == NULL)
		return STATUS_NOMEM;
	grown[health->service_count++] =
	    (struct service){.name = copy, .is_serving = is_serving};
	wake_watches(health);
	return STATUS_OK;
}

enum status
rpc_health_add(struct rpc_health *health, const char *service, bool is_serving)
{
	enum status st;

	if (strlen(service) > RPC_HEALTH_NAME_MAX)
		return STATUS_INVALID;
	pthread_mutex_lock(&health->mutex);
	st = add_service(health, service, is_serving);
	pthread_mutex_unlock(&health->mutex);
	return st;
}

void
rpc_health_set(struct rpc_health *health, const char *service, bool is_serving)
{
	struct service *found;

	pthread_mutex_lock(&health->mutex);
	found = find_service(health, service);
	if (found != NULL) {
		found->is_serving = is_serving;
		wake_watches(health);
	}
	pthread_mutex_unlock(&health->mutex);
}

void
rpc_health_shutdown(struct rpc_health *health)
{
	pthread_mutex_lock(&health->mutex);
	health->is_shut_down = true;
	wake_watches(health);
	pthread_mutex_unlock(&health->mutex);
}

void
rpc_health_free(struct rpc_health *health)
{
	if (health == NULL)
		return;
	for (size_t i = 0; i < health->service_count; i++)
		free(health->services[i].name);
	free(health->services);
	pthread_mutex_destroy(&health->mutex);
	free(health);
}
