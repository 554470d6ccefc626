#include "rpc/loop.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <grpc/support/time.h>

#include "base/clock.h"
#include "rpc/core.h"

/* Waits look at the interrupt flag this often: epoll does not end for it. */
#define INTERRUPT_CHECK_MS 50

struct rpc_loop {
	grpc_completion_queue *queue;
	/*
	 * gRPC has no call to wake a queue from another thread, but an empty
	 * batch on a call of the queue completes at once, from any thread. The
	 * bell is a call on a channel that leads nowhere, only for that.
	 */
	grpc_channel *nowhere;
	grpc_call *bell;
	struct rpc_event ring;
	/* What other threads have posted, newest first. */
	struct rpc_post *_Atomic posts;
	struct rpc_timer *timers; /* root of the heap: the first one due */
	const volatile sig_atomic_t *interrupt;
	bool is_closed, is_drained;
};

/* ---- Timers: a pairing heap through the timers themselves ---- */

/*
 * A node's children are a list by `sibling`; `previous` is the sibling before,
 * or the parent of the first child. A root has neither.
 */

static struct rpc_timer *
heap_merge(struct rpc_timer *a, struct rpc_timer *b)
{
	if (a == NULL)
		return b;
	if (b == NULL)
		return a;
	if (b->due_ms < a->due_ms) {
		struct rpc_timer *other = a;

		a = b;
		b = other;
	}
	b->previous = a;
	b->sibling = a->child;
	if (a->child != NULL)
		a->child->previous = b;
	a->child = b;
	return a;
}

/* Joins the children of a root that is taken away: in pairs, then all. */
static struct rpc_timer *
heap_join(struct rpc_timer *list)
{
	struct rpc_timer *pairs = NULL, *root = NULL;

	while (list != NULL) {
		struct rpc_timer *first = list, *second = list->sibling;
		struct rpc_timer *pair;

		list = second != NULL ? second->sibling : NULL;
		first->sibling = first->previous = NULL;
		if (second != NULL)
			second->sibling = second->previous = NULL;
		pair = heap_merge(first, second);
		pair->sibling = pairs;
		pairs = pair;
	}
	while (pairs != NULL) {
		struct rpc_timer *next = pairs->sibling;

		pairs->sibling = NULL;
		root = heap_merge(root, pairs);
		pairs = next;
	}
	return root;
}

static struct rpc_timer *
heap_remove(struct rpc_timer *root, struct rpc_timer *timer)
{
	struct rpc_timer *rest = heap_join(timer->child);

	timer->child = NULL;
	if (timer == root)
		return rest;
	if (timer->previous->child == timer)
		timer->previous->child = timer->sibling;
	else
		timer->previous->sibling = timer->sibling;
	if (timer->sibling != NULL)
		timer->sibling->previous = timer->previous;
	timer->sibling = timer->previous = NULL;
	return heap_merge(root, rest);
}

static int64_t
now_ms(void)
{
	return (int64_t)clock_monotonic_ms();
}

/* One more, since the current millisecond is partly over. */
static int64_t
time_after(int64_t delay_ms)
{
	int64_t now = now_ms();

	return delay_ms < INT64_MAX - now ? now + delay_ms + 1 : INT64_MAX;
}

void
rpc_timer_start(
    struct rpc_loop *loop, struct rpc_timer *timer, int64_t delay_ms)
{
	rpc_timer_stop(loop, timer);
	timer->due_ms = time_after(delay_ms < 0 ? 0 : delay_ms);
	timer->child = timer->sibling = timer->previous = NULL;
	timer->is_started = true;
	loop->timers = heap_merge(loop->timers, timer);
}

void
rpc_timer_stop(struct rpc_loop *loop, struct rpc_timer *timer)
{
	if (!timer->is_started)
		return;
	loop->timers = heap_remove(loop->timers, timer);
	timer->is_started = false;
}

/* Those due now; one that is started from within waits for the next round. */
static bool
run_timers(struct rpc_loop *loop)
{
	int64_t now;
	bool has_run = false;

	if (loop->timers == NULL)
		return false;
	now = now_ms();
	while (loop->timers != NULL && loop->timers->due_ms <= now) {
		struct rpc_timer *timer = loop->timers;

		rpc_timer_stop(loop, timer);
		timer->fire(timer);
		has_run = true;
	}
	return has_run;
}

/* ---- Posts ---- */

void
rpc_loop_post(struct rpc_loop *loop, struct rpc_post *post)
{
	struct rpc_post *head = atomic_load(&loop->posts);
	grpc_call_error error;

	do {
		post->next = head;
	} while (!atomic_compare_exchange_weak(&loop->posts, &head, post));
	/* Whoever finds posts there already: their poster rings. */
	if (head != NULL)
		return;
	error = grpc_call_start_batch(loop->bell, NULL, 0, &loop->ring, NULL);
	assert(error == GRPC_CALL_OK);
	(void)error;
}

