#include "client/outgoing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/uuid.h"
#include "client/letters.h"
#include "client/outgoing_core.h"
#include "client/session_request.h"
#include "client/state_contacts.h"
#include "client/state_messages.h"
#include "e2ee/direct.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

_Static_assert(OUTGOING_TEXT_MAX == WIRE_TEXT_MAX, "one limit");
_Static_assert(MESSAGE_ID_SIZE == WIRE_MESSAGE_ID_SIZE, "one size");

/*
 * What a message's content holds besides the text and the sender's identity,
 * and what its ciphertext and its place in the request add: all generous, for
 * an estimate that is never too low.
 */
#define CONTENT_EXTRA 256
#define CIPHERTEXT_EXTRA 512

/* Messages that travel in one request. */
struct batch {
	const struct contact *contact;
	const struct outgoing_message *messages;
	const struct outgoing_result *results; /* hold the ids */
	const size_t *indices;                 /* which of them */
	size_t count;
};

/* ---- Building a request ---- */

static enum status
prepare(struct session *session, void *arg, uint64_t sequence, struct buf *body,
    struct client_error *error)
{
	const struct batch *batch = arg;
	struct letter *letters = calloc(batch->count, sizeof(*letters));
	enum status st;

	if (letters == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "send the messages");
	for (size_t i = 0; i < batch->count; i++) {
		size_t index = batch->indices[i];

		letters[i] = (struct letter){
		    .contact = batch->contact,
		    .id = batch->results[index].id,
		    .text = batch->messages[index].text,
		};
	}
	st = letters_prepare(
	    session, letters, batch->count, sequence, body, error);
	free(letters);
	return st;
}

/* ---- The reply ---- */

/* The time in a UUIDv7 (RFC 9562 section 5.7). */
static uint64_t
time_of_uuid(const char *text)
{
	uint8_t id[UUID_SIZE];
	uint64_t ms = 0;

	if (uuid_parse(bytes_from_string(text), id) != STATUS_OK)
		return 0;
	for (size_t i = 0; i < 6; i++)
		ms = ms << 8 | id[i];
	return ms <= WIRE_TIME_MAX_MS ? ms : 0;
}

bool
outgoing_is_stored(const Peyk__V1__SendResult *result, uint64_t *stored_at_ms)
{
	uint8_t id[UUID_SIZE];

	/* Stored under no id is not stored. */
	if (result->outcome != PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_STORED ||
	    uuid_parse(bytes_from_string(result->id), id) != STATUS_OK)
		return false;
	*stored_at_ms = time_of_uuid(result->id);
	return true;
}

static enum message_outcome
read_refusal(const Peyk__V1__SendResult *result)
{
	switch (result->outcome) {
	case PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_UNKNOWN_RECIPIENT:
		return MESSAGE_OUTCOME_UNKNOWN_RECIPIENT;
	case PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_STALE_RECIPIENT:
		return MESSAGE_OUTCOME_STALE_RECIPIENT;
	case PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_STORED:
	case PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_UNKNOWN_GROUP:
	case PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_STALE_EPOCH:
	case PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_UNSPECIFIED:
	case _PEYK__V1__SEND_OUTCOME_IS_INT_SIZE:
		break;
	}
	return MESSAGE_OUTCOME_REFUSED;
}

/* The server did not store it: the chain goes back to before it. */
static enum status
roll_back(struct state *state, const struct state_pending *pending)
{
	const struct e2ee_chain_link link = {
	    .counter = pending->before.counter + 1,
	    .previous_hash = &pending->before.hash,
	};
	struct e2ee_chain chain;
	enum status st;

	if ((st = state_send_chain_read(state, &pending->peer_key, &chain)) !=
	    STATUS_OK)
		return st;
	e2ee_chain_roll_back(&chain, &link);
	return state_send_chain_write(state, &pending->peer_key, &chain);
}

