#ifndef RPC_CLIENT_CORE_H
#define RPC_CLIENT_CORE_H

/* What the client's files share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>
#include <grpc/slice.h>

#include "base/bytes.h"
#include "rpc/client_call.h"
#include "rpc/client_channel.h"
#include "rpc/core.h"
#include "rpc/interceptor.h"
#include "rpc/loop.h"

struct rpc_channel {
	grpc_channel *core;
	size_t max_message_bytes;
	const struct rpc_client_interceptor *interceptors;
	size_t interceptor_count;
};

enum rpc_client_call_state {
	RPC_CLIENT_CALL_STATE_STARTING, /* interceptors may add metadata */
	RPC_CLIENT_CALL_STATE_STARTED,
	RPC_CLIENT_CALL_STATE_ENDED, /* and its end was told */
};

struct rpc_client_call {
	struct rpc_loop *loop;
	grpc_call *core; /* NULL: an interceptor has refused it */
	size_t max_message_bytes;
	const struct rpc_method *method;
	enum rpc_client_call_state state;
	struct rpc_client_call_events events;
	unsigned pending; /* batches and the post that are under way */
	unsigned depth;   /* call backs that are running */
	bool is_freed;    /* nobody waits for it any more */
	bool is_on_demand;
	bool has_headers, has_message, has_status;
	bool is_receiving, has_received_all;
	bool is_sending, is_finish_wanted;
	bool is_uncompressed, was_compressed;
	bool is_corked, has_sent; /* requests that stream */
	/* Why this side has ended it, whatever the peer says; OK: it has not.
	   The text is not owned. */
	enum rpc_code refusal;
	const char *refusal_text;

	struct rpc_metadata_list metadata;
	grpc_metadata_array headers, trailers;
	grpc_byte_buffer *incoming;
	grpc_slice message;
	grpc_status_code code;
	grpc_slice text;
	struct rpc_status status;

	/* Tags, and what ends a call that was never started. */
	struct rpc_event whole, started, received, ended, sent, closed;
	struct rpc_post refused;
	struct rpc_timer second_reply;

	/* The channel's. `intercepted`: those that have begun and not ended. */
	const struct rpc_client_interceptor *interceptors;
	size_t interceptor_count, intercepted;
	uint64_t start_us;
	void *slots[]; /* one for each */
};

static inline bool
rpc_client_call_streams_requests(const struct rpc_client_call *call)
{
	return !rpc_method_has_one_request(call->method);
}

static inline bool
rpc_client_call_streams_responses(const struct rpc_client_call *call)
{
	return call->method->kind == RPC_METHOD_SERVER_STREAMING ||
	       call->method->kind == RPC_METHOD_BIDI_STREAMING;
}

/* ---- client_call.c ---- */

/* Sets what completions call. */
void rpc_client_call_init(struct rpc_client_call *call);
/* Of a call that nothing is under way for. */
void rpc_client_call_destroy(struct rpc_client_call *call);
void rpc_client_call_start_batch(struct rpc_client_call *call,
    const grpc_op *ops, size_t count, struct rpc_event *event);
/* Makes `op` one that sends. */
void rpc_client_call_fill_send(
    struct rpc_client_call *call, grpc_byte_buffer *message, grpc_op *op);
/* Whether a message or its absence is still to be asked for. */
bool rpc_client_call_can_receive(const struct rpc_client_call *call);
void rpc_client_call_start_receive(struct rpc_client_call *call);
void rpc_client_call_drop_message(struct rpc_client_call *call);

/* ---- client_interceptor.c ---- */

/* Runs on_start of each, until one refuses: what the call ends with then. */
enum rpc_code rpc_client_interceptors_start(
    struct rpc_client_call *call, const char **message);
void rpc_client_interceptors_message(struct rpc_client_call *call,
    enum rpc_direction direction, struct bytes message);
/* Runs on_status of those that have begun. Harmless when repeated. */
void rpc_client_interceptors_end(
    struct rpc_client_call *call, const struct rpc_status *status);

#endif
