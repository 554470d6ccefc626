#ifndef PEYK_CLIENT_MESSAGE_LINE_H
#define PEYK_CLIENT_MESSAGE_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "client/history.h"
#include "client/session.h"

/*
 * How a row of the history looks, to people and to programs (docs/client.md):
 * a message, or what happened to a group (client/group_event_line.h).
 */

/* Room for any message as a line. */
#define MESSAGE_LINE_SIZE_MAX ((size_t)1 << 20)

/*
 * What arrives later than this after it was stored says when that was; the
 * rest is as good as now.
 */
#define MESSAGE_LINE_FRESH_MS (2 * 60 * 1000)

/*
 * Whether the message is by the contact whose safety number was compared.
 * Local; false if it cannot be told.
 */
bool message_line_is_compared(
    struct session *session, const struct message *message);

/* own_name: the account's. NULL if memory is out. */
json_t *message_line_json(
    const char *own_name, const struct message *message, bool is_compared);

/*
 * Appends what tells of an incoming message: "client#2 has sent a message to
 * you: salam mashti" (or "to team"), with what is to be known of its author
 * before it.
 */
MUST_CHECK enum status message_line_append_arrival(struct buf *line,
    const struct message *message, bool is_compared, uint64_t now_ms);

/*
 * Appends a line of the history: time, author (padded to columns; 0: with
 * "to" and the recipient instead), text, and what became of it; or time, "*"
 * and what happened.
 */
MUST_CHECK enum status message_line_append_history(struct buf *line,
    const char *own_name, const struct message *message, size_t columns);

/* What became of an outgoing message, as " (not sent yet)"; "" if stored. */
const char *message_line_outcome(enum message_outcome outcome);

#endif
