#ifndef RPC_LOOP_H
#define RPC_LOOP_H

/*
 * One gRPC completion queue, the timers and the posts of the one thread that
 * owns it.
 *
 * A loop belongs to one thread: whoever calls rpc_loop_step(). Everything that
 * runs from it (call backs of calls, timers, posts) runs on that thread,
 * without locks. rpc_loop_post() alone may be called from any thread.
 *
 * gRPC itself is started with the first loop, server or channel and stopped
 * with the last. It is silent unless GRPC_VERBOSITY or GRPC_TRACE is in the
 * environment, or rpc_log_set() was called, or it aborts. Its threads may
 * outlive main() for a moment, so OpenSSL is told not to clean up at exit,
 * unless the application has started OpenSSL before.
 *
 * While it is started, fork() is for exec() only: to start anything of rpc in
 * the child aborts, and the parent's loops, servers and channels are not to be
 * touched there, not even to free them.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct rpc_loop;

/*
 * What a tag of the completion queue points to: part of a call, set before a
 * batch starts, and valid until `complete` was called. `ok` is gRPC's.
 */
struct rpc_event {
	void (*complete)(struct rpc_event *event, bool ok);
};

/*
 * Work for the loop's thread, embedded in what it works on. Set `run`, hand
 * it to rpc_loop_post(), and leave it alone until `run` is called.
 */
struct rpc_post {
	void (*run)(struct rpc_post *post);
	struct rpc_post *next; /* the loop's */
};

/*
 * A timer, embedded in what it is for; zero before its first use. Owned by
 * the caller, who stops it before the memory goes. Starting and stopping cost
 * O(log n) and never allocate: a loop may hold tens of thousands.
 */
struct rpc_timer {
	void (*fire)(struct rpc_timer *timer);
	int64_t due_ms;
	/* The loop's: a pairing heap. */
	struct rpc_timer *child, *sibling, *previous;
	bool is_started;
};

/* Why rpc_loop_step() returned. */
enum rpc_loop_result {
	RPC_LOOP_EVENT,       /* something ran */
	RPC_LOOP_TIMEOUT,     /* the time was over first */
	RPC_LOOP_INTERRUPTED, /* the flag of rpc_loop_set_interrupt() is set */
	RPC_LOOP_CLOSED, /* rpc_loop_close() was called and all has drained */
};

/* STATUS_NOMEM. */
MUST_CHECK enum status rpc_loop_new(struct rpc_loop **loop);

/*
 * Closes the loop if need be, drains it, and frees it. Every call on it has
 * ended, no thread posts to it any more, and every timer is stopped. NULL is
 * harmless.
 */
void rpc_loop_free(struct rpc_loop *loop);

/*
 * No call starts and no thread posts from here on; what is under way still
 * completes in rpc_loop_step(), which then returns RPC_LOOP_CLOSED.
 */
void rpc_loop_close(struct rpc_loop *loop);

/*
 * Waits at most `timeout_ms` (negative: for ever) for something to happen,
 * runs the timers that are due and what happened, and returns.
 */
enum rpc_loop_result rpc_loop_step(struct rpc_loop *loop, int64_t timeout_ms);

/*
 * A flag, for example one that a signal handler sets, that ends every wait on
 * this loop within 50 ms of becoming non-zero. Who sees
 * RPC_LOOP_INTERRUPTED decides what to do, and clears it. NULL takes the flag
 * away.
 */
void rpc_loop_set_interrupt(
    struct rpc_loop *loop, const volatile sig_atomic_t *flag);

/*
 * Runs post->run(post) on the loop's thread, in the order of posting for one
 * posting thread. Any thread, also the loop's own (it runs later, not from
 * inside). Not after rpc_loop_close(): the poster must know that the loop
 * lives, for example by holding a call (rpc_server_call_hold()). Posts that
 * come together cost one wake-up.
 */
void rpc_loop_post(struct rpc_loop *loop, struct rpc_post *post);

/*
 * On the loop's thread. `timer->fire` is called once, not before `delay_ms`
 * have passed; a running timer starts anew. The timer may be freed or started
 * again from `fire`.
 */
void rpc_timer_start(
    struct rpc_loop *loop, struct rpc_timer *timer, int64_t delay_ms);
/* Harmless when it is not running. */
void rpc_timer_stop(struct rpc_loop *loop, struct rpc_timer *timer);

/*
 * Where gRPC's own log lines go, from any thread; `level` is 0 debug, 1 info,
 * 2 error. NULL: nowhere, but why it aborts goes to stderr. For the whole
 * process; call before the first loop.
 */
void rpc_log_set(void (*log)(int level, const char *text));

#endif
