#include <inttypes.h>
#include <langinfo.h>
#include <qrencode.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/application.h"
#include "client/command_table.h"
#include "client/contacts.h"
#include "client/group_event_line.h"
#include "client/group_view.h"

#define SAFETY_DIGITS 60

/* Modules of white around a QR code: ISO/IEC 18004 asks for four. */
#define QUIET_ZONE 4

/* The digits of a number, however it is grouped. false: it is none. */
static bool
digits_of(const char *text, char out[SAFETY_DIGITS + 1])
{
	size_t count = 0;

	for (; *text != '\0'; text++) {
		if (*text == ' ' || *text == '-' || *text == '\n')
			continue;
		if (*text < '0' || *text > '9' || count == SAFETY_DIGITS)
			return false;
		out[count++] = *text;
	}
	out[count] = '\0';
	return count == SAFETY_DIGITS;
}

/* Whether the terminal can show a code that is so many modules wide. */
static bool
has_room(int width)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) &&
	       strcmp(nl_langinfo(CODESET), "UTF-8") == 0 &&
	       ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
	       size.ws_col >= width + 2 * QUIET_ZONE;
}

static bool
is_dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       (code->data[y * code->width + x] & 1) != 0;
}

/*
 * Two modules to a character, upper and lower half. Scanners want dark on
 * light; colours are set, so that it comes out so on dark terminals too.
 */
static enum status
print_code(struct output *output, const QRcode *code)
{
	static const char *const halves[] = {" ", "▄", "▀", "█"};
	struct buf line;
	enum status st = STATUS_OK;

	buf_init(&line, 4096);
	for (int y = -QUIET_ZONE;
	     y < code->width + QUIET_ZONE && st == STATUS_OK; y += 2) {
		st = buf_append_string(&line, "\033[30;107m");
		for (int x = -QUIET_ZONE;
		     x < code->width + QUIET_ZONE && st == STATUS_OK; x++)
			st = buf_append_string(
			    &line, halves[2 * is_dark(code, x, y) +
					  is_dark(code, x, y + 1)]);
		if (st == STATUS_OK)
			st = buf_append_string(&line, "\033[0m");
		if (st == STATUS_OK)
			st = output_buf(output, &line);
	}
	buf_clear(&line);
	return st;
}

