#include "client/group_inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "client/contacts.h"
#include "client/group_epoch.h"
#include "client/group_news.h"
#include "client/group_reading.h"
#include "client/group_work.h"
#include "client/session_request.h"
#include "client/state_acks.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* Items that one transaction works off, and keys that it may make for them. */
#define BATCH_MAX 256
#define BATCH_KEYS_MAX 8192

/*
 * Passes of one run. A few are enough for what an honest server brings; what a
 * liar has put into the wrong order is worked off by the runs that follow.
 */
#define PASSES_MAX 64

/* ---- Into the queue ---- */

/* Makes place for one more: the oldest has waited long enough. */
static enum status
make_room(struct state *state)
{
	struct state_group_item *oldest = NULL;
	struct state_group_item item = {0};
	uint64_t waiting = 0;
	size_t count = 0;
	enum status st;

	if ((st = state_group_items_count(state, &waiting)) != STATUS_OK ||
	    waiting < GROUP_INBOX_MAX)
		return st;
	if ((st = state_group_items_list(state, 0, 1, &oldest, &count)) !=
		STATUS_OK ||
	    count == 0)
		goto out;
	if ((st = state_group_item_read(state, oldest->number, &item)) !=
		STATUS_OK ||
	    (st = state_set_aside(state, item.inbox_id, item.ciphertext,
		 item.stored_at_ms,
		 item.kind == STATE_GROUP_ITEM_MESSAGE
		     ? GROUP_REASON_MESSAGE
		     : GROUP_REASON_UPDATE)) != STATUS_OK)
		goto out;
	st = state_group_item_remove(state, item.number);
out:
	free(oldest);
	state_group_item_clear(&item);
	return st;
}

static enum status
add(struct session *session, const struct state_group_item *item)
{
	struct state *state = session_state(session);
	bool is_known;
	enum status st;

	/* Its acknowledgement is on the way: it was here before. */
	if ((st = state_ack_has(state, item->inbox_id, &is_known)) !=
		STATUS_OK ||
	    is_known)
		return st;
	if ((st = make_room(state)) != STATUS_OK)
		return st;
	return state_group_item_add(state, item);
}

/* What the fields that are set make it (docs/protocol.md section 11). */
static bool
fill_kind(const Peyk__V1__InboxMessage *message, struct state_group_item *item)
{
	item->ciphertext = wire_bytes(message->ciphertext);
	item->roster = wire_bytes(message->roster);
	item->leave = wire_bytes(message->leave);
	if (item->roster.size > 0)
		item->kind = STATE_GROUP_ITEM_KEY;
	else if (item->leave.size > 0)
		item->kind = STATE_GROUP_ITEM_LEAVE;
	else
		item->kind = STATE_GROUP_ITEM_MESSAGE;
	return message->group_id <= WIRE_NUMBER_MAX &&
	       item->ciphertext.size <= WIRE_CIPHERTEXT_MAX &&
	       item->roster.size <= WIRE_SIGNED_ROSTER_MAX &&
	       item->leave.size <= WIRE_SIGNED_LEAVE_MAX &&
	       (item->roster.size == 0 || item->leave.size == 0) &&
	       (item->leave.size == 0 || item->ciphertext.size == 0);
}

enum status
group_inbox_add(struct session *session, const Peyk__V1__InboxMessage *message,
    const uint8_t inbox_id[16], uint64_t stored_at_ms)
{
	struct state_group_item item = {
	    .group_id = message->group_id,
	    .epoch = message->epoch,
	    .stored_at_ms = stored_at_ms,
	};

	memcpy(item.inbox_id, inbox_id, sizeof(item.inbox_id));
	if (!fill_kind(message, &item))
		return state_set_aside(session_state(session), inbox_id,
		    item.ciphertext, stored_at_ms, GROUP_REASON_MESSAGE);
	return add(session, &item);
}

enum status
group_inbox_add_farewell(struct session *session, uint64_t group_id,
    struct bytes ciphertext, const uint8_t inbox_id[16], uint64_t stored_at_ms)
{
	struct state_group_item item = {
	    .kind = STATE_GROUP_ITEM_FAREWELL,
	    .group_id = group_id,
	    .stored_at_ms = stored_at_ms,
	    .ciphertext = ciphertext,
	};

