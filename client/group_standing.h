#ifndef PEYK_CLIENT_GROUP_STANDING_H
#define PEYK_CLIENT_GROUP_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "client/contacts.h"
#include "client/error.h"
#include "client/group_change.h"
#include "client/session.h"
#include "client/state_groups.h"
#include "crypto/keys.h"
#include "e2ee/group_key.h"
#include "wire/roster.h"

/*
 * How a group of ours stands at its server, once it is clear that this is what
 * was entered here: what the admin makes an update for.
 */
struct group_standing {
	struct state_group group;    /* as it is here */
	struct roster roster;        /* of its epoch; empty in epoch 0 */
	struct contact_list invited; /* in epoch 0: those who are to be in it */
	struct roster_member *members; /* those who are in it; borrow of both */
	size_t member_count;
	struct e2ee_group_share share; /* of the next key; secret */
};

/* Wipes and frees. No-op on a zeroed one. */
void group_standing_clear(struct group_standing *standing);

/*
 * Asks the server (GetGroup). *is_moving: the group changed here meanwhile, so
 * that the answer is of no use, and *out was left alone: ask again. Otherwise
 * clear *out.
 *
 * STATUS_DENIED (exit 6): not its admin, or not in it, by what is known here
 * or by what the server says. STATUS_FORGED (exit 5): the server shows another
 * state than the one that was entered here, or a leave that nobody signed.
 * STATUS_BUSY (exit 1): it has a newer one, which is still to be fetched.
 * Failures of session.h.
 */
MUST_CHECK enum status group_standing_fetch(struct session *session,
    uint64_t group_id, struct group_standing *out, bool *is_moving,
    struct client_error *error);

/*
 * What a Leave of ours is of: the epoch that the server is in, and the hash of
 * its roster, which may be one that has not come yet, but is signed by the
 * admin whom we know, or by its own. *is_moving: as above.
 *
 * STATUS_DENIED (exit 6): not in it, its admin. STATUS_FORGED (exit 5): another
 * state than the one that was entered here. STATUS_BUSY (exit 1): a newer one,
 * which says nothing without those before it.
 */
MUST_CHECK enum status group_standing_place(struct session *session,
    uint64_t group_id, struct leave *out, bool *is_moving,
    struct client_error *error);

/* What an update starts from; borrowed from the standing. */
struct group_change_base group_standing_base(
    const struct group_standing *standing);

/* The member that has a key, and has not left; NULL: none. */
const struct roster_member *group_standing_find(
    const struct group_standing *standing,
    const struct signing_public_key *key);

/* STATUS_DENIED (exit 6) unless the group is ours to change. */
MUST_CHECK enum status group_standing_check_admin(
    const struct state_group *group, struct client_error *error);

#endif
