#include "client/incoming.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/file.h"
#include "base/uuid.h"
#include "client/contacts.h"
#include "client/group_admin.h"
#include "client/group_inbox.h"
#include "client/group_sending.h"
#include "client/group_work.h"
#include "client/incoming_told.h"
#include "client/session_request.h"
#include "client/state_acks.h"
#include "client/state_contacts.h"
#include "client/state_messages.h"
#include "e2ee/direct.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* How long one poll waits: below what proxies and NATs cut off. */
#define POLL_WAIT_MS 50000

/* While another process polls: how often to see what it has stored. */
#define WATCH_MS 200

/*
 * A newer poll of the account ends a parked one, which then returns empty
 * before its time; so no two processes may end each other's in a loop.
 */
#define EARLY_MS 1000
#define EARLY_PAUSE_MS 500

/*
 * Polls that bring nothing new although the server says that there is more
 * (repetitions, what cannot be read) come in a row at full speed only so
 * often; and not for ever where nothing is waited for.
 */
#define FRUITLESS_MAX 8

/* Names looked up at once. */
#define NAMES_MAX WIRE_NAMES_PER_LOOKUP

/* What a run of incoming_receive() knows. */
struct receiving {
	struct session *session;
	const char *conversation; /* NULL: all of them */
	size_t limit;
	uint64_t start_ms;
	uint64_t wait_ms;
	uint64_t reached_ms; /* when the server last answered */
	int poll_lock;       /* -1: another process has it */
	bool has_looked;     /* for what dead processes had taken */
	bool has_polled;
	bool has_more;        /* the server has more */
	unsigned failures;    /* in a row */
	unsigned fruitless;   /* polls in a row that stored no message */
	uint64_t fruitful_ms; /* when the last one did */
};

/* ---- The reply of a poll ---- */

/* Moves the sender's chain to the message. */
static enum status
follow_chain(struct session *session, const struct e2ee_direct *direct,
    struct state_incoming *row)
{
	const struct e2ee_chain_link link = {
	    .counter = direct->counter,
	    .previous_hash =
		direct->has_previous_hash ? &direct->previous_hash : NULL,
	};
	struct state *state = session_state(session);
	struct e2ee_chain chain;
	enum status st;

	st = state_receive_chain_read(
	    state, &direct->sender.signing_key, &chain);
	if (st != STATUS_OK)
		return st;
	row->order = message_order_of(e2ee_chain_receive(
	    &chain, &link, &direct->content_hash, &row->missing_before));
	return state_receive_chain_write(
	    state, &direct->sender.signing_key, &chain);
}

/* A text that was opened: into the history, unless it is there. */
static enum status
store_text(struct session *session, const struct e2ee_direct *direct,
    uint64_t stored_at_ms)
{
	struct state *state = session_state(session);
	struct state_incoming row = {
	    .id = direct->id.bytes,
	    .peer = direct->sender.name,
	    .peer_canonical = direct->sender.canonical_name,
	    .peer_key = &direct->sender.signing_key,
	    .text = bytes_make(direct->text, direct->text_size),
	    .sent_at_ms = direct->sent_at_ms,
	    .stored_at_ms = stored_at_ms,
	};
	enum message_author author;
	bool is_known;
	enum status st;

	if ((st = state_incoming_is_known(state, row.peer_key, row.id, row.kind,
		 &is_known)) != STATUS_OK ||
	    is_known)
		return st;
	if ((st = contacts_judge_author(session, &direct->sender, &author)) !=
	    STATUS_OK)
		return st;
	row.is_author_pinned = author == MESSAGE_AUTHOR_PINNED;
	if ((st = follow_chain(session, direct, &row)) != STATUS_OK ||
	    (st = state_incoming_add(state, &row)) != STATUS_OK)
		return st;
	session_tally(session)->received++;
	return STATUS_OK;
}

