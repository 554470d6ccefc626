#include "server/store/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "server/store/inbox.h"
#include "server/store/message_id.h"
#include "server/store/rows.h"
#include "server/store/send_result.h"

/*
 * Most bytes of messages that one batch fetches, as long as each fetch gets
 * its first message: shared evenly, so that many polls at once cannot exhaust
 * the memory. 21 full polls of 3 MiB fit.
 */
#define BATCH_FETCH_BYTES ((uint32_t)64 << 20)

/* An operation on its way through the stages. */
struct work {
	struct store_operation *operation;
	const struct store_number *number; /* NULL: STORE_KIND_ACCOUNT */
	struct store_result *result;       /* NULL: it has no number */
	bool is_tried;   /* a claim, or the sign-up of a new key */
	bool is_claimed; /* the number, or the sign-up's key */
	bool has_name;   /* the sign-up's name */
};

struct batch {
	struct pipeline *pipeline;
	struct work *works; /* by account id */
	size_t count;
	struct batch_mail *mail;

	struct rows keys;     /* STATEMENT_FIND_KEYS */
	struct rows names;    /* STATEMENT_FIND_NAMES */
	struct rows accounts; /* STATEMENT_READ_ACCOUNTS, of the numbered */
	struct rows owners;   /* the same, of known keys */

	bool has_claims, has_owners, has_sign_ups; /* what stage 2 holds */
	bool has_repeats;
	bool is_writing;
};

static enum database_failure
nomem(enum status st)
{
	return st == STATUS_OK ? DATABASE_FAILURE_NONE : DATABASE_FAILURE_NOMEM;
}

/* --- The operations ------------------------------------------------------- */

static struct store_sign_up *
sign_up_of(const struct work *work)
{
	return (struct store_sign_up *)work->operation;
}

static struct store_send *
send_of(const struct work *work)
{
	return (struct store_send *)work->operation;
}

static struct store_poll *
poll_of(const struct work *work)
{
	return (struct store_poll *)work->operation;
}

static struct store_lookup *
lookup_of(const struct work *work)
{
	return (struct store_lookup *)work->operation;
}

static struct store_account *
account_of(const struct work *work)
{
	return (struct store_account *)work->operation;
}

static struct store_refuse *
refuse_of(const struct work *work)
{
	return (struct store_refuse *)work->operation;
}

static void
poll_init(struct store_poll *poll)
{
	poll->messages = NULL;
	poll->message_count = 0;
	poll->has_more = false;
}

static void
work_init(struct work *work, struct store_operation *operation)
{
	memset(work, 0, sizeof(*work));
	work->operation = operation;
	switch (operation->kind) {
	case STORE_KIND_ACCOUNT:
		break;
	case STORE_KIND_SIGN_UP:
		work->number = &sign_up_of(work)->number;
		work->result = &sign_up_of(work)->result;
		break;
	case STORE_KIND_SEND:
		work->number = &send_of(work)->number;
		work->result = &send_of(work)->result;
		break;
	case STORE_KIND_POLL:
		work->number = &poll_of(work)->number;
		work->result = &poll_of(work)->result;
		poll_init(poll_of(work));
		break;
	case STORE_KIND_FETCH:
		work->number = &poll_of(work)->number;
		poll_init(poll_of(work));
		break;
	case STORE_KIND_LOOKUP:
		work->number = &lookup_of(work)->number;
		work->result = &lookup_of(work)->result;
		break;
	case STORE_KIND_REFUSE:
		work->number = &refuse_of(work)->number;
		work->result = &refuse_of(work)->result;
		break;
	}
	operation->is_deferred = false;
	if (work->result != NULL)
		memset(work->result, 0, sizeof(*work->result));
}

/* Whether it belongs to an account that is there already. */
static bool
is_numbered(const struct work *work)
{
	return work->result != NULL &&
	    work->operation->kind != STORE_KIND_SIGN_UP;
}

/* Whether what it reads is to be read: not after a replay or a refusal. */
static bool
is_served(const struct work *work)
{
	if (work->operation->kind == STORE_KIND_FETCH)
		return true;
	if (work->is_tried)
		return work->is_claimed;
	return work->result->claim == STORE_CLAIM_REPEATED &&
	    work->result->code == 0;
}

static int
compare_works(const void *a, const void *b)
{
	const struct work *x = a, *y = b;
	int64_t left = x->number != NULL ? x->number->account_id : 0;
	int64_t right = y->number != NULL ? y->number->account_id : 0;

	return (left > right) - (left < right);
}

