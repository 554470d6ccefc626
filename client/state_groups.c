#include "client/state_groups.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "client/state_sql.h"

/* ---- Reading rows ---- */

static enum status
copy_blob(const struct sql *sql, int column, uint8_t **out, size_t *size)
{
	char *copy = NULL;
	enum status st;

	if ((st = sql_copy_text(sql, column, &copy, size)) == STATUS_OK)
		*out = (uint8_t *)copy;
	return st;
}

/* An epoch, or a number that never is past it. */
static enum status
read_u32(const struct sql *sql, int column, uint32_t *out)
{
	uint64_t value = sql_u64(sql, column);

	if (value > UINT32_MAX)
		return STATUS_FORGED;
	*out = (uint32_t)value;
	return STATUS_OK;
}

/* All rows of one column of keys; ends the run. */
static enum status
read_keys(struct sql *sql, struct signing_public_key **out, size_t *count)
{
	struct signing_public_key *keys = NULL, *longer;
	size_t used = 0;
	bool has_row = false;
	enum status st;

	while ((st = sql_step(sql, &has_row)) == STATUS_OK && has_row) {
		longer = reallocarray(keys, used + 1, sizeof(*keys));
		if (longer == NULL) {
			st = STATUS_NOMEM;
			break;
		}
		keys = longer;
		if ((st = sql_copy(sql, 0, keys[used].bytes,
			 sizeof(keys[used].bytes))) != STATUS_OK)
			break;
		used++;
	}
	sql_end(sql);
	if (st == STATUS_OK) {
		*out = keys;
		*count = used;
		keys = NULL; /* now the caller's */
	}
	free(keys);
	return st;
}

/* ---- Groups ---- */

void
state_group_clear(struct state_group *group)
{
	free(group->name);
	free(group->roster);
	free(group->invited);
	*group = (struct state_group){0};
}

void
state_group_list_clear(struct state_group_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		state_group_clear(&list->items[i]);
	free(list->items);
	*list = (struct state_group_list){0};
}

/* The group of the current row (GROUP_COLUMNS). */
static enum status
read_group(const struct sql *sql, struct state_group *out)
{
	struct state_group group = {0};
	int64_t status = sql_i64(sql, 2);
	enum status st = STATUS_FORGED;

	if (status < GROUP_STATUS_CREATING || status > GROUP_STATUS_DELETED)
		goto out;
	group.id = sql_u64(sql, 0);
	group.status = (enum group_status)status;
	group.is_admin = sql_i64(sql, 3) != 0;
	group.is_forked = sql_i64(sql, 4) != 0;
	group.waiting = sql_u64(sql, 12);
	if ((st = read_u32(sql, 5, &group.epoch)) != STATUS_OK ||
	    (st = read_u32(sql, 6, &group.gone_epoch)) != STATUS_OK ||
	    (st = read_u32(sql, 7, &group.refused_epoch)) != STATUS_OK ||
	    (st = sql_copy_text(sql, 1, &group.name, NULL)) != STATUS_OK ||
	    (st = sql_copy_text(sql, 8, &group.invited, NULL)) != STATUS_OK)
		goto out;
	if (!sql_is_null(sql, 11)) {
		group.has_key = sql_i64(sql, 9) != 0;
		if ((st = sql_copy(sql, 10, group.roster_hash.bytes,
			 sizeof(group.roster_hash.bytes))) != STATUS_OK ||
		    (st = copy_blob(sql, 11, &group.roster,
			 &group.roster_size)) != STATUS_OK)
			goto out;
	} else if (group.epoch > 0) {
		st = STATUS_FORGED;
		goto out;
	}
	*out = group;
	group = (struct state_group){0}; /* now the caller's */
out:
	state_group_clear(&group);
	return st;
}

enum status
state_group_read(struct state *state, uint64_t id, struct state_group *out)
{
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_READ);
	sql_bind_u64(&sql, id);
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK)
		st = has_row ? read_group(&sql, out) : STATUS_NOT_FOUND;
	sql_end(&sql);
	return st;
}

