#include "server/store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/random.h"
#include "server/store/batch.h"
#include "server/store/pipeline.h"
#include "server/store/database.h"
#include "server/store/mail_notifier.h"
#include "server/store/operation_load.h"
#include "server/store/sweep.h"

/* More than two connections gain nothing on one database. */
#define THREADS_MAX 2

#define BATCH_OPERATIONS_LIMIT ((size_t)1024)

/* Operations of the queue that are looked at for a batch. */
#define BATCH_LOOKS ((size_t)4096)

/*
 * Slots that tell which accounts a batch holds, and which groups it changes:
 * four for each operation that is looked at, which takes two at most.
 */
#define TAKEN_SLOTS (4 * BATCH_LOOKS)

/*
 * After a batch that was not small, wait this long for more: fewer and larger
 * transactions give 6 to 8 % under load, and cost nothing otherwise.
 */
#define BATCH_LARGE 8
#define GATHER_NS 700000L

/* How often a thread without work looks whether its connection is there. */
#define IDLE_CHECK_MS 1000

/* After a step of the sweep it rests for so many times as long. */
#define SWEEP_REST 2

#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 1000
#define CONFLICT_PAUSE_MS 10

/*
 * Messages to groups, and other operations on groups, in a batch and in the
 * queue: each reads up to 1,000 members, and writes as many rows. A batch of
 * them has to end long before statement_timeout, on a slow machine too.
 */
#define BATCH_FAN_OUT STORE_SEND_GROUPS_MAX
#define QUEUE_FAN_OUT ((size_t)2048)

struct store_thread {
	struct store *store;
	pthread_t thread;
	bool is_started;
	bool is_ready; /* it takes operations */
	struct pipeline *pipeline;
	size_t previous_count;
	struct batch_mail mail;
	struct store_operation **operations; /* batch_operations_max of them */
	int64_t *taken;                      /* TAKEN_SLOTS; 0: free */
	struct sweep sweep;
	uint64_t sweep_due_ms; /* the next step; UINT64_MAX: never here */
};

struct store {
	struct store_options options;
	char *conninfo;
	struct store_callbacks callbacks;
	struct mail_notifier *notifier;
	struct store_thread threads[THREADS_MAX];
	/* Threads with a connection, or that lost it but now. */
	atomic_uint ready;

	pthread_mutex_t mutex;
	pthread_cond_t queued;   /* one more operation; or stopping */
	pthread_cond_t stopping;
	/* Guarded by mutex. */
	bool is_stopping;
	struct store_operation *first;
	struct store_operation **end; /* where the next one is linked in */
	size_t queued_count;
	size_t queued_bytes;
	size_t queued_fan_out;
};

/* --- Operations ----------------------------------------------------------- */

static void
end_operation(struct store_operation *operation, enum status st)
{
	store_operation_clear(operation);
	operation->status = st;
	operation->done(operation);
}

/* --- The queue ------------------------------------------------------------ */

enum status
store_submit(struct store *store, struct store_operation *operation)
{
	enum status st = STATUS_OK;

	operation->input_bytes = operation_bytes(operation);
	operation->fan_out = operation_fan_out(operation);
	operation->next = NULL;
	operation->memory = NULL;
	operation->is_in_doubt = false;
	operation->is_deferred = false;
	pthread_mutex_lock(&store->mutex);
	if (store->is_stopping || atomic_load(&store->ready) == 0) {
		st = STATUS_UNAVAILABLE;
	} else if (store->queued_count >= store->options.queue_operations_max ||
	    store->queued_bytes + operation->input_bytes >
	    store->options.queue_bytes_max ||
	    (operation->fan_out > 0 &&
		store->queued_fan_out + operation->fan_out > QUEUE_FAN_OUT)) {
		st = STATUS_BUSY;
	} else {
		*store->end = operation;
		store->end = &operation->next;
		store->queued_count++;
		store->queued_bytes += operation->input_bytes;
		store->queued_fan_out += operation->fan_out;
		pthread_cond_signal(&store->queued);
	}
	pthread_mutex_unlock(&store->mutex);
	return st;
}

/* To the front, so that it does not wait behind what came later. */
static void
requeue(struct store *store, struct store_operation *operation)
{
	pthread_mutex_lock(&store->mutex);
	operation->next = store->first;
	store->first = operation;
	if (operation->next == NULL)
		store->end = &operation->next;
	store->queued_count++;
	store->queued_bytes += operation->input_bytes;
	store->queued_fan_out += operation->fan_out;
	pthread_mutex_unlock(&store->mutex);
}