	memcpy(item.inbox_id, inbox_id, sizeof(item.inbox_id));
	if (group_id == 0 || group_id > WIRE_NUMBER_MAX)
		return state_set_aside(session_state(session), inbox_id,
		    ciphertext, stored_at_ms, GROUP_REASON_UPDATE);
	return add(session, &item);
}

/* ---- Out of the queue ---- */

static enum status
judge_item(struct group_work *work, const struct state_group_item *item,
    struct group_verdict *out)
{
	switch (item->kind) {
	case STATE_GROUP_ITEM_KEY:
		return group_news_update(work, item, out);
	case STATE_GROUP_ITEM_FAREWELL:
		return group_news_farewell(work, item, out);
	case STATE_GROUP_ITEM_LEAVE:
		return group_news_leave(work, item, out);
	case STATE_GROUP_ITEM_MESSAGE:
		return group_reading_read(work, item, out);
	}
	return STATUS_INTERNAL;
}

/* What can be said of an item without its contents: is_ready false. */
static enum status
look_at_item(struct group_work *work, const struct state_group_item *listed,
    bool *is_ready, struct group_verdict *out)
{
	if (listed->kind == STATE_GROUP_ITEM_MESSAGE)
		return group_reading_look(work, listed, is_ready, out);
	if (listed->kind == STATE_GROUP_ITEM_KEY)
		return group_news_look(work, listed, is_ready, out);
	*is_ready = true;
	return STATUS_OK;
}

/* One item; a message or an update that waits is not even read. */
static enum status
work_off(struct group_work *work, const struct state_group_item *listed)
{
	struct state_group_item item = {0};
	struct group_verdict verdict = GROUP_DONE;
	bool is_ready;
	enum status st;

	if ((st = look_at_item(work, listed, &is_ready, &verdict)) != STATUS_OK)
		return st;
	if (!is_ready && verdict.kind == GROUP_VERDICT_WAITS) {
		work->has_waiting = true;
		return STATUS_OK;
	}
	if ((st = state_group_item_read(work->state, listed->number, &item)) !=
		STATUS_OK ||
	    (is_ready && (st = judge_item(work, &item, &verdict)) != STATUS_OK))
		goto out;
	if (verdict.kind == GROUP_VERDICT_WAITS) {
		work->has_waiting = true;
		goto out;
	}
	/* Of updates the lowest goes first: others may have waited for it. */
	if (verdict.kind == GROUP_VERDICT_ASIDE &&
	    item.kind == STATE_GROUP_ITEM_KEY)
		work->has_entered = true;
	if (verdict.kind == GROUP_VERDICT_ASIDE &&
	    (st = state_set_aside(work->state, item.inbox_id, item.ciphertext,
		 item.stored_at_ms, verdict.reason)) != STATUS_OK)
		goto out;
	st = state_group_item_remove(work->state, item.number);
out:
	state_group_item_clear(&item);
	return st;
}

/* A batch in a transaction. *after: the last number; *is_last: no more. */
static enum status
run_batch(struct group_work *work, int64_t *after, bool *is_last)
{
	struct state_group_item *items = NULL;
	bool had_entered = work->has_entered;
	size_t count = 0;
	enum status st;

	if ((st = state_begin(work->state)) != STATUS_OK)
		return st;
	st = state_group_items_list(
	    work->state, *after, BATCH_MAX, &items, &count);
	work->keys_made = 0;
	*is_last = count < BATCH_MAX;
	for (size_t i = 0; i < count && st == STATUS_OK; i++) {
		st = work_off(work, &items[i]);
		*after = items[i].number;
		if (work->keys_made > BATCH_KEYS_MAX) {
			*is_last = false;
			break;
		}
	}
	if (st == STATUS_OK)
		st = state_commit(work->state);
	state_rollback(work->state);
	free(items);
	/* Others write, too. */
	group_work_forget(work);
	if (st == STATUS_OK && work->has_entered && !had_entered)
		crash_point("group.entered");
	return st;
}

/* What waited for a key that we do not get any more. */
static void
tell_refused(struct session *session, unsigned long count)
{
	char text[256];

	if (count == 0)
		return;
	(void)snprintf(text, sizeof(text),
	    count == 1 ? "%lu message that waited for a group's next key was "
			 "not sent: you are no member any more. The history "
			 "shows it."
		       : "%lu messages that waited for a group's next key were "
			 "not sent: you are no member any more. The history "
			 "shows them.",
	    count);
	session_notice(session, NOTICE_UNFINISHED_REFUSED, NULL, count, text);
}

