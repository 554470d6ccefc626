#include "tests/integration/store/fixture.h"

#include <string.h>

#include <libpq-fe.h>

#include "server/store/statement.h"

/*
 * The plans of the statements: with many rows, and prepared while there were
 * none, everything is found by primary keys.
 */

static PGconn *pg;

static void
run_sql(const char *sql)
{
	PGresult *result = PQexec(pg, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
	    PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(pg));
	PQclear(result);
}

static int
set_up(void **state)
{
	(void)state;
	pg = PQconnectdb(fixture_database());
	run_sql(statement_settings);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	PQfinish(pg);
	return 0;
}

static const char *
type_name(char letter)
{
	switch (letter) {
	case 'q':
		return "bigint";
	case 'i':
		return "integer";
	case 'b':
		return "bytea";
	case 't':
		return "text";
	case 'u':
		return "uuid";
	case 'Q':
		return "bigint[]";
	case 'I':
		return "integer[]";
	case 'B':
		return "bytea[]";
	case 'T':
		return "text[]";
	default:
		return "uuid[]";
	}
}

/* The plan of a prepared statement, with NULL for every parameter. */
static void
explain(const struct statement_text *text, char *plan, size_t size)
{
	char sql[4096];
	PGresult *result;
	size_t used;

	used = (size_t)snprintf(sql, sizeof(sql), "EXPLAIN EXECUTE s_%s",
	    text->name);
	for (size_t i = 0; text->types[i] != '\0'; i++)
		used += (size_t)snprintf(sql + used, sizeof(sql) - used,
		    "%sNULL::%s", i == 0 ? "(" : ", ",
		    type_name(text->types[i]));
	snprintf(sql + used, sizeof(sql) - used, "%s",
	    text->types[0] != '\0' ? ")" : "");
	result = PQexec(pg, sql);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(pg));
	used = 0;
	plan[0] = '\0';
	for (int row = 0; row < PQntuples(result) && used < size; row++)
		used += (size_t)snprintf(plan + used, size - used, "%s\n",
		    PQgetvalue(result, row, 0));
	PQclear(result);
}

static void
assert_plans_by_key(void)
{
	char plan[16384];

	for (unsigned i = STATEMENT_FIND_KEYS; i < STATEMENT_COUNT; i++) {
		const struct statement_text *text =
		    statement_text((enum statement)i);

		explain(text, plan, sizeof(plan));
		if (strstr(plan, "Seq Scan") != NULL ||
		    strstr(plan, "Nested Loop") != NULL ||
		    strstr(plan, "Bitmap") != NULL)
			fail_msg("%s:\n%s", text->name, plan);
	}
	/* A fetch reads no more of an inbox than it wants. */
	explain(statement_text(STATEMENT_FETCH), plan, sizeof(plan));
	assert_non_null(strstr(plan, "Index Scan using messages_pkey"));
	assert_non_null(strstr(plan, "Limit"));
	assert_null(strstr(plan, "Sort"));
}

static void
prepare(const struct statement_text *text)
{
	char sql[4096];

	/* Its types are inferred, as on a connection of the store. */
	snprintf(sql, sizeof(sql), "PREPARE s_%s AS %s", text->name, text->sql);
	run_sql(sql);
}

static void
test_statements_find_rows_by_key(void **state)
{
	(void)state;
	for (unsigned i = STATEMENT_FIND_KEYS; i < STATEMENT_COUNT; i++)
		prepare(statement_text((enum statement)i));
	assert_plans_by_key();
	run_sql("INSERT INTO accounts SELECT n, 'u' || n, 1, k, k, '', 1, 1, k,"
	    " 0, '', '' FROM generate_series(1, 5000) AS n,"
	    " lateral (SELECT sha256(int8send(n)) AS k) AS keys");
	run_sql("INSERT INTO signing_keys SELECT signing_key, id, 1"
	    " FROM accounts");
	run_sql("INSERT INTO usernames SELECT username, id, '' FROM accounts");
	run_sql("INSERT INTO messages SELECT n % 100,"
	    " gen_random_uuid(), 1, 'x' FROM generate_series(1, 20000) AS n");
	run_sql("INSERT INTO groups SELECT n, 1, 1, 'g' || n, n, k, k, k, k"
	    " FROM generate_series(1, 2000) AS n,"
	    " lateral (SELECT sha256(int8send(n)) AS k) AS keys");
	run_sql("INSERT INTO group_members SELECT n % 2000 + 1, n"
	    " FROM generate_series(1, 20000) AS n");
	run_sql("INSERT INTO member_groups SELECT member_id, group_id"
	    " FROM group_members");
	run_sql("INSERT INTO group_bodies SELECT n % 2000 + 1,"
	    " gen_random_uuid(), 'x' FROM generate_series(1, 20000) AS n");
	run_sql("INSERT INTO messages SELECT n, b.id, 1, '', now(), 2,"
	    " b.group_id, 1, 1 FROM group_bodies AS b,"
	    " generate_series(1, 3) AS n");
	run_sql("ANALYZE");
	assert_plans_by_key();
}

/* Ciphertext is stored as it is; the size is known without reading it. */
static void
test_messages_are_not_compressed(void **state)
{
	PGresult *result;

	(void)state;
	result = PQexec(pg, "SELECT attstorage FROM pg_attribute WHERE"
	    " attrelid = 'messages'::regclass AND attname = 'body'");
	assert_string_equal(PQgetvalue(result, 0, 0), "e");
	PQclear(result);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements_find_rows_by_key),
		cmocka_unit_test(test_messages_are_not_compressed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
