#ifndef RPC_RPC_SERVER_H
#define RPC_RPC_SERVER_H

/*
 * A gRPC server: ports, methods, and worker threads with one loop each.
 *
 *     rpc_server_new -> rpc_server_register (generated code does it)
 *     -> rpc_server_add_port -> rpc_server_start -> ...
 *     -> rpc_server_close -> rpc_server_stop -> rpc_server_free
 *
 * A call arrives on one worker and stays there: its handler, its timers and
 * its wakes run on that thread (rpc/server_call.h). A handler never blocks.
 * Calls to methods that nobody registered end in UNIMPLEMENTED.
 *
 * All functions here belong to one controlling thread, which is no worker.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "rpc/compression.h"
#include "rpc/interceptor.h"
#include "rpc/loop.h"
#include "rpc/method.h"

struct rpc_server;
struct rpc_server_call;

/* Workers that a server may have. */
#define RPC_SERVER_MAX_WORKERS 256

/* Zero in a field means its default. */
struct rpc_server_options {
	/* Threads, each with its own queue. Default 1; best: one per core. */
	unsigned workers;
	/* A longer request, also one that becomes longer when decompressed,
	   ends in RESOURCE_EXHAUSTED. Default 4 MiB. */
	size_t max_message_bytes;
	/* What all connections together may buffer, unfinished messages and
	   queued answers included. Past it gRPC reads more slowly, and ends
	   calls with RESOURCE_EXHAUSTED or UNAVAILABLE. By gRPC's own count:
	   the process took 1.7 to 1.9 times as much. Default 1 GiB. */
	size_t max_buffer_bytes;
	/* Memory that a request may take when it is unpacked: so many times
	   its own size, and 64 KiB; another is malformed. Lists of messages of
	   four bytes take 40 times, and nothing more than some 60. Default
	   40; a service of flat messages does with 8. */
	unsigned max_unpack_factor;
	/* Headers of one request. Default 8 KiB. */
	size_t max_metadata_bytes;
	/* Requests that have begun to arrive and are not there in full, each
	   of which may take max_message_bytes, shared among the workers (four
	   for each at least). When there are more, those that take longer than
	   a second end in RESOURCE_EXHAUSTED, the oldest first. Default 128. */
	unsigned max_partial_requests;
	/* Time for a request to arrive in full. Default 30 s. */
	int request_timeout_ms;
	/* Bytes of answers that clients have not taken, and what their calls
	   cost, shared among the workers (8 MiB for each at least). Past them
	   a large answer (over 64 KiB) turns into RESOURCE_EXHAUSTED, and
	   clients that take longer than five seconds are cut off, the oldest
	   first. Default 256 MiB. */
	size_t max_unsent_bytes;
	/* Time for a client to take its answer, or a message of a stream.
	   Default 60 s. */
	int answer_timeout_ms;
	/* Calls whose requests stream and whose handler waits for the next
	   one, shared among the workers (four for each at least). gRPC does
	   not tell an idle client from one that has sent half a message, so
	   each may take max_message_bytes; max_buffer_bytes is what bounds
	   their sum. When there are more, those that have waited for longer
	   than ten seconds end in RESOURCE_EXHAUSTED, the oldest first. Default
	   1024. */
	unsigned max_waiting_streams;
	/* Time for the next request of a stream. Default: for ever. */
	int stream_timeout_ms;
	/* How answers are compressed where the call does not choose: only for
	   clients that accept it. Default: not at all. */
	enum rpc_compression compression;
	/* Compressed requests end in UNIMPLEMENTED, and answers are not
	   compressed: for messages that do not shrink, such as sealed ones. */
	bool refuse_compression;
	/* Calls at once on one connection; more wait at the client. Default
	   1024. */
	unsigned max_streams;
	/* Calls of one method that a worker accepts ahead. 16 to 1024 make no
	   difference to speed; each costs about 600 bytes. Default 32. */
	unsigned request_slots;
	/* Several processes share the port. Off: a second one is refused. */
	bool reuse_port;
	/* gRPC measures each connection and widens its windows to suit: large
	   messages, one at a time, cost about half as much then
	   (docs/performance.md). For clients one trusts: each stream may fill
	   4 MiB before anyone reads it. */
	bool widen_windows;
	/* Ping a silent client after this time, and drop it when no answer
	   comes. Defaults 120 s and 20 s. */
	int keepalive_ms, keepalive_timeout_ms;
	/* A client that pings more often than this is dropped. Default 10 s. */
	int min_ping_interval_ms;
	/* A connection without calls is closed. Default: never. */
	int max_idle_ms;
	/* Time for TCP and TLS to be set up. Default 10 s. */
	int handshake_timeout_ms;
	/* Called on each worker before its first call and after its last. */
	void (*worker_start)(void *arg, unsigned worker, struct rpc_loop *loop);
	void (*worker_stop)(void *arg, unsigned worker);
	void *worker_arg;
};

