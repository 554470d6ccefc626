#ifndef RPC_SERVER_CORE_H
#define RPC_SERVER_CORE_H

/* What the files of the server share: the server, its workers, their calls. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "rpc/core.h"
#include "rpc/loop.h"
#include "rpc/method.h"
#include "rpc/rpc_server.h"
#include "rpc/server_budget.h"
#include "rpc/server_call.h"

/* A method and who serves it. */
struct rpc_server_method {
	const struct rpc_method *method;
	rpc_server_invoke *invoke;
	const void *handlers;
	void *service;
	void *registration; /* gRPC's */
};

/* ---- A call: server_call.c ---- */

/*
 *  REQUESTED --arrived--> OPEN <--request is there-- READING
 *      |                   | '---wants its request----^
 *      |                   |
 *      |                   +--answer--> FINISHING --sent--> DONE
 *      |                   |                                 ^ ^
 *      |                   +--client gone--> DEAD --answer---' |
 *      '--server closed----------------------------------------'
 *
 * OPEN is when somebody of ours, an interceptor or the handler, owes an
 * answer. READING is when the client owes its request; where requests stream
 * it does not come; whoever ends the call meanwhile takes it to OPEN first. In
 * DEAD and DONE nothing more is sent. Such a call is freed as soon as no batch
 * is under way and no one holds it.
 */
enum rpc_call_state {
	RPC_CALL_STATE_REQUESTED,
	RPC_CALL_STATE_OPEN,
	RPC_CALL_STATE_READING,
	RPC_CALL_STATE_FINISHING,
	RPC_CALL_STATE_DEAD,
	RPC_CALL_STATE_DONE,
};

struct rpc_server_call {
	struct rpc_worker *worker;
	const struct rpc_server_method *method; /* NULL: of no one */
	enum rpc_call_state state;
	bool has_sent_headers, is_sending, is_receiving, has_received_all;
	bool is_watched;        /* gRPC was asked to tell of the end, */
	bool is_closed;         /* and has told */
	bool is_finish_pending; /* answered while a message is on its way */
	bool is_overflowing;    /* a message was too much; the call will end */
	bool is_delivered;      /* gRPC has sent the answer */
	bool was_compressed;    /* the last message that was received */
	bool is_uncompressed;   /* those that are sent from here on */
	bool is_corked;         /* the same */
	enum rpc_compression compression;
	unsigned pending; /* batches under way */
	unsigned holds;
	unsigned depth; /* call backs of the application that are running */
	struct rpc_server_call *previous, *next; /* of the worker's list */
	/* In the worker's budgets. */
	struct rpc_budget_entry waiting, unsent;

	/* Filled in by gRPC on arrival. */
	grpc_call *core;
	gpr_timespec deadline;
	grpc_metadata_array metadata;
	grpc_slice path; /* where `method` is NULL */
	grpc_byte_buffer *payload;
	int is_cancelled;

	grpc_slice request;
	ProtobufCMessage *kept;
	char *peer;
	grpc_auth_context *security;
	void *user;
	void (*destroy_user)(void *user);

	/* Interceptors. */
	bool is_intercepted; /* on_call runs, or LATER was said */
	unsigned reached;    /* on_call has run, or was skipped, of so many */
	uint64_t arrived_us;

	/* The answer. */
	struct rpc_metadata_list headers, trailers;
	grpc_status_code code;
	grpc_slice text;

	/* Tags. */
	struct rpc_event arrived, read, headers_sent, sent, received, finished,
	    closed;
	grpc_byte_buffer *incoming;

	/* What the application waits for. */
	rpc_server_call_fn *on_sent;
	void *on_sent_arg;
	rpc_server_call_message_fn *on_message;
	void *on_message_arg;
	void (*on_cancel)(struct rpc_server_call *call, void *arg);
	void *on_cancel_arg;
	void (*on_close)(struct rpc_server_call *call, void *arg);
	void *on_close_arg;
	struct rpc_timer timer;
	void (*on_timer)(struct rpc_server_call *call, void *arg);
	void *on_timer_arg;

	/* From other threads. */
	atomic_bool is_wake_posted;
	rpc_server_call_fn *on_wake;
	void *on_wake_arg;
	struct rpc_post wake;
	/* Holds given up and not yet taken off; the first one posts. */
	atomic_uint released;
	struct rpc_post release;

	/* A stream's message was too much; ends the call from the loop. */
	struct rpc_post overflow;

	void *slots[]; /* of the server's interceptors */
};

#define RPC_CALL_OF(pointer, member)                                           \
	((struct rpc_server_call *)((char *)(pointer)-offsetof(                \
	    struct rpc_server_call, member)))

/* Around everything that may run the application or complete a batch; the
   call may be gone after leave. */
void rpc_call_enter(struct rpc_server_call *call);
void rpc_call_leave(struct rpc_server_call *call);
/* What is to be done once nothing of the call runs; may free it. */
void rpc_call_settle(struct rpc_server_call *call);

/* From OPEN: the client is gone. Runs on_cancel. */
void rpc_call_die(struct rpc_server_call *call);

/* From OPEN or READING: the runtime ends the call, and the application hears
   of it as of a client that has left. Between enter and leave. */
void rpc_call_refuse(
    struct rpc_server_call *call, enum rpc_code code, const char *message);

