#include "client/incoming_told.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/group_work.h"
#include "client/session_request.h"
#include "client/state_acks.h"
#include "client/state_messages.h"

/* Reasons with words of their own. */
enum reason {
	REASON_OTHER,
	REASON_MESSAGE,
	REASON_UPDATE,
	REASON_CONFLICT,
	REASON_COUNT,
};

static const char *const reasons[REASON_COUNT] = {
    [REASON_MESSAGE] = GROUP_REASON_MESSAGE,
    [REASON_UPDATE] = GROUP_REASON_UPDATE,
    [REASON_CONFLICT] = GROUP_REASON_CONFLICT,
};

/* How many were set aside for one of them, for the user. */
static void
word_set_aside(
    enum reason which, unsigned long long count, char *out, size_t size)
{
	const char *text =
	    count == 1
		? "message could not be read and was set aside: it is "
		  "damaged, was meant for somebody else, or comes from a newer "
		  "Peyk."
		: "messages could not be read and were set aside: they "
		  "are damaged, were meant for somebody else, or come from a "
		  "newer Peyk.";

	if (which == REASON_MESSAGE)
		text = count == 1
			   ? "message to a group could not be read and "
			     "was set aside: it is damaged, repeated, or older "
			     "than the keys that are left."
			   : "messages to groups could not be read and "
			     "were set aside: they are damaged, repeated, or "
			     "older than the keys that are left.";
	else if (which == REASON_UPDATE)
		text = count == 1
			   ? "change of a group was set aside: it does "
			     "not come from the group's admin, or is damaged."
			   : "changes of groups were set aside: they do "
			     "not come from the groups' admins, or are "
			     "damaged.";
	else if (which == REASON_CONFLICT)
		text = count == 1
			   ? "invitation to a group was set "
			     "aside: it is signed by another key than the one "
			     "that is pinned to its author's name. Somebody "
			     "may be pretending to be that contact."
			   : "invitations to groups were set "
			     "aside: they are signed by other keys than those "
			     "that are pinned to their authors' names. "
			     "Somebody may be pretending to be those "
			     "contacts.";
	(void)snprintf(out, size, "%s%llu %s",
	    which == REASON_CONFLICT ? "WARNING: " : "", count, text);
}

/* Of each reason, those that were not told of yet; from now on they are. */
static enum status
count_set_aside(struct state *state, uint64_t counts[REASON_COUNT])
{
	enum status st;

	if ((st = state_begin(state)) != STATUS_OK)
		return st;
	st = state_set_aside_count_untold(state, NULL, &counts[REASON_OTHER]);
	for (int i = REASON_MESSAGE; i < REASON_COUNT && st == STATUS_OK; i++) {
		st =
		    state_set_aside_count_untold(state, reasons[i], &counts[i]);
		if (st == STATUS_OK)
			counts[REASON_OTHER] -= counts[i];
	}
	if (st == STATUS_OK)
		st = state_set_aside_mark_told(state);
	if (st == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	return st;
}

enum status
incoming_tell_set_aside(struct session *session, struct client_error *error)
{
	struct state *state = session_state(session);
	uint64_t counts[REASON_COUNT] = {0};
	char text[512];
	enum status st;

	st = state_set_aside_count_untold(state, NULL, &counts[REASON_OTHER]);
	if (st == STATUS_OK && counts[REASON_OTHER] == 0)
		return STATUS_OK;
	if (st == STATUS_OK)
		st = count_set_aside(state, counts);
	if (st != STATUS_OK)
		return state_error(error, st);
	for (int i = REASON_OTHER; i < REASON_COUNT; i++) {
		if (counts[i] == 0)
			continue;
		word_set_aside((enum reason)i, counts[i], text, sizeof(text));
		session_notice(session, NOTICE_SET_ASIDE, NULL,
		    (unsigned long)counts[i], text);
	}
	return STATUS_OK;
}

enum status
incoming_tell_others(struct session *session, const char *conversation,
    struct client_error *error)
{
	struct state *state = session_state(session);
	uint64_t count = 0, told;
	char name[CLIENT_DISPLAY_SIZE], shown[CLIENT_DISPLAY_SIZE];
	char text[2 * CLIENT_DISPLAY_SIZE + 128];
	char *last = NULL, *group = NULL;
	bool is_group;
	enum status st;

	if (conversation == NULL)
		return STATUS_OK;
	st = state_incoming_count_waiting(state, conversation, &count);
	if (st != STATUS_OK)
		return state_error(error, st);
	told = session_others_told(session, count);
	if (count <= told)
		return STATUS_OK;
	st = state_incoming_last_waiting(state, conversation, &last, &group);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK; /* another process has just taken it */
	if (st != STATUS_OK)
		return state_error(error, st);
	client_display(bytes_from_string(last), name, sizeof(name));
	client_display(bytes_from_string(group), shown, sizeof(shown));
	is_group = group[0] != '\0';
	free(last);
	free(group);
	if (count == 1)
		(void)snprintf(text, sizeof(text),
		    is_group ? "There is a message from %s in %s: \"peyk "
			       "poll\" shows it."
			     : "%s has sent a message to you: \"peyk poll\" "
			       "shows it.",
		    name, shown);
	else
		(void)snprintf(text, sizeof(text),
		    is_group ? "%llu new messages of others are waiting, the "
			       "last from %s in %s: \"peyk poll\" shows them."
			     : "%llu new messages of others are waiting, the "
			       "last from %s: \"peyk poll\" shows them.",
		    (unsigned long long)count, name, shown);
	session_notice(
	    session, NOTICE_OTHERS_WAITING, name, (unsigned long)count, text);
	return STATUS_OK;
}
