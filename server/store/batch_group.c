#include "server/store/batch_work.h"

#include <stdlib.h>
#include <string.h>

/* Groups in the first stage: what is read of them, and the verdicts. */

/* Of which groups the members matter to it; false: of none. */
static bool
wants_members(const struct work *work)
{
	enum store_kind kind = work->operation->kind;

	return kind == STORE_KIND_GROUP_UPDATE ||
	    kind == STORE_KIND_GROUP_LEAVE ||
	    kind == STORE_KIND_GROUP_DELETE || kind == STORE_KIND_GROUP_READ;
}

static void
append_groups_of_send(const struct store_send *send,
    struct parameters *parameters)
{
	for (size_t i = 0; i < send->message_count; i++) {
		int64_t group_id = send->messages[i].group_id;

		/* Often all are for the same one. */
		if (group_id != 0 && (i == 0 ||
			send->messages[i - 1].group_id != group_id))
			parameters_int8(parameters, 0, group_id);
	}
}

enum database_failure
batch_send_group_reads(struct batch *batch, bool *has_groups,
    bool *has_members)
{
	struct parameters groups, members;
	enum database_failure failure = DATABASE_FAILURE_NONE;

	parameters_init(&groups, statement_text(STATEMENT_READ_GROUPS)->types);
	parameters_init(&members,
	    statement_text(STATEMENT_READ_MEMBERS)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];
		enum store_kind kind = work->operation->kind;

		if (kind == STORE_KIND_SEND)
			append_groups_of_send(send_of(work), &members);
		if (kind == STORE_KIND_GROUP_UPDATE)
			parameters_int8(&groups, 0, group_of(work)->group_id);
		if (wants_members(work))
			parameters_int8(&members, 0,
			    group_of(work)->group_id);
	}
	*has_groups = parameters_count(&groups, 0) > 0;
	*has_members = parameters_count(&members, 0) > 0;
	if (*has_groups)
		failure = pipeline_send(batch->pipeline,
		    STATEMENT_READ_GROUPS, &groups);
	if (*has_members && failure == DATABASE_FAILURE_NONE)
		failure = pipeline_send(batch->pipeline,
		    STATEMENT_READ_MEMBERS, &members);
	parameters_clear(&groups);
	parameters_clear(&members);
	return failure;
}

static void
append_keys(struct parameters *parameters, const uint8_t (*keys)[32],
    size_t count)
{
	for (size_t i = 0; i < count; i++)
		parameters_bytes(parameters, 0, BYTES_OF(keys[i]));
}

static void
append_member_keys(struct parameters *parameters,
    const struct store_group_member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		parameters_bytes(parameters, 0,
		    BYTES_OF(members[i].signing_key));
}

void
batch_append_group_keys(const struct work *work, struct parameters *parameters)
{
	const struct store_group_create *create = group_create_of(work);
	const struct store_group_update *update = group_update_of(work);
	const struct store_group_delete *end = group_delete_of(work);

	if (work->operation->kind == STORE_KIND_GROUP_CREATE) {
		append_keys(parameters, create->member_keys,
		    create->member_count);
	} else if (work->operation->kind == STORE_KIND_GROUP_UPDATE) {
		/* The added ones and the admin are among the members. */
		append_member_keys(parameters, update->members,
		    update->member_count);
		append_member_keys(parameters, update->removed,
		    update->removed_count);
	} else if (work->operation->kind == STORE_KIND_GROUP_DELETE) {
		append_member_keys(parameters, end->letters,
		    end->letter_count);
	}
}

/* --- Verdicts ------------------------------------------------------------- */

static struct group_change *
change_new(size_t capacity)
{
	struct group_change *change =
	    malloc(sizeof(*change) + capacity * sizeof(change->ids[0]));

	if (change != NULL)
		memset(change, 0, sizeof(*change));
	return change;
}

