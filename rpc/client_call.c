#include "rpc/client_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/client_core.h"
#include "rpc/decompress.h"
#include "rpc/stub.h"

/*
 * A call's batches are
 *
 *     whole     unary: headers and message and close out; headers and message
 *               in. Otherwise, or where headers are to be told of early:
 *     start     headers, (first) message and close out; headers in
 *     receive   one message in, again and again until there is none
 *     send      further messages out, close
 *     status    always on its own: what goes out is stuck as long as the peer
 *               does not read, and the end must not be.
 *
 * STARTING --on_start of all interceptors--> STARTED
 * STARTED --status and end of messages are here--> ENDED (told)
 *
 * The peer's status counts unless this side found fault first (refuse()).
 * Batches may complete after the end; then only memory is left to free.
 *
 * gRPC tells of the status once every message before it was asked for. So
 * where one reply is due, the status says that there are no more; and when it
 * does not follow the reply, a second message may be what keeps it back.
 */

/* How long the status may take after the reply before that is looked into. */
#define SECOND_REPLY_AFTER_MS 1000

#define CALL_OF(pointer, member)                                               \
	((struct rpc_client_call *)((char *)(pointer)-offsetof(                \
	    struct rpc_client_call, member)))

/* ---- Life and death ---- */

void
rpc_client_call_destroy(struct rpc_client_call *call)
{
	if (call->core != NULL)
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
		rpc_client_call_destroy(call);
}

/* The call ends with this, whatever the peer says; the first one counts. */
static void
refuse(struct rpc_client_call *call, enum rpc_code code, const char *text)
{
	if (call->refusal != RPC_CODE_OK)
		return;
	call->refusal = code;
	call->refusal_text = text;
	rpc_client_call_cancel(call);
}

void
rpc_client_call_start_batch(struct rpc_client_call *call, const grpc_op *ops,
    size_t count, struct rpc_event *event)
{
	grpc_call_error error;

	call->pending++;
	error = grpc_call_start_batch(call->core, ops, count, event, NULL);
	assert(error == GRPC_CALL_OK);
	(void)error;
}

/* ---- The end ---- */

/* What is no number counts as negative, as it does for gRPC itself. */
static void
keep_pushback(struct rpc_client_call *call)
{
	struct bytes value;
	char text[24] = "", *end;

	if (!rpc_metadata_find(
		&call->trailers, "grpc-retry-pushback-ms", &value))
		return;
	if (value.size < sizeof(text))
		memcpy(text, value.data, value.size);
	call->status.pushback_ms = strtoll(text, &end, 10);
	if (end == text || *end != '\0')
		call->status.pushback_ms = -1;
	call->status.has_pushback = true;
}

/* Out of memory leaves the text or the details out; the code counts. */
static void
keep_status(struct rpc_client_call *call)
{
	struct bytes text = rpc_slice_bytes(&call->text);
	struct bytes details;

	call->has_status = true;
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
	keep_pushback(call);
	/* A reply that comes after an error is none. */
	if (!rpc_client_call_streams_responses(call) &&
	    (call->has_message || call->status.code != RPC_CODE_OK))
		call->has_received_all = true;
}

/* Tells the end once everything before it was told. */
static void
end_if_complete(struct rpc_client_call *call)
{
	if (call->state == RPC_CLIENT_CALL_STATE_ENDED || !call->has_status ||
	    !call->has_received_all)
		return;
	if (call->status.code == RPC_CODE_OK && !call->has_message &&
	    !rpc_client_call_streams_responses(call))
		refuse(
		    call, RPC_CODE_UNIMPLEMENTED, "the reply has no message");
	if (call->refusal != RPC_CODE_OK) {
		rpc_status_clear(&call->status);
		call->status.code = call->refusal;
		if (call->refusal_text != NULL)
			call->status.message = strdup(call->refusal_text);
	}
	call->state = RPC_CLIENT_CALL_STATE_ENDED;
	rpc_timer_stop(call->loop, &call->second_reply);
	if (call->is_freed)
		return;
	rpc_client_interceptors_end(call, &call->status);
	if (call->events.on_status != NULL)
		call->events.on_status(call, &call->status, call->events.arg);
}

/* ---- Messages that come in ---- */

/*
 * Once, before the first message: the batch with the headers has sends in it,
 * and may complete after a message that came later.
 */
static void
tell_headers(struct rpc_client_call *call)
{
	if (call->has_headers || call->state == RPC_CLIENT_CALL_STATE_ENDED)
		return;
	call->has_headers = true;
	if (!call->is_freed && call->events.on_headers != NULL)
		call->events.on_headers(call, call->events.arg);
}

void
rpc_client_call_drop_message(struct rpc_client_call *call)
{
	grpc_slice_unref(call->message);
	call->message = grpc_empty_slice();
	call->has_message = false;
}

