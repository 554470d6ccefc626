#ifndef RPC_CLIENT_CHANNEL_H
#define RPC_CLIENT_CHANNEL_H

/*
 * A client's connection to a server. gRPC connects when the first call needs
 * it, and again after a loss. Any thread may start calls on it, each on its
 * own loop.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "rpc/compression.h"
#include "rpc/loop.h"

struct rpc_channel;
struct rpc_client_interceptor; /* rpc/interceptor.h */

/*
 * How the server is authenticated. With `verify`, the application alone
 * decides: certificate authorities, host name and validity are not looked at,
 * and `roots` is not used. Without it, `roots` (PEM; NULL: the system's) and
 * the host name decide.
 */
struct rpc_channel_tls {
	const char *roots;
	/* The name to ask for and, without `verify`, to check, where it is
	   not that of the target. NULL: the target's. */
	const char *server_name;
	/*
	 * Whether to go on, given the server's own certificate (PEM,
	 * NUL-terminated, valid during the call). Runs once for each new
	 * connection, on any of gRPC's or the loops' threads, several at once
	 * possibly: it must not block long. A refusal ends the calls that wait
	 * for the connection with UNAVAILABLE.
	 */
	bool (*verify)(void *arg, const char *certificate);
	void *verify_arg;
	/* Who we are, for a server that asks (mutual TLS): the certificate,
	   those of its issuers after it, and its key. PEM; both or neither. */
	const char *certificate_chain, *private_key;
};

/* Zero in a field means its default. */
struct rpc_channel_options {
	/* NULL: plaintext. Read during rpc_channel_new() only; what `verify`
	   needs lives as long as the channel. */
	const struct rpc_channel_tls *tls;
	/* A longer reply ends in RESOURCE_EXHAUSTED. Default 4 MiB. For single
	   methods, `service_config` can lower it (maxResponseMessageBytes). */
	size_t max_message_bytes;
	/*
	 * What its connections may buffer, by gRPC's own count. gRPC takes in
	 * a message to its end, whatever length it announces, before it
	 * compares that with the limit: past this number it reads no more and
	 * ends calls with RESOURCE_EXHAUSTED. Default 64 MiB, or four messages
	 * where that is more. Raise it for many long replies at once.
	 */
	size_t max_buffer_bytes;
	/* Of what is sent. Default: none. */
	enum rpc_compression compression;
	/*
	 * gRPC's service config, a JSON text: time limits, maximum sizes,
	 * waiting for a connection and retries by gRPC itself for each method,
	 * and how to spread calls over several addresses. NULL: none, and gRPC
	 * repeats nothing. A name server's is not asked for. Time limits from
	 * here end calls a second or more too early in gRPC 1.51:
	 * rpc_call_options.timeout_ms does not.
	 */
	const char *service_config;
	/* Run for each call, in this order. The array lives as long as the
	   channel. */
	const struct rpc_client_interceptor *interceptors;
	size_t interceptor_count;
	/* While a call is open: ping a silent server after this time, and give
	   it up when no answer comes. Defaults 30 s and 20 s. The second one
	   also bounds how long a server that stops reading keeps the memory of
	   calls that were sending to it, and rpc_loop_free(). */
	int keepalive_ms, keepalive_timeout_ms;
	/* Longest pause between attempts to connect. Default 5 s. */
	int max_backoff_ms;
	/* Share the connection of another channel of this process that has the
	   same target and options. */
	bool share_connection;
	/* Go through the proxy that the environment names. */
	bool use_proxy;
};

/*
 * `target` is "host:port", "[::1]:8022", "unix:/path" or another gRPC target.
 * `options` may be NULL. STATUS_NOMEM; STATUS_INVALID: the target, the service
 * config, PEM texts that are none, or certificate and key that are no pair.
 */
MUST_CHECK enum status rpc_channel_new(const char *target,
    const struct rpc_channel_options *options, struct rpc_channel **channel);

/* Every call on it is freed. NULL is harmless. */
void rpc_channel_free(struct rpc_channel *channel);

/* Tries to connect now instead of at the end of the pause after a failure. */
void rpc_channel_reset_backoff(struct rpc_channel *channel);

/* What generated stubs call through. Borrows both; pass it by pointer. */
struct rpc_client {
	struct rpc_channel *channel;
	struct rpc_loop *loop;
};

#endif
