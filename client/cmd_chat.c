#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/application.h"
#include "client/chat_core.h"
#include "client/command_table.h"
#include "client/group_sending.h"
#include "client/interrupt.h"
#include "client/line_reader.h"
#include "client/message_line.h"
#include "client/outgoing.h"

/* ---- a pipe */

/* Lines as far as they are there and the queue has room. */
static void
take_lines(struct chat *chat, struct line_reader *reader)
{
	struct bytes line;
	char text[128];
	enum status st = STATUS_OK;

	while (!chat->is_ending &&
	       chat_link_pending(chat->link, NULL) < CHAT_LINK_QUEUE_MAX) {
		st = line_reader_take(reader, &line);
		if (st == STATUS_NOT_FOUND)
			break;
		if (st == STATUS_OK && chat_is_command(line, "/quit")) {
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
			chat_complain(chat, EXIT_CODE_USAGE, text);
			chat->is_ending = true;
			break;
		}
		chat_queue(chat, line);
	}
	if (st == STATUS_NOT_FOUND && reader->is_at_end)
		chat->is_ending = true;
}

static void
read_input(struct chat *chat, struct line_reader *reader)
{
	enum status st = line_reader_fill(reader);

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
	struct line_reader reader;
	uint64_t end_ms = 0;
	int wait_ms;

	line_reader_init(&reader, STDIN_FILENO, OUTGOING_TEXT_MAX);
	for (;;) {
		struct pollfd sources[3] = {
		    {.fd = chat_link_fd(chat->link), .events = POLLIN},
		    {.fd = interrupt_fd(), .events = POLLIN},
		    {.fd = STDIN_FILENO, .events = POLLIN},
		};

		chat_handle_events(chat);
		take_lines(chat, &reader);
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
			read_input(chat, &reader);
	}
	chat_handle_events(chat);
	if (chat->exit == EXIT_CODE_DONE && chat->is_timed_out)
		chat->exit = EXIT_CODE_UNREACHABLE;
	line_reader_clear(&reader);
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
		(void)(is_on_terminal ? chat_run_on_terminal(chat)
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
	    "/verify, /quit and,\n"
	    "in a group, /members are commands. NAME may be left out where "
	    "--as may.\n"
	    "\n"
	    "Without a terminal, or with --json, every line of standard "
	    "input is a message,\n"
	    "and what arrives is printed as it comes. At the end of the "
	    "input (or a line\n"
	    "/quit) it sends what is left and exits.\n"
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
