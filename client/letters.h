#ifndef PEYK_CLIENT_LETTERS_H
#define PEYK_CLIENT_LETTERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/contacts.h"
#include "client/error.h"
#include "client/session.h"

/*
 * Messages on their way into a Send: encrypted, chained, and in the history
 * as pending (docs/protocol.md section 9). outgoing_apply() settles them.
 */

/* All borrowed. */
struct letter {
	const struct contact *contact;
	const uint8_t *id; /* MESSAGE_ID_SIZE */
	struct bytes text; /* letters_check_text() has passed it */
};

/*
 * STATUS_INVALID (exit 2): empty, too long, or not UTF-8. The error names the
 * message by its position where there are several.
 */
MUST_CHECK enum status letters_check_text(struct bytes text, size_t position,
    size_t count, struct client_error *error);

/*
 * Appends the body of a Send that carries all of them, in this order, to
 * whomever; in the transaction that takes the number (session_request.h).
 * STATUS_STALE (exit 5): a contact's key changed. STATUS_EXISTS (exit 2): an
 * id is in use. STATUS_TOO_LARGE (exit 2): they do not fit into a request.
 * Failures of client/state.h.
 */
MUST_CHECK enum status letters_prepare(struct session *session,
    const struct letter *letters, size_t count, uint64_t sequence,
    struct buf *body, struct client_error *error);

#endif
