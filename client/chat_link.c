#include "client/chat_link.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/random.h"
#include "base/secret.h"
#include "client/group_sending.h"
#include "client/incoming.h"
#include "client/message_line.h"
#include "client/session.h"

/* How long one wait for messages lasts; then it begins anew. */
#define ROUND_MS 60000

/* Between attempts while the server is away. */
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 15000

/* Lines that one call sends. */
#define SEND_MAX 256

struct queued_line {
	struct queued_line *next;
	uint8_t id[MESSAGE_ID_SIZE]; /* so that trying again doubles nothing */
	enum message_outcome outcome;
	size_t size;
	char text[];
};

struct chat_link {
	const struct account *account;
	const char *friend_name;
	const struct group *group; /* NULL: a friend */
	bool is_patient;
	int event_fd;
	struct session *receiving;
	struct session *sending;
	pthread_t receiver;
	pthread_t sender;
	bool has_receiver;
	bool has_sender;
	volatile sig_atomic_t is_stopping; /* read by the sessions, too */

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	struct chat_event *first_event;
	struct chat_event *last_event;
	struct queued_line *first_line;
	struct queued_line *last_line;
	size_t line_count;
	bool is_lost; /* LOST was told, BACK not yet */
	bool is_timed_out;
	bool is_printing; /* MESSAGES are with the chat's thread */
	size_t printed;   /* its answer */
};

static void
event_free(struct chat_event *event)
{
	free(event->text);
	free(event);
}

/* Takes the event; NULL (no memory) is dropped. The mutex is held. */
static void
post_locked(struct chat_link *link, struct chat_event *event)
{
	uint64_t one = 1;

	if (event == NULL)
		return;
	if (link->last_event != NULL)
		link->last_event->next = event;
	else
		link->first_event = event;
	link->last_event = event;
	/* It fails only when it is readable already. */
	if (write(link->event_fd, &one, sizeof(one)) < 0)
		return;
}

static void
post(struct chat_link *link, struct chat_event *event)
{
	(void)pthread_mutex_lock(&link->mutex);
	post_locked(link, event);
	(void)pthread_mutex_unlock(&link->mutex);
}

static struct chat_event *
event_new(enum chat_event_kind kind, const char *text, enum exit_code exit)
{
	struct chat_event *event = calloc(1, sizeof(*event));

	if (event == NULL)
		return NULL;
	event->kind = kind;
	event->exit = exit;
	if (text != NULL)
		event->text = strdup(text);
	return event;
}

/*
 * Both threads notice that the server is away; it is told once, and once more
 * when a whole timeout has passed.
 */
static void
tell_lost(struct chat_link *link, const char *text, bool is_timeout)
{
	(void)pthread_mutex_lock(&link->mutex);
	if (!link->is_lost || (is_timeout && !link->is_timed_out)) {
		link->is_lost = true;
		link->is_timed_out = link->is_timed_out || is_timeout;
		post_locked(link,
		    event_new(CHAT_EVENT_LOST, text,
			is_timeout ? EXIT_CODE_UNREACHABLE : EXIT_CODE_DONE));
	}
	(void)pthread_mutex_unlock(&link->mutex);
}

static bool
is_lost(struct chat_link *link)
{
	bool answer;

	(void)pthread_mutex_lock(&link->mutex);
	answer = link->is_lost;
	(void)pthread_mutex_unlock(&link->mutex);
	return answer;
}

static void
tell_back(struct chat_link *link)
{
	(void)pthread_mutex_lock(&link->mutex);
	if (link->is_lost) {
		link->is_lost = false;
		link->is_timed_out = false;
		post_locked(
		    link, event_new(CHAT_EVENT_BACK, NULL, EXIT_CODE_DONE));
	}
	(void)pthread_mutex_unlock(&link->mutex);
}

