#ifndef PEYK_CLIENT_GROUP_READING_H
#define PEYK_CLIENT_GROUP_READING_H

#include <stdbool.h>

#include "base/status.h"
#include "client/group_work.h"

/* Messages to groups (docs/protocol.md section 13). */

/*
 * What can be said without the message itself: *is_ready false with a verdict.
 * item: as state_group_items_list() gives it.
 */
MUST_CHECK enum status group_reading_look(struct group_work *work,
    const struct state_group_item *item, bool *is_ready,
    struct group_verdict *out);

/*
 * Inside a transaction: decrypts and verifies a message, moves the sender's
 * chain on, and adds it to the history. STATUS_OK with a verdict, or the
 * failure to work on, as group_news.h.
 */
MUST_CHECK enum status group_reading_read(struct group_work *work,
    const struct state_group_item *item, struct group_verdict *out);

#endif
