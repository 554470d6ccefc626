#include "server/store/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/*
 * A stage that takes longer than its statements may, by this much, is on a
 * connection that is dead without saying so.
 */
#define STAGE_GRACE_MS 3000

struct pipeline {
	PGconn *pg;
	uint32_t stage_timeout_ms;
	uint64_t deadline_ms; /* of the stage, monotonic */
	bool is_in_doubt;
	bool has_unread_stage;
	bool is_flushed; /* the stage's sync was sent */
};

/*
 * 01000 from SyncRepWaitForLSN: the wait for the standby was cancelled or cut
 * short; the commit is only local.
 */
static void
receive_notice(void *context, const PGresult *notice)
{
	struct pipeline *pipeline = context;
	const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
	const char *function =
	    PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);

	if (sqlstate != NULL && strcmp(sqlstate, "01000") == 0 &&
	    function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0)
		pipeline->is_in_doubt = true;
}

bool
pipeline_take_doubt(struct pipeline *pipeline)
{
	bool is_in_doubt = pipeline->is_in_doubt;

	pipeline->is_in_doubt = false;
	return is_in_doubt;
}

static enum database_failure
lost(struct pipeline *pipeline, const char *what)
{
	database_log_error(what, NULL, pipeline->pg);
	return DATABASE_FAILURE_LOST;
}

/* Waits until PQgetResult() would not block. */
static enum database_failure
wait_for_result(struct pipeline *pipeline, const char *what)
{
	PGconn *pg = pipeline->pg;

	for (;;) {
		struct pollfd poller = { .fd = PQsocket(pg), .events = POLLIN };
		uint64_t now = clock_monotonic_ms();
		int unsent = PQflush(pg);

		if (unsent < 0)
			return lost(pipeline, what);
		if (!PQisBusy(pg))
			return DATABASE_FAILURE_NONE;
		if (now >= pipeline->deadline_ms) {
			log_event(LOG_LEVEL_WARNING, "database_silent",
			    log_text("statement", what));
			return DATABASE_FAILURE_LOST;
		}
		if (unsent > 0)
			poller.events |= POLLOUT;
		if (poll(&poller, 1, (int)(pipeline->deadline_ms - now)) < 0 &&
		    errno != EINTR)
			return lost(pipeline, what);
		if (PQconsumeInput(pg) == 0)
			return lost(pipeline, what);
	}
}

static enum database_failure
check_result(struct pipeline *pipeline, const char *what,
    const PGresult *result)
{
	const char *sqlstate;

	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		return DATABASE_FAILURE_NONE;
	case PGRES_PIPELINE_ABORTED:
		/* Whoever read the result of the culprit knows better. */
		return DATABASE_FAILURE_REFUSED;
	default:
		break;
	}
	database_log_error(what, result, pipeline->pg);
	if (PQstatus(pipeline->pg) != CONNECTION_OK)
		return DATABASE_FAILURE_LOST;
	sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	return database_classify(sqlstate);
}

