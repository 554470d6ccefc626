#include "client/group_event_line.h"

#include <inttypes.h>
#include <string.h>

#include "client/output.h"

/* A name, sanitized: three times 64 code points. */
#define SANITIZED_NAME_MAX 4096

static bool
is_plain(struct bytes name)
{
	if (name.size == 0 || bytes_equal(name, BYTES_LITERAL("you")))
		return false;
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr("-_.+#", c) == NULL))
			return false;
	}
	return true;
}

/* Whether one of our quotation marks begins here: three bytes. */
static bool
is_quotation_mark(struct bytes text, size_t at)
{
	return text.size - at >= 3 && text.data[at] == 0xe2 &&
	       text.data[at + 1] == 0x80 &&
	       (text.data[at + 2] == 0x9c || text.data[at + 2] == 0x9d);
}

enum status
group_event_line_append_name(struct buf *line, struct bytes name)
{
	struct buf clean;
	size_t at = 0;
	enum status st;

	if (is_plain(name))
		return output_append_text(line, name);
	buf_init(&clean, SANITIZED_NAME_MAX);
	st = output_append_text(&clean, name);
	if (st == STATUS_OK)
		st = buf_append_string(line, "“");
	while (st == STATUS_OK && at < clean.size) {
		bool is_mark = is_quotation_mark(buf_bytes(&clean), at);

		st = buf_append_u8(
		    line, is_mark ? (uint8_t)'\'' : clean.data[at]);
		at += is_mark ? 3 : 1;
	}
	if (st == STATUS_OK)
		st = buf_append_string(line, "”");
	buf_clear(&clean);
	return st;
}

void
group_event_line_name(struct bytes name, char out[CLIENT_DISPLAY_SIZE])
{
	struct buf line;

	out[0] = '\0';
	buf_init(&line, CLIENT_DISPLAY_SIZE - 1);
	if (group_event_line_append_name(&line, name) == STATUS_OK) {
		memcpy(out, line.data, line.size);
		out[line.size] = '\0';
	}
	buf_clear(&line);
}

/* The next of the names that an event holds, one a line. */
static bool
next_name(struct bytes *rest, struct bytes *out)
{
	const uint8_t *end;
	size_t size;

	if (rest->size == 0)
		return false;
	end = memchr(rest->data, '\n', rest->size);
	size = end != NULL ? (size_t)(end - rest->data) : rest->size;
	*out = bytes_make(rest->data, size);
	size += end != NULL;
	*rest = bytes_make(rest->data + size, rest->size - size);
	return true;
}

/* "a", "a and b", "a, b and c", "a, b and 5 others". */
static enum status
append_names(struct buf *line, struct bytes names)
{
	struct bytes rest = names, name;
	size_t count = 0, told;
	enum status st = STATUS_OK;

	while (next_name(&rest, &name))
		count++;
	told = count > GROUP_EVENT_LINE_NAMES_MAX ? GROUP_EVENT_LINE_NAMES_MAX
						  : count;
	rest = names;
	for (size_t i = 0; i < told && st == STATUS_OK; i++) {
		if (i > 0)
			st = buf_append_string(
			    line, i + 1 == count ? " and " : ", ");
		if (st == STATUS_OK && next_name(&rest, &name))
			st = output_append_text(line, name);
	}
	if (st == STATUS_OK && told < count)
		st = buf_append_format(line, " and %zu others", count - told);
	return st == STATUS_OK && count == 0
		   ? buf_append_string(line, "somebody")
		   : st;
}

/*
 * A sentence: %p is who did it, %n the names, %g the group, %f the name that
 * it was given then.
 */
