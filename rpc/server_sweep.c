/*
 * A client may begin a request and not end it, keep a stream open and send
 * nothing, or not take its answer. Each worker counts all three, and a sweep
 * ends those that have to end.
 */

#include "base/clock.h"
#include "rpc/server_core.h"

#define SWEEP_MS 1000

/* How long they are borne with when there are too many. */
#define READING_PATIENCE_MS 1000
#define STREAM_PATIENCE_MS 10000
#define UNSENT_PATIENCE_MS 5000

/* What each worker may have in any case. */
#define WAITING_MIN ((size_t)4)
#define UNSENT_MIN ((size_t)8 << 20)

/* What a call costs besides its answer: gRPC's share, mostly. */
#define CALL_WEIGHT ((size_t)16 << 10)

/* Shorter answers are never refused. */
#define LARGE_ANSWER ((size_t)64 << 10)

static void
start_timer(struct rpc_worker *worker)
{
	if (rpc_budget_needs_time(&worker->reading) ||
	    rpc_budget_needs_time(&worker->streams) ||
	    rpc_budget_needs_time(&worker->unsent))
		rpc_timer_start(worker->loop, &worker->sweep_timer, SWEEP_MS);
}

static void
add(struct rpc_worker *worker, struct rpc_budget *budget,
    struct rpc_budget_entry *entry, size_t weight)
{
	rpc_budget_add(budget, entry, weight, clock_monotonic_ms());
	if (!worker->sweep_timer.is_started && rpc_budget_needs_time(budget))
		start_timer(worker);
}

void
rpc_worker_add_reading(struct rpc_server_call *call)
{
	add(call->worker, &call->worker->reading, &call->waiting, 1);
}

void
rpc_worker_add_stream(struct rpc_server_call *call)
{
	add(call->worker, &call->worker->streams, &call->waiting, 1);
}

void
rpc_worker_add_unsent(struct rpc_server_call *call, size_t size)
{
	add(call->worker, &call->worker->unsent, &call->unsent,
	    CALL_WEIGHT + size);
}

bool
rpc_worker_is_too_much(const struct rpc_server_call *call, size_t size)
{
	return size > LARGE_ANSWER &&
	       rpc_budget_would_exceed(&call->worker->unsent, size);
}

static void
refuse_late(struct rpc_budget_entry *entry, const char *message)
{
	struct rpc_server_call *call = RPC_CALL_OF(entry, waiting);

	rpc_call_enter(call);
	/* Otherwise it is being answered already. */
	if (rpc_server_call_is_alive(call))
		rpc_call_refuse(call, RPC_CODE_RESOURCE_EXHAUSTED, message);
	rpc_call_leave(call);
}

/*
 * Comes through the completion queue, so behind everything that has arrived
 * for these calls: what is merely waiting for this worker is not late.
 */
static void
run_sweep(struct rpc_post *post)
{
	struct rpc_worker *worker =
	    (struct rpc_worker *)((char *)post -
				  offsetof(struct rpc_worker, sweep));
	uint64_t now_ms = clock_monotonic_ms();
	struct rpc_budget_entry *entry;

	while ((entry = rpc_budget_take_late(&worker->reading, now_ms)) != NULL)
		refuse_late(entry, "the request did not arrive in time");
	while ((entry = rpc_budget_take_late(&worker->streams, now_ms)) != NULL)
		refuse_late(entry, "the next request did not arrive in time");
	/* Their batches end then, and they with them. */
	while ((entry = rpc_budget_take_late(&worker->unsent, now_ms)) != NULL)
		(void)grpc_call_cancel(RPC_CALL_OF(entry, unsent)->core, NULL);
	worker->is_sweeping = false;
	start_timer(worker);
	rpc_worker_check(worker);
}

static void
on_sweep_timer(struct rpc_timer *timer)
{
	struct rpc_worker *worker =
	    (struct rpc_worker *)((char *)timer -
				  offsetof(struct rpc_worker, sweep_timer));

	if (worker->is_sweeping)
		return;
	worker->is_sweeping = true;
	rpc_loop_post(worker->loop, &worker->sweep);
}

static size_t
share(size_t all, unsigned workers, size_t min)
{
	return all / workers > min ? all / workers : min;
}

void
rpc_worker_init_budgets(struct rpc_worker *worker)
{
	const struct rpc_server_options *options = &worker->server->options;
	unsigned workers = options->workers;

	worker->reading = (struct rpc_budget){
	    .weight_max =
		share(options->max_partial_requests, workers, WAITING_MIN),
	    .patience_ms = READING_PATIENCE_MS,
	    .time_max_ms = (uint64_t)options->request_timeout_ms,
	};
	worker->streams = (struct rpc_budget){
	    .weight_max =
		share(options->max_waiting_streams, workers, WAITING_MIN),
	    .patience_ms = STREAM_PATIENCE_MS,
	    .time_max_ms = options->stream_timeout_ms > 0
			       ? (uint64_t)options->stream_timeout_ms
			       : RPC_BUDGET_NEVER,
	};
	worker->unsent = (struct rpc_budget){
	    .weight_max = share(options->max_unsent_bytes, workers, UNSENT_MIN),
	    .patience_ms = UNSENT_PATIENCE_MS,
	    .time_max_ms = (uint64_t)options->answer_timeout_ms,
	};
	worker->sweep_timer.fire = on_sweep_timer;
	worker->sweep.run = run_sweep;
}
