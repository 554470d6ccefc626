#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "server/waiters.h"

struct sleeper {
	struct waiter waiter; /* first */
	atomic_uint woken;
};

static struct waiters *waiters;

static void
count_wake(struct waiter *waiter)
{
	struct sleeper *sleeper = (struct sleeper *)waiter;

	atomic_fetch_add(&sleeper->woken, 1);
}

static int
setup(void **state)
{
	(void)state;
	return waiters_new(&waiters) == STATUS_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	waiters_free(waiters);
	return 0;
}

static void
add(struct sleeper *sleeper, int64_t account_id, uint64_t sequence)
{
	*sleeper = (struct sleeper){.waiter = {.account_id = account_id,
					.sequence = sequence,
					.wake = count_wake}};
	assert_int_equal(waiters_add(waiters, &sleeper->waiter), STATUS_OK);
}

static void
test_waiters_wake_once_for_each_sleep(void **state)
{
	const int64_t ids[] = {7, 7, 8};
	struct sleeper sleeper;

	(void)state;
	add(&sleeper, 7, 1);
	assert_true(waiters_sleep(waiters, &sleeper.waiter));
	waiters_wake(waiters, ids, 3);
	waiters_wake(waiters, ids, 3);
	assert_int_equal(sleeper.woken, 1);
	assert_int_equal(
	    waiters_look(waiters, &sleeper.waiter), WAITER_REASON_MAIL);
	assert_true(waiters_sleep(waiters, &sleeper.waiter));
	waiters_wake(waiters, ids, 1);
	assert_int_equal(sleeper.woken, 2);
	assert_false(waiters_remove(waiters, &sleeper.waiter));
	waiters_wake(waiters, ids, 1);
	assert_int_equal(sleeper.woken, 2);
}

/* What arrives between the look and the sleep is not missed. */
static void
test_waiters_mail_while_looking(void **state)
{
	const int64_t id = 7;
	struct sleeper sleeper;

	(void)state;
	add(&sleeper, id, 1);
	waiters_wake(waiters, &id, 1);
	assert_int_equal(sleeper.woken, 0);
	assert_false(waiters_sleep(waiters, &sleeper.waiter));
	assert_int_equal(
	    waiters_look(waiters, &sleeper.waiter), WAITER_REASON_MAIL);
	assert_true(waiters_sleep(waiters, &sleeper.waiter));
	assert_true(waiters_remove(waiters, &sleeper.waiter));
	assert_false(waiters_remove(waiters, &sleeper.waiter));
}

static void
test_waiters_only_the_account_is_woken(void **state)
{
	/* The second one falls into the same bucket. */
	const int64_t first = 7, same_bucket = 7 + 65536, other = 8;
	struct sleeper sleepers[3];

	(void)state;
	add(&sleepers[0], first, 1);
	add(&sleepers[1], same_bucket, 1);
	add(&sleepers[2], other, 1);
	for (size_t i = 0; i < 3; i++)
		assert_true(waiters_sleep(waiters, &sleepers[i].waiter));
	waiters_wake(waiters, &same_bucket, 1);
	assert_int_equal(sleepers[0].woken, 0);
	assert_int_equal(sleepers[1].woken, 1);
	assert_int_equal(sleepers[2].woken, 0);
	waiters_wake_all(waiters);
	assert_int_equal(sleepers[0].woken, 1);
	assert_int_equal(sleepers[1].woken, 1);
	assert_int_equal(sleepers[2].woken, 1);
	assert_int_equal(waiters_count(waiters), 3);
	/* From the middle of a chain too. */
	for (size_t i = 0; i < 3; i++)
		assert_false(waiters_remove(waiters, &sleepers[i].waiter));
	assert_int_equal(waiters_count(waiters), 0);
}