/* False if the batch has this account, or this group, already. */
static bool
take_subject(struct store_thread *thread, int64_t subject)
{
	size_t slot;

	if (subject == 0)
		return true;
	/* Ids and keys are random enough as they are. */
	slot = (size_t)((uint64_t)subject % TAKEN_SLOTS);
	while (thread->taken[slot] != 0) {
		if (thread->taken[slot] == subject)
			return false;
		slot = (slot + 1) % TAKEN_SLOTS;
	}
	thread->taken[slot] = subject;
	return true;
}

/*
 * Takes a batch off the queue; the rest keeps its order. What would make it too
 * long waits, but not those behind it. Mutex held.
 */
static size_t
take_batch(struct store_thread *thread)
{
	struct store *store = thread->store;
	struct store_operation **link = &store->first, *operation;
	size_t count = 0, bytes = 0, fan_out = 0;

	memset(thread->taken, 0, TAKEN_SLOTS * sizeof(*thread->taken));
	for (size_t looks = 0; looks < BATCH_LOOKS &&
	    (operation = *link) != NULL &&
	    count < store->options.batch_operations_max; looks++) {
		if (count > 0 && bytes + operation->input_bytes >
		    store->options.batch_bytes_max)
			break;
		if (!take_subject(thread, operation_subject(operation)) ||
		    (fan_out > 0 && operation->fan_out > 0 &&
			fan_out + operation->fan_out > BATCH_FAN_OUT) ||
		    !take_subject(thread, operation_changed_group(operation))) {
			link = &operation->next;
			continue;
		}
		*link = operation->next;
		if (*link == NULL)
			store->end = link;
		operation->next = NULL;
		bytes += operation->input_bytes;
		fan_out += operation->fan_out;
		thread->operations[count++] = operation;
	}
	store->queued_count -= count;
	store->queued_bytes -= bytes;
	store->queued_fan_out -= fan_out;
	return count;
}

static void
gather(struct store_thread *thread)
{
	struct store *store = thread->store;
	const struct timespec pause = { .tv_nsec = GATHER_NS };

	if (thread->previous_count < BATCH_LARGE ||
	    store->queued_count >= thread->previous_count ||
	    store->is_stopping)
		return;
	pthread_mutex_unlock(&store->mutex);
	nanosleep(&pause, NULL);
	pthread_mutex_lock(&store->mutex);
}

static struct timespec
time_from_now(uint32_t ms)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_nsec += (long)(ms % 1000) * 1000000;
	time.tv_sec += ms / 1000 + time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

/* How long it may wait for operations. */
static uint32_t
idle_ms(const struct store_thread *thread)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (thread->sweep_due_ms <= now_ms)
		return 0;
	return thread->sweep_due_ms - now_ms < IDLE_CHECK_MS ?
	    (uint32_t)(thread->sweep_due_ms - now_ms) : IDLE_CHECK_MS;
}

/*
 * Waits for operations; none when it has waited for a while. False: the store
 * is stopping and none are left.
 */
static bool
next_batch(struct store_thread *thread, size_t *out)
{
	struct store *store = thread->store;
	struct timespec end = time_from_now(idle_ms(thread));
	bool is_idle = false, is_over = false;
	size_t count = 0;

	pthread_mutex_lock(&store->mutex);
	while (count == 0) {
		if (store->first == NULL && (store->is_stopping || is_idle)) {
			is_over = store->is_stopping;
			break;
		}
		if (store->first == NULL) {
			thread->previous_count = 0;
			is_idle = pthread_cond_timedwait(&store->queued,
			    &store->mutex, &end) == ETIMEDOUT;
			continue;
		}
		gather(thread);
		count = take_batch(thread);
	}
	/* There may be more than one batch, for the other thread. */
	if (store->first != NULL)
		pthread_cond_signal(&store->queued);
	pthread_mutex_unlock(&store->mutex);
	thread->previous_count = count;
	*out = count;
	return !is_over;
}

/* --- Being there and being away ------------------------------------------- */

/* Mutex held, so that changes are told in their order. */
static void
tell_ready(struct store *store, bool is_ready)
{
	if (store->callbacks.on_ready != NULL)
		store->callbacks.on_ready(store->callbacks.context, is_ready);
}

