#ifndef RPC_SERVER_CORE_H
#define RPC_SERVER_CORE_H

/* What rpc_server.c and server_call.c share: workers and their calls. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <grpc/grpc.h>

#include "rpc/core.h"
#include "rpc/loop.h"
#include "rpc/method.h"
#include "rpc/rpc_server.h"

/* A method and who serves it. */
struct rpc_server_method {
	const struct rpc_method *method;
	rpc_server_invoke *invoke;
	const void *handlers;
	void *service;
	void *registration; /* gRPC's */
};

/* Calls in the order in which they came; each is in one queue at most. */
struct rpc_call_queue {
	struct rpc_server_call *first, *last;
	size_t weight;     /* of all that are in it */
	size_t weight_max; /* more is too much */
};

/* One thread, its loop, and the calls that live on it. */
struct rpc_worker {
	struct rpc_server *server;
	struct rpc_loop *loop;
	pthread_t thread;
	unsigned index;
	bool is_running; /* the thread was created */
	/* Only on the worker's thread: */
	struct rpc_server_call *calls; /* arrived and not yet freed */
	unsigned call_count;
	struct rpc_call_queue reading; /* requests in part; weight 1 each */
	struct rpc_call_queue unsent;  /* answered, not taken; in bytes */
	struct rpc_timer sweep_timer;  /* runs while one of them is not empty */
	struct rpc_post sweep;
	bool is_sweeping;          /* the post is on its way */
	unsigned request_count;    /* asked of gRPC and not yet arrived */
	bool is_stopping;          /* close the loop once both are 0 */
	grpc_call_details unknown; /* of the call to a method of no one */
	/* From the controlling thread: */
	struct rpc_post cancel, stop;
};

struct rpc_server {
	grpc_server *core;
	struct rpc_server_options options;
	struct rpc_server_method *methods;
	size_t method_count;
	struct rpc_worker *workers;
	unsigned worker_count;
	bool is_started, is_stopped;
	atomic_bool is_closed;
	atomic_uint open_count; /* calls that somebody still has to answer */
	/* gRPC's word that nothing is left to serve. */
	struct rpc_event down;
	pthread_mutex_t mutex;
	pthread_cond_t is_down_changed;
	bool is_down; /* under the mutex */
};

/*
 * Asks gRPC for one call of that method (NULL: of any unknown one). Nothing
 * once the server is closed.
 */
void rpc_worker_request(
    struct rpc_worker *worker, const struct rpc_server_method *method);

/* Prepares the worker's queues; before its loop runs. */
void rpc_worker_init_queues(struct rpc_worker *worker);

/* Every call of the worker is dead from here on. */
void rpc_worker_cancel_calls(struct rpc_worker *worker);

/* The worker's counts have changed: time to close its loop? */
void rpc_worker_check(struct rpc_worker *worker);

#endif
