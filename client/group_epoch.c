#include "client/group_epoch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/name.h"
#include "base/secret.h"
#include "client/group_events.h"
#include "client/session_request.h"
#include "client/state_group_keys.h"
#include "client/state_group_outgoing.h"
#include "client/state_groups.h"
#include "wire/limits.h"

/* The names of all members, one a line. */
#define NAMES_SIZE_MAX (WIRE_GROUP_MEMBERS_MAX * (NAME_SIZE_MAX + 1))

/* What a run of group_epoch_enter() knows. */
struct entering {
	struct session *session;
	struct state *state;
	const struct group_entry *entry;
	const struct roster *roster; /* of the entry */
	struct state_group group;    /* as it was; zeroed: none */
	struct roster previous;      /* zeroed: we join */
	struct signing_public_key *leavers;
	size_t leaver_count;
	bool is_join;
	bool is_past;     /* we have left already, and read on */
	bool has_changed; /* more than the key */
	struct roster_member author;
	uint64_t now_ms;
};

static enum status
reopen(struct session *session, const struct state_group *group,
    struct roster *out)
{
	const struct vault *vault = account_vault(session_account(session));
	enum status st;

	st = roster_reopen(bytes_make(group->roster, group->roster_size),
	    vault_server_key(vault), out);
	return st == STATUS_INVALID || st == STATUS_TOO_LARGE ? STATUS_FORGED
							      : st;
}

static bool
has_left(const struct entering *entering, const struct signing_public_key *key)
{
	for (size_t i = 0; i < entering->leaver_count; i++)
		if (signing_public_key_equal(&entering->leavers[i], key))
			return true;
	return false;
}

/* Of the epoch before; NULL also where there is none. */
static const struct roster_member *
find_previous(
    const struct entering *entering, const struct signing_public_key *key)
{
	return entering->is_join ? NULL : roster_find(&entering->previous, key);
}

/* ---- Keys ---- */

/* STATUS_FORGED: it is not what the roster commits to. */
static enum status
open_secret(const struct group_entry *entry, struct e2ee_group_secret *out)
{
	const struct roster *roster = entry->roster;
	struct sha256_digest commitment;
	enum status st;

	if ((st = e2ee_group_secret_make(
		 entry->server_share, entry->admin_secret, out)) != STATUS_OK ||
	    (st = e2ee_group_commitment(out, roster->group_id, roster->epoch,
		 &commitment)) != STATUS_OK)
		return st;
	return bytes_equal(BYTES_OF(commitment.bytes),
		   BYTES_OF(roster->key_commitment.bytes))
		   ? STATUS_OK
		   : STATUS_FORGED;
}

static enum status
make_chains(struct entering *entering, const struct e2ee_group_secret *secret)
{
	const struct roster *roster = entering->roster;
	struct e2ee_group_chain chain;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < roster->member_count && st == STATUS_OK; i++) {
		const struct signing_public_key *key =
		    &roster->members[i].signing_key;

		st = e2ee_group_chain_init(
		    secret, roster->group_id, roster->epoch, key, &chain);
		if (st == STATUS_OK)
			st = state_group_chain_write(entering->state,
			    roster->group_id, roster->epoch, key, &chain);
	}
	secret_wipe(&chain, sizeof(chain));
	return st;
}

/* *has_key: the one that the roster commits to. */
static enum status
enter_keys(struct entering *entering, bool *has_key)
{
	struct e2ee_group_secret secret;
	enum status st;

	st = open_secret(entering->entry, &secret);
	*has_key = st == STATUS_OK;
	if (st == STATUS_OK)
		st = make_chains(entering, &secret);
	else if (st == STATUS_FORGED)
		st = STATUS_OK;
	secret_wipe(&secret, sizeof(secret));
	/* What came before we were (again) in it does not count. */
	if (st == STATUS_OK && entering->is_join)
		st = state_group_counters_forget(
		    entering->state, entering->roster->group_id);
	return st;
}

/* ---- Events ---- */

static enum status
tell(struct entering *entering, enum group_event event, struct bytes text)
{
	const struct group_happening happening = {
	    .group_id = entering->roster->group_id,
	    .epoch = entering->roster->epoch,
	    .event = event,
	    .author = &entering->author,
	    .text = text,
	    .roster_hash = &entering->roster->hash,
	    .stored_at_ms = entering->entry->stored_at_ms,
	    .is_shown = entering->entry->is_own,
	};

	return group_events_add(entering->session, &happening);
}

/* Whether a member's name belongs to an event. */
typedef enum status member_question(
    struct entering *entering, const struct roster_member *member, bool *out);

