#include "rpc/server_call.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "base/clock.h"
#include "rpc/server_core.h"
#include "rpc/stub.h"
#include "rpc/wire_field.h"

/*
 *  REQUESTED --arrived--> READING --request is there--> OPEN
 *      |
 *      +--server closed--> DONE
 *
 *  OPEN --answer--> FINISHING --sent--> DONE
 *    |                                   ^
 *    +--client gone--> DEAD --answer-----+
 *
 * Where requests stream, READING is passed through at once. In DEAD and DONE
 * nothing more is sent. Such a call is freed as soon as no batch is under way
 * and no one holds it.
 */
enum call_state {
	CALL_REQUESTED,
	CALL_READING,
	CALL_OPEN,
	CALL_FINISHING,
	CALL_DEAD,
	CALL_DONE,
};

#define BIT(state) (1u << (state))

static const unsigned allowed_moves[] = {
    [CALL_REQUESTED] = BIT(CALL_READING) | BIT(CALL_DONE),
    [CALL_READING] = BIT(CALL_OPEN),
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
	/* In one of the worker's queues, or NULL. */
	struct rpc_call_queue *queue;
	struct rpc_server_call *earlier, *later;
	size_t weight;
	uint64_t queued_at_ms;

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
	struct rpc_event arrived, read, headers_sent, sent, received, finished,
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
	if (state == CALL_OPEN)
		atomic_fetch_add(&call->worker->server->open_count, 1);
	else if (call->state == CALL_OPEN)
		atomic_fetch_sub(&call->worker->server->open_count, 1);
	call->state = state;
}

static bool
is_over(const struct rpc_server_call *call)
{
	return call->state == CALL_DEAD || call->state == CALL_DONE;
}

/* ---- What clients keep us waiting for ---- */

/*
 * A client may begin a request and not end it, or not take its answer. Each
 * worker counts both. When they are too many, the oldest end; but not before
 * a sweep finds them: what is merely waiting for this worker does not count.
 */
#define SWEEP_MS 1000

/* How long they are borne with when there are too many. */
#define READING_PATIENCE_MS 1000
#define UNSENT_PATIENCE_MS 5000

#define READING_MIN ((size_t)4)
#define UNSENT_MIN ((size_t)8 << 20)

/* What a call costs besides its answer: gRPC's share, mostly. */
#define CALL_WEIGHT ((size_t)16 << 10)

/* Shorter answers are never refused. */
#define LARGE_ANSWER ((size_t)64 << 10)

static void
queue_add(
    struct rpc_call_queue *queue, struct rpc_server_call *call, size_t weight)
{
	struct rpc_worker *worker = call->worker;

	assert(call->queue == NULL);
	call->queue = queue;
	call->weight = weight;
	call->queued_at_ms = clock_monotonic_ms();
	call->earlier = queue->last;
	if (queue->last != NULL)
		queue->last->later = call;
	else
		queue->first = call;
	queue->last = call;
	queue->weight += weight;
	if (!worker->sweep_timer.is_started)
		rpc_timer_start(worker->loop, &worker->sweep_timer, SWEEP_MS);
}

static void
queue_remove(struct rpc_server_call *call)
{
	struct rpc_call_queue *queue = call->queue;

	if (queue == NULL)
		return;
	if (call->earlier != NULL)
		call->earlier->later = call->later;
	else
		queue->first = call->later;
	if (call->later != NULL)
		call->later->earlier = call->earlier;
	else
		queue->last = call->earlier;
	queue->weight -= call->weight;
	call->queue = NULL;
	call->earlier = call->later = NULL;
}

/* The first call, if it has to end; taken out of the queue. */
static struct rpc_server_call *
queue_take_late(struct rpc_call_queue *queue, uint64_t now_ms,
    uint64_t time_max_ms, uint64_t patience_ms)
{
	struct rpc_server_call *call = queue->first;
	uint64_t age_ms;

	if (call == NULL)
		return NULL;
	age_ms = now_ms - call->queued_at_ms;
	if (age_ms < time_max_ms &&
	    (queue->weight <= queue->weight_max || age_ms < patience_ms))
		return NULL;
	queue_remove(call);
	return call;
}

/*
 * Comes through the completion queue, so behind everything that has arrived
 * for these calls.
 */
static void
run_sweep(struct rpc_post *post)
{
	struct rpc_worker *worker =
	    (struct rpc_worker *)((char *)post -
				  offsetof(struct rpc_worker, sweep));
	const struct rpc_server_options *options = &worker->server->options;
	uint64_t now_ms = clock_monotonic_ms();
	struct rpc_server_call *call;

	while ((call = queue_take_late(&worker->reading, now_ms,
		    (uint64_t)options->request_timeout_ms,
		    READING_PATIENCE_MS)) != NULL) {
		call_move(call, CALL_OPEN);
		rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "the request did not arrive in time", bytes_empty());
	}
	/* Their batches end then, and they with them. */
	while ((call = queue_take_late(&worker->unsent, now_ms,
		    (uint64_t)options->answer_timeout_ms,
		    UNSENT_PATIENCE_MS)) != NULL)
		(void)grpc_call_cancel(call->core, NULL);
	worker->is_sweeping = false;
	if (worker->reading.first != NULL || worker->unsent.first != NULL)
		rpc_timer_start(worker->loop, &worker->sweep_timer, SWEEP_MS);
	rpc_worker_check(worker);
}

