#ifndef PEYK_CLIENT_OUTGOING_H
#define PEYK_CLIENT_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/contacts.h"
#include "client/error.h"
#include "client/history.h"
#include "client/session.h"

/* Sending (docs/protocol.md sections 9 and 10). */

/* Bytes of UTF-8 in one message. */
#define OUTGOING_TEXT_MAX 65536

struct outgoing_message {
	struct bytes text;
	/*
	 * The caller's own id, if has_id: sending it again, after a crash for
	 * one, is harmless: what the server has stored already is told as
	 * stored (was_sent_before) and not sent twice. Without it a random id
	 * is drawn.
	 */
	bool has_id;
	uint8_t id[MESSAGE_ID_SIZE];
};

struct outgoing_result {
	enum message_outcome outcome;
	uint8_t id[MESSAGE_ID_SIZE]; /* zero if NOT_SENT and without has_id */
	uint64_t sent_at_ms;
	bool was_sent_before;
};

/*
 * Sends messages to one recipient, in order, as many to a request as fit (so
 * pass hundreds at once); any count. The recipient's key is looked up and
 * pinned if need be.
 *
 * Every message gets exactly one result, also on failure: those after the
 * failure are MESSAGE_OUTCOME_NOT_SENT, those of the request that failed may
 * be MESSAGE_OUTCOME_PENDING: they are in the outbox, and the next command of
 * this account finishes them. progress (may be NULL) is called after each
 * request with the number of results so far.
 *
 * STATUS_INVALID (exit 2): a text that is empty, too long or not UTF-8 (then
 * nothing at all was sent; the text says which), or the name.
 * STATUS_EXISTS (exit 2): an id that belongs to another message.
 * STATUS_NOT_FOUND (exit 6): no such recipient.
 * STATUS_STALE (exit 5): the recipient's key changed.
 * STATUS_DENIED (exit 6): refused by the server. Failures of session.h.
 */
MUST_CHECK enum status outgoing_send(struct session *session,
    struct bytes recipient, const struct outgoing_message *messages,
    size_t count, struct outgoing_result *results,
    void (*progress)(void *arg, size_t done), void *progress_arg,
    struct client_error *error);

#endif
