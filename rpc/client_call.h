#ifndef RPC_CLIENT_CALL_H
#define RPC_CLIENT_CALL_H

/*
 * One call, as the client sees it.
 *
 * A call belongs to the thread of its loop; only rpc_client_call_cancel() may
 * come from any thread. There is one way to run a call and two to watch it:
 * call backs (struct rpc_client_call_events) run from rpc_loop_step(), or
 * rpc_client_call_wait() steps the loop until something is there.
 *
 * A long poll, parked at the server, without call backs:
 *
 *     options = { .timeout_ms = 70000, .early_headers = true };
 *     service_poll_start(&client, &options, request, NULL, &call);
 *     rpc_client_call_wait(call, RPC_WAIT_HEADERS, 5000);
 *     ... other calls on the same loop ...
 *     rpc_client_call_wait(call, RPC_WAIT_END, -1);
 *     rpc_client_call_status(call), rpc_client_call_message(call)
 *     rpc_client_call_free(call);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "rpc/client_channel.h"
#include "rpc/compression.h"
#include "rpc/grpc_status.h"
#include "rpc/metadata.h"
#include "rpc/method.h"

struct rpc_client_call;

/* NULL where options are asked for means all zero. Copied. */
struct rpc_call_options {
	/* Ends the call with DEADLINE_EXCEEDED. 0: no deadline; negative: it
	   is over already. */
	int64_t timeout_ms;
	const struct rpc_metadata *metadata;
	size_t metadata_count;
	/* Without a connection, wait for one (until the deadline) instead of
	   ending at once with UNAVAILABLE. */
	bool wait_for_ready;
	/* Tell of the server's headers as soon as they are there, for calls
	   that wait at the server. Costs a completion. Streams always do. */
	bool early_headers;
	/* Streams: a further message is read only when
	   rpc_client_call_receive() asks for it, as always without on_message.
	   Otherwise as soon as the call back of the one before has returned. */
	bool receive_on_demand;
	/* Of what is sent. Default: the channel's. */
	enum rpc_compression compression;
};

/*
 * All may be NULL. They run on the loop's thread, and never from inside a
 * function of this header other than rpc_client_call_wait().
 */
struct rpc_client_call_events {
	void *arg;
	/* The server's headers came. At most once. */
	void (*on_headers)(struct rpc_client_call *call, void *arg);
	/* A message came; it lives until the call back returns (unary: as
	   long as the call). */
	void (*on_message)(
	    struct rpc_client_call *call, struct bytes message, void *arg);
	/* Streams of requests: the one on its way was taken over, the next
	   may be sent. */
	void (*on_sent)(struct rpc_client_call *call, void *arg);
	/* The end, exactly once, after all messages. `call` may be freed from
	   here. */
	void (*on_status)(struct rpc_client_call *call,
	    const struct rpc_status *status, void *arg);
};

/*
 * Starts a call. `method` outlives the channel, which remembers its path by
 * address. `request` is copied; where requests stream, it is not looked at.
 * `events` may be NULL and is copied. Whatever becomes of it later,
 * failures to connect included, is told by the call's status. STATUS_NOMEM;
 * STATUS_INVALID: metadata (rpc/metadata.h).
 */
MUST_CHECK enum status rpc_client_call_start(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    struct bytes request, const struct rpc_client_call_events *events,
    struct rpc_client_call **call);

/* The same for a request that is still to be packed, without a copy. */
MUST_CHECK enum status rpc_client_call_start_message(
    const struct rpc_client *client, const struct rpc_method *method,
    const struct rpc_call_options *options, const ProtobufCMessage *request,
    const struct rpc_client_call_events *events, struct rpc_client_call **call);

/*
 * In on_start of an interceptor (rpc/interceptor.h): metadata more. Copied.
 * STATUS_NOMEM; STATUS_INVALID: see rpc/metadata.h, or too late.
 */
MUST_CHECK enum status rpc_client_call_add_metadata(
    struct rpc_client_call *call, const char *key, struct bytes value);

/* That it was started with. */
const struct rpc_method *rpc_client_call_method(
    const struct rpc_client_call *call);

/*
 * Ends the call with CANCELLED, unless it ends otherwise first. Any thread, as
 * long as the call is not freed. Its end is still to be waited for or told.
 */
void rpc_client_call_cancel(struct rpc_client_call *call);

/*
 * Lets go of the call; one that has not ended is cancelled and its call backs
 * do not run any more. NULL is harmless. The loop must go on stepping (or be
 * freed) for its memory to return.
 */
void rpc_client_call_free(struct rpc_client_call *call);

/* ---- Watching by waiting ---- */

/* What rpc_client_call_wait() waits for. */
enum rpc_wait {
	/* Headers are there, or the end. A server that refuses at once sends
	   both together; even so the end may show a moment later. */
	RPC_WAIT_HEADERS,
	RPC_WAIT_MESSAGE, /* a message is there, or the end */
	RPC_WAIT_SENT,    /* the next request may be sent, or the end */
	RPC_WAIT_END,     /* passes over the messages of a stream before it */
};

/*
 * Steps the loop until it is so: true. Everything else on the loop runs
 * meanwhile. False when `timeout_ms` (negative: none) passed first or the loop
 * was interrupted (rpc_loop_set_interrupt()); the call then goes on, and may
 * be cancelled or waited for again. Not from inside a call back of the same
 * loop.
 */
