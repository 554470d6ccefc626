#include "base/clock.h"
#include "base/text.h"
#include "client/arrivals.h"
#include "client/chat_core.h"
#include "client/message_line.h"
#include "client/sent_line.h"

/* ---- printing */

enum status
chat_print(struct chat *chat, struct buf *line)
{
	enum status st;

	if (chat->screen == NULL)
		return output_buf(&chat->application->output, line);
	st = screen_print(chat->screen, buf_bytes(line));
	buf_reset(line);
	return st;
}

void
chat_check_printed(struct chat *chat, enum status st)
{
	if (st == STATUS_OK)
		return;
	chat->exit = application_fail_output(chat->application, st);
	chat->is_stopped = true;
}

void
chat_say(struct chat *chat, const char *event, const char *text)
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
	chat_check_printed(
	    chat, st == STATUS_OK ? chat_print(chat, &chat->line) : st);
}

void
chat_complain(struct chat *chat, enum exit_code code, const char *text)
{
	if (chat->screen == NULL) {
		chat->exit =
		    output_error(&chat->application->output, code, text, "");
		return;
	}
	chat_say(chat, "error", text);
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
				st = chat_print(chat, &chat->line);
		}
		if (st != STATUS_OK)
			break;
	}
	chat_check_printed(chat, st);
	return i;
}

/* What became of a line that was typed. */
static void
print_result(struct chat *chat, const struct chat_event *event)
{
	const struct group *group =
	    chat->peer.is_group ? &chat->peer.group : NULL;

	if (event->text != NULL)
		chat_complain(chat, event->exit, event->text);
	if (chat->application->output.is_json)
		chat_check_printed(
		    chat, output_json_take(&chat->application->output,
			      sent_line_json(
				  chat->peer.name, group, &event->result)));
}

/* ---- events */

static void
note_lost(struct chat *chat, const struct chat_event *event)
{
	if (event->exit == EXIT_CODE_UNREACHABLE)
		chat->is_timed_out = true;
	if (!chat->is_lost)
		chat_say(chat, "retrying",
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
		chat_say(chat, "waiting",
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
			chat_say(
			    chat, notice_kind_name(event->notice), event->text);
		break;
	case CHAT_EVENT_LOST:
		note_lost(chat, event);
		break;
	case CHAT_EVENT_BACK:
		if (chat->is_lost)
			chat_say(
			    chat, "reconnected", "The server answers again.");
		chat->is_lost = false;
		chat->is_timed_out = false;
		break;
	case CHAT_EVENT_FAILED:
		if (!chat->is_lost || event->exit != EXIT_CODE_UNREACHABLE)
			chat_complain(chat, event->exit,
			    event->text != NULL ? event->text
						: "The chat cannot go on.");
		chat->exit = event->exit;
		chat->is_stopped = true;
		break;
	}
	chat_link_done(chat->link, event, printed);
}

void
chat_handle_events(struct chat *chat)
{
	struct chat_event *event;

	while (
	    !chat->is_stopped && (event = chat_link_next(chat->link)) != NULL)
		handle_event(chat, event);
}

/* ---- lines */

void
chat_queue(struct chat *chat, struct bytes text)
{
	enum status st;

	if (text.size == 0)
		return;
	st = chat_link_send(chat->link, text);
	if (st == STATUS_BUSY)
		chat_complain(chat, EXIT_CODE_FAILED,
		    "That was not sent: too many lines are waiting already.");
	else if (st != STATUS_OK)
		chat_complain(chat, EXIT_CODE_FAILED,
		    "That was not sent: memory is out.");
}

bool
chat_is_command(struct bytes line, const char *command)
{
	return bytes_equal(line, bytes_from_string(command));
}
