#include "server/waiters.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/*
 * Account ids are random, so their low bits spread well. A power of two near
 * WAITERS_MAX: chains stay short, and the table takes 512 KiB.
 */
#define BUCKET_COUNT ((size_t)65536)

struct waiters {
	pthread_mutex_t mutex;
	/* Guarded by mutex, with the fields of every waiter in it: */
	size_t count;
	bool is_stopping;
	struct waiter *buckets[BUCKET_COUNT];
};

static struct waiter **
bucket_of(struct waiters *waiters, int64_t account_id)
{
	return &waiters->buckets[(uint64_t)account_id & (BUCKET_COUNT - 1)];
}

static void
lock(struct waiters *waiters)
{
	int failed = pthread_mutex_lock(&waiters->mutex);

	assert(failed == 0);
	(void)failed;
}

static void
unlock(struct waiters *waiters)
{
	int failed = pthread_mutex_unlock(&waiters->mutex);

	assert(failed == 0);
	(void)failed;
}

/* The one place where something happens to a waiter from outside. */
static void
note(struct waiter *waiter, enum waiter_reason reason)
{
	if (reason > waiter->reason)
		waiter->reason = reason;
	if (waiter->state == WAITER_STATE_SLEEPING) {
		waiter->state = WAITER_STATE_AWAKE;
		waiter->wake(waiter);
	}
}

enum status
waiters_new(struct waiters **out)
{
	struct waiters *waiters = calloc(1, sizeof(*waiters));

	if (waiters == NULL)
		return STATUS_NOMEM;
	if (pthread_mutex_init(&waiters->mutex, NULL) != 0) {
		free(waiters);
		return STATUS_INTERNAL;
	}
	*out = waiters;
	return STATUS_OK;
}

void
waiters_free(struct waiters *waiters)
{
	if (waiters == NULL)
		return;
	assert(waiters->count == 0);
	(void)pthread_mutex_destroy(&waiters->mutex);
	free(waiters);
}

enum status
waiters_add(struct waiters *waiters, struct waiter *waiter)
{
	struct waiter **bucket = bucket_of(waiters, waiter->account_id);
	enum status st = STATUS_BUSY;

	assert(waiter->state == WAITER_STATE_ABSENT);
	lock(waiters);
	if (waiters->count < WAITERS_MAX) {
		waiters->count++;
		waiter->state = WAITER_STATE_LOOKING;
		waiter->reason = waiters->is_stopping ? WAITER_REASON_STOPPING
						      : WAITER_REASON_NONE;
		waiter->next = *bucket;
		waiter->link = bucket;
		if (waiter->next != NULL)
			waiter->next->link = &waiter->next;
		*bucket = waiter;
		st = STATUS_OK;
	}
	unlock(waiters);
	return st;
}

bool
waiters_remove(struct waiters *waiters, struct waiter *waiter)
{
	bool was_asleep = false;

	lock(waiters);
	was_asleep = waiter->state == WAITER_STATE_SLEEPING;
	if (waiter->state != WAITER_STATE_ABSENT) {
		*waiter->link = waiter->next;
		if (waiter->next != NULL)
			waiter->next->link = waiter->link;
		waiter->next = NULL;
		waiter->link = NULL;
		waiter->state = WAITER_STATE_ABSENT;
		waiters->count--;
	}
	unlock(waiters);
	return was_asleep;
}

bool
waiters_sleep(struct waiters *waiters, struct waiter *waiter)
{
	bool is_quiet = false;

	lock(waiters);
	assert(waiter->state == WAITER_STATE_LOOKING);
	is_quiet = waiter->reason == WAITER_REASON_NONE;
	if (is_quiet)
		waiter->state = WAITER_STATE_SLEEPING;
	unlock(waiters);
	return is_quiet;
}

enum waiter_reason
waiters_look(struct waiters *waiters, struct waiter *waiter)
{
	enum waiter_reason reason;

	lock(waiters);
	assert(waiter->state == WAITER_STATE_LOOKING ||
	       waiter->state == WAITER_STATE_AWAKE);
	reason = waiter->reason;
	if (reason <= WAITER_REASON_MAIL)
		waiter->reason = WAITER_REASON_NONE;
	waiter->state = WAITER_STATE_LOOKING;
	unlock(waiters);
	return reason;
}

void
waiters_wake(struct waiters *waiters, const int64_t *account_ids, size_t count)
{
	lock(waiters);
	for (size_t i = 0; i < count; i++) {
		struct waiter *waiter = *bucket_of(waiters, account_ids[i]);

		for (; waiter != NULL; waiter = waiter->next) {
			if (waiter->account_id == account_ids[i])
				note(waiter, WAITER_REASON_MAIL);
		}
	}
	unlock(waiters);
}

static void
note_all(struct waiters *waiters, enum waiter_reason reason)
{
	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		struct waiter *waiter = waiters->buckets[i];

		for (; waiter != NULL; waiter = waiter->next)
			note(waiter, reason);
	}
}

void
waiters_wake_all(struct waiters *waiters)
{
	lock(waiters);
	note_all(waiters, WAITER_REASON_MAIL);
	unlock(waiters);
}

void
waiters_replace(struct waiters *waiters, int64_t account_id, uint64_t sequence)
{
	struct waiter *waiter = NULL;

	lock(waiters);
	waiter = *bucket_of(waiters, account_id);
	for (; waiter != NULL; waiter = waiter->next) {
		if (waiter->account_id == account_id &&
		    waiter->sequence < sequence)
			note(waiter, WAITER_REASON_REPLACED);
	}
	unlock(waiters);
}

void
waiters_stop(struct waiters *waiters)
{
	lock(waiters);
	waiters->is_stopping = true;
	note_all(waiters, WAITER_REASON_STOPPING);
	unlock(waiters);
}

size_t
waiters_count(struct waiters *waiters)
{
	size_t count = 0;

	lock(waiters);
	count = waiters->count;
	unlock(waiters);
	return count;
}
