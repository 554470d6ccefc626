#include "server/store/batch_work.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "server/store/message_id.h"
#include "server/store/send_result.h"

/* The second stage: claim. */

static int
compare_keys(const void *a, const void *b)
{
	const struct work *const *x = a, *const *y = b;

	return bytes_compare(work_signing_key(*x), work_signing_key(*y));
}

static int
compare_names(const void *a, const void *b)
{
	const struct work *const *x = a, *const *y = b;

	return bytes_compare(sign_up_of(*x)->name, sign_up_of(*y)->name);
}

/* Assigns ids and appends the claim's last columns. */
static void
append_send_result(struct batch *batch, struct work *work,
    struct parameters *parameters)
{
	struct store_send *send = send_of(work);
	int row = rows_find_int8(&batch->accounts, work->number->account_id);
	struct bytes previous = rows_bytes(&batch->accounts, row,
	    ACCOUNT_COLUMN_LAST_MESSAGE_ID);
	uint8_t first_id[STORE_ID_SIZE], last_id[STORE_ID_SIZE];
	uint8_t encoded[SEND_RESULT_MAX];
	bool has_stored = false;
	size_t size;

	for (size_t i = 0; i < send->message_count; i++)
		has_stored |=
		    send->messages[i].outcome == STORE_SEND_OUTCOME_STORED;
	message_id_next(previous.size == STORE_ID_SIZE ? previous.data : NULL,
	    clock_wall_ms(), first_id);
	size = send_result_assign(send->messages, send->message_count, first_id,
	    last_id, encoded);
	parameters_bytes(parameters, CLAIM_PARAMETER_RESULT,
	    bytes_make(encoded, size));
	if (has_stored)
		parameters_bytes(parameters, CLAIM_PARAMETER_MESSAGE_ID,
		    BYTES_OF(last_id));
	else
		parameters_null(parameters, CLAIM_PARAMETER_MESSAGE_ID);
}

/* The refusal that a claim stores; code 0: none. */
static struct store_refusal
refusal_of(const struct work *work)
{
	struct store_refusal refusal = { 0, "" };

	if (work->operation->kind == STORE_KIND_REFUSE) {
		refusal.code = refuse_of(work)->code;
		refusal.message = refuse_of(work)->message;
	} else if (work_is_group(work) &&
	    group_of(work)->verdict != STORE_GROUP_VERDICT_DONE) {
		refusal = group_of(work)->refusals[group_of(work)->verdict];
		assert(refusal.code != 0);
	}
	return refusal;
}

/* Assigns the id of what members get, and appends the claim's last columns. */
static void
append_group_result(struct batch *batch, struct work *work,
    struct parameters *parameters)
{
	int row = rows_find_int8(&batch->accounts, work->number->account_id);
	struct bytes previous = rows_bytes(&batch->accounts, row,
	    ACCOUNT_COLUMN_LAST_MESSAGE_ID);
	uint8_t group_id[8];

	if (work->operation->kind == STORE_KIND_GROUP_CREATE) {
		bytes_put_u64be(group_id, (uint64_t)group_of(work)->group_id);
		parameters_bytes(parameters, CLAIM_PARAMETER_RESULT,
		    BYTES_OF(group_id));
		parameters_null(parameters, CLAIM_PARAMETER_MESSAGE_ID);
		return;
	}
	message_id_next(previous.size == STORE_ID_SIZE ? previous.data : NULL,
	    clock_wall_ms(), work->id);
	parameters_bytes(parameters, CLAIM_PARAMETER_RESULT, bytes_empty());
	parameters_bytes(parameters, CLAIM_PARAMETER_MESSAGE_ID,
	    BYTES_OF(work->id));
}

static void
append_claim(struct batch *batch, struct work *work,
    struct parameters *parameters)
{
	const struct store_number *number = work->number;
	struct store_refusal refusal = refusal_of(work);

	parameters_int8(parameters, CLAIM_PARAMETER_ID, number->account_id);
	parameters_bytes(parameters, CLAIM_PARAMETER_SIGNING_KEY,
	    BYTES_OF(number->signing_key));
	parameters_int8(parameters, CLAIM_PARAMETER_SEQ,
	    (int64_t)number->sequence);
	parameters_bytes(parameters, CLAIM_PARAMETER_HASH,
	    BYTES_OF(number->request_hash));
	parameters_int4(parameters, CLAIM_PARAMETER_CODE,
	    (int32_t)refusal.code);
	parameters_bytes(parameters, CLAIM_PARAMETER_MESSAGE,
	    bytes_from_string(refusal.message));
	if (work->operation->kind == STORE_KIND_SEND) {
		append_send_result(batch, work, parameters);
		return;
	}
	if (work->change != NULL) {
		append_group_result(batch, work, parameters);
		return;
	}
	parameters_bytes(parameters, CLAIM_PARAMETER_RESULT, bytes_empty());
	parameters_null(parameters, CLAIM_PARAMETER_MESSAGE_ID);
}

static enum database_failure
send_claims(struct batch *batch)
{
	struct parameters parameters;
	enum database_failure failure;

	parameters_init(&parameters, statement_text(STATEMENT_CLAIM)->types);
	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];

		if (work_is_numbered(work) && work->is_tried)
			append_claim(batch, work, &parameters);
	}
	failure = pipeline_send(batch->pipeline, STATEMENT_CLAIM,
	    &parameters);
	parameters_clear(&parameters);
	return failure;
}