enum status
state_groups_list(struct state *state, struct state_group_list *out)
{
	struct state_group_list list = {0};
	struct state_group *items;
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_LIST);
	while ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row) {
		items =
		    reallocarray(list.items, list.count + 1, sizeof(*items));
		if (items == NULL) {
			st = STATUS_NOMEM;
			break;
		}
		list.items = items;
		if ((st = read_group(&sql, &list.items[list.count])) !=
		    STATUS_OK)
			break;
		list.count++;
	}
	sql_end(&sql);
	if (st == STATUS_OK) {
		*out = list;
		list = (struct state_group_list){0}; /* now the caller's */
	}
	state_group_list_clear(&list);
	return st;
}

enum status
state_group_add(struct state *state, uint64_t id, const char *name,
    const char *invited, uint64_t creation)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_ADD);
	sql_bind_u64(&sql, id);
	sql_bind_text(&sql, name);
	sql_bind_text(&sql, invited);
	sql_bind_u64(&sql, creation);
	return sql_run(&sql);
}

enum status
state_group_created(struct state *state, uint64_t creation, uint64_t *id)
{
	struct sql sql;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_CREATED);
	sql_bind_u64(&sql, creation);
	if ((st = sql_number(&sql, id)) == STATUS_OK && *id == 0)
		st = STATUS_NOT_FOUND;
	return st;
}

/* A statement about one group. */
static enum status
run_of_group(struct state *state, enum state_statement statement, uint64_t id)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, statement);
	sql_bind_u64(&sql, id);
	return sql_run(&sql);
}

static enum status
end_epoch(struct state *state, uint64_t id, uint64_t now_ms)
{
	struct sql sql;

	sql_start(&sql, state, STATE_GROUP_EPOCH_END);
	sql_bind_u64(&sql, id);
	sql_bind_u64(&sql, now_ms);
	return sql_run(&sql);
}

static enum status
add_epoch(struct state *state, const struct state_group_entry *entry)
{
	struct sql sql;

	sql_start(&sql, state, STATE_GROUP_EPOCH_ADD);
	sql_bind_u64(&sql, entry->id);
	sql_bind_u64(&sql, entry->epoch);
	sql_bind_bytes(&sql, entry->roster);
	sql_bind_bytes(&sql, BYTES_OF(entry->roster_hash->bytes));
	sql_bind_u64(&sql, entry->has_key);
	return sql_run(&sql);
}

enum status
state_group_enter(struct state *state, const struct state_group_entry *entry)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	if ((st = end_epoch(state, entry->id, entry->now_ms)) != STATUS_OK ||
	    (st = add_epoch(state, entry)) != STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_GROUP_ADD_ENTERED);
	sql_bind_u64(&sql, entry->id);
	sql_bind_text(&sql, entry->name);
	sql_bind_u64(&sql, entry->is_admin);
	if ((st = sql_run(&sql)) != STATUS_OK)
		return st;
	sql_start(&sql, state,
	    entry->is_past ? STATE_GROUP_ENTER_PAST : STATE_GROUP_ENTER);
	sql_bind_u64(&sql, entry->id);
	sql_bind_text(&sql, entry->name);
	sql_bind_u64(&sql, entry->epoch);
	if (!entry->is_past)
		sql_bind_u64(&sql, entry->is_admin);
	if ((st = sql_run(&sql)) != STATUS_OK ||
	    (entry->is_past &&
		(st = end_epoch(state, entry->id, entry->now_ms)) != STATUS_OK))
		return st;
	return run_of_group(state, STATE_GROUP_LEAVES_FORGET, entry->id);
}

enum status
state_group_set_gone(struct state *state, uint64_t id, enum group_status status,
    uint32_t gone_epoch, uint64_t now_ms)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	if ((st = end_epoch(state, id, now_ms)) != STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_GROUP_SET_GONE);
	sql_bind_u64(&sql, id);
	sql_bind_u64(&sql, status);
	sql_bind_u64(&sql, gone_epoch);
	return sql_run(&sql);
}

