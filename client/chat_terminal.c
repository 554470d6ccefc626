#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/text.h"
#include "client/chat_core.h"
#include "client/history.h"
#include "client/interrupt.h"
#include "client/message_line.h"

/* Lines of the past that are shown at the start. */
#define CHAT_PAST_LINES 10

/* Bytes of what is said about a group: 1000 members with the longest names. */
#define PEER_TEXT_MAX ((size_t)512 << 10)

static enum screen_wait
handle_signals(struct chat *chat)
{
	int number;

	while ((number = interrupt_take()) != 0) {
		switch (number) {
		case SIGWINCH:
			screen_resize(chat->screen);
			break;
		case SIGTSTP:
			screen_suspend(chat->screen);
			(void)raise(SIGSTOP);
			screen_resume(chat->screen);
			break;
		case SIGCONT:
			break; /* what SIGTSTP began goes on by itself */
		case SIGINT:
			if (screen_has_input(chat->screen))
				return SCREEN_WAIT_CLEAR;
			return SCREEN_WAIT_STOP;
		default:
			chat->is_stopped = true;
			return SCREEN_WAIT_STOP;
		}
	}
	return SCREEN_WAIT_INPUT;
}

/* What screen_read() calls while a line is typed. */
static enum screen_wait
wait_for_key(void *arg, int input_fd)
{
	struct chat *chat = arg;
	enum screen_wait answer;

	for (;;) {
		struct pollfd sources[3] = {
		    {.fd = input_fd, .events = POLLIN},
		    {.fd = chat_link_fd(chat->link), .events = POLLIN},
		    {.fd = interrupt_fd(), .events = POLLIN},
		};

		if (poll(sources, 3, -1) < 0 && errno != EINTR)
			return SCREEN_WAIT_STOP;
		answer = handle_signals(chat);
		if (answer != SCREEN_WAIT_INPUT)
			return answer;
		chat_handle_events(chat);
		if (chat->is_stopped)
			return SCREEN_WAIT_STOP;
		if (sources[0].revents != 0)
			return SCREEN_WAIT_INPUT;
	}
}

/* What was put together, or why it was not. */
static void
say_text(struct chat *chat, const char *event, enum status st, struct buf *text,
    const struct client_error *error)
{
	const char *string;

	if (st != STATUS_OK)
		chat_complain(chat, error->exit, error->text);
	else if (buf_string(text, &string) == STATUS_OK)
		chat_say(chat, event, string);
}

static void
show_safety_number(struct chat *chat)
{
	struct client_error error = {0};
	struct buf text;
	enum status st;

	buf_init(&text, PEER_TEXT_MAX);
	st = chat_peer_append_safety_number(
	    chat->application->session, &chat->peer, &text, &error);
	say_text(chat, "safety_number", st, &text, &error);
	buf_clear(&text);
}

static void
show_members(struct chat *chat)
{
	struct client_error error = {0};
	struct buf text;
	enum status st;

	buf_init(&text, PEER_TEXT_MAX);
	st = chat_peer_append_members(
	    chat->application->session, &chat->peer, &text, &error);
	say_text(chat, "members", st, &text, &error);
	buf_clear(&text);
}

/* A line that was typed on a terminal. */
static void
handle_typed(struct chat *chat, struct bytes line)
{
	if (line.size == 0 || line.data[0] != '/')
		chat_queue(chat, line);
	else if (line.size > 1 && line.data[1] == '/')
		chat_queue(chat, bytes_make(line.data + 1, line.size - 1));
	else if (chat_is_command(line, "/quit"))
		chat->is_ending = true;
	else if (chat_is_command(line, "/verify"))
		show_safety_number(chat);
	else if (chat->peer.is_group && chat_is_command(line, "/members"))
		show_members(chat);
	else if (chat_is_command(line, "/help"))
		chat_say(chat, "help",
		    chat->peer.is_group
			? "A line is a message. /members lists the members, "
			  "/verify shows the safety\n  number, /quit or "
			  "Ctrl-D ends. Arrow keys edit and bring back lines.\n"
			  "  //text sends “/text”."
			: "A line is a message. /verify shows the safety "
			  "number, /quit or Ctrl-D ends.\n  Arrow keys edit "
			  "and bring back lines. //text sends “/text”.");
	else
		chat_say(chat, "no_such_command",
		    "There is no such command; /help lists them. Two "
		    "slashes send one: //text.");
}

