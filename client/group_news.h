#ifndef PEYK_CLIENT_GROUP_NEWS_H
#define PEYK_CLIENT_GROUP_NEWS_H

#include "base/status.h"
#include "client/group_work.h"

/*
 * What changes a group that others made: key updates, farewells, leaves
 * (docs/protocol.md section 13). Each takes one whole item of its kind, inside
 * a transaction. STATUS_OK with a verdict, or the failure to work on:
 * STATUS_NOMEM, STATUS_INTERNAL and those of client/state.h.
 */
MUST_CHECK enum status group_news_update(struct group_work *work,
    const struct state_group_item *item, struct group_verdict *out);
MUST_CHECK enum status group_news_farewell(struct group_work *work,
    const struct state_group_item *item, struct group_verdict *out);
MUST_CHECK enum status group_news_leave(struct group_work *work,
    const struct state_group_item *item, struct group_verdict *out);

/*
 * What can be said of an update without its contents, as
 * state_group_items_list() gives it: *is_ready false with a verdict.
 */
MUST_CHECK enum status group_news_look(struct group_work *work,
    const struct state_group_item *item, bool *is_ready,
    struct group_verdict *out);

#endif
