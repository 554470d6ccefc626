#ifndef PEYK_SERVER_STORE_STORE_H
#define PEYK_SERVER_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "server/store/operation.h"

/*
 * The server's way to PostgreSQL: operations go into one bounded queue; one or
 * two threads take everything that is queued and run it as one transaction of
 * a few array statements. docs/architecture.md draws it.
 *
 * Whatever ended with STATUS_OK is committed (on a synchronous standby too,
 * where there is one). An error that a new attempt may cure (connection lost,
 * failover, deadlock, a commit in doubt) is answered by reconnecting and
 * repeating the batch; every operation is numbered or only reads, so that a
 * repeat finds out what had been committed.
 */
struct store;

/* Zero means the default. */
struct store_options {
	/*
	 * libpq connection string or URI; several hosts are tried in turn. It
	 * may set anything; what it leaves out gets the store's settings
	 * (target_session_attrs=read-write, connect_timeout, tcp_user_timeout,
	 * keepalives, application_name).
	 */
	const char *conninfo;
	unsigned threads;              /* 1 or 2; default 2 */
	size_t queue_operations_max;   /* default 4096 */
	size_t queue_bytes_max;        /* of their inputs; default 64 MiB */
	size_t batch_operations_max;   /* default 256 */
	size_t batch_bytes_max;        /* of their inputs; default 8 MiB */
	uint32_t statement_timeout_ms; /* default 5000 */
	uint32_t lock_timeout_ms;      /* default 2000 */
	uint32_t retry_ms;             /* how long to repeat; default 3000 */
	/*
	 * Between two sweeps of what nobody points to, and how old that must
	 * be; default 60000.
	 */
	uint32_t sweep_ms;
};

/*
 * They are called on the store's own threads, any of them at any time between
 * store_open() and the end of store_stop(); they must be quick, and must not
 * call store_stop(). Spurious calls happen.
 */
struct store_callbacks {
	void *context;
	/* Messages were committed for these accounts, here or elsewhere. */
	void (*on_mail)(void *context, const int64_t *account_ids,
	    size_t count);
	/* Notifications may have been missed: look for all who wait. */
	void (*on_mail_everyone)(void *context);
	/* store_is_ready() has changed, to this; in the order of the changes.
	   May be NULL. A lock is held: it calls nothing of the store. */
	void (*on_ready)(void *context, bool is_ready);
};

/*
 * Starts the threads. It does not wait for the database: until the first
 * connection operations are refused with STATUS_UNAVAILABLE. options are
 * copied. STATUS_NOMEM, STATUS_INVALID (conninfo does not parse),
 * STATUS_INTERNAL (no thread).
 */
MUST_CHECK enum status store_open(const struct store_options *options,
    const struct store_callbacks *callbacks, struct store **out);

/*
 * Queues an operation; any thread. On STATUS_OK done() will be called, on
 * anything else it will not and the operation stays the caller's:
 * STATUS_BUSY          the queue is full
 * STATUS_UNAVAILABLE   the database is away, or the store is stopping
 */
MUST_CHECK enum status store_submit(struct store *store,
    struct store_operation *operation);

/*
 * Whether there is a connection to work with; any thread. A database that goes
 * is missed after some seconds, also when nothing is asked of it.
 */
bool store_is_ready(const struct store *store);

/*
 * Refuses new operations, ends those that are queued (they are done if the
 * database is there), and joins the threads.
 * Every done() has returned when it returns. Once; not from a callback.
 */
void store_stop(struct store *store);

/* Only after store_stop(). NULL is fine. */
void store_free(struct store *store);

#endif
