#include "client/message_line.h"

#include <inttypes.h>
#include <string.h>

#include "client/contacts.h"
#include "client/group_event_line.h"
#include "client/output.h"

bool
message_line_is_compared(struct session *session, const struct message *message)
{
	struct contact contact = {0};
	struct client_error ignored;
	bool is_compared;

	if (message->direction != MESSAGE_DIRECTION_INCOMING ||
	    message->author != MESSAGE_AUTHOR_PINNED ||
	    contacts_find(session, bytes_from_string(message->peer_canonical),
		&contact, &ignored) != STATUS_OK)
		return false;
	is_compared = contact.verified_at_ms != 0 && !contact.is_changed &&
		      memcmp(contact.signing_key.bytes, message->peer_key.bytes,
			  SIGNING_PUBLIC_KEY_SIZE) == 0;
	contact_clear(&contact);
	return is_compared;
}

/* Adds to the object (NULL: none) and takes the value; false if memory is out.
 */
static bool
set(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) == 0;
}

static bool
set_text(json_t *object, const char *key, struct bytes text)
{
	return set(object, key, output_json_text(text));
}

/* Where a message of a group went. */
static bool
set_group(json_t *object, const struct message *message)
{
	struct bytes name = bytes_from_string(message->group_name);
	struct buf to;
	bool is_set;

	buf_init(&to, MESSAGE_LINE_SIZE_MAX);
	is_set = buf_append_u8(&to, '@') == STATUS_OK &&
		 buf_append(&to, name) == STATUS_OK &&
		 set_text(object, "to", buf_bytes(&to)) &&
		 set_text(object, "group", name) &&
		 set(object, "group_id",
		     json_sprintf("%" PRIu64, message->group_id)) &&
		 set(object, "epoch", json_integer((json_int_t)message->epoch));
	buf_clear(&to);
	return is_set;
}

