#include "server/store/batch_work.h"

#include "server/store/inbox.h"

/*
 * The stage after COMMIT, if there is anything to do: what the rows of stage 3
 * point to. Those of fetches are there as long as their pointers are, and
 * those nobody else acknowledges.
 */

static struct inbox *
inbox_of(const struct work *work)
{
	enum store_kind kind = work->operation->kind;

	return kind == STORE_KIND_POLL || kind == STORE_KIND_FETCH ?
	    work->operation->memory : NULL;
}

static enum status
want_bodies(struct batch *batch)
{
	enum status st = STATUS_OK;

	for (size_t i = 0; i < batch->count && st == STATUS_OK; i++) {
		const struct inbox *inbox = inbox_of(&batch->works[i]);

		if (inbox != NULL)
			st = inbox_want_bodies(inbox, &batch->bodies);
	}
	bodies_sort(&batch->bodies);
	return st;
}

/* One for each group: ids of one are not looked for in the others. */
static enum database_failure
send_read_bodies(struct batch *batch)
{
	const struct bodies *bodies = &batch->bodies;
	enum database_failure failure = DATABASE_FAILURE_NONE;
	size_t run;

	for (size_t first = 0; first < bodies->count &&
	    failure == DATABASE_FAILURE_NONE; first += run) {
		struct parameters parameters;

		run = bodies_run(bodies, first);
		parameters_init(&parameters,
		    statement_text(STATEMENT_READ_BODIES)->types);
		parameters_int8(&parameters, 0, bodies->all[first].group_id);
		for (size_t i = first; i < first + run; i++)
			parameters_bytes(&parameters, 1,
			    BYTES_OF(bodies->all[i].id));
		failure = pipeline_send(batch->pipeline,
		    STATEMENT_READ_BODIES, &parameters);
		parameters_clear(&parameters);
	}
	return failure;
}

static enum database_failure
receive_bodies(struct batch *batch)
{
	struct bodies *bodies = &batch->bodies;
	enum database_failure failure;

	for (size_t first = 0; first < bodies->count;
	    first += bodies_run(bodies, first)) {
		PGresult *result = NULL;

		if ((failure = pipeline_receive(batch->pipeline,
			 STATEMENT_READ_BODIES, &result)) !=
		    DATABASE_FAILURE_NONE)
			return failure;
		if (bodies_add_take(bodies, bodies->all[first].group_id,
			result) != STATUS_OK)
			return DATABASE_FAILURE_NOMEM;
	}
	for (size_t i = 0; i < batch->count; i++) {
		struct inbox *inbox = inbox_of(&batch->works[i]);
		struct store_poll *poll = poll_of(&batch->works[i]);

		if (inbox == NULL)
			continue;
		if (inbox_add_bodies(inbox, bodies) != STATUS_OK)
			return DATABASE_FAILURE_NOMEM;
		poll->message_count = inbox->count;
	}
	return DATABASE_FAILURE_NONE;
}

enum database_failure
batch_run_late_stage(struct batch *batch)
{
	enum database_failure failure;

	if ((failure = batch_status(want_bodies(batch))) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	if (batch->bodies.count == 0 && !batch->has_lists)
		return DATABASE_FAILURE_NONE;
	if ((failure = send_read_bodies(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = batch_send_listed_groups(batch)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = pipeline_flush(batch->pipeline)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = receive_bodies(batch)) != DATABASE_FAILURE_NONE ||
	    (failure = batch_receive_listed_groups(batch)) !=
		DATABASE_FAILURE_NONE)
		return failure;
	return pipeline_end_stage(batch->pipeline);
}