enum status
state_group_set_forked(struct state *state, uint64_t id)
{
	return run_of_group(state, STATE_GROUP_SET_FORKED, id);
}

enum status
state_group_set_refused_epoch(struct state *state, uint64_t id, uint32_t epoch)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_SET_REFUSED);
	sql_bind_u64(&sql, id);
	sql_bind_u64(&sql, epoch);
	return sql_run(&sql);
}

/* ---- Epochs ---- */

void
state_group_epoch_clear(struct state_group_epoch *epoch)
{
	free(epoch->roster);
	*epoch = (struct state_group_epoch){0};
}

enum status
state_group_epoch_read(struct state *state, uint64_t id, uint32_t epoch,
    struct state_group_epoch *out)
{
	struct state_group_epoch read = {0};
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_EPOCH_READ);
	sql_bind_u64(&sql, id);
	sql_bind_u64(&sql, epoch);
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK && !has_row)
		st = STATUS_NOT_FOUND;
	if (st != STATUS_OK)
		goto out;
	read.has_key = sql_i64(&sql, 0) != 0;
	if ((st = sql_copy(&sql, 1, read.roster_hash.bytes,
		 sizeof(read.roster_hash.bytes))) != STATUS_OK ||
	    (st = copy_blob(&sql, 2, &read.roster, &read.roster_size)) !=
		STATUS_OK)
		goto out;
	*out = read;
	read = (struct state_group_epoch){0}; /* now the caller's */
out:
	sql_end(&sql);
	state_group_epoch_clear(&read);
	return st;
}

enum status
state_group_epochs_prune(struct state *state, uint64_t ended_before_ms)
{
	static const enum state_statement statements[] = {
	    STATE_GROUP_CHAINS_PRUNE,
	    STATE_GROUP_SKIPPED_PRUNE,
	    STATE_GROUP_EPOCHS_PRUNE,
	};
	struct sql sql;
	enum status st = STATUS_OK;

	assert(state->in_transaction);
	for (size_t i = 0;
	     i < sizeof(statements) / sizeof(statements[0]) && st == STATUS_OK;
	     i++) {
		sql_start(&sql, state, statements[i]);
		sql_bind_u64(&sql, ended_before_ms);
		st = sql_run(&sql);
	}
	return st;
}

enum status
state_group_epochs_have_ended(
    struct state *state, uint64_t before_ms, bool *out)
{
	struct sql sql;
	uint64_t count = 0;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_EPOCHS_COUNT_ENDED);
	sql_bind_u64(&sql, before_ms);
	if ((st = sql_number(&sql, &count)) == STATUS_OK)
		*out = count > 0;
	return st;
}

/* ---- Leaves ---- */

enum status
state_group_leave_add(struct state *state, uint64_t id,
    const struct signing_public_key *member, struct bytes leave)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_LEAVE_ADD);
	sql_bind_u64(&sql, id);
	sql_bind_bytes(&sql, BYTES_OF(member->bytes));
	sql_bind_bytes(&sql, leave);
	return sql_run(&sql);
}

enum status
state_group_leave_has(struct state *state, uint64_t id,
    const struct signing_public_key *member, bool *out)
{
	struct sql sql;
	uint64_t count = 0;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_LEAVE_HAS);
	sql_bind_u64(&sql, id);
	sql_bind_bytes(&sql, BYTES_OF(member->bytes));
	if ((st = sql_number(&sql, &count)) == STATUS_OK)
		*out = count > 0;
	return st;
}

enum status
state_group_leaves_list(struct state *state, uint64_t id,
    struct signing_public_key **out, size_t *count)
{
	struct sql sql;

	sql_start(&sql, state, STATE_GROUP_LEAVE_LIST);
	sql_bind_u64(&sql, id);
	return read_keys(&sql, out, count);
}

