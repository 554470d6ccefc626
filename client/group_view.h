#ifndef PEYK_CLIENT_GROUP_VIEW_H
#define PEYK_CLIENT_GROUP_VIEW_H

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "client/error.h"
#include "client/groups.h"
#include "client/output.h"
#include "client/session.h"

/* How a group looks, to people and to programs (docs/client.md). */

struct group_view {
	struct group group;
	struct group_member_list members;
	const struct group_member *admin; /* of members; NULL: none yet */
	/* Of each member: whether its safety number was compared. */
	bool *is_compared;
	/* Of the group; "" before its first epoch. */
	char safety_number[GROUPS_SAFETY_NUMBER_SIZE];
};

/*
 * Gathers what is known here of a group, which becomes the view's whatever
 * comes of it. Those of client/groups.h.
 */
MUST_CHECK enum status group_view_load_take(struct session *session,
    struct group *group, struct group_view *out, struct client_error *error);

/* No-op on a zeroed one. */
void group_view_clear(struct group_view *view);

/* has_members: with the list of them. NULL if memory is out. */
json_t *group_view_json(const struct group_view *view, bool has_members);

/* All of it, over several lines. */
MUST_CHECK enum status group_view_print(
    struct output *output, const struct group_view *view);

/* "active", "creating", …, or "FORKED" where that is known. */
const char *group_view_state(const struct group *group);

/* The safety number as three rows; has its own line ends. */
MUST_CHECK enum status group_view_print_number(
    struct output *output, const char *number);

#endif
