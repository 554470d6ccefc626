#ifndef RPC_SERVER_CALL_H
#define RPC_SERVER_CALL_H

/*
 * One call, as the server sees it.
 *
 * A call lives on its worker. Except where “any thread” is said, every
 * function here is called on that thread: from the handler, a wake, a timer,
 * or another call back of the same call. Those that answer, send, receive or
 * hold abort on any other.
 *
 * The handler answers at once or later. An answer is exactly one of
 * rpc_server_call_reply(), rpc_server_call_fail() or, for streams, any number
 * of rpc_server_call_send() and then rpc_server_call_finish(). After the
 * answer, the call and its request are gone for the handler, unless it holds
 * the call. Answering a call that the client has left is harmless and
 * necessary only to let go of it.
 *
 * To answer later:
 *
 *     handler:        rpc_server_call_hold(call);
 *                     give it to another thread;
 *     other thread:   rpc_server_call_wake(call, finish, arg);
 *     worker:         finish(call, is_alive, arg) { reply }
 *
 * A handler that returns without an answer, a hold, a timer and an on_cancel
 * has forgotten the call: the runtime answers UNKNOWN for it.
 *
 * A parked call costs what gRPC needs (about 12 KiB) and under 1 KiB here,
 * besides its request.
 */

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"
#include "base/status.h"
#include "rpc/compression.h"
#include "rpc/grpc_status.h"
#include "rpc/loop.h"
#include "rpc/metadata.h"
#include "rpc/method.h"

struct rpc_server_call;

/* ---- What was asked ---- */

/* NULL where nobody serves the path: only interceptors see such a call. */
const struct rpc_method *rpc_server_call_method(
    const struct rpc_server_call *call);

/* "/package.Service/Method" as the client wrote it; lives as long as the
   call. */
struct bytes rpc_server_call_path(const struct rpc_server_call *call);

/* The request message as it came, in one piece; lives until the answer. */
struct bytes rpc_server_call_request(struct rpc_server_call *call);

/*
 * Frees the request now, and a kept message: a call that waits need not hold
 * what its client made as long as it liked.
 */
void rpc_server_call_drop_request(struct rpc_server_call *call);

/* The value of the last entry with that key; lives as long as the call. */
bool rpc_server_call_metadata(
    const struct rpc_server_call *call, const char *key, struct bytes *value);
/* All entries, by index; false past the last one. */
bool rpc_server_call_metadata_at(const struct rpc_server_call *call,
    size_t index, struct bytes *key, struct bytes *value);

/* "ipv4:192.0.2.1:4711"; lives as long as the call. Proves nothing. */
const char *rpc_server_call_peer(struct rpc_server_call *call);

/*
 * What TLS proved about the client, where the port has client_roots; both live
 * as long as the call. The certificate is PEM. The names are its subject
 * alternative names (DNS, URI, email, IP), by index, or else its common name.
 * False: there is none (or no further one).
 */
bool rpc_server_call_peer_certificate(
    struct rpc_server_call *call, struct bytes *pem);
bool rpc_server_call_peer_name(
    struct rpc_server_call *call, size_t index, struct bytes *name);

/* Milliseconds until the client's deadline, 0 when over, INT64_MAX if none. */
int64_t rpc_server_call_time_left_ms(const struct rpc_server_call *call);

/* The worker that the call lives on: its number, from 0, and its loop. */
unsigned rpc_server_call_worker(const struct rpc_server_call *call);
struct rpc_loop *rpc_server_call_loop(struct rpc_server_call *call);

/* Whether the request (where they stream: the last one that was received) was
   compressed. */
bool rpc_server_call_was_compressed(const struct rpc_server_call *call);

/* ---- The handler's own state ---- */

/*
 * `destroy` (may be NULL) runs on the worker once the call was answered or has
 * died, and nobody holds it: while an answer waits for its client, what it was
 * made from does not. One a call: what was set before is not destroyed.
 */
void rpc_server_call_set_user(
    struct rpc_server_call *call, void *user, void (*destroy)(void *user));
void *rpc_server_call_user(const struct rpc_server_call *call);

/* ---- The answer ---- */

/*
 * Metadata of our own, before the headers (or the trailers) are sent; copied.
 * STATUS_NOMEM; STATUS_INVALID: see rpc/metadata.h, or too late.
 */
MUST_CHECK enum status rpc_server_call_add_header(
    struct rpc_server_call *call, const char *key, struct bytes value);
MUST_CHECK enum status rpc_server_call_add_trailer(
    struct rpc_server_call *call, const char *key, struct bytes value);

/*
 * Sends the headers now instead of with the answer: tells the client that the
 * call was accepted and is waiting. Harmless when repeated.
 */
void rpc_server_call_send_headers(struct rpc_server_call *call);

/*
 * How this call's messages are compressed, before the headers are sent; later
 * it does nothing. A client that does not accept it gets what it accepts.
 */
void rpc_server_call_set_compression(
    struct rpc_server_call *call, enum rpc_compression compression);

/* Whether the messages sent from here on are compressed as the call is. At the
   start: yes. */
void rpc_server_call_set_compress(struct rpc_server_call *call, bool compress);

/* Unary: the one message and OK, in a single batch. `message` is copied. */
void rpc_server_call_reply(struct rpc_server_call *call, struct bytes message);
/* The same for a message that is still to be packed, without a copy. */
void rpc_server_call_reply_message(
    struct rpc_server_call *call, const ProtobufCMessage *message);

