#include "server/store/batch_work.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/store/send_result.h"

/* Between the second stage and the third: the results. */

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

	if (!batch_find_key(batch, key, &account_id, &state))
		return -1;
	return rows_find_int8(&batch->owners, account_id);
}

static void
settle_sign_up(struct batch *batch, struct work *work)
{
	struct store_sign_up *sign_up = sign_up_of(work);
	struct bytes key = work_signing_key(work);
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
	if (row < 0 || !batch_has_key(&batch->owners, row, key)) {
		work->result->claim = STORE_CLAIM_DENIED;
		sign_up->status = STORE_ACCOUNT_STATUS_DELETED;
		return;
	}
	sign_up->account_id = database_int8(batch->owners.result, row,
	    ACCOUNT_COLUMN_ID);
	sign_up->status = batch_read_status(&batch->owners, row);
	batch_read_result(&batch->owners, row, work->result);
	if (batch_judge_repeat(work))
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
	account->status = batch_read_status(&batch->owners, row);
	account->is_replaced = !batch_has_key(&batch->owners, row, key);
	memcpy(account->encryption_key,
	    rows_bytes(&batch->owners, row,
		ACCOUNT_COLUMN_ENCRYPTION_KEY).data, STORE_KEY_SIZE);
	batch_read_result(&batch->owners, row, &account->last);
	return STATUS_OK;
}

static enum status
settle_damaged(const struct work *work)
{
	log_event(LOG_LEVEL_ERROR, "stored_result_damaged",
	    log_i64("account", work->number->account_id));
	return STATUS_INTERNAL;
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
	return settle_damaged(work);
}

/*
 * A change that is done, or done again: without the rest of the result, which
 * is read. The id of a group that was made is the one that was stored.
 */
static enum status
settle_group(struct batch *batch, struct work *work)
{
	struct store_group_head *head = group_of(work);
	struct store_group_update *update = group_update_of(work);
	struct bytes stored;

	if (work->is_claimed && head->verdict != STORE_GROUP_VERDICT_DONE) {
		const struct store_refusal *refusal =
		    &head->refusals[head->verdict];

		set_claimed(work, refusal->code, refusal->message);
		return STATUS_OK;
	}
	if (work->is_claimed)
		set_claimed(work, 0, "");
	if (work->operation->kind == STORE_KIND_GROUP_UPDATE &&
	    work->is_claimed) {
		update->is_admin =
		    work->change->admin_id == work->number->account_id;
		if (update->is_admin)
			memcpy(update->current_share, update->next_share,
			    STORE_KEY_SIZE);
	}
	if (work->operation->kind != STORE_KIND_GROUP_CREATE)
		return STATUS_OK;
	if (work->is_claimed) {
		memcpy(group_create_of(work)->current_share,
		    group_create_of(work)->next_share, STORE_KEY_SIZE);
		return STATUS_OK;
	}
	if (!work_is_served(work))
		return STATUS_OK;
	stored = rows_bytes(&batch->accounts,
	    rows_find_int8(&batch->accounts, work->number->account_id),
	    ACCOUNT_COLUMN_LAST_RESULT);
	if (stored.size != 8)
		return settle_damaged(work);
	head->group_id = (int64_t)bytes_get_u64be(stored.data);
	return STATUS_OK;
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
		else if (work_is_served(work))
			return settle_repeated_send(batch, work);
		return STATUS_OK;
	case STORE_KIND_POLL:
		if (work->is_claimed)
			set_claimed(work, 0, "");
		return STATUS_OK;
	case STORE_KIND_LOOKUP:
		if (work->is_claimed)
			set_claimed(work, 0, "");
		return work_is_served(work) ? settle_lookup(batch, work) :
		    STATUS_OK;
	case STORE_KIND_FETCH:
		return STATUS_OK;
	case STORE_KIND_GROUP_CREATE:
	case STORE_KIND_GROUP_UPDATE:
	case STORE_KIND_GROUP_LEAVE:
	case STORE_KIND_GROUP_DELETE:
	case STORE_KIND_GROUP_READ:
	case STORE_KIND_GROUP_LIST:
		return settle_group(batch, work);
	}
	return STATUS_INTERNAL;
}

/* An operation that fails on its own does not hold up the others. */
void
batch_settle(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct work *work = &batch->works[i];

		work->operation->status = settle(batch, work);
		batch->is_writing |= work->is_tried;
	}
	batch->is_writing |= batch->has_repeats;
}
