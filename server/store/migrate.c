#include "server/store/migrate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "base/clock.h"
#include "base/crash.h"
#include "server/store/database.h"

#define LOCK_TIMEOUT_MS 5000
#define WAIT_MS 60000
#define WAIT_STEP_MS 100

/* "peykmigr" as a number: nobody else's advisory lock. */
#define LOCK_SQL "SELECT pg_try_advisory_lock(8099013007199790962)"

/* As dbmate creates it. */
#define CREATE_SQL \
	"CREATE TABLE IF NOT EXISTS schema_migrations" \
	" (version varchar(128) PRIMARY KEY)"

struct session {
	const struct migrate_options *options;
	const struct migration *migrations;
	size_t migration_count;
	struct buf *problem;
	PGconn *pg;
	/* Applied versions in order; NULL if there is no table yet. */
	PGresult *applied;
};

/* --- Telling what is wrong ------------------------------------------------ */

static void
tell(struct session *session, const char *prefix, const char *text)
{
	size_t size = strlen(text);

	while (size > 0 && text[size - 1] == '\n')
		size--;
	/* The sentence only helps: that it does not fit changes nothing. */
	if (session->problem != NULL)
		(void)!buf_append_format(session->problem, "%s%.*s", prefix,
		    (int)size, text);
}

/* The status of a failed result; it is told too. */
static enum status
refused(struct session *session, const char *prefix, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	tell(session, prefix, PQerrorMessage(session->pg));
	if (PQstatus(session->pg) != CONNECTION_OK)
		return STATUS_UNAVAILABLE;
	switch (database_classify(sqlstate)) {
	case DATABASE_FAILURE_LOST:
		return STATUS_UNAVAILABLE;
	case DATABASE_FAILURE_CONFLICT:
	case DATABASE_FAILURE_TIMEOUT:
		return STATUS_BUSY;
	case DATABASE_FAILURE_NONE:
	case DATABASE_FAILURE_REFUSED:
	case DATABASE_FAILURE_NOMEM:
		break;
	}
	return STATUS_INVALID;
}

/* sql may hold several statements. *out (may be NULL) is the caller's. */
static enum status
execute(struct session *session, const char *prefix, const char *sql,
    PGresult **out)
{
	PGresult *result = PQexec(session->pg, sql);
	ExecStatusType status = PQresultStatus(result);
	enum status st = STATUS_OK;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
	    status != PGRES_EMPTY_QUERY)
		st = refused(session, prefix, result);
	if (st == STATUS_OK && out != NULL)
		*out = result;
	else
		PQclear(result);
	return st;
}

/* --- Versions ------------------------------------------------------------- */

static int
applied_count(const struct session *session)
{
	return session->applied != NULL ? PQntuples(session->applied) : 0;
}

static const char *
applied_version(const struct session *session, int row)
{
	return PQgetvalue(session->applied, row, 0);
}

static bool
is_applied(const struct session *session, const char *version)
{
	for (int row = 0; row < applied_count(session); row++) {
		if (strcmp(applied_version(session, row), version) == 0)
			return true;
	}
	return false;
}

static const struct migration *
find_migration(const struct session *session, const char *version)
{
	for (size_t i = 0; i < session->migration_count; i++) {
		if (strcmp(session->migrations[i].version, version) == 0)
			return &session->migrations[i];
	}
	return NULL;
}

static enum status
read_applied(struct session *session)
{
	PGresult *result = NULL;
	bool is_there;
	enum status st;

	PQclear(session->applied);
	session->applied = NULL;
	if ((st = execute(session, "", "SELECT to_regclass('schema_migrations')"
		 " IS NOT NULL", &result)) != STATUS_OK)
		return st;
	is_there = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
	PQclear(result);
	if (!is_there)
		return STATUS_OK;
	return execute(session, "", "SELECT version FROM schema_migrations"
	    " ORDER BY version COLLATE \"C\"", &session->applied);
}

/* What a newer program applied is not ours to build upon. */
static enum status
refuse_unknown(struct session *session)
{
	for (int row = 0; row < applied_count(session); row++) {
		const char *version = applied_version(session, row);

		if (find_migration(session, version) != NULL)
			continue;
		tell(session, "the database has a migration that this program"
		    " does not know; use a newer program: version ", version);
		return STATUS_STALE;
	}
	return STATUS_OK;
}

