#include "server/store/batch_work.h"

#include <string.h>

#include "base/crash.h"
#include "server/store/inbox.h"

/* The third stage: write, fetch, commit. */

/*
 * Most bytes of messages that one batch fetches, as long as each fetch gets
 * its first message: shared evenly, so that many polls at once cannot exhaust
 * the memory. 21 full polls of 3 MiB fit.
 */
#define BATCH_FETCH_BYTES ((uint32_t)64 << 20)

/*
 * And most messages, shared evenly: each can be of another group, whose body is
 * asked for by a statement of its own. 64 polls of the default size fit.
 */
#define BATCH_FETCH_MESSAGES ((uint32_t)16384)

static bool
is_acknowledging(const struct work *work)
{
	return work->operation->kind == STORE_KIND_POLL &&
	    work_is_served(work) && poll_of(work)->ack_count > 0;
}

static enum database_failure
send_acknowledgements(struct batch *batch)
{
	enum database_failure failure = DATABASE_FAILURE_NONE;

	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		const struct work *work = &batch->works[i];
		const struct store_poll *poll = poll_of(work);
		struct parameters parameters;

		if (!is_acknowledging(work))
			continue;
		parameters_init(&parameters,
		    statement_text(STATEMENT_ACKNOWLEDGE)->types);
		parameters_int8(&parameters, 0, work->number->account_id);
		for (size_t k = 0; k < poll->ack_count; k++)
			parameters_bytes(&parameters, 1,
			    BYTES_OF(poll->acks[k]));
		failure = pipeline_send(batch->pipeline, STATEMENT_ACKNOWLEDGE,
		    &parameters);
		parameters_clear(&parameters);
	}
	return failure;
}

static enum database_failure
receive_acknowledgements(struct batch *batch)
{
	enum database_failure failure = DATABASE_FAILURE_NONE;

	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		if (is_acknowledging(&batch->works[i]))
			failure = pipeline_receive(batch->pipeline,
			    STATEMENT_ACKNOWLEDGE, NULL);
	}
	return failure;
}

static bool
is_fetching(const struct work *work)
{
	return (work->operation->kind == STORE_KIND_POLL ||
	    work->operation->kind == STORE_KIND_FETCH) && work_is_served(work);
}

static uint32_t
lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static enum database_failure
send_fetches(struct batch *batch)
{
	struct parameters parameters;
	enum database_failure failure = DATABASE_FAILURE_NONE;
	uint32_t count = 0, most_bytes, most_messages;

	for (size_t i = 0; i < batch->count; i++)
		count += is_fetching(&batch->works[i]);
	if (count == 0)
		return DATABASE_FAILURE_NONE;
	most_bytes = BATCH_FETCH_BYTES / count;
	most_messages = BATCH_FETCH_MESSAGES / count;
	parameters_init(&parameters, statement_text(STATEMENT_FETCH)->types);
	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		const struct work *work = &batch->works[i];
		const struct store_poll *poll = poll_of(work);

		if (!is_fetching(work))
			continue;
		parameters_int8(&parameters, 0, work->number->account_id);
		parameters_int8(&parameters, 1,
		    lower(poll->max_messages, most_messages));
		parameters_int8(&parameters, 2,
		    lower(poll->max_bytes, most_bytes));
		failure = pipeline_send(batch->pipeline, STATEMENT_FETCH,
		    &parameters);
	}
	parameters_clear(&parameters);
	return failure;
}

static enum database_failure
receive_fetches(struct batch *batch)
{
	enum database_failure failure;

	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];
		struct store_poll *poll = poll_of(work);
		struct inbox *inbox = NULL;
		PGresult *result = NULL;

		if (!is_fetching(work))
			continue;
		if ((failure = pipeline_receive(batch->pipeline,
			 STATEMENT_FETCH, &result)) != DATABASE_FAILURE_NONE)
			return failure;
		if (inbox_new_take(result, &poll->has_more, &inbox) !=
		    STATUS_OK)
			return DATABASE_FAILURE_NOMEM;
		work->operation->memory = inbox;
		poll->messages = inbox->messages;
		poll->message_count = inbox->count;
	}
	return DATABASE_FAILURE_NONE;
}

static void
append_account(const struct work *work, struct parameters *parameters)
{
	const struct store_sign_up *sign_up = sign_up_of(work);
	bool is_open = sign_up->status == STORE_ACCOUNT_STATUS_ACTIVE;

	parameters_int8(parameters, INSERT_PARAMETER_ID,
	    sign_up->number.account_id);
	parameters_bytes(parameters, INSERT_PARAMETER_USERNAME,
	    is_open ? sign_up->name : bytes_empty());
	parameters_int4(parameters, INSERT_PARAMETER_STATUS,
	    (int32_t)sign_up->status);
	parameters_bytes(parameters, INSERT_PARAMETER_SIGNING_KEY,
	    BYTES_OF(sign_up->number.signing_key));
	parameters_bytes(parameters, INSERT_PARAMETER_ENCRYPTION_KEY,
	    BYTES_OF(sign_up->encryption_key));
	parameters_bytes(parameters, INSERT_PARAMETER_PASSWORD_HASH,
	    is_open ? bytes_from_string(sign_up->password_hash) :
	    bytes_empty());
	parameters_int8(parameters, INSERT_PARAMETER_SEQ,
	    (int64_t)sign_up->number.sequence);
	parameters_bytes(parameters, INSERT_PARAMETER_HASH,
	    BYTES_OF(sign_up->number.request_hash));
	parameters_int4(parameters, INSERT_PARAMETER_CODE,
	    (int32_t)work->result->code);
	parameters_bytes(parameters, INSERT_PARAMETER_MESSAGE,
	    bytes_from_string(work->result->message));
}

