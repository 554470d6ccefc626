#include "server/store/mail_notifier.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "server/store/database.h"

#define RECONNECT_MIN_MS 100
#define RECONNECT_MAX_MS 2000
/* A NOTIFY takes less than a millisecond; then the connection is dead. */
#define NOTIFY_TIMEOUT_MS 10000
#define PAYLOAD_SIZE_MAX ((size_t)7900)

struct mail_notifier {
	char *conninfo;
	struct store_callbacks callbacks;
	uint64_t server_id;
	pthread_t thread;
	int wake_fd;

	/* The thread's own. */
	PGconn *pg;
	bool is_notifying; /* a NOTIFY is on its way */
	uint64_t notify_deadline_ms;

	pthread_mutex_t mutex;
	/* Guarded by mutex. */
	bool is_stopping;
	bool is_everyone_pending;
	size_t pending_count;
	int64_t pending[MAIL_NOTIFIER_IDS_MAX];
};

static void
wake(struct mail_notifier *notifier)
{
	const uint64_t one = 1;

	/* Fails only if it is woken already, 2^64 times. */
	if (write(notifier->wake_fd, &one, sizeof(one)) < 0)
		log_event(LOG_LEVEL_ERROR, "notifier_not_woken",
		    log_i64("errno", errno));
}

void
mail_notifier_post(struct mail_notifier *notifier, const int64_t *account_ids,
    size_t count)
{
	if (count == 0)
		return;
	pthread_mutex_lock(&notifier->mutex);
	if (count > MAIL_NOTIFIER_IDS_MAX - notifier->pending_count) {
		notifier->is_everyone_pending = true;
		notifier->pending_count = 0;
	} else if (!notifier->is_everyone_pending) {
		memcpy(notifier->pending + notifier->pending_count, account_ids,
		    count * sizeof(*account_ids));
		notifier->pending_count += count;
	}
	pthread_mutex_unlock(&notifier->mutex);
	wake(notifier);
}

static bool
is_stopping(struct mail_notifier *notifier)
{
	bool stopping;

	pthread_mutex_lock(&notifier->mutex);
	stopping = notifier->is_stopping;
	pthread_mutex_unlock(&notifier->mutex);
	return stopping;
}

/* Nobody knows whether it was heard, nor of whom it told. */
static void
tell_everyone_later(struct mail_notifier *notifier)
{
	pthread_mutex_lock(&notifier->mutex);
	notifier->is_everyone_pending = true;
	notifier->pending_count = 0;
	pthread_mutex_unlock(&notifier->mutex);
}

static void
disconnect(struct mail_notifier *notifier)
{
	if (notifier->is_notifying)
		tell_everyone_later(notifier);
	PQfinish(notifier->pg);
	notifier->pg = NULL;
	notifier->is_notifying = false;
}

/* --- Connecting ----------------------------------------------------------- */

static enum status
listen_to_others(struct mail_notifier *notifier)
{
	PGresult *result = PQexec(notifier->pg,
	    "SET synchronous_commit = off; SET client_min_messages = warning;"
	    "SET statement_timeout = '5s'; LISTEN peyk_mail");
	enum status st = STATUS_OK;

	if (PQresultStatus(result) != PGRES_COMMAND_OK) {
		database_log_error("listen", result, notifier->pg);
		st = STATUS_UNAVAILABLE;
	}
	PQclear(result);
	if (st == STATUS_OK && PQsetnonblocking(notifier->pg, 1) != 0)
		st = STATUS_UNAVAILABLE;
	return st;
}

static enum status
connect_once(struct mail_notifier *notifier)
{
	enum status st;

	if ((st = database_connect(notifier->conninfo, &notifier->pg)) !=
	    STATUS_OK)
		return st;
	if ((st = listen_to_others(notifier)) != STATUS_OK) {
		disconnect(notifier);
		return st;
	}
	/* What was told while it was away was missed. */
	notifier->callbacks.on_mail_everyone(notifier->callbacks.context);
	return STATUS_OK;
}