static struct bytes
signing_key_of(const struct work *work)
{
	return BYTES_OF(work->number->signing_key);
}

static int
compare_keys(const void *a, const void *b)
{
	const struct work *const *x = a, *const *y = b;

	return bytes_compare(signing_key_of(*x), signing_key_of(*y));
}

static int
compare_names(const void *a, const void *b)
{
	const struct work *const *x = a, *const *y = b;

	return bytes_compare(sign_up_of(*x)->name, sign_up_of(*y)->name);
}

/* --- Numbers -------------------------------------------------------------- */

/* What an account's row says of its number and its stored result. */
static void
read_result(const struct rows *accounts, int row, struct store_result *out)
{
	struct bytes hash = rows_bytes(accounts, row, ACCOUNT_COLUMN_LAST_HASH);
	struct bytes message =
	    rows_bytes(accounts, row, ACCOUNT_COLUMN_LAST_MESSAGE);

	memset(out, 0, sizeof(*out));
	out->claim = STORE_CLAIM_NONE;
	out->last_sequence = (uint64_t)database_int8(accounts->result, row,
	    ACCOUNT_COLUMN_LAST_SEQ);
	memcpy(out->last_hash, hash.data, sizeof(out->last_hash));
	out->code = (uint32_t)database_int4(accounts->result, row,
	    ACCOUNT_COLUMN_LAST_CODE);
	if (message.size >= sizeof(out->message))
		message.size = sizeof(out->message) - 1;
	memcpy(out->message, message.data, message.size);
}

static enum store_account_status
read_status(const struct rows *accounts, int row)
{
	return (enum store_account_status)database_int2(accounts->result, row,
	    ACCOUNT_COLUMN_STATUS);
}

static bool
has_key(const struct rows *accounts, int row, struct bytes signing_key)
{
	return bytes_equal(signing_key,
	    rows_bytes(accounts, row, ACCOUNT_COLUMN_SIGNING_KEY));
}

/* Whether the number is the account's last one, with the same request. */
static bool
judge_repeat(struct work *work)
{
	struct store_result *result = work->result;

	if (result->last_sequence != work->number->sequence ||
	    memcmp(result->last_hash, work->number->request_hash,
		STORE_HASH_SIZE) != 0)
		return false;
	result->claim = STORE_CLAIM_REPEATED;
	return true;
}

