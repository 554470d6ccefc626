#include "client/settling.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "client/group_effects.h"
#include "client/session_core.h"
#include "client/state_acks.h"
#include "client/state_seals.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"

/* A server that has not answered for so long is told of. */
#define RETRY_NOTICE_MS 2000

/*
 * A bare refusal is believed for no more than “try again”; but one that comes
 * again and again for some three seconds is not worth the whole time.
 */
#define REJECTIONS_MAX 6

/* The longest pause that a server may ask for. */
#define RETRY_AFTER_MAX_MS 10000

enum status
settling_stale(struct client_error *error)
{
	return client_error_set(error, STATUS_STALE, EXIT_CODE_FAILED,
	    "This is an old or copied state of the account: the server knows "
	    "of other requests than this device. If the account is in use "
	    "from another folder or device, use that one. If this is a "
	    "restored copy, put the newest one back. Nothing was sent.");
}

const struct rpc_sealed_method *
settling_find_method(const char *path)
{
	const struct rpc_sealed_method *const *method =
	    messenger_sealed_methods;

	while (*method != NULL && strcmp((*method)->path, path) != 0)
		method++;
	return *method;
}

/* ---- Effects ---- */

/* The effects of a reply, whichever method it is; inside a transaction. */
static enum status
apply_effects(struct session *session, const struct rpc_sealed_method *method,
    const struct session_reply *reply)
{
	enum status st = STATUS_OK;

	if (method == &messenger_send_sealed)
		st = outgoing_apply(session, reply);
	else if (method == &messenger_poll_sealed)
		st = incoming_apply(session, reply);
	else if (method == &messenger_sign_up_sealed)
		st = account_apply(session, reply);
	else
		st = group_effects_apply(session, reply);
	if (st != STATUS_OK)
		return st;
	/*
	 * Numbers have no gaps: polls before this request were received, and
	 * with them what they acknowledged.
	 */
	if (reply->sequence > 0 && (st = state_ack_settle(session->state,
					reply->sequence - 1)) != STATUS_OK)
		return st;
	return state_outbox_settle(session->state, reply->sequence);
}