bool
rpc_client_call_can_receive(const struct rpc_client_call *call)
{
	return call->state == RPC_CLIENT_CALL_STATE_STARTED &&
	       !call->is_receiving && !call->has_received_all;
}

void
rpc_client_call_start_receive(struct rpc_client_call *call)
{
	grpc_op op;

	if (rpc_client_call_streams_responses(call))
		rpc_client_call_drop_message(call);
	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_RECV_MESSAGE;
	op.data.recv_message.recv_message = &call->incoming;
	call->is_receiving = true;
	rpc_client_call_start_batch(call, &op, 1, &call->received);
}

/* Whether `incoming` could be made the current message. */
static bool
open_message(struct rpc_client_call *call, grpc_byte_buffer *incoming)
{
	enum status st;

	if (call->is_freed || call->state == RPC_CLIENT_CALL_STATE_ENDED)
		return false;
	if (call->has_message) {
		refuse(call, RPC_CODE_UNIMPLEMENTED,
		    "more than one message came as a reply");
		return false;
	}
	st = rpc_call_has_compressed_flag(call->core) &&
		     !rpc_buffer_is_compressed(incoming)
		 ? STATUS_INVALID
		 : rpc_buffer_take_content(
		       incoming, call->max_message_bytes, &call->message);
	if (st == STATUS_INVALID)
		refuse(call, RPC_CODE_INTERNAL,
		    "a message came that does not decompress");
	else if (st != STATUS_OK)
		refuse(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "a message came that is too long when decompressed");
	return st == STATUS_OK;
}

/* Takes in what the batch has put into `incoming`. */
static void
take_message(struct rpc_client_call *call, bool ok)
{
	grpc_byte_buffer *incoming = call->incoming;
	struct bytes message;

	call->is_receiving = false;
	call->incoming = NULL;
	if (incoming == NULL || !ok || !open_message(call, incoming)) {
		call->has_received_all = true;
		if (incoming != NULL)
			grpc_byte_buffer_destroy(incoming);
		return;
	}
	call->has_message = true;
	call->was_compressed = rpc_buffer_is_compressed(incoming);
	grpc_byte_buffer_destroy(incoming);
	tell_headers(call);
	message = rpc_slice_bytes(&call->message);
	rpc_client_interceptors_message(call, RPC_DIRECTION_RECEIVED, message);
	if (!call->is_freed && call->events.on_message != NULL)
		call->events.on_message(call, message, call->events.arg);
}

/* ---- Completions ---- */

/* Takes in the one reply, or that there is none. */
static void
take_reply(struct rpc_client_call *call, bool ok)
{
	take_message(call, ok);
	if (call->has_status)
		call->has_received_all = true;
	else if (!call->has_received_all && !call->is_freed)
		rpc_timer_start(
		    call->loop, &call->second_reply, SECOND_REPLY_AFTER_MS);
}

static void
look_for_second_reply(struct rpc_timer *timer)
{
	struct rpc_client_call *call = CALL_OF(timer, second_reply);

	if (rpc_client_call_can_receive(call))
		rpc_client_call_start_receive(call);
}

static void
on_whole(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, whole);

	enter(call);
	call->pending--;
	take_reply(call, ok);
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
	leave(call);
}

static void
on_received(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, received);

	enter(call);
	call->pending--;
	if (!rpc_client_call_streams_responses(call)) {
		take_reply(call, ok);
	} else {
		take_message(call, ok);
		if (rpc_client_call_can_receive(call) && !call->is_freed &&
		    !call->is_on_demand)
			rpc_client_call_start_receive(call);
	}
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
	end_if_complete(call);
	leave(call);
}

static void
start_close(struct rpc_client_call *call)
{
	grpc_op op;

	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	rpc_client_call_start_batch(call, &op, 1, &call->closed);
}

static void
on_sent(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, sent);

	enter(call);
	call->pending--;
	call->is_sending = false;
	if (call->is_finish_wanted && !call->has_status)
		start_close(call);
	else if (ok && call->state == RPC_CLIENT_CALL_STATE_STARTED &&
		 !call->is_freed && call->events.on_sent != NULL)
		call->events.on_sent(call, call->events.arg);
	leave(call);
}

static void
on_closed(struct rpc_event *event, bool ok)
{
	struct rpc_client_call *call = CALL_OF(event, closed);

	(void)ok;
	enter(call);
	call->pending--;
	leave(call);
}

/* What an interceptor has refused: its end, told from the loop. */
static void
on_refused(struct rpc_post *post)
{
	struct rpc_client_call *call = CALL_OF(post, refused);

	enter(call);
	call->pending--;
	end_if_complete(call);
	leave(call);
}

