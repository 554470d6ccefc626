#include "base/text.h"
#include "client/application.h"
#include "client/command_table.h"
#include "client/groups.h"
#include "client/history.h"
#include "client/message_line.h"

/* What one run prints, and how. */
struct listing {
	struct application *application;
	const char *own_name;
	struct history_query query;
	size_t columns; /* of the author; 0: tell author and recipient */
	struct buf line;
};

static enum exit_code
print(struct listing *listing, const struct message *message)
{
	struct application *application = listing->application;
	bool is_compared;
	enum status st;

	if (application->output.is_json) {
		is_compared =
		    message_line_is_compared(application->session, message);
		st = output_json_take(&application->output,
		    message_line_json(listing->own_name, message, is_compared));
	} else {
		st = message_line_append_history(&listing->line,
		    listing->own_name, message, listing->columns);
		if (st == STATUS_OK)
			st = output_buf(&application->output, &listing->line);
	}
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

/* As wide as the widest name in a group; what is wrong shows later. */
static size_t
member_columns(struct session *session, struct bytes name)
{
	struct group group = {0};
	struct group_member_list members = {0};
	struct client_error ignored;
	size_t columns = 0;

	if (groups_find(session, name, &group, &ignored) == STATUS_OK &&
	    groups_members(session, &group, &members, &ignored) == STATUS_OK) {
		for (size_t i = 0; i < members.count; i++) {
			size_t width = text_width(
			    bytes_from_string(members.items[i].name));

			columns = width > columns ? width : columns;
		}
	}
	group_member_list_clear(&members);
	group_clear(&group);
	return columns;
}

/* As wide as the widest name of the conversation. */
static size_t
author_columns(const struct listing *listing, const char *friend_name)
{
	struct bytes name = bytes_from_string(friend_name);
	size_t own = text_width(bytes_from_string(listing->own_name));
	size_t other = *friend_name == '@'
			   ? member_columns(listing->application->session, name)
			   : text_width(name);

	return own > other ? own : other;
}

/*
 * Where the last limit messages begin: query.after that gives just these.
 * Pages back without keeping what it saw.
 */
static enum status
find_start(struct listing *listing, uint64_t limit, struct client_error *error)
{
	struct history_query back = {
	    .peer = listing->query.peer, .is_from_end = true};
	struct message_list page = {0};
	enum status st = STATUS_OK;

	while (limit > 0 && st == STATUS_OK) {
		back.limit =
		    limit < HISTORY_PAGE_MAX ? (size_t)limit : HISTORY_PAGE_MAX;
		st = history_list(
		    listing->application->session, &back, &page, error);
		if (st != STATUS_OK || page.count == 0)
			break;
		listing->query.after = page.items[0].number - 1;
		back.before = page.items[0].number;
		limit -= page.count;
		if (page.count < back.limit)
			break;
		message_list_clear(&page);
	}
	message_list_clear(&page);
	return st;
}

static enum exit_code
print_all(struct listing *listing)
{
	struct application *application = listing->application;
	struct client_error error = {0};
	struct message_list page = {0};
	enum exit_code code = EXIT_CODE_DONE;
	bool is_last = false;

	while (code == EXIT_CODE_DONE && !is_last) {
		if (history_list(application->session, &listing->query, &page,
			&error) != STATUS_OK)
			return application_fail(application, &error);
		is_last = page.count < HISTORY_PAGE_MAX;
		for (size_t i = 0; i < page.count && code == EXIT_CODE_DONE;
		     i++) {
			code = print(listing, &page.items[i]);
			listing->query.after = page.items[i].number;
		}
		message_list_clear(&page);
	}
	return code;
}

static enum exit_code
run(struct application *application)
{
	const struct arguments *arguments = &application->arguments;
	const char *friend_name =
	    arguments->operand_count > 0 ? arguments->operands[0] : NULL;
	struct listing listing = {.application = application};
	struct client_error error = {0};
	enum exit_code code;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	listing.own_name = vault_name(account_vault(application->account));
	if (friend_name != NULL) {
		listing.query.peer = bytes_from_string(friend_name);
		listing.columns = author_columns(&listing, friend_name);
	}
	if (arguments->limit > 0 &&
	    find_start(&listing, arguments->limit, &error) != STATUS_OK)
		return application_fail(application, &error);
	buf_init(&listing.line, MESSAGE_LINE_SIZE_MAX);
	code = print_all(&listing);
	buf_wipe(&listing.line);
	return code;
}

const struct command cmd_history = {
    .name = "history",
    .operands = "[FRIEND]",
    .summary = "show what was sent and received",
    .help = "Shows the last messages that this device has sent and "
	    "received, with FRIEND or\n"
	    "with everybody, oldest first; of @GROUP also what happened to "
	    "it. Asks no\n"
	    "server.\n"
	    "\n"
	    "  --limit COUNT   how many (50); 0: all\n"
	    "\n"
	    "Examples:\n"
	    "  peyk history hassan --as sara --limit 10\n"
	    "  peyk history @team --as sara\n",
    .options = COMMAND_OPTION_LIMIT,
    .operands_max = 1,
    .run = run,
};
