#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/application.h"
#include "client/arrivals.h"
#include "client/chat_link.h"
#include "client/chat_peer.h"
#include "client/command_table.h"
#include "client/group_sending.h"
#include "client/history.h"
#include "client/interrupt.h"
#include "client/line_reader.h"
#include "client/message_line.h"
#include "client/screen.h"
#include "client/sent_line.h"

/* Lines of the past that a terminal shows at the start. */
#define CHAT_PAST_LINES 10

/* Bytes of what is said about a group: 1000 members with the longest names. */
#define PEER_TEXT_MAX ((size_t)512 << 10)

struct chat {
	struct application *application;
	const char *own_name;
	struct chat_peer peer;
	struct chat_link *link;
	struct screen *screen; /* NULL: no terminal, lines in and out */
	struct line_reader reader;
	struct buf line;
	bool is_caught_up;
	bool has_waiting;  /* lines wait for the group's next key: was told */
	bool is_lost;      /* the server is away */
	bool is_timed_out; /* for longer than the timeout */
	bool is_ending;    /* no more input is wanted */
	bool is_stopped;   /* leave at once */
	enum exit_code exit;
};

/* ---- printing */

static enum status
print(struct chat *chat, struct buf *line)
{
	enum status st;

	if (chat->screen == NULL)
		return output_buf(&chat->application->output, line);
	st = screen_print(chat->screen, buf_bytes(line));
	buf_reset(line);
	return st;
}

/* Standard output is gone: nothing is left to do. */
static void
check_printed(struct chat *chat, enum status st)
{
	if (st == STATUS_OK)
		return;
	chat->exit = application_fail_output(chat->application, st);
	chat->is_stopped = true;
}

/* Our own words, beside the conversation: on a terminal above the prompt. */
static void
say(struct chat *chat, const char *event, const char *text)
{
	enum status st;

	if (chat->screen == NULL) {
		output_say(&chat->application->output, event, text);
		return;
	}
	st = buf_append_string(&chat->line, "* ");
	if (st == STATUS_OK)
		st = text_sanitize(
		    bytes_from_string(text), TEXT_LINES_KEEP, &chat->line);
	check_printed(chat, st == STATUS_OK ? print(chat, &chat->line) : st);
}

/* Something failed; without a terminal it decides the exit code. */
static void
complain(struct chat *chat, enum exit_code code, const char *text)
{
	if (chat->screen == NULL) {
		chat->exit =
		    output_error(&chat->application->output, code, text, "");
		return;
	}
	say(chat, "error", text);
}

/* How many of the messages came out. */
static size_t
print_messages(struct chat *chat, const struct chat_event *event)
{
	const struct message_list *messages = &event->messages;
	enum status st = STATUS_OK;
	size_t i;

	for (i = 0; i < messages->count; i++) {
		if (chat->screen == NULL) {
			st = arrivals_print_one(&chat->application->output,
			    chat->own_name, &messages->items[i],
			    event->is_compared[i]);
		} else {
			st = message_line_append_arrival(&chat->line,
			    &messages->items[i], event->is_compared[i],
			    clock_wall_ms());
			if (st == STATUS_OK)
				st = print(chat, &chat->line);
		}
		if (st != STATUS_OK)
			break;
	}
	check_printed(chat, st);
	return i;
}

/* What became of a line that was typed. */
static void
print_result(struct chat *chat, const struct chat_event *event)
{
	const struct group *group =
	    chat->peer.is_group ? &chat->peer.group : NULL;

	if (event->text != NULL)
		complain(chat, event->exit, event->text);
	if (chat->application->output.is_json)
		check_printed(chat, output_json_take(&chat->application->output,
					sent_line_json(chat->peer.name, group,
					    &event->result)));
}

/* ---- events */

static void
note_lost(struct chat *chat, const struct chat_event *event)
{
	if (event->exit == EXIT_CODE_UNREACHABLE)
		chat->is_timed_out = true;
	if (!chat->is_lost)
		say(chat, "retrying",
		    event->text != NULL ? event->text
					: "The server does not answer.");
	chat->is_lost = true;
}

