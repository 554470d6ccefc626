#ifndef PEYK_CLIENT_GROUP_EPOCH_H
#define PEYK_CLIENT_GROUP_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/groups.h"
#include "client/session.h"
#include "e2ee/group_key.h"
#include "wire/roster.h"

/* Entering an epoch: for the admin's own updates and for those of others. */

/* All borrowed. */
struct group_entry {
	const struct roster *roster;        /* verified */
	struct bytes signed_roster;         /* as it was verified */
	const struct e2ee_group_share *server_share;
	const struct e2ee_group_share *admin_secret;
	/* Who signed it: admin of the epoch before, whose name events tell. */
	const struct signing_public_key *author_key;
	bool is_own;           /* ours: its events count as shown */
	bool is_roster_missed; /* rosters before it never came */
	uint64_t stored_at_ms; /* by the server's clock; 0: not known */
};

/*
 * Inside a transaction: checks the key's commitment, makes every sender's
 * chain, puts the roster in the place of the last one, adds what differs as
 * events to the history (one row for each kind), and forgets leaves. An epoch
 * that is not above the own one changes nothing. Who has left and reads on up
 * to its Leave stays GROUP_STATUS_LEFT.
 *
 * A key that is not the one that the roster commits to: the epoch is entered
 * all the same, without a key, and GROUP_EVENT_KEY_WRONG is told: its messages
 * wait until the next one. Failures of client/state.h.
 */
MUST_CHECK enum status group_epoch_enter(
    struct session *session, const struct group_entry *entry);

/* All borrowed. */
struct group_end {
	uint64_t group_id;
	enum group_status status; /* LEFT, REMOVED or DELETED */
	/*
	 * The first epoch that is not ours: after the one that our Leave was
	 * of; the farewell's; after the last one. Updates of epochs below it
	 * are still entered, those from it on take us in again.
	 */
	uint32_t gone_epoch;
	/* Whose name the event tells; NULL: LEFT by oneself, or by the server's
	   word alone. Without an epoch yet there is no event. */
	const struct signing_public_key *author_key;
	bool is_own;           /* our doing: the event counts as shown */
	uint64_t stored_at_ms; /* by the server's clock; 0: not known */
};

/*
 * Inside a transaction: we are in the group no more. Tells it in the history
 * (LEFT by oneself, REMOVED or DELETED), refuses messages that still wait to be
 * encrypted, and lets the keys go the way of an ended epoch's. Where we are
 * not in it, or there is none, it changes nothing.
 */
MUST_CHECK enum status group_epoch_end(
    struct session *session, const struct group_end *end);

/*
 * Inside a transaction: wipes keys of epochs that ended more than
 * GROUP_EPOCH_KEEP_MS ago by this device's clock. After a complete poll.
 */
#define GROUP_EPOCH_KEEP_MS ((uint64_t)24 * 60 * 60 * 1000)

MUST_CHECK enum status group_epoch_prune(
    struct session *session, uint64_t now_ms);

#endif
