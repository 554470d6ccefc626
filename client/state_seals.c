#include "client/state_seals.h"

#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"
#include "client/state_sql.h"

/* Of all requests together: beside a current one, some parked polls. */
#define LIST_MAX ((size_t)4 * STATE_SEALS_MAX)

enum status
state_seal_add(struct state *state, const struct state_seal *seal)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_SEAL_ADD);
	sql_bind_u64(&sql, seal->sequence);
	sql_bind_bytes(&sql, BYTES_OF(seal->sealing_key.bytes));
	sql_bind_bytes(&sql, BYTES_OF(seal->reply_secret));
	if ((st = sql_run(&sql)) != STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_SEAL_PRUNE);
	sql_bind_u64(&sql, seal->sequence);
	sql_bind_u64(&sql, STATE_SEALS_MAX);
	return sql_run(&sql);
}

void
state_seals_free(struct state_seal *seals, size_t count)
{
	if (seals == NULL)
		return;
	secret_wipe(seals, count * sizeof(*seals));
	free(seals);
}

enum status
state_seals_list(struct state *state, const char *method,
    struct state_seal **out, size_t *count)
{
	struct state_seal *seals = calloc(LIST_MAX, sizeof(*seals));
	size_t found = 0;
	bool has_row = true;
	struct sql sql;
	enum status st = STATUS_OK;

	if (seals == NULL)
		return STATUS_NOMEM;
	sql_start(&sql, state, STATE_SEAL_LIST);
	sql_bind_text(&sql, method);
	while (found < LIST_MAX &&
	       (st = sql_step(&sql, &has_row)) == STATUS_OK && has_row) {
		struct state_seal *seal = &seals[found++];

		seal->sequence = sql_u64(&sql, 0);
		if ((st = sql_copy(&sql, 1, seal->sealing_key.bytes,
			 sizeof(seal->sealing_key.bytes))) != STATUS_OK ||
		    (st = sql_copy(&sql, 2, seal->reply_secret,
			 sizeof(seal->reply_secret))) != STATUS_OK)
			break;
	}
	sql_end(&sql);
	if (st == STATUS_OK) {
		*out = seals;
		*count = found;
		seals = NULL; /* now the caller's */
	}
	state_seals_free(seals, LIST_MAX);
	return st;
}

enum status
state_seals_has(struct state *state, uint64_t sequence, bool *out)
{
	uint64_t count;
	struct sql sql;
	enum status st;

	sql_start(&sql, state, STATE_SEAL_COUNT);
	sql_bind_u64(&sql, sequence);
	if ((st = sql_number(&sql, &count)) == STATUS_OK)
		*out = count > 0;
	return st;
}
