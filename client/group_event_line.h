#ifndef PEYK_CLIENT_GROUP_EVENT_LINE_H
#define PEYK_CLIENT_GROUP_EVENT_LINE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/history.h"

/* How what happened to a group looks (docs/client.md). */

/*
 * Appends a group's name for a sentence: as it is if it is made of ASCII
 * letters, digits and "-_.+#", otherwise in quotation marks, with none inside.
 * Whoever names a group can thus not write our words: one called "you" is no
 * recipient of direct messages.
 */
MUST_CHECK enum status group_event_line_append_name(
    struct buf *line, struct bytes name);

/* The same into a buffer of CLIENT_DISPLAY_SIZE, for an error's sentence. */
void group_event_line_name(struct bytes name, char out[CLIENT_DISPLAY_SIZE]);

/* Names that a line tells one by one; of more it tells how many there are. */
#define GROUP_EVENT_LINE_NAMES_MAX 8

/*
 * Appends a row of MESSAGE_KIND_GROUP_EVENT in words, without a time:
 * "client#2 added client#3 to team". Warnings begin with "WARNING: ".
 */
MUST_CHECK enum status group_event_line_append(
    struct buf *line, const struct message *message);

/* The same for programs. NULL if memory is out. */
json_t *group_event_line_json(const struct message *message, bool is_compared);

#endif
