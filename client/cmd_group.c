#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/application.h"
#include "client/command_table.h"
#include "client/group_event_line.h"
#include "client/group_view.h"

/* `peyk group`, and the verbs that change no group: show, list and send. */

#define LINE_SIZE_MAX 16384

/* ---- show */

static enum exit_code
run_show(struct application *application)
{
	struct output *output = &application->output;
	struct bytes name =
	    bytes_from_string(application->arguments.operands[0]);
	struct group group = {0};
	struct group_view view = {0};
	struct client_error error = {0};
	enum exit_code code;
	enum status st;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	if (groups_find(application->session, name, &group, &error) !=
		STATUS_OK ||
	    group_view_load_take(application->session, &group, &view, &error) !=
		STATUS_OK) {
		code = application_fail(application, &error);
		goto out;
	}
	st = output->is_json
		 ? output_json_take(output, group_view_json(&view, true))
		 : group_view_print(output, &view);
	if (st != STATUS_OK)
		code = application_fail_output(application, st);
out:
	group_view_clear(&view);
	group_clear(&group);
	return code;
}

/* ---- list */

/* The name as the table has it: a word of its own, or in quotation marks. */
static enum status
append_name(struct buf *line, const struct group *group, size_t columns)
{
	size_t before = line->size, width;
	enum status st =
	    group_event_line_append_name(line, bytes_from_string(group->name));

	width =
	    text_width(bytes_make(line->data + before, line->size - before));
	for (; st == STATUS_OK && width < columns; width++)
		st = buf_append_u8(line, ' ');
	return st;
}

static enum status
print_row(struct output *output, struct buf *line,
    const struct group_view *view, size_t columns)
{
	const struct group *group = &view->group;
	enum status st = append_name(line, group, columns + 2);

	if (st == STATUS_OK)
		st = buf_append_format(line,
		    "%7zu  %5" PRIu32 "  %-6s  %-8s  %" PRIu64,
		    view->members.count, group->epoch,
		    group->is_admin ? "admin" : "member",
		    group_view_state(group), group->id);
	return st == STATUS_OK ? output_buf(output, line) : st;
}

static enum status
print_head(struct output *output, size_t columns)
{
	return output_line(output, "%-*s%s", (int)columns + 2, "NAME",
	    "MEMBERS  EPOCH  ROLE    STATUS    ID");
}

/* As wide as the widest name. */
static enum status
name_columns(struct buf *line, const struct group_list *groups, size_t *out)
{
	size_t columns = strlen("NAME");
	enum status st = STATUS_OK;

	for (size_t i = 0; i < groups->count && st == STATUS_OK; i++) {
		size_t width;

		st = append_name(line, &groups->items[i], 0);
		width = text_width(buf_bytes(line));
		columns = width > columns ? width : columns;
		buf_reset(line);
	}
	*out = columns;
	return st;
}

static enum exit_code
print_list(struct application *application, struct group_list *groups)
{
	struct output *output = &application->output;
	struct client_error error = {0};
	enum exit_code code = EXIT_CODE_DONE;
	struct buf line;
	size_t columns = 0;
	enum status st;

	buf_init(&line, LINE_SIZE_MAX);
	st = name_columns(&line, groups, &columns);
	if (st == STATUS_OK && !output->is_json)
		st = print_head(output, columns);
	for (size_t i = 0; i < groups->count && st == STATUS_OK; i++) {
		struct group_view view = {0};

		if (group_view_load_take(application->session,
			&groups->items[i], &view, &error) != STATUS_OK) {
			code = application_fail(application, &error);
			break;
		}
		st = output->is_json ? output_json_take(output,
					   group_view_json(&view, false))
				     : print_row(output, &line, &view, columns);
		group_view_clear(&view);
	}
	buf_clear(&line);
	return st == STATUS_OK ? code
			       : application_fail_output(application, st);
}