static enum database_failure
receive(struct pipeline *pipeline, const char *what, PGresult **out)
{
	enum database_failure failure;
	PGresult *result, *end;

	if ((failure = wait_for_result(pipeline, what)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	if ((result = PQgetResult(pipeline->pg)) == NULL)
		return lost(pipeline, what);
	failure = check_result(pipeline, what, result);
	/* Each result is followed by a NULL. */
	if (failure == DATABASE_FAILURE_NONE &&
	    (failure = wait_for_result(pipeline, what)) ==
	    DATABASE_FAILURE_NONE &&
	    (end = PQgetResult(pipeline->pg)) != NULL) {
		PQclear(end);
		failure = lost(pipeline, what);
	}
	if (failure != DATABASE_FAILURE_NONE || out == NULL)
		PQclear(result);
	else
		*out = result;
	return failure;
}

enum database_failure
pipeline_receive(struct pipeline *pipeline, enum statement statement,
    PGresult **out)
{
	return receive(pipeline, statement_text(statement)->name, out);
}

enum database_failure
pipeline_send(struct pipeline *pipeline, enum statement statement,
    struct parameters *parameters)
{
	const struct statement_text *text = statement_text(statement);
	struct parameters_view view;

	memset(&view, 0, sizeof(view));
	if (parameters != NULL &&
	    parameters_view(parameters, &view) != STATUS_OK)
		return DATABASE_FAILURE_NOMEM;
	pipeline->has_unread_stage = true;
	if (!PQsendQueryPrepared(pipeline->pg, text->name,
		(int)(parameters != NULL ? parameters->count : 0), view.values,
		view.sizes, view.formats, 1))
		return lost(pipeline, text->name);
	return DATABASE_FAILURE_NONE;
}

enum database_failure
pipeline_flush(struct pipeline *pipeline)
{
	pipeline->deadline_ms =
	    clock_monotonic_ms() + pipeline->stage_timeout_ms;
	pipeline->has_unread_stage = true;
	if (!PQpipelineSync(pipeline->pg))
		return lost(pipeline, "sync");
	pipeline->is_flushed = true;
	return DATABASE_FAILURE_NONE;
}

enum database_failure
pipeline_end_stage(struct pipeline *pipeline)
{
	enum database_failure failure;
	PGresult *result;
	ExecStatusType status;

	if ((failure = wait_for_result(pipeline, "sync")) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	result = PQgetResult(pipeline->pg);
	status = PQresultStatus(result);
	PQclear(result);
	if (status != PGRES_PIPELINE_SYNC)
		return lost(pipeline, "sync");
	pipeline->has_unread_stage = false;
	pipeline->is_flushed = false;
	return DATABASE_FAILURE_NONE;
}

/* Reads to the end of the stage, whatever comes. */
static enum database_failure
skip_stage(struct pipeline *pipeline)
{
	enum database_failure failure;
	int nulls = 0;

	if (pipeline->has_unread_stage && !pipeline->is_flushed &&
	    (failure = pipeline_flush(pipeline)) != DATABASE_FAILURE_NONE)
		return failure;
	while (pipeline->has_unread_stage) {
		PGresult *result;
		ExecStatusType status;

		if ((failure = wait_for_result(pipeline, "skip")) !=
		    DATABASE_FAILURE_NONE)
			return failure;
		result = PQgetResult(pipeline->pg);
		status = PQresultStatus(result);
		/* Two in a row: there is no sync to wait for. */
		nulls = result == NULL ? nulls + 1 : 0;
		PQclear(result);
		if (nulls > 1 || PQstatus(pipeline->pg) != CONNECTION_OK)
			return lost(pipeline, "skip");
		if (status == PGRES_PIPELINE_SYNC)
			pipeline->has_unread_stage = false;
	}
	pipeline->is_flushed = false;
	return DATABASE_FAILURE_NONE;
}

enum database_failure
pipeline_reset(struct pipeline *pipeline)
{
	enum database_failure failure;

	if ((failure = skip_stage(pipeline)) != DATABASE_FAILURE_NONE)
		return failure;
	if ((failure = pipeline_send(pipeline, STATEMENT_ROLLBACK, NULL)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = pipeline_flush(pipeline)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = pipeline_receive(pipeline, STATEMENT_ROLLBACK,
		 NULL)) != DATABASE_FAILURE_NONE)
		return failure;
	return pipeline_end_stage(pipeline);
}

static enum database_failure
configure(struct pipeline *pipeline,
    const struct pipeline_options *options)
{
	char timeouts[128];
	PGresult *result;
	enum database_failure failure;

	result = PQexec(pipeline->pg, statement_settings);
	failure = check_result(pipeline, "settings", result);
	PQclear(result);
	if (failure != DATABASE_FAILURE_NONE)
		return failure;
	snprintf(timeouts, sizeof(timeouts),
	    "SET statement_timeout = %u; SET lock_timeout = %u",
	    options->statement_timeout_ms, options->lock_timeout_ms);
	result = PQexec(pipeline->pg, timeouts);
	failure = check_result(pipeline, "settings", result);
	PQclear(result);
	return failure;
}

static enum database_failure
prepare_all(struct pipeline *pipeline)
{
	enum database_failure failure;

	for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
		const struct statement_text *text =
		    statement_text((enum statement)i);

		if (!PQsendPrepare(pipeline->pg, text->name, text->sql, 0,
			NULL))
			return lost(pipeline, text->name);
	}
	if ((failure = pipeline_flush(pipeline)) != DATABASE_FAILURE_NONE)
		return failure;
	for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
		if ((failure = pipeline_receive(pipeline,
			 (enum statement)i, NULL)) != DATABASE_FAILURE_NONE)
			return failure;
	}
	return pipeline_end_stage(pipeline);
}

enum status
pipeline_open(const struct pipeline_options *options,
    struct pipeline **out)
{
	struct pipeline *pipeline;
	enum status st;

	if ((pipeline = calloc(1, sizeof(*pipeline))) == NULL)
		return STATUS_NOMEM;
	pipeline->stage_timeout_ms = options->statement_timeout_ms +
	    options->lock_timeout_ms + STAGE_GRACE_MS;
	if ((st = database_connect(options->conninfo, &pipeline->pg)) !=
	    STATUS_OK)
		goto out;
	PQsetNoticeReceiver(pipeline->pg, receive_notice, pipeline);
	st = STATUS_UNAVAILABLE;
	if (configure(pipeline, options) != DATABASE_FAILURE_NONE)
		goto out;
	if (!PQenterPipelineMode(pipeline->pg) ||
	    PQsetnonblocking(pipeline->pg, 1) != 0 ||
	    prepare_all(pipeline) != DATABASE_FAILURE_NONE)
		goto out;
	*out = pipeline;
	pipeline = NULL;
	st = STATUS_OK;
out:
	pipeline_close(pipeline);
	return st;
}

void
pipeline_close(struct pipeline *pipeline)
{
	if (pipeline == NULL)
		return;
	PQfinish(pipeline->pg);
	free(pipeline);
}

/* A backend that ends says so before it hangs up: two looks, to see both. */
bool
pipeline_is_alive(struct pipeline *pipeline)
{
	PGconn *pg = pipeline->pg;
	struct pollfd poller = { .fd = PQsocket(pg), .events = POLLIN };

	for (int i = 0; i < 2 && poll(&poller, 1, 0) > 0; i++) {
		if (PQconsumeInput(pg) == 0) {
			database_log_error("idle", NULL, pg);
			return false;
		}
	}
	return PQstatus(pg) == CONNECTION_OK;
}