/*
 * Any kind of call: ends it with a code other than OK. `message` may be NULL,
 * `details` empty; they become grpc-message and grpc-status-details-bin
 * (rpc/status_details.h makes one). What was sent before still arrives.
 */
void rpc_server_call_fail(struct rpc_server_call *call, enum rpc_code code,
    const char *message, struct bytes details);

/*
 * The same, and tells the client when to try again, both ways that clients
 * know: a google.rpc.RetryInfo in the details, and grpc-retry-pushback-ms,
 * which gRPC's own retries obey. RPC_SERVER_NO_RETRY: not at all.
 */
#define RPC_SERVER_NO_RETRY UINT64_MAX
void rpc_server_call_fail_retry(struct rpc_server_call *call,
    enum rpc_code code, const char *message, uint64_t delay_ms);

/*
 * Streams: sends one message. `on_sent` (may be NULL) runs when gRPC has taken
 * it over and the next may follow: flow control makes it wait for the client.
 * False, and nothing was sent, when a message is still on its way, when the
 * call is over, and when too many answers wait for their clients
 * (rpc_server_options.max_unsent_bytes): the call then ends soon, and on_cancel
 * runs. `is_alive` is false when the message can no longer arrive. An answer
 * given meanwhile takes the place of the call back.
 */
typedef void rpc_server_call_fn(
    struct rpc_server_call *call, bool is_alive, void *arg);
bool rpc_server_call_send(struct rpc_server_call *call, struct bytes message,
    rpc_server_call_fn *on_sent, void *arg);
bool rpc_server_call_send_message(struct rpc_server_call *call,
    const ProtobufCMessage *message, rpc_server_call_fn *on_sent, void *arg);
/*
 * Streams: a corked message is in no hurry. It may stay in memory until an
 * uncorked one or the end follows it, or 64 KiB have come together (which
 * max_unsent_bytes does not count), so that many small ones share a write: for
 * a handler that knows that it has more to send. Counts for the messages sent
 * from here on; by itself it sends nothing. At the start: not corked.
 */
void rpc_server_call_set_corked(struct rpc_server_call *call, bool is_corked);
/* Ends a stream with OK, after the message that is still on its way. */
void rpc_server_call_finish(struct rpc_server_call *call);

/*
 * Streams of requests: asks for the next message. `on_message` runs once, or
 * never if the client leaves or is refused first (on_cancel runs then);
 * `message` is valid while it runs; `is_end` tells that the client has sent all
 * it wanted to. False when one is being waited for already, that was told, or
 * the call is over.
 */
typedef void rpc_server_call_message_fn(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg);
bool rpc_server_call_receive(struct rpc_server_call *call,
    rpc_server_call_message_fn *on_message, void *arg);

/* ---- Later ---- */

/*
 * `on_cancel` runs on the worker when the client has gone, has cancelled, or
 * its deadline is over, or the server stops, or the runtime (a stream's message
 * that is too long or too late) or an interceptor has ended the call; not after
 * an answer. From here on (and not before: it costs a completion) such a call
 * is known to be dead. Within it, undo what was parked. An answer is no longer
 * needed.
 */
void rpc_server_call_on_cancel(struct rpc_server_call *call,
    void (*on_cancel)(struct rpc_server_call *call, void *arg), void *arg);

/*
 * `on_close` runs on the worker when rpc_server_close() was called, unless the
 * call was answered or has died before: the time to end a call that waits, so
 * that it does not hold up the stop. If that was before, it runs at once, from
 * inside: set it last.
 */
void rpc_server_call_on_close(struct rpc_server_call *call,
    void (*on_close)(struct rpc_server_call *call, void *arg), void *arg);

/* False once the call is known to be dead or was answered. */
bool rpc_server_call_is_alive(const struct rpc_server_call *call);

/*
 * Runs `fn` on the worker after `delay_ms`, once, unless the call was answered
 * or has died before. One timer a call: setting it again replaces it.
 */
void rpc_server_call_set_timer(struct rpc_server_call *call, int64_t delay_ms,
    void (*fn)(struct rpc_server_call *call, void *arg), void *arg);
void rpc_server_call_stop_timer(struct rpc_server_call *call);

/*
 * A hold keeps the call (not the client) alive for another thread. On the
 * worker. Each hold is ended by exactly one rpc_server_call_wake() that
 * returned true or one rpc_server_call_release(). There may be several.
 */
void rpc_server_call_hold(struct rpc_server_call *call);
/* Any thread that has a hold. */
void rpc_server_call_release(struct rpc_server_call *call);

/*
 * Any thread that has a hold: runs `fn` on the call's worker, exactly once,
 * and ends the hold after it. `is_alive` is that of
 * rpc_server_call_is_alive(). It works until the hold ends, also while the
 * server stops. False when another wake of this call is on its way and has not
 * run yet: nothing was done, the hold is still the caller's.
 */
bool rpc_server_call_wake(
    struct rpc_server_call *call, rpc_server_call_fn *fn, void *arg);

/*
 * Frees `message` (with the default allocator) when the call is answered, or
 * freed: for what was unpacked from its request. One a call.
 */
void rpc_server_call_keep_request(
    struct rpc_server_call *call, ProtobufCMessage *message);

#endif