static void
become_ready(struct store_thread *thread)
{
	struct store *store = thread->store;

	pthread_mutex_lock(&store->mutex);
	thread->is_ready = true;
	if (atomic_fetch_add(&store->ready, 1) == 0) {
		log_event(LOG_LEVEL_INFO, "database_connected",
		    log_u64("threads", store->options.threads));
		tell_ready(store, true);
	}
	pthread_mutex_unlock(&store->mutex);
}

/* The last one to go ends what is queued. */
static void
become_away(struct store_thread *thread)
{
	struct store *store = thread->store;
	struct store_operation *first = NULL;

	pthread_mutex_lock(&store->mutex);
	thread->is_ready = false;
	if (atomic_fetch_sub(&store->ready, 1) == 1) {
		first = store->first;
		store->first = NULL;
		store->end = &store->first;
		store->queued_count = 0;
		store->queued_bytes = 0;
		store->queued_fan_out = 0;
		log_event(LOG_LEVEL_ERROR, "database_away",
		    log_text("error", "the database does not answer; "
			"requests are refused until it does"));
		tell_ready(store, false);
	}
	pthread_mutex_unlock(&store->mutex);
	while (first != NULL) {
		struct store_operation *operation = first;

		first = operation->next;
		end_operation(operation, STATUS_UNAVAILABLE);
	}
}

/* Sleeps; not when the store stops. */
static void
pause_ms(struct store *store, uint32_t ms)
{
	struct timespec end = time_from_now(ms);

	pthread_mutex_lock(&store->mutex);
	while (!store->is_stopping &&
	    pthread_cond_timedwait(&store->stopping, &store->mutex, &end) == 0)
		continue;
	pthread_mutex_unlock(&store->mutex);
}

static bool
is_stopping(struct store *store)
{
	bool stopping;

	pthread_mutex_lock(&store->mutex);
	stopping = store->is_stopping;
	pthread_mutex_unlock(&store->mutex);
	return stopping;
}

static enum status
connect_once(struct store_thread *thread)
{
	const struct store_options *options = &thread->store->options;
	const struct pipeline_options pipeline_options = {
		.conninfo = options->conninfo,
		.statement_timeout_ms = options->statement_timeout_ms,
		.lock_timeout_ms = options->lock_timeout_ms,
	};

	return pipeline_open(&pipeline_options, &thread->pipeline);
}

static uint32_t
longer(uint32_t backoff_ms)
{
	return 2 * backoff_ms < RECONNECT_MAX_MS ? 2 * backoff_ms :
	    RECONNECT_MAX_MS;
}

/* Until it works or the store stops. */
static void
connect_at_last(struct store_thread *thread)
{
	uint32_t backoff_ms = RECONNECT_MIN_MS;

	while (!is_stopping(thread->store)) {
		if (connect_once(thread) == STATUS_OK) {
			become_ready(thread);
			return;
		}
		pause_ms(thread->store, backoff_ms);
		backoff_ms = longer(backoff_ms);
	}
}

/* Until it works or the time is over. */
static enum status
connect_before(struct store_thread *thread, uint64_t deadline_ms)
{
	uint32_t backoff_ms = RECONNECT_MIN_MS;

	for (;;) {
		if (connect_once(thread) == STATUS_OK)
			return STATUS_OK;
		if (clock_monotonic_ms() + backoff_ms >= deadline_ms)
			return STATUS_UNAVAILABLE;
		pause_ms(thread->store, backoff_ms);
		if (is_stopping(thread->store))
			return STATUS_UNAVAILABLE;
		backoff_ms = longer(backoff_ms);
	}
}

/* --- Batches -------------------------------------------------------------- */

/* Committed: the callers get their operations back, the recipients a call. */
static void
hand_back(struct store_thread *thread, struct store_operation **operations,
    size_t count)
{
	struct store *store = thread->store;

	crash_point("store.committed");
	for (size_t i = 0; i < count; i++) {
		if (operations[i]->is_deferred)
			requeue(store, operations[i]);
		else
			operations[i]->done(operations[i]);
	}
	crash_point("store.answered");
	if (thread->mail.count == 0)
		return;
	store->callbacks.on_mail(store->callbacks.context,
	    thread->mail.account_ids, thread->mail.count);
	mail_notifier_post(store->notifier, thread->mail.account_ids,
	    thread->mail.count);
}

