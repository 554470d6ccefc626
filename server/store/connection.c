#include "server/store/connection.h"

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

struct connection {
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
	struct connection *connection = context;
	const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
	const char *function =
	    PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);

	if (sqlstate != NULL && strcmp(sqlstate, "01000") == 0 &&
	    function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0)
		connection->is_in_doubt = true;
}

bool
connection_take_doubt(struct connection *connection)
{
	bool is_in_doubt = connection->is_in_doubt;

	connection->is_in_doubt = false;
	return is_in_doubt;
}

static enum database_failure
lost(struct connection *connection, const char *what)
{
	database_log_error(what, NULL, connection->pg);
	return DATABASE_FAILURE_LOST;
}

/* Waits until PQgetResult() would not block. */
static enum database_failure
wait_for_result(struct connection *connection, const char *what)
{
	PGconn *pg = connection->pg;

	for (;;) {
		struct pollfd poller = { .fd = PQsocket(pg), .events = POLLIN };
		uint64_t now = clock_monotonic_ms();
		int unsent = PQflush(pg);

		if (unsent < 0)
			return lost(connection, what);
		if (!PQisBusy(pg))
			return DATABASE_FAILURE_NONE;
		if (now >= connection->deadline_ms) {
			log_event(LOG_LEVEL_WARNING, "database_silent",
			    log_text("statement", what));
			return DATABASE_FAILURE_LOST;
		}
		if (unsent > 0)
			poller.events |= POLLOUT;
		if (poll(&poller, 1, (int)(connection->deadline_ms - now)) < 0 &&
		    errno != EINTR)
			return lost(connection, what);
		if (PQconsumeInput(pg) == 0)
			return lost(connection, what);
	}
}

static enum database_failure
check_result(struct connection *connection, const char *what,
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
	database_log_error(what, result, connection->pg);
	if (PQstatus(connection->pg) != CONNECTION_OK)
		return DATABASE_FAILURE_LOST;
	sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	return database_classify(sqlstate);
}