static enum exit_code
run_list(struct application *application)
{
	struct group_list groups = {0};
	struct client_error error = {0};
	enum exit_code code;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	if (groups_list(application->session, &groups, &error) != STATUS_OK)
		return application_fail(application, &error);
	if (groups.count > 0)
		code = print_list(application, &groups);
	else if (!application->output.is_json)
		output_say(&application->output, "no_groups",
		    "There are no groups yet: peyk group create makes one.");
	group_list_clear(&groups);
	return code;
}

/* ---- send */

/* `peyk send @GROUP`, whichever way the group is written. */
static enum exit_code
run_send(struct application *application)
{
	struct arguments *arguments = &application->arguments;
	const char *const *given = arguments->operands;
	const char *operands[2] = {
	    given[0], arguments->operand_count > 1 ? given[1] : NULL};
	char *recipient = NULL;
	enum exit_code code;

	if (*given[0] != '@') {
		if (asprintf(&recipient, "@%s", given[0]) < 0)
			return application_fail_plain(
			    application, STATUS_NOMEM, "send messages");
		operands[0] = recipient;
	}
	arguments->operands = operands;
	code = cmd_send.run(application);
	arguments->operands = given;
	free(recipient);
	return code;
}

/* ---- the verbs */

static const struct command verb_show = {
    .name = "group show",
    .operands = "GROUP",
    .summary = "show it, its members, its safety number",
    .help = "Shows the group as this device knows it: its id, its epoch "
	    "(which counts its\n"
	    "keys), its members, and what is known of them:\n"
	    "\n"
	    "  compared ✓       its safety number was compared (peyk verify)\n"
	    "  known            the key is the one that is known of the name\n"
	    "  not known here   nothing is known of it but what the admin "
	    "signed\n"
	    "  NOT THE KEY …    another key than the one that is known of it\n"
	    "\n"
	    "The safety number is the same for all members unless somebody "
	    "shows them\n"
	    "different lists. Asks no server.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group show team --as sara\n",
    .operands_min = 1,
    .operands_max = 1,
    .run = run_show,
};

static const struct command verb_list = {
    .name = "group list",
    .operands = "",
    .summary = "list the groups of this account",
    .help = "Lists the groups that this account is in, or was. FORKED: "
	    "members were given\n"
	    "different lists of who is in it. Asks no server.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group list --as sara\n",
    .run = run_list,
};

static const struct command verb_send = {
    .name = "group send",
    .operands = "GROUP [TEXT]",
    .summary = "write to it: the same as “peyk send @GROUP”",
    .help = "Sends TEXT, or every line of standard input, to all members; "
	    "as “peyk send\n"
	    "@GROUP”, which “peyk help send” explains.\n"
	    "\n"
	    "Examples:\n"
	    "  peyk group send team 'salam mashti' --as sara\n"
	    "  peyk send @team 'salam mashti' --as sara\n",
    .operands_min = 1,
    .operands_max = 2,
    .run = run_send,
};

static const struct command *const verbs[] = {
    &cmd_group_create,
    &cmd_group_add,
    &cmd_group_remove,
    &cmd_group_leave,
    &cmd_group_rotate,
    &verb_show,
    &verb_list,
    &cmd_group_rename,
    &cmd_group_hand_over,
    &cmd_group_delete,
    &verb_send,
};

/* Never called: a verb is, or the verb is missing. */
static enum exit_code
run(struct application *application)
{
	return application_fail_plain(
	    application, STATUS_INTERNAL, "find out what to do");
}

const struct command cmd_group = {
    .name = "group",
    .operands = "VERB …",
    .summary = "make groups, change them, write there",
    .help = "A group has one admin, who takes people in and puts them out; "
	    "each change makes\n"
	    "a new key. Its messages come with “peyk poll” and “peyk chat "
	    "NAME @GROUP”.\n"
	    "\n"
	    "GROUP is its name, with or without “@”, or its id where several "
	    "have the name.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group create team hassan reza --as sara\n"
	    "  peyk group send team 'salam mashti' --as sara\n",
    .operands_min = 1,
    .operands_max = COMMAND_OPERANDS_ANY,
    .run = run,
    .verbs = verbs,
    .verb_count = sizeof(verbs) / sizeof(verbs[0]),
};