/* Sleeps, or until it is stopped. */
static void
pause_ms(struct mail_notifier *notifier, int ms)
{
	uint64_t end = clock_monotonic_ms() + (uint64_t)ms, now;

	while (!is_stopping(notifier) && (now = clock_monotonic_ms()) < end) {
		struct pollfd poller = { .fd = notifier->wake_fd,
			.events = POLLIN };
		uint64_t count;

		if (poll(&poller, 1, (int)(end - now)) > 0 &&
		    read(notifier->wake_fd, &count, sizeof(count)) < 0)
			return;
	}
}

/* --- Hearing -------------------------------------------------------------- */

static void
hear(struct mail_notifier *notifier, const char *payload)
{
	const struct store_callbacks *callbacks = &notifier->callbacks;
	int64_t account_ids[MAIL_NOTIFIER_IDS_MAX];
	uint64_t server_id;
	size_t count;

	if (mail_payload_decode(bytes_from_string(payload), &server_id,
		account_ids, &count) != STATUS_OK) {
		callbacks->on_mail_everyone(callbacks->context);
		return;
	}
	if (server_id == notifier->server_id)
		return;
	if (count == 0)
		callbacks->on_mail_everyone(callbacks->context);
	else
		callbacks->on_mail(callbacks->context, account_ids, count);
}

static void
hear_all(struct mail_notifier *notifier)
{
	PGnotify *notify;

	while ((notify = PQnotifies(notifier->pg)) != NULL) {
		hear(notifier, notify->extra);
		PQfreemem(notify);
	}
}

/* --- Telling -------------------------------------------------------------- */

static enum status
take_payload(struct mail_notifier *notifier, struct buf *out)
{
	int64_t account_ids[MAIL_NOTIFIER_IDS_MAX];
	bool is_everyone;
	size_t count;

	pthread_mutex_lock(&notifier->mutex);
	is_everyone = notifier->is_everyone_pending;
	count = notifier->pending_count;
	memcpy(account_ids, notifier->pending, count * sizeof(*account_ids));
	notifier->is_everyone_pending = false;
	notifier->pending_count = 0;
	pthread_mutex_unlock(&notifier->mutex);
	if (count == 0 && !is_everyone)
		return STATUS_NOT_FOUND;
	return mail_payload_encode(notifier->server_id, account_ids, count,
	    is_everyone, out);
}

/* Sends what is pending, if nothing is on its way. */
static enum status
tell(struct mail_notifier *notifier)
{
	struct buf payload;
	const char *text;
	enum status st;

	if (notifier->is_notifying)
		return STATUS_OK;
	buf_init(&payload, PAYLOAD_SIZE_MAX);
	if ((st = take_payload(notifier, &payload)) != STATUS_OK ||
	    (st = buf_string(&payload, &text)) != STATUS_OK)
		goto out;
	if (!PQsendQueryParams(notifier->pg,
		"SELECT pg_notify('peyk_mail', $1)", 1, NULL, &text, NULL,
		NULL, 0)) {
		st = STATUS_UNAVAILABLE;
		goto out;
	}
	notifier->is_notifying = true;
	notifier->notify_deadline_ms =
	    clock_monotonic_ms() + NOTIFY_TIMEOUT_MS;
out:
	buf_clear(&payload);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (st != STATUS_OK)
		tell_everyone_later(notifier);
	return st;
}

/* Reads results that have arrived. */
static void
read_results(struct mail_notifier *notifier)
{
	while (notifier->is_notifying && !PQisBusy(notifier->pg)) {
		PGresult *result = PQgetResult(notifier->pg);

		if (result == NULL)
			notifier->is_notifying = false;
		else if (PQresultStatus(result) != PGRES_TUPLES_OK)
			database_log_error("notify", result, notifier->pg);
		PQclear(result);
	}
}

/* --- The thread ----------------------------------------------------------- */

