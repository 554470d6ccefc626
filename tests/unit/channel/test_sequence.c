#include "tests/unit/unit.h"

#include "channel/sequence.h"
#include "wire/limits.h"

static const struct sha256_digest a = { { 1 } };
static const struct sha256_digest b = { { 2 } };

static void
test_sequence_judges_each_neighbour(void **state)
{
	(void)state;
	assert_int_equal(channel_sequence_judge(5, &a, 6, &b),
	    CHANNEL_SEQUENCE_NEXT);
	assert_int_equal(channel_sequence_judge(5, &a, 6, &a),
	    CHANNEL_SEQUENCE_NEXT);
	assert_int_equal(channel_sequence_judge(5, &a, 5, &a),
	    CHANNEL_SEQUENCE_REPEAT);
	assert_int_equal(channel_sequence_judge(5, &a, 5, &b),
	    CHANNEL_SEQUENCE_REPLAY);
	assert_int_equal(channel_sequence_judge(5, &a, 4, &a),
	    CHANNEL_SEQUENCE_REPLAY);
	assert_int_equal(channel_sequence_judge(5, &a, 0, &a),
	    CHANNEL_SEQUENCE_REPLAY);
	assert_int_equal(channel_sequence_judge(5, &a, 7, &b),
	    CHANNEL_SEQUENCE_GAP);
}

static void
test_sequence_never_wraps(void **state)
{
	(void)state;
	assert_int_equal(channel_sequence_judge(0, &a, UINT64_MAX, &a),
	    CHANNEL_SEQUENCE_GAP);
	assert_int_equal(channel_sequence_judge(UINT64_MAX, &a, 0, &a),
	    CHANNEL_SEQUENCE_REPLAY);
	assert_int_equal(channel_sequence_judge(UINT64_MAX, &a, UINT64_MAX,
	    &a), CHANNEL_SEQUENCE_REPEAT);
	assert_int_equal(channel_sequence_judge(UINT64_MAX, &a, UINT64_MAX,
	    &b), CHANNEL_SEQUENCE_REPLAY);
	assert_int_equal(channel_sequence_judge(WIRE_NUMBER_MAX - 1, &a,
	    WIRE_NUMBER_MAX, &a), CHANNEL_SEQUENCE_NEXT);
	assert_int_equal(channel_sequence_judge(WIRE_NUMBER_MAX, &a,
	    WIRE_NUMBER_MAX + 1, &a), CHANNEL_SEQUENCE_GAP);
	assert_int_equal(channel_sequence_judge(0, &a, 1, &a),
	    CHANNEL_SEQUENCE_NEXT);
}

static void
test_sequence_begins_below_2_48(void **state)
{
	(void)state;
	assert_true(channel_sequence_first(UINT64_MAX) ==
	    ((uint64_t)1 << 48) - 1);
	assert_true(channel_sequence_first(17) == 17);
	assert_true(channel_sequence_first((uint64_t)1 << 48) == 0);
	assert_true(channel_sequence_is_first(0));
	assert_true(channel_sequence_is_first(((uint64_t)1 << 48) - 1));
	assert_false(channel_sequence_is_first((uint64_t)1 << 48));
	assert_false(channel_sequence_is_first(UINT64_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequence_judges_each_neighbour),
		cmocka_unit_test(test_sequence_never_wraps),
		cmocka_unit_test(test_sequence_begins_below_2_48),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
