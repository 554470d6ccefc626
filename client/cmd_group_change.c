#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/application.h"
#include "client/command_table.h"
#include "client/group_admin.h"
#include "client/group_event_line.h"
#include "client/group_view.h"

/* `peyk group create`, `add` and so on: what makes another group of it. */

#define LINE_SIZE_MAX ((size_t)1 << 20)

/* What a verb does to a group that is there. */
struct change {
	const struct command *command;
	/* names: what the command line has behind the group. */
	enum status (*apply)(struct session *session, const struct group *group,
	    const struct bytes *names, size_t count,
	    struct client_error *error);
	/* %n: the names, %g: the group, %e: epoch and members then, %i: id. */
	const char *done;
};

/* ---- what it came to */

static enum status
append_names(struct buf *line, const struct bytes *names, size_t count)
{
	size_t told = count > GROUP_EVENT_LINE_NAMES_MAX
			  ? GROUP_EVENT_LINE_NAMES_MAX
			  : count;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < told && st == STATUS_OK; i++) {
		if (i > 0)
			st = buf_append_string(line, ", ");
		if (st == STATUS_OK)
			st = output_append_text(line, names[i]);
	}
	if (st == STATUS_OK && told < count)
		st = buf_append_format(line, " and %zu others", count - told);
	return st;
}

static enum status
append_done(struct buf *line, const char *text, const struct group_view *view,
    const struct bytes *names, size_t count)
{
	enum status st = STATUS_OK;

	while (st == STATUS_OK && *text != '\0') {
		size_t size = strcspn(text, "%");

		st = buf_append(line, bytes_make(text, size));
		text += size;
		if (st != STATUS_OK || *text == '\0')
			break;
		if (text[1] == 'n')
			st = append_names(line, names, count);
		else if (text[1] == 'g')
			st = group_event_line_append_name(
			    line, bytes_from_string(view->group.name));
		else if (text[1] == 'i')
			st = buf_append_format(
			    line, "%" PRIu64, view->group.id);
		else
			st = buf_append_format(line,
			    "epoch %" PRIu32 ", %zu %s", view->group.epoch,
			    view->members.count,
			    view->members.count == 1 ? "member" : "members");
		text += 2;
	}
	return st;
}

