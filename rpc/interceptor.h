#ifndef RPC_INTERCEPTOR_H
#define RPC_INTERCEPTOR_H

/*
 * What runs around every call of a server or a channel: logging, metrics,
 * authentication.
 *
 * An interceptor is a struct of call backs, each of which may be NULL. They run
 * on the thread of the call, so on several at once where there are several
 * workers (or loops), and must not block.
 */

#include <stdint.h>

#include "base/bytes.h"
#include "rpc/grpc_status.h"

struct rpc_client_call;
struct rpc_server_call;

/* Where a message goes, as seen from this side. */
enum rpc_direction {
	RPC_DIRECTION_SENT,     /* by this side */
	RPC_DIRECTION_RECEIVED, /* by this side */
};

/* ---- Server ---- */

/* More cannot be added to one server. */
#define RPC_SERVER_MAX_INTERCEPTORS 16

/* What becomes of a call after on_call. */
enum rpc_server_intercept {
	/* The next interceptor, and after the last one the handler. */
	RPC_SERVER_INTERCEPT_CONTINUE,
	/* It has ended the call: rpc_server_call_fail() and its like. */
	RPC_SERVER_INTERCEPT_ANSWERED,
	/* It holds the call (or has set a timer or on_cancel) and later calls
	   rpc_server_call_proceed(), or ends the call. */
	RPC_SERVER_INTERCEPT_LATER,
};

/*
 * Given to rpc_server_add_interceptor(). Each interceptor has a slot of its
 * own in every call: rpc_server_call_set_slot().
 */
struct rpc_server_interceptor {
	void *arg;
	/*
	 * A call has arrived: its path, metadata, peer and deadline are there,
	 * its request has not been read. Also for paths that nobody serves.
	 * In the order of adding. May do whatever a handler may (headers,
	 * trailers, hold, timer, on_cancel), except look at the request.
	 */
	enum rpc_server_intercept (*on_call)(
	    struct rpc_server_call *call, void *arg);
	/*
	 * A message, not compressed: received, before the handler sees it; or
	 * sent, when it is handed to gRPC. Borrowed for the call back. In the
	 * order of adding; an interceptor that on_call did not reach (the one
	 * before has answered) is left out. A call whose message was received
	 * may be ended here: the handler does not see the message then, and
	 * one that has run already hears of it by its on_cancel. Where a
	 * message is sent, the call must not be ended.
	 */
	void (*on_message)(struct rpc_server_call *call,
	    enum rpc_direction direction, struct bytes message, void *arg);
	/*
	 * The call is over: exactly once for each call that has reached this
	 * interceptor, in reverse order; only a wake for which somebody still
	 * holds the call may run later. `code` is what was answered, if gRPC
	 * could send it. Otherwise it is CANCELLED, or DEADLINE_EXCEEDED when
	 * the client's deadline has passed (within 50 ms). CANCELLED also
	 * stands for what gRPC itself refuses: a message that is too long.
	 * `duration_us` counts from the arrival. Here the slot is freed; path,
	 * metadata and peer can still be read.
	 */
	void (*on_end)(struct rpc_server_call *call, enum rpc_code code,
	    uint64_t duration_us, void *arg);
};

/*
 * After RPC_SERVER_INTERCEPT_LATER, on the worker (for example in the call
 * back of rpc_server_call_wake()): goes on as RPC_SERVER_INTERCEPT_CONTINUE
 * does. Timer, on_cancel and on_close of the interceptor are taken away. In a
 * call that has died or was answered meanwhile it is harmless, and like an
 * answer lets go of it. Outside of a call back of this call, do not touch it
 * afterwards.
 */
void rpc_server_call_proceed(struct rpc_server_call *call);

/*
 * The interceptor's own pointer in this call, NULL at first. The handler may
 * read it too: who the caller is, say. On the worker; until on_end.
 */
void rpc_server_call_set_slot(struct rpc_server_call *call,
    const struct rpc_server_interceptor *interceptor, void *slot);
void *rpc_server_call_slot(const struct rpc_server_call *call,
    const struct rpc_server_interceptor *interceptor);

/* ---- Client ---- */

/* Given to rpc_channel_new() (struct rpc_channel_options). */
struct rpc_client_interceptor {
	void *arg;
	/*
	 * A call is about to start: rpc_client_call_add_metadata() works from
	 * here, and only here. In the order of the array. Any code but
	 * RPC_CODE_OK ends it there, without a connection, with that code and
	 * `*message` (NULL at first; a text that lives as long as the
	 * interceptor).
	 */
	enum rpc_code (*on_start)(
	    struct rpc_client_call *call, const char **message, void *arg);
	/* A message, not compressed; borrowed for the call back. */
	void (*on_message)(struct rpc_client_call *call,
	    enum rpc_direction direction, struct bytes message, void *arg);
	/*
	 * The call has ended: exactly once for each call that has reached this
	 * interceptor, in reverse order, before the application hears of it.
	 * One that is freed before ends here, from rpc_client_call_free(),
	 * with CANCELLED. `duration_us` counts from the start.
	 */
	void (*on_status)(struct rpc_client_call *call,
	    const struct rpc_status *status, uint64_t duration_us, void *arg);
};

/*
 * The interceptor's own pointer in this call, NULL at first; until on_status.
 * `interceptor` is an element of the array that the channel was given.
 */
void rpc_client_call_set_slot(struct rpc_client_call *call,
    const struct rpc_client_interceptor *interceptor, void *slot);
void *rpc_client_call_slot(const struct rpc_client_call *call,
    const struct rpc_client_interceptor *interceptor);

#endif