enum status
state_groups_owing(struct state *state, uint64_t **out, size_t *count)
{
	struct sql sql;

	sql_start(&sql, state, STATE_GROUPS_OWING);
	return sql_numbers(&sql, out, count);
}

/* ---- What goes with a request in the outbox ---- */

void
state_group_update_clear(struct state_group_update *update)
{
	free(update->memory);
	secret_wipe(update, sizeof(*update));
}

enum status
state_group_update_add(
    struct state *state, const struct state_group_update *update)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_UPDATE_ADD);
	sql_bind_u64(&sql, update->sequence);
	sql_bind_u64(&sql, update->group_id);
	sql_bind_u64(&sql, update->epoch);
	sql_bind_u64(&sql, update->purpose);
	sql_bind_text(&sql, update->name);
	sql_bind_text(&sql, update->invited);
	sql_bind_bytes(&sql, update->roster);
	if (update->has_key) {
		sql_bind_bytes(&sql, BYTES_OF(update->admin_secret.bytes));
		sql_bind_bytes(&sql, BYTES_OF(update->server_share.bytes));
	} else {
		sql_bind_text(&sql, NULL);
		sql_bind_text(&sql, NULL);
	}
	return sql_run(&sql);
}

/* Two texts and the roster, one after the other in one piece of memory. */
static enum status
read_texts(const struct sql *sql, struct state_group_update *out)
{
	struct bytes name = sql_bytes(sql, 3), invited = sql_bytes(sql, 4);
	struct bytes roster = sql_bytes(sql, 5);
	char *memory =
	    calloc(1, name.size + 1 + invited.size + 1 + roster.size);
	char *at = memory;

	if (memory == NULL)
		return STATUS_NOMEM;
	out->memory = memory;
	out->name = at;
	if (name.size > 0)
		memcpy(at, name.data, name.size);
	at += name.size + 1;
	out->invited = at;
	if (invited.size > 0)
		memcpy(at, invited.data, invited.size);
	at += invited.size + 1;
	if (roster.size > 0)
		memcpy(at, roster.data, roster.size);
	out->roster = bytes_make(at, roster.size);
	return STATUS_OK;
}

static enum status
read_update(const struct sql *sql, struct state_group_update *out)
{
	enum status st;

	out->group_id = sql_u64(sql, 0);
	if ((st = read_u32(sql, 1, &out->epoch)) != STATUS_OK ||
	    (st = read_u32(sql, 2, &out->purpose)) != STATUS_OK ||
	    (st = read_texts(sql, out)) != STATUS_OK)
		return st;
	out->has_key = !sql_is_null(sql, 6);
	if (!out->has_key)
		return STATUS_OK;
	if ((st = sql_copy(sql, 6, out->admin_secret.bytes,
		 sizeof(out->admin_secret.bytes))) != STATUS_OK)
		return st;
	return sql_copy(
	    sql, 7, out->server_share.bytes, sizeof(out->server_share.bytes));
}

enum status
state_group_update_read(
    struct state *state, uint64_t sequence, struct state_group_update *out)
{
	struct state_group_update update = {.sequence = sequence};
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_UPDATE_READ);
	sql_bind_u64(&sql, sequence);
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK)
		st = has_row ? read_update(&sql, &update) : STATUS_NOT_FOUND;
	sql_end(&sql);
	if (st == STATUS_OK)
		*out = update;
	else
		state_group_update_clear(&update);
	return st;
}

enum status
state_group_update_remove(struct state *state, uint64_t sequence)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_UPDATE_REMOVE);
	sql_bind_u64(&sql, sequence);
	return sql_run(&sql);
}

enum status
state_group_update_has(struct state *state, uint64_t group_id, bool *out)
{
	struct sql sql;
	uint64_t count = 0;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_UPDATE_COUNT);
	sql_bind_u64(&sql, group_id);
	if ((st = sql_number(&sql, &count)) == STATUS_OK)
		*out = count > 0;
	return st;
}
