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

/* Every call of the worker is dead from here on. */
void rpc_worker_cancel_calls(struct rpc_worker *worker);

/* The worker's counts have changed: time to close its loop? */
void rpc_worker_check(struct rpc_worker *worker);

#endif
