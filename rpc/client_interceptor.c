/* rpc/interceptor.h, the client's half. */

#include "rpc/interceptor.h"

#include <assert.h>

#include "base/clock.h"
#include "rpc/client_core.h"

enum rpc_code
rpc_client_interceptors_start(
    struct rpc_client_call *call, const char **message)
{
	if (call->interceptor_count == 0)
		return RPC_CODE_OK;
	call->start_us = clock_monotonic_us();
	for (size_t i = 0; i < call->interceptor_count; i++) {
		const struct rpc_client_interceptor *interceptor =
		    &call->interceptors[i];
		enum rpc_code code;

		call->intercepted = i + 1;
		if (interceptor->on_start == NULL)
			continue;
		code = interceptor->on_start(call, message, interceptor->arg);
		if (code != RPC_CODE_OK)
			return code;
	}
	return RPC_CODE_OK;
}

void
rpc_client_interceptors_message(struct rpc_client_call *call,
    enum rpc_direction direction, struct bytes message)
{
	for (size_t i = 0; i < call->intercepted; i++) {
		const struct rpc_client_interceptor *interceptor =
		    &call->interceptors[i];

		if (interceptor->on_message != NULL)
			interceptor->on_message(
			    call, direction, message, interceptor->arg);
	}
}

void
rpc_client_interceptors_end(
    struct rpc_client_call *call, const struct rpc_status *status)
{
	uint64_t duration_us;

	if (call->intercepted == 0)
		return;
	duration_us = clock_monotonic_us() - call->start_us;
	while (call->intercepted > 0) {
		const struct rpc_client_interceptor *interceptor =
		    &call->interceptors[--call->intercepted];

		if (interceptor->on_status != NULL)
			interceptor->on_status(
			    call, status, duration_us, interceptor->arg);
	}
}

static size_t
slot_of(const struct rpc_client_call *call,
    const struct rpc_client_interceptor *interceptor)
{
	size_t slot = (size_t)(interceptor - call->interceptors);

	assert(slot < call->interceptor_count);
	return slot;
}

void
rpc_client_call_set_slot(struct rpc_client_call *call,
    const struct rpc_client_interceptor *interceptor, void *slot)
{
	call->slots[slot_of(call, interceptor)] = slot;
}

void *
rpc_client_call_slot(const struct rpc_client_call *call,
    const struct rpc_client_interceptor *interceptor)
{
	return call->slots[slot_of(call, interceptor)];
}
