#include "client/group_sending.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/group_epoch.h"
#include "client/group_event_line.h"
#include "client/group_letters.h"
#include "client/incoming.h"
#include "client/outgoing_core.h"
#include "client/session_request.h"
#include "client/state_group_outgoing.h"
#include "client/state_groups.h"
#include "client/state_messages.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/*
 * How often one call receives for the next epoch and tries again: an admin who
 * makes keys all the time must not hold it for ever.
 */
#define ROUNDS_MAX 8

/* The messages of one call, or of a group that is resumed. */
struct sending {
	uint64_t group_id;
	/* The caller's own; none when resuming. */
	const struct outgoing_message *messages;
	struct outgoing_result *results;
	size_t count;
	const size_t *indices; /* of those that are to be added */
	size_t picked;
	size_t added; /* of them, so far */
	/* What the request under way does. */
	uint32_t epoch;
	size_t adding;   /* how many of them it adds */
	size_t carried;  /* how many messages it carries */
	size_t earlier;  /* the first of which are none of the caller's */
	bool is_unready; /* there is no key to encrypt with now */
	bool is_empty;   /* nothing was left to send */
	bool is_gone;    /* the server says that we are not in the group */
	/* None of the caller's: what became of them. */
	unsigned long earlier_sent;
	unsigned long earlier_refused;
};

/* ---- Who may send ---- */

static enum status
check_status(
    enum group_status status, const char *name, struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];
	const char *before = "The group ", *behind = " was deleted";

	switch (status) {
	case GROUP_STATUS_CREATING:
	case GROUP_STATUS_ACTIVE:
		return STATUS_OK;
	case GROUP_STATUS_LEFT:
		before = "You have left the group ";
		behind = "";
		break;
	case GROUP_STATUS_REMOVED:
		before = "You are not a member of the group ";
		behind = " any more";
		break;
	case GROUP_STATUS_DELETED:
		break;
	}
	group_event_line_name(bytes_from_string(name), shown);
	return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
	    "%s%s%s. Nothing can be sent to it.", before, shown, behind);
}

enum status
group_sending_find(struct session *session, struct bytes name,
    struct group *out, struct client_error *error)
{
	uint64_t end_ms = clock_monotonic_ms() + session_timeout_ms(session);
	enum status st;

	st = groups_find(session, name, out, error);
	if (st != STATUS_NOT_FOUND)
		return st;
	if ((st = incoming_fetch(session, end_ms, error)) != STATUS_OK)
		return st;
	return groups_find(session, name, out, error);
}

enum status
group_sending_check(const struct group *group, struct client_error *error)
{
	return check_status(group->status, group->name, error);
}

/* STATUS_DENIED as above, of the group as it stands now. */
static enum status
check_group(
    struct session *session, uint64_t group_id, struct client_error *error)
{
	struct state_group group = {0};
	enum status st;

	st = state_group_read(session_state(session), group_id, &group);
	st = st == STATUS_OK ? check_status(group.status, group.name, error)
			     : state_error(error, st);
	state_group_clear(&group);
	return st;
}

/* ---- Building a request, in the transaction that numbers it ---- */

/* Adds the caller's next messages, up to limit, as waiting. */
static enum status
add_messages(struct session *session, struct sending *sending, size_t limit,
    struct client_error *error)
{
	size_t end = sending->picked - sending->added < limit
			 ? sending->picked
			 : sending->added + limit;
	enum status st;

	for (size_t i = sending->added; i < end; i++) {
		size_t index = sending->indices[i];
		const struct state_group_outgoing row = {
		    .id = sending->results[index].id,
		    .group_id = sending->group_id,
		    .text = sending->messages[index].text,
		    .sent_at_ms = clock_wall_ms(),
		};

		st = state_group_outgoing_add(session_state(session), &row);
		if (st == STATUS_EXISTS)
			return client_error_set(error, st, EXIT_CODE_USAGE,
			    "One of the messages has an id that another "
			    "message has already. Every message needs an id "
			    "of its own.");
		if (st != STATUS_OK)
			return state_error(error, st);
	}
	sending->adding = end - sending->added;
	return STATUS_OK;
}

