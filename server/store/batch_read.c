#include "server/store/batch_work.h"

#include <string.h>

/* The first stage: read. */

static void
append_recipients(const struct store_send *send, struct parameters *parameters)
{
	for (size_t i = 0; i < send->message_count; i++) {
		if (send->messages[i].group_id == 0)
			parameters_bytes(parameters, 0,
			    BYTES_OF(send->messages[i].recipient_key));
	}
}

static enum database_failure
send_find_keys(struct batch *batch, bool *is_sent)
{
	struct parameters parameters;
	enum database_failure failure = DATABASE_FAILURE_NONE;

	parameters_init(&parameters,
	    statement_text(STATEMENT_FIND_KEYS)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];

		switch (work->operation->kind) {
		case STORE_KIND_ACCOUNT:
			parameters_bytes(&parameters, 0,
			    BYTES_OF(account_of(work)->signing_key));
			break;
		case STORE_KIND_SIGN_UP:
			parameters_bytes(&parameters, 0,
			    work_signing_key(work));
			break;
		case STORE_KIND_SEND:
			append_recipients(send_of(work), &parameters);
			break;
		case STORE_KIND_POLL:
		case STORE_KIND_FETCH:
		case STORE_KIND_LOOKUP:
		case STORE_KIND_REFUSE:
			break;
		case STORE_KIND_GROUP_CREATE:
		case STORE_KIND_GROUP_UPDATE:
		case STORE_KIND_GROUP_LEAVE:
		case STORE_KIND_GROUP_DELETE:
		case STORE_KIND_GROUP_READ:
		case STORE_KIND_GROUP_LIST:
			batch_append_group_keys(work, &parameters);
			break;
		}
	}
	*is_sent = parameters_count(&parameters, 0) > 0;
	if (*is_sent)
		failure = pipeline_send(batch->pipeline,
		    STATEMENT_FIND_KEYS, &parameters);
	parameters_clear(&parameters);
	return failure;
}

static enum database_failure
send_find_names(struct batch *batch, bool *is_sent)
{
	struct parameters parameters;
	enum database_failure failure = DATABASE_FAILURE_NONE;

	parameters_init(&parameters,
	    statement_text(STATEMENT_FIND_NAMES)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct store_lookup *lookup = lookup_of(&batch->works[i]);

		if (lookup->operation.kind != STORE_KIND_LOOKUP)
			continue;
		for (size_t k = 0; k < lookup->name_count; k++)
			parameters_bytes(&parameters, 0,
			    lookup->names[k].canonical);
	}
	*is_sent = parameters_count(&parameters, 0) > 0;
	if (*is_sent)
		failure = pipeline_send(batch->pipeline,
		    STATEMENT_FIND_NAMES, &parameters);
	parameters_clear(&parameters);
	return failure;
}

static enum database_failure
send_read_accounts(struct batch *batch, bool *is_sent)
{
	struct parameters parameters;
	enum database_failure failure = DATABASE_FAILURE_NONE;

	parameters_init(&parameters,
	    statement_text(STATEMENT_READ_ACCOUNTS)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];

		if (work_is_numbered(work))
			parameters_int8(&parameters, 0,
			    work->number->account_id);
	}
	*is_sent = parameters_count(&parameters, 0) > 0;
	if (*is_sent)
		failure = pipeline_send(batch->pipeline,
		    STATEMENT_READ_ACCOUNTS, &parameters);
	parameters_clear(&parameters);
	return failure;
}

enum database_failure
batch_run_read_stage(struct batch *batch)
{
	struct pipeline *pipeline = batch->pipeline;
	bool has_keys = false, has_accounts = false, has_names = false;
	bool has_groups = false, has_members = false;
	PGresult *members = NULL;
	enum database_failure failure;

	if ((failure = pipeline_send(pipeline, STATEMENT_BEGIN, NULL)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_find_keys(batch, &has_keys)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_read_accounts(batch, &has_accounts)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_find_names(batch, &has_names)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = batch_send_group_reads(batch, &has_groups,
		 &has_members)) != DATABASE_FAILURE_NONE ||
	    (failure = pipeline_flush(pipeline)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = pipeline_receive(pipeline, STATEMENT_BEGIN,
		 NULL)) != DATABASE_FAILURE_NONE)
		return failure;
	if (has_keys &&
	    (failure = batch_receive_rows(batch, STATEMENT_FIND_KEYS,
		 &batch->keys)) != DATABASE_FAILURE_NONE)
		return failure;
	if (has_accounts &&
	    (failure = batch_receive_rows(batch, STATEMENT_READ_ACCOUNTS,
		 &batch->accounts)) != DATABASE_FAILURE_NONE)
		return failure;
	if (has_names &&
	    (failure = batch_receive_rows(batch, STATEMENT_FIND_NAMES,
		 &batch->names)) != DATABASE_FAILURE_NONE)
		return failure;
	if (has_groups &&
	    (failure = batch_receive_rows(batch, STATEMENT_READ_GROUPS,
		 &batch->groups)) != DATABASE_FAILURE_NONE)
		return failure;
	if (has_members &&
	    ((failure = pipeline_receive(pipeline, STATEMENT_READ_MEMBERS,
		  &members)) != DATABASE_FAILURE_NONE ||
		(failure = batch_status(group_rows_init_take(&batch->members,
		     members))) != DATABASE_FAILURE_NONE))
		return failure;
	return pipeline_end_stage(pipeline);
}

