#include "rpc/client_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "base/clock.h"
#include "rpc/core.h"
#include "rpc/stub.h"

/*
 * A unary call is one batch of six operations and so one completion, unless
 * its headers are to be told of early. Otherwise the batches are
 *
 *     start     headers, (first) message and close out; headers in
 *     receive   one message in, again and again
 *     status    the end
 *     send      further messages out, close
 *
 * STARTED --status and end of messages are here--> ENDED (told)
 */
enum call_state {
	CALL_STARTED,
	CALL_ENDED,
};

struct rpc_client_call {
	struct rpc_loop *loop;
	grpc_call *core;
	const struct rpc_method *method;
	enum call_state state;
	struct rpc_client_call_events events;
	unsigned pending; /* batches under way */
	unsigned depth;   /* call backs that are running */
	bool is_freed;    /* nobody waits for it any more */
	bool is_on_demand;
	bool has_headers, has_message, has_status;
	bool is_receiving, has_received_all;
	bool is_sending, is_finish_wanted, has_finished_sending;

	struct rpc_metadata_list metadata;
	grpc_metadata_array headers, trailers;
	grpc_byte_buffer *incoming;
	grpc_slice message;
	grpc_status_code code;
	grpc_slice text;
	struct rpc_status status;

	/* Tags. */
	struct rpc_event all, started, received, ended, sent, closed;
};

#define CALL_OF(pointer, member)                                               \
	((struct rpc_client_call *)((char *)(pointer)-offsetof(                \
	    struct rpc_client_call, member)))

static bool
streams_requests(const struct rpc_method *method)
{
	return method->kind == RPC_METHOD_CLIENT_STREAMING ||
	       method->kind == RPC_METHOD_BIDI_STREAMING;
}

static bool
streams_responses(const struct rpc_method *method)
{
	return method->kind == RPC_METHOD_SERVER_STREAMING ||
	       method->kind == RPC_METHOD_BIDI_STREAMING;
}

/* ---- Life and death ---- */

static void
call_destroy(struct rpc_client_call *call)
{
	grpc_call_unref(call->core);
	rpc_metadata_list_clear(&call->metadata);
	grpc_metadata_array_destroy(&call->headers);
	grpc_metadata_array_destroy(&call->trailers);
	if (call->incoming != NULL)
		grpc_byte_buffer_destroy(call->incoming);
	grpc_slice_unref(call->message);
	grpc_slice_unref(call->text);
	rpc_status_clear(&call->status);
	free(call);
}

static void
enter(struct rpc_client_call *call)
{
	call->depth++;
}

static void
leave(struct rpc_client_call *call)
{
	call->depth--;
	if (call->is_freed && call->depth == 0 && call->pending == 0)
		call_destroy(call);
}

static void
start_batch(struct rpc_client_call *call, const grpc_op *ops, size_t count,
    struct rpc_event *event)
{
	grpc_call_error error;

	call->pending++;
	error = grpc_call_start_batch(call->core, ops, count, event, NULL);
	assert(error == GRPC_CALL_OK);
	(void)error;
}

/* ---- The end ---- */

/* Out of memory leaves the text or the details out; the code counts. */
static void
keep_status(struct rpc_client_call *call)
{
	struct bytes text = rpc_slice_bytes(&call->text);
	struct bytes details;

	call->status.code = call->code >= 0 && call->code <= 16
				? (enum rpc_code)call->code
				: RPC_CODE_UNKNOWN;
	if (text.size > 0)
		call->status.message =
		    strndup((const char *)text.data, text.size);
	if (rpc_metadata_find(&call->trailers, RPC_DETAILS_KEY, &details) &&
	    details.size > 0) {
		call->status.details = malloc(details.size);
		if (call->status.details != NULL) {
			memcpy(
			    call->status.details, details.data, details.size);
			call->status.details_size = details.size;
		}
	}
}