/* How many of the first of these fit into one request; at least one. */
static size_t
count_fitting(
    const struct session_server *server, const struct message_list *waiting)
{
	size_t used = 0, size = 0;

	while (used < waiting->count) {
		size += outgoing_estimate(waiting->items[used].text_size, 0);
		if (used > 0 && size > server->info.body_bytes)
			break;
		used++;
	}
	return used;
}

static bool
is_own(const struct sending *sending, const uint8_t id[MESSAGE_ID_SIZE])
{
	for (size_t i = 0; i < sending->count; i++)
		if (memcmp(sending->results[i].id, id, MESSAGE_ID_SIZE) == 0)
			return true;
	return false;
}

/* How many of those that are carried come before the caller's. */
static size_t
count_earlier(const struct sending *sending, const struct message_list *waiting)
{
	size_t count = 0;

	while (count < sending->carried &&
	       !is_own(sending, waiting->items[count].id))
		count++;
	return count;
}

/* Whether there is a key, and the server has not said that it is too old. */
static bool
is_ready(const struct state_group *group)
{
	return group->status == GROUP_STATUS_ACTIVE && group->has_key &&
	       group->epoch > group->refused_epoch;
}

/* Most messages of one request. */
static size_t
at_once(const struct session *session)
{
	size_t most = session_server(session)->info.messages_per_send;

	return most < WIRE_GROUP_MESSAGES_PER_SEND
		   ? most
		   : WIRE_GROUP_MESSAGES_PER_SEND;
}

/* is_unready and is_empty tell what is no failure. */
static enum status
prepare(struct session *session, void *arg, uint64_t sequence, struct buf *body,
    struct client_error *error)
{
	struct sending *sending = arg;
	struct state *state = session_state(session);
	size_t limit = at_once(session);
	struct message_list waiting = {0};
	struct state_group group = {0};
	enum status st;

