/* rpc/loop.h */

#include "rpc/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/unit/unit.h"
#include "trial.h"

struct alarm {
	struct rpc_timer timer;
	struct rpc_loop *loop;
	int64_t started_ms, delay_ms;
	int fired, repeat;
	int *order;
};

static void
on_alarm(struct rpc_timer *timer)
{
	struct alarm *alarm = (struct alarm *)timer;

	assert_true((int64_t)clock_monotonic_ms() - alarm->started_ms >=
		    alarm->delay_ms);
	alarm->fired = ++*alarm->order;
	if (alarm->repeat-- > 0)
		rpc_timer_start(alarm->loop, timer, alarm->delay_ms);
}

static void
test_loop_timers_fire_in_order(void **state)
{
	enum { COUNT = 500 };
	struct alarm *alarms = calloc(COUNT, sizeof(*alarms));
	struct rpc_loop *loop;
	int order = 0, expected = 0;

	(void)state;
	assert_non_null(alarms);
	assert_ok(rpc_loop_new(&loop));
	srandom(1);
	for (int i = 0; i < COUNT; i++) {
		alarms[i].timer.fire = on_alarm;
		alarms[i].loop = loop;
		alarms[i].order = &order;
		alarms[i].delay_ms = random() % 100;
		alarms[i].started_ms = (int64_t)clock_monotonic_ms();
		rpc_timer_start(loop, &alarms[i].timer, alarms[i].delay_ms);
	}
	/* A third is stopped, a third started anew, in any position. */
	for (int i = 0; i < COUNT; i++) {
		if (i % 3 == 0) {
			rpc_timer_stop(loop, &alarms[i].timer);
			rpc_timer_stop(loop, &alarms[i].timer);
		} else {
			expected++;
		}
		if (i % 3 == 1) {
			alarms[i].started_ms = (int64_t)clock_monotonic_ms();
			rpc_timer_start(
			    loop, &alarms[i].timer, alarms[i].delay_ms);
		}
	}
	while (order < expected)
		assert_int_equal(rpc_loop_step(loop, 1000), RPC_LOOP_EVENT);
	assert_int_equal(rpc_loop_step(loop, 0), RPC_LOOP_TIMEOUT);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(alarms[i].fired == 0, i % 3 == 0);
		for (int k = 0; k < i; k++)
			if (i % 3 != 0 && k % 3 != 0 &&
			    alarms[i].timer.due_ms < alarms[k].timer.due_ms)
				assert_true(alarms[i].fired < alarms[k].fired);
	}
	rpc_loop_free(loop);
	free(alarms);
}

static void
test_loop_timer_restarts_itself(void **state)
{
	struct alarm alarm = {.timer.fire = on_alarm, .repeat = 3};
	struct rpc_loop *loop;
	int order = 0;

	(void)state;
	assert_ok(rpc_loop_new(&loop));
	alarm.loop = loop;
	alarm.order = &order;
	rpc_timer_start(loop, &alarm.timer, 0);
	while (order < 4)
		assert_int_equal(rpc_loop_step(loop, 1000), RPC_LOOP_EVENT);
	assert_int_equal(rpc_loop_step(loop, 5), RPC_LOOP_TIMEOUT);
	assert_int_equal(order, 4);
	rpc_loop_free(loop);
}

static void
test_loop_waits_no_longer_than_asked(void **state)
{
	struct rpc_loop *loop;
	uint64_t start, passed;

	(void)state;
	assert_ok(rpc_loop_new(&loop));
	start = clock_monotonic_ms();
	assert_int_equal(rpc_loop_step(loop, 50), RPC_LOOP_TIMEOUT);
	passed = clock_monotonic_ms() - start;
	assert_true(passed >= 49 && passed < 2000);
	rpc_loop_close(loop);
	assert_int_equal(rpc_loop_step(loop, -1), RPC_LOOP_CLOSED);
	assert_int_equal(rpc_loop_step(loop, -1), RPC_LOOP_CLOSED);
	rpc_loop_free(loop);
}

/* ---- Posts ---- */

enum { POSTERS = 4, POSTS = 5000 };

struct poster {
	pthread_t thread;
	struct rpc_loop *loop;
	int last_seen;
	atomic_int *total;
};

struct parcel {
	struct rpc_post post;
	struct poster *poster;
	int number;
};

static void
on_parcel(struct rpc_post *post)
{
	struct parcel *parcel = (struct parcel *)post;

	assert_int_equal(parcel->number, parcel->poster->last_seen + 1);
	parcel->poster->last_seen = parcel->number;
	(*parcel->poster->total)++;
	free(parcel);
}

static void *
post_many(void *arg)
{
	struct poster *poster = arg;

	for (int i = 1; i <= POSTS; i++) {
		struct parcel *parcel = calloc(1, sizeof(*parcel));

		assert_non_null(parcel);
		parcel->post.run = on_parcel;
		parcel->poster = poster;
		parcel->number = i;
		rpc_loop_post(poster->loop, &parcel->post);
	}
	return NULL;
}

static void
test_loop_runs_posts_of_many_threads_in_order(void **state)
{
	struct poster posters[POSTERS] = {0};
	struct rpc_loop *loop;
	atomic_int total = 0;

	(void)state;
	assert_ok(rpc_loop_new(&loop));
	for (int i = 0; i < POSTERS; i++) {
		posters[i].loop = loop;
		posters[i].total = &total;
		assert_int_equal(pthread_create(&posters[i].thread, NULL,
				     post_many, &posters[i]),
		    0);
	}
	while (total < POSTERS * POSTS)
		assert_int_equal(rpc_loop_step(loop, 5000), RPC_LOOP_EVENT);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	rpc_loop_free(loop);
}

static void
test_loop_can_be_interrupted(void **state)
{
	struct trial_interrupt interrupt;
	struct rpc_loop *loop;

	(void)state;
	assert_ok(rpc_loop_new(&loop));
	rpc_loop_set_interrupt(loop, &trial_is_interrupted);
	trial_interrupt_start(&interrupt);
	assert_int_equal(rpc_loop_step(loop, -1), RPC_LOOP_INTERRUPTED);
	trial_interrupt_end(&interrupt);
	assert_int_equal(rpc_loop_step(loop, 1), RPC_LOOP_TIMEOUT);
	rpc_loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_loop_timers_fire_in_order),
	    cmocka_unit_test(test_loop_timer_restarts_itself),
	    cmocka_unit_test(test_loop_waits_no_longer_than_asked),
	    cmocka_unit_test(test_loop_runs_posts_of_many_threads_in_order),
	    cmocka_unit_test(test_loop_can_be_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