/* What was opened, by its kind. */
static enum status
store_direct(struct session *session, const Peyk__V1__InboxMessage *message,
    const uint8_t id[STATE_INBOX_ID_SIZE], const struct e2ee_direct *direct,
    uint64_t stored_at_ms)
{
	struct bytes ciphertext = wire_bytes(message->ciphertext);
	const char *reason = "newer";

	switch (direct->kind) {
	case E2EE_DIRECT_KIND_TEXT:
		return store_text(session, direct, stored_at_ms);
	case E2EE_DIRECT_KIND_GROUP_FAREWELL:
		return group_inbox_add_farewell(session,
		    direct->group_farewell.group_id, ciphertext, id,
		    stored_at_ms);
	case E2EE_DIRECT_KIND_GROUP_KEY:
		/* It comes with its roster, or not at all. */
		reason = GROUP_REASON_UPDATE;
		break;
	case E2EE_DIRECT_KIND_UNKNOWN:
		break;
	}
	return state_set_aside(
	    session_state(session), id, ciphertext, stored_at_ms, reason);
}

static enum status
store_message(struct session *session, const Peyk__V1__InboxMessage *message)
{
	const struct vault *vault = account_vault(session_account(session));
	struct state *state = session_state(session);
	uint64_t stored_at_ms = message->stored_at_ms <= WIRE_TIME_MAX_MS
				    ? message->stored_at_ms
				    : 0;
	struct e2ee_direct direct = {0};
	uint8_t id[STATE_INBOX_ID_SIZE];
	enum status st;

	if (uuid_parse(bytes_from_string(message->id), id) != STATUS_OK)
		return STATUS_OK; /* the server's mistake: nothing to do */
	if (message->group_id != 0) {
		st = group_inbox_add(session, message, id, stored_at_ms);
		return st == STATUS_OK ? state_ack_add(state, id) : st;
	}
	st = e2ee_direct_open(wire_bytes(message->ciphertext),
	    vault_encryption(vault), &vault_signing(vault)->public_key,
	    vault_server_key(vault), &direct);
	if (st == STATUS_NOMEM || st == STATUS_INTERNAL)
		goto out;
	if (st != STATUS_OK)
		st = state_set_aside(state, id, wire_bytes(message->ciphertext),
		    stored_at_ms, status_name(st));
	else
		st = store_direct(session, message, id, &direct, stored_at_ms);
	if (st == STATUS_OK)
		st = state_ack_add(state, id);
out:
	e2ee_direct_clear(&direct);
	return st;
}

enum status
incoming_apply(struct session *session, const struct session_reply *reply)
{
	struct state *state = session_state(session);
	Peyk__V1__PollResponse *response = NULL;
	bool is_next = false;
	enum status st;

	if (!reply->is_done)
		return state_ack_reopen(state, reply->sequence);
	st = wire_unpack(&peyk__v1__poll_response__descriptor, reply->body,
	    WIRE_BODY_MAX, &response);
	if (st == STATUS_NOMEM)
		return st;
	/* First what was acknowledged, then what is to be. */
	if ((st = state_ack_settle(state, reply->sequence)) == STATUS_OK)
		st = state_poll_take(state, reply->sequence, &is_next);
	/* A process may have slept over a reply while another one polled on. */
	for (size_t i = 0; response != NULL && i < response->n_messages &&
			   st == STATUS_OK && is_next;
	     i++)
		st = store_message(session, response->messages[i]);
	wire_free(response);
	return st;
}

/* ---- Asking ---- */

struct poll {
	size_t limit;
	uint64_t wait_ms;
};

static enum status
prepare(struct session *session, void *arg, uint64_t sequence, struct buf *body,
    struct client_error *error)
{
	const struct poll *poll = arg;
	Peyk__V1__PollRequest request = PEYK__V1__POLL_REQUEST__INIT;
	char texts[WIRE_MESSAGES_PER_POLL][UUID_TEXT_SIZE];
	char *fields[WIRE_MESSAGES_PER_POLL];
	struct buf ids;
	enum status st;