/* --- Sessions ------------------------------------------------------------- */

static enum status
session_open(struct session *session, const struct migrate_options *options,
    struct buf *problem)
{
	enum status st;

	memset(session, 0, sizeof(*session));
	session->options = options;
	session->problem = problem;
	session->migrations = options->migrations;
	session->migration_count = options->migration_count;
	if (session->migrations == NULL)
		migration_embedded(&session->migrations,
		    &session->migration_count);
	for (size_t i = 1; i < session->migration_count; i++)
		assert(strcmp(session->migrations[i - 1].version,
		    session->migrations[i].version) < 0);
	if ((st = database_connect(options->conninfo, &session->pg)) !=
	    STATUS_OK)
		tell(session, "the database is not reachable", "");
	return st;
}

static void
session_close(struct session *session)
{
	PQclear(session->applied);
	PQfinish(session->pg); /* gives up the advisory lock */
}

/* The lock is tried rather than waited for: lock_timeout is for tables. */
static enum status
lock(struct session *session)
{
	uint32_t wait_ms = session->options->wait_ms;
	const struct timespec step = { .tv_nsec = WAIT_STEP_MS * 1000000L };
	uint64_t deadline_ms;

	deadline_ms = clock_monotonic_ms() + (wait_ms != 0 ? wait_ms : WAIT_MS);
	for (;;) {
		PGresult *result = NULL;
		bool is_locked;
		enum status st;

		if ((st = execute(session, "", LOCK_SQL, &result)) != STATUS_OK)
			return st;
		is_locked = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
		PQclear(result);
		if (is_locked)
			return STATUS_OK;
		if (clock_monotonic_ms() >= deadline_ms) {
			tell(session, "another process is migrating this"
			    " database, and takes long", "");
			return STATUS_BUSY;
		}
		nanosleep(&step, NULL);
	}
}

static enum status
check_encoding(struct session *session)
{
	const char *encoding =
	    PQparameterStatus(session->pg, "server_encoding");

	if (encoding != NULL && strcmp(encoding, "UTF8") == 0)
		return STATUS_OK;
	tell(session, "the database's encoding must be UTF8 (createdb -E UTF8"
	    " -T template0), and is ", encoding != NULL ? encoding : "unknown");
	return STATUS_INVALID;
}

static enum status
set_timeouts(struct session *session)
{
	uint32_t timeout_ms = session->options->lock_timeout_ms;
	struct buf sql;
	const char *text;
	enum status st;

	buf_init(&sql, 256);
	if ((st = buf_append_format(&sql, "SET client_min_messages = warning;"
		 "SET lock_timeout = %u", timeout_ms != 0 ? timeout_ms :
		 LOCK_TIMEOUT_MS)) == STATUS_OK &&
	    (st = buf_string(&sql, &text)) == STATUS_OK)
		st = execute(session, "", text, NULL);
	buf_clear(&sql);
	return st;
}

/* Connected, alone, with the table of versions there and read. */
static enum status
session_begin(struct session *session, const struct migrate_options *options,
    struct buf *problem)
{
	enum status st;

	if ((st = session_open(session, options, problem)) != STATUS_OK ||
	    (st = check_encoding(session)) != STATUS_OK ||
	    (st = set_timeouts(session)) != STATUS_OK ||
	    (st = lock(session)) != STATUS_OK ||
	    (st = execute(session, "", CREATE_SQL, NULL)) != STATUS_OK ||
	    (st = read_applied(session)) != STATUS_OK)
		return st;
	return refuse_unknown(session);
}

/* --- Steps ---------------------------------------------------------------- */

static enum status
record(struct session *session, const struct migration *migration, bool is_up)
{
	const char *values[] = { migration->version };
	PGresult *result = PQexecParams(session->pg,
	    is_up ? "INSERT INTO schema_migrations(version) VALUES ($1)" :
	    "DELETE FROM schema_migrations WHERE version = $1", 1, NULL, values,
	    NULL, NULL, 0);
	enum status st = STATUS_OK;

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		st = refused(session, "schema_migrations: ", result);
	PQclear(result);
	return st;
}

static enum status
run_block(struct session *session, const struct migration *migration,
    struct bytes block)
{
	struct buf sql, prefix;
	const char *text, *prefix_text;
	enum status st;

