#include <stdbool.h>
#include <string.h>

#include "base/uuid.h"
#include "tests/unit/unit.h"

static const uint8_t known[UUID_SIZE] = {0x01, 0x92, 0xf6, 0xd8, 0x4b, 0x1c,
    0x7e, 0x3a, 0x9f, 0x20, 0x6c, 0x1d, 0x5a, 0x7b, 0x8e, 0x90};
static const char known_text[] = "0192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e90";

static void
test_uuid_format_and_parse_are_inverse(void **state)
{
	char text[UUID_TEXT_SIZE];
	uint8_t id[UUID_SIZE];

	(void)state;
	uuid_format(known, text);
	assert_string_equal(text, known_text);
	assert_int_equal(strlen(text), UUID_TEXT_LENGTH);
	assert_ok(uuid_parse(bytes_from_string(text), id));
	assert_memory_equal(id, known, sizeof(known));
	memset(id, 0xff, sizeof(id));
	uuid_format(id, text);
	assert_string_equal(text, "ffffffff-ffff-ffff-ffff-ffffffffffff");
}

static void
test_uuid_parse_is_strict(void **state)
{
	static const char *const bad[] = {
	    "",
	    "-",
	    "0192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e9",
	    "0192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e900",
	    "0192f6d84b1c7e3a9f206c1d5a7b8e90",
	    "0192F6D8-4B1C-7E3A-9F20-6C1D5A7B8E90",
	    "{192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e9}",
	    "0192f6d84b1c-7e3a-9f20-6c1d5a7b8e90-",
	    "0192f6d8-4b1c-7e3a-9f206-c1d5a7b8e90",
	    " 192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e90",
	    "+192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e90",
	    "g192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e90",
	};
	uint8_t id[UUID_SIZE] = {7};

	(void)state;
	assert_status(uuid_parse(bytes_empty(), id), STATUS_INVALID);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_status(
		    uuid_parse(bytes_from_string(bad[i]), id), STATUS_INVALID);
	assert_int_equal(id[0], 7);
}

static void
test_uuid_parse_takes_no_other_character(void **state)
{
	uint8_t id[UUID_SIZE];

	(void)state;
	for (size_t at = 0; at < UUID_TEXT_LENGTH; at++) {
		bool is_hyphen = known_text[at] == '-';

		for (unsigned c = 0; c < 256; c++) {
			char text[UUID_TEXT_SIZE];
			bool is_digit =
			    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

			memcpy(text, known_text, sizeof(text));
			text[at] = (char)c;
			assert_int_equal(
			    uuid_parse(bytes_make(text, UUID_TEXT_LENGTH),
				id) == STATUS_OK,
			    is_hyphen ? c == '-' : is_digit);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_uuid_format_and_parse_are_inverse),
	    cmocka_unit_test(test_uuid_parse_is_strict),
	    cmocka_unit_test(test_uuid_parse_takes_no_other_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
