#include "rpc/reflection.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gen/grpc/health/v1/health.grpc-c.h"
#include "gen/grpc/reflection/v1/reflection.grpc-c.h"
#include "gen/grpc/reflection/v1alpha/reflection.grpc-c.h"
#include "rpc/descriptor_index.h"
#include "rpc/reflection_answer.h"
#include "rpc/server_core.h"

struct rpc_reflection {
	struct rpc_descriptor_index *index;
	const struct rpc_server *server;
	pthread_mutex_t mutex;
	/* Guarded by it. */
	const char **services; /* NULL until the first stream comes */
	size_t service_count;
	unsigned stream_count;
	size_t unsent;
};

/* One call; gone with it. */
struct stream {
	struct rpc_reflection *reflection;
	struct rpc_reflection_source source;
	size_t unsent; /* bytes of the answer that is on its way */
};

/* ---- What the server serves ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/*
 * Methods are registered until the server starts, so that this waits for the
 * first stream. Mutex held.
 */
static enum status
list_services(struct rpc_reflection *reflection)
{
	const struct rpc_server *server = reflection->server;
	const char **names;
	size_t count = 0;

	if (reflection->services != NULL)
		return STATUS_OK;
	names = calloc(server->method_count, sizeof(*names));
	if (names == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < server->method_count; i++)
		names[i] = server->methods[i].method->service;
	qsort(names, server->method_count, sizeof(*names), compare_names);
	for (size_t i = 0; i < server->method_count; i++)
		if (count == 0 || strcmp(names[count - 1], names[i]) != 0)
			names[count++] = names[i];
	reflection->services = names;
	reflection->service_count = count;
	return STATUS_OK;
}

/* ---- A stream ---- */

/* STATUS_BUSY: there are too many; STATUS_NOMEM. */
static enum status
stream_new(struct rpc_reflection *reflection, struct stream **out)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	enum status st = STATUS_NOMEM;

	if (stream == NULL)
		return st;
	pthread_mutex_lock(&reflection->mutex);
	if (reflection->stream_count >= RPC_REFLECTION_STREAMS_MAX) {
		st = STATUS_BUSY;
	} else if ((st = list_services(reflection)) == STATUS_OK) {
		stream->reflection = reflection;
		stream->source = (struct rpc_reflection_source){
		    .index = reflection->index,
		    .services = reflection->services,
		    .service_count = reflection->service_count,
		};
		reflection->stream_count++;
		*out = stream;
		stream = NULL;
	}
	pthread_mutex_unlock(&reflection->mutex);
	free(stream);
	return st;
}

static void
stream_free(void *user)
{
	struct stream *stream = user;
	struct rpc_reflection *reflection = stream->reflection;

	pthread_mutex_lock(&reflection->mutex);
	reflection->stream_count--;
	reflection->unsent -= stream->unsent;
	pthread_mutex_unlock(&reflection->mutex);
	free(stream);
}

/* False: too much is on its way. An answer alone is never too much. */
static bool
stream_begin_send(struct stream *stream, size_t size)
{
	struct rpc_reflection *reflection = stream->reflection;
	bool is_allowed;

	pthread_mutex_lock(&reflection->mutex);
	is_allowed = reflection->unsent == 0 ||
		     reflection->unsent + size <= RPC_REFLECTION_UNSENT_MAX;
	if (is_allowed) {
		reflection->unsent += size;
		stream->unsent = size;
	}
	pthread_mutex_unlock(&reflection->mutex);
	return is_allowed;
}

static void
stream_end_send(struct stream *stream)
{
	struct rpc_reflection *reflection = stream->reflection;

	pthread_mutex_lock(&reflection->mutex);
	reflection->unsent -= stream->unsent;
	stream->unsent = 0;
	pthread_mutex_unlock(&reflection->mutex);
}

static void on_request(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg);

static void
on_sent(struct rpc_server_call *call, bool is_alive, void *arg)
{
	struct stream *stream = arg;

	stream_end_send(stream);
	if (is_alive)
		(void)rpc_server_call_receive(call, on_request, stream);
}