/* Told once for all lines that wait together. */
static void
note_waiting(struct chat *chat, const struct chat_event *event)
{
	bool is_waiting = event->kind == CHAT_EVENT_WAITING;

	if (is_waiting && !chat->has_waiting)
		say(chat, "waiting",
		    "The group's next key has not come yet: what you write "
		    "waits for it, and is sent then.");
	chat->has_waiting = is_waiting;
}

static void
handle_event(struct chat *chat, struct chat_event *event)
{
	size_t printed = 0;

	switch (event->kind) {
	case CHAT_EVENT_MESSAGES:
		printed = print_messages(chat, event);
		break;
	case CHAT_EVENT_CAUGHT_UP:
		chat->is_caught_up = true;
		break;
	case CHAT_EVENT_SENT:
	case CHAT_EVENT_WAITING:
		note_waiting(chat, event);
		print_result(chat, event);
		break;
	case CHAT_EVENT_NOT_SENT:
		print_result(chat, event);
		break;
	case CHAT_EVENT_NOTICE:
		if (event->text != NULL)
			say(chat, notice_kind_name(event->notice), event->text);
		break;
	case CHAT_EVENT_LOST:
		note_lost(chat, event);
		break;
	case CHAT_EVENT_BACK:
		if (chat->is_lost)
			say(chat, "reconnected", "The server answers again.");
		chat->is_lost = false;
		chat->is_timed_out = false;
		break;
	case CHAT_EVENT_FAILED:
		if (!chat->is_lost || event->exit != EXIT_CODE_UNREACHABLE)
			complain(chat, event->exit,
			    event->text != NULL ? event->text
						: "The chat cannot go on.");
		chat->exit = event->exit;
		chat->is_stopped = true;
		break;
	}
	chat_link_done(chat->link, event, printed);
}

static void
handle_events(struct chat *chat)
{
	struct chat_event *event;

	while (
	    !chat->is_stopped && (event = chat_link_next(chat->link)) != NULL)
		handle_event(chat, event);
}

/* ---- a terminal */

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
		handle_events(chat);
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
		complain(chat, error->exit, error->text);
	else if (buf_string(text, &string) == STATUS_OK)
		say(chat, event, string);
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

static void
queue(struct chat *chat, struct bytes text)
{
	enum status st;

	if (text.size == 0)
		return;
	st = chat_link_send(chat->link, text);
	if (st == STATUS_BUSY)
		complain(chat, EXIT_CODE_FAILED,
		    "That was not sent: too many lines are waiting already.");
	else if (st != STATUS_OK)
		complain(chat, EXIT_CODE_FAILED,
		    "That was not sent: memory is out.");
}

static bool
is_command(struct bytes line, const char *command)
{
	return bytes_equal(line, bytes_from_string(command));
}

/* A line that was typed on a terminal. */
static void
handle_typed(struct chat *chat, struct bytes line)
{
	if (line.size == 0 || line.data[0] != '/')
		queue(chat, line);
	else if (line.size > 1 && line.data[1] == '/')
		queue(chat, bytes_make(line.data + 1, line.size - 1));
	else if (is_command(line, "/quit"))
		chat->is_ending = true;
	else if (is_command(line, "/verify"))
		show_safety_number(chat);
	else if (chat->peer.is_group && is_command(line, "/members"))
		show_members(chat);
	else if (is_command(line, "/help"))
		say(chat, "help",
		    chat->peer.is_group
			? "A line is a message. /members lists the members, "
			  "/verify shows the safety number,\n  /quit or "
			  "Ctrl-D ends. Arrow keys edit and bring back lines. "
			  "//text sends “/text”."
			: "A line is a message. /verify shows the safety "
			  "number, /quit or Ctrl-D ends.\n  Arrow keys edit "
			  "and bring back lines. //text sends “/text”.");
	else
		say(chat, "no_such_command",
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
		complain(chat, error.exit, error.text);
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
			st = print(chat, &chat->line);
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
		say(chat, "greeting", string);
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

	handle_events(chat);
	while (!chat->is_stopped && !chat->is_lost &&
	       chat_link_pending(chat->link, NULL) > 0) {
		if (poll(sources, 2, -1) < 0 && errno != EINTR)
			return;
		if (sources[1].revents != 0 &&
		    handle_signals(chat) != SCREEN_WAIT_INPUT)
			return;
		handle_events(chat);
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
			complain(chat, EXIT_CODE_USAGE,
			    "That was not sent: it is longer than 65,536 "
			    "bytes.");
			st = STATUS_OK;
		}
	}
	buf_wipe(&typed);
	drain_on_terminal(chat);
}

