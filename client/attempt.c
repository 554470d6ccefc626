#include "client/attempt.h"

#include "base/clock.h"
#include "rpc/grpc_status.h"
#include "rpc/status_details.h"
#include "wire/limits.h"

#define SEALED_RESPONSE_TYPE "peyk.v1.SealedResponse"

/*
 * After a poll's headers, a reply that was there at once follows within this
 * time; otherwise the poll is parked. A wrong guess costs a little, no more.
 */
#define PARKED_AFTER_MS 25

/* A parked poll and its reply on the way. */
#define PARKED_MAX_MS (WIRE_POLL_WAIT_MAX_MS + 2 * ATTEMPT_TIMEOUT_MS)

enum status
attempt_start(struct attempt *attempt, struct connection *connection,
    const struct rpc_sealed_method *method, struct bytes request,
    uint64_t timeout_ms, bool may_park)
{
	const struct rpc_call_options options = {
	    .timeout_ms =
		(int64_t)(timeout_ms + (may_park ? PARKED_MAX_MS : 0)),
	    .early_headers = may_park,
	};
	const struct channel_sealing_key *key = channel_server_info_sealing_key(
	    &connection_server(connection)->info, clock_wall_ms());
	struct channel_sealed_request sealed = {0};
	Peyk__V1__SealedRequest view = PEYK__V1__SEALED_REQUEST__INIT;
	enum status st;

	if (key == NULL)
		return STATUS_STALE;
	if ((st = channel_request_seal(
		 request, key, &sealed, &attempt->exchange)) != STATUS_OK)
		goto out;
	channel_sealed_request_view(&sealed, &view);
	st = rpc_client_call_start_message(connection_client(connection),
	    method->method, &options, &view.base, NULL, &attempt->call);
out:
	channel_sealed_request_clear(&sealed);
	return st;
}

/* What a bare status may mean: no more than when to try again. */
static enum attempt_result
classify(const struct rpc_status *status)
{
	switch (status->code) {
	case RPC_CODE_UNAVAILABLE:
	case RPC_CODE_RESOURCE_EXHAUSTED:
	case RPC_CODE_CANCELLED:
	case RPC_CODE_UNKNOWN:
	case RPC_CODE_INTERNAL:
	case RPC_CODE_ABORTED:
		return ATTEMPT_UNREACHED;
	case RPC_CODE_DEADLINE_EXCEEDED:
		return ATTEMPT_NO_ANSWER;
	case RPC_CODE_FAILED_PRECONDITION:
		return ATTEMPT_SEALING_KEY;
	case RPC_CODE_OK: /* with a reply that is not one */
	case RPC_CODE_INVALID_ARGUMENT:
	case RPC_CODE_NOT_FOUND:
	case RPC_CODE_ALREADY_EXISTS:
	case RPC_CODE_PERMISSION_DENIED:
	case RPC_CODE_OUT_OF_RANGE:
	case RPC_CODE_UNIMPLEMENTED:
	case RPC_CODE_DATA_LOSS:
	case RPC_CODE_UNAUTHENTICATED:
		break;
	}
	return ATTEMPT_REJECTED;
}

/* The envelope of the reply, from the message or the status details. */
static enum status
find_envelope(const struct attempt *attempt, struct buf *out)
{
	const struct rpc_status *status = rpc_client_call_status(attempt->call);

	if (status->code == RPC_CODE_OK)
		return buf_append(out, rpc_client_call_message(attempt->call));
	return rpc_status_details_find(
	    rpc_status_details(status), SEALED_RESPONSE_TYPE, out);
}

/* Of a call that has ended. */
static enum status
read_reply(struct attempt *attempt, const struct connection *connection,
    const struct vault *vault, enum attempt_result *result)
{
	const struct rpc_status *status = rpc_client_call_status(attempt->call);
	struct buf envelope;
	enum status st;

	buf_init(&envelope, WIRE_ENVELOPE_MAX + 1024);
	st = find_envelope(attempt, &envelope);
	if (st == STATUS_OK)
		st = channel_reply_open_bytes(&attempt->exchange,
		    vault_encryption(vault),
		    &connection_server(connection)->info.identity_key,
		    buf_bytes(&envelope), &attempt->reply);
	if (st == STATUS_OK) {
		*result = ATTEMPT_REPLIED;
		attempt->retry_after_ms = attempt->reply.outcome.retry_after_ms;
	} else if (st != STATUS_NOMEM && st != STATUS_INTERNAL) {
		/* Nobody vouches for what came. */
		*result = classify(status);
		if (rpc_status_details_find_retry(rpc_status_details(status),
			&attempt->retry_after_ms) != STATUS_OK)
			attempt->retry_after_ms = 0;
		st = STATUS_OK;
	}
	buf_clear(&envelope);
	return st;
}

enum status
attempt_wait(struct attempt *attempt, const struct connection *connection,
    const struct vault *vault, uint64_t timeout_ms, bool may_park,
    enum attempt_result *result)
{
	if (!rpc_client_call_wait(attempt->call,
		may_park ? RPC_WAIT_HEADERS : RPC_WAIT_END,
		(int64_t)timeout_ms)) {
		*result = ATTEMPT_NO_ANSWER;
		return STATUS_OK;
	}
	if (!rpc_client_call_wait(
		attempt->call, RPC_WAIT_END, PARKED_AFTER_MS)) {
		*result = ATTEMPT_PARKED;
		return STATUS_OK;
	}
	return read_reply(attempt, connection, vault, result);
}

void
attempt_clear(struct attempt *attempt)
{
	rpc_client_call_free(attempt->call);
	channel_reply_clear(&attempt->reply);
	channel_exchange_clear(&attempt->exchange);
	*attempt = (struct attempt){0};
}