static void
judge(struct batch *batch, struct work *work)
{
	int row = rows_find_int8(&batch->accounts, work->number->account_id);
	struct store_result *result = work->result;
	enum store_account_status status;

	if (row < 0 || !has_key(&batch->accounts, row, signing_key_of(work))) {
		result->claim = STORE_CLAIM_DENIED;
		return;
	}
	status = read_status(&batch->accounts, row);
	read_result(&batch->accounts, row, result);
	if (judge_repeat(work)) {
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

/* --- Stage 1: read -------------------------------------------------------- */

static enum database_failure
send_find_keys(struct batch *batch, bool *is_sent)
{
	struct parameters parameters;
	enum database_failure failure = DATABASE_FAILURE_NONE;

	parameters_init(&parameters, statement_text(STATEMENT_FIND_KEYS)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];
		const struct store_send *send = send_of(work);

		switch (work->operation->kind) {
		case STORE_KIND_ACCOUNT:
			parameters_bytes(&parameters, 0,
			    BYTES_OF(account_of(work)->signing_key));
			break;
		case STORE_KIND_SIGN_UP:
			parameters_bytes(&parameters, 0, signing_key_of(work));
			break;
		case STORE_KIND_SEND:
			for (size_t k = 0; k < send->message_count; k++)
				parameters_bytes(&parameters, 0,
				    BYTES_OF(send->messages[k].recipient_key));
			break;
		case STORE_KIND_POLL:
		case STORE_KIND_FETCH:
		case STORE_KIND_LOOKUP:
		case STORE_KIND_REFUSE:
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

		if (is_numbered(work))
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

static enum database_failure
receive_rows(struct batch *batch, enum statement statement, struct rows *rows)
{
	PGresult *result = NULL;
	enum database_failure failure;

	if ((failure = pipeline_receive(batch->pipeline, statement,
		 &result)) != DATABASE_FAILURE_NONE)
		return failure;
	return nomem(rows_init_take(rows, result));
}

static enum database_failure
run_read_stage(struct batch *batch)
{
	struct pipeline *pipeline = batch->pipeline;
	bool has_keys = false, has_accounts = false, has_names = false;
	enum database_failure failure;

	if ((failure = pipeline_send(pipeline, STATEMENT_BEGIN, NULL)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_find_keys(batch, &has_keys)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_read_accounts(batch, &has_accounts)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_find_names(batch, &has_names)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = pipeline_flush(pipeline)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = pipeline_receive(pipeline, STATEMENT_BEGIN,
		 NULL)) != DATABASE_FAILURE_NONE)
		return failure;
	if (has_keys &&
	    (failure = receive_rows(batch, STATEMENT_FIND_KEYS,
		 &batch->keys)) != DATABASE_FAILURE_NONE)
		return failure;
	if (has_accounts &&
	    (failure = receive_rows(batch, STATEMENT_READ_ACCOUNTS,
		 &batch->accounts)) != DATABASE_FAILURE_NONE)
		return failure;
	if (has_names &&
	    (failure = receive_rows(batch, STATEMENT_FIND_NAMES,
		 &batch->names)) != DATABASE_FAILURE_NONE)
		return failure;
	return pipeline_end_stage(pipeline);
}

/* --- Between 1 and 2: decide ---------------------------------------------- */

/* The account to which a signing key belongs; false if the key is unknown. */
static bool
find_key(const struct batch *batch, struct bytes key, int64_t *account_id,
    enum key_state *state)
{
	int row = rows_find(&batch->keys, key);

	if (row < 0)
		return false;
	*account_id = database_int8(batch->keys.result, row, 1);
	*state = (enum key_state)database_int2(batch->keys.result, row, 2);
	return true;
}

static void
decide_outcomes(const struct batch *batch, struct store_send *send)
{
	for (size_t i = 0; i < send->message_count; i++) {
		struct store_send_message *message = &send->messages[i];
		enum key_state state = KEY_STATE_SPENT;
		int64_t recipient;

		if (!find_key(batch, BYTES_OF(message->recipient_key),
			&recipient, &state) || state == KEY_STATE_SPENT)
			message->outcome = STORE_SEND_OUTCOME_UNKNOWN_RECIPIENT;
		else if (state == KEY_STATE_STALE)
			message->outcome = STORE_SEND_OUTCOME_STALE_RECIPIENT;
		else
			message->outcome = STORE_SEND_OUTCOME_STORED;
		memset(message->id, 0, STORE_ID_SIZE);
	}
}

static void
decide(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];
		enum key_state state;
		int64_t account_id;

		switch (work->operation->kind) {
		case STORE_KIND_ACCOUNT:
			if (find_key(batch,
				BYTES_OF(account_of(work)->signing_key),
				&account_id, &state))
				batch->has_owners = true;
			break;
		case STORE_KIND_SIGN_UP:
			if (find_key(batch, signing_key_of(work), &account_id,
				&state)) {
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
		}
	}
}

/* --- Stage 2: claim ------------------------------------------------------- */

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

static void
append_claim(struct batch *batch, struct work *work,
    struct parameters *parameters)
{
	const struct store_number *number = work->number;
	const struct store_refuse *refuse = refuse_of(work);
	bool is_refusal = work->operation->kind == STORE_KIND_REFUSE;

	parameters_int8(parameters, CLAIM_PARAMETER_ID, number->account_id);
	parameters_bytes(parameters, CLAIM_PARAMETER_SIGNING_KEY,
	    BYTES_OF(number->signing_key));
	parameters_int8(parameters, CLAIM_PARAMETER_SEQ,
	    (int64_t)number->sequence);
	parameters_bytes(parameters, CLAIM_PARAMETER_HASH,
	    BYTES_OF(number->request_hash));
	parameters_int4(parameters, CLAIM_PARAMETER_CODE,
	    is_refusal ? (int32_t)refuse->code : 0);
	parameters_bytes(parameters, CLAIM_PARAMETER_MESSAGE,
	    is_refusal ? bytes_from_string(refuse->message) : bytes_empty());
	if (work->operation->kind == STORE_KIND_SEND) {
		append_send_result(batch, work, parameters);
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

		if (is_numbered(work) && work->is_tried)
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
			find_key(batch, BYTES_OF(account_of(work)->signing_key),
			    &account_id, &state)) ||
		    (kind == STORE_KIND_SIGN_UP &&
			find_key(batch, signing_key_of(work), &account_id,
			    &state)))
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

	if ((failure = receive_rows(batch, statement, &winners)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];

		if (!work->is_tried ||
		    is_numbered(work) != (mark == MARK_CLAIM) ||
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
	return pipeline_flush(batch->pipeline);
}

static enum database_failure
run_claim_stage(struct batch *batch)
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
	    (failure = receive_rows(batch, STATEMENT_READ_ACCOUNTS,
		 &batch->owners)) != DATABASE_FAILURE_NONE)
		return failure;
	if (batch->has_sign_ups &&
	    ((failure = receive_winners(batch, STATEMENT_INSERT_NAMES,
		  MARK_NAME)) != DATABASE_FAILURE_NONE ||
		(failure = receive_winners(batch, STATEMENT_INSERT_KEYS,
		     MARK_KEY)) != DATABASE_FAILURE_NONE))
		return failure;
	return pipeline_end_stage(batch->pipeline);
}

/* --- Between 2 and 3: results of claims and keys -------------------------- */

static void
set_claimed(struct work *work, uint32_t code, const char *message)
{
	struct store_result *result = work->result;
	struct bytes text = bytes_from_string(message);

	memset(result, 0, sizeof(*result));
	result->claim = STORE_CLAIM_CLAIMED;
	result->last_sequence = work->number->sequence;
	memcpy(result->last_hash, work->number->request_hash, STORE_HASH_SIZE);
	result->code = code;
	assert(text.size < sizeof(result->message));
	memcpy(result->message, text.data, text.size);
}

/* The account that has a key; -1 if there is none. */
static int
find_owner(const struct batch *batch, struct bytes key)
{
	enum key_state state;
	int64_t account_id;

	if (!find_key(batch, key, &account_id, &state))
		return -1;
	return rows_find_int8(&batch->owners, account_id);
}

static void
settle_sign_up(struct batch *batch, struct work *work)
{
	struct store_sign_up *sign_up = sign_up_of(work);
	struct bytes key = signing_key_of(work);
	int row;

	sign_up->account_id = sign_up->number.account_id;
	if (work->is_tried) {
		sign_up->status = work->has_name ?
		    STORE_ACCOUNT_STATUS_ACTIVE : STORE_ACCOUNT_STATUS_REFUSED;
		if (work->is_claimed && work->has_name)
			set_claimed(work, 0, "");
		else if (work->is_claimed)
			set_claimed(work, sign_up->taken_code,
			    sign_up->taken_message);
		return;
	}
	row = find_owner(batch, key);
	if (row < 0 || !has_key(&batch->owners, row, key)) {
		work->result->claim = STORE_CLAIM_DENIED;
		sign_up->status = STORE_ACCOUNT_STATUS_DELETED;
		return;
	}
	sign_up->account_id = database_int8(batch->owners.result, row,
	    ACCOUNT_COLUMN_ID);
	sign_up->status = read_status(&batch->owners, row);
	read_result(&batch->owners, row, work->result);
	if (judge_repeat(work))
		batch->has_repeats = true;
}

static enum status
settle_account(struct batch *batch, struct work *work)
{
	struct store_account *account = account_of(work);
	struct bytes key = BYTES_OF(account->signing_key);
	int row = find_owner(batch, key);
	char *username;

	account->status = STORE_ACCOUNT_STATUS_NONE;
	if (row < 0)
		return STATUS_OK;
	username = strdup(PQgetvalue(batch->owners.result, row,
	    ACCOUNT_COLUMN_USERNAME));
	if (username == NULL)
		return STATUS_NOMEM;
	account->operation.memory = username;
	account->username = username;
	account->account_id = database_int8(batch->owners.result, row,
	    ACCOUNT_COLUMN_ID);
	account->status = read_status(&batch->owners, row);
	account->is_replaced = !has_key(&batch->owners, row, key);
	memcpy(account->encryption_key,
	    rows_bytes(&batch->owners, row,
		ACCOUNT_COLUMN_ENCRYPTION_KEY).data, STORE_KEY_SIZE);
	read_result(&batch->owners, row, &account->last);
	return STATUS_OK;
}

/* A repeated Send: the outcomes as they are stored. */
static enum status
settle_repeated_send(struct batch *batch, struct work *work)
{
	struct store_send *send = send_of(work);
	int row = rows_find_int8(&batch->accounts, work->number->account_id);

	if (send_result_decode(rows_bytes(&batch->accounts, row,
		ACCOUNT_COLUMN_LAST_RESULT), send->messages,
		send->message_count) == STATUS_OK)
		return STATUS_OK;
	log_event(LOG_LEVEL_ERROR, "stored_result_damaged",
	    log_i64("account", work->number->account_id));
	return STATUS_INTERNAL;
}

/* Names that were looked up; the identities are copied. */
static enum status
settle_lookup(struct batch *batch, struct work *work)
{
	struct store_lookup *lookup = lookup_of(work);
	size_t size = 0;
	uint8_t *next;

	for (size_t i = 0; i < lookup->name_count; i++) {
		int row = rows_find(&batch->names, lookup->names[i].canonical);

		lookup->names[i].is_found = row >= 0;
		lookup->names[i].identity = bytes_empty();
		if (row >= 0)
			size += rows_bytes(&batch->names, row, 1).size;
	}
	if (size == 0)
		return STATUS_OK;
	if ((next = malloc(size)) == NULL)
		return STATUS_NOMEM;
	lookup->operation.memory = next;
	for (size_t i = 0; i < lookup->name_count; i++) {
		int row = rows_find(&batch->names, lookup->names[i].canonical);
		struct bytes identity;

		if (row < 0)
			continue;
		identity = rows_bytes(&batch->names, row, 1);
		memcpy(next, identity.data, identity.size);
		lookup->names[i].identity = bytes_make(next, identity.size);
		next += identity.size;
	}
	return STATUS_OK;
}

/*
 * Everything but fetches. A claim or a key that was lost after stage 1 said
 * that it is free belongs to a transaction that came first: once more, then.
 */
static enum status
settle(struct batch *batch, struct work *work)
{
	if (work->is_tried && !work->is_claimed) {
		work->operation->is_deferred = true;
		return STATUS_OK;
	}
	switch (work->operation->kind) {
	case STORE_KIND_ACCOUNT:
		return settle_account(batch, work);
	case STORE_KIND_SIGN_UP:
		settle_sign_up(batch, work);
		return STATUS_OK;
	case STORE_KIND_REFUSE:
		if (work->is_claimed)
			set_claimed(work, refuse_of(work)->code,
			    refuse_of(work)->message);
		return STATUS_OK;
	case STORE_KIND_SEND:
		if (work->is_claimed)
			set_claimed(work, 0, "");
		else if (is_served(work))
			return settle_repeated_send(batch, work);
		return STATUS_OK;
	case STORE_KIND_POLL:
		if (work->is_claimed)
			set_claimed(work, 0, "");
		return STATUS_OK;
	case STORE_KIND_LOOKUP:
		if (work->is_claimed)
			set_claimed(work, 0, "");
		return is_served(work) ? settle_lookup(batch, work) : STATUS_OK;
	case STORE_KIND_FETCH:
		return STATUS_OK;
	}
	return STATUS_INTERNAL;
}

/* An operation that fails on its own does not hold up the others. */
static void
settle_all(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];

		work->operation->status = settle(batch, work);
		batch->is_writing |= work->is_tried;
	}
	batch->is_writing |= batch->has_repeats;
}