static void
end_all(struct store_operation **operations, size_t count, enum status st)
{
	for (size_t i = 0; i < count; i++)
		end_operation(operations[i], st);
}

static void run_batch(struct store_thread *thread,
    struct store_operation **operations, size_t count);

/*
 * A batch that the database refuses: its operations one by one, so that only
 * the culprit fails.
 */
static void
run_singly(struct store_thread *thread, struct store_operation **operations,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (thread->is_ready)
			run_batch(thread, &operations[i], 1);
		else
			end_operation(operations[i], STATUS_UNAVAILABLE);
	}
}

/* Repeats until it is done, refused, or the time is over. */
static void
run_batch(struct store_thread *thread, struct store_operation **operations,
    size_t count)
{
	struct store *store = thread->store;
	uint64_t deadline_ms = clock_monotonic_ms() + store->options.retry_ms;
	uint32_t backoff_ms = RECONNECT_MIN_MS;

	for (;;) {
		enum database_failure failure;

		if (thread->pipeline == NULL &&
		    connect_before(thread, deadline_ms) != STATUS_OK) {
			/* Before anyone hears of it, so that it is true. */
			become_away(thread);
			end_all(operations, count, STATUS_UNAVAILABLE);
			return;
		}
		failure = batch_run(thread->pipeline, operations, count,
		    &thread->mail);
		switch (failure) {
		case DATABASE_FAILURE_NONE:
			hand_back(thread, operations, count);
			return;
		case DATABASE_FAILURE_LOST:
			pipeline_close(thread->pipeline);
			thread->pipeline = NULL;
			pause_ms(store, backoff_ms);
			backoff_ms = longer(backoff_ms);
			break;
		case DATABASE_FAILURE_CONFLICT:
			pause_ms(store, 1 + random_below(CONFLICT_PAUSE_MS));
			break;
		case DATABASE_FAILURE_TIMEOUT:
			if (count > 1) {
				run_singly(thread, operations, count);
				return;
			}
			break;
		case DATABASE_FAILURE_REFUSED:
		case DATABASE_FAILURE_NOMEM:
			if (count > 1)
				run_singly(thread, operations, count);
			else
				end_all(operations, count,
				    failure == DATABASE_FAILURE_NOMEM ?
				    STATUS_NOMEM : STATUS_INTERNAL);
			return;
		}
		if (clock_monotonic_ms() >= deadline_ms) {
			end_all(operations, count, STATUS_UNAVAILABLE);
			return;
		}
	}
}

/*
 * Nothing to do: so that who asks whether the database is there is told the
 * truth, and the next operation need not find out.
 */
static void
check_connection(struct store_thread *thread)
{
	uint32_t retry_ms = thread->store->options.retry_ms;

	if (thread->pipeline != NULL && pipeline_is_alive(thread->pipeline))
		return;
	pipeline_close(thread->pipeline);
	thread->pipeline = NULL;
	if (connect_before(thread, clock_monotonic_ms() + retry_ms) !=
	    STATUS_OK)
		become_away(thread);
}

/*
 * Between batches, a step now and then. What fails is tried again at the next
 * turn; whether the connection is still there finds out who needs it next.
 */
static void
sweep(struct store_thread *thread)
{
	uint64_t begin_ms = clock_monotonic_ms(), end_ms;
	enum database_failure failure;
	bool is_over = true;

	if (thread->pipeline == NULL || begin_ms < thread->sweep_due_ms)
		return;
	failure = sweep_step(&thread->sweep, thread->pipeline,
	    thread->store->options.sweep_ms, &is_over);
	end_ms = clock_monotonic_ms();
	thread->sweep_due_ms = is_over ?
	    end_ms + thread->store->options.sweep_ms :
	    end_ms + SWEEP_REST * (end_ms - begin_ms);
	if (failure == DATABASE_FAILURE_NONE ||
	    (failure != DATABASE_FAILURE_LOST &&
		pipeline_reset(thread->pipeline) == DATABASE_FAILURE_NONE))
		return;
	pipeline_close(thread->pipeline);
	thread->pipeline = NULL;
}

static void *
run_thread(void *context)
{
	struct store_thread *thread = context;
	size_t count = 0;

	for (;;) {
		if (!thread->is_ready)
			connect_at_last(thread);
		if (!thread->is_ready || !next_batch(thread, &count))
			break;
		if (count > 0)
			run_batch(thread, thread->operations, count);
		else
			check_connection(thread);
		sweep(thread);
	}
	pipeline_close(thread->pipeline);
	thread->pipeline = NULL;
	return NULL;
}

