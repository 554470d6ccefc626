#ifndef PEYK_CLIENT_GROUP_SENDING_H
#define PEYK_CLIENT_GROUP_SENDING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "client/error.h"
#include "client/groups.h"
#include "client/outgoing.h"
#include "client/session.h"

/*
 * Sending to a group. A message waits in the history
 * (MESSAGE_OUTCOME_PENDING without a request) until it is encrypted under the
 * current epoch, in the transaction that numbers its request; at best that is
 * the one that adds it. What the server refuses because the epoch has ended
 * waits again, and is encrypted anew when the next one is entered. So a message
 * is sent once, whatever dies in between, and after those before it.
 */

/*
 * As outgoing_send(), for a group: same results, same ids of the caller's own.
 * Where the group has no key yet, or the server says that its epoch has ended,
 * this receives (without showing) and tries again; if the next key has not come
 * either, the messages stay PENDING although STATUS_OK is returned, and whoever
 * enters the next epoch sends them: this command or a later one.
 *
 * STATUS_DENIED (exit 6): not a member any more, or refused by the server.
 */
MUST_CHECK enum status group_send(struct session *session,
    const struct group *group, const struct outgoing_message *messages,
    size_t count, struct outgoing_result *results,
    void (*progress)(void *arg, size_t done), void *progress_arg,
    struct client_error *error);

/*
 * Sends what waits in any group whose current epoch has not been refused, and
 * tells so (NOTICE_UNFINISHED_SENT, NOTICE_UNFINISHED_REFUSED). Part of every
 * receiving; does nothing, and connects to nothing, where nothing waits.
 */
MUST_CHECK enum status group_sending_resume(
    struct session *session, struct client_error *error);

/* Whether messages to the group wait for a key. */
MUST_CHECK enum status group_sending_is_waiting(struct session *session,
    const struct group *group, bool *out, struct client_error *error);

/*
 * groups_find(), which receives (without showing) where the group is not known:
 * its first key may be at the server. Failures of session.h, too.
 */
MUST_CHECK enum status group_sending_find(struct session *session,
    struct bytes name, struct group *out, struct client_error *error);

/* STATUS_DENIED (exit 6), in words: we are no member any more. */
MUST_CHECK enum status group_sending_check(
    const struct group *group, struct client_error *error);

#endif