/* --- Stage 3: write, fetch, commit ---------------------------------------- */

static enum status
mail_add(struct batch_mail *mail, int64_t account_id)
{
	if (mail->count == mail->capacity) {
		size_t capacity = mail->capacity == 0 ? 64 : 2 * mail->capacity;
		int64_t *grown = realloc(mail->account_ids,
		    capacity * sizeof(*grown));

		if (grown == NULL)
			return STATUS_NOMEM;
		mail->account_ids = grown;
		mail->capacity = capacity;
	}
	mail->account_ids[mail->count++] = account_id;
	return STATUS_OK;
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void
mail_deduplicate(struct batch_mail *mail)
{
	size_t kept = 0;

	if (mail->count == 0)
		return;
	qsort(mail->account_ids, mail->count, sizeof(*mail->account_ids),
	    compare_ids);
	for (size_t i = 1; i < mail->count; i++) {
		if (mail->account_ids[i] != mail->account_ids[kept])
			mail->account_ids[++kept] = mail->account_ids[i];
	}
	mail->count = kept + 1;
}

void
batch_mail_clear(struct batch_mail *mail)
{
	free(mail->account_ids);
	memset(mail, 0, sizeof(*mail));
}

/*
 * Messages of claimed Sends. Those of repeated ones are there already, but
 * whoever stored them may have died before it told the recipients.
 */
static enum database_failure
send_deliveries(struct batch *batch, bool *is_sent)
{
	struct parameters parameters;
	enum database_failure failure = DATABASE_FAILURE_NONE;
	enum status st = STATUS_OK;

	parameters_init(&parameters, statement_text(STATEMENT_DELIVER)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];
		const struct store_send *send = send_of(work);

		if (work->operation->kind != STORE_KIND_SEND ||
		    !is_served(work))
			continue;
		for (size_t k = 0; k < send->message_count; k++) {
			struct store_send_message *message = &send->messages[k];
			enum key_state state;
			int64_t recipient;

			if (message->outcome != STORE_SEND_OUTCOME_STORED ||
			    !find_key(batch, BYTES_OF(message->recipient_key),
				&recipient, &state))
				continue;
			if (st == STATUS_OK)
				st = mail_add(batch->mail, recipient);
			if (!work->is_claimed)
				continue;
			parameters_int8(&parameters, 0, recipient);
			parameters_bytes(&parameters, 1, BYTES_OF(message->id));
			parameters_int8(&parameters, 2,
			    work->number->account_id);
			parameters_bytes(&parameters, 3, message->ciphertext);
		}
	}
	*is_sent = parameters_count(&parameters, 0) > 0;
	if (*is_sent)
		failure = pipeline_send(batch->pipeline, STATEMENT_DELIVER,
		    &parameters);
	parameters_clear(&parameters);
	return failure != DATABASE_FAILURE_NONE ? failure : nomem(st);
}

