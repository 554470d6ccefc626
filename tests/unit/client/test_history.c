#include "tests/unit/unit.h"

#include <string.h>

#include "client/history.h"

static struct client_error error;

static void
test_history_reads_ids(void **state)
{
	uint8_t id[MESSAGE_ID_SIZE];
	char text[MESSAGE_ID_TEXT_SIZE];

	(void)state;
	assert_ok(message_id_parse(
	    "00112233-4455-6677-8899-AABBCCDDEEFF", id, &error));
	message_id_format(id, text);
	assert_string_equal(text, "00112233445566778899aabbccddeeff");
	memset(id, 0, sizeof(id));
	assert_ok(message_id_parse(text, id, &error));
	assert_int_equal(id[15], 0xff);
}

static void
test_history_refuses_other_ids(void **state)
{
	static const char *const wrong[] = {"", "00",
	    "00112233445566778899aabbccddeef",
	    "00112233445566778899aabbccddeeff0",
	    "g0112233445566778899aabbccddeeff",
	    "001122334455-6677-8899-AABBCCDDEEFF0",
	    "00112233-4455-6677-8899-AABBCCDDEEF-",
	    "--------------------------------"};
	uint8_t id[MESSAGE_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_status(
		    message_id_parse(wrong[i], id, &error), STATUS_INVALID);
		assert_int_equal(error.exit, EXIT_CODE_USAGE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_history_reads_ids),
	    cmocka_unit_test(test_history_refuses_other_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
