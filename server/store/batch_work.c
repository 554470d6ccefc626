#include "server/store/batch_work.h"

#include <stdlib.h>
#include <string.h>

static void
poll_init(struct store_poll *poll)
{
	poll->messages = NULL;
	poll->message_count = 0;
	poll->has_more = false;
}

static void
group_init(struct work *work)
{
	enum store_kind kind = work->operation->kind;

	group_of(work)->verdict = STORE_GROUP_VERDICT_DONE;
	if (kind == STORE_KIND_GROUP_CREATE)
		memset(group_create_of(work)->current_share, 0,
		    STORE_KEY_SIZE);
	if (kind == STORE_KIND_GROUP_UPDATE) {
		group_update_of(work)->is_admin = false;
		memset(group_update_of(work)->current_share, 0,
		    STORE_KEY_SIZE);
	}
	if (kind == STORE_KIND_GROUP_READ) {
		group_read_of(work)->is_admin = false;
		memset(group_read_of(work)->next_share, 0, STORE_KEY_SIZE);
	}
	if (kind == STORE_KIND_GROUP_LIST)
		group_list_of(work)->has_more = false;
}

void
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
	case STORE_KIND_GROUP_CREATE:
	case STORE_KIND_GROUP_UPDATE:
	case STORE_KIND_GROUP_LEAVE:
	case STORE_KIND_GROUP_DELETE:
	case STORE_KIND_GROUP_READ:
	case STORE_KIND_GROUP_LIST:
		work->number = &group_of(work)->number;
		work->result = &group_of(work)->result;
		group_init(work);
		break;
	}
	operation->is_deferred = false;
	if (work->result != NULL)
		memset(work->result, 0, sizeof(*work->result));
}

bool
work_is_numbered(const struct work *work)
{
	return work->result != NULL &&
	    work->operation->kind != STORE_KIND_SIGN_UP;
}

bool
work_is_served(const struct work *work)
{
	if (work->operation->kind == STORE_KIND_FETCH)
		return true;
	return (work->result->claim == STORE_CLAIM_CLAIMED ||
	    work->result->claim == STORE_CLAIM_REPEATED) &&
	    work->result->code == 0;
}

enum database_failure
batch_status(enum status st)
{
	return st == STATUS_OK ? DATABASE_FAILURE_NONE : DATABASE_FAILURE_NOMEM;
}

enum database_failure
batch_receive_rows(struct batch *batch, enum statement statement,
    struct rows *rows)
{
	PGresult *result = NULL;
	enum database_failure failure;

	if ((failure = pipeline_receive(batch->pipeline, statement,
		 &result)) != DATABASE_FAILURE_NONE)
		return failure;
	return batch_status(rows_init_take(rows, result));
}

bool
batch_find_key(const struct batch *batch, struct bytes key, int64_t *account_id,
    enum key_state *state)
{
	int row = rows_find(&batch->keys, key);

	if (row < 0)
		return false;
	*account_id = database_int8(batch->keys.result, row, 1);
	*state = (enum key_state)database_int2(batch->keys.result, row, 2);
	return true;
}

bool
batch_find_current(const struct batch *batch, const uint8_t key[32],
    int64_t *account_id)
{
	enum key_state state = KEY_STATE_SPENT;

	return batch_find_key(batch, bytes_make(key, STORE_KEY_SIZE),
	    account_id, &state) && state == KEY_STATE_CURRENT;
}

enum database_failure
batch_send_quiet(struct batch *batch, enum statement statement,
    struct parameters *parameters)
{
	if (batch->quiet_count == batch->quiet_capacity) {
		size_t capacity = 2 * batch->quiet_capacity + 16;
		enum statement *grown = realloc(batch->quiet,
		    capacity * sizeof(*grown));

		if (grown == NULL)
			return DATABASE_FAILURE_NOMEM;
		batch->quiet = grown;
		batch->quiet_capacity = capacity;
	}
	batch->quiet[batch->quiet_count++] = statement;
	return pipeline_send(batch->pipeline, statement, parameters);
}

enum database_failure
batch_send_filled(struct batch *batch, enum statement statement,
    struct parameters *parameters)
{
	return parameters_count(parameters, 0) == 0 ? DATABASE_FAILURE_NONE :
	    batch_send_quiet(batch, statement, parameters);
}

void
batch_read_result(const struct rows *accounts, int row,
    struct store_result *out)
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

enum store_account_status
batch_read_status(const struct rows *accounts, int row)
{
	return (enum store_account_status)database_int2(accounts->result, row,
	    ACCOUNT_COLUMN_STATUS);
}

bool
batch_has_key(const struct rows *accounts, int row, struct bytes signing_key)
{
	return bytes_equal(signing_key,
	    rows_bytes(accounts, row, ACCOUNT_COLUMN_SIGNING_KEY));
}

bool
batch_judge_repeat(struct work *work)
{
	struct store_result *result = work->result;

	if (result->last_sequence != work->number->sequence ||
	    memcmp(result->last_hash, work->number->request_hash,
		STORE_HASH_SIZE) != 0)
		return false;
	result->claim = STORE_CLAIM_REPEATED;
	return true;
}