/* The next request is read when the client has taken this one's answer. */
static void
on_request(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	struct stream *stream = arg;
	struct rpc_reflection_answer answer;
	const ProtobufCMessage *response = &answer.response.base;
	enum status st;

	if (is_end) {
		rpc_server_call_finish(call);
		return;
	}
	st = rpc_reflection_answer_init(&answer, &stream->source, message);
	if (st == STATUS_INVALID)
		rpc_server_call_fail(call, RPC_CODE_INTERNAL,
		    "the request is malformed", bytes_empty());
	else if (st != STATUS_OK)
		rpc_server_call_fail(
		    call, rpc_code_from_status(st), NULL, bytes_empty());
	else if (!stream_begin_send(
		     stream, protobuf_c_message_get_packed_size(response)))
		rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "too many answers are waiting for their clients",
		    bytes_empty());
	else
		(void)rpc_server_call_send_message(
		    call, response, on_sent, stream);
	rpc_reflection_answer_clear(&answer);
}

static void
on_close(struct rpc_server_call *call, void *arg)
{
	(void)arg;
	rpc_server_call_fail(call, RPC_CODE_UNAVAILABLE,
	    "the server is stopping", bytes_empty());
}

static void
reflect(void *service, struct rpc_server_call *call)
{
	struct stream *stream = NULL;
	enum status st = stream_new(service, &stream);

	if (st == STATUS_BUSY) {
		rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "too many reflection streams are open", bytes_empty());
		return;
	}
	if (st != STATUS_OK) {
		rpc_server_call_fail(
		    call, rpc_code_from_status(st), NULL, bytes_empty());
		return;
	}
	rpc_server_call_set_user(call, stream, stream_free);
	(void)rpc_server_call_receive(call, on_request, stream);
	rpc_server_call_on_close(call, on_close, NULL);
}

static const struct grpc_reflection_v1_server_reflection_handlers handlers = {
    .server_reflection_info = reflect,
};

static const struct grpc_reflection_v1alpha_server_reflection_handlers
    handlers_alpha = {
	.server_reflection_info = reflect,
};

/* ---- Life ---- */

enum status
rpc_reflection_new(const struct rpc_descriptors *const *descriptors,
    size_t count, struct rpc_reflection **out)
{
	const struct rpc_descriptors *const own[] = {
	    &grpc_health_v1_health_descriptors,
	    &grpc_reflection_v1_reflection_descriptors,
	    &grpc_reflection_v1alpha_reflection_descriptors,
	};
	const size_t own_count = sizeof(own) / sizeof(own[0]);
	const struct rpc_descriptors **all =
	    calloc(count + own_count, sizeof(const struct rpc_descriptors *));
	struct rpc_reflection *reflection = calloc(1, sizeof(*reflection));
	enum status st = STATUS_NOMEM;

	if (all == NULL || reflection == NULL)
		goto out;
	/* The application's are the first, in case it has these too. */
	for (size_t i = 0; i < count; i++)
		all[i] = descriptors[i];
	for (size_t i = 0; i < own_count; i++)
		all[count + i] = own[i];
	if ((st = rpc_descriptor_index_new(
		 all, count + own_count, &reflection->index)) != STATUS_OK)
		goto out;
	pthread_mutex_init(&reflection->mutex, NULL);
	*out = reflection;
	reflection = NULL;
out:
	free(all);
	free(reflection);
	return st;
}

enum status
rpc_reflection_register(
    struct rpc_reflection *reflection, struct rpc_server *server)
{
	enum status st;

	reflection->server = server;
	if ((st = grpc_reflection_v1_server_reflection_register(
		 server, &handlers, reflection)) != STATUS_OK)
		return st;
	return grpc_reflection_v1alpha_server_reflection_register(
	    server, &handlers_alpha, reflection);
}

void
rpc_reflection_free(struct rpc_reflection *reflection)
{
	if (reflection == NULL)
		return;
	rpc_descriptor_index_free(reflection->index);
	pthread_mutex_destroy(&reflection->mutex);
	free(reflection->services);
	free(reflection);
}
