#ifndef PEYK_SERVER_WAITERS_H
#define PEYK_SERVER_WAITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/*
 * Polls that wait for mail, by account. All functions may be called in any
 * thread; one mutex guards everything, the fields of struct waiter too.
 *
 * A poll looks into the inbox and, if that is empty, waits. So that mail that
 * arrives in between is not missed, it registers before it looks:
 *
 *	                add
 *	                 |
 *	                 v     sleep (nothing happened)
 *	   wake: noted  LOOKING ----------------------> SLEEPING
 *	                 ^                                 |
 *	                 |  look (again)                   | wake() is called
 *	                 +------------- AWAKE <------------+
 *
 * remove() leaves from every state. A wake that finds it LOOKING is noted, and
 * sleep() then refuses: look again.
 */

/* Polls in one process, waiting or about to. Each costs some 13 KiB. */
#define WAITERS_MAX 50000

enum waiter_reason {
	WAITER_REASON_NONE,
	WAITER_REASON_MAIL,     /* something may have arrived: look */
	WAITER_REASON_REPLACED, /* a newer poll of this account is there */
	WAITER_REASON_STOPPING, /* the server stops */
};

enum waiter_state {
	WAITER_STATE_ABSENT,
	WAITER_STATE_LOOKING,
	WAITER_STATE_SLEEPING,
	WAITER_STATE_AWAKE,
};

/* Part of a poll; zero before it is added. Fields belong to waiters.c. */
struct waiter {
	int64_t account_id;
	uint64_t sequence; /* the poll's number: the newest poll stays */
	/*
	 * Called once for each sleep, with the mutex held, in the thread that
	 * wakes: posts to the poll's worker and nothing else.
	 */
	void (*wake)(struct waiter *waiter);
	enum waiter_state state;
	enum waiter_reason reason; /* what was noted; the gravest stays */
	struct waiter *next, **link;
};

struct waiters;

MUST_CHECK enum status waiters_new(struct waiters **out);

/* Every waiter was removed before (asserted). NULL is a no-op. */
void waiters_free(struct waiters *waiters);

/*
 * Registers a poll that is about to look. account_id, sequence and wake are
 * set by the caller. STATUS_BUSY past WAITERS_MAX.
 */
MUST_CHECK enum status waiters_add(
    struct waiters *waiters, struct waiter *waiter);

/*
 * No-op for one that is not registered. True: it slept, and wake() was not
 * called for this sleep and will not be.
 */
bool waiters_remove(struct waiters *waiters, struct waiter *waiter);

/*
 * True: it sleeps, and wake() will be called, perhaps before this returns.
 * False: something was noted; waiters_look() says what.
 */
bool waiters_sleep(struct waiters *waiters, struct waiter *waiter);

/*
 * What woke it or was noted, and starts over: to be called before each look
 * but the first. WAITER_REASON_MAIL: look into the inbox now; with the others
 * it is over, and the waiter stays what it is until it is removed.
 */
enum waiter_reason waiters_look(struct waiters *waiters, struct waiter *waiter);

/* Mail for these accounts may have arrived. */
void waiters_wake(
    struct waiters *waiters, const int64_t *account_ids, size_t count);

/* Mail may have arrived for anyone: a notification was lost or too long. */
void waiters_wake_all(struct waiters *waiters);

/*
 * Ends the older polls of an account: those with a lower number. Only once the
 * newer one has claimed its number, so that nobody who copies an old request
 * ends a poll.
 */
void waiters_replace(
    struct waiters *waiters, int64_t account_id, uint64_t sequence);

/* Ends all, and every later one as soon as it would sleep. */
void waiters_stop(struct waiters *waiters);

/* How many are registered: for the log and for tests. */
size_t waiters_count(struct waiters *waiters);

#endif