/* The number, and its code where there is room. */
static enum status
print_number(struct output *output, const char *number)
{
	char digits[SAFETY_DIGITS + 1];
	QRcode *code = NULL;
	enum status st;

	st = group_view_print_number(output, number);
	if (st == STATUS_OK && digits_of(number, digits))
		code =
		    QRcode_encodeString(digits, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	if (code != NULL && has_room(code->width)) {
		st = output_line(output, "%s", "");
		if (st == STATUS_OK)
			st = print_code(output, code);
	}
	QRcode_free(code);
	return st;
}

/* ---- a friend */

/* What to run when the numbers are the same. */
static enum status
print_command(struct output *output, const char *own, const char *name)
{
	struct buf line;
	enum status st;

	buf_init(&line, 8192);
	st = buf_append_string(&line, "    peyk verify --as ");
	if (st == STATUS_OK)
		st = output_append_shell_word(&line, own);
	if (st == STATUS_OK)
		st = buf_append_u8(&line, ' ');
	if (st == STATUS_OK)
		st = output_append_shell_word(&line, name);
	if (st == STATUS_OK)
		st = buf_append_string(&line, " --expect 'THE NUMBER'");
	if (st == STATUS_OK)
		st = output_buf(output, &line);
	buf_clear(&line);
	return st;
}

static enum status
print_contact(struct application *application, const struct contact *contact,
    const char *number)
{
	struct output *output = &application->output;
	const char *own = vault_name(account_vault(application->account));
	char name[CLIENT_DISPLAY_SIZE], own_name[CLIENT_DISPLAY_SIZE];
	enum status st;

	client_display(bytes_from_string(contact->name), name, sizeof(name));
	client_display(bytes_from_string(own), own_name, sizeof(own_name));
	st = output_line(output, "Safety number of %s and %s (%s):\n", own_name,
	    name,
	    contact->verified_at_ms != 0 ? "compared before ✓"
					 : "not compared yet");
	if (st == STATUS_OK)
		st = print_number(output, number);
	if (st == STATUS_OK)
		st = output_line(output,
		    "\nCompare it with what %s sees, by voice or face to face. "
		    "If it is the same:",
		    name);
	return st == STATUS_OK ? print_command(output, own, contact->name) : st;
}

static enum status
print_json(struct application *application, const struct contact *contact,
    const char *number, bool is_verified)
{
	return output_json_take(&application->output,
	    json_pack("{s:o, s:s, s:b}", "name",
		output_json_text(bytes_from_string(contact->name)),
		"safety_number", number, "verified", is_verified));
}

/* With --expect: 0 and the mark, or 1 and nothing changed. */
static enum exit_code
compare(struct application *application, const struct contact *contact,
    const char *number, const char *expected)
{
	char digits[SAFETY_DIGITS + 1], name[CLIENT_DISPLAY_SIZE];
	char text[CLIENT_DISPLAY_SIZE + 256];
	struct client_error error = {0};
	enum status st;

	client_display(bytes_from_string(contact->name), name, sizeof(name));
	if (!digits_of(number, digits))
		return application_fail_plain(
		    application, STATUS_INTERNAL, "compute the safety number");
	if (strcmp(digits, expected) != 0) {
		(void)snprintf(text, sizeof(text),
		    "The safety numbers DIFFER: the key that is known of %s "
		    "is not the one that the number was made of.",
		    name);
		return output_error(&application->output, EXIT_CODE_FAILED,
		    text,
		    "Write nothing secret. Look for a slip in the number; if "
		    "there is none, somebody stands between you.");
	}
	if (contacts_set_verified(
		application->session, contact, true, &error) != STATUS_OK)
		return application_fail(application, &error);
	st = application->output.is_json
		 ? print_json(application, contact, number, true)
		 : output_line(&application->output,
		       "The safety numbers are the same. %s is verified now ✓",
		       name);
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

/*
 * The contact as the server names it now. One that is known already can be
 * compared without the server, too.
 */
static enum status
look_up(struct application *application, struct bytes name,
    struct contact *contact, struct client_error *error)
{
	struct client_error ignored;
	enum status st;

	st = contacts_refresh(application->session, &name, 1, NULL, error);
	if ((st == STATUS_UNAVAILABLE || st == STATUS_TIMEOUT) &&
	    contacts_find(application->session, name, contact, &ignored) ==
		STATUS_OK) {
		output_say(&application->output, "not_refreshed",
		    "The server cannot be asked for the current key; this is "
		    "of the key that is known.");
		return STATUS_OK;
	}
	if (st == STATUS_OK)
		st = contacts_resolve(
		    application->session, name, contact, error);
	return st;
}

static enum exit_code
run_contact(
    struct application *application, struct bytes name, const char *expected)
{
	char number[CONTACTS_SAFETY_NUMBER_SIZE] = "";
	struct contact contact = {0};
	struct client_error error = {0};
	enum exit_code code = EXIT_CODE_DONE;
	enum status st;

	if (look_up(application, name, &contact, &error) != STATUS_OK ||
	    contacts_check_unchanged(&contact, &error) != STATUS_OK ||
	    contacts_safety_number(application->session, &contact, false,
		number, &error) != STATUS_OK) {
		code = application_fail(application, &error);
		goto out;
	}
	if (expected != NULL) {
		code = compare(application, &contact, number, expected);
		goto out;
	}
	st = application->output.is_json
		 ? print_json(application, &contact, number,
		       contact.verified_at_ms != 0)
		 : print_contact(application, &contact, number);
	if (st != STATUS_OK)
		code = application_fail_output(application, st);
out:
	contact_clear(&contact);
	return code;
}

/* ---- a group */

static enum status
print_group(struct output *output, const struct group *group,
    const char *number, bool is_same)
{
	struct buf line;
	enum status st;

	buf_init(&line, 8192);
	st = buf_append_string(&line, is_same
					  ? "The safety numbers are the same: "
					    "of the group "
					  : "Safety number of the group ");
	if (st == STATUS_OK)
		st = group_event_line_append_name(
		    &line, bytes_from_string(group->name));
	if (st == STATUS_OK)
		st = buf_append_format(&line,
		    is_same ? ", in epoch %" PRIu32
			      ", they have the list of members that you have."
			    : ", in epoch %" PRIu32 ":\n",
		    group->epoch);
	if (st == STATUS_OK)
		st = output_buf(output, &line);
	buf_clear(&line);
	if (st != STATUS_OK || is_same)
		return st;
	st = print_number(output, number);
	return st == STATUS_OK
		   ? output_line(output,
			 "\nAll members see the same in this epoch, unless "
			 "somebody gives them different\nlists of who is in "
			 "it. Compare it by voice or face to face.")
		   : st;
}

static enum status
print_group_json(
    struct output *output, const struct group *group, const char *number)
{
	return output_json_take(
	    output, json_pack("{s:o, s:o, s:I, s:s, s:b}", "group",
			output_json_text(bytes_from_string(group->name)),
			"group_id", json_sprintf("%" PRIu64, group->id),
			"epoch", (json_int_t)group->epoch, "safety_number",
			number, "forked", group->is_forked));
}

static enum exit_code
fail_difference(struct application *application, const struct group *group)
{
	char hint[256];

	(void)snprintf(hint, sizeof(hint),
	    "Is the other number of epoch %" PRIu32
	    ", too? Then somebody gives members different lists of who is in "
	    "the group: write nothing secret there.",
	    group->epoch);
	return output_error(&application->output, EXIT_CODE_FAILED,
	    "The safety numbers DIFFER.", hint);
}

static enum exit_code
run_group(
    struct application *application, struct bytes name, const char *expected)
{
	struct output *output = &application->output;
	char number[GROUPS_SAFETY_NUMBER_SIZE] = "";
	char digits[SAFETY_DIGITS + 1] = "";
	struct group group = {0};
	struct client_error error = {0};
	enum exit_code code = EXIT_CODE_DONE;
	enum status st = STATUS_OK;

	if (groups_find(application->session, name, &group, &error) !=
		STATUS_OK ||
	    groups_safety_number(&group, number, &error) != STATUS_OK) {
		code = application_fail(application, &error);
		goto out;
	}
	if (expected != NULL &&
	    (!digits_of(number, digits) || strcmp(digits, expected) != 0)) {
		code = fail_difference(application, &group);
		goto out;
	}
	st = output->is_json
		 ? print_group_json(output, &group, number)
		 : print_group(output, &group, number, expected != NULL);
	if (st != STATUS_OK)
		code = application_fail_output(application, st);
out:
	group_clear(&group);
	return code;
}

static enum exit_code
run(struct application *application)
{
	const struct arguments *arguments = &application->arguments;
	struct bytes name = bytes_from_string(arguments->operands[0]);
	char expected[SAFETY_DIGITS + 1] = "";
	enum exit_code code;

	if (arguments->expect != NULL &&
	    !digits_of(arguments->expect, expected))
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "A safety number has 60 digits, in groups of five.",
		    "Put it in quotes: --expect '12345 67890 …'");
	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	/* No username begins with "@". */
	return name.size > 0 && name.data[0] == '@'
		   ? run_group(application, name,
			 arguments->expect != NULL ? expected : NULL)
		   : run_contact(application, name,
			 arguments->expect != NULL ? expected : NULL);
}

const struct command cmd_verify = {
    .name = "verify",
    .operands = "FRIEND",
    .summary = "compare keys with a friend",
    .help = "Shows the safety number of you and FRIEND, which is the same "
	    "on both devices if\n"
	    "nobody has swapped a key, and its QR code. Compare it by "
	    "voice or face to face.\n"
	    "FRIEND may be @GROUP: its number is the same for all members, "
	    "in each epoch.\n"
	    "\n"
	    "  --expect NUMBER   compares instead: exits with 0 if it is the "
	    "same, and marks\n"
	    "                    FRIEND as verified; with 1 if it is not\n"
	    "\n"
	    "Examples:\n"
	    "  peyk verify hassan --as sara\n"
	    "  peyk verify @team --as sara\n",
    .options = COMMAND_OPTION_EXPECT,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