/* One row with the names of those who the question is true of, if any. */
static enum status
tell_names(struct entering *entering, enum group_event event,
    const struct roster *of, member_question *question, bool *is_told)
{
	struct buf names;
	bool is_one;
	enum status st = STATUS_OK;

	buf_init(&names, NAMES_SIZE_MAX);
	for (size_t i = 0; i < of->member_count && st == STATUS_OK; i++) {
		if ((st = question(entering, &of->members[i], &is_one)) !=
			STATUS_OK ||
		    !is_one)
			continue;
		if (names.size > 0)
			st = buf_append_u8(&names, '\n');
		if (st == STATUS_OK)
			st = buf_append_string(&names, of->members[i].name);
	}
	*is_told = names.size > 0;
	if (st == STATUS_OK && *is_told)
		st = tell(entering, event, buf_bytes(&names));
	buf_clear(&names);
	return st;
}

static bool
is_self(const struct entering *entering, const struct signing_public_key *key)
{
	const struct vault *vault =
	    account_vault(session_account(entering->session));

	return signing_public_key_equal(key, &vault_signing(vault)->public_key);
}

/*
 * The first roster takes in all but the one who made it. Who joins later sees
 * no roster before its own, and knows that of itself alone.
 */
static enum status
has_joined(
    struct entering *entering, const struct roster_member *member, bool *out)
{
	const struct roster *roster = entering->roster;

	if (!entering->is_join)
		*out = find_previous(entering, &member->signing_key) == NULL ||
		       has_left(entering, &member->signing_key);
	else if (roster->epoch > 1)
		*out = is_self(entering, &member->signing_key);
	else
		*out = roster->member_count == 1 ||
		       !signing_public_key_equal(
			   &member->signing_key, &roster->admin_key);
	return STATUS_OK;
}

/* Of those who left by themselves it was told. */
static enum status
was_removed(
    struct entering *entering, const struct roster_member *member, bool *out)
{
	*out = roster_find(entering->roster, &member->signing_key) == NULL &&
	       !has_left(entering, &member->signing_key);
	return STATUS_OK;
}

/* Told when it is new, not with every epoch. */
static enum status
has_new_conflict(
    struct entering *entering, const struct roster_member *member, bool *out)
{
	const struct roster_member *before =
	    find_previous(entering, &member->signing_key);
	enum message_author author;
	enum status st;

	*out = false;
	if (before != NULL && strcmp(before->name, member->name) == 0 &&
	    encryption_public_key_equal(
		&before->encryption_key, &member->encryption_key))
		return STATUS_OK;
	st = group_events_judge(entering->session, member, &author);
	*out = st == STATUS_OK && author == MESSAGE_AUTHOR_CONFLICTING;
	return st;
}

static enum status
tell_members(struct entering *entering)
{
	bool is_told;
	enum status st;

	if ((st = tell_names(entering, GROUP_EVENT_JOINED, entering->roster,
		 has_joined, &is_told)) != STATUS_OK)
		return st;
	entering->has_changed = is_told;
	if ((st = tell_names(entering, GROUP_EVENT_REMOVED, &entering->previous,
		 was_removed, &is_told)) != STATUS_OK)
		return st;
	entering->has_changed |= is_told;
	return STATUS_OK;
}

static enum status
tell_name_and_admin(struct entering *entering)
{
	const struct roster *roster = entering->roster;
	const struct roster *previous = &entering->previous;
	const struct roster_member *admin;
	enum status st = STATUS_OK;

	if (entering->is_join)
		return STATUS_OK;
	if (strcmp(previous->name, roster->name) != 0) {
		entering->has_changed = true;
		st = tell(entering, GROUP_EVENT_RENAMED,
		    bytes_from_string(roster->name));
	}
	if (st != STATUS_OK ||
	    signing_public_key_equal(&previous->admin_key, &roster->admin_key))
		return st;
	entering->has_changed = true;
	admin = roster_find(roster, &roster->admin_key);
	return tell(entering, GROUP_EVENT_ADMIN_CHANGED,
	    bytes_from_string(admin != NULL ? admin->name : ""));
}

static enum status
tell_all(struct entering *entering, bool has_key)
{
	bool is_told;
	enum status st;

	if (entering->entry->is_roster_missed &&
	    (st = tell(entering, GROUP_EVENT_ROSTER_MISSED, bytes_empty())) !=
		STATUS_OK)
		return st;
	if ((st = tell_members(entering)) != STATUS_OK ||
	    (st = tell_name_and_admin(entering)) != STATUS_OK)
		return st;
	if (!entering->has_changed && has_key &&
	    (st = tell(entering, GROUP_EVENT_KEY_REFRESHED, bytes_empty())) !=
		STATUS_OK)
		return st;
	if (!has_key && (st = tell(entering, GROUP_EVENT_KEY_WRONG,
			     bytes_empty())) != STATUS_OK)
		return st;
	return tell_names(entering, GROUP_EVENT_KEY_CONFLICT, entering->roster,
	    has_new_conflict, &is_told);
}

/* ---- Entering ---- */