static void
on_sweep_timer(struct rpc_timer *timer)
{
	struct rpc_worker *worker =
	    (struct rpc_worker *)((char *)timer -
				  offsetof(struct rpc_worker, sweep_timer));

	if (worker->is_sweeping)
		return;
	worker->is_sweeping = true;
	rpc_loop_post(worker->loop, &worker->sweep);
}

/* Whether an answer of that size would be too much for now. */
static bool
is_too_much(const struct rpc_server_call *call, size_t size)
{
	const struct rpc_call_queue *unsent = &call->worker->unsent;

	return size > LARGE_ANSWER && unsent->first != NULL &&
	       unsent->weight + size > unsent->weight_max;
}

void
rpc_worker_init_queues(struct rpc_worker *worker)
{
	const struct rpc_server_options *options = &worker->server->options;
	size_t reading = options->max_partial_requests / options->workers;
	size_t unsent = options->max_unsent_bytes / options->workers;

	worker->reading.weight_max =
	    reading > READING_MIN ? reading : READING_MIN;
	worker->unsent.weight_max = unsent > UNSENT_MIN ? unsent : UNSENT_MIN;
	worker->sweep_timer.fire = on_sweep_timer;
	worker->sweep.run = run_sweep;
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
rpc_server_call_drop_request(struct rpc_server_call *call)
{
	free_kept(call);
	grpc_slice_unref(call->request);
	call->request = grpc_empty_slice();
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
call_free(struct rpc_server_call *call)
{
	struct rpc_worker *worker = call->worker;

	assert(!call->timer.is_started);
	assert(call->queue == NULL);
	destroy_user(call);
	rpc_server_call_drop_request(call);
	if (call->payload != NULL)
		grpc_byte_buffer_destroy(call->payload);
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
	/* Not before the call back that answered has returned. */
	if (call->state == CALL_FINISHING || call->state == CALL_DONE) {
		rpc_server_call_drop_request(call);
		if (call->holds == 0)
			destroy_user(call);
	}
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
	queue_remove(call);
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
	/* The batch takes the message's content. */
	queue_add(&call->worker->unsent, call,
	    CALL_WEIGHT +
		(message != NULL ? grpc_byte_buffer_length(message) : 0));
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
take_payload(struct rpc_server_call *call)
{
	grpc_byte_buffer *payload = call->payload;
	bool is_there =
	    payload != NULL && rpc_buffer_to_slice(payload, &call->request);

	if (payload != NULL)
		grpc_byte_buffer_destroy(payload);
	call->payload = NULL;
	return is_there;
}

static void
invoke(struct rpc_server_call *call)
{
	call_move(call, CALL_OPEN);
	call->method->invoke(call, call->method->handlers,
	    call->method->service, rpc_slice_bytes(&call->request));
}

static void
on_read(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = CALL_OF(event, read);

	(void)ok;
	enter(call);
	call->pending--;
	if (call->state != CALL_READING) {
		/* It took too long, and was refused; it may be in the other
		   queue by now. */
		leave(call);
		return;
	}
	queue_remove(call);
	if (take_payload(call)) {
		invoke(call);
	} else {
		call_move(call, CALL_OPEN);
		rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "the request is missing or too long", bytes_empty());
	}
	leave(call);
}

/*
 * gRPC opens the window for as much as the message says that it will be, so
 * that many clients that begin and never end would fill the memory.
 */
static void
start_reading(struct rpc_server_call *call)
{
	grpc_op op;

	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_RECV_MESSAGE;
	op.data.recv_message.recv_message = &call->payload;
	start_batch(call, &op, 1, &call->read);
	queue_add(&call->worker->reading, call, 1);
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
	call_move(call, CALL_READING);
	if (call->method == NULL) {
		call_move(call, CALL_OPEN);
		rpc_stub_unimplemented(call);
	} else if (call->method->method->kind == RPC_METHOD_UNARY ||
		   call->method->method->kind == RPC_METHOD_SERVER_STREAMING) {
		start_reading(call);
	} else {
		invoke(call);
	}
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
	call->read.complete = on_read;
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

static void
refuse_answer(struct rpc_server_call *call)
{
	rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
	    "too many answers are waiting for their clients", bytes_empty());
}

void
rpc_server_call_reply(struct rpc_server_call *call, struct bytes message)
{
	if (is_too_much(call, message.size)) {
		refuse_answer(call);
		return;
	}
	call->code = GRPC_STATUS_OK;
	finish(call,
	    call->state == CALL_OPEN ? rpc_buffer_from_bytes(message) : NULL);
}

void
rpc_server_call_reply_message(
    struct rpc_server_call *call, const ProtobufCMessage *message)
{
	if (is_too_much(call, protobuf_c_message_get_packed_size(message))) {
		refuse_answer(call);
		return;
	}
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
	ProtobufCAllocator allocator = {unpack_alloc, unpack_free, &left};
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
