/* Answers: metadata, messages, and the status that ends a call. */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "rpc/server_core.h"
#include "rpc/status_details.h"

/* A google.rpc.Status with a text of ours and one RetryInfo. */
#define RETRY_DETAILS_MAX ((size_t)16 << 10)

/* ---- Metadata ---- */

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
	if (call->state != RPC_CALL_STATE_OPEN &&
	    call->state != RPC_CALL_STATE_DEAD)
		return STATUS_INVALID;
	return rpc_metadata_list_add(&call->trailers, key, value);
}

void
rpc_server_call_set_compression(
    struct rpc_server_call *call, enum rpc_compression compression)
{
	const struct rpc_server_options *options =
	    &call->worker->server->options;

	call->compression = compression == RPC_COMPRESSION_DEFAULT
				? options->compression
				: compression;
}

void
rpc_server_call_set_compress(struct rpc_server_call *call, bool compress)
{
	call->is_uncompressed = !compress;
}

void
rpc_server_call_set_corked(struct rpc_server_call *call, bool is_corked)
{
	call->is_corked = is_corked;
}

void
rpc_server_call_send_headers(struct rpc_server_call *call)
{
	grpc_op op;
	size_t count = 0;

	if (call->state != RPC_CALL_STATE_OPEN || call->has_sent_headers)
		return;
	memset(&op, 0, sizeof(op));
	rpc_call_add_headers(call, &op, &count);
	rpc_call_start_batch(call, &op, count, &call->headers_sent);
}

static void
on_headers_sent(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = RPC_CALL_OF(event, headers_sent);

	(void)ok;
	call->pending--;
	rpc_call_settle(call);
}

/* ---- The end ---- */

static void
add_message_op(struct rpc_server_call *call, grpc_byte_buffer *message,
    grpc_op *ops, size_t *count)
{
	ops[*count].op = GRPC_OP_SEND_MESSAGE;
	ops[*count].data.send_message.send_message = message;
	if (call->is_uncompressed)
		ops[*count].flags = GRPC_WRITE_NO_COMPRESS;
	(*count)++;
}

/* The last batch: `message` (taken over; may be NULL) and the status. */
static void
start_finish(struct rpc_server_call *call, grpc_byte_buffer *message)
{
	grpc_op ops[4];
	grpc_op *status;
	size_t count = 0;

	memset(ops, 0, sizeof(ops));
	rpc_call_add_headers(call, ops, &count);
	if (message != NULL)
		add_message_op(call, message, ops, &count);
	status = &ops[count++];
	status->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	status->data.send_status_from_server.status = call->code;
	status->data.send_status_from_server.status_details = &call->text;
	status->data.send_status_from_server.trailing_metadata_count =
	    call->trailers.count;
	status->data.send_status_from_server.trailing_metadata =
	    call->trailers.entries;
	rpc_call_add_close(call, ops, &count);
	/* The batch takes the message's content. */
	rpc_worker_add_unsent(
	    call, message != NULL ? grpc_byte_buffer_length(message) : 0);
	rpc_call_start_batch(call, ops, count, &call->finished);
	if (message != NULL)
		grpc_byte_buffer_destroy(message);
}

static void
on_finished(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = RPC_CALL_OF(event, finished);

	call->pending--;
	call->is_delivered = ok;
	rpc_budget_remove(&call->unsent);
	rpc_call_move(call, RPC_CALL_STATE_DONE);
	rpc_call_settle(call);
}

static void
show_message(struct rpc_server_call *call, const grpc_byte_buffer *message)
{
	if (call->worker->server->has_message_interceptor)
		rpc_call_intercept_message(
		    call, RPC_DIRECTION_SENT, rpc_buffer_bytes(message));
}

/*
 * Whether an answer still counts: the first one does. It may come before the
 * request did, from the timer of an interceptor, say.
 */
static bool
can_answer(struct rpc_server_call *call)
{
	assert(rpc_call_is_on_worker(call));
	if (call->state == RPC_CALL_STATE_READING) {
		rpc_budget_remove(&call->waiting);
		rpc_call_move(call, RPC_CALL_STATE_OPEN);
	}
	return call->state == RPC_CALL_STATE_OPEN;
}

/*
 * Every answer comes here, after can_answer() and with a status other than OK
 * set; takes `message` over. From outside of any call back (depth 0) the caller
 * must not touch the call after.
 */
static void
finish(struct rpc_server_call *call, grpc_byte_buffer *message)
{
	if (call->state == RPC_CALL_STATE_DEAD) {
		rpc_call_move(call, RPC_CALL_STATE_DONE);
		call->on_sent = NULL; /* what it looks at may go */
	}
	if (call->state != RPC_CALL_STATE_OPEN) {
		rpc_call_settle(call);
		return;
	}
	if (message != NULL)
		show_message(call, message);
	rpc_call_move(call, RPC_CALL_STATE_FINISHING);
	rpc_timer_stop(call->worker->loop, &call->timer);
	call->on_cancel = NULL;
	if (call->is_sending) {
		assert(message == NULL);
		call->is_finish_pending = true;
		return;
	}
	start_finish(call, message);
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
	if (rpc_worker_is_too_much(call, message.size)) {
		refuse_answer(call);
		return;
	}
	finish(call, can_answer(call) ? rpc_buffer_from_bytes(message) : NULL);
}

