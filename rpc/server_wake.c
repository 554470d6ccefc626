/* Answering later: watching the client, timers, holds and wakes. */

#include <assert.h>

#include "rpc/server_core.h"

void
rpc_server_call_on_cancel(struct rpc_server_call *call,
    void (*on_cancel)(struct rpc_server_call *call, void *arg), void *arg)
{
	if (!rpc_server_call_is_alive(call))
		return;
	call->on_cancel = on_cancel;
	call->on_cancel_arg = arg;
	rpc_call_watch(call);
}

bool
rpc_server_call_is_alive(const struct rpc_server_call *call)
{
	return call->state == RPC_CALL_STATE_OPEN ||
	       call->state == RPC_CALL_STATE_READING;
}

static void
on_timer(struct rpc_timer *timer)
{
	struct rpc_server_call *call = RPC_CALL_OF(timer, timer);

	rpc_call_enter(call);
	call->on_timer(call, call->on_timer_arg);
	rpc_call_leave(call);
}

void
rpc_server_call_set_timer(struct rpc_server_call *call, int64_t delay_ms,
    void (*fn)(struct rpc_server_call *call, void *arg), void *arg)
{
	if (!rpc_server_call_is_alive(call))
		return;
	call->on_timer = fn;
	call->on_timer_arg = arg;
	rpc_timer_start(call->worker->loop, &call->timer, delay_ms);
}

void
rpc_server_call_stop_timer(struct rpc_server_call *call)
{
	rpc_timer_stop(call->worker->loop, &call->timer);
}

void
rpc_server_call_hold(struct rpc_server_call *call)
{
	assert(rpc_call_is_on_worker(call));
	call->holds++;
}

static void
run_release(struct rpc_post *post)
{
	struct rpc_server_call *call = RPC_CALL_OF(post, release);
	unsigned released = atomic_exchange(&call->released, 0);

	rpc_call_enter(call);
	assert(call->holds >= released);
	call->holds -= released;
	rpc_call_leave(call);
}

void
rpc_server_call_release(struct rpc_server_call *call)
{
	struct rpc_loop *loop = call->worker->loop;

	/* Only the first of several may touch the call after this: its own
	   post is what lets go of all of them. */
	if (atomic_fetch_add(&call->released, 1) == 0)
		rpc_loop_post(loop, &call->release);
}

static void
run_wake(struct rpc_post *post)
{
	struct rpc_server_call *call = RPC_CALL_OF(post, wake);
	rpc_server_call_fn *fn = call->on_wake;
	void *arg = call->on_wake_arg;

	rpc_call_enter(call);
	atomic_store(&call->is_wake_posted, false);
	fn(call, rpc_server_call_is_alive(call), arg);
	assert(call->holds > 0);
	call->holds--;
	rpc_call_leave(call);
}

bool
rpc_server_call_wake(
    struct rpc_server_call *call, rpc_server_call_fn *fn, void *arg)
{
	if (atomic_exchange(&call->is_wake_posted, true))
		return false;
	call->on_wake = fn;
	call->on_wake_arg = arg;
	rpc_loop_post(call->worker->loop, &call->wake);
	return true;
}

void
rpc_call_init_wake(struct rpc_server_call *call)
{
	call->timer.fire = on_timer;
	call->wake.run = run_wake;
	call->release.run = run_release;
}
