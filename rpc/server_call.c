#include "rpc/server_call.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "rpc/server_core.h"
#include "rpc/stub.h"
#include "rpc/wire_field.h"

/*
 *  REQUESTED --arrived--> OPEN --answer--> FINISHING --sent--> DONE
 *      |                    |                                  ^ ^
 *      |                    +--client gone--> DEAD --answer----+ |
 *      +--server closed------------------------------------------+
 *
 * In DEAD and DONE nothing more is sent. Such a call is freed as soon as no
 * batch is under way and no one holds it.
 */
enum call_state {
	CALL_REQUESTED,
	CALL_OPEN,
	CALL_FINISHING,
	CALL_DEAD,
	CALL_DONE,
};

#define BIT(state) (1u << (state))

static const unsigned allowed_moves[] = {
    [CALL_REQUESTED] = BIT(CALL_OPEN) | BIT(CALL_DONE),
    [CALL_OPEN] = BIT(CALL_FINISHING) | BIT(CALL_DEAD),
    [CALL_FINISHING] = BIT(CALL_DONE),
    [CALL_DEAD] = BIT(CALL_DONE),
    [CALL_DONE] = 0,
};

struct rpc_server_call {
	struct rpc_worker *worker;
	const struct rpc_server_method *method; /* NULL: of no one */
	enum call_state state;
	bool has_sent_headers, is_sending, is_receiving, is_watched;
	bool is_finish_pending; /* answered while a message is on its way */
	unsigned pending;       /* batches under way */
	unsigned holds;
	unsigned depth; /* call backs of the application that are running */
	struct rpc_server_call *previous, *next; /* of the worker's list */

	/* Filled in by gRPC on arrival. */
	grpc_call *core;
	gpr_timespec deadline;
	grpc_metadata_array metadata;
	grpc_byte_buffer *payload;
	int is_cancelled;

	grpc_slice request;
	ProtobufCMessage *kept;
	char *peer;
	void *user;
	void (*destroy_user)(void *user);

	/* The answer. */
	struct rpc_metadata_list headers, trailers;
	grpc_status_code code;
	grpc_slice text;

	/* Tags. */
	struct rpc_event arrived, headers_sent, sent, received, finished,
	    closed;
	grpc_byte_buffer *incoming;

	/* What the application waits for. */
	rpc_server_call_fn *on_sent;
	void *on_sent_arg;
	rpc_server_call_message_fn *on_message;
	void *on_message_arg;
	void (*on_cancel)(struct rpc_server_call *call, void *arg);
	void *on_cancel_arg;
	struct rpc_timer timer;
	void (*on_timer)(struct rpc_server_call *call, void *arg);
	void *on_timer_arg;

	/* From other threads. */
	atomic_bool is_wake_posted;
	rpc_server_call_fn *on_wake;
	void *on_wake_arg;
	struct rpc_post wake;
	/* Holds given up and not yet taken off; the first one posts. */
	atomic_uint released;
	struct rpc_post release;
};

#define CALL_OF(pointer, member)                                               \
	((struct rpc_server_call *)((char *)(pointer)-offsetof(                \
	    struct rpc_server_call, member)))

static void settle(struct rpc_server_call *call);

static void
call_move(struct rpc_server_call *call, enum call_state state)
{
	assert(allowed_moves[call->state] & BIT(state));
	call->state = state;
}

static bool
is_over(const struct rpc_server_call *call)
{
	return call->state == CALL_DEAD || call->state == CALL_DONE;
}

/* ---- Life and death ---- */

static void
free_kept(struct rpc_server_call *call)
{
	if (call->kept != NULL)
		protobuf_c_message_free_unpacked(call->kept, NULL);
	call->kept = NULL;
}

/*
 * What the request was unpacked from and to goes with the answer; not before
 * the call back that answered has returned.
 */
