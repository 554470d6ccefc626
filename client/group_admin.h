#ifndef PEYK_CLIENT_GROUP_ADMIN_H
#define PEYK_CLIENT_GROUP_ADMIN_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/groups.h"
#include "client/session.h"

/*
 * What changes a group (docs/protocol.md section 13). Each call ends with the
 * server's word, or is finished by a later command: what an update needs is
 * stored with its request, so whoever learns the outcome enters the epoch.
 *
 * An update that meets another state of the group (somebody has left
 * meanwhile) is made anew, a few times, before it is STATUS_BUSY (exit 1).
 * STATUS_DENIED (exit 6): not the admin, not a member any more, refused.
 * STATUS_INVALID (exit 2): a name; nobody or oneself; who is in it already, or
 * is not. STATUS_NOT_FOUND (exit 6): nobody has a name. STATUS_STALE (exit 5):
 * a member's key changed. STATUS_FORGED (exit 5): the server shows another
 * roster than the one that was entered here. Failures of session.h.
 */

/* *out is what it became; clear it. Names in any spelling. */
MUST_CHECK enum status group_create(struct session *session, struct bytes name,
    const struct bytes *members, size_t count, struct group *out,
    struct client_error *error);

/* Several at once are one epoch. */
MUST_CHECK enum status group_add(struct session *session,
    const struct group *group, const struct bytes *members, size_t count,
    struct client_error *error);
MUST_CHECK enum status group_remove(struct session *session,
    const struct group *group, const struct bytes *members, size_t count,
    struct client_error *error);

MUST_CHECK enum status group_rotate(struct session *session,
    const struct group *group, struct client_error *error);
MUST_CHECK enum status group_rename(struct session *session,
    const struct group *group, struct bytes name, struct client_error *error);
MUST_CHECK enum status group_hand_over(struct session *session,
    const struct group *group, struct bytes member, struct client_error *error);
MUST_CHECK enum status group_delete(struct session *session,
    const struct group *group, struct client_error *error);

/*
 * For members; the admin hands over first (STATUS_DENIED, exit 6). The
 * statement is of the server's current epoch (GetGroup, its roster verified),
 * which may be ahead of ours; ABORTED: anew. Key updates up to that epoch are
 * still entered, to read what was sent before; one of a later epoch takes us
 * in again.
 */
MUST_CHECK enum status group_leave(struct session *session,
    const struct group *group, struct client_error *error);

/*
 * What the admin's client owes its groups: the first key of a new one, a new
 * key where somebody has left. Part of every receiving; does nothing, and
 * connects to nothing, where nothing is owed. A server that is away is no
 * error; what else keeps a group from its key is told (NOTICE_GROUP_KEY_OWED),
 * and tried again later.
 */
MUST_CHECK enum status group_maintain(
    struct session *session, struct client_error *error);

#endif