static enum database_failure
judge_create(struct batch *batch, struct work *work)
{
	const struct store_group_create *create = group_create_of(work);
	struct group_change *change = change_new(1 + create->member_count);

	if (change == NULL)
		return DATABASE_FAILURE_NOMEM;
	change->ids[change->come_count++] = work->number->account_id;
	for (size_t i = 0; i < create->member_count; i++) {
		if (!batch_find_current(batch, create->member_keys[i],
			&change->ids[change->come_count++])) {
			group_of(work)->verdict =
			    STORE_GROUP_VERDICT_STALE_MEMBER;
			free(change);
			return DATABASE_FAILURE_NONE;
		}
	}
	work->change = change;
	return DATABASE_FAILURE_NONE;
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

/* What an update makes of each one who is in the group. */
enum fate {
	FATE_OPEN,
	FATE_KEPT,
	FATE_REMOVED,
};

/* An update while its members are compared with the group's. */
struct comparison {
	const struct batch *batch;
	const struct store_group_update *update;
	struct group_view view;
	uint8_t *fates; /* of the view's members */
	int64_t *added; /* accounts, sorted */
};

/* Those who are to go are in the group, or have left it. */
static bool
compare_removed(const struct comparison *c)
{
	const struct store_group_update *update = c->update;

	for (size_t i = 0; i < update->removed_count; i++) {
		const struct group_member *member;
		enum key_state state;
		int64_t id;

		if (!batch_find_key(c->batch,
			BYTES_OF(update->removed[i].signing_key), &id,
			&state) || state == KEY_STATE_SPENT ||
		    (member = group_view_find(&c->view, id)) == NULL)
			return false;
		c->fates[member - c->view.members] = FATE_REMOVED;
	}
	return true;
}

/* Those who are to come are not in the group, and are named once. */
static bool
compare_added(const struct comparison *c)
{
	const struct store_group_update *update = c->update;

	for (size_t i = 0; i < update->added_count; i++) {
		if (!batch_find_current(c->batch, update->added_keys[i],
			&c->added[i]) ||
		    group_view_find_present(&c->view, c->added[i]) != NULL)
			return false;
	}
	if (update->added_count > 0)
		qsort(c->added, update->added_count, sizeof(*c->added),
		    compare_ids);
	for (size_t i = 1; i < update->added_count; i++) {
		if (c->added[i] == c->added[i - 1])
			return false;
	}
	return true;
}

/*
 * The roster has who is in the group and does not go, and who comes; a member
 * stands in it once, as its key does.
 */
static bool
compare_members(const struct comparison *c)
{
	const struct store_group_update *update = c->update;
	size_t come_count = 0;

	for (size_t i = 0; i < update->member_count; i++) {
		const struct group_member *member;
		int64_t id;

		if (!batch_find_current(c->batch,
			update->members[i].signing_key, &id))
			return false;
		member = group_view_find(&c->view, id);
		if (member != NULL &&
		    c->fates[member - c->view.members] != FATE_OPEN)
			return false;
		if (member != NULL)
			c->fates[member - c->view.members] = FATE_KEPT;
		if (member != NULL && !member->has_left)
			continue;
		if (update->added_count == 0 ||
		    bsearch(&id, c->added, update->added_count,
			sizeof(*c->added), compare_ids) == NULL)
			return false;
		come_count++;
	}
	for (size_t i = 0; i < c->view.count; i++) {
		if (c->fates[i] == FATE_OPEN && !c->view.members[i].has_left)
			return false;
	}
	return come_count == update->added_count;
}

static struct group_change *
make_change(const struct comparison *c, int64_t admin_id)
{
	size_t added_count = c->update->added_count;
	struct group_change *change = change_new(added_count + c->view.count);

	if (change == NULL)
		return NULL;
	change->admin_id = admin_id;
	change->come_count = added_count;
	if (added_count > 0)
		memcpy(change->ids, c->added,
		    added_count * sizeof(change->ids[0]));
	for (size_t i = 0; i < c->view.count; i++) {
		if (c->fates[i] != FATE_KEPT)
			change->ids[added_count + change->gone_count++] =
			    c->view.members[i].id;
	}
	return change;
}

static enum database_failure
judge_members(struct batch *batch, struct work *work,
    const struct group_view *view, int64_t admin_id)
{
	const struct store_group_update *update = group_update_of(work);
	struct comparison c = { .batch = batch, .update = update,
		.view = *view };
	enum database_failure failure = DATABASE_FAILURE_NOMEM;

	c.fates = calloc(view->count, sizeof(*c.fates));
	c.added = calloc(update->added_count + 1, sizeof(*c.added));
	if (c.fates == NULL || c.added == NULL)
		goto out;
	failure = DATABASE_FAILURE_NONE;
	if (!compare_removed(&c) || !compare_added(&c) ||
	    !compare_members(&c))
		group_of(work)->verdict = STORE_GROUP_VERDICT_UNFIT;
	else if ((work->change = make_change(&c, admin_id)) == NULL)
		failure = DATABASE_FAILURE_NOMEM;
out:
	free(c.fates);
	free(c.added);
	return failure;
}

/* Everything but the members; group is the row of STATEMENT_READ_GROUPS. */
static enum store_group_verdict
judge_update_head(const struct batch *batch, const struct work *work, int group,
    int64_t *admin_id)
{
	const struct store_group_update *update = group_update_of(work);
	uint32_t epoch = (uint32_t)database_int4(batch->groups.result, group,
	    GROUP_COLUMN_EPOCH);

	if (update->epoch != epoch + 1 ||
	    !bytes_equal(BYTES_OF(update->share_hash),
		rows_bytes(&batch->groups, group, GROUP_COLUMN_SHARE_HASH)) ||
	    (epoch > 0 && !bytes_equal(BYTES_OF(update->previous_hash),
		rows_bytes(&batch->groups, group, GROUP_COLUMN_ROSTER_HASH))))
		return STORE_GROUP_VERDICT_MOVED;
	for (size_t i = 0; i < update->member_count; i++) {
		if (!batch_find_current(batch, update->members[i].signing_key,
			admin_id))
			return STORE_GROUP_VERDICT_STALE_MEMBER;
	}
	if (!batch_find_current(batch, update->admin_key, admin_id))
		return STORE_GROUP_VERDICT_STALE_MEMBER;
	if ((!update->may_hand_over &&
		*admin_id != work->number->account_id) ||
	    (!update->may_rename && !bytes_equal(update->name,
		rows_bytes(&batch->groups, group, GROUP_COLUMN_NAME))))
		return STORE_GROUP_VERDICT_WRONG_ROSTER;
	return STORE_GROUP_VERDICT_DONE;
}

static enum database_failure
judge_update(struct batch *batch, struct work *work,
    const struct group_view *view)
{
	struct store_group_head *head = group_of(work);
	int group = rows_find_int8(&batch->groups, head->group_id);
	int64_t admin_id = 0;

	/* Two statements read it, between which it may have changed. */
	if (group < 0 || database_int8(batch->groups.result, group,
		GROUP_COLUMN_VERSION) != view->members[0].version)
		return DATABASE_FAILURE_CONFLICT;
	head->verdict = judge_update_head(batch, work, group, &admin_id);
	if (head->verdict != STORE_GROUP_VERDICT_DONE)
		return DATABASE_FAILURE_NONE;
	return judge_members(batch, work, view, admin_id);
}

static enum database_failure
judge_leave(struct work *work, const struct group_view *view)
{
	int64_t account_id = work->number->account_id;
	struct group_change *change;

	if (view->members[0].admin_id == account_id) {
		group_of(work)->verdict = STORE_GROUP_VERDICT_ADMIN_LEAVES;
		return DATABASE_FAILURE_NONE;
	}
	if (view->members[0].epoch == 0) {
		group_of(work)->verdict = STORE_GROUP_VERDICT_NO_KEY;
		return DATABASE_FAILURE_NONE;
	}
	if (group_leave_of(work)->epoch != view->members[0].epoch) {
		group_of(work)->verdict = STORE_GROUP_VERDICT_MOVED;
		return DATABASE_FAILURE_NONE;
	}
	if ((change = change_new(1)) == NULL)
		return DATABASE_FAILURE_NOMEM;
	work->change = change;
	change->ids[change->gone_count++] = account_id;
	return DATABASE_FAILURE_NONE;
}

/* A letter is for another member, also if its key is not current any more. */
static bool
is_for_other_member(const struct batch *batch, const struct work *work,
    const struct group_view *view, const struct store_group_member *letter)
{
	enum key_state state;
	int64_t id;

	return batch_find_key(batch, BYTES_OF(letter->signing_key), &id,
	    &state) && state != KEY_STATE_SPENT &&
	    id != work->number->account_id &&
	    group_view_find_present(view, id) != NULL;
}

static enum database_failure
judge_delete(struct batch *batch, struct work *work,
    const struct group_view *view)
{
	const struct store_group_delete *end = group_delete_of(work);
	struct group_change *change;

	if (end->epoch != view->members[0].epoch) {
		group_of(work)->verdict = STORE_GROUP_VERDICT_MOVED;
		return DATABASE_FAILURE_NONE;
	}
	for (size_t i = 0; i < end->letter_count; i++) {
		if (!is_for_other_member(batch, work, view,
			&end->letters[i])) {
			group_of(work)->verdict = STORE_GROUP_VERDICT_UNFIT;
			return DATABASE_FAILURE_NONE;
		}
	}
	if ((change = change_new(view->count)) == NULL)
		return DATABASE_FAILURE_NOMEM;
	work->change = change;
	for (size_t i = 0; i < view->count; i++)
		change->ids[change->gone_count++] = view->members[i].id;
	return DATABASE_FAILURE_NONE;
}

enum database_failure
batch_judge_group(struct batch *batch, struct work *work)
{
	struct store_group_head *head = group_of(work);
	enum store_kind kind = work->operation->kind;
	int64_t account_id = work->number->account_id;
	struct group_view view;

	if (kind == STORE_KIND_GROUP_CREATE)
		return judge_create(batch, work);
	if (kind == STORE_KIND_GROUP_LIST)
		return DATABASE_FAILURE_NONE;
	view = group_rows_view(&batch->members, head->group_id);
	if (group_view_find_present(&view, account_id) == NULL) {
		head->verdict = STORE_GROUP_VERDICT_UNKNOWN;
		return DATABASE_FAILURE_NONE;
	}
	if (kind == STORE_KIND_GROUP_LEAVE)
		return judge_leave(work, &view);
	if (kind == STORE_KIND_GROUP_READ)
		return DATABASE_FAILURE_NONE;
	if (view.members[0].admin_id != account_id) {
		head->verdict = STORE_GROUP_VERDICT_NOT_ADMIN;
		return DATABASE_FAILURE_NONE;
	}
	return kind == STORE_KIND_GROUP_UPDATE ?
	    judge_update(batch, work, &view) :
	    judge_delete(batch, work, &view);
}