static void
free_request(struct rpc_server_call *call)
{
	free_kept(call);
	grpc_slice_unref(call->request);
	call->request = grpc_empty_slice();
	if (call->payload != NULL)
		grpc_byte_buffer_destroy(call->payload);
	call->payload = NULL;
}

static void
call_free(struct rpc_server_call *call)
{
	struct rpc_worker *worker = call->worker;

	assert(!call->timer.is_started);
	if (call->destroy_user != NULL)
		call->destroy_user(call->user);
	free_request(call);
	if (call->incoming != NULL)
		grpc_byte_buffer_destroy(call->incoming);
	rpc_metadata_list_clear(&call->headers);
	rpc_metadata_list_clear(&call->trailers);
	grpc_slice_unref(call->text);
	grpc_metadata_array_destroy(&call->metadata);
	gpr_free(call->peer);
	if (call->core != NULL) {
		if (call->previous != NULL)
			call->previous->next = call->next;
		else
			worker->calls = call->next;
		if (call->next != NULL)
			call->next->previous = call->previous;
		worker->call_count--;
		grpc_call_unref(call->core);
	}
	free(call);
	rpc_worker_check(worker);
}

/* Around everything that may run the application or complete a batch. */
static void
enter(struct rpc_server_call *call)
{
	call->depth++;
}

static void
leave(struct rpc_server_call *call)
{
	call->depth--;
	settle(call);
}

static void
die(struct rpc_server_call *call)
{
	void (*on_cancel)(struct rpc_server_call *, void *) = call->on_cancel;

	call_move(call, CALL_DEAD);
	rpc_timer_stop(call->worker->loop, &call->timer);
	call->on_cancel = NULL;
	if (on_cancel != NULL)
		on_cancel(call, call->on_cancel_arg);
}

/* Nobody is left who could answer: the handler has forgotten it. */
static bool
is_forgotten(const struct rpc_server_call *call)
{
	return call->state == CALL_OPEN && call->pending == 0 &&
	       call->holds == 0 && !call->timer.is_started &&
	       call->on_cancel == NULL;
}

static void
settle(struct rpc_server_call *call)
{
	if (call->depth > 0)
		return;
	if (is_forgotten(call)) {
		rpc_server_call_fail(call, RPC_CODE_INTERNAL,
		    "the server did not answer", bytes_empty());
		return;
	}
	if (call->state == CALL_FINISHING || call->state == CALL_DONE)
		free_request(call);
	if (is_over(call) && call->pending == 0 && call->holds == 0)
		call_free(call);
}

/* ---- Batches ---- */

/*
 * Everything a completion looks at is set before. gRPC refuses a batch only
 * for wrong use, or for metadata that was checked when it was added.
 */
static void
start_batch(struct rpc_server_call *call, const grpc_op *ops, size_t count,
    struct rpc_event *event)
{
	grpc_call_error error;

	call->pending++;
	error = grpc_call_start_batch(call->core, ops, count, event, NULL);
	assert(error == GRPC_CALL_OK);
	(void)error;
}

static void
add_headers_op(struct rpc_server_call *call, grpc_op *ops, size_t *count)
{
	if (call->has_sent_headers)
		return;
	call->has_sent_headers = true;
	ops[*count].op = GRPC_OP_SEND_INITIAL_METADATA;
	ops[*count].data.send_initial_metadata.count = call->headers.count;
	ops[*count].data.send_initial_metadata.metadata = call->headers.entries;
	(*count)++;
}