/* Tells the end once everything before it was told. */
static void
end_if_complete(struct rpc_client_call *call)
{
	if (call->state == CALL_ENDED || !call->has_status ||
	    !call->has_received_all || call->pending > 0)
		return;
	/* A reply without a message is no reply. */
	if (call->status.code == RPC_CODE_OK && !call->has_message &&
	    !streams_responses(call->method)) {
		call->status.code = RPC_CODE_INTERNAL;
		free(call->status.message);
		call->status.message = strdup("the reply has no message");
	}
	call->state = CALL_ENDED;
	if (!call->is_freed && call->events.on_status != NULL)
		call->events.on_status(call, &call->status, call->events.arg);
}

/*
 * Once, before the first message: the batch with the headers has sends in it,
 * and may complete after a message that came later.
 */
static void
tell_headers(struct rpc_client_call *call)
{
	if (call->has_headers)
		return;
	call->has_headers = true;
	if (!call->is_freed && call->events.on_headers != NULL)
		call->events.on_headers(call, call->events.arg);
}

static void
start_receive(struct rpc_client_call *call)
{
	grpc_op op;

	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_RECV_MESSAGE;
	op.data.recv_message.recv_message = &call->incoming;
	call->is_receiving = true;
	start_batch(call, &op, 1, &call->received);
}

static void
drop_message(struct rpc_client_call *call)
{
	grpc_slice_unref(call->message);
	call->message = grpc_empty_slice();
	call->has_message = false;
}

/* Takes in what the batch has put into `incoming`. */
static void
take_message(struct rpc_client_call *call, bool ok)
{
	drop_message(call);
	if (!ok || call->incoming == NULL ||
	    !rpc_buffer_to_slice(call->incoming, &call->message)) {
		call->has_received_all = true;
	} else {
		call->has_message = true;
		if (!streams_responses(call->method))
			call->has_received_all = true;
	}
	if (call->incoming != NULL)
		grpc_byte_buffer_destroy(call->incoming);
	call->incoming = NULL;
	if (call->has_message)
		tell_headers(call);
	if (call->has_message && !call->is_freed &&
	    call->events.on_message != NULL)
		call->events.on_message(
		    call, rpc_slice_bytes(&call->message), call->events.arg);
}

/* ---- Completions ---- */

static void
on_all(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, all);

	enter(call);
	call->pending--;
	call->is_receiving = false;
	keep_status(call);
	call->has_status = true;
	if (call->status.code == RPC_CODE_OK)
		tell_headers(call);
	take_message(call, ok);
	call->has_received_all = true;
	end_if_complete(call);
	leave(call);
}

static void
on_started(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, started);

	enter(call);
	call->pending--;
	if (ok)
		tell_headers(call);
	end_if_complete(call);
	leave(call);
}

static void
on_received(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, received);

	enter(call);
	call->pending--;
	call->is_receiving = false;
	take_message(call, ok);
	if (!call->has_received_all && !call->is_receiving && !call->is_freed &&
	    !call->is_on_demand)
		start_receive(call);
	end_if_complete(call);
	leave(call);
}

static void
on_ended(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, ended);

	(void)ok;
	enter(call);
	call->pending--;
	keep_status(call);
	call->has_status = true;
	end_if_complete(call);
	leave(call);
}

static void
start_close(struct rpc_client_call *call)
{
	grpc_op op;

	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	call->has_finished_sending = true;
	start_batch(call, &op, 1, &call->closed);
}

static void
on_sent(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, sent);

	enter(call);
	call->pending--;
	call->is_sending = false;
	if (call->is_finish_wanted && !call->has_finished_sending)
		start_close(call);
	else if (ok && !call->is_freed && call->events.on_sent != NULL)
		call->events.on_sent(call, call->events.arg);
	end_if_complete(call);
	leave(call);
}

static void
on_closed(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, closed);

	(void)ok;
	enter(call);
	call->pending--;
	end_if_complete(call);
	leave(call);
}

/* ---- Starting ---- */