/* --- Start and stop ------------------------------------------------------- */

static void
set_defaults(struct store_options *options)
{
	if (options->threads == 0 || options->threads > THREADS_MAX)
		options->threads = THREADS_MAX;
	if (options->queue_operations_max == 0)
		options->queue_operations_max = 4096;
	if (options->queue_bytes_max == 0)
		options->queue_bytes_max = (size_t)64 << 20;
	if (options->batch_operations_max == 0)
		options->batch_operations_max = 256;
	if (options->batch_operations_max > BATCH_OPERATIONS_LIMIT)
		options->batch_operations_max = BATCH_OPERATIONS_LIMIT;
	if (options->batch_bytes_max == 0)
		options->batch_bytes_max = (size_t)8 << 20;
	if (options->statement_timeout_ms == 0)
		options->statement_timeout_ms = 5000;
	if (options->lock_timeout_ms == 0)
		options->lock_timeout_ms = 2000;
	if (options->retry_ms == 0)
		options->retry_ms = 3000;
	if (options->sweep_ms == 0)
		options->sweep_ms = 60000;
}

static void
init_locks(struct store *store)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&store->queued, &attributes);
	pthread_cond_init(&store->stopping, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&store->mutex, NULL);
}

static enum status
start_thread(struct store *store, struct store_thread *thread)
{
	thread->store = store;
	thread->sweep_due_ms = thread != &store->threads[0] ? UINT64_MAX :
	    clock_monotonic_ms() + store->options.sweep_ms;
	thread->operations = calloc(store->options.batch_operations_max,
	    sizeof(struct store_operation *));
	thread->taken = calloc(TAKEN_SLOTS, sizeof(*thread->taken));
	if (thread->operations == NULL || thread->taken == NULL)
		return STATUS_NOMEM;
	if (pthread_create(&thread->thread, NULL, run_thread, thread) != 0)
		return STATUS_INTERNAL;
	thread->is_started = true;
	return STATUS_OK;
}

static enum status
start_threads(struct store *store)
{
	enum status st;

	if ((st = mail_notifier_start(store->conninfo, &store->callbacks,
		 &store->notifier)) != STATUS_OK)
		return st;
	for (unsigned i = 0; i < store->options.threads; i++) {
		if ((st = start_thread(store, &store->threads[i])) != STATUS_OK)
			return st;
	}
	return STATUS_OK;
}

enum status
store_open(const struct store_options *options,
    const struct store_callbacks *callbacks, struct store **out)
{
	struct store *store;
	enum status st;

	if ((st = database_check_conninfo(options->conninfo)) != STATUS_OK)
		return st;
	if ((store = calloc(1, sizeof(*store))) == NULL)
		return STATUS_NOMEM;
	init_locks(store);
	store->end = &store->first;
	store->options = *options;
	store->callbacks = *callbacks;
	set_defaults(&store->options);
	if ((store->conninfo = strdup(options->conninfo)) == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	store->options.conninfo = store->conninfo;
	if ((st = start_threads(store)) != STATUS_OK) {
		store_stop(store);
		goto out;
	}
	*out = store;
	store = NULL;
out:
	store_free(store);
	return st;
}

bool
store_is_ready(const struct store *store)
{
	return atomic_load(&store->ready) > 0;
}

void
store_stop(struct store *store)
{
	pthread_mutex_lock(&store->mutex);
	store->is_stopping = true;
	pthread_cond_broadcast(&store->queued);
	pthread_cond_broadcast(&store->stopping);
	pthread_mutex_unlock(&store->mutex);
	for (unsigned i = 0; i < THREADS_MAX; i++) {
		if (store->threads[i].is_started)
			pthread_join(store->threads[i].thread, NULL);
		store->threads[i].is_started = false;
	}
	mail_notifier_stop(store->notifier);
	store->notifier = NULL;
}

void
store_free(struct store *store)
{
	if (store == NULL)
		return;
	for (unsigned i = 0; i < THREADS_MAX; i++) {
		batch_mail_clear(&store->threads[i].mail);
		free(store->threads[i].operations);
		free(store->threads[i].taken);
	}
	pthread_cond_destroy(&store->queued);
	pthread_cond_destroy(&store->stopping);
	pthread_mutex_destroy(&store->mutex);
	free(store->conninfo);
	free(store);
}