static void
add_close_op(struct rpc_server_call *call, grpc_op *ops, size_t *count)
{
	if (call->is_watched)
		return;
	call->is_watched = true;
	ops[*count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
	ops[*count].data.recv_close_on_server.cancelled = &call->is_cancelled;
	(*count)++;
}

static void
on_headers_sent(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = CALL_OF(event, headers_sent);

	(void)ok;
	call->pending--;
	settle(call);
}

static void
on_finished(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = CALL_OF(event, finished);

	(void)ok;
	call->pending--;
	call_move(call, CALL_DONE);
	settle(call);
}

static void
on_closed(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = CALL_OF(event, closed);

	(void)ok;
	enter(call);
	call->pending--;
	if (call->state == CALL_OPEN)
		die(call);
	leave(call);
}

/* The last batch: `message` (taken over; may be NULL) and the status. */
static void
start_finish(struct rpc_server_call *call, grpc_byte_buffer *message)
{
	grpc_op ops[4];
	size_t count = 0;

	memset(ops, 0, sizeof(ops));
	add_headers_op(call, ops, &count);
	if (message != NULL) {
		ops[count].op = GRPC_OP_SEND_MESSAGE;
		ops[count++].data.send_message.send_message = message;
	}
	ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[count].data.send_status_from_server.status = call->code;
	ops[count].data.send_status_from_server.status_details = &call->text;
	ops[count].data.send_status_from_server.trailing_metadata_count =
	    call->trailers.count;
	ops[count].data.send_status_from_server.trailing_metadata =
	    call->trailers.entries;
	count++;
	add_close_op(call, ops, &count);
	start_batch(call, ops, count, &call->finished);
	if (message != NULL)
		grpc_byte_buffer_destroy(message);
}

/*
 * Every answer comes here, with the status set; takes `message` over. From
 * outside of any call back (depth 0) the caller must not touch the call after.
 */
static void
finish(struct rpc_server_call *call, grpc_byte_buffer *message)
{
	if (call->state == CALL_DEAD)
		call_move(call, CALL_DONE);
	if (call->state != CALL_OPEN) {
		if (message != NULL)
			grpc_byte_buffer_destroy(message);
		settle(call);
		return;
	}
	call_move(call, CALL_FINISHING);
	rpc_timer_stop(call->worker->loop, &call->timer);
	call->on_cancel = NULL;
	if (call->is_sending) {
		assert(message == NULL);
		call->is_finish_pending = true;
		return;
	}
	start_finish(call, message);
}

/* ---- Arrival ---- */

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

/*
 * The request in one piece. False: there is none, because the client left at
 * once, or because it was longer than the limit.
 */
static bool
read_payload(struct rpc_server_call *call)
{
	enum rpc_method_kind kind = call->method->method->kind;

	if (kind == RPC_METHOD_CLIENT_STREAMING ||
	    kind == RPC_METHOD_BIDI_STREAMING)
		return true;
	return call->payload != NULL &&
	       rpc_buffer_to_slice(call->payload, &call->request);
}

static void
on_arrived(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = CALL_OF(event, arrived);
	struct rpc_worker *worker = call->worker;

	worker->request_count--;
	if (call->method == NULL)
		grpc_call_details_destroy(&worker->unknown);
	if (!ok) {
		/* The server is closing: the request retires. */
		call->core = NULL;
		call_move(call, CALL_DONE);
		settle(call);
		return;
	}
	/* First, so that calls go on being accepted whatever this one does. */
	rpc_worker_request(worker, call->method);
	link_call(call);
	enter(call);
	call_move(call, CALL_OPEN);
	if (call->method == NULL)
		rpc_stub_unimplemented(call);
	else if (!read_payload(call))
		rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "the request is missing or too long", bytes_empty());
	else
		call->method->invoke(call, call->method->handlers,
		    call->method->service, rpc_slice_bytes(&call->request));
	leave(call);
}

