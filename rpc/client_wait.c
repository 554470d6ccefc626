/* rpc/client_call.h: watching by waiting, and whole calls at once. */

#include "rpc/client_call.h"

#include <string.h>

#include "base/clock.h"
#include "rpc/client_core.h"

/* ---- Waiting ---- */

static bool
is_reached(const struct rpc_client_call *call, enum rpc_wait until)
{
	if (call->state == RPC_CLIENT_CALL_STATE_ENDED)
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

/* Of a wait that began at `start_ms`; negative: for ever. */
static int64_t
time_left(int64_t timeout_ms, uint64_t start_ms)
{
	int64_t passed_ms;

	if (timeout_ms < 0)
		return -1;
	passed_ms = (int64_t)(clock_monotonic_ms() - start_ms);
	return passed_ms < timeout_ms ? timeout_ms - passed_ms : 0;
}

bool
rpc_client_call_wait(
    struct rpc_client_call *call, enum rpc_wait until, int64_t timeout_ms)
{
	uint64_t start_ms = clock_monotonic_ms();

	while (!is_reached(call, until)) {
		/* Waiting for the end passes over the messages before it. */
		if ((until == RPC_WAIT_END || until == RPC_WAIT_MESSAGE) &&
		    rpc_client_call_streams_responses(call) &&
		    rpc_client_call_can_receive(call))
			rpc_client_call_start_receive(call);
		switch (rpc_loop_step(
		    call->loop, time_left(timeout_ms, start_ms))) {
		case RPC_LOOP_EVENT:
			break;
		case RPC_LOOP_TIMEOUT:
			return is_reached(call, until);
		case RPC_LOOP_INTERRUPTED:
		case RPC_LOOP_CLOSED:
			return false;
		}
	}
	return true;
}

/* What a wait that was in vain means. */
static enum status
why_in_vain(const struct rpc_client_call *call)
{
	return rpc_loop_is_interrupted(call->loop) ? STATUS_CANCELLED
						   : STATUS_TIMEOUT;
}

/* ---- One after the other ---- */

enum status
rpc_client_call_next(struct rpc_client_call *call, int64_t timeout_ms,
    ProtobufCMessage **response)
{
	enum status st;

	if (!rpc_client_call_wait(call, RPC_WAIT_MESSAGE, timeout_ms))
		return why_in_vain(call);
	if (!call->has_message) {
		*response = NULL;
		return STATUS_OK;
	}
	st = rpc_client_call_unpack(call, response);
	rpc_client_call_drop_message(call);
	return st;
}

enum status
rpc_client_call_write(struct rpc_client_call *call, int64_t timeout_ms,
    const ProtobufCMessage *request)
{
	if (!rpc_client_call_wait(call, RPC_WAIT_SENT, timeout_ms))
		return why_in_vain(call);
	return rpc_client_call_send_message(call, request) ? STATUS_OK
							   : STATUS_STALE;
}

/* Runs a call to its end; one that is interrupted is cancelled first. */
static void
run_to_end(struct rpc_client_call *call)
{
	if (rpc_client_call_wait(call, RPC_WAIT_END, -1))
		return;
	rpc_client_call_cancel(call);
	/* It ends at once now, whatever the flag says. */
	while (call->state != RPC_CLIENT_CALL_STATE_ENDED)
		if (!rpc_loop_finish_step(call->loop))
			return;
}

/* Gives the status away and makes a result of it. */
static enum status
take_status(struct rpc_client_call *call, struct rpc_status *status)
{
	enum status st = rpc_code_to_status(call->status.code);

	if (call->state != RPC_CLIENT_CALL_STATE_ENDED)
		return STATUS_CANCELLED; /* its loop was closed */
	if (status != NULL) {
		rpc_status_clear(status);
		*status = call->status;
		memset(&call->status, 0, sizeof(call->status));
	}
	return st;
}

/* Unpacks the one reply. `status` says so when that fails. */
static enum status
take_reply(struct rpc_client_call *call, ProtobufCMessage **response,
    struct rpc_status *status)
{
	enum status st = take_status(call, status);

	if (st != STATUS_OK)
		return st;
	st = rpc_client_call_unpack(call, response);
	if (st != STATUS_OK && status != NULL) {
		rpc_status_clear(status);
		status->code = RPC_CODE_INTERNAL;
		status->message = strdup("the reply does not parse");
	}
	return st;
}

enum status
rpc_client_call_finish(struct rpc_client_call *call,
    ProtobufCMessage **response, struct rpc_status *status)
{
	rpc_client_call_finish_sending(call);
	run_to_end(call);
	return take_reply(call, response, status);
}

/* ---- All at once ---- */

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
	st = take_reply(call, response, status);
	rpc_client_call_free(call);
	return st;
}
