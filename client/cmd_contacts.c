#include <string.h>

#include "base/text.h"
#include "client/application.h"
#include "client/command_table.h"
#include "client/contacts.h"

#define CONTACT_LINE_SIZE_MAX 8192

static json_t *
time_or_null(uint64_t unix_ms)
{
	return unix_ms != 0 ? output_json_time(unix_ms) : json_null();
}

/* A key in hexadecimal. */
static json_t *
json_key(struct bytes key)
{
	struct buf hex;
	json_t *string = NULL;

	buf_init(&hex, 256);
	if (text_encode(TEXT_ENCODING_HEX, key, &hex) == STATUS_OK)
		string = json_stringn((const char *)hex.data, hex.size);
	buf_clear(&hex);
	return string;
}

static enum status
print_json(struct output *output, const struct contact *contact)
{
	return output_json_take(output,
	    json_pack("{s:o, s:b, s:o, s:b, s:o, s:o, s:o, s:o}", "name",
		output_json_text(bytes_from_string(contact->name)), "verified",
		contact->verified_at_ms != 0, "verified_at",
		time_or_null(contact->verified_at_ms), "key_changed",
		contact->is_changed, "key_changed_at",
		contact->is_changed ? time_or_null(contact->changed_at_ms)
				    : json_null(),
		"known_since", time_or_null(contact->pinned_at_ms),
		"signing_key", json_key(BYTES_OF(contact->signing_key.bytes)),
		"encryption_key",
		json_key(BYTES_OF(contact->encryption_key.bytes))));
}

static enum status
print_line(struct output *output, struct buf *line,
    const struct contact *contact, size_t columns)
{
	enum status st;

	st = output_append_padded(
	    line, bytes_from_string(contact->name), columns + 2);
	if (st == STATUS_OK)
		st = output_append_time(line, contact->pinned_at_ms);
	if (st == STATUS_OK)
		st = buf_append_string(
		    line, contact->is_changed            ? "  KEY CHANGED"
			  : contact->verified_at_ms != 0 ? "  verified ✓"
							 : "  not verified");
	return st == STATUS_OK ? output_buf(output, line) : st;
}

static enum status
print_table(struct output *output, const struct contact_list *contacts)
{
	struct buf line;
	size_t columns = strlen("NAME");
	enum status st = STATUS_OK;

	buf_init(&line, CONTACT_LINE_SIZE_MAX);
	for (size_t i = 0; i < contacts->count && st == STATUS_OK; i++) {
		st = output_append_text(
		    &line, bytes_from_string(contacts->items[i].name));
		if (st == STATUS_OK && text_width(buf_bytes(&line)) > columns)
			columns = text_width(buf_bytes(&line));
		buf_reset(&line);
	}
	if (st == STATUS_OK)
		st = output_append_padded(
		    &line, BYTES_LITERAL("NAME"), columns + 2);
	if (st == STATUS_OK)
		st = buf_append_string(&line, "KNOWN SINCE       STATE");
	if (st == STATUS_OK)
		st = output_buf(output, &line);
	for (size_t i = 0; i < contacts->count && st == STATUS_OK; i++)
		st = print_line(output, &line, &contacts->items[i], columns);
	buf_clear(&line);
	return st;
}

static enum exit_code
run(struct application *application)
{
	struct output *output = &application->output;
	struct contact_list contacts = {0};
	struct client_error error = {0};
	enum exit_code code;
	enum status st = STATUS_OK;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	if (contacts_list(application->session, &contacts, &error) != STATUS_OK)
		return application_fail(application, &error);
	if (output->is_json)
		for (size_t i = 0; i < contacts.count && st == STATUS_OK; i++)
			st = print_json(output, &contacts.items[i]);
	else if (contacts.count == 0)
		output_say(output, "no_contacts",
		    "There are no contacts yet: send somebody a message.");
	else
		st = print_table(output, &contacts);
	contact_list_clear(&contacts);
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

const struct command cmd_contacts = {
    .name = "contacts",
    .operands = "",
    .summary = "list the people whose keys are known",
    .help = "Lists everybody whose key this account has pinned: since "
	    "when, and whether the\n"
	    "safety number was compared (peyk verify). KEY CHANGED: the "
	    "server names another\n"
	    "key now; nothing is sent there. Asks no server.\n"
	    "\n"
	    "Example:\n"
	    "  peyk contacts --as sara\n",
    .run = run,
};
