#include "client/state_group_outgoing.h"

#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"
#include "client/state_messages.h"
#include "client/state_sql.h"
#include "wire/limits.h"

enum status
state_group_outgoing_add(
    struct state *state, const struct state_group_outgoing *message)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	if ((st = state_outgoing_forget_refused(state, message->id)) !=
	    STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_GROUP_OUTGOING_ADD);
	sql_bind_bytes(&sql, bytes_make(message->id, MESSAGE_ID_SIZE));
	sql_bind_u64(&sql, message->group_id);
	sql_bind_text_bytes(&sql, message->text);
	sql_bind_u64(&sql, message->sent_at_ms);
	st = sql_run(&sql);
	return (sql.code & 0xff) == SQLITE_CONSTRAINT ? STATUS_EXISTS : st;
}

enum status
state_group_outgoing_waiting(struct state *state, uint64_t group_id,
    size_t limit, struct message_list *out)
{
	struct sql sql;

	sql_start(&sql, state, STATE_GROUP_OUTGOING_WAITING);
	sql_bind_u64(&sql, group_id);
	sql_bind_u64(&sql, limit);
	return state_messages_read(&sql, out);
}

enum status
state_groups_sending(struct state *state, uint64_t **out, size_t *count)
{
	struct sql sql;

	sql_start(&sql, state, STATE_GROUPS_SENDING);
	return sql_numbers(&sql, out, count);
}

enum status
state_group_outgoing_assign(
    struct state *state, const struct state_group_sealed *sealed)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_OUTGOING_ASSIGN);
	sql_bind_i64(&sql, sealed->number);
	sql_bind_u64(&sql, sealed->sequence);
	sql_bind_u64(&sql, sealed->position);
	sql_bind_u64(&sql, sealed->epoch);
	sql_bind_u64(&sql, sealed->counter_before.counter);
	sql_bind_bytes(&sql, BYTES_OF(sealed->counter_before.hash.bytes));
	sql_bind_u64(&sql, sealed->chain_before.index);
	sql_bind_bytes(&sql, BYTES_OF(sealed->chain_before.key));
	return sql_run(&sql);
}

static enum status
read_pending(
    const struct sql *sql, uint64_t sequence, struct state_group_pending *out)
{
	struct state_group_sealed *sealed = &out->sealed;
	uint64_t epoch = sql_u64(sql, 3);
	enum status st;

	if (epoch > UINT32_MAX)
		return STATUS_FORGED;
	out->group_id = sql_u64(sql, 1);
	sealed->number = sql_i64(sql, 0);
	sealed->sequence = sequence;
	sealed->position = (size_t)sql_u64(sql, 2);
	sealed->epoch = (uint32_t)epoch;
	sealed->counter_before.counter = sql_u64(sql, 4);
	sealed->chain_before.index = sql_u64(sql, 6);
	if ((st = sql_copy(sql, 5, sealed->counter_before.hash.bytes,
		 sizeof(sealed->counter_before.hash.bytes))) != STATUS_OK)
		return st;
	return sql_copy(
	    sql, 7, sealed->chain_before.key, sizeof(sealed->chain_before.key));
}

void
state_group_pending_free(struct state_group_pending *pending, size_t count)
{
	if (pending != NULL)
		secret_wipe(pending, count * sizeof(*pending));
	free(pending);
}

enum status
state_group_pending_list(struct state *state, uint64_t sequence,
    struct state_group_pending **out, size_t *count)
{
	struct state_group_pending *pending;
	size_t used = 0;
	struct sql sql;
	bool has_row = false;
	enum status st;

	/* At its full size at once: what moves leaves secrets behind. */
	pending = calloc(WIRE_MESSAGES_PER_SEND, sizeof(*pending));
	if (pending == NULL)
		return STATUS_NOMEM;
	sql_start(&sql, state, STATE_GROUP_PENDING_LIST);
	sql_bind_u64(&sql, sequence);
	while ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row) {
		if (used == WIRE_MESSAGES_PER_SEND) {
			st = STATUS_FORGED;
			break;
		}
		if ((st = read_pending(&sql, sequence, &pending[used++])) !=
		    STATUS_OK)
			break;
	}
	sql_end(&sql);
	if (st == STATUS_OK) {
		*out = pending;
		*count = used;
		return STATUS_OK;
	}
	state_group_pending_free(pending, used);
	return st;
}

enum status
state_group_outgoing_release(struct state *state, int64_t number)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_OUTGOING_RELEASE);
	sql_bind_i64(&sql, number);
	return sql_run(&sql);
}

enum status
state_group_outgoing_refuse(
    struct state *state, uint64_t group_id, size_t *count)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_GROUP_OUTGOING_REFUSE);
	sql_bind_u64(&sql, group_id);
	if ((st = sql_run(&sql)) == STATUS_OK)
		*count = (size_t)sqlite3_changes(state->db);
	return st;
}
