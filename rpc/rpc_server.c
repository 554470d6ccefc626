#include "rpc/rpc_server.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/server_core.h"
#include "rpc/stub.h"

#define DEFAULT_MAX_METADATA_BYTES 8192
#define DEFAULT_MAX_STREAMS 1024
#define DEFAULT_REQUEST_SLOTS 32
#define DEFAULT_KEEPALIVE_MS 120000
#define DEFAULT_KEEPALIVE_TIMEOUT_MS 20000
#define DEFAULT_MIN_PING_INTERVAL_MS 10000
#define DEFAULT_HANDSHAKE_TIMEOUT_MS 10000
/* Room for 50,000 parked calls, and for 200 messages of 4 MiB. */
#define DEFAULT_MAX_BUFFER_BYTES ((size_t)1 << 30)
#define DEFAULT_MAX_PARTIAL_REQUESTS 128
#define DEFAULT_REQUEST_TIMEOUT_MS 30000
#define DEFAULT_MAX_UNSENT_BYTES ((size_t)256 << 20)
#define DEFAULT_ANSWER_TIMEOUT_MS 60000
#define DEFAULT_MAX_WAITING_STREAMS 1024

/* What a connection without calls is left with when the server stops. */
#define IDLE_GRACE_MS 1000
#define IDLE_CHECK_MS 50

/* What a client may send of a stream before anyone reads it, and in one frame.
   gRPC's own 65,535 bytes are just too little for a message of 64 KiB, which
   then waits in the middle. */
#define STREAM_WINDOW_BYTES ((size_t)128 << 10)

/* Messages are counted in int by gRPC's arguments. */
#define MAX_MESSAGE_BYTES ((size_t)INT_MAX)

static void
set_defaults(struct rpc_server_options *options)
{
	if (options->workers == 0)
		options->workers = 1;
	if (options->max_message_bytes == 0)
		options->max_message_bytes = RPC_MAX_MESSAGE_BYTES;
	if (options->max_unpack_factor == 0)
		options->max_unpack_factor = RPC_STUB_UNPACK_FACTOR;
	if (options->max_metadata_bytes == 0)
		options->max_metadata_bytes = DEFAULT_MAX_METADATA_BYTES;
	if (options->max_streams == 0)
		options->max_streams = DEFAULT_MAX_STREAMS;
	if (options->request_slots == 0)
		options->request_slots = DEFAULT_REQUEST_SLOTS;
	if (options->keepalive_ms == 0)
		options->keepalive_ms = DEFAULT_KEEPALIVE_MS;
	if (options->keepalive_timeout_ms == 0)
		options->keepalive_timeout_ms = DEFAULT_KEEPALIVE_TIMEOUT_MS;
	if (options->min_ping_interval_ms == 0)
		options->min_ping_interval_ms = DEFAULT_MIN_PING_INTERVAL_MS;
	if (options->max_buffer_bytes == 0)
		options->max_buffer_bytes = DEFAULT_MAX_BUFFER_BYTES;
	if (options->handshake_timeout_ms == 0)
		options->handshake_timeout_ms = DEFAULT_HANDSHAKE_TIMEOUT_MS;
	if (options->max_partial_requests == 0)
		options->max_partial_requests = DEFAULT_MAX_PARTIAL_REQUESTS;
	if (options->request_timeout_ms == 0)
		options->request_timeout_ms = DEFAULT_REQUEST_TIMEOUT_MS;
	if (options->max_unsent_bytes == 0)
		options->max_unsent_bytes = DEFAULT_MAX_UNSENT_BYTES;
	if (options->answer_timeout_ms == 0)
		options->answer_timeout_ms = DEFAULT_ANSWER_TIMEOUT_MS;
	if (options->max_waiting_streams == 0)
		options->max_waiting_streams = DEFAULT_MAX_WAITING_STREAMS;
}

