#ifndef PEYK_CLIENT_CHAT_CORE_H
#define PEYK_CLIENT_CHAT_CORE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/application.h"
#include "client/chat_link.h"
#include "client/chat_peer.h"
#include "client/screen.h"

/*
 * The inside of `peyk chat`: for cmd_chat.c, which has lines in and out on a
 * pipe, chat_terminal.c, and chat_events.c, which both need. One thread.
 */
struct chat {
	struct application *application;
	const char *own_name;
	struct chat_peer peer;
	struct chat_link *link;
	struct screen *screen; /* NULL: no terminal */
	struct buf line;       /* the one that is being printed */
	bool is_caught_up;
	bool has_waiting;  /* lines wait for the group's next key: was told */
	bool is_lost;      /* the server is away */
	bool is_timed_out; /* for longer than the timeout */
	bool is_ending;    /* no more input is wanted */
	bool is_stopped;   /* leave at once */
	enum exit_code exit;
};

/* Prints what has been put together, and empties it. */
MUST_CHECK enum status chat_print(struct chat *chat, struct buf *line);

/* If it failed, standard output is gone: nothing is left to do. */
void chat_check_printed(struct chat *chat, enum status st);

/* Our own words, beside the conversation: on a terminal above the prompt. */
void chat_say(struct chat *chat, const char *event, const char *text);

/* Something failed; without a terminal it decides the exit code. */
void chat_complain(struct chat *chat, enum exit_code code, const char *text);

/* Everything that the link's threads have told. */
void chat_handle_events(struct chat *chat);

/* Has a line sent; an empty one is left out. */
void chat_queue(struct chat *chat, struct bytes text);

bool chat_is_command(struct bytes line, const char *command);

/* The conversation on a terminal, from the greeting to the end. */
enum exit_code chat_run_on_terminal(struct chat *chat);

#endif