static bool
is_acknowledging(const struct work *work)
{
	return work->operation->kind == STORE_KIND_POLL && is_served(work) &&
	    poll_of(work)->ack_count > 0;
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
	    work->operation->kind == STORE_KIND_FETCH) && is_served(work);
}

static enum database_failure
send_fetches(struct batch *batch)
{
	struct parameters parameters;
	enum database_failure failure = DATABASE_FAILURE_NONE;
	uint32_t count = 0, share;

	for (size_t i = 0; i < batch->count; i++)
		count += is_fetching(&batch->works[i]);
	if (count == 0)
		return DATABASE_FAILURE_NONE;
	share = BATCH_FETCH_BYTES / count;
	parameters_init(&parameters, statement_text(STATEMENT_FETCH)->types);
	for (size_t i = 0; i < batch->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		const struct work *work = &batch->works[i];
		const struct store_poll *poll = poll_of(work);

		if (!is_fetching(work))
			continue;
		parameters_int8(&parameters, 0, work->number->account_id);
		parameters_int8(&parameters, 1, poll->max_messages);
		parameters_int8(&parameters, 2,
		    poll->max_bytes < share ? poll->max_bytes : share);
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
		parameters_bytes(&writes->spent, 0, signing_key_of(work));
	if (!work->is_claimed && work->has_name) {
		parameters_bytes(&writes->freed, 0, sign_up->name);
		parameters_int8(&writes->freed, 1, sign_up->number.account_id);
	}
}

/* Sends a statement unless its arrays are empty; counts those sent. */
static enum database_failure
send_unless_empty(struct batch *batch, enum statement statement,
    struct parameters *parameters, enum statement *sent, size_t *sent_count)
{
	if (parameters_count(parameters, 0) == 0)
		return DATABASE_FAILURE_NONE;
	sent[(*sent_count)++] = statement;
	return pipeline_send(batch->pipeline, statement, parameters);
}

static enum database_failure
send_sign_ups(struct batch *batch, enum statement *sent, size_t *sent_count)
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
	if ((failure = send_unless_empty(batch, STATEMENT_INSERT_ACCOUNTS,
		 &writes.accounts, sent, sent_count)) == DATABASE_FAILURE_NONE &&
	    (failure = send_unless_empty(batch, STATEMENT_SPEND_KEYS,
		 &writes.spent, sent, sent_count)) == DATABASE_FAILURE_NONE)
		failure = send_unless_empty(batch, STATEMENT_DELETE_NAMES,
		    &writes.freed, sent, sent_count);
	parameters_clear(&writes.accounts);
	parameters_clear(&writes.spent);
	parameters_clear(&writes.freed);
	return failure;
}