static grpc_server *
create_core(const struct rpc_server_options *options)
{
	struct rpc_args args = {0};
	grpc_channel_args list;
	grpc_server *core;

	rpc_args_add_number(
	    &args, GRPC_ARG_ALLOW_REUSEPORT, options->reuse_port);
	rpc_args_add_number(
	    &args, GRPC_ARG_MAX_CONCURRENT_STREAMS, options->max_streams);
	rpc_args_add_number(&args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
	    options->max_message_bytes);
	rpc_args_add_number(
	    &args, GRPC_ARG_MAX_METADATA_SIZE, options->max_metadata_bytes);
	rpc_args_add_number(
	    &args, GRPC_ARG_KEEPALIVE_TIME_MS, (size_t)options->keepalive_ms);
	rpc_args_add_number(&args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
	    (size_t)options->keepalive_timeout_ms);
	rpc_args_add_number(&args,
	    GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
	    (size_t)options->min_ping_interval_ms);
	rpc_args_add_number(&args, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
	    (size_t)options->handshake_timeout_ms);
	if (options->max_idle_ms > 0)
		rpc_args_add_number(&args, GRPC_ARG_MAX_CONNECTION_IDLE_MS,
		    (size_t)options->max_idle_ms);
	rpc_args_add_number(&args, GRPC_ARG_ENABLE_CHANNELZ, 0);
	rpc_args_add_number(
	    &args, GRPC_ARG_HTTP2_BDP_PROBE, options->widen_windows);
	rpc_args_add_number(
	    &args, GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, STREAM_WINDOW_BYTES);
	rpc_args_add_number(
	    &args, GRPC_ARG_HTTP2_MAX_FRAME_SIZE, STREAM_WINDOW_BYTES);
	/* Received messages come as they were sent: gRPC would decompress them
	   without a limit. */
	rpc_args_add_number(
	    &args, GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
	/* Without this part of gRPC, clients are told of no algorithm. */
	if (options->refuse_compression)
		rpc_args_add_number(
		    &args, GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
	rpc_args_add_quota(&args, "rpc_server", options->max_buffer_bytes);
	list = rpc_args_list(&args);
	core = grpc_server_create(&list, NULL);
	rpc_args_clear(&args);
	return core;
}

static void
on_down(struct rpc_event *event, bool ok)
{
	struct rpc_server *server =
	    (struct rpc_server *)((char *)event -
				  offsetof(struct rpc_server, down));

	(void)ok;
	pthread_mutex_lock(&server->mutex);
	server->is_down = true;
	pthread_cond_signal(&server->is_down_changed);
	pthread_mutex_unlock(&server->mutex);
}

static void
run_cancel(struct rpc_post *post)
{
	rpc_worker_cancel_calls(
	    (struct rpc_worker *)((char *)post -
				  offsetof(struct rpc_worker, cancel)));
}

static void
run_stop(struct rpc_post *post)
{
	struct rpc_worker *worker =
	    (struct rpc_worker *)((char *)post -
				  offsetof(struct rpc_worker, stop));

	worker->is_stopping = true;
	rpc_worker_check(worker);
}

void
rpc_worker_check(struct rpc_worker *worker)
{
	if (worker->is_stopping && worker->call_count == 0 &&
	    worker->request_count == 0 && !worker->is_sweeping) {
		rpc_timer_stop(worker->loop, &worker->sweep_timer);
		rpc_loop_close(worker->loop);
	}
}

enum status
rpc_server_new(
    const struct rpc_server_options *options, struct rpc_server **out)
{
	struct rpc_server *server;
	pthread_condattr_t monotonic;
	enum status st = STATUS_OK;

	if (options != NULL &&
	    (options->workers > RPC_SERVER_MAX_WORKERS ||
		options->max_message_bytes > MAX_MESSAGE_BYTES ||
		(options->refuse_compression &&
		    options->compression > RPC_COMPRESSION_NONE)))
		return STATUS_INVALID;
	if ((server = calloc(1, sizeof(*server))) == NULL)
		return STATUS_NOMEM;
	rpc_core_start();
	pthread_mutex_init(&server->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&server->is_down_changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	server->down.complete = on_down;
	if (options != NULL)
		server->options = *options;
	set_defaults(&server->options);
	server->core = create_core(&server->options);

	server->workers =
	    calloc(server->options.workers, sizeof(*server->workers));
	if (server->workers == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	for (unsigned i = 0; i < server->options.workers; i++) {
		struct rpc_worker *worker = &server->workers[i];

		if ((st = rpc_loop_new(&worker->loop)) != STATUS_OK)
			goto out;
		worker->server = server;
		worker->index = i;
		worker->cancel.run = run_cancel;
		worker->stop.run = run_stop;
		rpc_worker_init_budgets(worker);
		grpc_server_register_completion_queue(
		    server->core, rpc_loop_queue(worker->loop), NULL);
		server->worker_count++;
	}
	*out = server;
	server = NULL;
out:
	rpc_server_free(server);
	return st;
}

/* Before any thread runs, the controlling one sees to gRPC's last word. */
static void
drain_unstarted(struct rpc_server *server)
{
	if (server->worker_count == 0)
		return;
	grpc_server_shutdown_and_notify(server->core,
	    rpc_loop_queue(server->workers[0].loop), &server->down);
	while (!server->is_down)
		(void)rpc_loop_step(server->workers[0].loop, -1);
}

void
rpc_server_free(struct rpc_server *server)
{
	if (server == NULL)
		return;
	if (server->is_started)
		assert(server->is_stopped);
	else
		drain_unstarted(server);
	grpc_server_destroy(server->core);
	rpc_server_ports_free(server->ports);
	for (unsigned i = 0; i < server->worker_count; i++)
		rpc_loop_free(server->workers[i].loop);
	free(server->workers);
	free(server->methods);
	pthread_cond_destroy(&server->is_down_changed);
	pthread_mutex_destroy(&server->mutex);
	free(server);
	rpc_core_stop();
}

enum status
rpc_server_register(struct rpc_server *server, const struct rpc_method *method,
    rpc_server_invoke *invoke, const void *handlers, void *service)
{
	struct rpc_server_method *grown;

	assert(!server->is_started);
	for (size_t i = 0; i < server->method_count; i++)
		if (strcmp(server->methods[i].method->path, method->path) == 0)
			return STATUS_EXISTS;
	grown = reallocarray(
	    server->methods, server->method_count + 1, sizeof(*grown));
	if (grown == NULL)
		return STATUS_NOMEM;
	server->methods = grown;
	grown[server->method_count] = (struct rpc_server_method){
	    .method = method,
	    .invoke = invoke,
	    .handlers = handlers,
	    .service = service,
	    /* gRPC would read the request, but without any bounds. */
	    .registration = grpc_server_register_method(
		server->core, method->path, NULL, GRPC_SRM_PAYLOAD_NONE, 0),
	};
	if (grown[server->method_count].registration == NULL)
		return STATUS_EXISTS;
	server->method_count++;
	return STATUS_OK;
}

/* gRPC would take the number modulo 65536. */
static bool
has_impossible_port(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon != NULL && strncmp(address, "unix", 4) != 0 &&
	       strtoul(colon + 1, NULL, 10) > 65535;
}

enum status
rpc_server_add_port(struct rpc_server *server, const char *address,
    const struct rpc_server_tls *tls, int *port)
{
	struct rpc_server_port *secured = NULL;
	grpc_server_credentials *credentials;
	enum status st;
	int chosen;

	assert(!server->is_started);
	if (address == NULL || has_impossible_port(address))
		return STATUS_INVALID;
	st = rpc_server_port_new(server, tls, &secured, &credentials);
	if (st != STATUS_OK)
		return st;
	chosen = grpc_server_add_http2_port(server->core, address, credentials);
	grpc_server_credentials_release(credentials);
	if (chosen == 0)
		return STATUS_UNAVAILABLE;
	if (secured != NULL)
		rpc_server_port_set_number(secured, chosen);
	if (port != NULL)
		*port = chosen;
	return STATUS_OK;
}

static void *
run_worker(void *arg)
{
	struct rpc_worker *worker = arg;
	struct rpc_server *server = worker->server;
	const struct rpc_server_options *options = &server->options;

	worker->self = pthread_self();
	if (options->worker_start != NULL)
		options->worker_start(
		    options->worker_arg, worker->index, worker->loop);
	for (size_t i = 0; i < server->method_count; i++)
		for (unsigned k = 0; k < options->request_slots; k++)
			rpc_worker_request(worker, &server->methods[i]);
	/* Without this one, gRPC would park calls to unknown methods. */
	rpc_worker_request(worker, NULL);
	while (rpc_loop_step(worker->loop, -1) != RPC_LOOP_CLOSED)
		;
	if (options->worker_stop != NULL)
		options->worker_stop(options->worker_arg, worker->index);
	return NULL;
}

enum status
rpc_server_start(struct rpc_server *server)
{
	assert(!server->is_started);
	grpc_server_start(server->core);
	server->is_started = true;
	for (unsigned i = 0; i < server->worker_count; i++) {
		struct rpc_worker *worker = &server->workers[i];

		if (pthread_create(&worker->thread, NULL, run_worker, worker) !=
		    0) {
			if (i > 0) {
				rpc_server_stop(server, 0);
			} else {
				drain_unstarted(server);
				server->is_stopped = true;
			}
			return STATUS_UNAVAILABLE;
		}
		worker->is_running = true;
	}
	return STATUS_OK;
}

void
rpc_server_close(struct rpc_server *server)
{
	if (!server->is_started || atomic_exchange(&server->is_closed, true))
		return;
	grpc_server_shutdown_and_notify(server->core,
	    rpc_loop_queue(server->workers[0].loop), &server->down);
	for (unsigned i = 0; i < server->worker_count; i++)
		if (server->workers[i].is_running)
			rpc_worker_close_calls(&server->workers[i]);
}

/* Waits for gRPC's last word; negative: for ever. */
static bool
wait_until_down(struct rpc_server *server, int timeout_ms)
{
	struct timespec until;
	int error = 0;
	bool is_down;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&server->mutex);
	while (!server->is_down && error != ETIMEDOUT) {
		if (timeout_ms < 0)
			pthread_cond_wait(
			    &server->is_down_changed, &server->mutex);
		else
			error = pthread_cond_timedwait(
			    &server->is_down_changed, &server->mutex, &until);
	}
	is_down = server->is_down;
	pthread_mutex_unlock(&server->mutex);
	return is_down;
}

/*
 * The same for the calls that have to be answered. What then keeps gRPC
 * waiting is clients that are silent, perhaps for ever: a laptop that sleeps.
 */
static bool
wait_for_calls(struct rpc_server *server, int grace_ms)
{
	int idle_ms = 0;

	for (int waited_ms = 0; waited_ms < grace_ms && idle_ms < IDLE_GRACE_MS;
	     waited_ms += IDLE_CHECK_MS) {
		if (wait_until_down(server, IDLE_CHECK_MS))
			return true;
		idle_ms = atomic_load(&server->open_count) == 0
			      ? idle_ms + IDLE_CHECK_MS
			      : 0;
	}
	return wait_until_down(server, 0);
}

static bool
is_on_worker(const struct rpc_server *server)
{
	for (unsigned i = 0; i < server->worker_count; i++)
		if (server->workers[i].is_running &&
		    pthread_equal(server->workers[i].thread, pthread_self()))
			return true;
	return false;
}

/*
 * gRPC's word that it is down comes when every call has ended. The queues are
 * closed by their workers, once no call can be woken any more: an empty batch
 * on a closed queue is an error.
 */
void
rpc_server_stop(struct rpc_server *server, int grace_ms)
{
	if (!server->is_started || server->is_stopped)
		return;
	assert(!is_on_worker(server)); /* it would wait for itself */
	rpc_server_close(server);
	if (!wait_for_calls(server, grace_ms)) {
		grpc_server_cancel_all_calls(server->core);
		for (unsigned i = 0; i < server->worker_count; i++)
			if (server->workers[i].is_running)
				rpc_loop_post(server->workers[i].loop,
				    &server->workers[i].cancel);
		(void)wait_until_down(server, -1);
	}
	for (unsigned i = 0; i < server->worker_count; i++)
		if (server->workers[i].is_running)
			rpc_loop_post(
			    server->workers[i].loop, &server->workers[i].stop);
	for (unsigned i = 0; i < server->worker_count; i++)
		if (server->workers[i].is_running)
			pthread_join(server->workers[i].thread, NULL);
	server->is_stopped = true;
}

unsigned
rpc_server_workers(const struct rpc_server *server)
{
	return server->worker_count;
}

struct rpc_loop *
rpc_server_loop(struct rpc_server *server, unsigned worker)
{
	assert(worker < server->worker_count);
	return server->workers[worker].loop;
}
