#include "rpc/server_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security_constants.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "rpc/server_core.h"
#include "rpc/stub.h"

/* RFC 9113, 10.5.1: what an entry costs besides its bytes. */
#define ENTRY_OVERHEAD 32

#define BIT(state) (1u << RPC_CALL_STATE_##state)

static const unsigned allowed_moves[] = {
    [RPC_CALL_STATE_REQUESTED] = BIT(OPEN) | BIT(DONE),
    [RPC_CALL_STATE_OPEN] = BIT(READING) | BIT(FINISHING) | BIT(DEAD),
    [RPC_CALL_STATE_READING] = BIT(OPEN),
    [RPC_CALL_STATE_FINISHING] = BIT(DONE),
    [RPC_CALL_STATE_DEAD] = BIT(DONE),
    [RPC_CALL_STATE_DONE] = 0,
};

void
rpc_call_move(struct rpc_server_call *call, enum rpc_call_state state)
{
	assert(allowed_moves[call->state] & (1u << state));
	if (state == RPC_CALL_STATE_OPEN)
		atomic_fetch_add(&call->worker->server->open_count, 1);
	else if (call->state == RPC_CALL_STATE_OPEN)
		atomic_fetch_sub(&call->worker->server->open_count, 1);
	call->state = state;
}

/* ---- Life and death ---- */

static void
free_kept(struct rpc_server_call *call)
{
	if (call->kept != NULL)
		protobuf_c_message_free_unpacked(call->kept, NULL);
	call->kept = NULL;
}

void
rpc_server_call_keep_request(
    struct rpc_server_call *call, ProtobufCMessage *message)
{
	free_kept(call);
	call->kept = message;
}

void
rpc_server_call_drop_request(struct rpc_server_call *call)
{
	free_kept(call);
	grpc_slice_unref(call->request);
	call->request = grpc_empty_slice();
}

void
rpc_server_call_set_user(
    struct rpc_server_call *call, void *user, void (*destroy)(void *user))
{
	call->user = user;
	call->destroy_user = destroy;
}

void *
rpc_server_call_user(const struct rpc_server_call *call)
{
	return call->user;
}

static void
destroy_user(struct rpc_server_call *call)
{
	void (*destroy)(void *user) = call->destroy_user;

	call->destroy_user = NULL;
	if (destroy != NULL)
		destroy(call->user);
	call->user = NULL;
}

static void
link_call(struct rpc_server_call *call)
{
	struct rpc_worker *worker = call->worker;

	call->next = worker->calls;
	if (worker->calls != NULL)
		worker->calls->previous = call;
	worker->calls = call;
	worker->call_count++;
}

static void
unlink_call(struct rpc_server_call *call)
{
	struct rpc_worker *worker = call->worker;

	if (call->previous != NULL)
		call->previous->next = call->next;
	else
		worker->calls = call->next;
	if (call->next != NULL)
		call->next->previous = call->previous;
	worker->call_count--;
}

static void
call_free(struct rpc_server_call *call)
{
	struct rpc_worker *worker = call->worker;

	assert(!call->timer.is_started);
	assert(call->waiting.budget == NULL && call->unsent.budget == NULL);
	destroy_user(call);
	rpc_server_call_drop_request(call);
	if (call->payload != NULL)
		grpc_byte_buffer_destroy(call->payload);
	if (call->incoming != NULL)
		grpc_byte_buffer_destroy(call->incoming);
	rpc_metadata_list_clear(&call->headers);
	rpc_metadata_list_clear(&call->trailers);
	grpc_slice_unref(call->text);
	grpc_slice_unref(call->path);
	grpc_metadata_array_destroy(&call->metadata);
	grpc_auth_context_release(call->security);
	gpr_free(call->peer);
	if (call->core != NULL) {
		unlink_call(call);
		grpc_call_unref(call->core);
	}
	free(call);
	rpc_worker_check(worker);
}

void
rpc_call_enter(struct rpc_server_call *call)
{
	call->depth++;
}

void
rpc_call_leave(struct rpc_server_call *call)
{
	call->depth--;
	rpc_call_settle(call);
}