/* Once through the queue. */
static enum status
run_pass(struct group_work *work)
{
	unsigned long refused = session_tally(work->session)->refused;
	int64_t after = 0;
	bool is_last = false;
	enum status st = STATUS_OK;

	work->has_entered = false;
	work->has_waiting = false;
	while (st == STATUS_OK && !is_last)
		st = run_batch(work, &after, &is_last);
	tell_refused(
	    work->session, session_tally(work->session)->refused - refused);
	return st;
}

/*
 * Looks the authors up that nothing is known of. *is_answered: the server has
 * said what it knows.
 */
static enum status
look_up(struct group_work *work, bool *is_answered, struct client_error *error)
{
	struct bytes names[WIRE_NAMES_PER_LOOKUP];
	struct state_names *unknown = &work->unknown;
	struct state_names *answered = &work->answered;
	struct client_error told;
	char **items;
	enum status st;

	*is_answered = false;
	if (unknown->count == 0)
		return STATUS_OK;
	for (size_t i = 0; i < unknown->count; i++)
		names[i] = bytes_from_string(unknown->items[i]);
	st =
	    contacts_refresh(work->session, names, unknown->count, NULL, &told);
	if (st == STATUS_UNAVAILABLE || st == STATUS_TIMEOUT) {
		state_names_clear(unknown);
		return STATUS_OK;
	}
	/* An answer that proves nothing leaves nobody verified either. */
	if (st != STATUS_OK && st != STATUS_FORGED && st != STATUS_INVALID) {
		if (error != NULL)
			*error = told;
		return st;
	}
	items = reallocarray(answered->items, answered->count + unknown->count,
	    sizeof(*answered->items));
	if (items == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "look an author up");
	answered->items = items;
	for (size_t i = 0; i < unknown->count; i++)
		items[answered->count++] = unknown->items[i];
	free(unknown->items);
	*unknown = (struct state_names){0}; /* the names are in the other */
	*is_answered = true;
	return STATUS_OK;
}

/*
 * Passes, until nothing moves: an epoch that was entered is what others wait
 * for; then what was looked up; and where everything was fetched and rosters
 * are missing all the same, without those. Each pass but the last takes a key
 * update or a farewell out of the queue, or learns of a name.
 */
static enum status
run(struct group_work *work, struct client_error *error)
{
	bool is_moving = true;
	enum status st;

	for (unsigned i = 0; is_moving && i < PASSES_MAX; i++) {
		work->may_skip_rosters = false;
		if ((st = run_pass(work)) != STATUS_OK)
			return state_error(error, st);
		is_moving = work->has_entered && work->has_waiting;
		if (is_moving)
			continue;
		if ((st = look_up(work, &is_moving, error)) != STATUS_OK)
			return st;
		if (is_moving || !work->has_waiting || !work->is_complete)
			continue;
		work->may_skip_rosters = true;
		if ((st = run_pass(work)) != STATUS_OK)
			return state_error(error, st);
		is_moving = work->has_entered;
	}
	return STATUS_OK;
}

/* After a complete poll: nothing of epochs that ended long ago comes now. */
static enum status
prune(struct session *session)
{
	struct state *state = session_state(session);
	uint64_t now_ms = clock_wall_ms();
	bool have_ended = false;
	enum status st;

	if (now_ms <= GROUP_EPOCH_KEEP_MS)
		return STATUS_OK;
	st = state_group_epochs_have_ended(
	    state, now_ms - GROUP_EPOCH_KEEP_MS, &have_ended);
	if (st != STATUS_OK || !have_ended)
		return st;
	if ((st = state_begin(state)) != STATUS_OK)
		return st;
	if ((st = group_epoch_prune(session, now_ms)) == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	return st;
}

enum status
group_inbox_process(
    struct session *session, bool is_complete, struct client_error *error)
{
	struct group_work work = {
	    .session = session,
	    .state = session_state(session),
	    .is_complete = is_complete,
	};
	uint64_t count = 0;
	enum status st;

	if ((st = state_group_items_count(work.state, &count)) != STATUS_OK)
		return state_error(error, st);
	if (count > 0) {
		crash_point("group.queued");
		if ((st = run(&work, error)) != STATUS_OK)
			goto out;
	}
	if (is_complete && (st = prune(session)) != STATUS_OK)
		st = state_error(error, st);
out:
	group_work_clear(&work);
	return st;
}