void
chat_link_notice(void *arg, const struct notice *notice)
{
	struct chat_link *link = arg;
	struct chat_event *event;

	if (notice->kind == NOTICE_RETRYING) {
		tell_lost(link, notice->text, false);
		return;
	}
	if (notice->kind == NOTICE_RECONNECTED) {
		tell_back(link);
		return;
	}
	event = event_new(CHAT_EVENT_NOTICE, notice->text, EXIT_CODE_DONE);
	if (event != NULL)
		event->notice = notice->kind;
	post(link, event);
}

/* Sleeps, until chat_link_stop() at most. Doubles the pause. */
static void
pause_before_retry(struct chat_link *link, uint64_t *backoff_ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(*backoff_ms / 1000);
	until.tv_nsec += (long)(*backoff_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_mutex_lock(&link->mutex);
	while (link->is_stopping == 0 && pthread_cond_timedwait(&link->changed,
					     &link->mutex, &until) != ETIMEDOUT)
		continue;
	(void)pthread_mutex_unlock(&link->mutex);
	*backoff_ms =
	    *backoff_ms * 2 < BACKOFF_MAX_MS ? *backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* ---- the receiver */

/*
 * Hands the messages to the chat's thread, waits until it has printed them,
 * and marks them.
 */
static enum status
deliver(struct chat_link *link, const struct message_list *messages,
    struct client_error *error)
{
	struct chat_event *event =
	    event_new(CHAT_EVENT_MESSAGES, NULL, EXIT_CODE_DONE);
	bool *is_compared = calloc(messages->count, sizeof(*is_compared));
	struct message_list shown = {.items = messages->items}, rest;
	enum status st = STATUS_OK;

	if (event == NULL || is_compared == NULL) {
		free(is_compared);
		free(event);
		st = incoming_unshown(link->receiving, messages, error);
		if (st == STATUS_OK)
			st = client_error_set_plain(
			    error, STATUS_NOMEM, "show the messages");
		return st;
	}
	for (size_t i = 0; i < messages->count; i++)
		is_compared[i] = message_line_is_compared(
		    link->receiving, &messages->items[i]);
	event->messages = *messages;
	event->is_compared = is_compared;
	(void)pthread_mutex_lock(&link->mutex);
	link->is_printing = true;
	link->printed = 0;
	post_locked(link, event);
	/* Once it is stopping nobody prints any more. */
	while (link->is_printing && link->is_stopping == 0)
		(void)pthread_cond_wait(&link->changed, &link->mutex);
	shown.count = link->printed;
	(void)pthread_mutex_unlock(&link->mutex);
	free(is_compared);
	crash_point("chat.printed");
	rest.items = messages->items + shown.count;
	rest.count = messages->count - shown.count;
	if (shown.count > 0)
		st = incoming_shown(link->receiving, &shown, error);
	if (rest.count > 0 && st == STATUS_OK)
		st = incoming_unshown(link->receiving, &rest, error);
	return st;
}

/* Whether it may work later: then the threads try again. */
static bool
is_passing(enum status st)
{
	return st == STATUS_UNAVAILABLE || st == STATUS_TIMEOUT ||
	       st == STATUS_BUSY;
}

static void *
receive(void *arg)
{
	struct chat_link *link = arg;
	struct incoming_query query = {
	    .peer = bytes_from_string(link->friend_name)};
	struct message_list messages = {0};
	struct client_error error;
	uint64_t backoff_ms = BACKOFF_MIN_MS;
	bool is_caught_up = false;
	enum status st = STATUS_OK;

	while (link->is_stopping == 0) {
		error = (struct client_error){0};
		/* Without a wait it is known at once whether it is back. */
		query.wait_ms = is_caught_up && !is_lost(link) ? ROUND_MS : 0;
		st = incoming_receive(
		    link->receiving, &query, &messages, &error);
		if (st == STATUS_OK) {
			tell_back(link);
			backoff_ms = BACKOFF_MIN_MS;
			if (messages.count > 0)
				st = deliver(link, &messages, &error);
			else if (!is_caught_up) {
				is_caught_up = true;
				post(link, event_new(CHAT_EVENT_CAUGHT_UP, NULL,
					       EXIT_CODE_DONE));
			}
			message_list_clear(&messages);
		}
		if (is_passing(st)) {
			tell_lost(link, error.text, true);
			pause_before_retry(link, &backoff_ms);
		} else if (st != STATUS_OK && link->is_stopping == 0) {
			post(link, event_new(CHAT_EVENT_FAILED, error.text,
				       error.exit));
			break;
		}
	}
	return NULL;
}

/* ---- the sender */

/* The first lines of the queue, as far as they are there; waits for one. */
static size_t
peek_lines(struct chat_link *link, struct outgoing_message *messages)
{
	struct queued_line *line;
	size_t count = 0;

	(void)pthread_mutex_lock(&link->mutex);
	while (link->first_line == NULL && link->is_stopping == 0)
		(void)pthread_cond_wait(&link->changed, &link->mutex);
	for (line = link->first_line; line != NULL && count < SEND_MAX;
	     line = line->next) {
		messages[count] = (struct outgoing_message){
		    .text = bytes_make(line->text, line->size), .has_id = true};
		memcpy(messages[count].id, line->id, MESSAGE_ID_SIZE);
		count++;
	}
	(void)pthread_mutex_unlock(&link->mutex);
	return link->is_stopping == 0 ? count : 0;
}

static void
line_free(struct queued_line *line)
{
	secret_wipe(line->text, line->size);
	free(line);
}

/* Takes the first line off the queue and tells its result. */
static void
finish_line(struct chat_link *link, enum chat_event_kind kind,
    const struct outgoing_result *result, const char *text, enum exit_code exit)
{
	struct queued_line *line = link->first_line;
	struct chat_event *event = event_new(kind, text, exit);

	if (event != NULL)
		event->result = *result;
	link->first_line = line->next;
	if (link->first_line == NULL)
		link->last_line = NULL;
	link->line_count--;
	post_locked(link, event);
	line_free(line);
}

/*
 * What a result means for its line; false: it stays in the queue. Without an
 * error what is pending waits in the database, and not for this thread.
 */
static bool
is_over(const struct outgoing_result *result, bool is_final, bool is_fine,
    enum chat_event_kind *kind)
{
	if (result->outcome == MESSAGE_OUTCOME_STORED)
		*kind = CHAT_EVENT_SENT;
	else if (is_fine && result->outcome == MESSAGE_OUTCOME_PENDING)
		*kind = CHAT_EVENT_WAITING;
	else if (is_final)
		*kind = CHAT_EVENT_NOT_SENT;
	else
		return false;
	return true;
}

/*
 * Updates the queue: what is decided leaves it, and with is_final everything
 * else of these lines too. error is NULL if all went well.
 */
static void
settle(struct chat_link *link, const struct outgoing_result *results,
    size_t count, bool is_final, const struct client_error *error)
{
	const char *text = error != NULL ? error->text : NULL;
	enum exit_code exit = error != NULL ? error->exit : EXIT_CODE_DONE;
	enum chat_event_kind kind;
	struct queued_line *line;
	size_t i = 0;

	(void)pthread_mutex_lock(&link->mutex);
	for (;
	     i < count && is_over(&results[i], is_final, error == NULL, &kind);
	     i++) {
		finish_line(link, kind, &results[i],
		    kind == CHAT_EVENT_NOT_SENT ? text : NULL, exit);
		if (kind == CHAT_EVENT_NOT_SENT)
			text = NULL; /* once is enough */
	}
	for (line = link->first_line; line != NULL && i < count;
	     line = line->next)
		line->outcome = results[i++].outcome;
	(void)pthread_mutex_unlock(&link->mutex);
}

static enum status
send_to_peer(struct chat_link *link, const struct outgoing_message *messages,
    size_t count, struct outgoing_result *results, struct client_error *error)
{
	if (link->group != NULL)
		return group_send(link->sending, link->group, messages, count,
		    results, NULL, NULL, error);
	return outgoing_send(link->sending,
	    bytes_from_string(link->friend_name), messages, count, results,
	    NULL, NULL, error);
}

/* One round; false: the thread ends. */
static bool
send_lines(struct chat_link *link, struct outgoing_message *messages,
    struct outgoing_result *results, uint64_t *backoff_ms)
{
	struct client_error error = {0};
	size_t count = peek_lines(link, messages);
	bool is_final;
	enum status st;

	if (count == 0)
		return false;
	for (size_t i = 0; i < count; i++)
		results[i] = (struct outgoing_result){
		    .outcome = MESSAGE_OUTCOME_NOT_SENT};
	st = send_to_peer(link, messages, count, results, &error);
	/* Refused for good: these lines, but not the next ones. */
	is_final = st != STATUS_OK && !is_passing(st) &&
		   (error.exit == EXIT_CODE_USAGE ||
		       error.exit == EXIT_CODE_KEY_CHANGED ||
		       error.exit == EXIT_CODE_REFUSED);
	settle(link, results, count, is_final, st == STATUS_OK ? NULL : &error);
	if (st == STATUS_OK || is_final) {
		tell_back(link);
		*backoff_ms = BACKOFF_MIN_MS;
		return true;
	}
	if (is_passing(st) && link->is_patient) {
		tell_lost(link, error.text, true);
		pause_before_retry(link, backoff_ms);
		return true;
	}
	if (link->is_stopping == 0)
		post(
		    link, event_new(CHAT_EVENT_FAILED, error.text, error.exit));
	return false;
}

static void *
transmit(void *arg)
{
	struct chat_link *link = arg;
	struct outgoing_message *messages = calloc(SEND_MAX, sizeof(*messages));
	struct outgoing_result *results = calloc(SEND_MAX, sizeof(*results));
	uint64_t backoff_ms = BACKOFF_MIN_MS;

	if (messages == NULL || results == NULL)
		post(link, event_new(CHAT_EVENT_FAILED,
			       "Peyk could not send messages: memory is out.",
			       EXIT_CODE_FAILED));
	else
		while (send_lines(link, messages, results, &backoff_ms))
			continue;
	free(messages);
	free(results);
	return NULL;
}

/* ---- for the chat's thread */

static enum status
init_locks(struct chat_link *link)
{
	pthread_condattr_t attributes;
	int failed;

	if (pthread_condattr_init(&attributes) != 0)
		return STATUS_NOMEM;
	failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0 ||
		 pthread_cond_init(&link->changed, &attributes) != 0;
	(void)pthread_condattr_destroy(&attributes);
	if (failed)
		return STATUS_NOMEM;
	if (pthread_mutex_init(&link->mutex, NULL) == 0)
		return STATUS_OK;
	(void)pthread_cond_destroy(&link->changed);
	return STATUS_NOMEM;
}

enum status
chat_link_new(const struct account *account, const char *friend_name,
    const struct group *group, bool is_patient, struct chat_link **out,
    struct client_error *error)
{
	struct chat_link *link = calloc(1, sizeof(*link));

	if (link == NULL || init_locks(link) != STATUS_OK) {
		free(link);
		return client_error_set_plain(
		    error, STATUS_NOMEM, "begin the chat");
	}
	link->account = account;
	link->friend_name = friend_name;
	link->group = group;
	link->is_patient = is_patient;
	link->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (link->event_fd < 0) {
		enum status st =
		    client_error_set_plain(error, STATUS_IO, "begin the chat");

		chat_link_stop(link);
		return st;
	}
	*out = link;
	return STATUS_OK;
}

enum status
chat_link_start(struct chat_link *link, struct client_error *error)
{
	enum status st;

	st = session_open(link->account, &link->receiving, error);
	if (st == STATUS_OK)
		st = session_open(link->account, &link->sending, error);
	if (st != STATUS_OK)
		return st;
	session_set_interrupt(link->receiving, &link->is_stopping);
	session_set_interrupt(link->sending, &link->is_stopping);
	errno = pthread_create(&link->receiver, NULL, receive, link);
	link->has_receiver = errno == 0;
	if (link->has_receiver) {
		errno = pthread_create(&link->sender, NULL, transmit, link);
		link->has_sender = errno == 0;
	}
	return link->has_sender
		   ? STATUS_OK
		   : client_error_set_plain(error, STATUS_IO, "start a thread");
}

void
chat_link_stop(struct chat_link *link)
{
	struct chat_event *event;
	struct queued_line *line;

	if (link == NULL)
		return;
	(void)pthread_mutex_lock(&link->mutex);
	link->is_stopping = 1;
	(void)pthread_cond_broadcast(&link->changed);
	(void)pthread_mutex_unlock(&link->mutex);
	if (link->has_receiver)
		(void)pthread_join(link->receiver, NULL);
	if (link->has_sender)
		(void)pthread_join(link->sender, NULL);
	session_close(link->receiving);
	session_close(link->sending);
	while ((event = link->first_event) != NULL) {
		link->first_event = event->next;
		event_free(event);
	}
	while ((line = link->first_line) != NULL) {
		link->first_line = line->next;
		line_free(line);
	}
	if (link->event_fd >= 0)
		(void)close(link->event_fd);
	(void)pthread_mutex_destroy(&link->mutex);
	(void)pthread_cond_destroy(&link->changed);
	free(link);
}

int
chat_link_fd(const struct chat_link *link)
{
	return link->event_fd;
}

struct chat_event *
chat_link_next(struct chat_link *link)
{
	struct chat_event *event;
	uint64_t count;

	(void)pthread_mutex_lock(&link->mutex);
	event = link->first_event;
	if (event != NULL) {
		link->first_event = event->next;
		if (link->first_event == NULL)
			link->last_event = NULL;
	} else if (read(link->event_fd, &count, sizeof(count)) < 0) {
		count = 0; /* it was not readable: as well */
	}
	(void)pthread_mutex_unlock(&link->mutex);
	return event;
}

void
chat_link_done(struct chat_link *link, struct chat_event *event, size_t printed)
{
	if (event->kind == CHAT_EVENT_MESSAGES) {
		(void)pthread_mutex_lock(&link->mutex);
		link->is_printing = false;
		link->printed = printed;
		(void)pthread_cond_broadcast(&link->changed);
		(void)pthread_mutex_unlock(&link->mutex);
	}
	event_free(event);
}

enum status
chat_link_send(struct chat_link *link, struct bytes text)
{
	struct queued_line *line = malloc(sizeof(*line) + text.size);
	enum status st = STATUS_OK;

	if (line == NULL)
		return STATUS_NOMEM;
	*line = (struct queued_line){
	    .outcome = MESSAGE_OUTCOME_NOT_SENT, .size = text.size};
	random_bytes(line->id, sizeof(line->id));
	if (text.size > 0)
		memcpy(line->text, text.data, text.size);
	(void)pthread_mutex_lock(&link->mutex);
	if (link->line_count >= CHAT_LINK_QUEUE_MAX) {
		st = STATUS_BUSY;
	} else {
		if (link->last_line != NULL)
			link->last_line->next = line;
		else
			link->first_line = line;
		link->last_line = line;
		link->line_count++;
		line = NULL; /* now the queue's */
		(void)pthread_cond_broadcast(&link->changed);
	}
	(void)pthread_mutex_unlock(&link->mutex);
	if (line != NULL)
		line_free(line);
	return st;
}

size_t
chat_link_pending(struct chat_link *link, size_t *in_outbox)
{
	const struct queued_line *line;
	size_t count, pending = 0;

	(void)pthread_mutex_lock(&link->mutex);
	count = link->line_count;
	for (line = link->first_line; line != NULL; line = line->next)
		pending += line->outcome == MESSAGE_OUTCOME_PENDING;
	(void)pthread_mutex_unlock(&link->mutex);
	if (in_outbox != NULL)
		*in_outbox = pending;
	return count;
}