static enum status
settle_message(struct session *session, const struct state_pending *pending,
    const Peyk__V1__SendResult *result)
{
	struct session_tally *tally = session_tally(session);
	struct state *state = session_state(session);
	enum message_outcome outcome = MESSAGE_OUTCOME_REFUSED;
	uint64_t stored_at_ms = 0;
	enum status st;

	if (result != NULL && outgoing_is_stored(result, &stored_at_ms)) {
		outcome = MESSAGE_OUTCOME_STORED;
		tally->sent++;
	} else {
		if (result != NULL)
			outcome = read_refusal(result);
		tally->refused++;
		if ((st = roll_back(state, pending)) != STATUS_OK)
			return st;
	}
	return state_outgoing_settle(
	    state, pending->number, outcome, stored_at_ms);
}

/* Messages to users; response NULL: the request was refused. */
static enum status
settle_messages(struct session *session, uint64_t sequence,
    const Peyk__V1__SendResponse *response)
{
	struct state_pending *pending = NULL;
	size_t count = 0;
	enum status st;

	st = state_pending_list(
	    session_state(session), sequence, &pending, &count);
	for (size_t i = 0; i < count && st == STATUS_OK; i++)
		st = settle_message(session, &pending[i],
		    response != NULL && response->n_results == count
			? response->results[i]
			: NULL);
	free(pending);
	return st;
}

enum status
outgoing_apply(struct session *session, const struct session_reply *reply)
{
	Peyk__V1__SendResponse *response = NULL;
	enum status st = STATUS_OK;

	if (reply->is_done)
		st = wire_unpack(&peyk__v1__send_response__descriptor,
		    reply->body, WIRE_BODY_MAX, &response);
	if (st == STATUS_NOMEM)
		goto out;
	if ((st = settle_messages(session, reply->sequence, response)) !=
	    STATUS_OK)
		goto out;
	st = group_sending_apply(session, reply->sequence, response);
out:
	wire_free(response);
	return st;
}

/* ---- Sending ---- */

/*
 * What is known of a message with an id of the caller's. *is_known: it was
 * sent before, and result says how that went.
 */
static enum status
check_known(struct session *session, const char *canonical, uint64_t group_id,
    const struct outgoing_message *message, struct outgoing_result *result,
    bool *is_known, struct client_error *error)
{
	char shown[MESSAGE_ID_TEXT_SIZE];
	struct message found = {0};
	bool is_same;
	enum status st;

	*is_known = false;
	st = state_outgoing_read(session_state(session), message->id, &found);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (st != STATUS_OK)
		return state_error(error, st);
	is_same =
	    found.group_id == group_id &&
	    strcmp(found.peer_canonical, canonical) == 0 &&
	    bytes_equal(message->text, bytes_make(found.text, found.text_size));
	if (is_same && (found.outcome == MESSAGE_OUTCOME_STORED ||
			   found.outcome == MESSAGE_OUTCOME_PENDING)) {
		*is_known = true;
		result->outcome = found.outcome;
		result->sent_at_ms = found.sent_at_ms;
		result->was_sent_before = true;
	}
	message_clear(&found);
	if (is_same)
		return STATUS_OK;
	message_id_format(message->id, shown);
	return client_error_set(error, STATUS_EXISTS, EXIT_CODE_USAGE,
	    "The id %s belongs to another message that was sent before. Every "
	    "message needs an id of its own.",
	    shown);
}

size_t
outgoing_estimate(size_t text_size, size_t content_extra)
{
	size_t content = text_size + content_extra + CONTENT_EXTRA;
	size_t padded = WIRE_CONTENT_MIN;

	while (padded < content)
		padded *= 2;
	return padded + CIPHERTEXT_EXTRA;
}

enum status
outgoing_pack(
    Peyk__V1__OutgoingMessage *messages, size_t count, struct buf *out)
{
	Peyk__V1__SendRequest request = PEYK__V1__SEND_REQUEST__INIT;
	enum status st;

	request.n_messages = count;
	request.messages = calloc(count, sizeof(*request.messages));
	if (request.messages == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < count; i++)
		request.messages[i] = &messages[i];
	st = wire_pack(&request.base, out);
	free(request.messages);
	return st;
}

