#include "client/group_reading.h"

#include <stdlib.h>

#include "base/name.h"
#include "base/secret.h"
#include "client/group_events.h"
#include "client/session_request.h"
#include "client/state_group_keys.h"
#include "e2ee/group_message.h"
#include "wire/limits.h"

#define BAD_MESSAGE GROUP_ASIDE(GROUP_REASON_MESSAGE)

/* A message on its way in. */
struct reading {
	struct group_work *work;
	const struct state_group_item *item;
	const struct state_group_epoch *epoch;
	const struct roster *roster;
	const struct roster_member *sender;
	struct e2ee_group_place place;
	struct e2ee_group_message_key key;
	/* The sender's chain after it, and the keys that it passes over. */
	struct e2ee_group_chain chain;
	struct e2ee_group_message_key *skipped;
	uint64_t first_skipped; /* its index */
	size_t skipped_count;
	bool was_skipped; /* its own key was passed over before */
	struct e2ee_group_message message;
};

static void
clear_reading(struct reading *reading)
{
	if (reading->skipped != NULL)
		secret_wipe(reading->skipped,
		    reading->skipped_count * sizeof(*reading->skipped));
	free(reading->skipped);
	e2ee_group_message_clear(&reading->message);
	secret_wipe(reading, sizeof(*reading));
}

/* ---- Whether its epoch is there ---- */

/* Nothing is known of the group: its first roster may be on its way. */
static enum status
look_at_stranger(struct group_work *work, const struct state_group_item *item,
    struct group_verdict *out)
{
	bool may_join;
	enum status st = group_work_may_join(work, item->group_id, &may_join);

	*out = st == STATUS_OK && may_join ? GROUP_WAITS : BAD_MESSAGE;
	return st;
}

enum status
group_reading_look(struct group_work *work, const struct state_group_item *item,
    bool *is_ready, struct group_verdict *out)
{
	const struct state_group *group;
	enum status st;

	*is_ready = false;
	if ((st = group_work_group(work, item->group_id, &group)) != STATUS_OK)
		return st;
	if (group == NULL || group->epoch == 0)
		return look_at_stranger(work, item, out);
	if (item->epoch > group->epoch) {
		bool may_join = true;

		if (group->gone_epoch > 0 && item->epoch >= group->gone_epoch)
			st = group_work_may_join(
			    work, item->group_id, &may_join);
		/* Or it is of a time when we were in it no more. */
		*out = may_join ? GROUP_WAITS : GROUP_DONE;
		return st;
	}
	if (item->epoch == group->epoch && !group->has_key &&
	    group->status == GROUP_STATUS_ACTIVE) {
		*out = GROUP_WAITS; /* told by GROUP_EVENT_KEY_WRONG */
		return STATUS_OK;
	}
	*is_ready = true;
	return STATUS_OK;
}

/* ---- The key ---- */

/* STATUS_NOT_FOUND: there is none for this place, or none any more. */
static enum status
find_key(struct reading *reading)
{
	const struct e2ee_group_place *place = &reading->place;
	struct state *state = reading->work->state;
	uint64_t passed;
	enum status st;

	if ((st = state_group_chain_read(state, place->group_id, place->epoch,
		 &place->sender_key, &reading->chain)) != STATUS_OK)
		return st;
	if (place->index < reading->chain.index) {
		reading->was_skipped = true;
		return state_group_skipped_read(state, place->group_id,
		    place->epoch, &place->sender_key, place->index,
		    &reading->key);
	}
	passed = place->index - reading->chain.index;
	if (passed > WIRE_GROUP_SKIP_MAX)
		return STATUS_NOT_FOUND;
	reading->first_skipped = reading->chain.index;
	if (passed > 0 && (reading->skipped = calloc((size_t)passed,
			       sizeof(*reading->skipped))) == NULL)
		return STATUS_NOMEM;
	reading->skipped_count = (size_t)passed;
	reading->work->keys_made += reading->skipped_count;
	for (size_t i = 0; i < reading->skipped_count; i++)
		if ((st = e2ee_group_chain_step(
			 &reading->chain, &reading->skipped[i])) != STATUS_OK)
			return st;
	return e2ee_group_chain_step(&reading->chain, &reading->key);
}

/* The signature is verified: its key is used up. */
static enum status
use_key(struct reading *reading)
{
	const struct e2ee_group_place *place = &reading->place;
	struct state *state = reading->work->state;
	enum status st = STATUS_OK;

	if (reading->was_skipped)
		return state_group_skipped_remove(state, place->group_id,
		    place->epoch, &place->sender_key, place->index);
	for (size_t i = 0; i < reading->skipped_count && st == STATUS_OK; i++)
		st = state_group_skipped_add(state, place->group_id,
		    place->epoch, &place->sender_key,
		    reading->first_skipped + i, &reading->skipped[i]);
	if (st == STATUS_OK && reading->skipped_count > 0)
		st = state_group_skipped_trim(state, place->group_id,
		    place->epoch, &place->sender_key, WIRE_GROUP_SKIP_MAX);
	if (st == STATUS_OK)
		st = state_group_chain_write(state, place->group_id,
		    place->epoch, &place->sender_key, &reading->chain);
	return st;
}

/* ---- Into the history ---- */

