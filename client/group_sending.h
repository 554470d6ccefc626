#ifndef PEYK_CLIENT_GROUP_SENDING_H
#define PEYK_CLIENT_GROUP_SENDING_H

#include <stddef.h>

#include "base/status.h"
#include "client/error.h"
#include "client/groups.h"
#include "client/outgoing.h"
#include "client/session.h"

/*
 * Sending to a group. Messages are first stored in the history as waiting
 * (MESSAGE_OUTCOME_PENDING without a request); then as many as fit are
 * encrypted under the current epoch in the transaction that numbers their
 * request. What the server refuses because the epoch has ended waits again,
 * and is encrypted anew when the next epoch is entered; so a message is sent
 * once, whatever dies in between.
 */

/*
 * As outgoing_send(), for a group: same results, same ids of the caller's own.
 * A group without a key yet, or whose next key has not come: the messages stay
 * PENDING, and a later command sends them. STATUS_DENIED (exit 6): not a
 * member any more.
 */
MUST_CHECK enum status group_send(struct session *session,
    const struct group *group, const struct outgoing_message *messages,
    size_t count, struct outgoing_result *results,
    void (*progress)(void *arg, size_t done), void *progress_arg,
    struct client_error *error);

/*
 * Sends what waits in any group whose current epoch has not been refused.
 * Part of every receiving and of group_send(); does nothing, and connects to
 * nothing, where nothing waits.
 */
MUST_CHECK enum status group_sending_resume(
    struct session *session, struct client_error *error);

#endif