void
rpc_call_die(struct rpc_server_call *call)
{
	void (*on_cancel)(struct rpc_server_call *, void *) = call->on_cancel;

	rpc_call_move(call, RPC_CALL_STATE_DEAD);
	rpc_timer_stop(call->worker->loop, &call->timer);
	call->on_cancel = NULL;
	if (on_cancel != NULL)
		on_cancel(call, call->on_cancel_arg);
}

void
rpc_call_refuse(
    struct rpc_server_call *call, enum rpc_code code, const char *message)
{
	void (*on_cancel)(struct rpc_server_call *, void *) = call->on_cancel;

	assert(call->depth > 0);
	rpc_server_call_fail(call, code, message, bytes_empty());
	if (on_cancel != NULL)
		on_cancel(call, call->on_cancel_arg);
}

/*
 * Nobody is left who could answer: the handler has forgotten it. Watching the
 * client does not count, unless someone wants to know.
 */
static bool
is_forgotten(const struct rpc_server_call *call)
{
	unsigned watching = call->is_watched && !call->is_closed ? 1 : 0;

	return call->state == RPC_CALL_STATE_OPEN &&
	       call->pending == watching && call->holds == 0 &&
	       !call->timer.is_started && call->on_cancel == NULL;
}

void
rpc_call_settle(struct rpc_server_call *call)
{
	bool is_over;

	if (call->depth > 0)
		return;
	if (is_forgotten(call)) {
		rpc_server_call_fail(call, RPC_CODE_UNKNOWN,
		    "the server did not answer", bytes_empty());
		return;
	}
	is_over = call->state == RPC_CALL_STATE_DEAD ||
		  call->state == RPC_CALL_STATE_DONE;
	/* Not before the call back that answered has returned. */
	if (call->state == RPC_CALL_STATE_FINISHING ||
	    call->state == RPC_CALL_STATE_DONE) {
		rpc_server_call_drop_request(call);
		if (call->holds == 0)
			destroy_user(call);
	}
	if (!is_over || call->pending > 0)
		return;
	rpc_call_intercept_end(call);
	if (call->holds == 0)
		call_free(call);
}

/* ---- Batches ---- */

/* gRPC refuses a batch only for wrong use, or for metadata that was checked
   when it was added. */
void
rpc_call_start_batch(struct rpc_server_call *call, const grpc_op *ops,
    size_t count, struct rpc_event *event)
{
	grpc_call_error error;

	call->pending++;
	error = grpc_call_start_batch(call->core, ops, count, event, NULL);
	assert(error == GRPC_CALL_OK);
	(void)error;
}

/*
 * gRPC chooses among what the client accepts, by a level: the lowest prefers
 * gzip, the highest deflate.
 */
static void
set_level(const struct rpc_server_call *call, grpc_op *op)
{
	switch (call->compression) {
	case RPC_COMPRESSION_DEFAULT:
	case RPC_COMPRESSION_NONE:
		return;
	case RPC_COMPRESSION_DEFLATE:
		op->data.send_initial_metadata.maybe_compression_level.level =
		    GRPC_COMPRESS_LEVEL_HIGH;
		break;
	case RPC_COMPRESSION_GZIP:
		op->data.send_initial_metadata.maybe_compression_level.level =
		    GRPC_COMPRESS_LEVEL_LOW;
		break;
	}
	op->data.send_initial_metadata.maybe_compression_level.is_set = 1;
}

void
rpc_call_add_headers(struct rpc_server_call *call, grpc_op *ops, size_t *count)
{
	grpc_op *op = &ops[*count];

	if (call->has_sent_headers)
		return;
	call->has_sent_headers = true;
	op->op = GRPC_OP_SEND_INITIAL_METADATA;
	op->data.send_initial_metadata.count = call->headers.count;
	op->data.send_initial_metadata.metadata = call->headers.entries;
	set_level(call, op);
	(*count)++;
}

