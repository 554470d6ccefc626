#include "tests/integration/store/fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/file.h"
#include "server/store/migrate.h"

#define PROBLEM_MAX 4096

/* --- Help ----------------------------------------------------------------- */

/* pg_dump of the schema as db/schema.sql has it. */
static void
dump(const char *conninfo, struct buf *out)
{
	char line[1024];
	FILE *pipe;

	snprintf(line, sizeof(line), "%s schema \"%s\"", POSTGRES_SH, conninfo);
	assert_non_null(pipe = popen(line, "r"));
	buf_reset(out);
	while (fgets(line, sizeof(line), pipe) != NULL)
		assert_ok(buf_append_string(out, line));
	assert_int_equal(pclose(pipe), 0);
}

static void
count_step(void *context, const struct migration *migration, bool is_up)
{
	(void)migration;
	*(int *)context += is_up ? 1 : -1;
}

static void
assert_problem(struct buf *problem, const char *expected)
{
	const char *text;

	assert_ok(buf_string(problem, &text));
	if (strstr(text, expected) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", text, expected);
	buf_clear(problem);
	buf_init(problem, PROBLEM_MAX);
}

static size_t
embedded_count(void)
{
	const struct migration *migrations;
	size_t count;

	migration_embedded(&migrations, &count);
	return count;
}

static enum migrate_schema
check(const struct migrate_options *options)
{
	enum migrate_schema schema = MIGRATE_SCHEMA_CURRENT;

	assert_ok(migrate_check(options, &schema, NULL));
	return schema;
}

/* --- Tests ---------------------------------------------------------------- */

/* What was released never changes, and the dump in the tree is the truth. */
static void
test_migrate_up_down_up_gives_the_committed_schema(void **state)
{
	int steps = 0;
	const struct migrate_options options = {
		.conninfo = fixture_empty_database(), .report = count_step,
		.context = &steps };
	struct buf first, second, empty, committed;
	int count = (int)embedded_count();

	(void)state;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	buf_init(&empty, 1 << 20);
	buf_init(&committed, 1 << 20);
	assert_int_equal(check(&options), MIGRATE_SCHEMA_OLDER);
	assert_ok(migrate_up(&options, NULL));
	assert_int_equal(steps, count);
	assert_int_equal(check(&options), MIGRATE_SCHEMA_CURRENT);
	dump(options.conninfo, &first);
	assert_ok(migrate_up(&options, NULL));
	assert_int_equal(steps, count);

	for (int left = count; left > 0; left--) {
		assert_ok(migrate_down(&options, NULL));
		assert_int_equal(check(&options), MIGRATE_SCHEMA_OLDER);
	}
	assert_int_equal(steps, 0);
	assert_status(migrate_down(&options, NULL), STATUS_NOT_FOUND);
	/* Only the table of versions is left. */
	assert_int_equal(fixture_sql(options.conninfo, "SELECT count(*) FROM"
	    " pg_class WHERE relnamespace = 'public'::regnamespace"
	    " AND relname NOT LIKE 'schema_migrations%%'"), 0);
	assert_ok(migrate_up(&options, NULL));
	dump(options.conninfo, &second);
	assert_bytes(buf_bytes(&second), buf_bytes(&first));

	assert_ok(file_read(SCHEMA_SQL, &committed));
	if (!bytes_equal(buf_bytes(&committed), buf_bytes(&first)))
		fail_msg("db/schema.sql is not what the migrations make;"
		    " tests/support/postgres.sh schema prints it");
	buf_clear(&first);
	buf_clear(&second);
	buf_clear(&empty);
	buf_clear(&committed);
}

/* A file that nobody listed would never run. */
static void
test_migrations_are_all_embedded(void **state)
{
	const struct migration *migrations;
	DIR *folder = opendir(MIGRATION_FOLDER);
	const struct dirent *entry;
	size_t count, files = 0;

	(void)state;
	migration_embedded(&migrations, &count);
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL)
		files += strstr(entry->d_name, ".sql") != NULL;
	closedir(folder);
	assert_int_equal(files, count);
}

struct listing {
	int known, applied, foreign;
};

static void
count_row(void *context, const char *version, const char *name,
    bool is_applied)
{
	struct listing *listing = context;

	assert_true(strlen(version) > 0);
	listing->known += name[0] != '\0';
	listing->foreign += name[0] == '\0';
	listing->applied += is_applied;
}

static void
test_migrate_refuses_a_newer_database(void **state)
{
	struct listing listing = { 0 };
	const struct migrate_options options = {
		.conninfo = fixture_database(), .context = &listing };
	int count = (int)embedded_count();
	struct buf problem;

	(void)state;
	buf_init(&problem, PROBLEM_MAX);
	fixture_sql(options.conninfo,
	    "INSERT INTO schema_migrations VALUES ('9999')");
	assert_int_equal(check(&options), MIGRATE_SCHEMA_NEWER);
	assert_status(migrate_up(&options, &problem), STATUS_STALE);
	assert_problem(&problem, "version 9999");
	assert_status(migrate_down(&options, &problem), STATUS_STALE);
	assert_ok(migrate_status(&options, count_row, NULL));
	assert_int_equal(listing.known, count);
	assert_int_equal(listing.applied, count + 1);
	assert_int_equal(listing.foreign, 1);
	buf_clear(&problem);
}

static const char *shared_conninfo;

static void *
migrate_in_thread(void *context)
{
	const struct migrate_options options = { .conninfo = shared_conninfo };
	enum status *st = context;

	*st = migrate_up(&options, NULL);
	return NULL;
}

