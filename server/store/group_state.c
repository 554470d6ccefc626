#include "server/store/group_state.h"

#include <stdlib.h>
#include <string.h>

#include "server/store/database.h"
#include "server/store/statement.h"

static struct bytes
field(const PGresult *result, int row, int column)
{
	return bytes_make(PQgetvalue(result, row, column),
	    (size_t)PQgetlength(result, row, column));
}

static void
read_group(struct group_state *state, int row)
{
	const PGresult *result = state->result;

	state->is_there = true;
	state->epoch =
	    (uint32_t)database_int4(result, row, READ_COLUMN_EPOCH);
	state->admin_id = database_int8(result, row, READ_COLUMN_ADMIN_ID);
	state->name = field(result, row, READ_COLUMN_NAME);
	state->roster = field(result, row, READ_COLUMN_ROSTER);
	state->next_share = field(result, row, READ_COLUMN_SHARE);
	state->member_keys = field(result, row, READ_COLUMN_MEMBER_KEYS);
}

enum status
group_state_new_take(PGresult *result, struct group_state **out)
{
	size_t count = (size_t)PQntuples(result);
	struct group_state *state;

	state = calloc(1, sizeof(*state) + count * sizeof(state->leaves[0]));
	if (state == NULL) {
		PQclear(result);
		return STATUS_NOMEM;
	}
	state->result = result;
	for (int row = 0; (size_t)row < count; row++) {
		switch ((enum read_row)database_int4(result, row,
		    READ_COLUMN_KIND)) {
		case READ_ROW_GROUP:
			read_group(state, row);
			break;
		case READ_ROW_MEMBER:
			state->is_member = true;
			break;
		case READ_ROW_LEAVE:
			state->leaves[state->leave_count++] =
			    field(result, row, READ_COLUMN_ROSTER);
			break;
		}
	}
	*out = state;
	return STATUS_OK;
}

void
group_state_free(struct group_state *state)
{
	if (state == NULL)
		return;
	PQclear(state->result);
	free(state);
}
