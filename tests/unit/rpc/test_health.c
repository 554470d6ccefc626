/* rpc/health.h, with a client of our own in the same process. */

#include "rpc/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/grpc/health/v1/health.grpc-c.h"
#include "tests/unit/rpc/trial.h"
#include "tests/unit/unit.h"

#define OWN "grpc.health.v1.Health"
#define TIMEOUT_MS 60000

enum said {
	UNKNOWN_STATE,
	SERVING,
	NOT_SERVING,
	SERVICE_UNKNOWN,
};

struct fixture {
	struct rpc_server *server;
	struct rpc_health *health;
	struct trial_client client;
};

static int
set_up(void **state)
{
	const struct rpc_server_options options = {
	    .workers = 2, .max_streams = 2 * RPC_HEALTH_WATCHES_MAX};
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char target[64];
	int port;

	assert_non_null(fixture);
	assert_ok(rpc_health_new(&fixture->health));
	assert_ok(rpc_server_new(&options, &fixture->server));
	assert_ok(rpc_health_register(fixture->health, fixture->server));
	assert_ok(
	    rpc_server_add_port(fixture->server, "127.0.0.1:0", NULL, &port));
	assert_ok(rpc_server_start(fixture->server));
	(void)snprintf(target, sizeof(target), "127.0.0.1:%d", port);
	trial_connect(&fixture->client, target, NULL);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	trial_disconnect(&fixture->client);
	rpc_server_stop(fixture->server, 5000);
	rpc_server_free(fixture->server);
	rpc_health_free(fixture->health);
	free(fixture);
	return 0;
}

/* UNKNOWN_STATE: NOT_FOUND. */
static enum said
check(struct fixture *fixture, const char *service)
{
	Grpc__Health__V1__HealthCheckRequest request =
	    GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	Grpc__Health__V1__HealthCheckResponse *response = NULL;
	struct rpc_status status = {0};
	enum said said = UNKNOWN_STATE;
	enum status st;

	request.service = (char *)(uintptr_t)service;
	st = grpc_health_v1_health_check(
	    &fixture->client.rpc, NULL, &request, &response, &status);
	if (st == STATUS_OK)
		said = (enum said)response->status;
	else
		assert_int_equal(status.code, RPC_CODE_NOT_FOUND);
	grpc__health__v1__health_check_response__free_unpacked(response, NULL);
	rpc_status_clear(&status);
	return said;
}

static struct rpc_client_call *
watch(struct fixture *fixture, const char *service)
{
	Grpc__Health__V1__HealthCheckRequest request =
	    GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	const struct rpc_call_options options = {.receive_on_demand = true};
	struct rpc_client_call *call = NULL;

	request.service = (char *)(uintptr_t)service;
	assert_ok(grpc_health_v1_health_watch_start(
	    &fixture->client.rpc, &options, &request, NULL, &call));
	return call;
}

/* UNKNOWN_STATE: the stream has ended. */
static enum said
next(struct rpc_client_call *call)
{
	Grpc__Health__V1__HealthCheckResponse *response = NULL;
	enum said said = UNKNOWN_STATE;

	assert_ok(
	    grpc_health_v1_health_watch_next(call, TIMEOUT_MS, &response));
	if (response != NULL)
		said = (enum said)response->status;
	grpc__health__v1__health_check_response__free_unpacked(response, NULL);
	return said;
}

static void
assert_ended(struct rpc_client_call *call, enum rpc_code code)
{
	assert_int_equal(next(call), UNKNOWN_STATE);
	assert_int_equal(rpc_client_call_status(call)->code, code);
}

