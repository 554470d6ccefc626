#include "server/store/batch_work.h"

#include <stdlib.h>

/* Groups that change: their locks in stage 2, their rows in stage 3. */

bool
batch_is_touching(const struct work *work)
{
	return work->is_tried && work->change != NULL &&
	    work->operation->kind != STORE_KIND_GROUP_CREATE;
}

static int
compare_groups(const void *a, const void *b)
{
	const struct work *const *x = a, *const *y = b;
	int64_t left = group_of(*x)->group_id, right = group_of(*y)->group_id;

	return (left > right) - (left < right);
}

enum database_failure
batch_send_touch(struct batch *batch)
{
	struct work **works;
	struct parameters parameters;
	enum database_failure failure;
	size_t count = 0;

	if ((works = calloc(batch->count, sizeof(*works))) == NULL)
		return DATABASE_FAILURE_NOMEM;
	for (size_t i = 0; i < batch->count; i++) {
		if (batch_is_touching(&batch->works[i]))
			works[count++] = &batch->works[i];
	}
	qsort(works, count, sizeof(*works), compare_groups);
	parameters_init(&parameters,
	    statement_text(STATEMENT_TOUCH_GROUPS)->types);
	for (size_t i = 0; i < count; i++) {
		int64_t group_id = group_of(works[i])->group_id;
		struct group_view view =
		    group_rows_view(&batch->members, group_id);

		parameters_int8(&parameters, 0, group_id);
		parameters_int8(&parameters, 1, view.members[0].version);
	}
	failure = pipeline_send(batch->pipeline, STATEMENT_TOUCH_GROUPS,
	    &parameters);
	parameters_clear(&parameters);
	free(works);
	return failure;
}

/*
 * Whoever changed one of them since it was read did so on another connection;
 * everything that was decided about it is void.
 */
enum database_failure
batch_receive_touch(struct batch *batch)
{
	PGresult *result = NULL;
	enum database_failure failure;
	int count = 0;

	if ((failure = pipeline_receive(batch->pipeline,
		 STATEMENT_TOUCH_GROUPS, &result)) != DATABASE_FAILURE_NONE)
		return failure;
	for (size_t i = 0; i < batch->count; i++)
		count += batch_is_touching(&batch->works[i]);
	if (PQntuples(result) != count)
		failure = DATABASE_FAILURE_CONFLICT;
	PQclear(result);
	return failure;
}

/* --- Stage 3 -------------------------------------------------------------- */

/* A statement whose parameters are a group and some of its members. */
static enum database_failure
send_for_members(struct batch *batch, enum statement statement,
    int64_t group_id, const int64_t *ids, size_t count)
{
	struct parameters parameters;
	enum database_failure failure;

	if (count == 0)
		return DATABASE_FAILURE_NONE;
	parameters_init(&parameters, statement_text(statement)->types);
	parameters_int8(&parameters, 0, group_id);
	for (size_t i = 0; i < count; i++)
		parameters_int8(&parameters, 1, ids[i]);
	failure = batch_send_quiet(batch, statement, &parameters);
	parameters_clear(&parameters);
	return failure;
}

/* Who comes and who goes, in both tables. */
static enum database_failure
send_members(struct batch *batch, const struct work *work)
{
	const struct group_change *change = work->change;
	const int64_t *gone = change->ids + change->come_count;
	int64_t group_id = group_of(work)->group_id;
	enum database_failure failure;

	if ((failure = send_for_members(batch, STATEMENT_ADD_MEMBERS, group_id,
		 change->ids, change->come_count)) != DATABASE_FAILURE_NONE ||
	    (failure = send_for_members(batch, STATEMENT_INDEX_MEMBERS,
		 group_id, change->ids, change->come_count)) !=
	    DATABASE_FAILURE_NONE ||
	    (failure = send_for_members(batch, STATEMENT_REMOVE_MEMBERS,
		 group_id, gone, change->gone_count)) != DATABASE_FAILURE_NONE)
		return failure;
	return send_for_members(batch, STATEMENT_UNINDEX_MEMBERS, group_id,
	    gone, change->gone_count);
}