void
rpc_call_add_close(struct rpc_server_call *call, grpc_op *ops, size_t *count)
{
	if (call->is_watched)
		return;
	call->is_watched = true;
	ops[*count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
	ops[*count].data.recv_close_on_server.cancelled = &call->is_cancelled;
	(*count)++;
}

void
rpc_call_watch(struct rpc_server_call *call)
{
	grpc_op op;
	size_t count = 0;

	memset(&op, 0, sizeof(op));
	rpc_call_add_close(call, &op, &count);
	if (count > 0)
		rpc_call_start_batch(call, &op, count, &call->closed);
}

static void
on_closed(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = RPC_CALL_OF(event, closed);

	(void)ok;
	rpc_call_enter(call);
	call->pending--;
	call->is_closed = true;
	if (call->state == RPC_CALL_STATE_OPEN)
		rpc_call_die(call);
	rpc_call_leave(call);
}

/* ---- Arrival ---- */

/*
 * gRPC sees to the limit only once the client has acknowledged it, and a
 * client need not do that.
 */
static bool
has_too_much_metadata(const struct rpc_server_call *call)
{
	size_t left = call->worker->server->options.max_metadata_bytes;

	for (size_t i = 0; i < call->metadata.count; i++) {
		const grpc_metadata *entry = &call->metadata.metadata[i];
		size_t size = GRPC_SLICE_LENGTH(entry->key) +
			      GRPC_SLICE_LENGTH(entry->value) + ENTRY_OVERHEAD;

		if (size > left)
			return true;
		left -= size;
	}
	return false;
}

void
rpc_call_go_on(struct rpc_server_call *call)
{
	const struct rpc_server_method *method = call->method;

	if (has_too_much_metadata(call))
		rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "the metadata is too large", bytes_empty());
	else if (method == NULL)
		rpc_stub_unimplemented(call);
	else if (rpc_method_has_one_request(method->method))
		rpc_call_read_request(call);
	else
		method->invoke(
		    call, method->handlers, method->service, bytes_empty());
}

static void
take_details(struct rpc_server_call *call)
{
	grpc_call_details *details = &call->worker->unknown;

	if (call->core != NULL) {
		call->path = grpc_slice_ref(details->method);
		call->deadline = details->deadline;
	}
	grpc_call_details_destroy(details);
}

static void
on_arrived(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = RPC_CALL_OF(event, arrived);
	struct rpc_worker *worker = call->worker;

	worker->request_count--;
	if (!ok)
		call->core = NULL;
	if (call->method == NULL)
		take_details(call);
	if (!ok) {
		/* The server is closing: the request retires. */
		rpc_call_move(call, RPC_CALL_STATE_DONE);
		rpc_call_settle(call);
		return;
	}
	/* First, so that calls go on being accepted whatever this one does. */
	rpc_worker_request(worker, call->method);
	link_call(call);
	rpc_call_enter(call);
	rpc_call_move(call, RPC_CALL_STATE_OPEN);
	if (worker->server->interceptor_count > 0)
		rpc_call_intercept(call);
	else
		rpc_call_go_on(call);
	rpc_call_leave(call);
}

static struct rpc_server_call *
call_new(struct rpc_worker *worker, const struct rpc_server_method *method)
{
	unsigned slots = worker->server->interceptor_count;
	struct rpc_server_call *call =
	    calloc(1, sizeof(*call) + slots * sizeof(call->slots[0]));

	if (call == NULL)
		return NULL;
	call->worker = worker;
	call->method = method;
	call->compression = worker->server->options.compression;
	call->request = call->text = call->path = grpc_empty_slice();
	call->arrived.complete = on_arrived;
	call->closed.complete = on_closed;
	rpc_call_init_receive(call);
	rpc_call_init_answer(call);
	rpc_call_init_wake(call);
	grpc_metadata_array_init(&call->metadata);
	return call;
}

void
rpc_worker_request(
    struct rpc_worker *worker, const struct rpc_server_method *method)
{
	struct rpc_server *server = worker->server;
	grpc_completion_queue *queue = rpc_loop_queue(worker->loop);
	struct rpc_server_call *call;
	grpc_call_error error;

	if (atomic_load(&server->is_closed))
		return;
	/* One of many slots is lost; gRPC itself would end the program. */
	if ((call = call_new(worker, method)) == NULL)
		return;
	worker->request_count++;
	if (method != NULL) {
		error = grpc_server_request_registered_call(server->core,
		    method->registration, &call->core, &call->deadline,
		    &call->metadata, NULL, queue, queue, &call->arrived);
	} else {
		grpc_call_details_init(&worker->unknown);
		error = grpc_server_request_call(server->core, &call->core,
		    &worker->unknown, &call->metadata, queue, queue,
		    &call->arrived);
	}
	assert(error == GRPC_CALL_OK);
	(void)error;
}

