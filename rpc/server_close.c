/* Calls that want to know when the server closes. */

#include "rpc/server_core.h"

void
rpc_server_call_on_close(struct rpc_server_call *call,
    void (*on_close)(struct rpc_server_call *call, void *arg), void *arg)
{
	if (!rpc_server_call_is_alive(call))
		return;
	if (atomic_load(&call->worker->server->is_closed)) {
		on_close(call, arg);
		return;
	}
	call->on_close = on_close;
	call->on_close_arg = arg;
}

static void
close_call(struct rpc_server_call *call)
{
	void (*on_close)(struct rpc_server_call *, void *) = call->on_close;

	call->on_close = NULL;
	if (on_close != NULL && rpc_server_call_is_alive(call))
		on_close(call, call->on_close_arg);
}

static void
run_close(struct rpc_post *post)
{
	struct rpc_worker *worker =
	    (struct rpc_worker *)((char *)post -
				  offsetof(struct rpc_worker, close));

	rpc_worker_for_each_call(worker, close_call);
}

void
rpc_worker_close_calls(struct rpc_worker *worker)
{
	worker->close.run = run_close;
	rpc_loop_post(worker->loop, &worker->close);
}
