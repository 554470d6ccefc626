#include "client/chat_peer.h"

#include <assert.h>
#include <string.h>

#include "client/group_event_line.h"
#include "client/group_sending.h"
#include "client/output.h"
#include "client/sent_line.h"

static enum status
open_friend(
    struct session *session, struct chat_peer *peer, struct client_error *error)
{
	struct bytes name = bytes_from_string(peer->name);
	enum status st;

	client_display(name, peer->display, sizeof(peer->display));
	if ((st = contacts_resolve(session, name, &peer->contact, error)) !=
	    STATUS_OK)
		return st;
	return contacts_check_unchanged(&peer->contact, error);
}

static enum status
open_group(
    struct session *session, struct chat_peer *peer, struct client_error *error)
{
	enum status st;

	if ((st = group_sending_find(session, bytes_from_string(peer->name),
		 &peer->group, error)) != STATUS_OK ||
	    (st = group_sending_check(&peer->group, error)) != STATUS_OK)
		return st;
	sent_line_recipient(NULL, &peer->group, peer->display);
	group_conversation(peer->group.id, peer->conversation);
	peer->name = peer->conversation;
	return STATUS_OK;
}

enum status
chat_peer_open(struct session *session, const char *name, struct chat_peer *out,
    struct client_error *error)
{
	enum status st;

	*out = (struct chat_peer){.name = name, .is_group = name[0] == '@'};
	st = out->is_group ? open_group(session, out, error)
			   : open_friend(session, out, error);
	if (st != STATUS_OK)
		chat_peer_clear(out);
	return st;
}

void
chat_peer_clear(struct chat_peer *peer)
{
	contact_clear(&peer->contact);
	group_clear(&peer->group);
	*peer = (struct chat_peer){0};
}

enum status
chat_peer_append_greeting(
    const struct chat_peer *peer, const char *own_name, struct buf *out)
{
	char own[CLIENT_DISPLAY_SIZE];
	const char *more = "";

	client_display(bytes_from_string(own_name), own, sizeof(own));
	if (peer->is_group)
		more = " (/members lists them)";
	else if (peer->contact.verified_at_ms != 0)
		more = " ✓";
	else
		more = " (not verified: /verify shows the safety number)";
	return buf_append_format(out,
	    "%s, you talk to %s%s%s. /help says more; /quit or Ctrl-D ends.",
	    own, peer->is_group ? "the members of " : "", peer->display, more);
}

/* ---- /verify ---- */

static enum status
append_number_of_friend(struct session *session, const struct chat_peer *peer,
    struct buf *out, struct client_error *error)
{
	char number[CONTACTS_SAFETY_NUMBER_SIZE];
	struct contact contact = {0};
	enum status st;

	if ((st = contacts_find(session, bytes_from_string(peer->name),
		 &contact, error)) != STATUS_OK ||
	    (st = contacts_safety_number(
		 session, &contact, false, number, error)) != STATUS_OK)
		goto out;
	st = buf_append_format(out,
	    "Safety number with %s (%s):\n    %s\n  Is it the same there? Then "
	    "“peyk verify” marks it.",
	    peer->display,
	    contact.verified_at_ms != 0 ? "compared before ✓"
					: "not compared yet",
	    number);
	if (st != STATUS_OK)
		st =
		    client_error_set_plain(error, st, "show the safety number");
out:
	contact_clear(&contact);
	return st;
}

static enum status
append_number_of_group(struct session *session, const struct chat_peer *peer,
    struct buf *out, struct client_error *error)
{
	char number[GROUPS_SAFETY_NUMBER_SIZE], shown[CLIENT_DISPLAY_SIZE];
	struct group group = {0};
	enum status st;

	if ((st = groups_read(session, peer->group.id, &group, error)) !=
		STATUS_OK ||
	    (st = groups_safety_number(&group, number, error)) != STATUS_OK)
		goto out;
	group_event_line_name(bytes_from_string(group.name), shown);
	st = buf_append_format(out,
	    "Safety number of %s in epoch %lu:\n    %s\n  Members in the same "
	    "epoch who have the same number have the same list of members%s.",
	    shown, (unsigned long)group.epoch, number,
	    group.is_forked ? ".\n  WARNING: a member has shown another list"
			    : "");
	if (st != STATUS_OK)
		st =
		    client_error_set_plain(error, st, "show the safety number");
out:
	group_clear(&group);
	return st;
}

enum status
chat_peer_append_safety_number(struct session *session,
    const struct chat_peer *peer, struct buf *out, struct client_error *error)
{
	return peer->is_group
		   ? append_number_of_group(session, peer, out, error)
		   : append_number_of_friend(session, peer, out, error);
}

/* ---- /members ---- */

static const char *
remark_author(enum message_author author)
{
	switch (author) {
	case MESSAGE_AUTHOR_PINNED:
		return "";
	case MESSAGE_AUTHOR_UNVERIFIED:
		return ", not known here";
	case MESSAGE_AUTHOR_CONFLICTING:
		return ", NOT the key that you know";
	}
	return "";
}

/* "client#2 (admin, you)" */
static enum status
append_member(const struct group_member *member, struct buf *out)
{
	char remarks[128] = "";
	enum status st;

	if (member->is_admin)
		(void)strcat(remarks, ", admin");
	if (member->is_self)
		(void)strcat(remarks, ", you");
	else
		(void)strcat(remarks, remark_author(member->author));
	if (member->has_left)
		(void)strcat(remarks, ", has left");
	st = output_append_text(out, bytes_from_string(member->name));
	if (st == STATUS_OK && remarks[0] != '\0')
		st = buf_append_format(out, " (%s)", remarks + 2);
	return st;
}

enum status
chat_peer_append_members(struct session *session, const struct chat_peer *peer,
    struct buf *out, struct client_error *error)
{
	struct group_member_list members = {0};
	char shown[CLIENT_DISPLAY_SIZE];
	struct group group = {0};
	enum status st;

	assert(peer->is_group);
	if ((st = groups_read(session, peer->group.id, &group, error)) !=
		STATUS_OK ||
	    (st = groups_members(session, &group, &members, error)) !=
		STATUS_OK)
		goto out;
	/* It may have been renamed, or have ended, since the chat began. */
	group_event_line_name(bytes_from_string(group.name), shown);
	st = buf_append_format(out, "%s of %s (%zu):",
	    group_sending_check(&group, NULL) == STATUS_OK ? "Members"
							   : "Last members",
	    shown, members.count);
	for (size_t i = 0; i < members.count && st == STATUS_OK; i++) {
		st = buf_append_string(out, "\n    ");
		if (st == STATUS_OK)
			st = append_member(&members.items[i], out);
	}
	if (st != STATUS_OK)
		st = client_error_set_plain(error, st, "list the members");
out:
	group_member_list_clear(&members);
	group_clear(&group);
	return st;
}
