#include "client/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/text.h"
#include "client/groups.h"
#include "client/state_messages.h"

void
message_clear(struct message *message)
{
	free(message->peer);
	free(message->peer_canonical);
	free(message->text);
	free(message->group_name);
	*message = (struct message){0};
}

void
message_list_clear(struct message_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		message_clear(&list->items[i]);
	free(list->items);
	*list = (struct message_list){0};
}

enum status
history_canonical(
    struct bytes name, struct buf *out, struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];
	enum status st;

	st = name_append_canonical(name, out);
	if (st == STATUS_INVALID) {
		client_display(name, shown, sizeof(shown));
		return client_error_set(error, st, EXIT_CODE_USAGE,
		    "\"%s\" cannot be a username. %s", shown,
		    name_problem_text(name_check(name)));
	}
	return st == STATUS_OK
		   ? STATUS_OK
		   : client_error_set_plain(error, st, "read the username");
}

enum status
history_conversation(struct session *session, struct bytes name,
    struct buf *out, struct client_error *error)
{
	char conversation[GROUP_CONVERSATION_SIZE];
	struct group group = {0};
	enum status st;

	if (name.size == 0 || name.data[0] != '@')
		return history_canonical(name, out, error);
	if ((st = groups_find(session, name, &group, error)) != STATUS_OK)
		return st;
	group_conversation(group.id, conversation);
	group_clear(&group);
	st = buf_append_string(out, conversation);
	return st == STATUS_OK
		   ? STATUS_OK
		   : client_error_set_plain(error, st, "read the group's name");
}

enum status
history_list(struct session *session, const struct history_query *query,
    struct message_list *out, struct client_error *error)
{
	struct state_message_query state_query = {
	    .after = query->after,
	    .before = query->before,
	    .limit = query->limit,
	    .is_from_end = query->is_from_end,
	};
	struct buf conversation;
	enum status st;

	buf_init(&conversation, HISTORY_CONVERSATION_SIZE_MAX);
	if (state_query.limit == 0 || state_query.limit > HISTORY_PAGE_MAX)
		state_query.limit = HISTORY_PAGE_MAX;
	if (query->peer.size > 0) {
		if ((st = history_conversation(
			 session, query->peer, &conversation, error)) !=
		    STATUS_OK)
			goto out;
		if ((st = buf_string(&conversation,
			 &state_query.conversation)) != STATUS_OK) {
			st = client_error_set_plain(
			    error, st, "read the username");
			goto out;
		}
	}
	st = state_message_list(session_state(session), &state_query, out);
	if (st != STATUS_OK)
		st = state_error(error, st);
out:
	buf_clear(&conversation);
	return st;
}

void
message_id_format(
    const uint8_t id[MESSAGE_ID_SIZE], char out[MESSAGE_ID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < MESSAGE_ID_SIZE; i++) {
		out[2 * i] = digits[id[i] >> 4];
		out[2 * i + 1] = digits[id[i] & 15];
	}
	out[2 * MESSAGE_ID_SIZE] = '\0';
}

/* Copies text without the hyphens of a UUID; they stand in fixed places. */
static size_t
without_hyphens(const char *text, char out[MESSAGE_ID_TEXT_SIZE])
{
	size_t size = strlen(text), used = 0;

	if (size != 36)
		return 0;
	for (size_t i = 0; i < size; i++) {
		bool is_place = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_place != (text[i] == '-'))
			return 0;
		if (!is_place)
			out[used++] = text[i];
	}
	return used;
}

enum status
message_id_parse(
    const char *text, uint8_t out[MESSAGE_ID_SIZE], struct client_error *error)
{
	struct bytes digits = bytes_from_string(text);
	char plain[MESSAGE_ID_TEXT_SIZE];
	struct buf decoded;
	size_t size;
	enum status st;

	buf_init(&decoded, MESSAGE_ID_SIZE);
	if ((size = without_hyphens(text, plain)) > 0)
		digits = bytes_make(plain, size);
	st = text_decode(TEXT_ENCODING_HEX, digits, &decoded);
	if (st == STATUS_OK && decoded.size == MESSAGE_ID_SIZE)
		memcpy(out, decoded.data, MESSAGE_ID_SIZE);
	else if (st != STATUS_NOMEM)
		st = STATUS_INVALID;
	buf_clear(&decoded);
	if (st == STATUS_INVALID)
		return client_error_set(error, st, EXIT_CODE_USAGE,
		    "A message's id is 32 hexadecimal digits, or a UUID.");
	return st == STATUS_OK
		   ? STATUS_OK
		   : client_error_set_plain(error, st, "read the id");
}

const char *
message_outcome_name(enum message_outcome outcome)
{
	switch (outcome) {
	case MESSAGE_OUTCOME_PENDING:
		return "pending";
	case MESSAGE_OUTCOME_STORED:
		return "stored";
	case MESSAGE_OUTCOME_UNKNOWN_RECIPIENT:
		return "unknown_recipient";
	case MESSAGE_OUTCOME_STALE_RECIPIENT:
		return "stale_recipient";
	case MESSAGE_OUTCOME_REFUSED:
		return "refused";
	case MESSAGE_OUTCOME_NOT_SENT:
		return "not_sent";
	}
	return "unknown";
}

const char *
message_author_name(enum message_author author)
{
	switch (author) {
	case MESSAGE_AUTHOR_UNVERIFIED:
		return "unverified";
	case MESSAGE_AUTHOR_PINNED:
		return "pinned";
	case MESSAGE_AUTHOR_CONFLICTING:
		return "conflicting";
	}
	return "unknown";
}

const char *
message_order_name(enum message_order order)
{
	switch (order) {
	case MESSAGE_ORDER_EXPECTED:
		return "expected";
	case MESSAGE_ORDER_MISSING:
		return "missing";
	case MESSAGE_ORDER_FORKED:
		return "forked";
	case MESSAGE_ORDER_EARLIER:
		return "earlier";
	case MESSAGE_ORDER_ANEW:
		return "anew";
	}
	return "unknown";
}

const char *
group_event_name(enum group_event event)
{
	switch (event) {
	case GROUP_EVENT_NONE:
		break;
	case GROUP_EVENT_JOINED:
		return "joined";
	case GROUP_EVENT_LEFT:
		return "left";
	case GROUP_EVENT_REMOVED:
		return "removed";
	case GROUP_EVENT_KEY_REFRESHED:
		return "key_refreshed";
	case GROUP_EVENT_RENAMED:
		return "renamed";
	case GROUP_EVENT_ADMIN_CHANGED:
		return "admin_changed";
	case GROUP_EVENT_DELETED:
		return "deleted";
	case GROUP_EVENT_KEY_WRONG:
		return "key_wrong";
	case GROUP_EVENT_ROSTER_MISSED:
		return "roster_missed";
	case GROUP_EVENT_FORKED:
		return "forked";
	case GROUP_EVENT_KEY_CONFLICT:
		return "key_conflict";
	}
	return "unknown";
}
