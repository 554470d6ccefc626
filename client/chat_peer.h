#ifndef PEYK_CLIENT_CHAT_PEER_H
#define PEYK_CLIENT_CHAT_PEER_H

#include "base/buf.h"
#include "base/status.h"
#include "client/contacts.h"
#include "client/error.h"
#include "client/groups.h"
#include "client/session.h"

/* Whom a chat is with, and what it says about it. */
struct chat_peer {
	/* What the modules call it: the name as given, or a group's
	   conversation, which stays the same when the group is renamed. */
	const char *name;
	char display[CLIENT_DISPLAY_SIZE];
	bool is_group;
	struct contact contact; /* a friend's */
	struct group group;
	char conversation[GROUP_CONVERSATION_SIZE];
};

/*
 * Finds who is meant by "client#3" or "@team"; name outlives it. Clear it, and
 * do not copy it. STATUS_DENIED (exit 6): a group that we are not in any more.
 * Failures of contacts_resolve(), contacts_check_unchanged(),
 * group_sending_find().
 */
MUST_CHECK enum status chat_peer_open(struct session *session, const char *name,
    struct chat_peer *out, struct client_error *error);

/* No-op on a zeroed one. */
void chat_peer_clear(struct chat_peer *peer);

/* What follows appends whole sentences, sanitized. */

MUST_CHECK enum status chat_peer_append_greeting(
    const struct chat_peer *peer, const char *own_name, struct buf *out);

/* As it is now. Fills error in. */
MUST_CHECK enum status chat_peer_append_safety_number(struct session *session,
    const struct chat_peer *peer, struct buf *out, struct client_error *error);

/* Of a group (asserted), by name. Fills error in. */
MUST_CHECK enum status chat_peer_append_members(struct session *session,
    const struct chat_peer *peer, struct buf *out, struct client_error *error);

#endif
