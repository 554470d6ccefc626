#include "server/store/group_rows.h"

#include <stdlib.h>
#include <string.h>

#include "server/store/database.h"
#include "server/store/statement.h"

static int
compare_members(const void *a, const void *b)
{
	const struct group_member *x = a, *y = b;

	if (x->group_id != y->group_id)
		return x->group_id < y->group_id ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

enum status
group_rows_init_take(struct group_rows *rows, PGresult *result)
{
	size_t count = (size_t)PQntuples(result);

	memset(rows, 0, sizeof(*rows));
	if (count > 0)
		rows->members = calloc(count, sizeof(*rows->members));
	if (count > 0 && rows->members == NULL) {
		PQclear(result);
		return STATUS_NOMEM;
	}
	rows->count = count;
	for (int row = 0; (size_t)row < count; row++) {
		struct group_member *member = &rows->members[row];

		member->group_id =
		    database_int8(result, row, MEMBER_COLUMN_GROUP_ID);
		member->id =
		    database_int8(result, row, MEMBER_COLUMN_MEMBER_ID);
		member->version =
		    database_int8(result, row, MEMBER_COLUMN_VERSION);
		member->admin_id =
		    database_int8(result, row, MEMBER_COLUMN_ADMIN_ID);
		member->epoch = (uint32_t)database_int4(result, row,
		    MEMBER_COLUMN_EPOCH);
		member->has_left =
		    PQgetvalue(result, row, MEMBER_COLUMN_HAS_LEFT)[0] != 0;
	}
	PQclear(result);
	if (count > 0)
		qsort(rows->members, count, sizeof(*rows->members),
		    compare_members);
	return STATUS_OK;
}

void
group_rows_clear(struct group_rows *rows)
{
	free(rows->members);
	memset(rows, 0, sizeof(*rows));
}

/* How many members come before one. */
static size_t
count_before(const struct group_member *members, size_t count,
    int64_t group_id, int64_t account_id)
{
	const struct group_member key = { .group_id = group_id,
		.id = account_id };
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_members(&members[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct group_view
group_rows_view(const struct group_rows *rows, int64_t group_id)
{
	struct group_view view = { 0 };
	size_t first;

	if (rows->count == 0)
		return view;
	first = count_before(rows->members, rows->count, group_id, INT64_MIN);
	view.members = rows->members + first;
	view.count = count_before(view.members, rows->count - first, group_id,
	    INT64_MAX);
	return view;
}

const struct group_member *
group_view_find(const struct group_view *view, int64_t account_id)
{
	size_t index;

	if (view->count == 0)
		return NULL;
	index = count_before(view->members, view->count,
	    view->members[0].group_id, account_id);
	if (index == view->count || view->members[index].id != account_id)
		return NULL;
	return &view->members[index];
}

const struct group_member *
group_view_find_present(const struct group_view *view, int64_t account_id)
{
	const struct group_member *member = group_view_find(view, account_id);

	return member != NULL && !member->has_left ? member : NULL;
}