void
rpc_server_call_reply_message(
    struct rpc_server_call *call, const ProtobufCMessage *message)
{
	if (rpc_worker_is_too_much(
		call, protobuf_c_message_get_packed_size(message))) {
		refuse_answer(call);
		return;
	}
	finish(
	    call, can_answer(call) ? rpc_buffer_from_message(message) : NULL);
}

void
rpc_server_call_fail(struct rpc_server_call *call, enum rpc_code code,
    const char *message, struct bytes details)
{
	assert(code != RPC_CODE_OK);
	if (can_answer(call)) {
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
rpc_server_call_fail_retry(struct rpc_server_call *call, enum rpc_code code,
    const char *message, uint64_t delay_ms)
{
	struct buf details;
	char pushback[24] = "-1";

	buf_init(&details, RETRY_DETAILS_MAX);
	/* Without memory for a hint, the status has to do. */
	if (delay_ms != RPC_SERVER_NO_RETRY) {
		snprintf(pushback, sizeof(pushback), "%" PRIu64, delay_ms);
		if (rpc_status_details_retry(
			code, message, delay_ms, &details) != STATUS_OK)
			buf_reset(&details);
	}
	if (can_answer(call))
		(void)!rpc_metadata_list_add_reserved(&call->trailers,
		    "grpc-retry-pushback-ms",
		    bytes_make(pushback, strlen(pushback)));
	rpc_server_call_fail(call, code, message, buf_bytes(&details));
	buf_clear(&details);
}

void
rpc_server_call_finish(struct rpc_server_call *call)
{
	(void)can_answer(call);
	finish(call, NULL);
}

/* ---- Streams ---- */

static void
on_sent(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = RPC_CALL_OF(event, sent);
	rpc_server_call_fn *done;

	rpc_call_enter(call);
	call->pending--;
	call->is_sending = false;
	rpc_budget_remove(&call->unsent);
	if (!ok && call->state == RPC_CALL_STATE_OPEN)
		rpc_call_die(call);
	done = call->on_sent; /* unless it was answered on dying */
	call->on_sent = NULL;
	if (call->is_finish_pending)
		start_finish(call, NULL);
	else if (done != NULL)
		done(call, rpc_server_call_is_alive(call), call->on_sent_arg);
	rpc_call_leave(call);
}

static void
run_overflow(struct rpc_post *post)
{
	struct rpc_server_call *call = RPC_CALL_OF(post, overflow);

	rpc_call_enter(call);
	call->holds--;
	if (call->state == RPC_CALL_STATE_OPEN)
		rpc_call_refuse(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "too many answers are waiting for their clients");
	rpc_call_leave(call);
}

/* Whether a message of that size can go now. Who sends does not expect its
   call to end meanwhile: that comes from the loop. */
static bool
can_send(struct rpc_server_call *call, size_t size)
{
	assert(rpc_call_is_on_worker(call));
	if (call->state != RPC_CALL_STATE_OPEN || call->is_sending ||
	    call->is_overflowing)
		return false;
	if (!rpc_worker_is_too_much(call, size))
		return true;
	call->is_overflowing = true;
	call->holds++;
	rpc_loop_post(call->worker->loop, &call->overflow);
	return false;
}

/* Takes the message over. */
static void
send_buffer(struct rpc_server_call *call, grpc_byte_buffer *message,
    rpc_server_call_fn *done, void *arg)
{
	grpc_op ops[2];
	size_t count = 0;
	/* A batch with headers ends when they are written, and its message
	   would put that off: for ever, since the next one waits for it. */
	bool is_corked = call->is_corked && call->has_sent_headers;

	show_message(call, message);
	memset(ops, 0, sizeof(ops));
	rpc_call_add_headers(call, ops, &count);
	add_message_op(call, message, ops, &count);
	if (is_corked)
		ops[count - 1].flags |= GRPC_WRITE_BUFFER_HINT;
	call->is_sending = true;
	call->on_sent = done;
	call->on_sent_arg = arg;
	rpc_worker_add_unsent(call, grpc_byte_buffer_length(message));
	rpc_call_start_batch(call, ops, count, &call->sent);
	grpc_byte_buffer_destroy(message);
}

bool
rpc_server_call_send(struct rpc_server_call *call, struct bytes message,
    rpc_server_call_fn *done, void *arg)
{
	if (!can_send(call, message.size))
		return false;
	send_buffer(call, rpc_buffer_from_bytes(message), done, arg);
	return true;
}

bool
rpc_server_call_send_message(struct rpc_server_call *call,
    const ProtobufCMessage *message, rpc_server_call_fn *done, void *arg)
{
	if (!can_send(call, protobuf_c_message_get_packed_size(message)))
		return false;
	send_buffer(call, rpc_buffer_from_message(message), done, arg);
	return true;
}

void
rpc_call_init_answer(struct rpc_server_call *call)
{
	call->headers_sent.complete = on_headers_sent;
	call->sent.complete = on_sent;
	call->finished.complete = on_finished;
	call->overflow.run = run_overflow;
}
