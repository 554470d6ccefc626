#include "client/group_leaves.h"

#include "client/group_events.h"
#include "client/state_groups.h"

/*
 * The server takes a Leave in the epoch that it names, and the next roster is
 * without the member or takes it in anew: later it says nothing.
 */
static bool
is_of_now(struct session *session, const struct roster *roster,
    const struct leave *leave)
{
	const struct vault *vault = account_vault(session_account(session));

	return leave->group_id == roster->group_id &&
	       leave->epoch == roster->epoch &&
	       sha256_digest_equal(&leave->roster_hash, &roster->hash) &&
	       roster_find(roster, &leave->member_key) != NULL &&
	       !signing_public_key_equal(
		   &leave->member_key, &roster->admin_key) &&
	       !signing_public_key_equal(
		   &leave->member_key, &vault_signing(vault)->public_key);
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

	*counts = is_of_now(session, roster, leave);
	if (!*counts)
		return STATUS_OK;
	if ((st = state_group_leave_has(state, roster->group_id,
		 &leave->member_key, &has_left)) != STATUS_OK ||
	    has_left)
		return st;
	if ((st = state_group_leave_add(state, roster->group_id,
		 &leave->member_key, statement)) != STATUS_OK)
		return st;
	return group_events_add(session, &happening);
}