static enum database_failure
send_read_owners(struct batch *batch)
{
	struct parameters parameters;
	enum database_failure failure;

	parameters_init(&parameters,
	    statement_text(STATEMENT_READ_ACCOUNTS)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];
		enum store_kind kind = work->operation->kind;
		enum key_state state;
		int64_t account_id;

		if ((kind == STORE_KIND_ACCOUNT &&
			batch_find_key(batch,
			    BYTES_OF(account_of(work)->signing_key),
			    &account_id, &state)) ||
		    (kind == STORE_KIND_SIGN_UP &&
			batch_find_key(batch, work_signing_key(work),
			    &account_id, &state)))
			parameters_int8(&parameters, 0, account_id);
	}
	failure = pipeline_send(batch->pipeline, STATEMENT_READ_ACCOUNTS,
	    &parameters);
	parameters_clear(&parameters);
	return failure;
}

/* The sign-ups of new keys in the order that compare says. */
static enum database_failure
send_inserts(struct batch *batch, enum statement statement,
    int (*compare)(const void *, const void *))
{
	struct work **sign_ups;
	struct parameters parameters;
	enum database_failure failure;
	size_t count = 0;

	if ((sign_ups = calloc(batch->count, sizeof(*sign_ups))) == NULL)
		return DATABASE_FAILURE_NOMEM;
	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];

		if (work->operation->kind == STORE_KIND_SIGN_UP &&
		    work->is_tried)
			sign_ups[count++] = work;
	}
	qsort(sign_ups, count, sizeof(*sign_ups), compare);
	parameters_init(&parameters, statement_text(statement)->types);
	for (size_t i = 0; i < count; i++) {
		const struct store_sign_up *sign_up = sign_up_of(sign_ups[i]);

		/* Without a name its key is spent, as if that were taken. */
		if (statement == STATEMENT_INSERT_NAMES && sign_up->is_refused)
			continue;
		parameters_bytes(&parameters, 0,
		    statement == STATEMENT_INSERT_NAMES ? sign_up->name :
		    BYTES_OF(sign_up->number.signing_key));
		parameters_int8(&parameters, 1, sign_up->number.account_id);
		if (statement == STATEMENT_INSERT_NAMES)
			parameters_bytes(&parameters, 2, sign_up->identity);
	}
	failure = pipeline_send(batch->pipeline, statement, &parameters);
	parameters_clear(&parameters);
	free(sign_ups);
	return failure;
}

enum mark {
	MARK_CLAIM,
	MARK_NAME,
	MARK_KEY,
};

/* The statement returned the account ids of those who won. */
static enum database_failure
receive_winners(struct batch *batch, enum statement statement, enum mark mark)
{
	struct rows winners = { 0 };
	enum database_failure failure;

	if ((failure = batch_receive_rows(batch, statement, &winners)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];

		if (!work->is_tried ||
		    work_is_numbered(work) != (mark == MARK_CLAIM) ||
		    rows_find_int8(&winners, work->number->account_id) < 0)
			continue;
		if (mark == MARK_NAME)
			work->has_name = true;
		else
			work->is_claimed = true;
	}
	rows_clear(&winners);
	return DATABASE_FAILURE_NONE;
}

static enum database_failure
send_claim_stage(struct batch *batch)
{
	enum database_failure failure;

	if (batch->has_claims &&
	    (failure = send_claims(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	if (batch->has_owners &&
	    (failure = send_read_owners(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	if (batch->has_sign_ups &&
	    ((failure = send_inserts(batch, STATEMENT_INSERT_NAMES,
		  compare_names)) != DATABASE_FAILURE_NONE ||
		(failure = send_inserts(batch, STATEMENT_INSERT_KEYS,
		     compare_keys)) != DATABASE_FAILURE_NONE))
		return failure;
	if (batch->has_changes &&
	    (failure = batch_send_touch(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	return pipeline_flush(batch->pipeline);
}

enum database_failure
batch_run_claim_stage(struct batch *batch)
{
	enum database_failure failure;

	if (!batch->has_claims && !batch->has_owners && !batch->has_sign_ups)
		return DATABASE_FAILURE_NONE;
	if ((failure = send_claim_stage(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	if (batch->has_claims &&
	    (failure = receive_winners(batch, STATEMENT_CLAIM, MARK_CLAIM)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	if (batch->has_owners &&
	    (failure = batch_receive_rows(batch, STATEMENT_READ_ACCOUNTS,
		 &batch->owners)) != DATABASE_FAILURE_NONE)
		return failure;
	if (batch->has_sign_ups &&
	    ((failure = receive_winners(batch, STATEMENT_INSERT_NAMES,
		  MARK_NAME)) != DATABASE_FAILURE_NONE ||
		(failure = receive_winners(batch, STATEMENT_INSERT_KEYS,
		     MARK_KEY)) != DATABASE_FAILURE_NONE))
		return failure;
	if (batch->has_changes &&
	    (failure = batch_receive_touch(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	return pipeline_end_stage(batch->pipeline);
}