/* --- Deciding ------------------------------------------------------------- */

/* What a repeat of it tells is not stored, but read afresh. */
static bool
is_reading(const struct work *work)
{
	enum store_kind kind = work->operation->kind;

	return kind == STORE_KIND_POLL || kind == STORE_KIND_LOOKUP ||
	    kind == STORE_KIND_GROUP_READ || kind == STORE_KIND_GROUP_LIST;
}

/*
 * Who is not active any more is told again what became of the last request,
 * and nothing else: repeating a Poll for ever would go on reading.
 */
static void
judge(struct batch *batch, struct work *work)
{
	int row = rows_find_int8(&batch->accounts, work->number->account_id);
	struct store_result *result = work->result;
	enum store_account_status status;

	if (row < 0 || !batch_has_key(&batch->accounts, row,
		work_signing_key(work))) {
		result->claim = STORE_CLAIM_DENIED;
		return;
	}
	status = batch_read_status(&batch->accounts, row);
	batch_read_result(&batch->accounts, row, result);
	if ((status == STORE_ACCOUNT_STATUS_ACTIVE || !is_reading(work)) &&
	    batch_judge_repeat(work)) {
		batch->has_repeats = true;
	} else if (status != STORE_ACCOUNT_STATUS_ACTIVE) {
		memset(result, 0, sizeof(*result));
		result->claim = STORE_CLAIM_DENIED;
	} else if (work->number->sequence <= INT64_MAX &&
	    result->last_sequence + 1 == work->number->sequence) {
		work->is_tried = true;
		batch->has_claims = true;
	}
}

static enum store_send_outcome
decide_direct(const struct batch *batch, const uint8_t key[32])
{
	enum key_state state = KEY_STATE_SPENT;
	int64_t recipient;

	if (!batch_find_key(batch, bytes_make(key, STORE_KEY_SIZE), &recipient,
		&state) || state == KEY_STATE_SPENT)
		return STORE_SEND_OUTCOME_UNKNOWN_RECIPIENT;
	return state == KEY_STATE_STALE ? STORE_SEND_OUTCOME_STALE_RECIPIENT :
	    STORE_SEND_OUTCOME_STORED;
}

/* In epoch 0 there is no key that anything could be encrypted with. */
static enum store_send_outcome
decide_group(const struct batch *batch, int64_t sender_id, int64_t group_id,
    uint32_t epoch)
{
	struct group_view view = group_rows_view(&batch->members, group_id);

	if (group_view_find_present(&view, sender_id) == NULL)
		return STORE_SEND_OUTCOME_UNKNOWN_GROUP;
	return epoch == 0 || epoch != view.members[0].epoch ?
	    STORE_SEND_OUTCOME_STALE_EPOCH : STORE_SEND_OUTCOME_STORED;
}

static void
decide_outcomes(const struct batch *batch, struct store_send *send)
{
	for (size_t i = 0; i < send->message_count; i++) {
		struct store_send_message *message = &send->messages[i];

		message->outcome = message->group_id == 0 ?
		    decide_direct(batch, message->recipient_key) :
		    decide_group(batch, send->number.account_id,
			message->group_id, message->epoch);
		memset(message->id, 0, STORE_ID_SIZE);
	}
}

enum database_failure
batch_decide(struct batch *batch)
{
	enum database_failure failure = DATABASE_FAILURE_NONE;

	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		struct work *work = &batch->works[i];
		enum key_state state;
		int64_t account_id;

		switch (work->operation->kind) {
		case STORE_KIND_ACCOUNT:
			if (batch_find_key(batch,
				BYTES_OF(account_of(work)->signing_key),
				&account_id, &state))
				batch->has_owners = true;
			break;
		case STORE_KIND_SIGN_UP:
			if (batch_find_key(batch, work_signing_key(work),
				&account_id, &state)) {
				batch->has_owners = true;
			} else {
				work->is_tried = true;
				batch->has_sign_ups = true;
			}
			break;
		case STORE_KIND_SEND:
			judge(batch, work);
			if (work->is_tried)
				decide_outcomes(batch, send_of(work));
			break;
		case STORE_KIND_POLL:
		case STORE_KIND_LOOKUP:
		case STORE_KIND_REFUSE:
			judge(batch, work);
			break;
		case STORE_KIND_FETCH:
			break;
		case STORE_KIND_GROUP_CREATE:
		case STORE_KIND_GROUP_UPDATE:
		case STORE_KIND_GROUP_LEAVE:
		case STORE_KIND_GROUP_DELETE:
		case STORE_KIND_GROUP_READ:
		case STORE_KIND_GROUP_LIST:
			judge(batch, work);
			if (work->is_tried)
				failure = batch_judge_group(batch, work);
			batch->has_changes |= batch_is_touching(work);
			break;
		}
	}
	return failure;
}