/* One wait for either side; an error means to reconnect. */
static enum status
turn(struct mail_notifier *notifier)
{
	struct pollfd pollers[2] = {
		{ .fd = PQsocket(notifier->pg), .events = POLLIN },
		{ .fd = notifier->wake_fd, .events = POLLIN },
	};
	uint64_t count;
	int unsent;
	enum status st;

	if ((st = tell(notifier)) != STATUS_OK)
		return st;
	if ((unsent = PQflush(notifier->pg)) < 0)
		return STATUS_UNAVAILABLE;
	if (unsent > 0)
		pollers[0].events |= POLLOUT;
	if (poll(pollers, 2, notifier->is_notifying ? 1000 : -1) < 0 &&
	    errno != EINTR)
		return STATUS_IO;
	if ((pollers[1].revents & POLLIN) != 0 &&
	    read(notifier->wake_fd, &count, sizeof(count)) < 0)
		return STATUS_IO;
	if (pollers[0].revents != 0 && PQconsumeInput(notifier->pg) == 0)
		return STATUS_UNAVAILABLE;
	read_results(notifier);
	hear_all(notifier);
	if (notifier->is_notifying &&
	    clock_monotonic_ms() > notifier->notify_deadline_ms)
		return STATUS_TIMEOUT;
	return STATUS_OK;
}

/* What is pending goes out, unless the database lingers. */
static void
finish(struct mail_notifier *notifier)
{
	uint64_t end = clock_monotonic_ms() + 500;

	if (tell(notifier) != STATUS_OK)
		return;
	while (notifier->is_notifying && clock_monotonic_ms() < end) {
		struct pollfd poller = { .fd = PQsocket(notifier->pg),
			.events = POLLIN };

		if (PQflush(notifier->pg) < 0 || poll(&poller, 1, 100) < 0 ||
		    PQconsumeInput(notifier->pg) == 0)
			return;
		read_results(notifier);
	}
}

static void *
run(void *context)
{
	struct mail_notifier *notifier = context;
	int backoff_ms = RECONNECT_MIN_MS;
	enum status st;

	while (!is_stopping(notifier)) {
		if (notifier->pg == NULL) {
			if (connect_once(notifier) == STATUS_OK) {
				backoff_ms = RECONNECT_MIN_MS;
				continue;
			}
			pause_ms(notifier, backoff_ms);
			backoff_ms = 2 * backoff_ms < RECONNECT_MAX_MS ?
			    2 * backoff_ms : RECONNECT_MAX_MS;
		} else if ((st = turn(notifier)) != STATUS_OK) {
			log_event(LOG_LEVEL_WARNING, "notifier_disconnected",
			    log_status(st));
			disconnect(notifier);
		}
	}
	if (notifier->pg != NULL)
		finish(notifier);
	disconnect(notifier);
	return NULL;
}

static void
notifier_free(struct mail_notifier *notifier)
{
	if (notifier->wake_fd >= 0)
		close(notifier->wake_fd);
	pthread_mutex_destroy(&notifier->mutex);
	free(notifier->conninfo);
	free(notifier);
}

enum status
mail_notifier_start(const char *conninfo,
    const struct store_callbacks *callbacks, struct mail_notifier **out)
{
	struct mail_notifier *notifier = calloc(1, sizeof(*notifier));

	if (notifier == NULL)
		return STATUS_NOMEM;
	pthread_mutex_init(&notifier->mutex, NULL);
	notifier->callbacks = *callbacks;
	notifier->server_id = random_u64();
	notifier->conninfo = strdup(conninfo);
	notifier->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (notifier->conninfo == NULL || notifier->wake_fd < 0 ||
	    pthread_create(&notifier->thread, NULL, run, notifier) != 0) {
		notifier_free(notifier);
		return STATUS_INTERNAL;
	}
	*out = notifier;
	return STATUS_OK;
}

void
mail_notifier_stop(struct mail_notifier *notifier)
{
	if (notifier == NULL)
		return;
	pthread_mutex_lock(&notifier->mutex);
	notifier->is_stopping = true;
	pthread_mutex_unlock(&notifier->mutex);
	wake(notifier);
	pthread_join(notifier->thread, NULL);
	notifier_free(notifier);
}