/* How many of the first messages fit into one request; at least one. */
static size_t
fill_batch(const struct session *session,
    const struct outgoing_message *messages, const size_t *indices,
    size_t count)
{
	const struct channel_server_info *info = &session_server(session)->info;
	const struct vault *vault = account_vault(session_account(session));
	size_t statement = vault_statement(vault).size;
	size_t used = 0, size = 0;

	while (used < count && used < info->messages_per_send) {
		size += outgoing_estimate(
		    messages[indices[used]].text.size, statement);
		if (used > 0 && size > info->body_bytes)
			break;
		used++;
	}
	return used > 0 ? used : 1;
}

enum status
outgoing_read_result(struct session *session, struct outgoing_result *result,
    struct client_error *error)
{
	struct message message = {0};
	enum status st;

	st = state_outgoing_read(session_state(session), result->id, &message);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK; /* it never got so far */
	if (st != STATUS_OK)
		return state_error(error, st);
	result->outcome = message.outcome;
	result->sent_at_ms = message.sent_at_ms;
	message_clear(&message);
	return STATUS_OK;
}

static enum status
read_results(struct session *session, const struct batch *batch,
    struct outgoing_result *results, struct client_error *error)
{
	enum status st = STATUS_OK;

	for (size_t i = 0; i < batch->count && st == STATUS_OK; i++)
		st = outgoing_read_result(
		    session, &results[batch->indices[i]], error);
	return st;
}

/* The server does not take messages for this key: asks why. */
static enum status
explain_recipient(struct session *session, const struct contact *contact,
    enum message_outcome outcome, struct client_error *error)
{
	struct bytes name = bytes_from_string(contact->canonical);
	char shown[CLIENT_DISPLAY_SIZE];
	struct contact current = {0};
	bool is_found = false;
	enum status st;

	client_display(bytes_from_string(contact->name), shown, sizeof(shown));
	if ((st = contacts_refresh(session, &name, 1, &is_found, error)) !=
	    STATUS_OK)
		return st;
	if (!is_found || outcome == MESSAGE_OUTCOME_UNKNOWN_RECIPIENT)
		return client_error_set(error, STATUS_NOT_FOUND,
		    EXIT_CODE_REFUSED,
		    "%s has no account at this server any more. The message "
		    "was not sent.",
		    shown);
	if ((st = contacts_find(session, name, &current, error)) != STATUS_OK)
		return st;
	st = contacts_check_unchanged(&current, error);
	contact_clear(&current);
	if (st != STATUS_OK)
		return st;
	return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
	    "The server does not take messages for %s at the moment. The "
	    "message was not sent. Try again later.",
	    shown);
}

static enum status
judge_results(struct session *session, const struct batch *batch,
    const struct outgoing_result *results, struct client_error *error)
{
	for (size_t i = 0; i < batch->count; i++) {
		switch (results[batch->indices[i]].outcome) {
		case MESSAGE_OUTCOME_STORED:
			break;
		case MESSAGE_OUTCOME_UNKNOWN_RECIPIENT:
		case MESSAGE_OUTCOME_STALE_RECIPIENT:
			return explain_recipient(session, batch->contact,
			    results[batch->indices[i]].outcome, error);
		case MESSAGE_OUTCOME_PENDING:
		case MESSAGE_OUTCOME_REFUSED:
		case MESSAGE_OUTCOME_NOT_SENT:
			return client_error_set(error, STATUS_DENIED,
			    EXIT_CODE_REFUSED,
			    "The server refused the message.");
		}
	}
	return STATUS_OK;
}

static enum status
send_batch(struct session *session, struct batch *batch,
    struct outgoing_result *results, struct client_error *error)
{
	const struct session_request request = {
	    .method = &messenger_send_sealed,
	    .prepare = prepare,
	    .arg = batch,
	};
	struct session_result result = {0};
	enum status st, read;