static void on_sent(struct rpc_event *event, bool ok);
static void on_received(struct rpc_event *event, bool ok);
static void on_timer(struct rpc_timer *timer);
static void run_wake(struct rpc_post *post);
static void run_release(struct rpc_post *post);

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
	if ((call = calloc(1, sizeof(*call))) == NULL)
		return;
	call->worker = worker;
	call->method = method;
	call->request = call->text = grpc_empty_slice();
	call->arrived.complete = on_arrived;
	call->headers_sent.complete = on_headers_sent;
	call->sent.complete = on_sent;
	call->received.complete = on_received;
	call->finished.complete = on_finished;
	call->closed.complete = on_closed;
	call->timer.fire = on_timer;
	call->wake.run = run_wake;
	call->release.run = run_release;
	grpc_metadata_array_init(&call->metadata);
	worker->request_count++;
	if (method != NULL) {
		enum rpc_method_kind kind = method->method->kind;
		bool has_payload = kind == RPC_METHOD_UNARY ||
				   kind == RPC_METHOD_SERVER_STREAMING;

		error = grpc_server_request_registered_call(server->core,
		    method->registration, &call->core, &call->deadline,
		    &call->metadata, has_payload ? &call->payload : NULL, queue,
		    queue, &call->arrived);
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
rpc_worker_cancel_calls(struct rpc_worker *worker)
{
	struct rpc_server_call *call = worker->calls;

	/* Whatever a call back does, the next in the list stays. */
	if (call != NULL)
		enter(call);
	while (call != NULL) {
		struct rpc_server_call *next = call->next;

		if (next != NULL)
			enter(next);
		if (call->state == CALL_OPEN)
			die(call);
		leave(call);
		call = next;
	}
}

/* ---- What was asked ---- */

const struct rpc_method *
rpc_server_call_method(const struct rpc_server_call *call)
{
	return call->method->method;
}

struct bytes
rpc_server_call_request(struct rpc_server_call *call)
{
	return rpc_slice_bytes(&call->request);
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

void
rpc_server_call_keep_request(
    struct rpc_server_call *call, ProtobufCMessage *message)
{
	free_kept(call);
	call->kept = message;
}

/* ---- The answer ---- */

enum status
rpc_server_call_add_header(
    struct rpc_server_call *call, const char *key, struct bytes value)
{
	if (call->has_sent_headers)
		return STATUS_INVALID;
	return rpc_metadata_list_add(&call->headers, key, value);
}

enum status
rpc_server_call_add_trailer(
    struct rpc_server_call *call, const char *key, struct bytes value)
{
	if (call->state != CALL_OPEN && call->state != CALL_DEAD)
		return STATUS_INVALID;
	return rpc_metadata_list_add(&call->trailers, key, value);
}

void
rpc_server_call_send_headers(struct rpc_server_call *call)
{
	grpc_op op;
	size_t count = 0;

	if (call->state != CALL_OPEN || call->has_sent_headers)
		return;
	memset(&op, 0, sizeof(op));
	add_headers_op(call, &op, &count);
	start_batch(call, &op, count, &call->headers_sent);
}

void
rpc_server_call_reply(struct rpc_server_call *call, struct bytes message)
{
	call->code = GRPC_STATUS_OK;
	finish(call,
	    call->state == CALL_OPEN ? rpc_buffer_from_bytes(message) : NULL);
}

void
rpc_server_call_reply_message(
    struct rpc_server_call *call, const ProtobufCMessage *message)
{
	call->code = GRPC_STATUS_OK;
	finish(call,
	    call->state == CALL_OPEN ? rpc_buffer_from_message(message) : NULL);
}

void
rpc_server_call_fail(struct rpc_server_call *call, enum rpc_code code,
    const char *message, struct bytes details)
{
	assert(code != RPC_CODE_OK);
	if (call->state == CALL_OPEN) {
		call->code = (grpc_status_code)code;
		if (message != NULL)
			call->text = grpc_slice_from_copied_string(message);
		/* Without memory for them, the status goes without details. */
		if (details.size > 0)
			(void)!rpc_metadata_list_add(
			    &call->trailers, RPC_DETAILS_KEY, details);
	}
	finish(call, NULL);
}

void
rpc_server_call_finish(struct rpc_server_call *call)
{
	call->code = GRPC_STATUS_OK;
	finish(call, NULL);
}

static void
on_sent(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = CALL_OF(event, sent);
	rpc_server_call_fn *done = call->on_sent;

	enter(call);
	call->pending--;
	call->is_sending = false;
	call->on_sent = NULL;
	if (!ok && call->state == CALL_OPEN)
		die(call);
	if (call->is_finish_pending)
		start_finish(call, NULL);
	else if (done != NULL)
		done(call, rpc_server_call_is_alive(call), call->on_sent_arg);
	leave(call);
}

/* Takes the message over. */
static bool
send_buffer(struct rpc_server_call *call, grpc_byte_buffer *message,
    rpc_server_call_fn *done, void *arg)
{
	grpc_op ops[2];
	size_t count = 0;

	memset(ops, 0, sizeof(ops));
	add_headers_op(call, ops, &count);
	ops[count].op = GRPC_OP_SEND_MESSAGE;
	ops[count++].data.send_message.send_message = message;
	call->is_sending = true;
	call->on_sent = done;
	call->on_sent_arg = arg;
	start_batch(call, ops, count, &call->sent);
	grpc_byte_buffer_destroy(message);
	return true;
}

bool
rpc_server_call_send(struct rpc_server_call *call, struct bytes message,
    rpc_server_call_fn *done, void *arg)
{
	if (call->state != CALL_OPEN || call->is_sending)
		return false;
	return send_buffer(call, rpc_buffer_from_bytes(message), done, arg);
}

bool
rpc_server_call_send_message(struct rpc_server_call *call,
    const ProtobufCMessage *message, rpc_server_call_fn *done, void *arg)
{
	if (call->state != CALL_OPEN || call->is_sending)
		return false;
	return send_buffer(call, rpc_buffer_from_message(message), done, arg);
}

static void
on_received(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = CALL_OF(event, received);
	rpc_server_call_message_fn *done = call->on_message;
	grpc_byte_buffer *incoming = call->incoming;
	grpc_slice message = grpc_empty_slice();
	bool is_end;

	enter(call);
	call->pending--;
	call->is_receiving = false;
	call->incoming = NULL;
	is_end =
	    !ok || incoming == NULL || !rpc_buffer_to_slice(incoming, &message);
	if (done != NULL && call->state == CALL_OPEN)
		done(call, rpc_slice_bytes(&message), is_end,
		    call->on_message_arg);
	grpc_slice_unref(message);
	if (incoming != NULL)
		grpc_byte_buffer_destroy(incoming);
	leave(call);
}

bool
rpc_server_call_receive(struct rpc_server_call *call,
    rpc_server_call_message_fn *on_message, void *arg)
{
	grpc_op op;

	if (call->state != CALL_OPEN || call->is_receiving)
		return false;
	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_RECV_MESSAGE;
	op.data.recv_message.recv_message = &call->incoming;
	call->is_receiving = true;
	call->on_message = on_message;
	call->on_message_arg = arg;
	start_batch(call, &op, 1, &call->received);
	return true;
}

/* ---- Later ---- */

void
rpc_server_call_on_cancel(struct rpc_server_call *call,
    void (*on_cancel)(struct rpc_server_call *call, void *arg), void *arg)
{
	grpc_op op;
	size_t count = 0;

	if (call->state != CALL_OPEN)
		return;
	call->on_cancel = on_cancel;
	call->on_cancel_arg = arg;
	memset(&op, 0, sizeof(op));
	add_close_op(call, &op, &count);
	if (count > 0)
		start_batch(call, &op, count, &call->closed);
}

bool
rpc_server_call_is_alive(const struct rpc_server_call *call)
{
	return call->state == CALL_OPEN;
}

static void
on_timer(struct rpc_timer *timer)
{
	struct rpc_server_call *call = CALL_OF(timer, timer);

	enter(call);
	call->on_timer(call, call->on_timer_arg);
	leave(call);
}

void
rpc_server_call_set_timer(struct rpc_server_call *call, int64_t delay_ms,
    void (*fn)(struct rpc_server_call *call, void *arg), void *arg)
{
	if (call->state != CALL_OPEN)
		return;
	call->on_timer = fn;
	call->on_timer_arg = arg;
	rpc_timer_start(call->worker->loop, &call->timer, delay_ms);
}

void
rpc_server_call_stop_timer(struct rpc_server_call *call)
{
	rpc_timer_stop(call->worker->loop, &call->timer);
}

void
rpc_server_call_hold(struct rpc_server_call *call)
{
	call->holds++;
}

static void
run_release(struct rpc_post *post)
{
	struct rpc_server_call *call = CALL_OF(post, release);
	unsigned released = atomic_exchange(&call->released, 0);

	enter(call);
	assert(call->holds >= released);
	call->holds -= released;
	leave(call);
}

void
rpc_server_call_release(struct rpc_server_call *call)
{
	struct rpc_loop *loop = call->worker->loop;

	/* Only the first of several may touch the call after this: its own
	   post is what lets go of all of them. */
	if (atomic_fetch_add(&call->released, 1) == 0)
		rpc_loop_post(loop, &call->release);
}

static void
run_wake(struct rpc_post *post)
{
	struct rpc_server_call *call = CALL_OF(post, wake);
	rpc_server_call_fn *fn = call->on_wake;
	void *arg = call->on_wake_arg;

	enter(call);
	atomic_store(&call->is_wake_posted, false);
	fn(call, rpc_server_call_is_alive(call), arg);
	assert(call->holds > 0);
	call->holds--;
	leave(call);
}

bool
rpc_server_call_wake(
    struct rpc_server_call *call, rpc_server_call_fn *fn, void *arg)
{
	if (atomic_exchange(&call->is_wake_posted, true))
		return false;
	call->on_wake = fn;
	call->on_wake_arg = arg;
	rpc_loop_post(call->worker->loop, &call->wake);
	return true;
}

/* ---- For generated code ---- */

/*
 * protobuf-c needs up to 48 bytes of memory for two bytes of input (unknown
 * fields, empty submessages). A peer gets this much and no more; an honest
 * message takes less than its own size and the structs.
 */
#define UNPACK_MEMORY_FACTOR 8
#define UNPACK_MEMORY_BASE ((size_t)64 << 10)

static void *
unpack_alloc(void *data, size_t size)
{
	size_t *left = data;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void
unpack_free(void *data, void *memory)
{
	(void)data;
	free(memory);
}

enum status
rpc_stub_unpack(const ProtobufCMessageDescriptor *descriptor,
    struct bytes packed, ProtobufCMessage **message)
{
	size_t left = UNPACK_MEMORY_BASE + UNPACK_MEMORY_FACTOR * packed.size;
	ProtobufCAllocator allocator = { unpack_alloc, unpack_free, &left };
	ProtobufCMessage *unpacked;

	if (!rpc_wire_is_shallow(descriptor, packed))
		return STATUS_INVALID;
	unpacked = protobuf_c_message_unpack(
	    descriptor, &allocator, packed.size, packed.data);
	if (unpacked == NULL)
		return STATUS_INVALID;
	*message = unpacked;
	return STATUS_OK;
}

const ProtobufCMessage *
rpc_stub_request(struct rpc_server_call *call, struct bytes packed)
{
	ProtobufCMessage *message = NULL;

	if (rpc_stub_unpack(call->method->method->request, packed, &message) !=
	    STATUS_OK) {
		rpc_server_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
		    "the request is malformed", bytes_empty());
		return NULL;
	}
	rpc_server_call_keep_request(call, message);
	return message;
}

void
rpc_stub_unimplemented(struct rpc_server_call *call)
{
	rpc_server_call_fail(call, RPC_CODE_UNIMPLEMENTED,
	    "there is no such method", bytes_empty());
}