/* What follows from who won which name and key. */
struct sign_up_writes {
	struct parameters accounts; /* of all keys */
	struct parameters spent;    /* keys without a name */
	struct parameters freed;    /* names without a key */
};

static void
append_sign_up(const struct work *work, struct sign_up_writes *writes)
{
	const struct store_sign_up *sign_up = sign_up_of(work);

	if (work->is_claimed)
		append_account(work, &writes->accounts);
	if (work->is_claimed && !work->has_name)
		parameters_bytes(&writes->spent, 0, work_signing_key(work));
	if (!work->is_claimed && work->has_name) {
		parameters_bytes(&writes->freed, 0, sign_up->name);
		parameters_int8(&writes->freed, 1, sign_up->number.account_id);
	}
}

static enum database_failure
send_sign_ups(struct batch *batch)
{
	struct sign_up_writes writes;
	enum database_failure failure;

	if (!batch->has_sign_ups)
		return DATABASE_FAILURE_NONE;
	parameters_init(&writes.accounts,
	    statement_text(STATEMENT_INSERT_ACCOUNTS)->types);
	parameters_init(&writes.spent,
	    statement_text(STATEMENT_SPEND_KEYS)->types);
	parameters_init(&writes.freed,
	    statement_text(STATEMENT_DELETE_NAMES)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];

		if (work->operation->kind == STORE_KIND_SIGN_UP &&
		    work->is_tried)
			append_sign_up(work, &writes);
	}
	if ((failure = batch_send_filled(batch, STATEMENT_INSERT_ACCOUNTS,
		 &writes.accounts)) ==
		DATABASE_FAILURE_NONE &&
	    (failure = batch_send_filled(batch, STATEMENT_SPEND_KEYS,
		 &writes.spent)) == DATABASE_FAILURE_NONE)
		failure = batch_send_filled(batch, STATEMENT_DELETE_NAMES,
		    &writes.freed);
	parameters_clear(&writes.accounts);
	parameters_clear(&writes.spent);
	parameters_clear(&writes.freed);
	return failure;
}

static enum database_failure
send_writes(struct batch *batch)
{
	enum database_failure failure;

	if ((failure = batch_send_group_changes(batch)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = batch_send_deliveries(batch)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_sign_ups(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	if (batch->has_repeats &&
	    (failure = batch_send_quiet(batch, STATEMENT_CONFIRM, NULL)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	return !batch->is_writing ? DATABASE_FAILURE_NONE :
	    batch_send_quiet(batch, STATEMENT_WAIT, NULL);
}

static enum database_failure
send_write_stage(struct batch *batch)
{
	enum database_failure failure;

	if ((failure = send_writes(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = send_acknowledgements(batch)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_fetches(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = batch_send_group_states(batch)) !=
		DATABASE_FAILURE_NONE)
		return failure;
	return pipeline_send(batch->pipeline, STATEMENT_COMMIT, NULL);
}

static enum database_failure
receive_writes(struct batch *batch)
{
	enum database_failure failure = DATABASE_FAILURE_NONE;

	for (size_t i = 0; i < batch->quiet_count &&
	    failure == DATABASE_FAILURE_NONE; i++)
		failure = pipeline_receive(batch->pipeline, batch->quiet[i],
		    NULL);
	return failure;
}

/* From here on the operations may have been committed though we do not know. */
static void
set_doubt(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		batch->works[i].operation->is_in_doubt = true;
}

static enum database_failure
receive_commit(struct batch *batch)
{
	enum database_failure failure;
	PGresult *result = NULL;

	/* Whatever goes wrong with COMMIT itself leaves it in doubt. */
	failure = pipeline_receive(batch->pipeline, STATEMENT_COMMIT,
	    &result);
	if (failure == DATABASE_FAILURE_NONE &&
	    strcmp(PQcmdStatus(result), "COMMIT") != 0)
		failure = DATABASE_FAILURE_CONFLICT;
	else if (failure != DATABASE_FAILURE_NONE ||
	    pipeline_take_doubt(batch->pipeline))
		failure = DATABASE_FAILURE_LOST;
	PQclear(result);
	if (failure == DATABASE_FAILURE_LOST && batch->is_writing)
		set_doubt(batch);
	return failure;
}

enum database_failure
batch_run_write_stage(struct batch *batch)
{
	struct pipeline *pipeline = batch->pipeline;
	enum database_failure failure;

	if ((failure = send_write_stage(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	if ((failure = pipeline_flush(pipeline)) != DATABASE_FAILURE_NONE)
		goto out;
	crash_point("store.committing");
	if ((failure = receive_writes(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = receive_acknowledgements(batch)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = receive_fetches(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = batch_receive_group_states(batch)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = receive_commit(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = pipeline_end_stage(pipeline)) != DATABASE_FAILURE_NONE)
		goto out;
	/* Committed: what fails now is asked again, whatever it is. */
	if (batch_run_late_stage(batch) != DATABASE_FAILURE_NONE)
		failure = DATABASE_FAILURE_LOST;
out:
	if (failure == DATABASE_FAILURE_LOST && batch->is_writing)
		set_doubt(batch);
	return failure;
}
