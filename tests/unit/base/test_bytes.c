#include "tests/unit/unit.h"

static void
test_bytes_of_counts(void **state)
{
	static const uint8_t array[] = { 1, 2, 3 };

	(void)state;
	assert_int_equal(BYTES_OF(array).size, 3);
	assert_int_equal(BYTES_LITERAL("abc").size, 3);
	assert_int_equal(bytes_from_string("abcd").size, 4);
	assert_int_equal(bytes_from_string(NULL).size, 0);
}

static void
test_bytes_equal_and_compare(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_empty(), BYTES_LITERAL("")));
	assert_true(bytes_equal(BYTES_LITERAL("ab"), BYTES_LITERAL("ab")));
	assert_false(bytes_equal(BYTES_LITERAL("ab"), BYTES_LITERAL("ac")));
	assert_false(bytes_equal(BYTES_LITERAL("ab"), BYTES_LITERAL("abc")));
	assert_true(bytes_compare(BYTES_LITERAL("b"),
	    BYTES_LITERAL("ab")) > 0);
	assert_true(bytes_compare(BYTES_LITERAL("a"),
	    BYTES_LITERAL("ab")) < 0);
	assert_true(bytes_compare(bytes_empty(), BYTES_LITERAL("a")) < 0);
	assert_int_equal(bytes_compare(bytes_empty(), bytes_empty()), 0);
}

static void
test_bytes_integers_are_big_endian(void **state)
{
	uint8_t encoded[8];
	static const uint8_t expected[] = { 1, 2, 3, 4, 5, 6, 7, 0xf8 };

	(void)state;
	bytes_put_u64be(encoded, 0x01020304050607f8);
	assert_memory_equal(encoded, expected, 8);
	assert_true(bytes_get_u64be(encoded) == 0x01020304050607f8);
	bytes_put_u32be(encoded, 0xfffefdfc);
	assert_true(bytes_get_u32be(encoded) == 0xfffefdfc);
}

static void
test_status_names_are_unlike(void **state)
{
	(void)state;
	for (int a = STATUS_OK; a <= STATUS_INTERNAL; a++)
		for (int b = a + 1; b <= STATUS_INTERNAL + 1; b++)
			assert_string_not_equal(status_name((enum status)a),
			    status_name((enum status)b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_of_counts),
		cmocka_unit_test(test_bytes_equal_and_compare),
		cmocka_unit_test(test_bytes_integers_are_big_endian),
		cmocka_unit_test(test_status_names_are_unlike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