	buf_init(
	    &ids, sizeof(fields) / sizeof(fields[0]) * STATE_INBOX_ID_SIZE);
	st = state_ack_assign(
	    session_state(session), sequence, poll->limit, &ids);
	if (st != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	for (size_t at = 0; at < ids.size; at += STATE_INBOX_ID_SIZE) {
		char *text = texts[request.n_acks];

		uuid_format(ids.data + at, text);
		fields[request.n_acks++] = text;
	}
	request.acks = fields;
	request.max_messages = INCOMING_BATCH_MAX;
	request.wait_ms = (uint32_t)poll->wait_ms;
	if ((st = wire_pack(&request.base, body)) != STATUS_OK)
		st = client_error_set_plain(error, st, "write the request");
out:
	buf_clear(&ids);
	return st;
}

/* One poll. *is_lost: its reply is. *has_more: the server has more. */
static enum status
poll_once(struct session *session, uint64_t wait_ms, bool *is_lost,
    bool *has_more, struct client_error *error)
{
	const struct session_server *server;
	struct poll poll = {.limit = WIRE_MESSAGES_PER_POLL};
	const struct session_request request = {
	    .method = &messenger_poll_sealed,
	    .prepare = prepare,
	    .arg = &poll,
	};
	Peyk__V1__PollResponse *response = NULL;
	struct session_result result = {0};
	enum status st;

	if ((st = session_connect(session, error)) != STATUS_OK)
		return st;
	server = session_server(session);
	if (server->info.messages_per_poll < poll.limit)
		poll.limit = server->info.messages_per_poll;
	poll.wait_ms = wait_ms < server->info.poll_wait_ms
			   ? wait_ms
			   : server->info.poll_wait_ms;
	st = poll.wait_ms > 0
		 ? session_poll(session, &request, poll.wait_ms, &result, error)
		 : session_request(session, &request, &result, error);
	if (st == STATUS_OK) {
		*is_lost = result.is_lost;
		/* What does not parse was dealt with by the effects. */
		if (wire_unpack(&peyk__v1__poll_response__descriptor,
			buf_bytes(&result.reply), WIRE_BODY_MAX,
			&response) == STATUS_OK)
			*has_more = result.is_elsewhere || response->more;
		wire_free(response);
	}
	session_result_clear(&result);
	return st;
}

/* ---- Who wrote it ---- */

/* Judges messages of these names by what is pinned to them now. */
static enum status
judge_authors(struct session *session, const struct state_names *names)
{
	const struct vault *vault = account_vault(session_account(session));
	struct state *state = session_state(session);
	struct contact contact = {0};
	enum status st;

	if ((st = state_begin(state)) != STATUS_OK)
		return st;
	for (size_t i = 0; i < names->count && st == STATUS_OK; i++) {
		st = state_contact_read(
		    state, names->items[i], vault_server_key(vault), &contact);
		if (st != STATUS_OK && st != STATUS_NOT_FOUND)
			break;
		st = state_incoming_judge(state, names->items[i],
		    st == STATUS_OK ? &contact.signing_key : NULL);
		contact_clear(&contact);
	}
	if (st == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	return st;
}

/* Looks unknown authors up. A server that is away leaves them unverified. */
static enum status
check_authors(struct session *session, struct client_error *error)
{
	struct bytes names_bytes[NAMES_MAX];
	struct state_names names = {0};
	struct client_error told;
	enum status st;

	st =
	    state_incoming_unchecked(session_state(session), NAMES_MAX, &names);
	if (st != STATUS_OK)
		return state_error(error, st);
	if (names.count == 0)
		goto out;
	for (size_t i = 0; i < names.count; i++)
		names_bytes[i] = bytes_from_string(names.items[i]);
	st = contacts_refresh(session, names_bytes, names.count, NULL, &told);
	if (st == STATUS_UNAVAILABLE || st == STATUS_TIMEOUT) {
		st = STATUS_OK;
		goto out;
	}
	/* An answer that proves nothing leaves nobody verified either. */
	if (st != STATUS_OK && st != STATUS_FORGED && st != STATUS_INVALID) {
		if (error != NULL)
			*error = told;
		goto out;
	}
	if ((st = judge_authors(session, &names)) != STATUS_OK)
		st = state_error(error, st);
out:
	state_names_clear(&names);
	return st;
}

/* ---- Receiving ---- */

static enum status
take(struct receiving *receiving, struct message_list *out,
    struct client_error *error)
{
	struct state *state = session_state(receiving->session);
	struct message_list list = {0};
	uint64_t waiting = 0;
	enum status st;

	/* A look without the write lock first: this runs in a loop. */
	st = state_incoming_count_waiting(state, NULL, &waiting);
	if (st == STATUS_OK && waiting == 0 && receiving->has_looked)
		return STATUS_OK;
	receiving->has_looked = true;
	if (st == STATUS_OK)
		st = state_begin(state);
	if (st == STATUS_OK)
		st = state_incoming_take(
		    state, receiving->conversation, receiving->limit, &list);
	if (st == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	if (st != STATUS_OK) {
		message_list_clear(&list);
		return state_error(error, st);
	}
	if (list.count > 0)
		crash_point("poll.taken");
	*out = list;
	return STATUS_OK;
}

static uint64_t
left_ms(const struct receiving *receiving)
{
	uint64_t passed_ms = clock_monotonic_ms() - receiving->start_ms;

	return receiving->wait_ms > passed_ms ? receiving->wait_ms - passed_ms
					      : 0;
}

/* Becomes the process that polls, if there is none. */
static enum status
try_poll_lock(struct receiving *receiving, struct client_error *error)
{
	char path[HOME_PATH_MAX];
	enum status st;

	if (receiving->poll_lock >= 0)
		return STATUS_OK;
	st = home_join(account_folder(session_account(receiving->session)),
	    HOME_POLL_LOCK_FILE, path);
	if (st == STATUS_OK)
		st = file_lock(path, 0, &receiving->poll_lock);
	return st == STATUS_OK || st == STATUS_BUSY
		   ? STATUS_OK
		   : client_error_set_plain(error, st, "lock the account");
}

/* The server is away while we wait: an error only after a while. */
static enum status
bear(struct receiving *receiving, enum status st, struct client_error *error)
{
	uint64_t pause_ms;

	if (st != STATUS_OK &&
	    ((st != STATUS_UNAVAILABLE && st != STATUS_TIMEOUT) ||
		!receiving->has_polled ||
		clock_monotonic_ms() - receiving->reached_ms >=
		    session_timeout_ms(receiving->session)))
		return st;
	/* Lost replies, again and again, must not become a loop either. */
	pause_ms = (uint64_t)EARLY_PAUSE_MS
		   << (receiving->failures < 4 ? receiving->failures : 4);
	receiving->failures++;
	return session_pause(receiving->session, pause_ms, error);
}

/* One poll, as long as there is time; pauses after one that ended early. */
static enum status
poll_and_wait(struct receiving *receiving, struct client_error *error)
{
	struct session *session = receiving->session;
	uint64_t before_ms = clock_monotonic_ms();
	uint64_t wait_ms = left_ms(receiving), took_ms;
	unsigned long received = session_tally(session)->received;
	bool is_lost = false;
	enum status st;

	if (wait_ms > POLL_WAIT_MS)
		wait_ms = POLL_WAIT_MS;
	/* The first poll fetches at once what is there, and waits else. */
	receiving->has_more = false;
	st = poll_once(session, wait_ms, &is_lost, &receiving->has_more, error);
	if (st != STATUS_OK || is_lost)
		return bear(receiving, st, error);
	if ((st = group_inbox_process(session, !receiving->has_more, error)) !=
	    STATUS_OK)
		return st;
	receiving->failures = 0;
	receiving->has_polled = true;
	receiving->reached_ms = clock_monotonic_ms();
	if (session_tally(session)->received != received) {
		receiving->fruitless = 0;
		receiving->fruitful_ms = receiving->reached_ms;
		return STATUS_OK;
	}
	receiving->fruitless++;
	took_ms = receiving->reached_ms - before_ms;
	if (took_ms < EARLY_MS &&
	    (receiving->fruitless > FRUITLESS_MAX ||
		(wait_ms > EARLY_MS && !receiving->has_more)))
		return session_pause(session, EARLY_PAUSE_MS, error);
	return STATUS_OK;
}

/* Something of what the server has is not stored, or not acknowledged. */
static enum status
is_unfinished(
    const struct receiving *receiving, bool *out, struct client_error *error)
{
	uint64_t acks = 0;
	enum status st;

	st = state_ack_count(session_state(receiving->session), &acks);
	if (st != STATUS_OK)
		return state_error(error, st);
	*out = !receiving->has_polled || receiving->has_more || acks > 0;
	return STATUS_OK;
}

/* One step: polls, or watches what another process stores. */
static enum status
step(struct receiving *receiving, bool *is_over, struct client_error *error)
{
	bool is_open;
	enum status st;

	if ((st = group_maintain(receiving->session, error)) != STATUS_OK ||
	    (st = group_sending_resume(receiving->session, error)) != STATUS_OK)
		return bear(receiving, st, error);
	if ((st = is_unfinished(receiving, &is_open, error)) != STATUS_OK)
		return st;
	if (receiving->fruitless > FRUITLESS_MAX &&
	    clock_monotonic_ms() - receiving->fruitful_ms >=
		session_timeout_ms(receiving->session))
		is_open = false;
	if (!is_open && left_ms(receiving) == 0) {
		*is_over = true;
		return STATUS_OK;
	}
	if (left_ms(receiving) > 0) {
		if ((st = try_poll_lock(receiving, error)) != STATUS_OK)
			return st;
		if (receiving->poll_lock < 0)
			return session_pause(
			    receiving->session, WATCH_MS, error);
	}
	if ((st = poll_and_wait(receiving, error)) != STATUS_OK ||
	    (st = check_authors(receiving->session, error)) != STATUS_OK ||
	    (st = incoming_tell_set_aside(receiving->session, error)) !=
		STATUS_OK)
		return st;
	return incoming_tell_others(
	    receiving->session, receiving->conversation, error);
}

static enum status
receive(struct receiving *receiving, struct message_list *out,
    struct client_error *error)
{
	bool is_over = false;
	enum status st;

	/* What an earlier run stored and had no time for. */
	if ((st = group_inbox_process(receiving->session, false, error)) !=
		STATUS_OK ||
	    (st = check_authors(receiving->session, error)) != STATUS_OK ||
	    (st = incoming_tell_set_aside(receiving->session, error)) !=
		STATUS_OK)
		return st;
	while ((st = take(receiving, out, error)) == STATUS_OK &&
	       out->count == 0 && !is_over)
		if ((st = step(receiving, &is_over, error)) != STATUS_OK)
			break;
	return st;
}

enum status
incoming_receive(struct session *session, const struct incoming_query *query,
    struct message_list *out, struct client_error *error)
{
	struct receiving receiving = {
	    .session = session,
	    .start_ms = clock_monotonic_ms(),
	    .wait_ms = query->wait_ms,
	    .poll_lock = -1,
	    .limit = query->limit,
	};
	struct message_list list = {0};
	struct buf conversation;
	enum status st;

	receiving.fruitful_ms = receiving.start_ms;
	buf_init(&conversation, HISTORY_CONVERSATION_SIZE_MAX);
	if (receiving.limit == 0 || receiving.limit > INCOMING_BATCH_MAX)
		receiving.limit = INCOMING_BATCH_MAX;
	if (query->peer.size > 0) {
		if ((st = history_conversation(session, query->peer,
			 &conversation, error)) != STATUS_OK)
			goto out;
		if ((st = buf_string(&conversation, &receiving.conversation)) !=
		    STATUS_OK) {
			st = client_error_set_plain(
			    error, st, "read the username");
			goto out;
		}
	}
	if ((st = receive(&receiving, &list, error)) == STATUS_OK)
		*out = list;
out:
	file_unlock(receiving.poll_lock);
	buf_clear(&conversation);
	return st;
}

enum status
incoming_fetch(
    struct session *session, uint64_t end_ms, struct client_error *error)
{
	bool is_lost = false, has_more = true;
	enum status st;

	/* The key may be ours to make. */
	st = group_maintain(session, error);
	while (st == STATUS_OK && has_more && clock_monotonic_ms() < end_ms) {
		has_more = false;
		if ((st = poll_once(session, 0, &is_lost, &has_more, error)) ==
		    STATUS_OK)
			st = group_inbox_process(session, !has_more, error);
	}
	return st == STATUS_OK ? check_authors(session, error) : st;
}

static enum status
set_shown(struct session *session, const struct message_list *messages,
    bool is_shown, struct client_error *error)
{
	struct state *state = session_state(session);
	enum status st;

	if (messages->count == 0)
		return STATUS_OK;
	if ((st = state_begin(state)) != STATUS_OK)
		return state_error(error, st);
	for (size_t i = 0; i < messages->count && st == STATUS_OK; i++)
		st = state_incoming_set_shown(
		    state, messages->items[i].number, is_shown);
	if (st == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

enum status
incoming_shown(struct session *session, const struct message_list *messages,
    struct client_error *error)
{
	return set_shown(session, messages, true, error);
}

enum status
incoming_unshown(struct session *session, const struct message_list *messages,
    struct client_error *error)
{
	return set_shown(session, messages, false, error);
}