/* From OPEN, once interceptors have nothing against it: reads the request, or
   runs the handler. Between enter and leave. */
void rpc_call_go_on(struct rpc_server_call *call);

/* Starts a batch; everything that its completion looks at is set before. */
void rpc_call_start_batch(struct rpc_server_call *call, const grpc_op *ops,
    size_t count, struct rpc_event *event);
/* Adds the operation to a batch, if it was not in one before. */
void rpc_call_add_headers(
    struct rpc_server_call *call, grpc_op *ops, size_t *count);
void rpc_call_add_close(
    struct rpc_server_call *call, grpc_op *ops, size_t *count);
/* Asks gRPC to tell when the client goes. */
void rpc_call_watch(struct rpc_server_call *call);

/* One function changes states. */
void rpc_call_move(struct rpc_server_call *call, enum rpc_call_state state);

/* ---- Answers: server_answer.c ---- */

void rpc_call_init_answer(struct rpc_server_call *call);

/* ---- Receiving: server_receive.c ---- */

void rpc_call_init_receive(struct rpc_server_call *call);
/* From OPEN to READING. */
void rpc_call_read_request(struct rpc_server_call *call);

/* ---- Later: server_wake.c ---- */

void rpc_call_init_wake(struct rpc_server_call *call);

/* ---- Interceptors: server_intercept.c ---- */

/* From OPEN, when the call has arrived. Between enter and leave. */
void rpc_call_intercept(struct rpc_server_call *call);
void rpc_call_intercept_message(struct rpc_server_call *call,
    enum rpc_direction direction, struct bytes message);
/* The call is over. Harmless when repeated. */
void rpc_call_intercept_end(struct rpc_server_call *call);

/* ---- Workers and servers ---- */

/* One thread, its loop, and the calls that live on it. */
struct rpc_worker {
	struct rpc_server *server;
	struct rpc_loop *loop;
	pthread_t thread;
	pthread_t self; /* the same, written by itself */
	unsigned index;
	bool is_running; /* the thread was created */
	/* Only on the worker's thread: */
	struct rpc_server_call *calls; /* arrived and not yet freed */
	unsigned call_count;
	struct rpc_budget reading;    /* requests in part; weight 1 each */
	struct rpc_budget streams;    /* waiting for a message; 1 each */
	struct rpc_budget unsent;     /* sent, not taken; in bytes */
	struct rpc_timer sweep_timer; /* runs while one of them needs it */
	struct rpc_post sweep;
	bool is_sweeping;          /* the post is on its way */
	unsigned request_count;    /* asked of gRPC and not yet arrived */
	bool is_stopping;          /* close the loop once both are 0 */
	grpc_call_details unknown; /* of the call to a method of no one */
	/* From the controlling thread: */
	struct rpc_post close, cancel, stop;
};

/* Asserted where the application comes in: from another thread it would only
   show much later, if at all. */
static inline bool
rpc_call_is_on_worker(const struct rpc_server_call *call)
{
	return pthread_equal(call->worker->self, pthread_self()) != 0;
}

struct rpc_server_port; /* server_tls.c */

struct rpc_server {
	grpc_server *core;
	struct rpc_server_options options;
	struct rpc_server_method *methods;
	size_t method_count;
	const struct rpc_server_interceptor
	    *interceptors[RPC_SERVER_MAX_INTERCEPTORS];
	unsigned interceptor_count;
	bool has_message_interceptor;
	struct rpc_server_port *ports; /* those with TLS */
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

/* The server closes: tells the calls that want to know. Posts to the worker. */
void rpc_worker_close_calls(struct rpc_worker *worker);

/* Whatever `visit` does to a call, the others are visited too. */
void rpc_worker_for_each_call(struct rpc_worker *worker,
    void (*visit)(struct rpc_server_call *call));

/* Every call of the worker is dead from here on. */
void rpc_worker_cancel_calls(struct rpc_worker *worker);

/* The worker's counts have changed: time to close its loop? */
void rpc_worker_check(struct rpc_worker *worker);

/* ---- Budgets: server_sweep.c ---- */

/* Before the worker's loop runs. */
void rpc_worker_init_budgets(struct rpc_worker *worker);

/* The call waits for its client's request, or its next message. */
void rpc_worker_add_reading(struct rpc_server_call *call);
void rpc_worker_add_stream(struct rpc_server_call *call);
/* `size` bytes of it wait to be taken. */
void rpc_worker_add_unsent(struct rpc_server_call *call, size_t size);
/* Whether an answer of that size would be too much for now. */
bool rpc_worker_is_too_much(const struct rpc_server_call *call, size_t size);

/* ---- TLS: server_tls.c ---- */

/* Credentials for a port, to be released; NULL: without memory. `port` is
   NULL for plaintext, and belongs to the server. STATUS_NOMEM,
   STATUS_INVALID. */
MUST_CHECK enum status rpc_server_port_new(struct rpc_server *server,
    const struct rpc_server_tls *tls, struct rpc_server_port **port,
    grpc_server_credentials **credentials);
void rpc_server_port_set_number(struct rpc_server_port *port, int number);
/* All of a server; after gRPC's server is gone. */
void rpc_server_ports_free(struct rpc_server_port *ports);

#endif
