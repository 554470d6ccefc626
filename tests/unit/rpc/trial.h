#ifndef PEYK_TESTS_TRIAL_H
#define PEYK_TESTS_TRIAL_H

/* A server of golden.v1.Trial that answers as each request asks it to. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "golden/trial.grpc-c.h"
#include "rpc/rpc_server.h"

/* Metadata that makes Count cork all that it sends. */
#define TRIAL_CORKED_KEY "x-corked"

struct trial {
	struct rpc_server *server;
	int port;
	char target[64]; /* "127.0.0.1:port" */
	/* What happened so far. */
	atomic_int arrived, cancelled, sent, woken, woken_dead, destroyed;
	atomic_int woken_busy;
	_Atomic int64_t time_left_ms; /* of the last Echo */
	atomic_int threads;           /* that wake calls */
	atomic_int woke;              /* those that are done with it */
	bool is_held_back;
	int until_cancelled;
};

/* `options` and `tls` may be NULL. Everything works or the test fails. */
void trial_start(struct trial *trial, const struct rpc_server_options *options,
    const struct rpc_server_tls *tls);
/* The same in two steps, to do something to the server in between. */
void trial_open(struct trial *trial, const struct rpc_server_options *options);
void trial_run(struct trial *trial, const struct rpc_server_tls *tls);
void trial_stop(struct trial *trial, int grace_ms);

/* Adds one to a counter, which trial_wait() may wait for. */
void trial_bump(atomic_int *counter);

/* Waits up to 20 s for a counter to reach a value. */
void trial_wait(atomic_int *counter, int value);

/*
 * From here on, threads of HOW_THREAD wait with their answer until
 * trial_let_go(), or until so many calls were cancelled (0: not for that).
 */
void trial_hold_back(struct trial *trial, int until_cancelled);
void trial_let_go(struct trial *trial);

/*
 * A thread that sends SIGUSR1 to the calling one once that one sleeps; its
 * handler sets trial_is_interrupted.
 */
struct trial_interrupt {
	pthread_t thread, sleeper;
	pid_t sleeper_id;
};
extern volatile sig_atomic_t trial_is_interrupted;
void trial_interrupt_start(struct trial_interrupt *interrupt);
/* Waits for the thread and clears the flag. */
void trial_interrupt_end(struct trial_interrupt *interrupt);

/* A client of it: a loop and a channel. `tls` may be NULL. */
struct trial_client {
	struct rpc_client rpc;
};
void trial_connect(struct trial_client *client, const char *target,
    const struct rpc_channel_tls *tls);
void trial_disconnect(struct trial_client *client);

/* A self-signed certificate for a name; PEM, to be freed. */
void trial_certificate(const char *name, char **certificate, char **key);

/* One that another certificate's key has signed (NULL: its own); its time is
   over after so many seconds, so a negative number: it is. */
void trial_signed_certificate(const char *name, long lifetime_s,
    const char *issuer, const char *issuer_key, char **certificate, char **key);

#endif
