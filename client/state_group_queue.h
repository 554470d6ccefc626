#ifndef PEYK_CLIENT_STATE_GROUP_QUEUE_H
#define PEYK_CLIENT_STATE_GROUP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/state.h"
#include "client/state_acks.h"

/*
 * What arrived for groups and is still to be worked off (client/group_inbox.h),
 * in state.db; errors as in client/state.h.
 */

/* The numbers are stored. */
enum state_group_item_kind {
	STATE_GROUP_ITEM_KEY = 0,
	STATE_GROUP_ITEM_FAREWELL = 1,
	STATE_GROUP_ITEM_LEAVE = 2,
	STATE_GROUP_ITEM_MESSAGE = 3,
};

/* Borrowed where it is added; owned where it is read. */
struct state_group_item {
	int64_t number; /* rising in the order of arrival */
	enum state_group_item_kind kind;
	uint8_t inbox_id[STATE_INBOX_ID_SIZE];
	uint64_t group_id;
	uint32_t epoch;
	uint64_t stored_at_ms;
	struct bytes ciphertext; /* KEY and FAREWELL: the letter */
	struct bytes roster;     /* KEY */
	struct bytes leave;      /* LEAVE */
	void *memory;            /* private */
};

/* No-op on a zeroed one. */
void state_group_item_clear(struct state_group_item *item);

/* number is given by the table. Repeats of an inbox_id change nothing. */
MUST_CHECK enum status state_group_item_add(
    struct state *state, const struct state_group_item *item);

/*
 * Up to limit of them above a number, in order, without their ciphertext,
 * roster and leave. free() *out.
 */
MUST_CHECK enum status state_group_items_list(struct state *state,
    int64_t after, size_t limit, struct state_group_item **out, size_t *count);

/* STATUS_NOT_FOUND. */
MUST_CHECK enum status state_group_item_read(
    struct state *state, int64_t number, struct state_group_item *out);
MUST_CHECK enum status state_group_item_remove(
    struct state *state, int64_t number);

MUST_CHECK enum status state_group_items_count(
    struct state *state, uint64_t *out);

/* The lowest epoch above one of which a KEY is there; 0: none. */
MUST_CHECK enum status state_group_item_lowest_update(
    struct state *state, uint64_t group_id, uint32_t above, uint32_t *out);

/* Whether there is a KEY of a group. */
MUST_CHECK enum status state_group_item_has_update(
    struct state *state, uint64_t group_id, bool *out);

#endif