static void
test_health_states(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_health *health = fixture->health;
	char long_name[RPC_HEALTH_NAME_MAX + 2];

	assert_int_equal(check(fixture, ""), SERVING);
	assert_int_equal(check(fixture, OWN), SERVING);
	assert_int_equal(check(fixture, "a.B"), UNKNOWN_STATE);
	assert_ok(rpc_health_add(health, "a.B", false));
	assert_int_equal(check(fixture, "a.B"), NOT_SERVING);
	rpc_health_set(health, "a.B", true);
	assert_int_equal(check(fixture, "a.B"), SERVING);
	/* The server as a whole, and with it what has no state of its own. */
	rpc_health_set(health, "", false);
	assert_int_equal(check(fixture, ""), NOT_SERVING);
	assert_int_equal(check(fixture, OWN), NOT_SERVING);
	assert_int_equal(check(fixture, "a.B"), SERVING);
	rpc_health_set(health, "", true);
	assert_int_equal(check(fixture, OWN), SERVING);
	/* One of the server's may have its own, too. */
	assert_ok(rpc_health_add(health, OWN, false));
	assert_int_equal(check(fixture, OWN), NOT_SERVING);
	assert_status(rpc_health_add(health, OWN, true), STATUS_EXISTS);
	assert_status(rpc_health_add(health, "", true), STATUS_EXISTS);
	rpc_health_set(health, "never.Added", true);
	assert_int_equal(check(fixture, "never.Added"), UNKNOWN_STATE);
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_status(rpc_health_add(health, long_name, true), STATUS_INVALID);
	assert_int_equal(check(fixture, long_name), UNKNOWN_STATE);
	long_name[sizeof(long_name) - 2] = '\0';
	assert_ok(rpc_health_add(health, long_name, true));
	assert_int_equal(check(fixture, long_name), SERVING);
}

static void
test_health_shutdown(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_health *health = fixture->health;

	assert_ok(rpc_health_add(health, "a.B", true));
	rpc_health_shutdown(health);
	rpc_health_set(health, "", true);
	rpc_health_set(health, "a.B", true);
	assert_ok(rpc_health_add(health, "c.D", true));
	assert_int_equal(check(fixture, ""), NOT_SERVING);
	assert_int_equal(check(fixture, OWN), NOT_SERVING);
	assert_int_equal(check(fixture, "a.B"), NOT_SERVING);
	assert_int_equal(check(fixture, "c.D"), NOT_SERVING);
	assert_int_equal(check(fixture, "e.F"), UNKNOWN_STATE);
}

static void
test_health_watch(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *late = watch(fixture, "a.B");
	struct rpc_client_call *own = watch(fixture, OWN);

	assert_int_equal(next(late), SERVICE_UNKNOWN);
	assert_int_equal(next(own), SERVING);
	assert_ok(rpc_health_add(fixture->health, "a.B", true));
	assert_int_equal(next(late), SERVING);
	rpc_health_set(fixture->health, "a.B", true);
	rpc_health_set(fixture->health, "a.B", false);
	assert_int_equal(next(late), NOT_SERVING);
	rpc_health_set(fixture->health, "", false);
	assert_int_equal(next(own), NOT_SERVING);
	rpc_client_call_free(late);
	rpc_client_call_free(own);
}

/* Two threads that change what "" says all the time. */
struct flicker {
	struct rpc_health *health;
	atomic_bool is_over;
	pthread_t threads[2];
};

static void *
run_flicker(void *arg)
{
	struct flicker *flicker = arg;

	for (int i = 0; !atomic_load(&flicker->is_over); i++)
		rpc_health_set(flicker->health, "", i % 2 != 0);
	return NULL;
}

static void
start_flicker(struct flicker *flicker, struct rpc_health *health)
{
	flicker->health = health;
	atomic_store(&flicker->is_over, false);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&flicker->threads[i], NULL,
				     run_flicker, flicker),
		    0);
}

static void
stop_flicker(struct flicker *flicker)
{
	atomic_store(&flicker->is_over, true);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(flicker->threads[i], NULL), 0);
}

/* However often it changes: no state twice in a row, and the last arrives. */
static void
test_health_watch_coalesces(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *calls[8];
	enum said last[8];
	struct flicker flicker;

	for (size_t i = 0; i < 8; i++) {
		calls[i] = watch(fixture, i % 2 == 0 ? "" : OWN);
		last[i] = next(calls[i]);
		assert_int_equal(last[i], SERVING);
	}
	start_flicker(&flicker, fixture->health);
	for (size_t i = 0; i < 8; i++)
		for (int k = 0; k < 10; k++) {
			enum said now = next(calls[i]);

			assert_int_equal(
			    now, last[i] == SERVING ? NOT_SERVING : SERVING);
			last[i] = now;
		}
	stop_flicker(&flicker);
	rpc_health_shutdown(fixture->health);
	for (size_t i = 0; i < 8; i++) {
		while (last[i] != NOT_SERVING)
			last[i] = next(calls[i]);
		rpc_client_call_free(calls[i]);
	}
}