static void
test_migrate_several_at_once(void **state)
{
	pthread_t threads[6];
	enum status results[6];

	(void)state;
	shared_conninfo = fixture_empty_database();
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
		    migrate_in_thread, &results[i]), 0);
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], NULL);
		assert_ok(results[i]);
	}
	assert_int_equal(fixture_sql(shared_conninfo,
	    "SELECT count(*) FROM schema_migrations"), embedded_count());
}

/* Killed between any two steps: the next one goes on from there. */
static void
test_migrate_survives_being_killed(void **state)
{
	static const char *const points[] = { "migrate.executed",
		"migrate.executed:2", "migrate.recorded", "migrate.recorded:3",
		"migrate.committed", "migrate.committed:2" };

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		const struct migrate_options options = {
			.conninfo = fixture_empty_database() };
		int wait_status;
		pid_t child;

		assert_true((child = fork()) >= 0);
		if (child == 0) {
			setenv("PEYK_CRASH_POINT", points[i], 1);
			_exit(migrate_up(&options, NULL) == STATUS_OK ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &wait_status, 0), child);
#if defined(PEYK_CRASH_POINTS) && PEYK_CRASH_POINTS
		assert_true(WIFSIGNALED(wait_status));
		assert_int_equal(check(&options), MIGRATE_SCHEMA_OLDER);
#endif
		assert_ok(migrate_up(&options, NULL));
		assert_int_equal(check(&options), MIGRATE_SCHEMA_CURRENT);
	}
}

static void
test_migrate_rolls_a_failing_migration_back(void **state)
{
	const struct migration migrations[] = {
		{ .version = "01", .name = "01_make_one.sql",
		    .text = BYTES_LITERAL("-- migrate:up\nCREATE TABLE one();\n"
			"-- migrate:down\nDROP TABLE one;\n") },
		{ .version = "02", .name = "02_make_two.sql",
		    .text = BYTES_LITERAL("-- migrate:up\nCREATE TABLE two();\n"
			"SELECT nonsense;\n-- migrate:down\n") },
	};
	const struct migrate_options options = {
		.conninfo = fixture_empty_database(),
		.migrations = migrations, .migration_count = 2 };
	struct buf problem;

	(void)state;
	buf_init(&problem, PROBLEM_MAX);
	assert_status(migrate_up(&options, &problem), STATUS_INVALID);
	assert_problem(&problem, "02_make_two.sql: ERROR:");
	assert_int_equal(fixture_sql(options.conninfo, "SELECT count(*) FROM"
	    " pg_class WHERE relname IN ('one', 'two')"), 1);
	assert_int_equal(fixture_sql(options.conninfo,
	    "SELECT count(*) FROM schema_migrations"), 1);
	buf_clear(&problem);
}

static void
test_migrate_does_not_wait_for_ever(void **state)
{
	const struct migrate_options options = {
		.conninfo = fixture_database(), .lock_timeout_ms = 100,
		.wait_ms = 200 };
	PGconn *other = PQconnectdb(options.conninfo);
	struct buf problem;

	(void)state;
	buf_init(&problem, PROBLEM_MAX);
	/* A table in use. */
	PQclear(PQexec(other, "BEGIN; SELECT * FROM messages"));
	assert_status(migrate_down(&options, &problem), STATUS_BUSY);
	assert_problem(&problem, "lock timeout");
	PQclear(PQexec(other, "ROLLBACK"));
	/* Another one at work. */
	PQclear(PQexec(other, "SELECT pg_advisory_lock(8099013007199790962)"));
	assert_status(migrate_up(&options, &problem), STATUS_BUSY);
	assert_problem(&problem, "another process");
	PQfinish(other);
	assert_ok(migrate_up(&options, &problem));
	buf_clear(&problem);
}

static void
test_migrate_without_a_database(void **state)
{
	const struct migrate_options options = {
		.conninfo = "host=/nowhere dbname=x" };
	struct buf problem;

	(void)state;
	buf_init(&problem, PROBLEM_MAX);
	assert_status(migrate_up(&options, &problem), STATUS_UNAVAILABLE);
	assert_problem(&problem, "not reachable");
	buf_clear(&problem);
}

static void
test_migrate_wants_utf8(void **state)
{
	struct migrate_options options = { 0 };
	char conninfo[512];
	struct buf problem;

	(void)state;
	buf_init(&problem, PROBLEM_MAX);
	fixture_sql(fixture_conninfo(), "CREATE DATABASE latin ENCODING"
	    " 'LATIN1' LOCALE 'C' TEMPLATE template0");
	snprintf(conninfo, sizeof(conninfo), "%s dbname=latin",
	    fixture_conninfo());
	options.conninfo = conninfo;
	assert_status(migrate_up(&options, &problem), STATUS_INVALID);
	assert_problem(&problem, "must be UTF8");
	buf_clear(&problem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_migrate_up_down_up_gives_the_committed_schema),
		cmocka_unit_test(test_migrations_are_all_embedded),
		cmocka_unit_test(test_migrate_refuses_a_newer_database),
		cmocka_unit_test(test_migrate_several_at_once),
		cmocka_unit_test(test_migrate_survives_being_killed),
		cmocka_unit_test(test_migrate_rolls_a_failing_migration_back),
		cmocka_unit_test(test_migrate_does_not_wait_for_ever),
		cmocka_unit_test(test_migrate_without_a_database),
		cmocka_unit_test(test_migrate_wants_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
