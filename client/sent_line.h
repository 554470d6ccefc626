#ifndef PEYK_CLIENT_SENT_LINE_H
#define PEYK_CLIENT_SENT_LINE_H

#include <jansson.h>

#include "client/error.h"
#include "client/groups.h"
#include "client/outgoing.h"

/* How what was sent is told (docs/client.md). */

/*
 * What became of one message, for programs. group: NULL, or the one that it
 * was for, and recipient is not used. NULL if memory is out.
 */
json_t *sent_line_json(const char *recipient, const struct group *group,
    const struct outgoing_result *result);

/* The recipient, or the group's name, for a sentence. */
void sent_line_recipient(const char *recipient, const struct group *group,
    char out[CLIENT_DISPLAY_SIZE]);

#endif