static const char *
sentence(const struct message *message)
{
	/* Nobody has signed it. */
	bool is_rumour = *message->peer == '\0';

	switch (message->event) {
	case GROUP_EVENT_JOINED:
		return "%p added %n to %g";
	case GROUP_EVENT_LEFT:
		return "%p has left %g";
	case GROUP_EVENT_REMOVED:
		return is_rumour ? "The server says that %n is no member of %g "
				   "any more"
				 : "%p removed %n from %g";
	case GROUP_EVENT_KEY_REFRESHED:
		return "%p made a new key for %g";
	case GROUP_EVENT_RENAMED:
		return "%p renamed the group: it is called %f now";
	case GROUP_EVENT_ADMIN_CHANGED:
		return "%p handed %g over to %n";
	case GROUP_EVENT_DELETED:
		return is_rumour ? "The server says that %g was deleted"
				 : "%p deleted %g";
	case GROUP_EVENT_KEY_WRONG:
		return "WARNING: the key of %g that came from %p is NOT the "
		       "one of this epoch.\n"
		       "You cannot read what is written there until its admin "
		       "makes a new key: say so.";
	case GROUP_EVENT_ROSTER_MISSED:
		return "WARNING: changes of %g never arrived here; who came "
		       "and went meanwhile is not known.\n"
		       "“peyk group show” tells who is in it now.";
	case GROUP_EVENT_FORKED:
		return "WARNING: %p was given ANOTHER list of the members of "
		       "%g than you.\n"
		       "Somebody may read along whom you do not see: compare "
		       "the group's safety number.";
	case GROUP_EVENT_KEY_CONFLICT:
		return "WARNING: in %g the key of %n is NOT the one that you "
		       "know.\n"
		       "Somebody else may be in the group under that name: "
		       "ask in another way.";
	case GROUP_EVENT_NONE:
		break;
	}
	return "something that this version does not know happened in %g";
}

static enum status
append_part(struct buf *line, char part, const struct message *message)
{
	struct bytes names = bytes_make(message->text, message->text_size);

	switch (part) {
	case 'p':
		return output_append_text(
		    line, bytes_from_string(message->peer));
	case 'n':
		return append_names(line, names);
	case 'f':
		return group_event_line_append_name(line, names);
	default: /* 'g' */
		return group_event_line_append_name(
		    line, bytes_from_string(message->group_name));
	}
}

enum status
group_event_line_append(struct buf *line, const struct message *message)
{
	const char *text = sentence(message);
	enum status st = STATUS_OK;

	while (st == STATUS_OK && *text != '\0') {
		size_t size = strcspn(text, "%");

		st = buf_append(line, bytes_make(text, size));
		text += size;
		if (st == STATUS_OK && *text == '%') {
			st = append_part(line, text[1], message);
			text += 2;
		}
	}
	return st;
}

static json_t *
names_json(struct bytes names)
{
	json_t *list = json_array();
	struct bytes name;

	while (list != NULL && next_name(&names, &name)) {
		if (json_array_append_new(list, output_json_text(name)) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

static json_t *
time_or_null(uint64_t unix_ms)
{
	return unix_ms != 0 ? output_json_time(unix_ms) : json_null();
}

json_t *
group_event_line_json(const struct message *message, bool is_compared)
{
	char id[MESSAGE_ID_TEXT_SIZE];

	message_id_format(message->id, id);
	return json_pack(
	    "{s:s, s:s, s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:s, s:b, s:b}",
	    "event", "group_event", "id", id, "group",
	    output_json_text(bytes_from_string(message->group_name)),
	    "group_id", json_sprintf("%" PRIu64, message->group_id), "epoch",
	    (json_int_t)message->epoch, "kind",
	    group_event_name(message->event), "by",
	    *message->peer != '\0'
		? output_json_text(bytes_from_string(message->peer))
		: json_null(),
	    "names", names_json(bytes_make(message->text, message->text_size)),
	    "sent_at", time_or_null(message->sent_at_ms), "stored_at",
	    time_or_null(message->stored_at_ms), "author",
	    message_author_name(message->author), "verified",
	    message->author == MESSAGE_AUTHOR_PINNED, "compared", is_compared);
}
