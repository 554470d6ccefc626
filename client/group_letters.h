#ifndef PEYK_CLIENT_GROUP_LETTERS_H
#define PEYK_CLIENT_GROUP_LETTERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "client/error.h"
#include "client/history.h"
#include "client/session.h"
#include "client/state_group_outgoing.h"
#include "client/state_groups.h"

/*
 * Messages to a group on their way into a Send (docs/protocol.md section 13).
 * For group_sending.c.
 */

/*
 * Encrypts messages that wait under the group's current epoch, in this order,
 * moves our chain and counter, and appends the body of a Send that carries
 * them; in the transaction that takes the number (session_request.h).
 * STATUS_TOO_LARGE (exit 2): they do not fit into a request. Failures of
 * client/state.h.
 */
MUST_CHECK enum status group_letters_prepare(struct session *session,
    const struct state_group *group, const struct message *messages,
    size_t count, uint64_t sequence, struct buf *body,
    struct client_error *error);

/*
 * The server did not store one of them: chain and counter go back to before it.
 * Of several, in any order, the first decides. Inside a transaction.
 */
MUST_CHECK enum status group_letters_undo(
    struct session *session, const struct state_group_pending *pending);

#endif
