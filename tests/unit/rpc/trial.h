#ifndef PEYK_TESTS_TRIAL_H
#define PEYK_TESTS_TRIAL_H

/* A server of golden.v1.Trial that answers as each request asks it to. */

#include <stdatomic.h>

#include "golden/trial.grpc-c.h"
#include "rpc/rpc_server.h"

struct trial {
	struct rpc_server *server;
	int port;
	char target[64]; /* "127.0.0.1:port" */
	/* What happened so far. */
	atomic_int arrived, cancelled, sent, woken, woken_dead, destroyed;
	atomic_int woken_busy;
	_Atomic int64_t time_left_ms; /* of the last Echo */
	atomic_int threads;           /* that will still wake a call */
};

/* `options` and `tls` may be NULL. Everything works or the test fails. */
void trial_start(struct trial *trial, const struct rpc_server_options *options,
    const struct rpc_server_tls *tls);
void trial_stop(struct trial *trial, int grace_ms);

/* Waits up to 5 s for a counter to reach a value. */
void trial_wait(atomic_int *counter, int value);

/* A client of it: a loop and a channel. `tls` may be NULL. */
struct trial_client {
	struct rpc_client rpc;
};
void trial_connect(struct trial_client *client, const char *target,
    const struct rpc_channel_tls *tls);
void trial_disconnect(struct trial_client *client);

/* A self-signed certificate for a name; PEM, to be freed. */
void trial_certificate(const char *name, char **certificate, char **key);

#endif
