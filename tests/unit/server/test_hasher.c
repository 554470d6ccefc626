#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/process.h"
#include "server/hasher.h"

/* The least that libsodium takes: the tests wait for queues, not for it. */
static const struct password_cost cheap = {
    .passes = 1,
    .memory_size = 8192,
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned done_count; /* guarded by mutex */
static bool is_blocked;     /* guarded by mutex: done() waits */

static void
count_done(struct hasher_job *job)
{
	(void)job;
	pthread_mutex_lock(&mutex);
	done_count++;
	pthread_cond_broadcast(&changed);
	while (is_blocked)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void
wait_for_done(unsigned count)
{
	pthread_mutex_lock(&mutex);
	while (done_count < count)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void
set_blocked(bool value)
{
	pthread_mutex_lock(&mutex);
	is_blocked = value;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static int
setup(void **state)
{
	(void)state;
	done_count = 0;
	is_blocked = false;
	return 0;
}

static void
test_hasher_hashes(void **state)
{
	static const uint8_t zeros[HASHER_PROOF_SIZE];
	struct hasher *hasher = NULL;
	struct hasher_job job = {.done = count_done};
	uint8_t proof[HASHER_PROOF_SIZE];

	(void)state;
	memset(proof, 0x5a, sizeof(proof));
	memcpy(job.proof, proof, sizeof(proof));
	assert_int_equal(hasher_start(2, HASHER_COST, &hasher), STATUS_OK);
	assert_int_equal(hasher_submit(hasher, &job), STATUS_OK);
	wait_for_done(1);
	assert_int_equal(job.status, STATUS_OK);
	assert_memory_equal(job.proof, zeros, sizeof(zeros));
	assert_non_null(strstr(job.hash, "$argon2id$v=19$m=19456,t=2,p=1$"));
	assert_int_equal(password_verify(job.hash, BYTES_OF(proof)), STATUS_OK);
	hasher_stop(hasher);
	hasher_free(hasher);
}

static void
test_hasher_queue_is_bounded(void **state)
{
	static struct hasher_job jobs[HASHER_QUEUE_MAX + 2];
	struct hasher *hasher = NULL;

	(void)state;
	memset(jobs, 0, sizeof(jobs));
	for (size_t i = 0; i < HASHER_QUEUE_MAX + 2; i++)
		jobs[i].done = count_done;
	set_blocked(true);
	assert_int_equal(hasher_start(1, cheap, &hasher), STATUS_OK);
	assert_int_equal(hasher_submit(hasher, &jobs[0]), STATUS_OK);
	wait_for_done(1); /* the only thread is busy with it */
	for (size_t i = 1; i <= HASHER_QUEUE_MAX; i++)
		assert_int_equal(hasher_submit(hasher, &jobs[i]), STATUS_OK);
	assert_int_equal(
	    hasher_submit(hasher, &jobs[HASHER_QUEUE_MAX + 1]), STATUS_BUSY);
	set_blocked(false);
	wait_for_done(HASHER_QUEUE_MAX + 1);
	for (size_t i = 0; i <= HASHER_QUEUE_MAX; i++)
		assert_int_equal(jobs[i].status, STATUS_OK);
	hasher_stop(hasher);
	hasher_free(hasher);
}

static void *
stop(void *argument)
{
	hasher_stop(argument);
	return NULL;
}

static void
test_hasher_stop_cancels_what_waits(void **state)
{
	struct hasher_job jobs[4] = {0};
	struct hasher *hasher = NULL;
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		jobs[i].done = count_done;
	set_blocked(true);
	assert_int_equal(hasher_start(1, cheap, &hasher), STATUS_OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(hasher_submit(hasher, &jobs[i]), STATUS_OK);
	wait_for_done(1);
	assert_int_equal(pthread_create(&thread, NULL, stop, hasher), 0);
	wait_for_done(2); /* the stopping thread is in the second's done() */
	assert_int_equal(hasher_submit(hasher, &jobs[3]), STATUS_CANCELLED);
	set_blocked(false);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(done_count, 3);
	assert_int_equal(jobs[0].status, STATUS_OK);
	assert_int_equal(jobs[1].status, STATUS_CANCELLED);
	assert_int_equal(jobs[2].status, STATUS_CANCELLED);
	hasher_free(hasher);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_hasher_hashes, setup),
	    cmocka_unit_test_setup(test_hasher_queue_is_bounded, setup),
	    cmocka_unit_test_setup(test_hasher_stop_cancels_what_waits, setup),
	};

	if (process_harden() != STATUS_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
