/* rpc/client_call.h: how a call begins. */

#include "rpc/client_call.h"

#include <stdlib.h>
#include <string.h>

#include <grpc/compression.h>
#include <grpc/support/time.h>

#include "rpc/client_core.h"

static void
add_start_ops(struct rpc_client_call *call,
    const struct rpc_call_options *options, grpc_byte_buffer *request,
    grpc_op *ops, size_t *count)
{
	ops[*count].op = GRPC_OP_SEND_INITIAL_METADATA;
	if (options->wait_for_ready)
		ops[*count].flags =
		    GRPC_INITIAL_METADATA_WAIT_FOR_READY |
		    GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
	ops[*count].data.send_initial_metadata.count = call->metadata.count;
	ops[(*count)++].data.send_initial_metadata.metadata =
	    call->metadata.entries;
	if (request != NULL) {
		rpc_client_call_fill_send(call, request, &ops[(*count)++]);
		ops[(*count)++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	}
	ops[*count].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[(*count)++].data.recv_initial_metadata.recv_initial_metadata =
	    &call->headers;
}

static void
start_status(struct rpc_client_call *call)
{
	grpc_op op;

	memset(&op, 0, sizeof(op));
	op.op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	op.data.recv_status_on_client.trailing_metadata = &call->trailers;
	op.data.recv_status_on_client.status = &call->code;
	op.data.recv_status_on_client.status_details = &call->text;
	rpc_client_call_start_batch(call, &op, 1, &call->ended);
}

static void
start(struct rpc_client_call *call, const struct rpc_call_options *options,
    grpc_byte_buffer *request)
{
	bool is_whole =
	    call->method->kind == RPC_METHOD_UNARY && !options->early_headers;
	grpc_op ops[5];
	size_t count = 0;

	memset(ops, 0, sizeof(ops));
	add_start_ops(call, options, request, ops, &count);
	if (is_whole) {
		ops[count].op = GRPC_OP_RECV_MESSAGE;
		ops[count++].data.recv_message.recv_message = &call->incoming;
		call->is_receiving = true;
	}
	rpc_client_call_start_batch(
	    call, ops, count, is_whole ? &call->whole : &call->started);
	start_status(call);
	if (!is_whole)
		rpc_client_call_start_receive(call);
}

static gpr_timespec
deadline_in(int64_t timeout_ms)
{
	if (timeout_ms == 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	if (timeout_ms < 0)
		return gpr_inf_past(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
	    gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

/* gRPC takes what a call's messages are compressed with as metadata. */
static enum status
add_compression(struct rpc_client_call *call, enum rpc_compression compression)
{
	const char *name = rpc_compression_name(compression);

	return name == NULL ? STATUS_OK
			    : rpc_metadata_list_add_reserved(&call->metadata,
				  GRPC_COMPRESSION_REQUEST_ALGORITHM_MD_KEY,
				  bytes_from_string(name));
}

static enum status
add_options(
    struct rpc_client_call *call, const struct rpc_call_options *options)
{
	enum status st = add_compression(call, options->compression);

	for (size_t i = 0; i < options->metadata_count && st == STATUS_OK; i++)
		st = rpc_metadata_list_add(&call->metadata,
		    options->metadata[i].key, options->metadata[i].value);
	return st;
}

/* Everything but what gRPC has to do with it. */
static enum status
call_prepare(const struct rpc_client *client, const struct rpc_method *method,
    const struct rpc_call_options *options,
    const struct rpc_client_call_events *events, struct rpc_client_call **out)
{
	const struct rpc_channel *channel = client->channel;
	struct rpc_client_call *call;
	enum status st;

	call = calloc(
	    1, sizeof(*call) + channel->interceptor_count * sizeof(void *));
	if (call == NULL)
		return STATUS_NOMEM;
	call->loop = client->loop;
	call->method = method;
	call->max_message_bytes = channel->max_message_bytes;
	call->interceptors = channel->interceptors;
	call->interceptor_count = channel->interceptor_count;
	if (events != NULL)
		call->events = *events;
	/* Whoever waits for messages must not have them run past. */
	call->is_on_demand =
	    options->receive_on_demand || call->events.on_message == NULL;
	call->message = call->text = grpc_empty_slice();
	grpc_metadata_array_init(&call->headers);
	grpc_metadata_array_init(&call->trailers);
	rpc_client_call_init(call);
	st = add_options(call, options);
	if (st != STATUS_OK) {
		rpc_client_call_destroy(call);
		return st;
	}
	*out = call;
	return STATUS_OK;
}

/* Takes `request` over, which is NULL where requests stream. */
static enum status
call_new(const struct rpc_client *client, const struct rpc_method *method,
    const struct rpc_call_options *options, grpc_byte_buffer *request,
    const struct rpc_client_call_events *events, struct rpc_client_call **out)
{
	static const struct rpc_call_options defaults;
	struct rpc_client_call *call = NULL;
	enum status st;

	if (options == NULL)
		options = &defaults;
	st = call_prepare(client, method, options, events, &call);
	if (st != STATUS_OK)
		goto out;
	call->refusal =
	    rpc_client_interceptors_start(call, &call->refusal_text);
	call->state = RPC_CLIENT_CALL_STATE_STARTED;
	if (call->refusal != RPC_CODE_OK) {
		call->has_status = call->has_received_all = true;
		call->pending++;
		rpc_loop_post(call->loop, &call->refused);
	} else {
		call->core = grpc_channel_create_call(client->channel->core,
		    NULL, GRPC_PROPAGATE_DEFAULTS, rpc_loop_queue(call->loop),
		    grpc_slice_from_static_string(method->path), NULL,
		    deadline_in(options->timeout_ms), NULL);
		start(call, options, request);
	}
	*out = call;
out:
	if (request != NULL)
		grpc_byte_buffer_destroy(request);
	return st;
}

enum status
rpc_client_call_add_metadata(
    struct rpc_client_call *call, const char *key, struct bytes value)
{
	if (call->state != RPC_CLIENT_CALL_STATE_STARTING)
		return STATUS_INVALID;
	return rpc_metadata_list_add(&call->metadata, key, value);
}

enum status
rpc_client_call_start(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    struct bytes request, const struct rpc_client_call_events *events,
    struct rpc_client_call **call)
{
	grpc_byte_buffer *buffer = rpc_method_has_one_request(method)
				       ? rpc_buffer_from_bytes(request)
				       : NULL;

	return call_new(client, method, options, buffer, events, call);
}

enum status
rpc_client_call_start_message(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    const ProtobufCMessage *request,
    const struct rpc_client_call_events *events, struct rpc_client_call **call)
{
	grpc_byte_buffer *buffer = rpc_method_has_one_request(method)
				       ? rpc_buffer_from_message(request)
				       : NULL;

	return call_new(client, method, options, buffer, events, call);
}
