#ifndef PEYK_CLIENT_CHAT_LINK_H
#define PEYK_CLIENT_CHAT_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/account.h"
#include "client/error.h"
#include "client/groups.h"
#include "client/history.h"
#include "client/notice.h"
#include "client/outgoing.h"

/*
 * The two threads behind a chat, so that neither the server nor the database
 * ever makes the keyboard wait: one receives what the friend, or the group,
 * writes, one sends. Each has a session of its own. They tell what happens by
 *events, which the chat's thread takes when chat_link_fd() can be read.
 *
 *	receiver   fetch what is pending -> wait for more -> ...
 *	           server away: LOST once, try again with growing pauses, BACK
 *	sender     wait for lines -> send all that are queued -> ...
 *	           the same when the server is away, if the link is patient
 *
 * All functions belong to the chat's thread, but chat_link_notice(), which
 * any may call.
 */
struct chat_link;

/* Lines that may wait to be sent. */
#define CHAT_LINK_QUEUE_MAX 1024

enum chat_event_kind {
	CHAT_EVENT_MESSAGES,  /* messages, to be printed now */
	CHAT_EVENT_CAUGHT_UP, /* all that was pending at the start is told */
	CHAT_EVENT_SENT,      /* the line of result was sent */
	CHAT_EVENT_WAITING,   /* it is stored until the group's key comes */
	CHAT_EVENT_NOT_SENT,  /* one was refused, as text says; not tried again
			       */
	CHAT_EVENT_NOTICE,    /* notice */
	/* The server does not answer, as text says. Again, with exit
	   EXIT_CODE_UNREACHABLE, when the time to wait for it is over. */
	CHAT_EVENT_LOST,
	CHAT_EVENT_BACK,   /* it does again */
	CHAT_EVENT_FAILED, /* a thread has ended, as text says */
};

struct chat_event {
	enum chat_event_kind kind;
	struct message_list messages;  /* borrowed until chat_link_done() */
	const bool *is_compared;       /* of each message; borrowed */
	struct outgoing_result result; /* SENT, WAITING, NOT_SENT */
	enum notice_kind notice;
	char *text;          /* whole sentences; NULL if there is none */
	enum exit_code exit; /* NOT_SENT, LOST, FAILED */
	struct chat_event *next;
};

/*
 * With a friend, or with a group: then friend_name is its
 * group_conversation(), else group is NULL. All outlive it. is_patient: what
 * cannot be sent now is tried for ever; otherwise
 * account_options()->timeout_ms, then FAILED. STATUS_NOMEM, STATUS_IO.
 */
MUST_CHECK enum status chat_link_new(const struct account *account,
    const char *friend_name, const struct group *group, bool is_patient,
    struct chat_link **out, struct client_error *error);

/*
 * Starts the threads, once chat_link_notice() gets the account's notices.
 * STATUS_IO; as session_open(). After a failure only chat_link_stop() may
 * follow.
 */
MUST_CHECK enum status chat_link_start(
    struct chat_link *link, struct client_error *error);

/*
 * Ends both threads, within about 100 ms, and frees the link; what is half
 * sent stays in the outbox. NULL is a no-op.
 */
void chat_link_stop(struct chat_link *link);

/* Can be read when there is an event. */
int chat_link_fd(const struct chat_link *link);

/* The next event, or NULL. Give it to chat_link_done(). */
struct chat_event *chat_link_next(struct chat_link *link);

/*
 * Frees the event. Of MESSAGES the first `printed` were printed, and are
 * marked as shown; the others are given back.
 */
void chat_link_done(
    struct chat_link *link, struct chat_event *event, size_t printed);

/*
 * Queues a line (copied). STATUS_BUSY: CHAT_LINK_QUEUE_MAX are waiting;
 * STATUS_NOMEM.
 */
MUST_CHECK enum status chat_link_send(
    struct chat_link *link, struct bytes text);

/*
 * Lines that are queued or being sent; *in_outbox of them (may be NULL) are
 * in the outbox, so that a later command sends them.
 */
size_t chat_link_pending(struct chat_link *link, size_t *in_outbox);

/* For client_options.notice: arg is the link. */
void chat_link_notice(void *arg, const struct notice *notice);

#endif