static void
test_waiters_a_newer_poll_replaces(void **state)
{
	const int64_t id = 7;
	struct sleeper old, looking, newer, other;

	(void)state;
	add(&old, id, 1);
	add(&looking, id, 2);
	add(&newer, id, 3);
	add(&other, 8, 1);
	assert_true(waiters_sleep(waiters, &old.waiter));
	assert_true(waiters_sleep(waiters, &other.waiter));
	waiters_replace(waiters, id, 3);
	assert_int_equal(old.woken, 1);
	assert_int_equal(
	    waiters_look(waiters, &old.waiter), WAITER_REASON_REPLACED);
	assert_int_equal(looking.woken, 0);
	assert_false(waiters_sleep(waiters, &looking.waiter));
	/* Mail does not make it forget that. */
	waiters_wake(waiters, &id, 1);
	assert_int_equal(
	    waiters_look(waiters, &looking.waiter), WAITER_REASON_REPLACED);
	assert_int_equal(
	    waiters_look(waiters, &looking.waiter), WAITER_REASON_REPLACED);
	assert_int_equal(
	    waiters_look(waiters, &newer.waiter), WAITER_REASON_MAIL);
	assert_int_equal(other.woken, 0);
	waiters_remove(waiters, &old.waiter);
	waiters_remove(waiters, &looking.waiter);
	waiters_remove(waiters, &newer.waiter);
	assert_true(waiters_remove(waiters, &other.waiter));
}

static void
test_waiters_stop(void **state)
{
	struct sleeper asleep, late;

	(void)state;
	add(&asleep, 1, 1);
	assert_true(waiters_sleep(waiters, &asleep.waiter));
	waiters_stop(waiters);
	assert_int_equal(asleep.woken, 1);
	assert_int_equal(
	    waiters_look(waiters, &asleep.waiter), WAITER_REASON_STOPPING);
	add(&late, 2, 1);
	assert_false(waiters_sleep(waiters, &late.waiter));
	assert_int_equal(
	    waiters_look(waiters, &late.waiter), WAITER_REASON_STOPPING);
	waiters_remove(waiters, &asleep.waiter);
	waiters_remove(waiters, &late.waiter);
}

static void
test_waiters_are_bounded(void **state)
{
	struct sleeper *sleepers = calloc(WAITERS_MAX, sizeof(*sleepers));
	struct sleeper one_more = {
	    .waiter = {.account_id = 1, .wake = count_wake}};

	(void)state;
	assert_non_null(sleepers);
	for (size_t i = 0; i < WAITERS_MAX; i++)
		add(&sleepers[i], (int64_t)(i % 1000), i);
	assert_int_equal(waiters_add(waiters, &one_more.waiter), STATUS_BUSY);
	assert_false(waiters_remove(waiters, &one_more.waiter));
	for (size_t i = 0; i < WAITERS_MAX; i++)
		waiters_remove(waiters, &sleepers[i].waiter);
	free(sleepers);
}

/* A thread sleeps and looks while another wakes: no wake is ever lost. */

#define ROUNDS 20000

static atomic_uint mail, seen;

static void *
deliver(void *argument)
{
	const int64_t id = 42;

	(void)argument;
	for (unsigned i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(&mail, 1);
		waiters_wake(waiters, &id, 1);
	}
	return NULL;
}

static void
test_waiters_no_wake_is_lost(void **state)
{
	struct sleeper sleeper;
	pthread_t thread;
	unsigned woken = 0;

	(void)state;
	add(&sleeper, 42, 1);
	assert_int_equal(pthread_create(&thread, NULL, deliver, NULL), 0);
	for (;;) {
		atomic_store(&seen, atomic_load(&mail));
		if (atomic_load(&seen) == ROUNDS)
			break;
		if (waiters_sleep(waiters, &sleeper.waiter)) {
			woken++;
			while (atomic_load(&sleeper.woken) < woken)
				sched_yield();
		}
		(void)waiters_look(waiters, &sleeper.waiter);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	waiters_remove(waiters, &sleeper.waiter);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_waiters_wake_once_for_each_sleep, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_waiters_mail_while_looking, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_waiters_only_the_account_is_woken, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_waiters_a_newer_poll_replaces, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_waiters_stop, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_waiters_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_waiters_no_wake_is_lost, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
