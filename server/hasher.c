#include "server/hasher.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/secret.h"

struct hasher {
	struct password_cost cost;
	pthread_t threads[HASHER_THREADS_MAX];
	unsigned thread_count;
	pthread_mutex_t mutex;
	pthread_cond_t work;
	/* Guarded by mutex: */
	struct hasher_job *first, **last;
	size_t queued;
	bool is_stopping;
};

static void
lock(struct hasher *hasher)
{
	int failed = pthread_mutex_lock(&hasher->mutex);

	assert(failed == 0);
	(void)failed;
}

static void
unlock(struct hasher *hasher)
{
	int failed = pthread_mutex_unlock(&hasher->mutex);

	assert(failed == 0);
	(void)failed;
}

static struct hasher_job *
take_job(struct hasher *hasher)
{
	struct hasher_job *job = hasher->first;

	if (job == NULL)
		return NULL;
	hasher->first = job->next;
	if (hasher->first == NULL)
		hasher->last = &hasher->first;
	hasher->queued--;
	job->next = NULL;
	return job;
}

static void
finish(struct hasher_job *job, enum status st)
{
	secret_wipe(job->proof, sizeof(job->proof));
	job->status = st;
	job->done(job);
}

static void *
hasher_run(void *argument)
{
	struct hasher *hasher = argument;

	for (;;) {
		struct hasher_job *job = NULL;

		lock(hasher);
		while (hasher->first == NULL && !hasher->is_stopping)
			(void)pthread_cond_wait(&hasher->work, &hasher->mutex);
		if (!hasher->is_stopping)
			job = take_job(hasher);
		unlock(hasher);
		if (job == NULL)
			return NULL;
		finish(job, password_hash(
				BYTES_OF(job->proof), hasher->cost, job->hash));
	}
}

enum status
hasher_start(unsigned threads, struct password_cost cost, struct hasher **out)
{
	struct hasher *hasher = calloc(1, sizeof(*hasher));

	assert(threads >= 1 && threads <= HASHER_THREADS_MAX);
	if (hasher == NULL)
		return STATUS_NOMEM;
	hasher->cost = cost;
	hasher->last = &hasher->first;
	if (pthread_mutex_init(&hasher->mutex, NULL) != 0) {
		free(hasher);
		return STATUS_INTERNAL;
	}
	if (pthread_cond_init(&hasher->work, NULL) != 0) {
		(void)pthread_mutex_destroy(&hasher->mutex);
		free(hasher);
		return STATUS_INTERNAL;
	}
	for (; hasher->thread_count < threads; hasher->thread_count++) {
		if (pthread_create(&hasher->threads[hasher->thread_count], NULL,
			hasher_run, hasher) != 0) {
			hasher_stop(hasher);
			hasher_free(hasher);
			return STATUS_UNAVAILABLE;
		}
	}
	*out = hasher;
	return STATUS_OK;
}

enum status
hasher_submit(struct hasher *hasher, struct hasher_job *job)
{
	enum status st = STATUS_OK;

	job->next = NULL;
	lock(hasher);
	if (hasher->is_stopping) {
		st = STATUS_CANCELLED;
	} else if (hasher->queued >= HASHER_QUEUE_MAX) {
		st = STATUS_BUSY;
	} else {
		*hasher->last = job;
		hasher->last = &job->next;
		hasher->queued++;
		(void)pthread_cond_signal(&hasher->work);
	}
	unlock(hasher);
	return st;
}

void
hasher_stop(struct hasher *hasher)
{
	struct hasher_job *jobs = NULL;

	lock(hasher);
	hasher->is_stopping = true;
	jobs = hasher->first;
	hasher->first = NULL;
	hasher->last = &hasher->first;
	hasher->queued = 0;
	(void)pthread_cond_broadcast(&hasher->work);
	unlock(hasher);
	while (jobs != NULL) {
		struct hasher_job *job = jobs;

		jobs = job->next; /* done() may free it */
		finish(job, STATUS_CANCELLED);
	}
	for (unsigned i = 0; i < hasher->thread_count; i++)
		(void)pthread_join(hasher->threads[i], NULL);
	hasher->thread_count = 0;
}

void
hasher_free(struct hasher *hasher)
{
	if (hasher == NULL)
		return;
	assert(hasher->thread_count == 0);
	(void)pthread_cond_destroy(&hasher->work);
	(void)pthread_mutex_destroy(&hasher->mutex);
	free(hasher);
}
