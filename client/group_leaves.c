#include "client/group_leaves.h"

#include "client/group_events.h"
#include "client/state_groups.h"

/*
 * Whether it names the roster of its epoch, where that one is still here: else
 * the server could have it made for an epoch that is to come.
 */
static enum status
names_roster(struct session *session, const struct roster *roster,
    const struct leave *leave, bool *out)
{
	struct state_group_epoch epoch = {0};
	enum status st;

	st = state_group_epoch_read(
	    session_state(session), roster->group_id, leave->epoch, &epoch);
	*out = st == STATUS_NOT_FOUND ||
	       sha256_digest_equal(&leave->roster_hash, &epoch.roster_hash);
	state_group_epoch_clear(&epoch);
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

static enum status
check_stay(struct session *session, const struct roster *roster,
    const struct leave *leave, bool *out)
{
	const struct vault *vault = account_vault(session_account(session));
	uint32_t since = 0;
	enum status st;

	*out = false;
	if (leave->group_id != roster->group_id ||
	    leave->epoch > roster->epoch ||
	    roster_find(roster, &leave->member_key) == NULL ||
	    signing_public_key_equal(&leave->member_key, &roster->admin_key) ||
	    signing_public_key_equal(
		&leave->member_key, &vault_signing(vault)->public_key))
		return STATUS_OK;
	st = state_group_member_since(session_state(session), roster->group_id,
	    &leave->member_key, &since);
	if (st != STATUS_OK || since == 0 || leave->epoch < since)
		return st;
	return names_roster(session, roster, leave, out);
}

enum status
group_leaves_take(struct session *session, const struct roster *roster,
    struct bytes statement, const struct leave *leave, uint64_t stored_at_ms,
    bool *counts)
{
	const struct group_happening happening = {
	    .group_id = roster->group_id,
	    .epoch = leave->epoch,
	    .event = GROUP_EVENT_LEFT,
	    .author = roster_find(roster, &leave->member_key),
	    .roster_hash = &roster->hash,
	    .stored_at_ms = stored_at_ms,
	};
	struct state *state = session_state(session);
	bool has_left;
	enum status st;

	if ((st = check_stay(session, roster, leave, counts)) != STATUS_OK ||
	    !*counts)
		return st;
	if ((st = state_group_leave_has(state, roster->group_id,
		 &leave->member_key, &has_left)) != STATUS_OK ||
	    has_left)
		return st;
	if ((st = state_group_leave_add(state, roster->group_id,
		 &leave->member_key, statement)) != STATUS_OK)
		return st;
	return group_events_add(session, &happening);
}