/* Takes the group as it is now. */
static enum exit_code
print_take(struct application *application, struct group *group,
    const char *done, const struct bytes *names, size_t count)
{
	struct output *output = &application->output;
	struct group_view view = {0};
	struct client_error error = {0};
	struct buf line;
	enum status st;

	if (group_view_load_take(application->session, group, &view, &error) !=
	    STATUS_OK)
		return application_fail(application, &error);
	buf_init(&line, LINE_SIZE_MAX);
	if (output->is_json) {
		st = output_json_take(output, group_view_json(&view, true));
	} else {
		st = append_done(&line, done, &view, names, count);
		if (st == STATUS_OK)
			st = output_buf(output, &line);
	}
	buf_clear(&line);
	group_view_clear(&view);
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

static enum exit_code
fail(struct application *application, const struct client_error *error)
{
	return output_error(&application->output, error->exit, error->text,
	    error->exit == EXIT_CODE_UNREACHABLE
		? "If it was begun, the next peyk command of this account "
		  "finishes it; if not, nothing is done. After “peyk poll”, "
		  "“peyk group list” tells."
		: "");
}

/* The operands behind the first; NULL if memory is out. */
static struct bytes *
names_of(const struct arguments *arguments, size_t *count)
{
	struct bytes *names = calloc(arguments->operand_count, sizeof(*names));

	*count = arguments->operand_count - 1;
	for (size_t i = 0; names != NULL && i < *count; i++)
		names[i] = bytes_from_string(arguments->operands[i + 1]);
	return names;
}

/* ---- a group that is there */

static enum status
apply_rotate(struct session *session, const struct group *group,
    const struct bytes *names, size_t count, struct client_error *error)
{
	(void)names;
	(void)count;
	return group_rotate(session, group, error);
}

static enum status
apply_leave(struct session *session, const struct group *group,
    const struct bytes *names, size_t count, struct client_error *error)
{
	(void)names;
	(void)count;
	return group_leave(session, group, error);
}

static enum status
apply_delete(struct session *session, const struct group *group,
    const struct bytes *names, size_t count, struct client_error *error)
{
	(void)names;
	(void)count;
	return group_delete(session, group, error);
}

static enum status
apply_rename(struct session *session, const struct group *group,
    const struct bytes *names, size_t count, struct client_error *error)
{
	(void)count;
	return group_rename(session, group, names[0], error);
}

static enum status
apply_hand_over(struct session *session, const struct group *group,
    const struct bytes *names, size_t count, struct client_error *error)
{
	(void)count;
	return group_hand_over(session, group, names[0], error);
}

static const struct change changes[] = {
    {&cmd_group_add, group_add, "Added %n to %g: %e."},
    {&cmd_group_remove, group_remove, "Removed %n from %g: %e."},
    {&cmd_group_leave, apply_leave, "You have left %g."},
    {&cmd_group_rotate, apply_rotate, "Made a new key for %g: %e."},
    {&cmd_group_rename, apply_rename, "The group is called %g now: %e."},
    {&cmd_group_hand_over, apply_hand_over, "Handed %g over to %n: %e."},
    {&cmd_group_delete, apply_delete, "Deleted %g."},
};

/* Of one of the commands below. */
static const struct change *
find_change(const struct command *command)
{
	const struct change *change = changes;

	while (change->command != command)
		change++;
	return change;
}

static enum exit_code
run_change(struct application *application)
{
	const struct change *change =
	    find_change(application->arguments.command);
	struct bytes name =
	    bytes_from_string(application->arguments.operands[0]);
	struct bytes *names = NULL;
	struct group before = {0}, after = {0};
	struct client_error error = {0};
	enum exit_code code;
	size_t count;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	names = names_of(&application->arguments, &count);
	if (names == NULL) {
		code = application_fail_plain(
		    application, STATUS_NOMEM, "change the group");
		goto out;
	}
	if (groups_find(application->session, name, &before, &error) !=
		STATUS_OK ||
	    change->apply(application->session, &before, names, count,
		&error) != STATUS_OK ||
	    groups_read(application->session, before.id, &after, &error) !=
		STATUS_OK) {
		code = fail(application, &error);
		goto out;
	}
	code = print_take(application, &after, change->done, names, count);
out:
	free(names);
	group_clear(&after);
	group_clear(&before);
	return code;
}

/* ---- a new one */

static enum exit_code
run_create(struct application *application)
{
	struct bytes name =
	    bytes_from_string(application->arguments.operands[0]);
	struct bytes *members = NULL;
	struct group group = {0};
	struct client_error error = {0};
	enum exit_code code;
	size_t count;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	members = names_of(&application->arguments, &count);
	if (members == NULL)
		code = application_fail_plain(
		    application, STATUS_NOMEM, "create the group");
	else if (group_create(application->session, name, members, count,
		     &group, &error) != STATUS_OK)
		code = fail(application, &error);
	else
		code = print_take(application, &group,
		    "Created %g: %e, id %i.", members,
		    count);
	free(members);
	group_clear(&group);
	return code;
}

/* ---- the verbs */

const struct command cmd_group_create = {
    .name = "group create",
    .operands = "NAME [MEMBER …]",
    .summary = "make a group; you are its admin",
    .help = "Makes a group of you and the MEMBERs, with you as its admin and "
	    "a first key that\n"
	    "each of them gets. Others may have a group of the same name; "
	    "its id is its own.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group create team hassan reza --as sara\n",
    .operands_min = 1,
    .operands_max = COMMAND_OPERANDS_ANY,
    .run = run_create,
};

const struct command cmd_group_add = {
    .name = "group add",
    .operands = "GROUP MEMBER …",
    .summary = "take people in (admin)",
    .help = "Takes each MEMBER into the group and makes a new key, which "
	    "they get, too. What\n"
	    "was written before they cannot read. For the admin alone.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group add team nadia --as sara\n",
    .operands_min = 2,
    .operands_max = COMMAND_OPERANDS_ANY,
    .run = run_change,
};

const struct command cmd_group_remove = {
    .name = "group remove",
    .operands = "GROUP MEMBER …",
    .summary = "put people out (admin)",
    .help = "Puts each MEMBER out of the group and makes a new key, which "
	    "they do not get.\n"
	    "What is written from then on they cannot read. For the admin "
	    "alone.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group remove team reza --as sara\n",
    .operands_min = 2,
    .operands_max = COMMAND_OPERANDS_ANY,
    .run = run_change,
};

const struct command cmd_group_leave = {
    .name = "group leave",
    .operands = "GROUP",
    .summary = "leave it",
    .help = "Leaves the group, at once. Its admin's peyk makes a new key "
	    "without you when it\n"
	    "next asks for messages. The admin hands over first (peyk group "
	    "hand-over).\n"
	    "\n"
	    "Example:\n"
	    "  peyk group leave team --as hassan\n",
    .operands_min = 1,
    .operands_max = 1,
    .run = run_change,
};

const struct command cmd_group_rotate = {
    .name = "group rotate",
    .operands = "GROUP",
    .summary = "make a new key (admin)",
    .help = "Makes a new key for the same members: who has stolen the old "
	    "one cannot read on.\n"
	    "For the admin alone.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group rotate team --as sara\n",
    .operands_min = 1,
    .operands_max = 1,
    .run = run_change,
};

const struct command cmd_group_rename = {
    .name = "group rename",
    .operands = "GROUP NAME",
    .summary = "give it another name (admin)",
    .help = "Gives the group another name, for all members. For the admin "
	    "alone.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group rename team crew --as sara\n",
    .operands_min = 2,
    .operands_max = 2,
    .run = run_change,
};

const struct command cmd_group_hand_over = {
    .name = "group hand-over",
    .operands = "GROUP MEMBER",
    .summary = "make a member its admin (admin)",
    .help = "Makes MEMBER the admin of the group in your place; you stay in "
	    "it. For the admin\n"
	    "alone.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group hand-over team hassan --as sara\n",
    .operands_min = 2,
    .operands_max = 2,
    .run = run_change,
};

const struct command cmd_group_delete = {
    .name = "group delete",
    .operands = "GROUP",
    .summary = "end it for all (admin)",
    .help = "Ends the group for all its members, at once: it does not ask, "
	    "and there is no\n"
	    "way back. What was written stays in the history of each. For the "
	    "admin alone.\n"
	    "\n"
	    "Example:\n"
	    "  peyk group delete team --as sara\n",
    .operands_min = 1,
    .operands_max = 1,
    .run = run_change,
};