	if ((st = state_group_read(state, sending->group_id, &group)) !=
	    STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	if ((st = check_status(group.status, group.name, error)) != STATUS_OK)
		goto out;
	sending->is_unready = !is_ready(&group);
	if (sending->is_unready) {
		st = client_error_set_plain(
		    error, STATUS_BUSY, "encrypt the messages");
		goto out;
	}
	if ((st = add_messages(session, sending, limit, error)) != STATUS_OK)
		goto out;
	if ((st = state_group_outgoing_waiting(
		 state, group.id, limit, &waiting)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	sending->is_empty = waiting.count == 0;
	if (sending->is_empty) {
		st = client_error_set_plain(
		    error, STATUS_NOT_FOUND, "find a message to send");
		goto out;
	}
	sending->epoch = group.epoch;
	sending->carried = count_fitting(session_server(session), &waiting);
	sending->earlier = count_earlier(sending, &waiting);
	st = group_letters_prepare(session, &group, waiting.items,
	    sending->carried, sequence, body, error);
out:
	message_list_clear(&waiting);
	state_group_clear(&group);
	return st;
}

/* ---- The reply ---- */

/* The epoch has ended: it waits for the next one, if that is still ours. */
static enum status
wait_again(struct session *session, struct state_group *group,
    const struct state_group_sealed *sealed)
{
	struct state *state = session_state(session);
	enum status st;

	if (check_status(group->status, group->name, NULL) != STATUS_OK) {
		session_tally(session)->refused++;
		return state_outgoing_settle(
		    state, sealed->number, MESSAGE_OUTCOME_REFUSED, 0);
	}
	if (group->refused_epoch < sealed->epoch) {
		group->refused_epoch = sealed->epoch;
		if ((st = state_group_set_refused_epoch(
			 state, group->id, sealed->epoch)) != STATUS_OK)
			return st;
	}
	return state_group_outgoing_release(state, sealed->number);
}

/* result NULL: the whole request was refused. */
static enum status
settle(struct session *session, struct state_group *group,
    const struct state_group_pending *pending,
    const Peyk__V1__SendResult *result)
{
	struct session_tally *tally = session_tally(session);
	struct state *state = session_state(session);
	int64_t number = pending->sealed.number;
	uint64_t stored_at_ms = 0;
	enum status st;

	if (result != NULL && outgoing_is_stored(result, &stored_at_ms)) {
		tally->sent++;
		return state_outgoing_settle(
		    state, number, MESSAGE_OUTCOME_STORED, stored_at_ms);
	}
	if ((st = group_letters_undo(session, pending)) != STATUS_OK)
		return st;
	if (result != NULL &&
	    result->outcome == PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_STALE_EPOCH)
		return wait_again(session, group, &pending->sealed);
	tally->refused++;
	return state_outgoing_settle(state, number, MESSAGE_OUTCOME_REFUSED, 0);
}

enum status
group_sending_apply(struct session *session, uint64_t sequence,
    const Peyk__V1__SendResponse *response)
{
	struct state_group_pending *pending = NULL;
	struct state_group group = {0};
	size_t count = 0;
	enum status st;

	st = state_group_pending_list(
	    session_state(session), sequence, &pending, &count);
	for (size_t i = 0; i < count && st == STATUS_OK; i++) {
		if (group.id != pending[i].group_id) {
			state_group_clear(&group);
			st = state_group_read(session_state(session),
			    pending[i].group_id, &group);
		}
		if (st == STATUS_OK)
			st = settle(session, &group, &pending[i],
			    response != NULL && response->n_results == count
				? response->results[i]
				: NULL);
	}
	state_group_clear(&group);
	state_group_pending_free(pending, count);
	return st;
}

/* ---- Request after request ---- */

static enum status
has_waiting(struct session *session, uint64_t group_id, bool *out,
    struct client_error *error)
{
	struct message_list waiting = {0};
	enum status st;

	if ((st = state_group_outgoing_waiting(
		 session_state(session), group_id, 1, &waiting)) != STATUS_OK)
		return state_error(error, st);
	*out = waiting.count > 0;
	message_list_clear(&waiting);
	return STATUS_OK;
}

enum status
group_sending_is_waiting(struct session *session, const struct group *group,
    bool *out, struct client_error *error)
{
	return has_waiting(session, group->id, out, error);
}

/* Whether something is to be added, or waits. */
static enum status
has_more(struct session *session, const struct sending *sending, bool *out,
    struct client_error *error)
{
	*out = true;
	return sending->added < sending->picked
		   ? STATUS_OK
		   : has_waiting(session, sending->group_id, out, error);
}

/* What the reply says of us, and of messages that are none of the caller's. */
static void
note_reply(struct sending *sending, const struct session_result *result)
{
	Peyk__V1__SendResponse *response = NULL;
	uint64_t stored_at_ms;

	if (result->is_elsewhere ||
	    wire_unpack(&peyk__v1__send_response__descriptor,
		buf_bytes(&result->reply), WIRE_BODY_MAX,
		&response) != STATUS_OK)
		return;
	for (size_t i = 0; i < response->n_results; i++) {
		Peyk__V1__SendOutcome outcome = response->results[i]->outcome;

		if (outcome ==
		    PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_UNKNOWN_GROUP)
			sending->is_gone = true;
		if (i >= sending->earlier)
			continue;
		if (outgoing_is_stored(response->results[i], &stored_at_ms))
			sending->earlier_sent++;
		else if (outcome !=
			 PEYK__V1__SEND_OUTCOME__SEND_OUTCOME_STALE_EPOCH)
			sending->earlier_refused++;
	}
	wire_free(response);
}

/* One request. is_unready and is_empty: there was none to make. */
static enum status
send_request(struct session *session, struct sending *sending,
    struct client_error *error)
{
	const struct session_request request = {
	    .method = &messenger_send_sealed,
	    .prepare = prepare,
	    .arg = sending,
	};
	struct session_result result = {0};
	struct client_error told;
	enum status st;

	sending->is_unready = false;
	sending->is_empty = false;
	sending->is_gone = false;
	sending->adding = 0;
	sending->carried = 0;
	sending->earlier = 0;
	st = session_request(session, &request, &result, &told);
	if (result.is_stored) {
		sending->added += sending->adding;
		if (st == STATUS_OK)
			note_reply(sending, &result);
		else if (st == STATUS_DENIED || st == STATUS_EXISTS)
			sending->earlier_refused += sending->earlier;
	} else if (sending->is_unready || sending->is_empty) {
		st = STATUS_OK;
	}
	session_result_clear(&result);
	if (st != STATUS_OK && error != NULL)
		*error = told;
	return st;
}

/*
 * The server says that we are not in the group. The admin's farewell may be on
 * its way, and the update that takes us in again behind it; if nothing came,
 * the server's word has to do.
 */
static enum status
end_membership(struct session *session, const struct sending *sending,
    struct client_error *error)
{
	uint64_t end_ms = clock_monotonic_ms() + session_timeout_ms(session);
	struct group_end end = {
	    .group_id = sending->group_id,
	    .status = GROUP_STATUS_REMOVED,
	};
	struct state *state = session_state(session);
	struct state_group group = {0};
	enum status st;

	if ((st = incoming_fetch(session, end_ms, error)) != STATUS_OK)
		return st;
	if ((st = state_begin(state)) != STATUS_OK ||
	    (st = state_group_read(state, sending->group_id, &group)) !=
		STATUS_OK)
		goto out;
	end.gone_epoch = sending->epoch + 1;
	if (group.epoch == sending->epoch &&
	    (st = group_epoch_end(session, &end)) != STATUS_OK)
		goto out;
	st = state_commit(state);
out:
	state_rollback(state);
	state_group_clear(&group);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

/* Sends until nothing is left, or there is no key for it. */
static enum status
send_waiting(struct session *session, struct sending *sending,
    void (*progress)(void *arg, size_t done), void *progress_arg,
    struct client_error *error)
{
	bool is_more = true;
	enum status st;

	for (;;) {
		if ((st = has_more(session, sending, &is_more, error)) !=
			STATUS_OK ||
		    !is_more)
			return st;
		if ((st = send_request(session, sending, error)) != STATUS_OK ||
		    sending->is_unready || sending->is_empty)
			return st;
		if (sending->is_gone &&
		    ((st = end_membership(session, sending, error)) !=
			    STATUS_OK ||
			(st = check_group(session, sending->group_id, error)) !=
			    STATUS_OK))
			return st;
		if (progress != NULL)
			progress(progress_arg,
			    sending->count - sending->picked + sending->added);
	}
}

static void
tell_earlier(struct session *session, const struct sending *sending)
{
	session_tell_unfinished(
	    session, sending->earlier_sent, sending->earlier_refused);
}

/* ---- Sending ---- */

/* There is no key: what is not there yet is added, and waits. */
static enum status
store_waiting(struct session *session, struct sending *sending,
    struct client_error *error)
{
	struct state *state = session_state(session);
	enum status st;

	if (sending->added == sending->picked)
		return STATUS_OK;
	if ((st = state_begin(state)) != STATUS_OK)
		return state_error(error, st);
	if ((st = check_group(session, sending->group_id, error)) !=
		STATUS_OK ||
	    (st = add_messages(session, sending, SIZE_MAX, error)) != STATUS_OK)
		goto out;
	if ((st = state_commit(state)) != STATUS_OK)
		st = state_error(error, st);
	else
		sending->added += sending->adding;
out:
	state_rollback(state);
	return st;
}

/* Whether there is a key now. */
static enum status
is_ready_now(struct session *session, const struct sending *sending, bool *out,
    struct client_error *error)
{
	struct state_group group = {0};
	enum status st;

	st =
	    state_group_read(session_state(session), sending->group_id, &group);
	if (st == STATUS_OK)
		*out = is_ready(&group);
	else
		st = state_error(error, st);
	state_group_clear(&group);
	return st;
}

/* Receives for the next key, and tries again, until everything is sent. */
static enum status
send_all(struct session *session, struct sending *sending,
    void (*progress)(void *arg, size_t done), void *progress_arg,
    struct client_error *error)
{
	uint64_t end_ms = clock_monotonic_ms() + session_timeout_ms(session);
	bool has_key = true;
	enum status st;

	for (unsigned round = 0;; round++) {
		if ((st = send_waiting(session, sending, progress, progress_arg,
			 error)) != STATUS_OK ||
		    !sending->is_unready ||
		    (st = store_waiting(session, sending, error)) !=
			STATUS_OK ||
		    round == ROUNDS_MAX || clock_monotonic_ms() >= end_ms)
			return st;
		if ((st = incoming_fetch(session, end_ms, error)) !=
			STATUS_OK ||
		    (st = is_ready_now(session, sending, &has_key, error)) !=
			STATUS_OK ||
		    !has_key)
			return st;
	}
}

/* What became of all of them; STATUS_DENIED if one was refused. */
static enum status
read_results(struct session *session, struct sending *sending,
    struct client_error *error)
{
	bool is_refused = false;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < sending->count && st == STATUS_OK; i++) {
		st = outgoing_read_result(session, &sending->results[i], error);
		is_refused |=
		    sending->results[i].outcome == MESSAGE_OUTCOME_REFUSED;
	}
	if (st != STATUS_OK || !is_refused)
		return st;
	if ((st = check_group(session, sending->group_id, error)) != STATUS_OK)
		return st;
	return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
	    "The server refused the message.");
}

enum status
group_send(struct session *session, const struct group *group,
    const struct outgoing_message *messages, size_t count,
    struct outgoing_result *results, void (*progress)(void *arg, size_t done),
    void *progress_arg, struct client_error *error)
{
	struct sending sending = {
	    .group_id = group->id,
	    .messages = messages,
	    .results = results,
	    .count = count,
	};
	size_t *indices = NULL;
	enum status st, read;

	st = outgoing_begin(messages, count, results, error);
	if (st != STATUS_OK || count == 0)
		return st;
	indices = calloc(count, sizeof(*indices));
	if (indices == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "send the messages");
	if ((st = check_group(session, group->id, error)) != STATUS_OK ||
	    (st = session_connect(session, error)) != STATUS_OK ||
	    (st = session_resolve(session, error)) != STATUS_OK ||
	    (st = outgoing_pick(session, "", group->id, messages, count,
		 results, indices, &sending.picked, error)) != STATUS_OK)
		goto out;
	sending.indices = indices;
	st = send_all(session, &sending, progress, progress_arg, error);
	read = read_results(session, &sending, st == STATUS_OK ? error : NULL);
	if (st == STATUS_OK)
		st = read;
	tell_earlier(session, &sending);
out:
	outgoing_end(messages, count, results);
	free(indices);
	return st;
}

enum status
group_sending_resume(struct session *session, struct client_error *error)
{
	struct sending sending;
	uint64_t *groups = NULL;
	size_t count = 0;
	enum status st;

	st = state_groups_sending(session_state(session), &groups, &count);
	if (st != STATUS_OK)
		return state_error(error, st);
	for (size_t i = 0; i < count && st == STATUS_OK; i++) {
		sending = (struct sending){.group_id = groups[i]};
		st = send_waiting(session, &sending, NULL, NULL, error);
		tell_earlier(session, &sending);
		/* Refused messages are told; the next group may be luckier. */
		if (st == STATUS_DENIED || st == STATUS_EXISTS)
			st = STATUS_OK;
	}
	free(groups);
	return st;
}