/* How the group stands, and what changes. */
static enum status
look(struct entering *entering)
{
	const struct roster *roster = entering->roster;
	struct state_group *group = &entering->group;
	const struct roster_member *author;
	enum status st;

	st = state_group_read(entering->state, roster->group_id, group);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	entering->is_join =
	    group->epoch == 0 ||
	    (group->gone_epoch > 0 && roster->epoch >= group->gone_epoch);
	entering->is_past = group->gone_epoch > 0 && !entering->is_join;
	if (!entering->is_join &&
	    ((st = reopen(entering->session, group, &entering->previous)) !=
		    STATUS_OK ||
		(st = state_group_leaves_list(entering->state, roster->group_id,
		     &entering->leavers, &entering->leaver_count)) !=
		    STATUS_OK))
		return st;
	author = find_previous(entering, entering->entry->author_key);
	if (author == NULL)
		author = roster_find(roster, entering->entry->author_key);
	/* The old admin that did not stay: the new one speaks for it. */
	if (author == NULL)
		author = roster_find(roster, &roster->admin_key);
	assert(author != NULL); /* roster_open(): the admin is a member */
	entering->author = *author;
	return STATUS_OK;
}

static enum status
enter(struct entering *entering)
{
	const struct group_entry *entry = entering->entry;
	const struct roster *roster = entering->roster;
	struct state_group_entry row = {
	    .id = roster->group_id,
	    .name = roster->name,
	    .is_admin = is_self(entering, &roster->admin_key),
	    .epoch = roster->epoch,
	    .roster_hash = &roster->hash,
	    .roster = entry->signed_roster,
	    .is_past = entering->is_past,
	    .now_ms = clock_wall_ms(),
	};
	enum status st;

	if ((st = enter_keys(entering, &row.has_key)) != STATUS_OK ||
	    (st = state_group_enter(entering->state, &row)) != STATUS_OK)
		return st;
	return tell_all(entering, row.has_key);
}

enum status
group_epoch_enter(struct session *session, const struct group_entry *entry)
{
	struct entering entering = {
	    .session = session,
	    .state = session_state(session),
	    .entry = entry,
	    .roster = entry->roster,
	};
	enum status st;

	if ((st = look(&entering)) == STATUS_OK &&
	    entering.roster->epoch > entering.group.epoch)
		st = enter(&entering);
	free(entering.leavers);
	roster_clear(&entering.previous);
	state_group_clear(&entering.group);
	return st;
}

/* ---- The end ---- */

static enum status
tell_end(struct session *session, const struct state_group *group,
    const struct group_end *end)
{
	const struct vault *vault = account_vault(session_account(session));
	const struct signing_public_key *own =
	    &vault_signing(vault)->public_key;
	struct group_happening happening = {
	    .group_id = group->id,
	    .epoch = end->gone_epoch,
	    .event = GROUP_EVENT_LEFT,
	    .roster_hash = &group->roster_hash,
	    .stored_at_ms = end->stored_at_ms,
	    .is_shown = end->is_own,
	};
	const struct signing_public_key *author_key = own;
	struct roster roster = {0};
	enum status st;

	if ((st = reopen(session, group, &roster)) != STATUS_OK)
		goto out;
	if (end->status != GROUP_STATUS_LEFT)
		author_key = end->author_key;
	if (author_key != NULL &&
	    (happening.author = roster_find(&roster, author_key)) == NULL)
		goto out;
	if (end->status == GROUP_STATUS_REMOVED) {
		happening.event = GROUP_EVENT_REMOVED;
		happening.text = bytes_from_string(vault_name(vault));
	} else if (end->status == GROUP_STATUS_DELETED) {
		happening.event = GROUP_EVENT_DELETED;
	}
	st = group_events_add(session, &happening);
out:
	roster_clear(&roster);
	return st;
}

enum status
group_epoch_end(struct session *session, const struct group_end *end)
{
	struct state *state = session_state(session);
	struct state_group group = {0};
	size_t refused = 0;
	enum status st;

	st = state_group_read(state, end->group_id, &group);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (st != STATUS_OK)
		return st;
	if (group.status == GROUP_STATUS_ACTIVE ||
	    group.status == GROUP_STATUS_CREATING) {
		st = state_group_set_gone(state, end->group_id, end->status,
		    end->gone_epoch, clock_wall_ms());
		if (st == STATUS_OK)
			st = state_group_outgoing_refuse(
			    state, end->group_id, &refused);
		session_tally(session)->refused += refused;
		if (st == STATUS_OK && group.epoch > 0)
			st = tell_end(session, &group, end);
	}
	state_group_clear(&group);
	return st;
}

enum status
group_epoch_prune(struct session *session, uint64_t now_ms)
{
	if (now_ms <= GROUP_EPOCH_KEEP_MS)
		return STATUS_OK;
	return state_group_epochs_prune(
	    session_state(session), now_ms - GROUP_EPOCH_KEEP_MS);
}