void
rpc_client_call_init(struct rpc_client_call *call)
{
	call->whole.complete = on_whole;
	call->started.complete = on_started;
	call->received.complete = on_received;
	call->ended.complete = on_ended;
	call->sent.complete = on_sent;
	call->closed.complete = on_closed;
	call->refused.run = on_refused;
	call->second_reply.fire = look_for_second_reply;
}

/* ---- Leaving ---- */

void
rpc_client_call_cancel(struct rpc_client_call *call)
{
	if (call->core != NULL)
		(void)grpc_call_cancel(call->core, NULL);
}

void
rpc_client_call_free(struct rpc_client_call *call)
{
	static const struct rpc_status cancelled = {.code = RPC_CODE_CANCELLED};

	if (call == NULL)
		return;
	enter(call);
	call->is_freed = true;
	rpc_timer_stop(call->loop, &call->second_reply);
	if (call->state != RPC_CLIENT_CALL_STATE_ENDED) {
		rpc_client_call_cancel(call);
		rpc_client_interceptors_end(call, &cancelled);
	}
	leave(call);
}

/* ---- Sending ---- */

void
rpc_client_call_fill_send(
    struct rpc_client_call *call, grpc_byte_buffer *message, grpc_op *op)
{
	op->op = GRPC_OP_SEND_MESSAGE;
	op->flags = call->is_uncompressed ? GRPC_WRITE_NO_COMPRESS : 0;
	op->data.send_message.send_message = message;
	if (call->intercepted > 0)
		rpc_client_interceptors_message(
		    call, RPC_DIRECTION_SENT, rpc_buffer_bytes(message));
}

/* Takes the buffer over. */
static void
send_buffer(struct rpc_client_call *call, grpc_byte_buffer *buffer)
{
	grpc_op op;

	memset(&op, 0, sizeof(op));
	rpc_client_call_fill_send(call, buffer, &op);
	/* The first may share a batch of gRPC's with the headers, which then
	   would wait for each other. */
	if (call->is_corked && call->has_sent)
		op.flags |= GRPC_WRITE_BUFFER_HINT;
	call->has_sent = true;
	call->is_sending = true;
	rpc_client_call_start_batch(call, &op, 1, &call->sent);
	grpc_byte_buffer_destroy(buffer);
}

static bool
can_send(const struct rpc_client_call *call)
{
	return rpc_client_call_streams_requests(call) && !call->is_sending &&
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
rpc_client_call_set_compress(struct rpc_client_call *call, bool compress)
{
	call->is_uncompressed = !compress;
}

void
rpc_client_call_set_corked(struct rpc_client_call *call, bool is_corked)
{
	call->is_corked = is_corked;
}

void
rpc_client_call_finish_sending(struct rpc_client_call *call)
{
	if (!rpc_client_call_streams_requests(call) || call->is_finish_wanted)
		return;
	call->is_finish_wanted = true;
	if (!call->is_sending && !call->has_status)
		start_close(call);
}

/* ---- What is there ---- */

void
rpc_client_call_receive(struct rpc_client_call *call)
{
	if (!rpc_client_call_streams_responses(call))
		return;
	rpc_client_call_drop_message(call);
	if (rpc_client_call_can_receive(call))
		rpc_client_call_start_receive(call);
}

const struct rpc_method *
rpc_client_call_method(const struct rpc_client_call *call)
{
	return call->method;
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
	return call->state == RPC_CLIENT_CALL_STATE_ENDED;
}

struct bytes
rpc_client_call_message(const struct rpc_client_call *call)
{
	return call->has_message ? rpc_slice_bytes(&call->message)
				 : bytes_empty();
}

bool
rpc_client_call_was_compressed(const struct rpc_client_call *call)
{
	return call->was_compressed;
}

const struct rpc_status *
rpc_client_call_status(const struct rpc_client_call *call)
{
	return &call->status;
}

/* NULL: not there yet. gRPC fills them in on a thread of its own. */
static const grpc_metadata_array *
metadata_of(const struct rpc_client_call *call, bool trailers)
{
	if (trailers)
		return call->has_status ? &call->trailers : NULL;
	return call->has_headers || call->state == RPC_CLIENT_CALL_STATE_ENDED
		   ? &call->headers
		   : NULL;
}

bool
rpc_client_call_metadata(const struct rpc_client_call *call, bool trailers,
    const char *key, struct bytes *value)
{
	const grpc_metadata_array *array = metadata_of(call, trailers);

	return array != NULL && rpc_metadata_find(array, key, value);
}

bool
rpc_client_call_metadata_at(const struct rpc_client_call *call, bool trailers,
    size_t index, struct bytes *key, struct bytes *value)
{
	const grpc_metadata_array *array = metadata_of(call, trailers);

	if (array == NULL || index >= array->count)
		return false;
	*key = rpc_slice_bytes(&array->metadata[index].key);
	*value = rpc_slice_bytes(&array->metadata[index].value);
	return true;
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
