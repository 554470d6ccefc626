#include "client/state_acks.h"

#include <assert.h>

#include "client/state_sql.h"
#include "wire/limits.h"

/* ---- Acknowledgements ---- */

enum status
state_ack_add(struct state *state, const uint8_t inbox_id[STATE_INBOX_ID_SIZE])
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_ACK_ADD);
	sql_bind_bytes(&sql, bytes_make(inbox_id, STATE_INBOX_ID_SIZE));
	return sql_run(&sql);
}

enum status
state_ack_assign(
    struct state *state, uint64_t sequence, size_t limit, struct buf *out)
{
	struct buf ids;
	struct sql sql;
	bool has_row = false;
	enum status st;

	assert(state->in_transaction);
	buf_init(&ids, limit * STATE_INBOX_ID_SIZE);
	sql_start(&sql, state, STATE_ACK_PICK);
	sql_bind_u64(&sql, limit);
	while ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row) {
		if (sql_bytes(&sql, 0).size != STATE_INBOX_ID_SIZE)
			st = STATUS_FORGED;
		else
			st = buf_append(&ids, sql_bytes(&sql, 0));
		if (st != STATUS_OK)
			break;
	}
	sql_end(&sql);
	for (size_t at = 0; st == STATUS_OK && at < ids.size;
	     at += STATE_INBOX_ID_SIZE) {
		sql_start(&sql, state, STATE_ACK_ASSIGN);
		sql_bind_bytes(
		    &sql, bytes_make(ids.data + at, STATE_INBOX_ID_SIZE));
		sql_bind_u64(&sql, sequence);
		st = sql_run(&sql);
	}
	if (st == STATUS_OK)
		st = buf_append(out, buf_bytes(&ids));
	buf_clear(&ids);
	return st;
}

enum status
state_ack_has(struct state *state, const uint8_t inbox_id[STATE_INBOX_ID_SIZE],
    bool *out)
{
	struct sql sql;
	uint64_t count = 0;
	enum status st;

	sql_start(&sql, state, STATE_ACK_HAS);
	sql_bind_bytes(&sql, bytes_make(inbox_id, STATE_INBOX_ID_SIZE));
	if ((st = sql_number(&sql, &count)) == STATUS_OK)
		*out = count > 0;
	return st;
}

enum status
state_ack_count(struct state *state, uint64_t *out)
{
	struct sql sql;

	sql_start(&sql, state, STATE_ACK_COUNT);
	return sql_number(&sql, out);
}

enum status
state_ack_settle(struct state *state, uint64_t sequence)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_ACK_SETTLE);
	sql_bind_u64(&sql, sequence);
	return sql_run(&sql);
}

enum status
state_ack_reopen(struct state *state, uint64_t sequence)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_ACK_REOPEN);
	sql_bind_u64(&sql, sequence);
	return sql_run(&sql);
}

enum status
state_poll_take(struct state *state, uint64_t sequence, bool *is_next)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_POLL_TAKE);
	sql_bind_u64(&sql, sequence);
	if ((st = sql_run(&sql)) == STATUS_OK)
		*is_next = sqlite3_changes(state->db) > 0;
	return st;
}

/* ---- What cannot be read ---- */

enum status
state_set_aside(struct state *state,
    const uint8_t inbox_id[STATE_INBOX_ID_SIZE], struct bytes ciphertext,
    uint64_t stored_at_ms, const char *reason)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	if (ciphertext.size > WIRE_CIPHERTEXT_MAX)
		ciphertext = bytes_empty();
	sql_start(&sql, state, STATE_SET_ASIDE_ADD);
	sql_bind_bytes(&sql, bytes_make(inbox_id, STATE_INBOX_ID_SIZE));
	sql_bind_bytes(&sql, ciphertext);
	sql_bind_u64(&sql, stored_at_ms);
	sql_bind_text(&sql, reason);
	if ((st = sql_run(&sql)) != STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_SET_ASIDE_PRUNE);
	sql_bind_u64(&sql, STATE_SET_ASIDE_MAX);
	return sql_run(&sql);
}

enum status
state_set_aside_count_untold(
    struct state *state, const char *reason, uint64_t *out)
{
	struct sql sql;

	sql_start(&sql, state, STATE_SET_ASIDE_COUNT_UNTOLD);
	sql_bind_text(&sql, reason);
	return sql_number(&sql, out);
}

enum status
state_set_aside_mark_told(struct state *state)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_SET_ASIDE_MARK_TOLD);
	return sql_run(&sql);
}