static enum database_failure
send_create(struct batch *batch, const struct work *work)
{
	const struct store_group_create *create = group_create_of(work);
	struct parameters parameters;
	enum database_failure failure;

	parameters_init(&parameters,
	    statement_text(STATEMENT_INSERT_GROUP)->types);
	parameters_int8(&parameters, 0, create->head.group_id);
	parameters_bytes(&parameters, 1, create->name);
	parameters_int8(&parameters, 2, work->number->account_id);
	parameters_bytes(&parameters, 3, BYTES_OF(create->next_share));
	parameters_bytes(&parameters, 4, BYTES_OF(create->next_share_hash));
	parameters_bytes(&parameters, 5, bytes_make(create->member_keys,
	    create->member_count * STORE_KEY_SIZE));
	failure = batch_send_quiet(batch, STATEMENT_INSERT_GROUP, &parameters);
	parameters_clear(&parameters);
	return failure != DATABASE_FAILURE_NONE ? failure :
	    send_members(batch, work);
}

static enum database_failure
send_update(struct batch *batch, const struct work *work)
{
	const struct store_group_update *update = group_update_of(work);
	struct parameters parameters;
	enum database_failure failure;

	parameters_init(&parameters,
	    statement_text(STATEMENT_UPDATE_GROUP)->types);
	parameters_int8(&parameters, 0, update->head.group_id);
	parameters_int4(&parameters, 1, (int32_t)update->epoch);
	parameters_bytes(&parameters, 2, update->name);
	parameters_int8(&parameters, 3, work->change->admin_id);
	parameters_bytes(&parameters, 4, BYTES_OF(update->next_share));
	parameters_bytes(&parameters, 5, BYTES_OF(update->next_share_hash));
	parameters_bytes(&parameters, 6, update->roster);
	parameters_bytes(&parameters, 7, BYTES_OF(update->roster_hash));
	failure = batch_send_quiet(batch, STATEMENT_UPDATE_GROUP, &parameters);
	parameters_clear(&parameters);
	return failure != DATABASE_FAILURE_NONE ? failure :
	    send_members(batch, work);
}

/* It stays among the members, as one who has left, until the next update. */
static enum database_failure
send_leave(struct batch *batch, const struct work *work)
{
	const struct store_group_leave *leave = group_leave_of(work);
	int64_t account_id = work->number->account_id;
	struct parameters parameters;
	enum database_failure failure;

	parameters_init(&parameters,
	    statement_text(STATEMENT_SET_LEAVE)->types);
	parameters_int8(&parameters, 0, leave->head.group_id);
	parameters_int8(&parameters, 1, account_id);
	parameters_bytes(&parameters, 2, leave->leave);
	failure = batch_send_quiet(batch, STATEMENT_SET_LEAVE, &parameters);
	parameters_clear(&parameters);
	return failure != DATABASE_FAILURE_NONE ? failure :
	    send_for_members(batch, STATEMENT_UNINDEX_MEMBERS,
		leave->head.group_id, &account_id, 1);
}

static enum database_failure
send_delete(struct batch *batch, const struct work *work)
{
	struct parameters parameters;
	enum database_failure failure;

	parameters_init(&parameters,
	    statement_text(STATEMENT_DELETE_GROUP)->types);
	parameters_int8(&parameters, 0, group_of(work)->group_id);
	failure = batch_send_quiet(batch, STATEMENT_DELETE_GROUP, &parameters);
	parameters_clear(&parameters);
	return failure != DATABASE_FAILURE_NONE ? failure :
	    send_members(batch, work);
}

static enum database_failure
send_change(struct batch *batch, const struct work *work)
{
	switch (work->operation->kind) {
	case STORE_KIND_GROUP_CREATE:
		return send_create(batch, work);
	case STORE_KIND_GROUP_UPDATE:
		return send_update(batch, work);
	case STORE_KIND_GROUP_LEAVE:
		return send_leave(batch, work);
	case STORE_KIND_GROUP_DELETE:
		return send_delete(batch, work);
	case STORE_KIND_ACCOUNT:
	case STORE_KIND_SIGN_UP:
	case STORE_KIND_SEND:
	case STORE_KIND_POLL:
	case STORE_KIND_FETCH:
	case STORE_KIND_LOOKUP:
	case STORE_KIND_REFUSE:
	case STORE_KIND_GROUP_READ:
	case STORE_KIND_GROUP_LIST:
		break;
	}
	return DATABASE_FAILURE_NONE;
}

enum database_failure
batch_send_group_changes(struct batch *batch)
{
	enum database_failure failure = DATABASE_FAILURE_NONE;

	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		const struct work *work = &batch->works[i];

		if (work->is_claimed && work->change != NULL)
			failure = send_change(batch, work);
	}
	return failure;
}