	buf_init(&sql, block.size);
	buf_init(&prefix, 512);
	if ((st = buf_append(&sql, block)) == STATUS_OK &&
	    (st = buf_string(&sql, &text)) == STATUS_OK &&
	    (st = buf_append_format(&prefix, "migration %s: ",
		 migration->name)) == STATUS_OK &&
	    (st = buf_string(&prefix, &prefix_text)) == STATUS_OK)
		st = execute(session, prefix_text, text, NULL);
	buf_clear(&sql);
	buf_clear(&prefix);
	return st;
}

static enum status
step(struct session *session, const struct migration *migration, bool is_up)
{
	struct migration_blocks blocks;
	enum status st;

	if ((st = migration_parse(migration, &blocks, session->problem)) !=
	    STATUS_OK)
		return st;
	if ((st = execute(session, "", "BEGIN", NULL)) != STATUS_OK ||
	    (st = run_block(session, migration,
		 is_up ? blocks.up : blocks.down)) != STATUS_OK)
		return st;
	if (PQtransactionStatus(session->pg) != PQTRANS_INTRANS) {
		tell(session, "the migration ended its own transaction: ",
		    migration->name);
		return STATUS_INVALID;
	}
	crash_point("migrate.executed");
	if ((st = record(session, migration, is_up)) != STATUS_OK)
		return st;
	crash_point("migrate.recorded");
	st = execute(session, "", "COMMIT", NULL);
	crash_point("migrate.committed");
	if (st == STATUS_OK && session->options->report != NULL)
		session->options->report(session->options->context, migration,
		    is_up);
	return st;
}

/* --- Commands ------------------------------------------------------------- */

enum status
migrate_up(const struct migrate_options *options, struct buf *problem)
{
	struct session session;
	enum status st;

	st = session_begin(&session, options, problem);
	for (size_t i = 0; i < session.migration_count && st == STATUS_OK;
	    i++) {
		if (!is_applied(&session, session.migrations[i].version))
			st = step(&session, &session.migrations[i], true);
	}
	session_close(&session);
	return st;
}

enum status
migrate_down(const struct migrate_options *options, struct buf *problem)
{
	struct session session;
	int count;
	enum status st;

	if ((st = session_begin(&session, options, problem)) != STATUS_OK)
		goto out;
	if ((count = applied_count(&session)) == 0) {
		tell(&session, "no migration is applied", "");
		st = STATUS_NOT_FOUND;
		goto out;
	}
	st = step(&session, find_migration(&session,
	    applied_version(&session, count - 1)), false);
out:
	session_close(&session);
	return st;
}

enum status
migrate_status(const struct migrate_options *options,
    void (*row)(void *context, const char *version, const char *name,
	bool is_applied),
    struct buf *problem)
{
	struct session session;
	size_t known = 0;
	int applied = 0;
	enum status st;

	if ((st = session_open(&session, options, problem)) != STATUS_OK ||
	    (st = read_applied(&session)) != STATUS_OK)
		goto out;
	/* Merges two sorted lists. */
	while (known < session.migration_count ||
	    applied < applied_count(&session)) {
		const struct migration *migration =
		    known < session.migration_count ?
		    &session.migrations[known] : NULL;
		const char *version = applied < applied_count(&session) ?
		    applied_version(&session, applied) : NULL;
		int order = migration == NULL ? 1 : version == NULL ? -1 :
		    strcmp(migration->version, version);

		row(options->context, order <= 0 ? migration->version : version,
		    order <= 0 ? migration->name : "", order >= 0);
		known += order <= 0;
		applied += order >= 0;
	}
out:
	session_close(&session);
	return st;
}

enum status
migrate_check(const struct migrate_options *options, enum migrate_schema *out,
    struct buf *problem)
{
	struct session session;
	enum migrate_schema schema = MIGRATE_SCHEMA_CURRENT;
	enum status st;

	if ((st = session_open(&session, options, problem)) != STATUS_OK ||
	    (st = read_applied(&session)) != STATUS_OK)
		goto out;
	for (size_t i = 0; i < session.migration_count; i++) {
		if (!is_applied(&session, session.migrations[i].version))
			schema = MIGRATE_SCHEMA_OLDER;
	}
	for (int row = 0; row < applied_count(&session); row++) {
		if (find_migration(&session, applied_version(&session, row)) ==
		    NULL)
			schema = MIGRATE_SCHEMA_NEWER;
	}
	*out = schema;
out:
	session_close(&session);
	return st;
}