static enum exit_code
run_on_terminal(struct chat *chat)
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
	check_printed(chat, print_greeting(chat));
	if (!chat->is_stopped)
		talk_on_terminal(chat);
	interrupt_unwatch_terminal();
	screen_close(chat->screen);
	chat->screen = NULL;
	return chat->exit;
}

/* ---- a pipe */

/* Lines as far as they are there and the queue has room. */
static void
take_lines(struct chat *chat)
{
	struct line_reader *reader = &chat->reader;
	struct bytes line;
	char text[128];
	enum status st = STATUS_OK;

	while (!chat->is_ending &&
	       chat_link_pending(chat->link, NULL) < CHAT_LINK_QUEUE_MAX) {
		st = line_reader_take(reader, &line);
		if (st == STATUS_NOT_FOUND)
			break;
		if (st == STATUS_OK && is_command(line, "/quit")) {
			chat->is_ending = true;
			break;
		}
		if (st != STATUS_OK || !text_is_utf8(line)) {
			(void)snprintf(text, sizeof(text),
			    "Line %" PRIu64 " %s. It and what follows were "
			    "not sent.",
			    reader->number,
			    st == STATUS_OK ? "is not UTF-8"
					    : "is longer than 65,536 bytes");
			complain(chat, EXIT_CODE_USAGE, text);
			chat->is_ending = true;
			break;
		}
		queue(chat, line);
	}
	if (st == STATUS_NOT_FOUND && reader->is_at_end)
		chat->is_ending = true;
}

static void
read_input(struct chat *chat)
{
	enum status st = line_reader_fill(&chat->reader);

	if (st == STATUS_OK || st == STATUS_BUSY)
		return;
	chat->exit = application_fail_plain(
	    chat->application, st, "read standard input");
	chat->is_ending = true;
}

/*
 * Whether everything is done, or how long to wait for answers still (-1: for
 * an event).
 */
static bool
is_done(const struct chat *chat, uint64_t *end_ms, int *wait_ms)
{
	uint64_t now = clock_monotonic_ms();

	*wait_ms = -1;
	if (!chat->is_ending || chat_link_pending(chat->link, NULL) > 0 ||
	    (!chat->is_caught_up && !chat->is_timed_out))
		return false;
	if (*end_ms == 0)
		*end_ms = now + chat->application->arguments.linger_ms;
	if (now >= *end_ms)
		return true;
	*wait_ms = *end_ms - now < INT_MAX ? (int)(*end_ms - now) : INT_MAX;
	return false;
}

static enum exit_code
run_on_pipe(struct chat *chat)
{
	uint64_t end_ms = 0;
	int wait_ms;

	line_reader_init(&chat->reader, STDIN_FILENO, OUTGOING_TEXT_MAX);
	for (;;) {
		struct pollfd sources[3] = {
		    {.fd = chat_link_fd(chat->link), .events = POLLIN},
		    {.fd = interrupt_fd(), .events = POLLIN},
		    {.fd = STDIN_FILENO, .events = POLLIN},
		};

		handle_events(chat);
		take_lines(chat);
		if (chat->is_stopped || *interrupt_flag() != 0 ||
		    is_done(chat, &end_ms, &wait_ms))
			break;
		/* Full, or at its end: it would only wake us for nothing. */
		if (chat->is_ending ||
		    chat_link_pending(chat->link, NULL) >= CHAT_LINK_QUEUE_MAX)
			sources[2].fd = -1;
		if (poll(sources, 3, wait_ms) < 0 && errno != EINTR)
			break;
		if (sources[2].fd >= 0 && sources[2].revents != 0)
			read_input(chat);
	}
	handle_events(chat);
	if (chat->exit == EXIT_CODE_DONE && chat->is_timed_out)
		chat->exit = EXIT_CODE_UNREACHABLE;
	line_reader_clear(&chat->reader);
	return chat->exit;
}

/* ---- both */

