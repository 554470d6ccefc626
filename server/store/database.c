#include "server/store/database.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

/* 2000-01-01, where PostgreSQL's time begins, in Unix time. */
#define POSTGRES_EPOCH_MS UINT64_C(946684800000)

#define TELL_UNREACHABLE_MS 10000

/* The codes that are not refusals; a shorter one stands for its class. */
static const struct {
	const char *prefix;
	enum database_failure failure;
} failures[] = {
	{ "08", DATABASE_FAILURE_LOST },        /* connection */
	{ "57P", DATABASE_FAILURE_LOST },       /* shutdown, crash, start-up */
	{ "53", DATABASE_FAILURE_LOST },        /* disk full, out of memory */
	{ "58", DATABASE_FAILURE_LOST },        /* input and output */
	{ "25006", DATABASE_FAILURE_LOST },     /* this one is a standby now */
	{ "25P03", DATABASE_FAILURE_LOST },     /* idle in transaction */
	{ "26000", DATABASE_FAILURE_LOST },     /* lost prepared statements */
	{ "0A000", DATABASE_FAILURE_LOST },     /* plans of an older schema */
	{ "40003", DATABASE_FAILURE_LOST },     /* completion unknown */
	{ "40001", DATABASE_FAILURE_CONFLICT }, /* serialization */
	{ "40P01", DATABASE_FAILURE_CONFLICT }, /* deadlock */
	{ "55P03", DATABASE_FAILURE_TIMEOUT },  /* lock_timeout */
	{ "57014", DATABASE_FAILURE_TIMEOUT },  /* statement_timeout */
};

enum database_failure
database_classify(const char *sqlstate)
{
	if (sqlstate == NULL)
		return DATABASE_FAILURE_LOST;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (strncmp(sqlstate, failures[i].prefix,
			strlen(failures[i].prefix)) == 0)
			return failures[i].failure;
	}
	return DATABASE_FAILURE_REFUSED;
}

static void
ignore_notice(void *context, const char *message)
{
	(void)context;
	(void)message;
}

/* libpq's messages have a line or more; a log's line wants their words. */
static void
log_message(enum log_level level, const char *event, const char *statement,
    const char *message)
{
	char text[512];
	size_t size = 0;

	for (; *message != '\0' && size < sizeof(text) - 1; message++)
		text[size++] = *message == '\n' || *message == '\t' ? ' ' :
		    *message;
	while (size > 0 && text[size - 1] == ' ')
		size--;
	text[size] = '\0';
	log_event(level, event, log_text("statement", statement),
	    log_text("error", text));
}

/*
 * Every thread tries again and again while the database is away: the log is
 * told so now and then. When it was told last; 0: not since it was there.
 */
static atomic_uint_fast64_t told_unreachable_ms;

static void
log_unreachable(const PGconn *pg)
{
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t told_ms = atomic_load(&told_unreachable_ms);
	bool is_new = told_ms == 0 || now_ms - told_ms >= TELL_UNREACHABLE_MS;

	if (is_new)
		atomic_store(&told_unreachable_ms, now_ms);
	log_message(is_new ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
	    "database_unreachable", "connect", PQerrorMessage(pg));
}

enum status
database_connect(const char *conninfo, PGconn **out)
{
	/* The last one wins, so the string can override what is above it. */
	const char *keywords[] = { "target_session_attrs", "connect_timeout",
		"keepalives_idle", "keepalives_interval", "keepalives_count",
		"tcp_user_timeout", "fallback_application_name",
		"client_encoding", "dbname", NULL };
	const char *values[] = { "read-write", "5", "10", "5", "3", "15000",
		"peykd", "UTF8", conninfo, NULL };
	PGconn *pg;

	if ((pg = PQconnectdbParams(keywords, values, 1)) == NULL)
		return STATUS_NOMEM;
	if (PQstatus(pg) != CONNECTION_OK) {
		log_unreachable(pg);
		PQfinish(pg);
		return STATUS_UNAVAILABLE;
	}
	atomic_store(&told_unreachable_ms, 0);
	PQsetNoticeProcessor(pg, ignore_notice, NULL);
	*out = pg;
	return STATUS_OK;
}

enum status
database_check_conninfo(const char *conninfo)
{
	char *error = NULL;
	PQconninfoOption *parsed = PQconninfoParse(conninfo, &error);

	/* A bare word is the name of a database, which has no "=". */
	if (parsed == NULL && strchr(conninfo, '=') != NULL) {
		log_event(LOG_LEVEL_ERROR, "database_string_invalid",
		    log_text("error", error != NULL ? error : "no memory"));
		PQfreemem(error);
		return STATUS_INVALID;
	}
	PQfreemem(error);
	PQconninfoFree(parsed);
	return STATUS_OK;
}

void
database_log_error(const char *statement, const PGresult *result,
    const PGconn *connection)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *constraint =
	    PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);

	/*
	 * A server's message may quote values. Without a SQLSTATE the message
	 * is libpq's own and tells about the connection.
	 */
	if (sqlstate != NULL)
		log_event(LOG_LEVEL_WARNING, "database_error",
		    log_text("statement", statement),
		    log_text("sqlstate", sqlstate),
		    log_text("constraint",
			constraint != NULL ? constraint : ""));
	else
		log_message(LOG_LEVEL_WARNING, "database_lost", statement,
		    PQerrorMessage(connection));
}

static const uint8_t *
field(const PGresult *result, int row, int column)
{
	return (const uint8_t *)PQgetvalue(result, row, column);
}

int64_t
database_int8(const PGresult *result, int row, int column)
{
	return (int64_t)bytes_get_u64be(field(result, row, column));
}

int32_t
database_int4(const PGresult *result, int row, int column)
{
	return (int32_t)bytes_get_u32be(field(result, row, column));
}

int16_t
database_int2(const PGresult *result, int row, int column)
{
	const uint8_t *bytes = field(result, row, column);

	return (int16_t)(bytes[0] << 8 | bytes[1]);
}

uint64_t
database_time_ms(const PGresult *result, int row, int column)
{
	int64_t us = database_int8(result, row, column);

	return POSTGRES_EPOCH_MS + (uint64_t)(us / 1000);
}