/* The statements of stage 3 whose results hold nothing. */
#define QUIET_MAX 8

static enum database_failure
send_write_stage(struct batch *batch, enum statement *quiet,
    size_t *quiet_count)
{
	enum database_failure failure;
	bool is_sent = false;

	if ((failure = send_deliveries(batch, &is_sent)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	if (is_sent)
		quiet[(*quiet_count)++] = STATEMENT_DELIVER;
	if ((failure = send_sign_ups(batch, quiet, quiet_count)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	if (batch->has_repeats) {
		quiet[(*quiet_count)++] = STATEMENT_CONFIRM;
		if ((failure = pipeline_send(batch->pipeline,
			 STATEMENT_CONFIRM, NULL)) != DATABASE_FAILURE_NONE)
			return failure;
	}
	if (batch->is_writing) {
		quiet[(*quiet_count)++] = STATEMENT_WAIT;
		if ((failure = pipeline_send(batch->pipeline,
			 STATEMENT_WAIT, NULL)) != DATABASE_FAILURE_NONE)
			return failure;
	}
	return DATABASE_FAILURE_NONE;
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

static enum database_failure
run_write_stage(struct batch *batch)
{
	struct pipeline *pipeline = batch->pipeline;
	enum statement quiet[QUIET_MAX];
	size_t quiet_count = 0;
	enum database_failure failure;

	if ((failure = send_write_stage(batch, quiet, &quiet_count)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_acknowledgements(batch)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = send_fetches(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = pipeline_send(pipeline, STATEMENT_COMMIT, NULL)) !=
		DATABASE_FAILURE_NONE)
		return failure;
	if ((failure = pipeline_flush(pipeline)) != DATABASE_FAILURE_NONE)
		goto out;
	crash_point("store.committing");
	for (size_t i = 0; i < quiet_count; i++) {
		if ((failure = pipeline_receive(pipeline, quiet[i],
			 NULL)) != DATABASE_FAILURE_NONE)
			goto out;
	}
	if ((failure = receive_acknowledgements(batch)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = receive_fetches(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = receive_commit(batch)) != DATABASE_FAILURE_NONE)
		goto out;
	return pipeline_end_stage(pipeline);
out:
	if (failure == DATABASE_FAILURE_LOST && batch->is_writing)
		set_doubt(batch);
	return failure;
}

/* --- The whole ------------------------------------------------------------ */

static enum database_failure
run_stages(struct batch *batch)
{
	enum database_failure failure;

	if ((failure = run_read_stage(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	decide(batch);
	crash_point("store.read");
	if ((failure = run_claim_stage(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	settle_all(batch);
	crash_point("store.claimed");
	return run_write_stage(batch);
}

/*
 * Committed. An operation of which an earlier attempt may have been committed
 * and which finds itself repeated has not been answered yet: it claimed.
 */
static void
finish(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];
		struct store_operation *operation = work->operation;

		if (operation->is_deferred)
			continue;
		if (operation->is_in_doubt && work->result != NULL &&
		    work->result->claim == STORE_CLAIM_REPEATED)
			work->result->claim = STORE_CLAIM_CLAIMED;
		operation->is_in_doubt = false;
	}
	mail_deduplicate(batch->mail);
}

static void
abandon(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		store_operation_clear(batch->works[i].operation);
	batch->mail->count = 0;
}

enum database_failure
batch_run(struct pipeline *pipeline, struct store_operation **operations,
    size_t count, struct batch_mail *mail)
{
	struct batch batch = { .pipeline = pipeline, .count = count,
		.mail = mail };
	enum database_failure failure;

	mail->count = 0;
	if ((batch.works = calloc(count, sizeof(*batch.works))) == NULL)
		return DATABASE_FAILURE_NOMEM;
	for (size_t i = 0; i < count; i++)
		work_init(&batch.works[i], operations[i]);
	qsort(batch.works, count, sizeof(*batch.works), compare_works);
	failure = run_stages(&batch);
	if (failure == DATABASE_FAILURE_NONE) {
		finish(&batch);
	} else {
		abandon(&batch);
		if (failure != DATABASE_FAILURE_LOST &&
		    pipeline_reset(pipeline) != DATABASE_FAILURE_NONE)
			failure = DATABASE_FAILURE_LOST;
	}
	rows_clear(&batch.keys);
	rows_clear(&batch.names);
	rows_clear(&batch.accounts);
	rows_clear(&batch.owners);
	free(batch.works);
	return failure;
}