static void
run_posts(struct rpc_event *event, bool ok)
{
	struct rpc_loop *loop =
	    (struct rpc_loop *)((char *)event -
				offsetof(struct rpc_loop, ring));
	struct rpc_post *newest = atomic_exchange(&loop->posts, NULL);
	struct rpc_post *oldest = NULL;

	(void)ok;
	while (newest != NULL) {
		struct rpc_post *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest != NULL) {
		struct rpc_post *post = oldest;

		oldest = post->next; /* `run` may free the post */
		post->run(post);
	}
}

/* ---- The loop ---- */

enum status
rpc_loop_new(struct rpc_loop **out)
{
	struct rpc_loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return STATUS_NOMEM;
	rpc_core_start();
	loop->ring.complete = run_posts;
	loop->queue = grpc_completion_queue_create_for_next(NULL);
	loop->nowhere = grpc_lame_client_channel_create(
	    "nowhere", GRPC_STATUS_UNAVAILABLE, "leads nowhere");
	loop->bell = grpc_channel_create_call(loop->nowhere, NULL,
	    GRPC_PROPAGATE_DEFAULTS, loop->queue,
	    grpc_slice_from_static_string("/bell"), NULL,
	    gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	*out = loop;
	return STATUS_OK;
}

void
rpc_loop_close(struct rpc_loop *loop)
{
	if (loop->is_closed)
		return;
	loop->is_closed = true;
	grpc_completion_queue_shutdown(loop->queue);
}

void
rpc_loop_free(struct rpc_loop *loop)
{
	if (loop == NULL)
		return;
	loop->interrupt = NULL;
	rpc_loop_close(loop);
	while (rpc_loop_step(loop, -1) != RPC_LOOP_CLOSED)
		;
	assert(atomic_load(&loop->posts) == NULL);
	assert(loop->timers == NULL);
	grpc_call_unref(loop->bell);
	grpc_channel_destroy(loop->nowhere);
	grpc_completion_queue_destroy(loop->queue);
	free(loop);
	rpc_core_stop();
}

static bool
is_interrupted(const struct rpc_loop *loop)
{
	return loop->interrupt != NULL && *loop->interrupt != 0;
}

/*
 * Until when gRPC may wait, at the latest until `end_ms` (INT64_MAX: for ever).
 * Its clock is ours.
 */
static gpr_timespec
wait_until(const struct rpc_loop *loop, int64_t end_ms)
{
	if (loop->timers != NULL && loop->timers->due_ms < end_ms)
		end_ms = loop->timers->due_ms;
	if (loop->interrupt != NULL) {
		int64_t check_ms = now_ms() + INTERRUPT_CHECK_MS;

		if (check_ms < end_ms)
			end_ms = check_ms;
	}
	if (end_ms == INT64_MAX)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return (gpr_timespec){
	    .tv_sec = end_ms / 1000,
	    .tv_nsec = (int32_t)(end_ms % 1000) * 1000000,
	    .clock_type = GPR_CLOCK_MONOTONIC,
	};
}

enum rpc_loop_result
rpc_loop_step(struct rpc_loop *loop, int64_t timeout_ms)
{
	int64_t end_ms = timeout_ms < 0 ? INT64_MAX : 0;

	if (loop->is_drained)
		return RPC_LOOP_CLOSED;
	if (timeout_ms > 0)
		end_ms = time_after(timeout_ms);
	for (;;) {
		bool has_run = run_timers(loop);
		grpc_event event;

		if (is_interrupted(loop))
			return RPC_LOOP_INTERRUPTED;
		event = grpc_completion_queue_next(
		    loop->queue, wait_until(loop, has_run ? 0 : end_ms), NULL);
		switch (event.type) {
		case GRPC_OP_COMPLETE: {
			struct rpc_event *tag = event.tag;

			tag->complete(tag, event.success != 0);
			return RPC_LOOP_EVENT;
		}
		case GRPC_QUEUE_SHUTDOWN:
			loop->is_drained = true;
			return RPC_LOOP_CLOSED;
		case GRPC_QUEUE_TIMEOUT:
			if (has_run || run_timers(loop))
				return RPC_LOOP_EVENT;
			if (end_ms < INT64_MAX && end_ms <= now_ms())
				return RPC_LOOP_TIMEOUT;
			break;
		}
	}
}

void
rpc_loop_set_interrupt(struct rpc_loop *loop, const volatile sig_atomic_t *flag)
{
	loop->interrupt = flag;
}

grpc_completion_queue *
rpc_loop_queue(struct rpc_loop *loop)
{
	return loop->queue;
}

bool
rpc_loop_finish_step(struct rpc_loop *loop)
{
	const volatile sig_atomic_t *flag = loop->interrupt;
	enum rpc_loop_result result;

	loop->interrupt = NULL;
	result = rpc_loop_step(loop, -1);
	loop->interrupt = flag;
	return result != RPC_LOOP_CLOSED;
}

bool
rpc_loop_is_interrupted(const struct rpc_loop *loop)
{
	return is_interrupted(loop);
}