static enum database_failure
receive(struct connection *connection, const char *what, PGresult **out)
{
	enum database_failure failure;
	PGresult *result, *end;

	if ((failure = wait_for_result(connection, what)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	if ((result = PQgetResult(connection->pg)) == NULL)
		return lost(connection, what);
	failure = check_result(connection, what, result);
	/* Each result is followed by a NULL. */
	if (failure == DATABASE_FAILURE_NONE &&
	    (failure = wait_for_result(connection, what)) ==
	    DATABASE_FAILURE_NONE && (end = PQgetResult(connection->pg)) != NULL) {
		PQclear(end);
		failure = lost(connection, what);
	}
	if (failure != DATABASE_FAILURE_NONE || out == NULL)
		PQclear(result);
	else
		*out = result;
	return failure;
}

enum database_failure
connection_receive(struct connection *connection, enum statement statement,
    PGresult **out)
{
	return receive(connection, statement_text(statement)->name, out);
}

enum database_failure
connection_send(struct connection *connection, enum statement statement,
    struct parameters *parameters)
{
	const struct statement_text *text = statement_text(statement);
	struct parameters_view view;

	memset(&view, 0, sizeof(view));
	if (parameters != NULL &&
	    parameters_view(parameters, &view) != STATUS_OK)
		return DATABASE_FAILURE_NOMEM;
	connection->has_unread_stage = true;
	if (!PQsendQueryPrepared(connection->pg, text->name,
		(int)(parameters != NULL ? parameters->count : 0), view.values,
		view.sizes, view.formats, 1))
		return lost(connection, text->name);
	return DATABASE_FAILURE_NONE;
}

enum database_failure
connection_flush(struct connection *connection)
{
	connection->deadline_ms =
	    clock_monotonic_ms() + connection->stage_timeout_ms;
	connection->has_unread_stage = true;
	if (!PQpipelineSync(connection->pg))
		return lost(connection, "sync");
	connection->is_flushed = true;
	return DATABASE_FAILURE_NONE;
}

enum database_failure
connection_end_stage(struct connection *connection)
{
	enum database_failure failure;
	PGresult *result;
	ExecStatusType status;

	if ((failure = wait_for_result(connection, "sync")) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	result = PQgetResult(connection->pg);
	status = PQresultStatus(result);
	PQclear(result);
	if (status != PGRES_PIPELINE_SYNC)
		return lost(connection, "sync");
	connection->has_unread_stage = false;
	connection->is_flushed = false;
	return DATABASE_FAILURE_NONE;
}

/* Reads to the end of the stage, whatever comes. */
static enum database_failure
skip_stage(struct connection *connection)
{
	enum database_failure failure;
	int nulls = 0;

	if (connection->has_unread_stage && !connection->is_flushed &&
	    (failure = connection_flush(connection)) != DATABASE_FAILURE_NONE)
		return failure;
	while (connection->has_unread_stage) {
		PGresult *result;
		ExecStatusType status;

		if ((failure = wait_for_result(connection, "skip")) !=
		    DATABASE_FAILURE_NONE)
			return failure;
		result = PQgetResult(connection->pg);
		status = PQresultStatus(result);
		/* Two in a row: there is no sync to wait for. */
		nulls = result == NULL ? nulls + 1 : 0;
		PQclear(result);
		if (nulls > 1 || PQstatus(connection->pg) != CONNECTION_OK)
			return lost(connection, "skip");
		if (status == PGRES_PIPELINE_SYNC)
			connection->has_unread_stage = false;
	}
	connection->is_flushed = false;
	return DATABASE_FAILURE_NONE;
}

enum database_failure
connection_reset(struct connection *connection)
{
	enum database_failure failure;

	if ((failure = skip_stage(connection)) != DATABASE_FAILURE_NONE)
		return failure;
	if ((failure = connection_send(connection, STATEMENT_ROLLBACK, NULL)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = connection_flush(connection)) !=
		DATABASE_FAILURE_NONE ||
	    (failure = connection_receive(connection, STATEMENT_ROLLBACK,
		 NULL)) != DATABASE_FAILURE_NONE)
		return failure;
	return connection_end_stage(connection);
}

static enum database_failure
configure(struct connection *connection,
    const struct connection_options *options)
{
	char timeouts[128];
	PGresult *result;
	enum database_failure failure;

	result = PQexec(connection->pg, statement_settings);
	failure = check_result(connection, "settings", result);
	PQclear(result);
	if (failure != DATABASE_FAILURE_NONE)
		return failure;
	snprintf(timeouts, sizeof(timeouts),
	    "SET statement_timeout = %u; SET lock_timeout = %u",
	    options->statement_timeout_ms, options->lock_timeout_ms);
	result = PQexec(connection->pg, timeouts);
	failure = check_result(connection, "settings", result);
	PQclear(result);
	return failure;
}

static enum database_failure
prepare_all(struct connection *connection)
{
	enum database_failure failure;

	for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
		const struct statement_text *text =
		    statement_text((enum statement)i);

		if (!PQsendPrepare(connection->pg, text->name, text->sql, 0,
			NULL))
			return lost(connection, text->name);
	}
	if ((failure = connection_flush(connection)) != DATABASE_FAILURE_NONE)
		return failure;
	for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
		if ((failure = connection_receive(connection,
			 (enum statement)i, NULL)) != DATABASE_FAILURE_NONE)
			return failure;
	}
	return connection_end_stage(connection);
}

enum status
connection_open(const struct connection_options *options,
    struct connection **out)
{
	struct connection *connection;
	enum status st;

	if ((connection = calloc(1, sizeof(*connection))) == NULL)
		return STATUS_NOMEM;
	connection->stage_timeout_ms = options->statement_timeout_ms +
	    options->lock_timeout_ms + STAGE_GRACE_MS;
	if ((st = database_connect(options->conninfo, &connection->pg)) !=
	    STATUS_OK)
		goto out;
	PQsetNoticeReceiver(connection->pg, receive_notice, connection);
	st = STATUS_UNAVAILABLE;
	if (configure(connection, options) != DATABASE_FAILURE_NONE)
		goto out;
	if (!PQenterPipelineMode(connection->pg) ||
	    PQsetnonblocking(connection->pg, 1) != 0 ||
	    prepare_all(connection) != DATABASE_FAILURE_NONE)
		goto out;
	*out = connection;
	connection = NULL;
	st = STATUS_OK;
out:
	connection_close(connection);
	return st;
}

void
connection_close(struct connection *connection)
{
	if (connection == NULL)
		return;
	PQfinish(connection->pg);
	free(connection);
}