static enum status
apply_reply(struct session *session, const struct rpc_sealed_method *method,
    const struct session_reply *reply, struct client_error *error)
{
	enum status st;

	crash_point("request.replied");
	if ((st = state_begin(session->state)) != STATUS_OK)
		goto out;
	if ((st = apply_effects(session, method, reply)) != STATUS_OK)
		goto out;
	crash_point("request.applied");
	if ((st = state_commit(session->state)) != STATUS_OK)
		goto out;
	crash_point("request.settled");
out:
	state_rollback(session->state);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

enum status
settling_refusal(const struct session_reply *reply, struct client_error *error)
{
	char reason[512];

	client_display(
	    bytes_from_string(reply->message), reason, sizeof(reason));
	return client_error_set(error,
	    reply->code == RPC_CODE_ALREADY_EXISTS ? STATUS_EXISTS
						   : STATUS_DENIED,
	    EXIT_CODE_REFUSED, "The server refused: %s",
	    reason[0] != '\0' ? reason : "it gave no reason.");
}

enum status
settling_decide(struct settling *settling,
    const struct rpc_sealed_method *method,
    const struct channel_outcome *outcome, enum settlement *out,
    struct client_error *error)
{
	const struct session_reply reply = {
	    .sequence = settling->sequence,
	    .is_done =
		outcome->disposition == PEYK__V1__DISPOSITION__DISPOSITION_DONE,
	    .code = outcome->code,
	    .message = outcome->message,
	    .body = outcome->body,
	};
	enum status st;

	if ((st = apply_reply(settling->session, method, &reply, error)) !=
	    STATUS_OK)
		return st;
	if (!reply.is_done) {
		settling->refusal_status =
		    settling_refusal(&reply, settling->refusal);
		settling->refusal_code = reply.code;
		*out = SETTLEMENT_REFUSED;
		return STATUS_OK;
	}
	if (settling->reply != NULL) {
		buf_reset(settling->reply);
		if ((st = buf_append(settling->reply, reply.body)) != STATUS_OK)
			return client_error_set_plain(
			    error, st, "read the reply");
	}
	*out = SETTLEMENT_DONE;
	return STATUS_OK;
}

/* ---- One attempt ---- */

/* Nobody will wait for this poll: remembers that it is at the server. */
static enum status
park(struct session *session, uint64_t sequence, struct client_error *error)
{
	enum status st;

	if ((st = state_begin(session->state)) == STATUS_OK &&
	    (st = state_outbox_park(session->state, sequence)) == STATUS_OK)
		st = state_commit(session->state);
	state_rollback(session->state);
	if (st != STATUS_OK)
		return state_error(error, st);
	crash_point("request.parked");
	return STATUS_OK;
}

/*
 * The server expects an earlier number. If everything from there on is still
 * here (polls of which only the unsigned headers came), sends that first.
 */
static enum status
fill_gap(struct settling *settling, uint64_t expected, bool *is_filled,
    struct client_error *error)
{
	struct client_error ignored;
	struct settling earlier = *settling;
	enum settlement settlement;
	bool has_range = false;
	enum status st;

	*is_filled = false;
	if (settling->is_nested || expected >= settling->sequence)
		return STATUS_OK;
	if ((st = state_outbox_has_range(settling->session->state, expected,
		 settling->sequence, &has_range)) != STATUS_OK)
		return state_error(error, st);
	if (!has_range)
		return STATUS_OK;
	earlier.is_nested = true;
	earlier.parked = NULL;
	earlier.may_park = true;
	earlier.reply = NULL;
	earlier.refusal = &ignored;
	for (uint64_t i = expected; i < settling->sequence; i++) {
		earlier.sequence = i;
		earlier.rejections = 0;
		if ((st = settling_run(&earlier, &settlement, error)) !=
		    STATUS_OK)
			return st;
	}
	*is_filled = true;
	return STATUS_OK;
}

/*
 * Judges a sealed reply. *is_settled false: again, after settling->pause_ms.
 */
static enum status
judge(struct settling *settling, const struct rpc_sealed_method *method,
    const struct channel_outcome *outcome, bool *is_settled,
    enum settlement *out, struct client_error *error)
{
	bool is_filled = false;
	enum status st;

	switch (outcome->disposition) {
	case PEYK__V1__DISPOSITION__DISPOSITION_DONE:
	case PEYK__V1__DISPOSITION__DISPOSITION_REFUSED:
		*is_settled = true;
		return settling_decide(settling, method, outcome, out, error);
	case PEYK__V1__DISPOSITION__DISPOSITION_NOT_PROCESSED:
		settling->cause = ATTEMPT_UNREACHED;
		return STATUS_OK;
	case PEYK__V1__DISPOSITION__DISPOSITION_GAP:
		if ((st = fill_gap(settling, outcome->expected_sequence,
			 &is_filled, error)) != STATUS_OK)
			return st;
		if (is_filled) {
			settling->cause = ATTEMPT_UNREACHED;
			return STATUS_OK;
		}
		return settling_stale(error);
	case PEYK__V1__DISPOSITION__DISPOSITION_REPLAY:
		return settling_stale(error);
	case PEYK__V1__DISPOSITION__DISPOSITION_UNSPECIFIED:
	case _PEYK__V1__DISPOSITION_IS_INT_SIZE:
		break;
	}
	/* From a newer server: nothing is known. */
	settling->cause = ATTEMPT_REJECTED;
	settling->rejections++;
	return STATUS_OK;
}

/* What an attempt without a sealed reply means. */
static enum status
judge_bare(struct settling *settling, struct attempt *attempt,
    enum attempt_result result, bool *is_settled, enum settlement *out,
    struct client_error *error)
{
	struct session *session = settling->session;
	enum status st;

	if (result != ATTEMPT_PARKED && session_is_interrupted(session))
		return client_error_set_plain(error, STATUS_CANCELLED, "wait");
	settling->cause = result;
	switch (result) {
	case ATTEMPT_PARKED:
		if ((st = park(session, settling->sequence, error)) !=
		    STATUS_OK)
			return st;
		if (settling->parked != NULL) {
			*settling->parked = *attempt;
			*attempt = (struct attempt){0};
		}
		*is_settled = true;
		*out = SETTLEMENT_PARKED;
		return STATUS_OK;
	case ATTEMPT_SEALING_KEY:
		connection_forget(session->connection);
		return STATUS_OK;
	case ATTEMPT_REJECTED:
		/* An outdated sealing key may be behind it as well. */
		connection_forget(session->connection);
		settling->rejections++;
		return STATUS_OK;
	case ATTEMPT_REPLIED:
	case ATTEMPT_UNREACHED:
	case ATTEMPT_NO_ANSWER:
		break;
	}
	if (connection_was_refused(session->connection))
		connection_forget(session->connection);
	return STATUS_OK;
}

static uint64_t
attempt_timeout(const struct settling *settling)
{
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t left_ms =
	    settling->deadline_ms > now_ms ? settling->deadline_ms - now_ms : 1;

	return left_ms < ATTEMPT_TIMEOUT_MS ? left_ms : ATTEMPT_TIMEOUT_MS;
}

/* STATUS_STALE if the stored request is sound. */
static enum status
check_request(struct bytes request)
{
	struct channel_request parsed = {0};
	enum status st = channel_request_parse(request, &parsed);

	channel_request_clear(&parsed);
	return st == STATUS_OK ? STATUS_STALE : st;
}

/* The entry's request to the server, once. */
static enum status
try_entry(struct settling *settling, const struct outbox_entry *entry,
    bool *is_settled, enum settlement *out, struct client_error *error)
{
	struct session *session = settling->session;
	const struct vault *vault = account_vault(session->account);
	const struct rpc_sealed_method *method =
	    settling_find_method(entry->method);
	bool may_park = settling->may_park && method == &messenger_poll_sealed;
	struct attempt attempt = {0};
	enum attempt_result result = ATTEMPT_UNREACHED;
	uint64_t timeout_ms = attempt_timeout(settling);
	enum status st;

	if (method == NULL)
		return state_error(error, STATUS_STALE);
	st = attempt_start(&attempt, session->connection, method,
	    buf_bytes(&entry->request), timeout_ms, may_park);
	/* One of the two is at fault: the stored request or the key. */
	if (st == STATUS_FORGED)
		st = check_request(buf_bytes(&entry->request));
	if (st == STATUS_STALE) {
		connection_forget(session->connection);
		settling->cause = ATTEMPT_SEALING_KEY;
		return STATUS_OK;
	}
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		st = STATUS_FORGED;
	if (st != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	crash_point("request.sent");
	st = attempt_wait(&attempt, session->connection, vault, timeout_ms,
	    may_park, &result);
	if (st != STATUS_OK) {
		st = client_error_set_plain(error, st, "read the reply");
		goto out;
	}
	settling->pause_ms = attempt.retry_after_ms;
	st = result == ATTEMPT_REPLIED
		 ? judge(settling, method, &attempt.reply.outcome, is_settled,
		       out, error)
		 : judge_bare(
		       settling, &attempt, result, is_settled, out, error);
out:
	attempt_clear(&attempt);
	return st;
}

/* ---- Attempt after attempt ---- */

enum status
settling_no_key(const struct session *session, struct client_error *error)
{
	return client_error_set(error, STATUS_UNAVAILABLE,
	    EXIT_CODE_UNREACHABLE,
	    "The server %s names no key that can be used now. The clock of "
	    "this device or of the server may be wrong: check it, and try "
	    "again.",
	    connection_target(session->connection));
}

static enum status
give_up(const struct settling *settling, struct client_error *error)
{
	const struct connection *connection = settling->session->connection;

	switch (settling->cause) {
	case ATTEMPT_REJECTED:
		return client_error_set(error, STATUS_UNAVAILABLE,
		    EXIT_CODE_UNREACHABLE,
		    "The server %s gave no answer that can be believed. "
		    "Something may stand in between, the account may have been "
		    "removed, or the server may be another version. Try again "
		    "later, or ask whoever runs the server.",
		    connection_target(connection));
	case ATTEMPT_SEALING_KEY:
		return settling_no_key(settling->session, error);
	case ATTEMPT_NO_ANSWER:
		return connection_unreachable(
		    connection, STATUS_TIMEOUT, error);
	case ATTEMPT_REPLIED:
	case ATTEMPT_PARKED:
	case ATTEMPT_UNREACHED:
		break;
	}
	return connection_unreachable(connection, STATUS_UNAVAILABLE, error);
}

static void
tell_retrying(struct session *session, uint64_t start_ms)
{
	char text[256];

	if (session->is_quiet ||
	    clock_monotonic_ms() - start_ms < RETRY_NOTICE_MS)
		return;
	session->is_quiet = true;
	(void)snprintf(text, sizeof(text),
	    "The server %s does not answer; trying again.",
	    connection_target(session->connection));
	session_notice(session, NOTICE_RETRYING, NULL, 0, text);
}

/*
 * Between two attempts: without the lock, so that others get their turn.
 * Takes it again at the end.
 */
static enum status
rest(struct settling *settling, unsigned attempt, uint64_t start_ms,
    struct client_error *error)
{
	struct session *session = settling->session;
	uint64_t pause_ms = connection_backoff_ms(attempt);
	enum status st;

	if (settling->pause_ms > pause_ms)
		pause_ms = settling->pause_ms < RETRY_AFTER_MAX_MS
			       ? settling->pause_ms
			       : RETRY_AFTER_MAX_MS;
	/* A new sealing key is there to be fetched at once. */
	if (settling->cause == ATTEMPT_SEALING_KEY && attempt == 1)
		pause_ms = 0;
	if (settling->rejections >= REJECTIONS_MAX ||
	    clock_monotonic_ms() + pause_ms >= settling->deadline_ms)
		return give_up(settling, error);
	session_unlock(session);
	tell_retrying(session, start_ms);
	if ((st = session_pause(session, pause_ms, error)) != STATUS_OK ||
	    (st = connection_learn(session->connection,
		 vault_server_key(account_vault(session->account)),
		 settling->deadline_ms, error)) != STATUS_OK)
		return st;
	return session_lock(session, error);
}

enum status
settling_run(
    struct settling *settling, enum settlement *out, struct client_error *error)
{
	struct outbox_entry entry = {0};
	uint64_t start_ms = clock_monotonic_ms();
	bool is_settled = false;
	enum status st;

	for (unsigned attempt = 1;; attempt++) {
		st = state_outbox_read(
		    settling->session->state, settling->sequence, &entry);
		if (st == STATUS_NOT_FOUND) {
			*out = SETTLEMENT_ELSEWHERE;
			return STATUS_OK;
		}
		if (st != STATUS_OK)
			return state_error(error, st);
		settling->pause_ms = 0;
		st = try_entry(settling, &entry, &is_settled, out, error);
		outbox_entry_clear(&entry);
		if (st != STATUS_OK || is_settled)
			break;
		if ((st = rest(settling, attempt, start_ms, error)) !=
		    STATUS_OK)
			break;
	}
	if (st == STATUS_OK && settling->session->is_quiet) {
		settling->session->is_quiet = false;
		settling->session->has_recovered = true;
	}
	return st;
}

/* ---- What an earlier run left ---- */

/*
 * What became of a request that somebody was to send by hand and that was
 * taken over; told when unlocked, of several the last.
 */
static void
note_sealed(const struct settling *settling, const char *path,
    enum settlement settlement)
{
	const char *name = strrchr(path, '/');
	const char *outcome = "";
	char *out = settling->session->sealed_finished;
	size_t size = sizeof(settling->session->sealed_finished);

	switch (settlement) {
	case SETTLEMENT_DONE:
		outcome = "The server has done it.";
		break;
	case SETTLEMENT_REFUSED:
		outcome = settling->refusal->text;
		break;
	case SETTLEMENT_PARKED:
		outcome = "It waits at the server.";
		break;
	case SETTLEMENT_ELSEWHERE:
		return;
	}
	(void)snprintf(out, size,
	    "The %s that peyk seal had printed, number %" PRIu64
	    ", was brought to its end first. %.800s",
	    name != NULL ? name + 1 : path, settling->sequence, outcome);
}

/* Finishes an entry that an earlier run left. */
static enum status
finish_entry(struct settling *settling, struct client_error *error)
{
	struct session *session = settling->session;
	struct session_tally before = session->tally;
	struct outbox_entry entry = {0};
	enum settlement settlement;
	bool is_sealed = false;
	enum status st;

	if ((st = state_seals_has(session->state, settling->sequence,
		 &is_sealed)) == STATUS_OK &&
	    is_sealed)
		st = state_outbox_read(
		    session->state, settling->sequence, &entry);
	if (st != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	if ((st = settling_run(settling, &settlement, error)) != STATUS_OK)
		goto out;
	session->unfinished.sent += session->tally.sent - before.sent;
	session->unfinished.refused += session->tally.refused - before.refused;
	if (is_sealed)
		note_sealed(settling, entry.method, settlement);
out:
	outbox_entry_clear(&entry);
	return st;
}

/* Under the lock: every entry that is not parked. */
static enum status
resolve(
    struct session *session, uint64_t deadline_ms, struct client_error *error)
{
	struct client_error refusal;
	struct settling settling;
	uint64_t sequence;
	enum status st;

	while (
	    (st = state_outbox_first(session->state, &sequence)) == STATUS_OK) {
		settling = (struct settling){
		    .session = session,
		    .sequence = sequence,
		    .deadline_ms = deadline_ms,
		    .may_park = true,
		    .refusal = &refusal,
		};
		if ((st = finish_entry(&settling, error)) != STATUS_OK)
			return st;
	}
	return st == STATUS_NOT_FOUND ? STATUS_OK : state_error(error, st);
}

void
session_tell_unfinished(
    struct session *session, unsigned long sent, unsigned long refused)
{
	char text[256];

	if (sent > 0) {
		(void)snprintf(text, sizeof(text),
		    sent == 1 ? "%lu message that was left unfinished earlier "
				"has been sent now."
			      : "%lu messages that were left unfinished "
				"earlier have been sent now.",
		    sent);
		session_notice(
		    session, NOTICE_UNFINISHED_SENT, NULL, sent, text);
	}
	if (refused > 0) {
		(void)snprintf(text, sizeof(text),
		    refused == 1
			? "%lu message that was left unfinished earlier was "
			  "refused by the server. The history shows it."
			: "%lu messages that were left unfinished earlier were "
			  "refused by the server. The history shows them.",
		    refused);
		session_notice(
		    session, NOTICE_UNFINISHED_REFUSED, NULL, refused, text);
	}
}

static void
tell_unfinished(struct session *session)
{
	struct session_tally tally = session->unfinished;

	session->unfinished = (struct session_tally){0};
	if (session->sealed_finished[0] != '\0') {
		session_notice(session, NOTICE_SEALED_FINISHED, NULL, 0,
		    session->sealed_finished);
		session->sealed_finished[0] = '\0';
	}
	session_tell_unfinished(session, tally.sent, tally.refused);
}

enum status
settling_begin(
    struct session *session, uint64_t deadline_ms, struct client_error *error)
{
	enum status st;

	assert(session->lock < 0);
	if ((st = connection_learn(session->connection,
		 vault_server_key(account_vault(session->account)), deadline_ms,
		 error)) != STATUS_OK ||
	    (st = session_lock(session, error)) != STATUS_OK)
		return st;
	return resolve(session, deadline_ms, error);
}

static void
tell_recovered(struct session *session)
{
	char text[256];

	if (!session->has_recovered)
		return;
	session->has_recovered = false;
	(void)snprintf(text, sizeof(text), "The server %s answers again.",
	    connection_target(session->connection));
	session_notice(session, NOTICE_RECONNECTED, NULL, 0, text);
}

void
settling_finish(struct session *session)
{
	session_unlock(session);
	tell_recovered(session);
	tell_unfinished(session);
}
