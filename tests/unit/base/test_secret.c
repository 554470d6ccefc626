#include "tests/unit/unit.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/random.h"
#include "base/secret.h"

static void
test_secret_memory_is_zeroed(void **state)
{
	uint8_t *memory = secret_new(100);

	(void)state;
	assert_non_null(memory);
	for (int i = 0; i < 100; i++)
		assert_int_equal(memory[i], 0);
	memory[99] = 1;
	secret_free(memory);
	secret_free(NULL);
}

static void
test_secret_wipe_and_equal(void **state)
{
	uint8_t a[4] = { 1, 2, 3, 4 }, b[4] = { 1, 2, 3, 5 };

	(void)state;
	assert_false(secret_equal(a, b, 4));
	assert_true(secret_equal(a, b, 3));
	assert_true(secret_equal(NULL, NULL, 0));
	secret_wipe(a, sizeof(a));
	assert_memory_equal(a, "\0\0\0\0", 4);
	secret_wipe(NULL, 0);
}

static void
test_random_differs(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(random_u64() != random_u64());
	for (int i = 0; i < 1000; i++)
		assert_true(random_below(3) < 3);
	assert_int_equal(random_below(0), 0);
}

static void
test_process_is_hardened(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 0);
	assert_int_equal(limit.rlim_max, 0);
	assert_int_equal(umask(077), 077);
}

static void
test_clocks_go_forward(void **state)
{
	uint64_t ms = clock_monotonic_ms(), us = clock_monotonic_us();

	(void)state;
	assert_true(clock_monotonic_ms() >= ms);
	assert_true(clock_monotonic_us() >= us);
	assert_true(us / 1000 - ms < 1000);
	assert_true(clock_wall_ms() > 1600000000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret_memory_is_zeroed),
		cmocka_unit_test(test_secret_wipe_and_equal),
		cmocka_unit_test(test_random_differs),
		cmocka_unit_test(test_process_is_hardened),
		cmocka_unit_test(test_clocks_go_forward),
	};

	if (process_harden() != STATUS_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
