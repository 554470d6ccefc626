#include "tests/unit/unit.h"

#include <string.h>

#include "server/store/message_id.h"

static void
test_message_id_has_the_form_of_uuidv7(void **state)
{
	uint8_t id[16];

	(void)state;
	message_id_next(NULL, 0x0123456789ab, id);
	assert_true(bytes_get_u64be(id) >> 16 == 0x0123456789ab);
	assert_int_equal(id[6] >> 4, 7);
	assert_int_equal(id[8] >> 6, 2);
}

static void
test_message_id_is_above_the_previous(void **state)
{
	uint8_t previous[16], id[16];

	(void)state;
	message_id_next(NULL, 1000, previous);
	for (uint64_t clock = 990; clock < 1010; clock++) {
		message_id_next(previous, clock, id);
		assert_true(memcmp(id, previous, 16) > 0);
		assert_true(bytes_get_u64be(id) >> 16 >= clock);
		memcpy(previous, id, 16);
	}
}

static void
test_message_id_carries_into_the_time(void **state)
{
	uint8_t id[16] = { 0, 0, 0, 0, 0, 9, 0x7f, 0xff, 0xbf, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xfe };
	uint8_t full[16];

	(void)state;
	message_id_increment(id);
	memcpy(full, id, 16);
	assert_int_equal(id[15], 0xff);
	message_id_increment(id);
	assert_true(memcmp(id, full, 16) > 0);
	assert_int_equal(id[5], 10);
	assert_int_equal(id[6], 0x70);
	assert_int_equal(id[8], 0x80);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_id_has_the_form_of_uuidv7),
		cmocka_unit_test(test_message_id_is_above_the_previous),
		cmocka_unit_test(test_message_id_carries_into_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
