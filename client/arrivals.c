#include "client/arrivals.h"

#include "base/clock.h"
#include "base/crash.h"
#include "client/incoming.h"
#include "client/message_line.h"

enum status
arrivals_print_one(struct output *output, const char *own_name,
    const struct message *message, bool is_compared)
{
	struct buf line;
	enum status st;

	if (output->is_json)
		return output_json_take(
		    output, message_line_json(own_name, message, is_compared));
	buf_init(&line, MESSAGE_LINE_SIZE_MAX);
	st = message_line_append_arrival(
	    &line, message, is_compared, clock_wall_ms());
	if (st == STATUS_OK)
		st = output_buf(output, &line);
	buf_wipe(&line);
	return st;
}

enum status
arrivals_print(struct output *output, struct session *session,
    const struct message_list *messages, struct client_error *error)
{
	const char *own_name =
	    vault_name(account_vault(session_account(session)));
	struct message_list shown = {.items = messages->items};
	struct message_list rest;
	enum status st = STATUS_OK, marked = STATUS_OK, printed;

	while (shown.count < messages->count && st == STATUS_OK) {
		const struct message *message = &messages->items[shown.count];

		st = arrivals_print_one(output, own_name, message,
		    message_line_is_compared(session, message));
		if (st == STATUS_OK)
			shown.count++;
	}
	printed = st;
	crash_point("poll.printed");
	rest.items = messages->items + shown.count;
	rest.count = messages->count - shown.count;
	if (shown.count > 0)
		marked = incoming_shown(session, &shown, error);
	if (rest.count > 0 && marked == STATUS_OK)
		marked = incoming_unshown(session, &rest, error);
	crash_point("poll.shown");
	if (marked != STATUS_OK)
		return marked;
	return printed == STATUS_OK
		   ? STATUS_OK
		   : client_error_set_plain(error, printed, "print a message");
}