/* Clients come and go while states change; the server closes on them. */
static void
test_health_watches_come_and_go(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *calls[16] = {NULL};
	struct flicker flicker;

	start_flicker(&flicker, fixture->health);
	for (size_t i = 0; i < 640; i++) {
		struct rpc_client_call **call = &calls[i % 16];

		rpc_client_call_free(*call);
		*call = watch(fixture, i % 3 == 0 ? OWN : "");
		for (size_t k = 0; k < i % 4; k++)
			assert_int_not_equal(next(*call), UNKNOWN_STATE);
	}
	rpc_server_close(fixture->server);
	for (size_t i = 0; i < 16; i++)
		rpc_client_call_free(calls[i]);
	stop_flicker(&flicker);
}

static void
test_health_close(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *served = watch(fixture, "");
	struct rpc_client_call *unknown = watch(fixture, "a.B");

	assert_int_equal(next(served), SERVING);
	assert_int_equal(next(unknown), SERVICE_UNKNOWN);
	rpc_health_shutdown(fixture->health);
	assert_int_equal(next(served), NOT_SERVING);
	rpc_server_close(fixture->server);
	assert_ended(served, RPC_CODE_UNAVAILABLE);
	assert_ended(unknown, RPC_CODE_UNAVAILABLE);
	rpc_client_call_free(served);
	rpc_client_call_free(unknown);
}

static void
test_health_too_many_watches(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call **calls =
	    calloc(RPC_HEALTH_WATCHES_MAX, sizeof(struct rpc_client_call *));
	struct rpc_client_call *call;

	assert_non_null(calls);
	for (size_t i = 0; i < RPC_HEALTH_WATCHES_MAX; i++)
		calls[i] = watch(fixture, "");
	for (size_t i = 0; i < RPC_HEALTH_WATCHES_MAX; i++)
		assert_int_equal(next(calls[i]), SERVING);
	call = watch(fixture, "");
	assert_ended(call, RPC_CODE_RESOURCE_EXHAUSTED);
	rpc_client_call_free(call);
	rpc_health_set(fixture->health, "", false);
	for (size_t i = 0; i < RPC_HEALTH_WATCHES_MAX; i++)
		assert_int_equal(next(calls[i]), NOT_SERVING);
	/* There is room again as soon as the server knows that some went. */
	for (size_t i = 0; i < RPC_HEALTH_WATCHES_MAX; i++)
		rpc_client_call_free(calls[i]);
	for (;;) {
		enum said said;

		call = watch(fixture, "");
		said = next(call);
		rpc_client_call_free(call);
		if (said == NOT_SERVING)
			break;
	}
	free(calls);
}

static void
test_health_list(void **state)
{
	struct fixture *fixture = *state;
	const Grpc__Health__V1__HealthListRequest request =
	    GRPC__HEALTH__V1__HEALTH_LIST_REQUEST__INIT;
	Grpc__Health__V1__HealthListResponse *response = NULL;
	struct rpc_status status = {0};
	char name[16];

	rpc_health_set(fixture->health, "", false);
	/* Besides, there are "" and the health service itself. */
	for (int i = 0; i < RPC_HEALTH_LIST_MAX - 2; i++) {
		(void)snprintf(name, sizeof(name), "n.%d", i);
		assert_ok(rpc_health_add(fixture->health, name, true));
	}
	assert_ok(grpc_health_v1_health_list(
	    &fixture->client.rpc, NULL, &request, &response, &status));
	assert_int_equal(response->n_statuses, RPC_HEALTH_LIST_MAX);
	for (size_t i = 0; i < response->n_statuses; i++) {
		const Grpc__Health__V1__HealthListResponse__StatusesEntry *one =
		    response->statuses[i];

		assert_int_equal(one->value->status,
		    strncmp(one->key, "n.", 2) == 0 ? SERVING : NOT_SERVING);
	}
	grpc__health__v1__health_list_response__free_unpacked(response, NULL);
	rpc_status_clear(&status);
	response = NULL;
	assert_ok(rpc_health_add(fixture->health, "one.TooMany", true));
	assert_status(grpc_health_v1_health_list(&fixture->client.rpc, NULL,
			  &request, &response, &status),
	    STATUS_BUSY);
	assert_int_equal(status.code, RPC_CODE_RESOURCE_EXHAUSTED);
	rpc_status_clear(&status);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_health_states, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_health_shutdown, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_health_watch, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_health_watch_coalesces, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_health_watches_come_and_go, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_health_close, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_health_too_many_watches, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_health_list, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
