/* Requests: the one of a unary call, and those of a stream. */

#include <string.h>

#include "rpc/decompress.h"
#include "rpc/server_core.h"

/* Ends a call whose request is compressed in a way that it must not be. */
static void
refuse_compression(struct rpc_server_call *call)
{
	const char *accepted = call->worker->server->options.refuse_compression
				   ? "identity"
				   : "identity,deflate,gzip";

	/* What comes without a message has no headers but these. Without
	   memory for it, the status has to do. */
	(void)!rpc_metadata_list_add_reserved(&call->trailers,
	    "grpc-accept-encoding", bytes_make(accepted, strlen(accepted)));
	rpc_call_refuse(call, RPC_CODE_UNIMPLEMENTED,
	    "the request is compressed in a way that is not supported here");
}

/*
 * The message in one piece, and not compressed. False: it could not be had,
 * and the call was ended. From OPEN; between enter and leave.
 */
static bool
take_message(
    struct rpc_server_call *call, grpc_byte_buffer *buffer, grpc_slice *message)
{
	const struct rpc_server_options *options =
	    &call->worker->server->options;

	call->was_compressed = rpc_buffer_is_compressed(buffer);
	if (call->was_compressed ? options->refuse_compression
				 : rpc_call_has_compressed_flag(call->core)) {
		call->was_compressed = true;
		refuse_compression(call);
		return false;
	}
	switch (rpc_buffer_take_content(
	    buffer, options->max_message_bytes, message)) {
	case STATUS_OK:
		return true;
	case STATUS_TOO_LARGE:
		rpc_call_refuse(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "the request is too long when decompressed");
		return false;
	case STATUS_NOMEM:
		rpc_call_refuse(
		    call, RPC_CODE_RESOURCE_EXHAUSTED, "out of memory");
		return false;
	default:
		rpc_call_refuse(call, RPC_CODE_INTERNAL,
		    "the request cannot be decompressed");
		return false;
	}
}

/* No message came, and not since there are no more: the client is gone, or
   gRPC has refused it and the call with it, as longer than the limit. */
static bool
has_failed(const struct rpc_server_call *call, bool ok)
{
	return !ok || grpc_call_failed_before_recv_message(call->core);
}

/* ---- One request ---- */

static void
invoke(struct rpc_server_call *call)
{
	const struct rpc_server_method *method = call->method;
	struct bytes request = rpc_slice_bytes(&call->request);

	if (call->worker->server->has_message_interceptor) {
		rpc_call_intercept_message(
		    call, RPC_DIRECTION_RECEIVED, request);
		if (call->state != RPC_CALL_STATE_OPEN)
			return;
	}
	method->invoke(call, method->handlers, method->service, request);
}

static void
on_read(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = RPC_CALL_OF(event, read);
	grpc_byte_buffer *payload = call->payload;

	rpc_call_enter(call);
	call->pending--;
	call->payload = NULL;
	/* Otherwise it took too long, and was refused. */
	if (call->state == RPC_CALL_STATE_READING) {
		rpc_budget_remove(&call->waiting);
		rpc_call_move(call, RPC_CALL_STATE_OPEN);
		if (call->is_closed ||
		    (payload == NULL && has_failed(call, ok)))
			rpc_call_die(call);
		else if (payload == NULL)
			rpc_server_call_fail(call, RPC_CODE_UNIMPLEMENTED,
			    "the request is missing", bytes_empty());
		else if (take_message(call, payload, &call->request))
			invoke(call);
	}
	if (payload != NULL)
		grpc_byte_buffer_destroy(payload);
	rpc_call_leave(call);
}

/*
 * gRPC opens the window for as much as the message says that it will be, so
 * that many clients that begin and never end would fill the memory.
 */
void
rpc_call_read_request(struct rpc_server_call *call)
{
	grpc_op op;

	rpc_call_move(call, RPC_CALL_STATE_READING);
	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_RECV_MESSAGE;
	op.data.recv_message.recv_message = &call->payload;
	rpc_call_start_batch(call, &op, 1, &call->read);
	rpc_worker_add_reading(call);
}

struct bytes
rpc_server_call_request(struct rpc_server_call *call)
{
	return rpc_slice_bytes(&call->request);
}

bool
rpc_server_call_was_compressed(const struct rpc_server_call *call)
{
	return call->was_compressed;
}

/* ---- Streams ---- */

static void
deliver(struct rpc_server_call *call, grpc_byte_buffer *incoming)
{
	rpc_server_call_message_fn *done = call->on_message;
	void (*on_cancel)(struct rpc_server_call *, void *) = call->on_cancel;
	grpc_slice message = grpc_empty_slice();
	struct bytes bytes;

	if (incoming == NULL)
		call->has_received_all = true;
	else if (!take_message(call, incoming, &message))
		return;
	bytes = rpc_slice_bytes(&message);
	if (incoming != NULL && call->worker->server->has_message_interceptor)
		rpc_call_intercept_message(call, RPC_DIRECTION_RECEIVED, bytes);
	if (call->state == RPC_CALL_STATE_OPEN)
		done(call, bytes, incoming == NULL, call->on_message_arg);
	else if (on_cancel != NULL) /* an interceptor has ended it */
		on_cancel(call, call->on_cancel_arg);
	grpc_slice_unref(message);
}

static void
on_received(struct rpc_event *event, bool ok)
{
	struct rpc_server_call *call = RPC_CALL_OF(event, received);
	grpc_byte_buffer *incoming = call->incoming;

	rpc_call_enter(call);
	call->pending--;
	call->is_receiving = false;
	call->incoming = NULL;
	rpc_budget_remove(&call->waiting);
	if (call->state == RPC_CALL_STATE_OPEN) {
		if (incoming == NULL && has_failed(call, ok))
			rpc_call_die(call);
		else
			deliver(call, incoming);
	}
	if (incoming != NULL)
		grpc_byte_buffer_destroy(incoming);
	rpc_call_leave(call);
}

bool
rpc_server_call_receive(struct rpc_server_call *call,
    rpc_server_call_message_fn *on_message, void *arg)
{
	grpc_op op;

	assert(rpc_call_is_on_worker(call));
	if (call->state != RPC_CALL_STATE_OPEN || call->is_receiving ||
	    call->has_received_all)
		return false;
	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_RECV_MESSAGE;
	op.data.recv_message.recv_message = &call->incoming;
	call->is_receiving = true;
	call->on_message = on_message;
	call->on_message_arg = arg;
	rpc_call_start_batch(call, &op, 1, &call->received);
	rpc_worker_add_stream(call);
	return true;
}

void
rpc_call_init_receive(struct rpc_server_call *call)
{
	call->read.complete = on_read;
	call->received.complete = on_received;
}
