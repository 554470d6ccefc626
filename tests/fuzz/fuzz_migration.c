#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "server/store/migration.h"

#define PROBLEM_MAX 1024

static bool
is_inside(struct bytes part, struct bytes whole)
{
	return part.data >= whole.data && part.size <= whole.size &&
	    (size_t)(part.data - whole.data) <= whole.size - part.size;
}

/* What was taken apart and put together is taken apart the same way. */
static void
check_blocks(const struct migration_blocks *blocks)
{
	struct migration whole = {.version = "1", .name = "1_again.sql"};
	struct migration_blocks again;
	struct buf text;

	buf_init(&text, SIZE_MAX);
	FUZZ_CHECK(buf_append_string(&text, "-- migrate:up\n") == STATUS_OK);
	FUZZ_CHECK(buf_append(&text, blocks->up) == STATUS_OK);
	FUZZ_CHECK(buf_append_string(&text, "-- migrate:down\n") ==
	    STATUS_OK);
	FUZZ_CHECK(buf_append(&text, blocks->down) == STATUS_OK);
	whole.text = buf_bytes(&text);
	FUZZ_CHECK(migration_parse(&whole, &again, NULL) == STATUS_OK);
	FUZZ_CHECK(bytes_equal(again.up, blocks->up));
	FUZZ_CHECK(bytes_equal(again.down, blocks->down));
	buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct migration migration = {.version = "1", .name = "1_it.sql"};
	struct migration_blocks blocks;
	struct buf problem;
	const char *told;
	enum status st;

	buf_init(&problem, PROBLEM_MAX);
	migration.text = size == 0 ? bytes_empty() : bytes_make(data, size);
	st = migration_parse(&migration, &blocks, &problem);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	FUZZ_CHECK(migration_parse(&migration, &blocks, NULL) == st);
	if (st == STATUS_OK) {
		FUZZ_CHECK(problem.size == 0);
		FUZZ_CHECK(is_inside(blocks.up, migration.text));
		FUZZ_CHECK(is_inside(blocks.down, migration.text));
		FUZZ_CHECK(blocks.up.size > 0);
		FUZZ_CHECK(blocks.up.data + blocks.up.size <=
		    blocks.down.data);
		check_blocks(&blocks);
	} else {
		FUZZ_CHECK(buf_string(&problem, &told) == STATUS_OK);
		FUZZ_CHECK(strstr(told, migration.name) != NULL);
	}
	buf_clear(&problem);
	return 0;
}