void
rpc_worker_for_each_call(
    struct rpc_worker *worker, void (*visit)(struct rpc_server_call *call))
{
	struct rpc_server_call *call = worker->calls;

	/* Until it was left, the next in the list stays. */
	if (call != NULL)
		rpc_call_enter(call);
	while (call != NULL) {
		struct rpc_server_call *next = call->next;

		if (next != NULL)
			rpc_call_enter(next);
		visit(call);
		rpc_call_leave(call);
		call = next;
	}
}

static void
cancel_call(struct rpc_server_call *call)
{
	if (call->state == RPC_CALL_STATE_OPEN)
		rpc_call_die(call);
}

void
rpc_worker_cancel_calls(struct rpc_worker *worker)
{
	rpc_worker_for_each_call(worker, cancel_call);
}

/* ---- What was asked ---- */

const struct rpc_method *
rpc_server_call_method(const struct rpc_server_call *call)
{
	return call->method != NULL ? call->method->method : NULL;
}

struct bytes
rpc_server_call_path(const struct rpc_server_call *call)
{
	if (call->method == NULL)
		return rpc_slice_bytes(&call->path);
	return bytes_make(
	    call->method->method->path, strlen(call->method->method->path));
}

bool
rpc_server_call_metadata(
    const struct rpc_server_call *call, const char *key, struct bytes *value)
{
	return rpc_metadata_find(&call->metadata, key, value);
}

bool
rpc_server_call_metadata_at(const struct rpc_server_call *call, size_t index,
    struct bytes *key, struct bytes *value)
{
	if (index >= call->metadata.count)
		return false;
	*key = rpc_slice_bytes(&call->metadata.metadata[index].key);
	*value = rpc_slice_bytes(&call->metadata.metadata[index].value);
	return true;
}

const char *
rpc_server_call_peer(struct rpc_server_call *call)
{
	if (call->peer == NULL)
		call->peer = grpc_call_get_peer(call->core);
	return call->peer;
}

/* A property of the connection, by index. */
static bool
find_property(struct rpc_server_call *call, const char *name, size_t index,
    struct bytes *value)
{
	grpc_auth_property_iterator properties;
	const grpc_auth_property *property = NULL;

	if (call->security == NULL)
		call->security = grpc_call_auth_context(call->core);
	if (call->security == NULL)
		return false;
	properties =
	    grpc_auth_context_find_properties_by_name(call->security, name);
	for (size_t i = 0; i <= index; i++) {
		property = grpc_auth_property_iterator_next(&properties);
		if (property == NULL)
			return false;
	}
	*value = bytes_make(property->value, property->value_length);
	return true;
}

bool
rpc_server_call_peer_certificate(
    struct rpc_server_call *call, struct bytes *pem)
{
	return find_property(call, GRPC_X509_PEM_CERT_PROPERTY_NAME, 0, pem);
}

bool
rpc_server_call_peer_name(
    struct rpc_server_call *call, size_t index, struct bytes *name)
{
	struct bytes any;

	if (find_property(call, GRPC_X509_SAN_PROPERTY_NAME, 0, &any))
		return find_property(
		    call, GRPC_X509_SAN_PROPERTY_NAME, index, name);
	return find_property(call, GRPC_X509_CN_PROPERTY_NAME, index, name);
}

int64_t
rpc_server_call_time_left_ms(const struct rpc_server_call *call)
{
	gpr_timespec left;

	if (gpr_time_cmp(
		call->deadline, gpr_inf_future(call->deadline.clock_type)) == 0)
		return INT64_MAX;
	left = gpr_time_sub(call->deadline, gpr_now(call->deadline.clock_type));
	if (left.tv_sec < 0)
		return 0;
	return left.tv_sec * 1000 + left.tv_nsec / 1000000;
}

unsigned
rpc_server_call_worker(const struct rpc_server_call *call)
{
	return call->worker->index;
}

struct rpc_loop *
rpc_server_call_loop(struct rpc_server_call *call)
{
	return call->worker->loop;
}
