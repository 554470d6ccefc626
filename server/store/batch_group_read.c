#include "server/store/batch_work.h"

#include <stdlib.h>
#include <string.h>

#include "server/store/group_state.h"

/*
 * How groups stand, and lists of them: the third stage, after its writes, and
 * for lists the one after it.
 */

/*
 * Whether the whole group is to be read: also to tell an admin again the share
 * that a repeated request of it stored.
 */
static bool
wants_state(const struct work *work)
{
	enum store_kind kind = work->operation->kind;

	if (kind == STORE_KIND_GROUP_READ)
		return work_is_served(work);
	return (kind == STORE_KIND_GROUP_CREATE ||
	    kind == STORE_KIND_GROUP_UPDATE) && !work->is_claimed &&
	    work_is_served(work);
}

static bool
wants_list(const struct work *work)
{
	return work->operation->kind == STORE_KIND_GROUP_LIST &&
	    work_is_served(work);
}

static enum database_failure
send_state(struct batch *batch, const struct work *work)
{
	enum statement statement = wants_list(work) ? STATEMENT_LIST_GROUPS :
	    STATEMENT_READ_GROUP;
	struct parameters parameters;
	enum database_failure failure;

	parameters_init(&parameters, statement_text(statement)->types);
	if (statement == STATEMENT_LIST_GROUPS) {
		parameters_int8(&parameters, 0, work->number->account_id);
		parameters_int8(&parameters, 1, group_of(work)->group_id);
		parameters_int8(&parameters, 2,
		    (int64_t)STORE_GROUP_LIST_MAX + 1);
	} else {
		parameters_int8(&parameters, 0, group_of(work)->group_id);
		parameters_int8(&parameters, 1, work->number->account_id);
	}
	failure = pipeline_send(batch->pipeline, statement, &parameters);
	parameters_clear(&parameters);
	return failure;
}

enum database_failure
batch_send_group_states(struct batch *batch)
{
	enum database_failure failure = DATABASE_FAILURE_NONE;

	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		const struct work *work = &batch->works[i];

		if (wants_state(work) || wants_list(work))
			failure = send_state(batch, work);
	}
	return failure;
}

/* The share, to the admin alone. */
static bool
copy_share(const struct work *work, const struct group_state *state,
    uint8_t out[32])
{
	bool is_admin = state->is_there && state->is_member &&
	    state->admin_id == work->number->account_id;

	memset(out, 0, STORE_KEY_SIZE);
	if (is_admin)
		memcpy(out, state->next_share.data, STORE_KEY_SIZE);
	return is_admin;
}

/* Owned by the operation from here on. */
static void
set_read(struct work *work, struct group_state *state)
{
	struct store_group_read *read = group_read_of(work);

	work->operation->memory = state;
	if (!state->is_there || !state->is_member) {
		read->head.verdict = STORE_GROUP_VERDICT_UNKNOWN;
		return;
	}
	read->epoch = state->epoch;
	read->name = state->name;
	read->roster = state->roster;
	read->leaves = state->leaves;
	read->leave_count = state->leave_count;
	read->is_admin = copy_share(work, state, read->next_share);
	if (!read->is_admin)
		return;
	read->member_keys = (const uint8_t(*)[32])state->member_keys.data;
	read->member_count = state->member_keys.size / STORE_KEY_SIZE;
}

static enum database_failure
receive_state(struct batch *batch, struct work *work)
{
	struct store_group_update *update = group_update_of(work);
	struct group_state *state = NULL;
	enum database_failure failure;
	PGresult *result = NULL;

	if ((failure = pipeline_receive(batch->pipeline, STATEMENT_READ_GROUP,
		 &result)) != DATABASE_FAILURE_NONE)
		return failure;
	if (group_state_new_take(result, &state) != STATUS_OK)
		return DATABASE_FAILURE_NOMEM;
	if (work->operation->kind == STORE_KIND_GROUP_READ) {
		set_read(work, state);
		return DATABASE_FAILURE_NONE;
	}
	if (work->operation->kind == STORE_KIND_GROUP_UPDATE)
		update->is_admin =
		    copy_share(work, state, update->current_share);
	else
		copy_share(work, state, group_create_of(work)->current_share);
	group_state_free(state);
	return DATABASE_FAILURE_NONE;
}

/* --- Lists ---------------------------------------------------------------- */