/* Columns for the names of who wrote these. */
static size_t
author_columns(const struct chat *chat, const struct message_list *messages)
{
	size_t columns = text_width(bytes_from_string(chat->own_name)), width;

	for (size_t i = 0; i < messages->count; i++) {
		width = text_width(bytes_from_string(messages->items[i].peer));
		columns = width > columns ? width : columns;
	}
	return columns;
}

static enum status
print_past(struct chat *chat)
{
	struct history_query query = {
	    .peer = bytes_from_string(chat->peer.name),
	    .limit = CHAT_PAST_LINES,
	    .is_from_end = true};
	struct message_list past = {0};
	struct client_error error = {0};
	size_t columns;
	enum status st;

	st = history_list(chat->application->session, &query, &past, &error);
	if (st != STATUS_OK) {
		chat_complain(chat, error.exit, error.text);
		return STATUS_OK;
	}
	columns = author_columns(chat, &past);
	for (size_t i = 0; i < past.count && st == STATUS_OK; i++) {
		/* What was never shown comes as new, in a moment. */
		if (past.items[i].direction == MESSAGE_DIRECTION_INCOMING &&
		    !past.items[i].is_shown)
			continue;
		st = message_line_append_history(
		    &chat->line, chat->own_name, &past.items[i], columns);
		if (st == STATUS_OK)
			st = chat_print(chat, &chat->line);
	}
	message_list_clear(&past);
	return st;
}

static enum status
print_greeting(struct chat *chat)
{
	const char *string;
	struct buf text;
	enum status st;

	buf_init(&text, PEER_TEXT_MAX);
	if ((st = chat_peer_append_greeting(
		 &chat->peer, chat->own_name, &text)) == STATUS_OK &&
	    (st = buf_string(&text, &string)) == STATUS_OK) {
		chat_say(chat, "greeting", string);
		st = print_past(chat);
	}
	buf_clear(&text);
	return st;
}

/* Waits until the queue is empty, or a reason to leave it. */
static void
drain_on_terminal(struct chat *chat)
{
	struct pollfd sources[2] = {
	    {.fd = chat_link_fd(chat->link), .events = POLLIN},
	    {.fd = interrupt_fd(), .events = POLLIN},
	};

	chat_handle_events(chat);
	while (!chat->is_stopped && !chat->is_lost &&
	       chat_link_pending(chat->link, NULL) > 0) {
		if (poll(sources, 2, -1) < 0 && errno != EINTR)
			return;
		if (sources[1].revents != 0 &&
		    handle_signals(chat) != SCREEN_WAIT_INPUT)
			return;
		chat_handle_events(chat);
	}
}

static void
talk_on_terminal(struct chat *chat)
{
	struct buf typed;
	enum status st = STATUS_OK;

	/* libedit bounds a line by memory alone. */
	buf_init_secret(&typed, (size_t)4 << 20);
	while (st == STATUS_OK && !chat->is_ending && !chat->is_stopped) {
		buf_reset(&typed);
		st = screen_read(chat->screen, &typed);
		if (st == STATUS_OK)
			handle_typed(chat, buf_bytes(&typed));
		else if (st == STATUS_TOO_LARGE) {
			chat_complain(chat, EXIT_CODE_USAGE,
			    "That was not sent: it is longer than 65,536 "
			    "bytes.");
			st = STATUS_OK;
		}
	}
	buf_wipe(&typed);
	drain_on_terminal(chat);
}

enum exit_code
chat_run_on_terminal(struct chat *chat)
{
	char prompt[CLIENT_DISPLAY_SIZE + 3];
	enum status st;

	client_display(
	    bytes_from_string(chat->own_name), prompt, sizeof(prompt) - 2);
	(void)strcat(prompt, "> ");
	st = screen_open(prompt, wait_for_key, chat, &chat->screen);
	if (st != STATUS_OK)
		return application_fail_plain(
		    chat->application, st, "use the terminal");
	/* Ctrl-C may mean a line only; here nothing waits for the server. */
	session_set_interrupt(chat->application->session, NULL);
	interrupt_watch_terminal();
	chat_check_printed(chat, print_greeting(chat));
	if (!chat->is_stopped)
		talk_on_terminal(chat);
	interrupt_unwatch_terminal();
	screen_close(chat->screen);
	chat->screen = NULL;
	return chat->exit;
}