/* PEM, NUL-terminated; borrowed for the call. */
struct rpc_server_tls {
	const char *certificate_chain;
	const char *private_key;
	/* The authorities whose signature a client's certificate needs. NULL:
	   clients are asked for none. A client whose certificate does not
	   verify does not get a connection. */
	const char *client_roots;
	/* One that has none does not get one either. Needs client_roots. */
	bool is_client_required;
};

/*
 * Whether a server could use it at that time (seconds since 1970): certificate
 * and key are a pair, the roots are certificates. `expires` (may be NULL)
 * receives the end of the certificate's validity. Any thread.
 * STATUS_INVALID: malformed, or no pair; STATUS_STALE: not valid any more, or
 * not yet (`expires` is set then too).
 */
MUST_CHECK enum status rpc_server_tls_check(
    const struct rpc_server_tls *tls, int64_t now, int64_t *expires);

/* `options` may be NULL. STATUS_NOMEM; STATUS_INVALID: too many workers, too
   long messages, or compression that is refused. */
MUST_CHECK enum status rpc_server_new(
    const struct rpc_server_options *options, struct rpc_server **server);

/* After rpc_server_stop(), or without ever having been started. NULL is
   harmless. */
void rpc_server_free(struct rpc_server *server);

/*
 * What the server runs for a call of a registered method: generated code that
 * unpacks and calls the typed handler. `handlers` and `service` are those of
 * rpc_server_register(); `request` lives until the answer. For methods whose
 * requests stream, `request` is empty and nothing was read yet.
 */
typedef void rpc_server_invoke(struct rpc_server_call *call,
    const void *handlers, void *service, struct bytes request);

/*
 * Before rpc_server_start(). `method`, `handlers` and `service` outlive the
 * server. STATUS_NOMEM, STATUS_EXISTS (a method of that path is there).
 */
MUST_CHECK enum status rpc_server_register(struct rpc_server *server,
    const struct rpc_method *method, rpc_server_invoke *invoke,
    const void *handlers, void *service);

/*
 * Before rpc_server_start(); may be called for several ports. `address` is
 * "0.0.0.0:8022", "[::1]:0", "unix:/path"; port 0 takes a free one, and
 * without a port it is 443. `tls` NULL: plaintext. `port`, if not NULL,
 * receives the chosen port (1 for a Unix socket). The socket listens from here
 * on. A Unix socket that is there is replaced, also one that is in use.
 * STATUS_UNAVAILABLE: the address cannot be bound, for example in use;
 * STATUS_INVALID: certificate and key are no pair of PEM texts, or the port is
 * greater than 65535.
 */
MUST_CHECK enum status rpc_server_add_port(struct rpc_server *server,
    const char *address, const struct rpc_server_tls *tls, int *port);

/*
 * New certificate, key and roots for connections made from now on; those that
 * are there go on. `port` is what rpc_server_add_port() chose; 0: every port
 * with TLS. Any thread, also while the server runs. What is_client_required
 * says stays as it was, and so does whether clients are asked at all.
 * STATUS_NOT_FOUND: no such port with TLS; otherwise as
 * rpc_server_tls_check(). After an error, everything is as before.
 */
MUST_CHECK enum status rpc_server_reload_tls(
    struct rpc_server *server, int port, const struct rpc_server_tls *tls);

/*
 * Before rpc_server_start(). Runs around every call, in the order of adding
 * (rpc/interceptor.h); `interceptor` outlives the server. STATUS_TOO_LARGE:
 * there are RPC_SERVER_MAX_INTERCEPTORS; STATUS_EXISTS: it is there.
 */
MUST_CHECK enum status rpc_server_add_interceptor(struct rpc_server *server,
    const struct rpc_server_interceptor *interceptor);

/* STATUS_NOMEM, STATUS_UNAVAILABLE (no thread to be had). */
MUST_CHECK enum status rpc_server_start(struct rpc_server *server);

/*
 * First step of stopping: no new connections and calls; clients are told.
 * Calls under way go on, so this is the time to answer parked ones. Returns
 * at once. Harmless when repeated.
 */
void rpc_server_close(struct rpc_server *server);

/*
 * Closes if need be, waits up to `grace_ms` for the calls under way, then
 * cancels them (their on_cancel runs), and joins the workers. It waits as long
 * as anyone holds a call (rpc_server_call_hold()). Clients that do not end
 * their request, do not take their answer or do not hang up are left with a
 * second once every call was answered.
 */
void rpc_server_stop(struct rpc_server *server, int grace_ms);

/* How many there are. */
unsigned rpc_server_workers(const struct rpc_server *server);

/* The loop of a worker, to post to it between start and stop. */
struct rpc_loop *rpc_server_loop(struct rpc_server *server, unsigned worker);

#endif