/* The ids alone: entries without names until the stage after it. */
static enum database_failure
receive_list(struct batch *batch, struct work *work)
{
	struct store_group_list *list = group_list_of(work);
	struct store_group_entry *entries;
	enum database_failure failure;
	PGresult *result = NULL;
	size_t count;

	if ((failure = pipeline_receive(batch->pipeline,
		 STATEMENT_LIST_GROUPS, &result)) != DATABASE_FAILURE_NONE)
		return failure;
	count = (size_t)PQntuples(result);
	list->has_more = count > STORE_GROUP_LIST_MAX;
	if (list->has_more)
		count = STORE_GROUP_LIST_MAX;
	entries = calloc(count + 1, sizeof(*entries));
	for (size_t i = 0; entries != NULL && i < count; i++)
		entries[i].group_id = database_int8(result, (int)i, 0);
	PQclear(result);
	if (entries == NULL)
		return DATABASE_FAILURE_NOMEM;
	work->operation->memory = entries;
	list->entries = entries;
	list->entry_count = count;
	batch->has_lists |= count > 0;
	return DATABASE_FAILURE_NONE;
}

enum database_failure
batch_receive_group_states(struct batch *batch)
{
	enum database_failure failure = DATABASE_FAILURE_NONE;

	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		struct work *work = &batch->works[i];

		if (wants_list(work))
			failure = receive_list(batch, work);
		else if (wants_state(work))
			failure = receive_state(batch, work);
	}
	return failure;
}

enum database_failure
batch_send_listed_groups(struct batch *batch)
{
	struct parameters parameters;
	enum database_failure failure;

	if (!batch->has_lists)
		return DATABASE_FAILURE_NONE;
	parameters_init(&parameters,
	    statement_text(STATEMENT_READ_GROUPS)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];
		const struct store_group_list *list = group_list_of(work);

		if (!wants_list(work))
			continue;
		for (size_t k = 0; k < list->entry_count; k++)
			parameters_int8(&parameters, 0,
			    list->entries[k].group_id);
	}
	failure = pipeline_send(batch->pipeline, STATEMENT_READ_GROUPS,
	    &parameters);
	parameters_clear(&parameters);
	return failure;
}

/* One that is gone by now is left out. */
static enum database_failure
fill_list(const struct rows *groups, struct work *work)
{
	struct store_group_list *list = group_list_of(work);
	struct store_group_entry *entries;
	size_t size = (list->entry_count + 1) * sizeof(*entries), count = 0;
	uint8_t *next;

	for (size_t i = 0; i < list->entry_count; i++) {
		int row = rows_find_int8(groups, list->entries[i].group_id);

		if (row >= 0)
			size += rows_bytes(groups, row,
			    GROUP_COLUMN_NAME).size;
	}
	if ((entries = malloc(size)) == NULL)
		return DATABASE_FAILURE_NOMEM;
	next = (uint8_t *)(entries + list->entry_count + 1);
	for (size_t i = 0; i < list->entry_count; i++) {
		int64_t group_id = list->entries[i].group_id;
		int row = rows_find_int8(groups, group_id);
		struct store_group_entry *entry = &entries[count];
		struct bytes name;

		if (row < 0)
			continue;
		name = rows_bytes(groups, row, GROUP_COLUMN_NAME);
		memcpy(next, name.data, name.size);
		entry->group_id = group_id;
		entry->name = bytes_make(next, name.size);
		entry->epoch = (uint32_t)database_int4(groups->result, row,
		    GROUP_COLUMN_EPOCH);
		entry->is_admin = database_int8(groups->result, row,
		    GROUP_COLUMN_ADMIN_ID) == work->number->account_id;
		next += name.size;
		count++;
	}
	free(work->operation->memory);
	work->operation->memory = entries;
	list->entries = entries;
	list->entry_count = count;
	return DATABASE_FAILURE_NONE;
}

enum database_failure
batch_receive_listed_groups(struct batch *batch)
{
	struct rows groups = { 0 };
	enum database_failure failure;

	if (!batch->has_lists)
		return DATABASE_FAILURE_NONE;
	if ((failure = batch_receive_rows(batch, STATEMENT_READ_GROUPS,
		 &groups)) != DATABASE_FAILURE_NONE)
		return failure;
	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		if (wants_list(&batch->works[i]))
			failure = fill_list(&groups, &batch->works[i]);
	}
	rows_clear(&groups);
	return failure;
}