static void
add_start_ops(struct rpc_client_call *call,
    const struct rpc_call_options *options, grpc_byte_buffer *request,
    grpc_op *ops, size_t *count)
{
	ops[*count].op = GRPC_OP_SEND_INITIAL_METADATA;
	ops[*count].flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
	if (options->wait_for_ready)
		ops[*count].flags |= GRPC_INITIAL_METADATA_WAIT_FOR_READY;
	ops[*count].data.send_initial_metadata.count = call->metadata.count;
	ops[(*count)++].data.send_initial_metadata.metadata =
	    call->metadata.entries;
	if (request != NULL) {
		ops[*count].op = GRPC_OP_SEND_MESSAGE;
		ops[(*count)++].data.send_message.send_message = request;
		ops[(*count)++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
		call->has_finished_sending = true;
	}
	ops[*count].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[(*count)++].data.recv_initial_metadata.recv_initial_metadata =
	    &call->headers;
}

static void
add_status_op(struct rpc_client_call *call, grpc_op *ops, size_t *count)
{
	ops[*count].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	ops[*count].data.recv_status_on_client.trailing_metadata =
	    &call->trailers;
	ops[*count].data.recv_status_on_client.status = &call->code;
	ops[(*count)++].data.recv_status_on_client.status_details = &call->text;
}

static void
start(struct rpc_client_call *call, const struct rpc_call_options *options,
    grpc_byte_buffer *request)
{
	grpc_op ops[6];
	size_t count = 0;

	memset(ops, 0, sizeof(ops));
	add_start_ops(call, options, request, ops, &count);
	if (call->method->kind == RPC_METHOD_UNARY && !options->early_headers) {
		ops[count].op = GRPC_OP_RECV_MESSAGE;
		ops[count++].data.recv_message.recv_message = &call->incoming;
		call->is_receiving = true;
		add_status_op(call, ops, &count);
		start_batch(call, ops, count, &call->all);
		return;
	}
	start_batch(call, ops, count, &call->started);
	memset(ops, 0, sizeof(ops));
	count = 0;
	add_status_op(call, ops, &count);
	start_batch(call, ops, count, &call->ended);
	start_receive(call);
}

static gpr_timespec
deadline_in(int64_t timeout_ms)
{
	if (timeout_ms <= 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
	    gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

/* `request` is NULL where requests stream; it stays the caller's. */
static enum status
call_new(const struct rpc_client *client, const struct rpc_method *method,
    const struct rpc_call_options *options, grpc_byte_buffer *request,
    const struct rpc_client_call_events *events, struct rpc_client_call **out)
{
	static const struct rpc_call_options defaults;
	struct rpc_client_call *call = calloc(1, sizeof(*call));
	enum status st = STATUS_OK;

	if (call == NULL)
		return STATUS_NOMEM;
	if (options == NULL)
		options = &defaults;
	for (size_t i = 0; i < options->metadata_count; i++) {
		st = rpc_metadata_list_add(&call->metadata,
		    options->metadata[i].key, options->metadata[i].value);
		if (st != STATUS_OK) {
			rpc_metadata_list_clear(&call->metadata);
			free(call);
			return st;
		}
	}
	call->loop = client->loop;
	call->method = method;
	if (events != NULL)
		call->events = *events;
	/* Whoever waits for messages must not have them run past. */
	call->is_on_demand =
	    options->receive_on_demand || call->events.on_message == NULL;
	call->message = call->text = grpc_empty_slice();
	grpc_metadata_array_init(&call->headers);
	grpc_metadata_array_init(&call->trailers);
	call->all.complete = on_all;
	call->started.complete = on_started;
	call->received.complete = on_received;
	call->ended.complete = on_ended;
	call->sent.complete = on_sent;
	call->closed.complete = on_closed;
	call->core = grpc_channel_create_call(rpc_channel_core(client->channel),
	    NULL, GRPC_PROPAGATE_DEFAULTS, rpc_loop_queue(client->loop),
	    grpc_slice_from_static_string(method->path), NULL,
	    deadline_in(options->timeout_ms), NULL);
	start(call, options, request);
	*out = call;
	return STATUS_OK;
}

enum status
rpc_client_call_start(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    struct bytes request, const struct rpc_client_call_events *events,
    struct rpc_client_call **call)
{
	grpc_byte_buffer *buffer = NULL;
	enum status st;

	if (!streams_requests(method))
		buffer = rpc_buffer_from_bytes(request);
	st = call_new(client, method, options, buffer, events, call);
	if (buffer != NULL)
		grpc_byte_buffer_destroy(buffer);
	return st;
}

enum status
rpc_client_call_start_message(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    const ProtobufCMessage *request,
    const struct rpc_client_call_events *events, struct rpc_client_call **call)
{
	grpc_byte_buffer *buffer = rpc_buffer_from_message(request);
	enum status st =
	    call_new(client, method, options, buffer, events, call);

	grpc_byte_buffer_destroy(buffer);
	return st;
}

void
rpc_client_call_cancel(struct rpc_client_call *call)
{
	(void)grpc_call_cancel(call->core, NULL);
}

void
rpc_client_call_free(struct rpc_client_call *call)
{
	if (call == NULL)
		return;
	enter(call);
	call->is_freed = true;
	if (call->state != CALL_ENDED)
		rpc_client_call_cancel(call);
	leave(call);
}

/* ---- Sending ---- */

/* Takes the buffer over. */
static void
send_buffer(struct rpc_client_call *call, grpc_byte_buffer *buffer)
{
	grpc_op op;

	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_SEND_MESSAGE;
	op.data.send_message.send_message = buffer;
	call->is_sending = true;
	start_batch(call, &op, 1, &call->sent);
	grpc_byte_buffer_destroy(buffer);
}

static bool
can_send(const struct rpc_client_call *call)
{
	return streams_requests(call->method) && !call->is_sending &&
	       !call->is_finish_wanted && !call->has_status;
}

bool
rpc_client_call_send(struct rpc_client_call *call, struct bytes request)
{
	if (!can_send(call))
		return false;
	send_buffer(call, rpc_buffer_from_bytes(request));
	return true;
}

bool
rpc_client_call_send_message(
    struct rpc_client_call *call, const ProtobufCMessage *request)
{
	if (!can_send(call))
		return false;
	send_buffer(call, rpc_buffer_from_message(request));
	return true;
}

void
rpc_client_call_finish_sending(struct rpc_client_call *call)
{
	if (!streams_requests(call->method) || call->is_finish_wanted ||
	    call->state == CALL_ENDED)
		return;
	call->is_finish_wanted = true;
	if (!call->is_sending)
		start_close(call);
}

/* ---- Watching ---- */

/* Whether a message or its absence is being waited for. */
static bool
can_receive(const struct rpc_client_call *call)
{
	return call->state == CALL_STARTED && !call->is_receiving &&
	       !call->has_received_all;
}

void
rpc_client_call_receive(struct rpc_client_call *call)
{
	if (!streams_responses(call->method))
		return;
	drop_message(call);
	if (can_receive(call))
		start_receive(call);
}

static bool
is_reached(const struct rpc_client_call *call, enum rpc_wait until)
{
	if (call->state == CALL_ENDED)
		return true;
	switch (until) {
	case RPC_WAIT_HEADERS:
		return call->has_headers;
	case RPC_WAIT_MESSAGE:
		return call->has_message;
	case RPC_WAIT_SENT:
		return !call->is_sending;
	case RPC_WAIT_END:
		return false;
	}
	return false;
}

/*
 * The end of a call that was refused looks like headers for a moment: its
 * status is in the same frame. Lets it arrive.
 */
static void
let_end_arrive(struct rpc_client_call *call)
{
	while (call->state != CALL_ENDED &&
	       rpc_loop_step(call->loop, 0) == RPC_LOOP_EVENT)
		;
}

bool
rpc_client_call_wait(
    struct rpc_client_call *call, enum rpc_wait until, int64_t timeout_ms)
{
	int64_t end_ms = 0;

	if (timeout_ms > 0)
		end_ms = (int64_t)clock_monotonic_ms() + timeout_ms;
	while (!is_reached(call, until)) {
		int64_t left_ms = timeout_ms;

		/* Waiting for the end passes over the messages before it. */
		if ((until == RPC_WAIT_END || until == RPC_WAIT_MESSAGE) &&
		    can_receive(call))
			start_receive(call);
		if (timeout_ms > 0) {
			left_ms = end_ms - (int64_t)clock_monotonic_ms();
			if (left_ms < 0)
				left_ms = 0;
		}
		switch (rpc_loop_step(call->loop, left_ms)) {
		case RPC_LOOP_EVENT:
			break;
		case RPC_LOOP_TIMEOUT:
			return is_reached(call, until);
		case RPC_LOOP_INTERRUPTED:
		case RPC_LOOP_CLOSED:
			return false;
		}
	}
	if (until == RPC_WAIT_HEADERS)
		let_end_arrive(call);
	return true;
}

bool
rpc_client_call_has_headers(const struct rpc_client_call *call)
{
	return call->has_headers;
}

bool
rpc_client_call_has_message(const struct rpc_client_call *call)
{
	return call->has_message;
}

bool
rpc_client_call_has_ended(const struct rpc_client_call *call)
{
	return call->state == CALL_ENDED;
}

struct bytes
rpc_client_call_message(const struct rpc_client_call *call)
{
	return call->has_message ? rpc_slice_bytes(&call->message)
				 : bytes_empty();
}

const struct rpc_status *
rpc_client_call_status(const struct rpc_client_call *call)
{
	return &call->status;
}

bool
rpc_client_call_metadata(const struct rpc_client_call *call, bool trailers,
    const char *key, struct bytes *value)
{
	return rpc_metadata_find(
	    trailers ? &call->trailers : &call->headers, key, value);
}

enum status
rpc_client_call_unpack(
    const struct rpc_client_call *call, ProtobufCMessage **response)
{
	if (!call->has_message)
		return STATUS_NOT_FOUND;
	return rpc_stub_unpack(
	    call->method->response, rpc_client_call_message(call), response);
}

enum status
rpc_client_call_next(struct rpc_client_call *call, int64_t timeout_ms,
    ProtobufCMessage **response)
{
	enum status st;

	if (!rpc_client_call_wait(call, RPC_WAIT_MESSAGE, timeout_ms))
		return rpc_loop_is_interrupted(call->loop) ? STATUS_CANCELLED
							   : STATUS_TIMEOUT;
	if (!call->has_message) {
		*response = NULL;
		return STATUS_OK;
	}
	st = rpc_client_call_unpack(call, response);
	drop_message(call);
	return st;
}

/* ---- All at once ---- */

/* Runs a call to its end; one that is interrupted is cancelled first. */
static void
run_to_end(struct rpc_client_call *call)
{
	if (rpc_client_call_wait(call, RPC_WAIT_END, -1))
		return;
	rpc_client_call_cancel(call);
	/* It ends at once now, whatever the flag says. */
	while (call->state != CALL_ENDED)
		if (!rpc_loop_finish_step(call->loop))
			return;
}

/* Gives the status away and makes a result of it. */
static enum status
take_status(struct rpc_client_call *call, struct rpc_status *status)
{
	enum status st = rpc_code_to_status(call->status.code);

	if (call->state != CALL_ENDED)
		return STATUS_CANCELLED; /* its loop was closed */
	if (status != NULL) {
		rpc_status_clear(status);
		*status = call->status;
		memset(&call->status, 0, sizeof(call->status));
	}
	return st;
}

enum status
rpc_client_unary(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    struct bytes request, struct buf *reply, struct rpc_status *status)
{
	struct rpc_client_call *call = NULL;
	enum status st;

	st = rpc_client_call_start(
	    client, method, options, request, NULL, &call);
	if (st != STATUS_OK)
		return st;
	run_to_end(call);
	st = take_status(call, status);
	if (st == STATUS_OK) {
		buf_reset(reply);
		st = buf_append(reply, rpc_client_call_message(call));
	}
	rpc_client_call_free(call);
	return st;
}

enum status
rpc_client_unary_message(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    const ProtobufCMessage *request, ProtobufCMessage **response,
    struct rpc_status *status)
{
	struct rpc_client_call *call = NULL;
	enum status st;

	st = rpc_client_call_start_message(
	    client, method, options, request, NULL, &call);
	if (st != STATUS_OK)
		return st;
	run_to_end(call);
	st = take_status(call, status);
	if (st == STATUS_OK)
		st = rpc_client_call_unpack(call, response);
	rpc_client_call_free(call);
	return st;
}