static json_t *
text_json(const char *own_name, const struct message *message, bool is_compared)
{
	json_t *object = json_object();
	struct bytes own = bytes_from_string(own_name);
	struct bytes peer = bytes_from_string(message->peer);
	bool is_incoming = message->direction == MESSAGE_DIRECTION_INCOMING;
	char id[MESSAGE_ID_TEXT_SIZE];
	bool is_complete;

	message_id_format(message->id, id);
	is_complete =
	    set(object, "event", json_string("message")) &&
	    set(object, "id", json_string(id)) &&
	    set(object, "direction", json_string(is_incoming ? "in" : "out")) &&
	    set_text(object, "from", is_incoming ? peer : own) &&
	    (message->group_id != 0
		    ? set_group(object, message)
		    : set_text(object, "to", is_incoming ? own : peer)) &&
	    set(object, "sent_at", output_json_time(message->sent_at_ms)) &&
	    set(object, "stored_at",
		message->stored_at_ms != 0
		    ? output_json_time(message->stored_at_ms)
		    : json_null()) &&
	    set_text(
		object, "text", bytes_make(message->text, message->text_size));
	if (is_incoming)
		is_complete =
		    is_complete &&
		    set(object, "author",
			json_string(message_author_name(message->author))) &&
		    set(object, "verified",
			json_boolean(
			    message->author == MESSAGE_AUTHOR_PINNED)) &&
		    set(object, "compared", json_boolean(is_compared)) &&
		    set(object, "order",
			json_string(message_order_name(message->order))) &&
		    set(object, "missing_before",
			json_integer((json_int_t)message->missing_before));
	else
		is_complete =
		    is_complete &&
		    set(object, "outcome",
			json_string(message_outcome_name(message->outcome)));
	if (!is_complete) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

json_t *
message_line_json(
    const char *own_name, const struct message *message, bool is_compared)
{
	switch (message->kind) {
	case MESSAGE_KIND_TEXT:
		return text_json(own_name, message, is_compared);
	case MESSAGE_KIND_GROUP_EVENT:
		return group_event_line_json(message, is_compared);
	}
	return NULL;
}

/* The author; a count of a group's messages is of those to the group. */
static enum status
append_author(struct buf *line, const struct message *message)
{
	enum status st =
	    output_append_text(line, bytes_from_string(message->peer));

	if (st == STATUS_OK && message->group_id != 0) {
		st = buf_append_string(line, " in ");
		if (st == STATUS_OK)
			st = group_event_line_append_name(
			    line, bytes_from_string(message->group_name));
	}
	return st;
}

/* What the place of the message among its author's tells. */
static enum status
append_order(struct buf *line, const struct message *message)
{
	const char *remark = NULL;
	enum status st;

	switch (message->order) {
	case MESSAGE_ORDER_EXPECTED:
		return STATUS_OK;
	case MESSAGE_ORDER_MISSING:
		st = buf_append_format(line, "(%llu %s from ",
		    (unsigned long long)message->missing_before,
		    message->missing_before == 1 ? "message" : "messages");
		if (st == STATUS_OK)
			st = append_author(line, message);
		return st != STATUS_OK
			   ? st
			   : buf_append_string(line,
				 message->missing_before == 1
				     ? " before the next one is missing.)\n"
				     : " before the next one are missing.)\n");
	case MESSAGE_ORDER_FORKED:
		remark = " before the next one may be missing: it "
			 "follows another one than you have.)\n";
		break;
	case MESSAGE_ORDER_EARLIER:
		remark = " sent the next one before others that you have "
			 "already.)\n";
		break;
	case MESSAGE_ORDER_ANEW:
		remark = " has begun anew with the next one: earlier ones "
			 "may be missing.)\n";
		break;
	}
	st = buf_append_string(line,
	    message->order == MESSAGE_ORDER_FORKED ? "(A message from " : "(");
	if (st == STATUS_OK)
		st = append_author(line, message);
	return st == STATUS_OK ? buf_append_string(line, remark) : st;
}

/* The lines that come before the message; none if all is well. */
static enum status
append_warnings(struct buf *line, const struct message *message)
{
	struct bytes peer = bytes_from_string(message->peer);
	enum status st = append_order(line, message);

	/* An event that nobody has signed says so itself. */
	if (st == STATUS_OK && peer.size > 0 &&
	    message->author == MESSAGE_AUTHOR_UNVERIFIED)
		st = buf_append_string(line,
		    "(Not verified: the server confirms no such author.)\n");
	if (st == STATUS_OK && message->author == MESSAGE_AUTHOR_CONFLICTING) {
		bool is_event = message->kind == MESSAGE_KIND_GROUP_EVENT;

		st = buf_append_format(line,
		    "WARNING: %s is NOT signed with the key that you know of ",
		    is_event ? "what the next line tells" : "the next message");
		if (st == STATUS_OK)
			st = output_append_text(line, peer);
		if (st == STATUS_OK)
			st = buf_append_format(line,
			    ".\nSomebody else may have %s it, or the key "
			    "was replaced: ask in another way.\n",
			    is_event ? "done" : "written");
	}
	return st;
}

/* When it was, if that is longer ago. */
static enum status
append_age(struct buf *line, const struct message *message, uint64_t now_ms)
{
	enum status st;

	if (message->stored_at_ms == 0 ||
	    message->stored_at_ms + MESSAGE_LINE_FRESH_MS >= now_ms)
		return STATUS_OK;
	st = output_append_time(line, message->stored_at_ms);
	return st == STATUS_OK ? buf_append_string(line, "  ") : st;
}

enum status
message_line_append_arrival(struct buf *line, const struct message *message,
    bool is_compared, uint64_t now_ms)
{
	enum status st = append_warnings(line, message);

	if (st == STATUS_OK)
		st = append_age(line, message, now_ms);
	if (st == STATUS_OK && message->kind == MESSAGE_KIND_GROUP_EVENT)
		return group_event_line_append(line, message);
	if (st == STATUS_OK)
		st = output_append_text(line, bytes_from_string(message->peer));
	if (st == STATUS_OK && is_compared)
		st = buf_append_string(line, " ✓");
	if (st == STATUS_OK && message->author == MESSAGE_AUTHOR_CONFLICTING)
		st = buf_append_string(line, " (or somebody else)");
	if (st == STATUS_OK)
		st = buf_append_string(line, " has sent a message to ");
	if (st == STATUS_OK)
		st = message->group_id == 0
			 ? buf_append_string(line, "you")
			 : group_event_line_append_name(
			       line, bytes_from_string(message->group_name));
	if (st == STATUS_OK)
		st = buf_append_string(line, ": ");
	if (st == STATUS_OK)
		st = output_append_lines(
		    line, bytes_make(message->text, message->text_size));
	return st;
}

const char *
message_line_outcome(enum message_outcome outcome)
{
	switch (outcome) {
	case MESSAGE_OUTCOME_STORED:
		return "";
	case MESSAGE_OUTCOME_PENDING:
		return " (not confirmed yet)";
	case MESSAGE_OUTCOME_UNKNOWN_RECIPIENT:
		return " (refused: no such recipient)";
	case MESSAGE_OUTCOME_STALE_RECIPIENT:
		return " (refused: the recipient's key was replaced)";
	case MESSAGE_OUTCOME_REFUSED:
		return " (refused by the server)";
	case MESSAGE_OUTCOME_NOT_SENT:
		return " (not sent)";
	}
	return "";
}

/* What a line of the history has behind the text. */
static const char *
remark(const struct message *message)
{
	if (message->direction == MESSAGE_DIRECTION_OUTGOING)
		return message_line_outcome(message->outcome);
	switch (message->author) {
	case MESSAGE_AUTHOR_PINNED:
		return "";
	case MESSAGE_AUTHOR_UNVERIFIED:
		return " (author not verified)";
	case MESSAGE_AUTHOR_CONFLICTING:
		return " (NOT signed with the author's known key)";
	}
	return "";
}

enum status
message_line_append_history(struct buf *line, const char *own_name,
    const struct message *message, size_t columns)
{
	bool is_incoming = message->direction == MESSAGE_DIRECTION_INCOMING;
	struct bytes own = bytes_from_string(own_name);
	struct bytes peer = bytes_from_string(message->peer);
	enum status st;

	st = output_append_time(line, message->stored_at_ms != 0
					  ? message->stored_at_ms
					  : message->sent_at_ms);
	if (st == STATUS_OK)
		st = buf_append_string(line, "  ");
	if (message->kind == MESSAGE_KIND_GROUP_EVENT) {
		/* The sign keeps a text from passing for an event. */
		if (st == STATUS_OK)
			st = buf_append_string(line, "* ");
		return st == STATUS_OK ? group_event_line_append(line, message)
				       : st;
	}
	if (columns > 0) {
		if (st == STATUS_OK)
			st = output_append_padded(
			    line, is_incoming ? peer : own, columns + 2);
	} else {
		if (st == STATUS_OK)
			st = output_append_text(line, is_incoming ? peer : own);
		if (st == STATUS_OK)
			st = buf_append_string(line, " to ");
		if (st == STATUS_OK)
			st = message->group_id != 0
				 ? group_event_line_append_name(line,
				       bytes_from_string(message->group_name))
				 : output_append_text(
				       line, is_incoming ? own : peer);
		if (st == STATUS_OK)
			st = buf_append_string(line, ": ");
	}
	if (st == STATUS_OK)
		st = output_append_lines(
		    line, bytes_make(message->text, message->text_size));
	return st == STATUS_OK ? buf_append_string(line, remark(message)) : st;
}
