#include <assert.h>

#include "base/clock.h"
#include "rpc/interceptor.h"
#include "rpc/server_core.h"

static void
intercept_on(struct rpc_server_call *call)
{
	const struct rpc_server *server = call->worker->server;
	enum rpc_server_intercept result = RPC_SERVER_INTERCEPT_CONTINUE;

	call->is_intercepted = true;
	while (call->reached < server->interceptor_count) {
		const struct rpc_server_interceptor *interceptor =
		    server->interceptors[call->reached++];

		result = interceptor->on_call == NULL
			     ? RPC_SERVER_INTERCEPT_CONTINUE
			     : interceptor->on_call(call, interceptor->arg);
		if (result == RPC_SERVER_INTERCEPT_LATER)
			return;
		/* Whatever it says: an answered call does not go on. */
		if (result == RPC_SERVER_INTERCEPT_ANSWERED ||
		    call->state != RPC_CALL_STATE_OPEN)
			break;
	}
	call->is_intercepted = false;
	if (result == RPC_SERVER_INTERCEPT_CONTINUE &&
	    call->state == RPC_CALL_STATE_OPEN)
		rpc_call_go_on(call);
}

void
rpc_call_intercept(struct rpc_server_call *call)
{
	call->arrived_us = clock_monotonic_us();
	/* gRPC forgets it when it ends a call, and on_end may ask. */
	(void)rpc_server_call_peer(call);
	intercept_on(call);
}

void
rpc_server_call_proceed(struct rpc_server_call *call)
{
	if (call->state != RPC_CALL_STATE_OPEN) {
		rpc_call_settle(call);
		return;
	}
	assert(call->is_intercepted);
	rpc_timer_stop(call->worker->loop, &call->timer);
	call->on_cancel = NULL;
	call->on_close = NULL;
	rpc_call_enter(call);
	intercept_on(call);
	rpc_call_leave(call);
}

void
rpc_call_intercept_message(struct rpc_server_call *call,
    enum rpc_direction direction, struct bytes message)
{
	const struct rpc_server *server = call->worker->server;

	rpc_call_enter(call);
	for (unsigned i = 0; i < call->reached; i++) {
		const struct rpc_server_interceptor *interceptor =
		    server->interceptors[i];

		if (interceptor->on_message != NULL)
			interceptor->on_message(
			    call, direction, message, interceptor->arg);
	}
	call->depth--; /* nothing is settled: the call goes on */
}

/* A client gives up at its deadline, which it counts from a little earlier. */
#define DEADLINE_SLACK_MS 50

/* How the call ended, for the client. */
static enum rpc_code
final_code(const struct rpc_server_call *call)
{
	if (call->is_delivered && !call->is_cancelled)
		return (enum rpc_code)call->code;
	return rpc_server_call_time_left_ms(call) <= DEADLINE_SLACK_MS
		   ? RPC_CODE_DEADLINE_EXCEEDED
		   : RPC_CODE_CANCELLED;
}

void
rpc_call_intercept_end(struct rpc_server_call *call)
{
	const struct rpc_server *server = call->worker->server;
	unsigned reached = call->reached;
	uint64_t duration_us;
	enum rpc_code code;

	if (reached == 0)
		return;
	call->reached = 0;
	code = final_code(call);
	duration_us = clock_monotonic_us() - call->arrived_us;
	rpc_call_enter(call);
	for (unsigned i = reached; i > 0; i--) {
		const struct rpc_server_interceptor *interceptor =
		    server->interceptors[i - 1];

		if (interceptor->on_end != NULL)
			interceptor->on_end(
			    call, code, duration_us, interceptor->arg);
	}
	call->depth--; /* who called this settles it */
}

/* ---- Slots ---- */

static unsigned
index_of(const struct rpc_server_call *call,
    const struct rpc_server_interceptor *interceptor)
{
	const struct rpc_server *server = call->worker->server;
	unsigned i = 0;

	while (i < server->interceptor_count &&
	       server->interceptors[i] != interceptor)
		i++;
	assert(i < server->interceptor_count);
	return i;
}

void
rpc_server_call_set_slot(struct rpc_server_call *call,
    const struct rpc_server_interceptor *interceptor, void *slot)
{
	call->slots[index_of(call, interceptor)] = slot;
}

void *
rpc_server_call_slot(const struct rpc_server_call *call,
    const struct rpc_server_interceptor *interceptor)
{
	return call->slots[index_of(call, interceptor)];
}

/* ---- Of a server ---- */

enum status
rpc_server_add_interceptor(
    struct rpc_server *server, const struct rpc_server_interceptor *interceptor)
{
	assert(!server->is_started);
	if (server->interceptor_count == RPC_SERVER_MAX_INTERCEPTORS)
		return STATUS_TOO_LARGE;
	for (unsigned i = 0; i < server->interceptor_count; i++)
		if (server->interceptors[i] == interceptor)
			return STATUS_EXISTS;
	server->interceptors[server->interceptor_count++] = interceptor;
	if (interceptor->on_message != NULL)
		server->has_message_interceptor = true;
	return STATUS_OK;
}
