#include "client/state_group_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/state_sql.h"

void
state_group_item_clear(struct state_group_item *item)
{
	free(item->memory);
	*item = (struct state_group_item){0};
}

enum status
state_group_item_add(struct state *state, const struct state_group_item *item)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_ITEM_ADD);
	sql_bind_bytes(&sql, BYTES_OF(item->inbox_id));
	sql_bind_u64(&sql, item->group_id);
	sql_bind_u64(&sql, item->kind);
	sql_bind_u64(&sql, item->epoch);
	sql_bind_u64(&sql, item->stored_at_ms);
	sql_bind_bytes(&sql, item->ciphertext);
	sql_bind_bytes(&sql, item->roster);
	sql_bind_bytes(&sql, item->leave);
	return sql_run(&sql);
}

/* What every row of it begins with. */
static enum status
read_item(const struct sql *sql, struct state_group_item *out)
{
	int64_t kind = sql_i64(sql, 3);
	uint64_t epoch = sql_u64(sql, 4);

	if (kind < STATE_GROUP_ITEM_KEY || kind > STATE_GROUP_ITEM_MESSAGE ||
	    epoch > UINT32_MAX)
		return STATUS_FORGED;
	*out = (struct state_group_item){
	    .number = sql_i64(sql, 0),
	    .kind = (enum state_group_item_kind)kind,
	    .group_id = sql_u64(sql, 2),
	    .epoch = (uint32_t)epoch,
	    .stored_at_ms = sql_u64(sql, 5),
	};
	return sql_copy(sql, 1, out->inbox_id, sizeof(out->inbox_id));
}

enum status
state_group_items_list(struct state *state, int64_t after, size_t limit,
    struct state_group_item **out, size_t *count)
{
	struct state_group_item *items = calloc(limit, sizeof(*items));
	size_t used = 0;
	struct sql sql;
	bool has_row = false;
	enum status st;

	if (items == NULL)
		return STATUS_NOMEM;
	sql_start(&sql, state, STATE_GROUP_ITEM_LIST);
	sql_bind_i64(&sql, after);
	sql_bind_u64(&sql, limit);
	while ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row &&
	       used < limit)
		if ((st = read_item(&sql, &items[used++])) != STATUS_OK)
			break;
	sql_end(&sql);
	if (st == STATUS_OK) {
		*out = items;
		*count = used;
		items = NULL; /* now the caller's */
	}
	free(items);
	return st;
}

/* Copies three columns into one piece of memory. */
static enum status
read_contents(const struct sql *sql, struct state_group_item *item)
{
	struct bytes *const fields[] = {
	    &item->ciphertext,
	    &item->roster,
	    &item->leave,
	};
	size_t size = 1;
	uint8_t *at;

	for (int i = 0; i < 3; i++)
		size += sql_bytes(sql, 6 + i).size;
	if ((at = malloc(size)) == NULL)
		return STATUS_NOMEM;
	item->memory = at;
	for (int i = 0; i < 3; i++) {
		struct bytes from = sql_bytes(sql, 6 + i);

		if (from.size > 0)
			memcpy(at, from.data, from.size);
		*fields[i] = bytes_make(at, from.size);
		at += from.size;
	}
	return STATUS_OK;
}

enum status
state_group_item_read(
    struct state *state, int64_t number, struct state_group_item *out)
{
	struct state_group_item item = {0};
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_ITEM_READ);
	sql_bind_i64(&sql, number);
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK && !has_row)
		st = STATUS_NOT_FOUND;
	if (st == STATUS_OK && (st = read_item(&sql, &item)) == STATUS_OK)
		st = read_contents(&sql, &item);
	sql_end(&sql);
	if (st == STATUS_OK)
		*out = item;
	return st;
}

enum status
state_group_item_remove(struct state *state, int64_t number)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_ITEM_REMOVE);
	sql_bind_i64(&sql, number);
	return sql_run(&sql);
}

enum status
state_group_items_count(struct state *state, uint64_t *out)
{
	struct sql sql;

	sql_start(&sql, state, STATE_GROUP_ITEM_COUNT);
	return sql_number(&sql, out);
}

enum status
state_group_item_lowest_update(
    struct state *state, uint64_t group_id, uint32_t above, uint32_t *out)
{
	struct sql sql;
	uint64_t epoch = 0;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_ITEM_LOWEST_UPDATE);
	sql_bind_u64(&sql, group_id);
	sql_bind_u64(&sql, above);
	if ((st = sql_number(&sql, &epoch)) != STATUS_OK)
		return st;
	if (epoch > UINT32_MAX)
		return STATUS_FORGED;
	*out = (uint32_t)epoch;
	return STATUS_OK;
}

enum status
state_group_item_has_update(struct state *state, uint64_t group_id, bool *out)
{
	struct sql sql;
	uint64_t has = 0;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_ITEM_HAS_UPDATE);
	sql_bind_u64(&sql, group_id);
	if ((st = sql_number(&sql, &has)) == STATUS_OK)
		*out = has > 0;
	return st;
}
