#include "client/session_seal.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/secret.h"
#include "client/session_core.h"
#include "client/settling.h"
#include "client/state_seals.h"

/* ---- Sealing ---- */

/* Seals an entry and stores what opens the reply; in a transaction. */
static enum status
seal_entry(struct session *session, uint64_t sequence,
    struct channel_sealed_request *out, struct client_error *error)
{
	const struct channel_sealing_key *key = channel_server_info_sealing_key(
	    &connection_server(session->connection)->info, clock_wall_ms());
	struct channel_exchange exchange = {0};
	struct outbox_entry entry = {0};
	struct state_seal seal = {.sequence = sequence};
	enum status st;

	if (key == NULL)
		return settling_no_key(session, error);
	if ((st = state_outbox_read(session->state, sequence, &entry)) !=
		STATUS_OK ||
	    (st = channel_request_seal(buf_bytes(&entry.request), key, out,
		 &exchange)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	seal.sealing_key = exchange.sealing_key;
	memcpy(seal.reply_secret, exchange.reply_secret,
	    sizeof(seal.reply_secret));
	if ((st = state_seal_add(session->state, &seal)) != STATUS_OK)
		st = state_error(error, st);
out:
	secret_wipe(&seal, sizeof(seal));
	channel_exchange_clear(&exchange);
	outbox_entry_clear(&entry);
	return st;
}

/* request NULL: the one of sequence is there already. */
static enum status
store_and_seal(struct session *session, const struct session_request *request,
    uint64_t sequence, struct channel_sealed_request *out,
    struct client_error *error)
{
	struct channel_sealed_request sealed = {0};
	enum status st;

	if ((st = state_begin(session->state)) != STATUS_OK)
		return state_error(error, st);
	if ((request != NULL && (st = session_number_request(session, request,
				     &sequence, error)) != STATUS_OK) ||
	    (st = seal_entry(session, sequence, &sealed, error)) != STATUS_OK)
		goto out;
	crash_point("seal.sealed");
	if ((st = state_commit(session->state)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	crash_point("seal.stored");
	*out = sealed;
	sealed = (struct channel_sealed_request){0}; /* now the caller's */
out:
	state_rollback(session->state);
	channel_sealed_request_clear(&sealed);
	return st;
}

enum status
session_seal(struct session *session, const struct session_request *request,
    struct channel_sealed_request *out, struct client_error *error)
{
	enum status st;

	st = settling_begin(
	    session, clock_monotonic_ms() + session_timeout_ms(session), error);
	if (st == STATUS_OK)
		st = store_and_seal(session, request, 0, out, error);
	settling_finish(session);
	return st;
}

static enum status
other_method(const struct rpc_sealed_method *method,
    const struct rpc_sealed_method *found, struct client_error *error)
{
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "What waits for a reply is a %s, not a %s.",
	    found != NULL ? found->name : "newer request", method->name);
}

/* The oldest entry that is not parked, if it is of this method. */
static enum status
find_entry(struct session *session, const struct rpc_sealed_method *method,
    uint64_t *sequence, struct client_error *error)
{
	const struct rpc_sealed_method *found;
	struct outbox_entry entry = {0};
	enum status st;

	if ((st = state_outbox_first(session->state, sequence)) == STATUS_OK)
		st = state_outbox_read(session->state, *sequence, &entry);
	if (st == STATUS_NOT_FOUND)
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "No request waits for a reply: what was sealed last is "
		    "decided, or nothing was.");
	if (st != STATUS_OK)
		return state_error(error, st);
	found = settling_find_method(entry.method);
	outbox_entry_clear(&entry);
	return found == method ? STATUS_OK : other_method(method, found, error);
}

enum status
session_seal_again(struct session *session,
    const struct rpc_sealed_method *method, struct channel_sealed_request *out,
    struct client_error *error)
{
	uint64_t sequence;
	enum status st;

	if ((st = session_connect(session, error)) != STATUS_OK ||
	    (st = session_lock(session, error)) != STATUS_OK)
		return st;
	if ((st = find_entry(session, method, &sequence, error)) == STATUS_OK)
		st = store_and_seal(session, NULL, sequence, out, error);
	session_unlock(session);
	return st;
}

/* ---- Opening ---- */

void
session_opened_clear(struct session_opened *opened)
{
	channel_reply_clear(&opened->reply);
	*opened = (struct session_opened){0};
}

/* What belongs to the request of a seal, but for what the seal itself has. */
static enum status
read_exchange(struct session *session, const struct state_seal *seal,
    struct channel_exchange *out)
{
	struct channel_request request = {0};
	struct outbox_entry entry = {0};
	enum status st;

	if ((st = state_outbox_read(session->state, seal->sequence, &entry)) !=
		STATUS_OK ||
	    (st = channel_request_parse(buf_bytes(&entry.request), &request)) !=
		STATUS_OK)
		goto out;
	out->request_hash = request.hash;
	out->sequence = request.sequence;
	memcpy(out->method, request.method, sizeof(out->method));
out:
	channel_request_clear(&request);
	outbox_entry_clear(&entry);
	return st;
}

/* STATUS_FORGED: none of the envelopes is a reply to any of these. */
static enum status
try_seals(struct session *session, const struct state_seal *seals,
    size_t seal_count, const struct buf *envelopes, size_t count,
    struct session_opened *out)
{
	const struct vault *vault = account_vault(session->account);
	struct channel_exchange exchange = {0};
	enum status st = STATUS_FORGED;

	for (size_t i = 0; i < seal_count && st == STATUS_FORGED; i++) {
		/* Several seals of one request have it in common. */
		if (i == 0 || seals[i].sequence != exchange.sequence)
			st = read_exchange(session, &seals[i], &exchange);
		if (st == STATUS_NOT_FOUND) { /* settled just now */
			st = STATUS_FORGED;
			continue;
		}
		if (st != STATUS_OK && st != STATUS_FORGED)
			break;
		st = STATUS_FORGED;
		exchange.sealing_key = seals[i].sealing_key;
		memcpy(exchange.reply_secret, seals[i].reply_secret,
		    sizeof(exchange.reply_secret));
		for (size_t j = 0; j < count && st == STATUS_FORGED; j++)
			st = channel_reply_open_bytes(&exchange,
			    vault_encryption(vault), vault_server_key(vault),
			    buf_bytes(&envelopes[j]), &out->reply);
		out->sequence = seals[i].sequence;
	}
	channel_exchange_clear(&exchange);
	return st;
}

/* Why no request of the method waits for a reply. */
static enum status
nothing_waits(struct session *session, const struct rpc_sealed_method *method,
    struct client_error *error)
{
	bool is_sealed = false;
	uint64_t sequence;
	enum status st;

	if (state_outbox_first(session->state, &sequence) == STATUS_OK &&
	    state_seals_has(session->state, sequence, &is_sealed) ==
		STATUS_OK &&
	    is_sealed &&
	    (st = find_entry(session, method, &sequence, error)) != STATUS_OK)
		return st;
	return client_error_set(error, STATUS_NOT_FOUND, EXIT_CODE_FAILED,
	    "No %s that was sealed waits for a reply: it is decided already, "
	    "or there was none. What came of it, peyk history and peyk poll "
	    "show.",
	    method->name);
}

/* A sealed outcome that decides nothing is a failure. */
static enum status
judge(struct session *session, const struct session_opened *opened,
    struct client_error *error)
{
	const struct channel_outcome *outcome = &opened->reply.outcome;
	bool has_range = false;
	char reason[512];

	switch (outcome->disposition) {
	case PEYK__V1__DISPOSITION__DISPOSITION_DONE:
	case PEYK__V1__DISPOSITION__DISPOSITION_REFUSED:
		return STATUS_OK;
	case PEYK__V1__DISPOSITION__DISPOSITION_NOT_PROCESSED:
		client_display(bytes_from_string(outcome->message), reason,
		    sizeof(reason));
		return client_error_set(error, STATUS_UNAVAILABLE,
		    EXIT_CODE_UNREACHABLE,
		    "The server did nothing yet: %s Send the same request "
		    "again after %" PRIu64 " ms, or leave it to the next peyk "
		    "command.",
		    reason, outcome->retry_after_ms);
	case PEYK__V1__DISPOSITION__DISPOSITION_GAP:
		if (outcome->expected_sequence < opened->sequence &&
		    state_outbox_has_range(session->state,
			outcome->expected_sequence, opened->sequence,
			&has_range) == STATUS_OK &&
		    has_range)
			return client_error_set(error, STATUS_UNAVAILABLE,
			    EXIT_CODE_UNREACHABLE,
			    "The server did nothing: it has not got the "
			    "request before this one, which is in the outbox. "
			    "The next peyk command sends both.");
		return settling_stale(error);
	case PEYK__V1__DISPOSITION__DISPOSITION_REPLAY:
		return settling_stale(error);
	case PEYK__V1__DISPOSITION__DISPOSITION_UNSPECIFIED:
	case _PEYK__V1__DISPOSITION_IS_INT_SIZE:
		break;
	}
	return client_error_set(error, STATUS_UNAVAILABLE,
	    EXIT_CODE_UNREACHABLE,
	    "The server gave an answer that only a newer peyk understands.");
}

enum status
session_open_reply(struct session *session,
    const struct rpc_sealed_method *method, const struct buf *envelopes,
    size_t count, struct session_opened *out, struct client_error *error)
{
	struct session_opened opened = {.method = method};
	struct state_seal *seals = NULL;
	size_t seal_count = 0;
	enum status st;

	if ((st = state_seals_list(session->state, method->path, &seals,
		 &seal_count)) != STATUS_OK)
		return state_error(error, st);
	if (seal_count == 0) {
		st = nothing_waits(session, method, error);
		goto out;
	}
	st = try_seals(session, seals, seal_count, envelopes, count, &opened);
	if (st == STATUS_FORGED) {
		st = client_error_set(error, st, EXIT_CODE_FAILED,
		    "This is no reply to the %s that was sealed last: it was "
		    "altered, is of another request or method, or comes from "
		    "another server. Nothing is known of what was done.",
		    method->name);
		goto out;
	}
	if (st != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	if ((st = judge(session, &opened, error)) != STATUS_OK)
		goto out;
	*out = opened;
	opened = (struct session_opened){0}; /* now the caller's */
out:
	session_opened_clear(&opened);
	state_seals_free(seals, seal_count);
	return st;
}

enum status
session_accept_reply(struct session *session,
    const struct session_opened *opened, struct client_error *error)
{
	const struct channel_outcome *outcome = &opened->reply.outcome;
	const struct session_reply reply = {
	    .code = outcome->code,
	    .message = outcome->message,
	};
	struct client_error refusal;
	struct settling settling = {
	    .session = session,
	    .sequence = opened->sequence,
	    .refusal = &refusal,
	};
	struct outbox_entry entry = {0};
	enum settlement settlement;
	enum status st;

	if ((st = session_lock(session, error)) != STATUS_OK)
		return st;
	st = state_outbox_read(session->state, opened->sequence, &entry);
	outbox_entry_clear(&entry);
	if (st == STATUS_OK)
		st = settling_decide(
		    &settling, opened->method, outcome, &settlement, error);
	else if (st == STATUS_NOT_FOUND)
		st = STATUS_OK; /* another process has learned it */
	else
		st = state_error(error, st);
	session_unlock(session);
	if (st != STATUS_OK ||
	    outcome->disposition != PEYK__V1__DISPOSITION__DISPOSITION_REFUSED)
		return st;
	return settling_refusal(&reply, error);
}
