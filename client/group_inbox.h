#ifndef PEYK_CLIENT_GROUP_INBOX_H
#define PEYK_CLIENT_GROUP_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/session.h"
#include "gen/peyk/v1/payload.pb-c.h"

/*
 * What arrives for groups. A poll's effects put it into a queue in state.db,
 * as it came, and acknowledge it; then the queue is worked off, in order, a
 * batch a transaction: rosters are verified and entered, messages decrypted
 * and stored in the history, events told there. What needs an epoch that has
 * not come yet stays in the queue.
 *
 *	KEY       a roster and the letter with its key: the next epoch
 *	FAREWELL  removed, or the group is deleted
 *	LEAVE     a member has left
 *	MESSAGE   waits for its epoch if that is above ours
 *
 * The server may have dropped an update: where a poll has fetched everything
 * and the next epoch is not among it, a later one of the same admin is
 * entered, and the gap is told (GROUP_EVENT_ROSTER_MISSED).
 */

/* Items that may wait; beyond it the oldest are set aside. */
#define GROUP_INBOX_MAX 4096

/*
 * In the transaction of a poll's reply: queues a message of a group (group_id
 * is set), or the letter of a farewell (opened before).
 */
MUST_CHECK enum status group_inbox_add(struct session *session,
    const Peyk__V1__InboxMessage *message, const uint8_t inbox_id[16],
    uint64_t stored_at_ms);
MUST_CHECK enum status group_inbox_add_farewell(struct session *session,
    uint64_t group_id, struct bytes ciphertext, const uint8_t inbox_id[16],
    uint64_t stored_at_ms);

/*
 * Works off what can be. is_complete: the last poll left nothing at the
 * server. Looks unknown admins up. No transaction is open (asserted).
 * Failures of session.h, but a server that is away leaves things in the queue.
 */
MUST_CHECK enum status group_inbox_process(
    struct session *session, bool is_complete, struct client_error *error);

#endif
