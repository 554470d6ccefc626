#ifndef PEYK_SERVER_STORE_GROUP_ROWS_H
#define PEYK_SERVER_STORE_GROUP_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/status.h"

/* The members of groups, as STATEMENT_READ_MEMBERS found them. */

struct group_member {
	int64_t group_id;
	int64_t id;      /* its account */
	int64_t version; /* of the group, as are the next two */
	int64_t admin_id;
	uint32_t epoch;
	bool has_left;
};

struct group_rows {
	struct group_member *members; /* by group, then by account */
	size_t count;
};

/* Takes result, also when it fails with STATUS_NOMEM. */
MUST_CHECK enum status group_rows_init_take(struct group_rows *rows,
    PGresult *result);

/* A zeroed one is fine. */
void group_rows_clear(struct group_rows *rows);

/*
 * The members of one group, by account; none if there is no such group. What
 * the members say of the group is the same in all of them.
 */
struct group_view {
	const struct group_member *members;
	size_t count;
};

struct group_view group_rows_view(const struct group_rows *rows,
    int64_t group_id);

/* Also who has left; NULL if it is none. */
const struct group_member *group_view_find(const struct group_view *view,
    int64_t account_id);

/* NULL also if it has left. */
const struct group_member *group_view_find_present(
    const struct group_view *view, int64_t account_id);

#endif