/* Moves the sender's count of messages to the group to this one. */
static enum status
follow_counter(struct reading *reading, struct state_incoming *row)
{
	const struct e2ee_group_message *message = &reading->message;
	const struct e2ee_chain_link link = {
	    .counter = message->counter,
	    .previous_hash =
		message->has_previous_hash ? &message->previous_hash : NULL,
	};
	struct state *state = reading->work->state;
	struct e2ee_chain chain;
	bool is_known;
	enum status st;

	if ((st = state_group_counter_read(state, row->group_id, row->peer_key,
		 &chain, &is_known)) != STATUS_OK)
		return st;
	if (is_known) {
		row->order = message_order_of(e2ee_chain_receive(&chain, &link,
		    &message->content_hash, &row->missing_before));
	} else {
		/* What was sent before we joined is not missing. */
		chain.counter = message->counter;
		chain.hash = message->content_hash;
		row->missing_before = reading->place.index;
		row->order = row->missing_before > 0 ? MESSAGE_ORDER_MISSING
						     : MESSAGE_ORDER_EXPECTED;
	}
	return state_group_counter_write(
	    state, row->group_id, row->peer_key, &chain);
}

/* The sender was shown another roster: told once for a group. */
static enum status
tell_fork(struct reading *reading)
{
	struct group_work *work = reading->work;
	const struct state_group *group;
	const struct group_happening happening = {
	    .group_id = reading->item->group_id,
	    .epoch = reading->item->epoch,
	    .event = GROUP_EVENT_FORKED,
	    .author = reading->sender,
	    .roster_hash = &reading->epoch->roster_hash,
	    .stored_at_ms = reading->item->stored_at_ms,
	};
	enum status st;

	if (bytes_equal(BYTES_OF(reading->message.roster_hash.bytes),
		BYTES_OF(reading->epoch->roster_hash.bytes)))
		return STATUS_OK;
	if ((st = group_work_group(work, happening.group_id, &group)) !=
		STATUS_OK ||
	    group == NULL || group->is_forked)
		return st;
	if ((st = state_group_set_forked(work->state, happening.group_id)) !=
		STATUS_OK ||
	    (st = group_events_add(work->session, &happening)) != STATUS_OK)
		return st;
	work->has_group = false; /* as it is kept, it is old */
	return STATUS_OK;
}

static enum status
store(struct reading *reading)
{
	const struct e2ee_group_message *message = &reading->message;
	struct group_work *work = reading->work;
	struct state_incoming row = {
	    .id = message->id.bytes,
	    .peer = reading->sender->name,
	    .peer_key = &reading->sender->signing_key,
	    .text = bytes_make(message->text, message->text_size),
	    .sent_at_ms = message->sent_at_ms,
	    .stored_at_ms = reading->item->stored_at_ms,
	    .group_id = reading->item->group_id,
	    .epoch = reading->item->epoch,
	};
	enum message_author author;
	struct buf canonical;
	bool is_known;
	enum status st;

	buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
	if ((st = state_incoming_is_known(work->state, row.peer_key, row.id,
		 row.kind, &is_known)) != STATUS_OK ||
	    is_known)
		goto out;
	if ((st = name_append_canonical(
		 bytes_from_string(row.peer), &canonical)) != STATUS_OK ||
	    (st = buf_string(&canonical, &row.peer_canonical)) != STATUS_OK ||
	    (st = group_events_judge(
		 work->session, reading->sender, &author)) != STATUS_OK)
		goto out;
	row.is_author_pinned = author == MESSAGE_AUTHOR_PINNED;
	if ((st = follow_counter(reading, &row)) != STATUS_OK ||
	    (st = state_incoming_add(work->state, &row)) != STATUS_OK)
		goto out;
	session_tally(work->session)->received++;
	st = tell_fork(reading);
out:
	buf_clear(&canonical);
	return st;
}

/* ---- Reading ---- */

/* Whose it is, and that it is not ours: the server returns none to us. */
static bool
find_sender(struct reading *reading)
{
	const struct vault *vault =
	    account_vault(session_account(reading->work->session));

	if (e2ee_group_message_peek(
		reading->item->ciphertext, &reading->place) != STATUS_OK)
		return false;
	reading->place.group_id = reading->item->group_id;
	reading->place.epoch = reading->item->epoch;
	reading->sender =
	    roster_find(reading->roster, &reading->place.sender_key);
	return reading->sender != NULL &&
	       !signing_public_key_equal(&reading->place.sender_key,
		   &vault_signing(vault)->public_key);
}

/* *is_open false: the peer is at fault. */
static enum status
open_message(struct reading *reading, bool *is_open)
{
	enum status st;

	st = e2ee_group_message_open(reading->item->ciphertext, &reading->place,
	    &reading->key, &reading->message);
	*is_open = st == STATUS_OK;
	return st == STATUS_FORGED || st == STATUS_INVALID ||
		       st == STATUS_TOO_LARGE
		   ? STATUS_OK
		   : st;
}

enum status
group_reading_read(struct group_work *work, const struct state_group_item *item,
    struct group_verdict *out)
{
	struct reading reading = {.work = work, .item = item};
	bool is_open = false;
	enum status st;

	*out = BAD_MESSAGE;
	st = group_work_epoch(
	    work, item->group_id, item->epoch, &reading.epoch, &reading.roster);
	if (st == STATUS_NOT_FOUND) {
		st = STATUS_OK;
		goto out;
	}
	if (st != STATUS_OK || !reading.epoch->has_key ||
	    !find_sender(&reading))
		goto out;
	st = find_key(&reading);
	if (st == STATUS_NOT_FOUND)
		st = STATUS_OK;
	else if (st == STATUS_OK)
		st = open_message(&reading, &is_open);
	if (st != STATUS_OK || !is_open ||
	    (st = use_key(&reading)) != STATUS_OK)
		goto out;
	if (reading.message.kind != E2EE_DIRECT_KIND_TEXT) {
		*out = GROUP_ASIDE("newer");
		goto out;
	}
	*out = GROUP_DONE;
	st = store(&reading);
out:
	clear_reading(&reading);
	return st;
}
