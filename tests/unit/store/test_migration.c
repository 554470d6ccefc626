#include "tests/unit/unit.h"

#include <string.h>

#include "server/store/migration.h"

static enum status
parse(const char *text, struct migration_blocks *blocks, struct buf *problem)
{
	const struct migration migration = { .version = "0001",
		.name = "0001_do_things.sql", .text = bytes_from_string(text) };

	return migration_parse(&migration, blocks, problem);
}

static void
test_migration_parse_finds_the_blocks(void **state)
{
	struct migration_blocks blocks;

	(void)state;
	assert_ok(parse("-- about it\n\n-- migrate:up\nA;\n-- why\nB;\n"
	    "-- migrate:down\nC;\n", &blocks, NULL));
	assert_bytes(blocks.up, BYTES_LITERAL("A;\n-- why\nB;\n"));
	assert_bytes(blocks.down, BYTES_LITERAL("C;\n"));
	assert_ok(parse("--migrate:up  \r\nA;\r\n  --  migrate:down", &blocks,
	    NULL));
	assert_bytes(blocks.up, BYTES_LITERAL("A;\r\n"));
	assert_bytes(blocks.down, BYTES_LITERAL(""));
	/* Words that only look like a marker. */
	assert_ok(parse("-- migrate:upwards\n-- migrate:up\nA;\n"
	    "x -- migrate:down\n-- migrate:down\n", &blocks, NULL));
	assert_bytes(blocks.up, BYTES_LITERAL("A;\nx -- migrate:down\n"));
}

static void
assert_refused(const char *text, const char *expected)
{
	struct migration_blocks blocks;
	struct buf problem;
	const char *told;

	buf_init(&problem, 1024);
	assert_status(parse(text, &blocks, &problem), STATUS_INVALID);
	assert_ok(buf_string(&problem, &told));
	assert_non_null(strstr(told, "0001_do_things.sql"));
	if (strstr(told, expected) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", told, expected);
	buf_clear(&problem);
}

static void
test_migration_parse_says_what_is_wrong(void **state)
{
	(void)state;
	assert_refused("", "\"-- migrate:up\" is missing");
	assert_refused("-- only words\n", "\"-- migrate:up\" is missing");
	assert_refused("-- migrate:up\nA;\n", "\"-- migrate:down\" is missing");
	assert_refused("-- migrate:down\nA;\n", "\"-- migrate:up\" is missing");
	assert_refused("-- migrate:down\nA;\n-- migrate:up\nB;\n",
	    "line 3: \"-- migrate:up\" must come before");
	assert_refused("-- migrate:up\nA;\n-- migrate:up\nB;\n",
	    "line 3: a second \"-- migrate:up\"");
	assert_refused("-- migrate:up\nA;\n-- migrate:down\n-- migrate:down\n",
	    "line 4: a second \"-- migrate:down\"");
	assert_refused("CREATE TABLE t();\n-- migrate:up\nA;\n"
	    "-- migrate:down\n", "line 1: a statement before");
	assert_refused("-- migrate:up transaction:false\nA;\n"
	    "-- migrate:down\n", "line 1: options");
	assert_refused("-- migrate:up\n-- nothing\n\n-- migrate:down\nA;\n",
	    "nothing to do");
}

static void
test_migrations_are_embedded_in_order(void **state)
{
	const struct migration *migrations;
	size_t count = 0;

	(void)state;
	migration_embedded(&migrations, &count);
	assert_true(count >= 3);
	for (size_t i = 0; i < count; i++) {
		struct migration_blocks blocks;

		assert_ok(migration_parse(&migrations[i], &blocks, NULL));
		assert_true(blocks.down.size > 0);
		assert_int_equal(strlen(migrations[i].version), 4);
		assert_memory_equal(migrations[i].name, migrations[i].version,
		    4);
		if (i > 0)
			assert_true(strcmp(migrations[i - 1].version,
			    migrations[i].version) < 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_migration_parse_finds_the_blocks),
		cmocka_unit_test(test_migration_parse_says_what_is_wrong),
		cmocka_unit_test(test_migrations_are_embedded_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