bool rpc_client_call_wait(
    struct rpc_client_call *call, enum rpc_wait until, int64_t timeout_ms);

/* Without waiting: what has come so far. */
bool rpc_client_call_has_headers(const struct rpc_client_call *call);
bool rpc_client_call_has_message(const struct rpc_client_call *call);
bool rpc_client_call_has_ended(const struct rpc_client_call *call);

/* The current message; empty when there is none. Lives until the next
   rpc_client_call_receive(), or as long as the call. */
struct bytes rpc_client_call_message(const struct rpc_client_call *call);
/* Whether the last message travelled compressed. */
bool rpc_client_call_was_compressed(const struct rpc_client_call *call);

/*
 * Streams with receive_on_demand (which the generated readers set): gives up
 * the current message and asks for the next.
 */
void rpc_client_call_receive(struct rpc_client_call *call);

/*
 * Streams of requests: sends one. False when one is still on its way (see
 * RPC_WAIT_SENT), after rpc_client_call_finish_sending(), and when the call
 * has ended; nothing was done then. The bytes are copied.
 */
bool rpc_client_call_send(struct rpc_client_call *call, struct bytes request);
bool rpc_client_call_send_message(
    struct rpc_client_call *call, const ProtobufCMessage *request);

/*
 * Streams of requests that are compressed: whether those sent from here on
 * are. At the start: yes.
 */
void rpc_client_call_set_compress(struct rpc_client_call *call, bool compress);

/*
 * Streams of requests: a corked one is in no hurry. It may stay in memory until
 * an uncorked one or rpc_client_call_finish_sending() follows it, or 64 KiB
 * have come together, so that many small ones share a write. Counts for those
 * sent from here on; by itself it sends nothing. At the start: not corked.
 */
void rpc_client_call_set_corked(struct rpc_client_call *call, bool is_corked);

/* Streams of requests: there are no more, after the one on its way. */
void rpc_client_call_finish_sending(struct rpc_client_call *call);

/* Of an ended call; lives as long as it. */
const struct rpc_status *rpc_client_call_status(
    const struct rpc_client_call *call);

/* The server's headers, or (`trailers`) its trailers: none before
   rpc_client_call_has_headers() or the end. The last entry with that key. Lives
   as long as the call. */
bool rpc_client_call_metadata(const struct rpc_client_call *call, bool trailers,
    const char *key, struct bytes *value);
/* All of them, by index; false past the last one. A key may come again. */
bool rpc_client_call_metadata_at(const struct rpc_client_call *call,
    bool trailers, size_t index, struct bytes *key, struct bytes *value);

/* ---- All at once ---- */

/*
 * A unary call from start to end. `status` (may be NULL; cleared first)
 * receives how it ended in every case but STATUS_NOMEM and STATUS_INVALID of
 * the start. The result is rpc_code_to_status() of its code. An interrupted
 * loop cancels the call. `reply` is replaced on success.
 */
MUST_CHECK enum status rpc_client_unary(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    struct bytes request, struct buf *reply, struct rpc_status *status);

/*
 * The same with messages: `*response` is the caller's, to be freed with
 * protobuf_c_message_free_unpacked(). STATUS_INVALID also when the reply does
 * not parse; `status` says INTERNAL then.
 */
MUST_CHECK enum status rpc_client_unary_message(const struct rpc_client *client,
    const struct rpc_method *method, const struct rpc_call_options *options,
    const ProtobufCMessage *request, ProtobufCMessage **response,
    struct rpc_status *status);

/* ---- One after the other ---- */

/*
 * Streams of requests: waits until the one before was taken over, and sends
 * this one. STATUS_TIMEOUT and STATUS_CANCELLED (the loop was interrupted):
 * nothing was sent, and the call goes on. STATUS_STALE: the call has ended, or
 * rpc_client_call_finish_sending() was called; its status says the rest.
 *
 * A server that answers while it reads may wait for its answers to be read:
 * who writes much to such a one reads in between, or uses call backs.
 */
MUST_CHECK enum status rpc_client_call_write(struct rpc_client_call *call,
    int64_t timeout_ms, const ProtobufCMessage *request);

/*
 * Streams of requests with one reply: there are no more requests; waits for
 * the end. `status` (may be NULL; cleared first) receives it, and the result
 * is rpc_code_to_status() of its code; a reply that does not parse is
 * STATUS_INVALID. An interrupted loop cancels the call. It is still to be
 * freed.
 */
MUST_CHECK enum status rpc_client_call_finish(struct rpc_client_call *call,
    ProtobufCMessage **response, struct rpc_status *status);

/*
 * Unpacks the current message of a call. STATUS_NOT_FOUND: there is none;
 * STATUS_INVALID: it does not parse.
 */
MUST_CHECK enum status rpc_client_call_unpack(
    const struct rpc_client_call *call, ProtobufCMessage **response);

/*
 * Streams: the next message, unpacked; `*response` is NULL at the end, when
 * rpc_client_call_status() tells how. STATUS_INVALID: it does not parse;
 * STATUS_TIMEOUT: the time passed; STATUS_CANCELLED: the loop was interrupted;
 * STATUS_NOMEM.
 */
MUST_CHECK enum status rpc_client_call_next(struct rpc_client_call *call,
    int64_t timeout_ms, ProtobufCMessage **response);

#endif
