#include "client/state_group_keys.h"

#include <assert.h>

#include "client/state_sql.h"

/* A run whose first parameters say whose keys of which epoch. */
static void
start(struct sql *sql, struct state *state, enum state_statement statement,
    uint64_t id, uint32_t epoch, const struct signing_public_key *sender)
{
	sql_start(sql, state, statement);
	sql_bind_u64(sql, id);
	sql_bind_u64(sql, epoch);
	sql_bind_bytes(sql, BYTES_OF(sender->bytes));
}

enum status
state_group_chain_read(struct state *state, uint64_t id, uint32_t epoch,
    const struct signing_public_key *sender, struct e2ee_group_chain *out)
{
	struct sql sql;
	bool has_row = false;
	enum status st;

	start(&sql, state, STATE_GROUP_CHAIN_READ, id, epoch, sender);
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK && !has_row)
		st = STATUS_NOT_FOUND;
	if (st == STATUS_OK) {
		out->index = sql_u64(&sql, 0);
		st = sql_copy(&sql, 1, out->key, sizeof(out->key));
	}
	sql_end(&sql);
	return st;
}

enum status
state_group_chain_write(struct state *state, uint64_t id, uint32_t epoch,
    const struct signing_public_key *sender,
    const struct e2ee_group_chain *chain)
{
	struct sql sql;

	assert(state->in_transaction);
	start(&sql, state, STATE_GROUP_CHAIN_WRITE, id, epoch, sender);
	sql_bind_u64(&sql, chain->index);
	sql_bind_bytes(&sql, BYTES_OF(chain->key));
	return sql_run(&sql);
}

enum status
state_group_skipped_read(struct state *state, uint64_t id, uint32_t epoch,
    const struct signing_public_key *sender, uint64_t index,
    struct e2ee_group_message_key *out)
{
	struct sql sql;
	bool has_row = false;
	enum status st;

	start(&sql, state, STATE_GROUP_SKIPPED_READ, id, epoch, sender);
	sql_bind_u64(&sql, index);
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK)
		st = has_row ? sql_copy(&sql, 0, out->bytes, sizeof(out->bytes))
			     : STATUS_NOT_FOUND;
	sql_end(&sql);
	return st;
}

enum status
state_group_skipped_add(struct state *state, uint64_t id, uint32_t epoch,
    const struct signing_public_key *sender, uint64_t index,
    const struct e2ee_group_message_key *key)
{
	struct sql sql;

	assert(state->in_transaction);
	start(&sql, state, STATE_GROUP_SKIPPED_ADD, id, epoch, sender);
	sql_bind_u64(&sql, index);
	sql_bind_bytes(&sql, BYTES_OF(key->bytes));
	return sql_run(&sql);
}

enum status
state_group_skipped_remove(struct state *state, uint64_t id, uint32_t epoch,
    const struct signing_public_key *sender, uint64_t index)
{
	struct sql sql;

	assert(state->in_transaction);
	start(&sql, state, STATE_GROUP_SKIPPED_REMOVE, id, epoch, sender);
	sql_bind_u64(&sql, index);
	return sql_run(&sql);
}

enum status
state_group_skipped_trim(struct state *state, uint64_t id, uint32_t epoch,
    const struct signing_public_key *sender, uint64_t keep)
{
	struct sql sql;

	assert(state->in_transaction);
	start(&sql, state, STATE_GROUP_SKIPPED_TRIM, id, epoch, sender);
	sql_bind_u64(&sql, keep);
	return sql_run(&sql);
}

enum status
state_group_counter_read(struct state *state, uint64_t id,
    const struct signing_public_key *sender, struct e2ee_chain *out,
    bool *is_known)
{
	struct e2ee_chain chain = {0};
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_GROUP_COUNTER_READ);
	sql_bind_u64(&sql, id);
	sql_bind_bytes(&sql, BYTES_OF(sender->bytes));
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row) {
		chain.counter = sql_u64(&sql, 0);
		st = sql_copy(
		    &sql, 1, chain.hash.bytes, sizeof(chain.hash.bytes));
	}
	sql_end(&sql);
	if (st == STATUS_OK) {
		*out = chain;
		*is_known = has_row;
	}
	return st;
}

enum status
state_group_counter_write(struct state *state, uint64_t id,
    const struct signing_public_key *sender, const struct e2ee_chain *chain)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_COUNTER_WRITE);
	sql_bind_u64(&sql, id);
	sql_bind_bytes(&sql, BYTES_OF(sender->bytes));
	sql_bind_u64(&sql, chain->counter);
	sql_bind_bytes(&sql, BYTES_OF(chain->hash.bytes));
	return sql_run(&sql);
}

enum status
state_group_counters_forget(struct state *state, uint64_t id)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_COUNTERS_FORGET);
	sql_bind_u64(&sql, id);
	sql_bind_bytes(&sql, BYTES_OF(state->own_key.bytes));
	return sql_run(&sql);
}
