#include "server/store/batch_work.h"

#include <stdlib.h>
#include <string.h>

#include "base/crash.h"

/* --- Recipients ----------------------------------------------------------- */

enum status
batch_mail_add(struct batch_mail *mail, int64_t account_id)
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

static int
compare_works(const void *a, const void *b)
{
	const struct work *x = a, *y = b;
	int64_t left = x->number != NULL ? x->number->account_id : 0;
	int64_t right = y->number != NULL ? y->number->account_id : 0;

	return (left > right) - (left < right);
}

/* --- The whole ------------------------------------------------------------ */

static enum database_failure
run_stages(struct batch *batch)
{
	enum database_failure failure;

	if ((failure = batch_run_read_stage(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	if ((failure = batch_decide(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	crash_point("store.read");
	if ((failure = batch_run_claim_stage(batch)) != DATABASE_FAILURE_NONE)
		return failure;
	batch_settle(batch);
	crash_point("store.claimed");
	return batch_run_write_stage(batch);
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
	rows_clear(&batch.groups);
	group_rows_clear(&batch.members);
	bodies_clear(&batch.bodies);
	for (size_t i = 0; i < count; i++)
		free(batch.works[i].change);
	free(batch.quiet);
	free(batch.works);
	return failure;
}
