#include "client/session_request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "client/session_core.h"
#include "client/settling.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"

/* How much longer than its wait_ms a parked poll is waited for. */
#define POLL_MARGIN_MS 15000

void
session_result_clear(struct session_result *result)
{
	buf_clear(&result->reply);
	*result = (struct session_result){0};
}

enum status
session_resolve(struct session *session, struct client_error *error)
{
	uint64_t sequence;
	enum status st;

	st = state_outbox_first(session->state, &sequence);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (st != STATUS_OK)
		return state_error(error, st);
	st = settling_begin(
	    session, clock_monotonic_ms() + session_timeout_ms(session), error);
	settling_finish(session);
	return st;
}

/* ---- A new request ---- */

enum status
session_number_request(struct session *session,
    const struct session_request *request, uint64_t *sequence,
    struct client_error *error)
{
	const struct vault *vault = account_vault(session->account);
	struct channel_request_fields fields = {
	    .method = request->method->path,
	    .server_key = vault_server_key(vault),
	};
	struct state_account account;
	struct sha256_digest hash;
	struct buf body, message;
	enum status st;

	buf_init(&body, WIRE_BODY_MAX);
	buf_init(&message, WIRE_ENVELOPE_MAX);
	if ((st = state_account_read(session->state, &account)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	fields.sequence = account.last_sequence + 1;
	if ((st = request->prepare(session, request->arg, fields.sequence,
		 &body, error)) != STATUS_OK)
		goto out;
	fields.body = buf_bytes(&body);
	if ((st = channel_request_sign(vault_signing(vault), &fields, &message,
		 &hash)) != STATUS_OK) {
		st = client_error_set_plain(error, st, "sign the request");
		goto out;
	}
	if ((st = state_outbox_add(session->state, fields.sequence,
		 fields.method, buf_bytes(&message))) != STATUS_OK ||
	    (st = state_account_set_sequence(
		 session->state, fields.sequence)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	*sequence = fields.sequence;
out:
	buf_clear(&message);
	buf_clear(&body);
	return st;
}

/* Under the lock, with nothing else in the outbox: stores the request. */
static enum status
store(struct session *session, const struct session_request *request,
    uint64_t *sequence, struct client_error *error)
{
	enum status st;

	if ((st = state_begin(session->state)) != STATUS_OK)
		return state_error(error, st);
	crash_point("request.begun");
	if ((st = session_number_request(session, request, sequence, error)) !=
	    STATUS_OK)
		goto out;
	crash_point("request.prepared");
	if ((st = state_commit(session->state)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	crash_point("request.stored");
out:
	state_rollback(session->state);
	return st;
}

/* From settling_begin() to settling_finish(), but for a parked poll's reply. */
static enum status
run(struct session *session, const struct session_request *request,
    struct settling *settling, enum settlement *settlement,
    struct session_result *result, struct client_error *error)
{
	enum status st;

	settling->session = session;
	settling->deadline_ms =
	    clock_monotonic_ms() + session_timeout_ms(session);
	settling->reply = &result->reply;
	buf_init(&result->reply, WIRE_BODY_MAX);
	if ((st = settling_begin(session, settling->deadline_ms, error)) !=
		STATUS_OK ||
	    (st = store(session, request, &settling->sequence, error)) !=
		STATUS_OK)
		goto out;
	result->is_stored = true;
	/* What was finished before may have taken the time. */
	settling->deadline_ms =
	    clock_monotonic_ms() + session_timeout_ms(session);
	st = settling_run(settling, settlement, error);
out:
	settling_finish(session);
	return st;
}

/* What a settlement is to who made the request. */
static enum status
conclude(const struct settling *settling, enum settlement settlement,
    struct session_result *result, struct client_error *error)
{
	switch (settlement) {
	case SETTLEMENT_DONE:
		return STATUS_OK;
	case SETTLEMENT_REFUSED:
		if (error != NULL)
			*error = *settling->refusal;
		result->refusal_code = settling->refusal_code;
		return settling->refusal_status;
	case SETTLEMENT_ELSEWHERE:
		result->is_elsewhere = true;
		return STATUS_OK;
	case SETTLEMENT_PARKED:
		result->is_lost = true;
		return STATUS_OK;
	}
	return STATUS_INTERNAL;
}

enum status
session_request(struct session *session, const struct session_request *request,
    struct session_result *result, struct client_error *error)
{
	struct client_error refusal;
	struct settling settling = {.refusal = &refusal};
	enum settlement settlement;
	enum status st;

	if ((st = run(session, request, &settling, &settlement, result,
		 error)) != STATUS_OK)
		return st;
	return conclude(&settling, settlement, result, error);
}

/* ---- Polls that wait ---- */

/* The reply of a parked poll, without the lock. */
static enum status
await_parked(struct settling *settling, struct attempt *attempt,
    uint64_t wait_ms, enum settlement *settlement, struct client_error *error)
{
	struct session *session = settling->session;
	enum attempt_result result = ATTEMPT_NO_ANSWER;
	Peyk__V1__Disposition disposition;
	enum status st = STATUS_OK;

	st = attempt_wait(attempt, session->connection,
	    account_vault(session->account), wait_ms + POLL_MARGIN_MS, false,
	    &result);
	if (result != ATTEMPT_REPLIED && session_is_interrupted(session))
		return client_error_set_plain(error, STATUS_CANCELLED, "wait");
	if (st != STATUS_OK)
		return client_error_set_plain(error, st, "read the reply");
	if (result != ATTEMPT_REPLIED)
		return STATUS_OK; /* lost: still SETTLEMENT_PARKED */
	disposition = attempt->reply.outcome.disposition;
	if (disposition != PEYK__V1__DISPOSITION__DISPOSITION_DONE &&
	    disposition != PEYK__V1__DISPOSITION__DISPOSITION_REFUSED)
		return STATUS_OK;
	return settling_decide(settling, &messenger_poll_sealed,
	    &attempt->reply.outcome, settlement, error);
}

enum status
session_poll(struct session *session, const struct session_request *request,
    uint64_t wait_ms, struct session_result *result, struct client_error *error)
{
	struct client_error refusal;
	struct attempt parked = {0};
	struct settling settling = {
	    .refusal = &refusal,
	    .parked = &parked,
	    .may_park = true,
	};
	enum settlement settlement;
	enum status st;

	assert(wait_ms <= WIRE_POLL_WAIT_MAX_MS);
	if ((st = run(session, request, &settling, &settlement, result,
		 error)) != STATUS_OK)
		goto out;
	if (settlement == SETTLEMENT_PARKED &&
	    (st = await_parked(
		 &settling, &parked, wait_ms, &settlement, error)) != STATUS_OK)
		goto out;
	st = conclude(&settling, settlement, result, error);
out:
	attempt_clear(&parked);
	return st;
}

/* ---- Generated stubs ---- */

static enum status
append_body(struct session *session, void *arg, uint64_t sequence,
    struct buf *body, struct client_error *error)
{
	const struct bytes *given = arg;
	enum status st;

	(void)session;
	(void)sequence;
	if ((st = buf_append(body, *given)) != STATUS_OK)
		return client_error_set_plain(error, st, "write the request");
	return STATUS_OK;
}

/* Another process's reply is of no use here: asks again, a few times. */
#define ELSEWHERE_MAX 8

static enum status
call_sealed(struct rpc_sealed_client *peer,
    const struct rpc_sealed_method *method, struct bytes body,
    struct buf *reply)
{
	struct session *session = (struct session *)peer;
	struct session_request request = {
	    .method = method,
	    .prepare = append_body,
	    .arg = &body,
	};
	struct session_result result = {0};
	enum status st = STATUS_OK;

	for (unsigned i = 0; i < ELSEWHERE_MAX; i++) {
		session_result_clear(&result);
		st = session_request(
		    session, &request, &result, session->peer_error);
		if (st != STATUS_OK || !result.is_elsewhere)
			break;
	}
	if (st == STATUS_OK && result.is_elsewhere)
		st = state_error(session->peer_error, STATUS_BUSY);
	if (st == STATUS_OK) {
		buf_reset(reply);
		if ((st = buf_append(reply, buf_bytes(&result.reply))) !=
		    STATUS_OK)
			st = client_error_set_plain(
			    session->peer_error, st, "read the reply");
	}
	session_result_clear(&result);
	return st;
}

struct rpc_sealed_client *
session_peer(struct session *session, struct client_error *error)
{
	session->peer.call = call_sealed;
	session->peer_error = error;
	return &session->peer;
}