	st = session_request(session, &request, &result, error);
	session_result_clear(&result);
	read = read_results(
	    session, batch, results, st == STATUS_OK ? error : NULL);
	if (st != STATUS_OK)
		return st;
	if (read != STATUS_OK)
		return read;
	return judge_results(session, batch, results, error);
}

enum status
outgoing_pick(struct session *session, const char *canonical, uint64_t group_id,
    const struct outgoing_message *messages, size_t count,
    struct outgoing_result *results, size_t *indices, size_t *picked,
    struct client_error *error)
{
	bool is_known;
	enum status st;

	*picked = 0;
	for (size_t i = 0; i < count; i++) {
		is_known = false;
		if (messages[i].has_id) {
			if ((st = check_known(session, canonical, group_id,
				 &messages[i], &results[i], &is_known,
				 error)) != STATUS_OK)
				return st;
		} else {
			random_bytes(results[i].id, sizeof(results[i].id));
		}
		if (!is_known)
			indices[(*picked)++] = i;
	}
	return STATUS_OK;
}

static enum status
send_all(struct session *session, const struct contact *contact,
    const struct outgoing_message *messages, size_t count,
    struct outgoing_result *results, size_t *indices,
    void (*progress)(void *arg, size_t done), void *progress_arg,
    struct client_error *error)
{
	struct batch batch = {
	    .contact = contact,
	    .messages = messages,
	    .results = results,
	};
	size_t picked, done = 0;
	enum status st;

	if ((st = contacts_check_unchanged(contact, error)) != STATUS_OK ||
	    (st = session_connect(session, error)) != STATUS_OK ||
	    (st = session_resolve(session, error)) != STATUS_OK ||
	    (st = outgoing_pick(session, contact->canonical, 0, messages, count,
		 results, indices, &picked, error)) != STATUS_OK)
		return st;
	while (done < picked) {
		batch.indices = indices + done;
		batch.count =
		    fill_batch(session, messages, batch.indices, picked - done);
		if ((st = send_batch(session, &batch, results, error)) !=
		    STATUS_OK)
			return st;
		done += batch.count;
		if (progress != NULL)
			progress(progress_arg, count - picked + done);
	}
	return STATUS_OK;
}

enum status
outgoing_begin(const struct outgoing_message *messages, size_t count,
    struct outgoing_result *results, struct client_error *error)
{
	enum status st = STATUS_OK;

	for (size_t i = 0; i < count; i++) {
		results[i] = (struct outgoing_result){
		    .outcome = MESSAGE_OUTCOME_NOT_SENT,
		};
		if (messages[i].has_id)
			memcpy(results[i].id, messages[i].id,
			    sizeof(results[i].id));
	}
	for (size_t i = 0; i < count && st == STATUS_OK; i++)
		st = letters_check_text(messages[i].text, i, count, error);
	return st;
}

void
outgoing_end(const struct outgoing_message *messages, size_t count,
    struct outgoing_result *results)
{
	for (size_t i = 0; i < count; i++)
		if (results[i].outcome == MESSAGE_OUTCOME_NOT_SENT &&
		    !messages[i].has_id)
			memset(results[i].id, 0, sizeof(results[i].id));
}

enum status
outgoing_send(struct session *session, struct bytes recipient,
    const struct outgoing_message *messages, size_t count,
    struct outgoing_result *results, void (*progress)(void *arg, size_t done),
    void *progress_arg, struct client_error *error)
{
	struct contact contact = {0};
	size_t *indices = NULL;
	enum status st;

	st = outgoing_begin(messages, count, results, error);
	if (st != STATUS_OK || count == 0)
		return st;
	indices = calloc(count, sizeof(*indices));
	if (indices == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "send the messages");
	if ((st = contacts_resolve(session, recipient, &contact, error)) !=
	    STATUS_OK)
		goto out;
	st = send_all(session, &contact, messages, count, results, indices,
	    progress, progress_arg, error);
out:
	outgoing_end(messages, count, results);
	contact_clear(&contact);
	free(indices);
	return st;
}
