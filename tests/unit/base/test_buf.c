#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void
test_buf_zeroed_takes_nothing(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	assert_status(buf_append_u8(&buf, 1), STATUS_TOO_LARGE);
	assert_ok(buf_append(&buf, bytes_empty()));
	buf_clear(&buf);
	buf_wipe(&buf);
}

static void
test_buf_grows_to_its_limit(void **state)
{
	struct buf buf;

	(void)state;
	for (int secret = 0; secret < 2; secret++) {
		if (secret)
			buf_init_secret(&buf, 1000);
		else
			buf_init(&buf, 1000);
		for (unsigned i = 0; i < 1000; i++)
			assert_ok(buf_append_u8(&buf, (uint8_t)i));
		assert_status(buf_append_u8(&buf, 1), STATUS_TOO_LARGE);
		assert_status(buf_reserve(&buf, SIZE_MAX), STATUS_TOO_LARGE);
		assert_int_equal(buf.size, 1000);
		for (unsigned i = 0; i < 1000; i++)
			assert_int_equal(buf.data[i], (uint8_t)i);
		buf_clear(&buf);
		assert_null(buf.data);
	}
}

static void
test_buf_refused_append_changes_nothing(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	assert_ok(buf_append_string(&buf, "abc"));
	assert_status(buf_append_string(&buf, "de"), STATUS_TOO_LARGE);
	assert_status(buf_append_u64be(&buf, 1), STATUS_TOO_LARGE);
	assert_status(buf_append_format(&buf, "%d", 12), STATUS_TOO_LARGE);
	assert_bytes(buf_bytes(&buf), BYTES_LITERAL("abc"));
	assert_ok(buf_append_format(&buf, "%d", 7));
	assert_bytes(buf_bytes(&buf), BYTES_LITERAL("abc7"));
	buf_clear(&buf);
}

static void
test_buf_format_and_string(void **state)
{
	struct buf buf;
	const char *string;

	(void)state;
	buf_init(&buf, 100);
	assert_ok(buf_string(&buf, &string));
	assert_string_equal(string, "");
	assert_ok(buf_append_format(&buf, "%s", ""));
	assert_ok(buf_append_format(&buf, "%s-%u", "a", 5u));
	assert_ok(buf_string(&buf, &string));
	assert_string_equal(string, "a-5");
	assert_ok(buf_append_u8(&buf, 0));
	assert_status(buf_string(&buf, &string), STATUS_INVALID);
	buf_clear(&buf);
}

static void
test_buf_string_fits_a_full_buf(void **state)
{
	struct buf buf;
	const char *string;

	(void)state;
	buf_init(&buf, 3);
	assert_ok(buf_append_string(&buf, "abc"));
	assert_ok(buf_string(&buf, &string));
	assert_string_equal(string, "abc");
	buf_clear(&buf);
}

static void
test_buf_truncate_wipes_secrets(void **state)
{
	struct buf buf;

	(void)state;
	buf_init_secret(&buf, 16);
	assert_ok(buf_append_string(&buf, "secret"));
	buf_truncate(&buf, 2);
	assert_memory_equal(buf.data, "se\0\0\0\0", 6);
	buf_reset(&buf);
	assert_memory_equal(buf.data, "\0\0", 2);
	assert_int_equal(buf.size, 0);
	buf_clear(&buf);
}

static void
test_buf_take_gives_the_memory(void **state)
{
	struct buf buf;
	uint8_t *data, *room;
	size_t size;

	(void)state;
	buf_init(&buf, 16);
	assert_ok(buf_extend(&buf, 3, &room));
	memcpy(room, "xyz", 3);
	buf_take(&buf, &data, &size);
	assert_bytes(bytes_make(data, size), BYTES_LITERAL("xyz"));
	assert_int_equal(buf.size, 0);
	assert_ok(buf_append_string(&buf, "again"));
	buf_clear(&buf);
	free(data);
	buf_init(&buf, 16);
	assert_ok(buf_reserve(&buf, 8));
	buf_take(&buf, &data, &size);
	assert_null(data);
	assert_int_equal(size, 0);
	buf_clear(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_zeroed_takes_nothing),
		cmocka_unit_test(test_buf_grows_to_its_limit),
		cmocka_unit_test(test_buf_refused_append_changes_nothing),
		cmocka_unit_test(test_buf_format_and_string),
		cmocka_unit_test(test_buf_string_fits_a_full_buf),
		cmocka_unit_test(test_buf_truncate_wipes_secrets),
		cmocka_unit_test(test_buf_take_gives_the_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