/* Lines to a group that wait for its next key still. */
static enum exit_code
account_for_waiting(struct chat *chat)
{
	struct client_error error = {0};
	bool is_waiting = false;

	if (!chat->peer.is_group)
		return chat->exit;
	if (group_sending_is_waiting(chat->application->session,
		&chat->peer.group, &is_waiting, &error) != STATUS_OK)
		return application_fail(chat->application, &error);
	if (!is_waiting)
		return chat->exit;
	return output_error(&chat->application->output,
	    chat->exit != EXIT_CODE_DONE ? chat->exit : EXIT_CODE_UNREACHABLE,
	    "Messages to the group wait for its next key.",
	    "A later peyk command of this account sends them, as soon as the "
	    "key is there.");
}

/* What is left unsent, if anything. */
static enum exit_code
account_for_unsent(struct chat *chat)
{
	struct output *output = &chat->application->output;
	size_t in_outbox = 0;
	size_t pending = chat_link_pending(chat->link, &in_outbox);
	char text[256];

	if (pending == 0)
		return account_for_waiting(chat);
	(void)snprintf(text, sizeof(text),
	    "%zu of the lines that were typed %s not known to be sent.",
	    pending, pending == 1 ? "is" : "are");
	return output_error(output,
	    chat->exit != EXIT_CODE_DONE ? chat->exit
	    : chat->is_lost              ? EXIT_CODE_UNREACHABLE
					 : EXIT_CODE_FAILED,
	    text,
	    in_outbox > 0 ? "Those that were begun are in the outbox: the next "
			    "peyk command of this account sends them. “peyk "
			    "history” tells."
			  : "“peyk history” tells which were sent.");
}

static enum exit_code
talk(struct chat *chat)
{
	struct application *application = chat->application;
	bool is_on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
			      !application->output.is_json;
	struct client_error error = {0};
	enum exit_code code;

	if (chat_link_new(application->account, chat->peer.name,
		chat->peer.is_group ? &chat->peer.group : NULL, is_on_terminal,
		&chat->link, &error) != STATUS_OK)
		return application_fail(application, &error);
	application->notice = chat_link_notice;
	application->notice_arg = chat->link;
	if (chat_link_start(chat->link, &error) != STATUS_OK) {
		code = application_fail(application, &error);
	} else {
		buf_init(&chat->line, MESSAGE_LINE_SIZE_MAX);
		(void)(is_on_terminal ? run_on_terminal(chat)
				      : run_on_pipe(chat));
		buf_wipe(&chat->line);
		code = account_for_unsent(chat);
	}
	chat_link_stop(chat->link);
	application->notice = NULL; /* now that no thread calls it */
	return code;
}

static enum exit_code
run(struct application *application)
{
	const struct arguments *arguments = &application->arguments;
	bool has_name = arguments->operand_count == 2;
	struct chat chat = {.application = application};
	struct client_error error = {0};
	enum exit_code code;

	code = application_open(
	    application, has_name ? arguments->operands[0] : NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	chat.own_name = vault_name(account_vault(application->account));
	if (chat_peer_open(application->session,
		arguments->operands[has_name ? 1 : 0], &chat.peer,
		&error) != STATUS_OK)
		return application_fail(application, &error);
	code = talk(&chat);
	chat_peer_clear(&chat.peer);
	return code;
}

const struct command cmd_chat = {
    .name = "chat",
    .operands = "NAME FRIEND",
    .summary = "talk with a friend or a group",
    .help = "A conversation of the account NAME with FRIEND, or with "
	    "@GROUP: what you type is\n"
	    "sent line by line, what others write appears above. /help, "
	    "/verify, /quit and, in a\n"
	    "group, /members are commands. NAME may be left out where --as "
	    "may.\n"
	    "\n"
	    "Without a terminal, or with --json, every line of standard "
	    "input is a message, and\n"
	    "what arrives is printed as it comes. At the end of the "
	    "input (or a line /quit) it\n"
	    "sends what is left and exits.\n"
	    "\n"
	    "  --linger SECONDS   waits for answers after the end of the "
	    "input\n"
	    "\n"
	    "Example:\n"
	    "  peyk chat client#2 client#3\n"
	    "  peyk chat client#2 @team\n",
    .options = COMMAND_OPTION_LINGER,
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
