#ifndef PEYK_CLIENT_HISTORY_H
#define PEYK_CLIENT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/name.h"
#include "base/status.h"
#include "client/error.h"
#include "client/session.h"
#include "crypto/keys.h"

/* The messages that this device has sent and received. */

#define MESSAGE_ID_SIZE 16

enum message_direction {
	MESSAGE_DIRECTION_INCOMING = 0,
	MESSAGE_DIRECTION_OUTGOING = 1,
};

/* Of outgoing messages. The numbers are stored. */
enum message_outcome {
	/* In the outbox: the server may or may not have it. */
	MESSAGE_OUTCOME_PENDING = 0,
	/* The server has stored it for the recipient. */
	MESSAGE_OUTCOME_STORED = 1,
	/* Refused: the server never knew this key. */
	MESSAGE_OUTCOME_UNKNOWN_RECIPIENT = 2,
	/* Refused: the recipient's key was replaced, or the account is gone. */
	MESSAGE_OUTCOME_STALE_RECIPIENT = 3,
	/* The whole request was refused. */
	MESSAGE_OUTCOME_REFUSED = 4,
	/* Never left, because something before it failed. Not stored. */
	MESSAGE_OUTCOME_NOT_SENT = 5,
};

/* Of incoming messages: how sure the author is. The numbers are stored. */
enum message_author {
	/* Nothing known of the name yet, or the server does not know it. */
	MESSAGE_AUTHOR_UNVERIFIED = 0,
	/* Signed by the key that is pinned to the name. */
	MESSAGE_AUTHOR_PINNED = 1,
	/* Signed by another key than the one pinned to the name: a changed
	   key, or somebody who pretends. Show it loudly. */
	MESSAGE_AUTHOR_CONFLICTING = 2,
};

/*
 * Of incoming messages: what the sender's counters say. The numbers are
 * stored. All but EXPECTED are worth a word to the user.
 */
enum message_order {
	MESSAGE_ORDER_EXPECTED = 0,
	MESSAGE_ORDER_MISSING = 1, /* missing_before it never came */
	MESSAGE_ORDER_FORKED = 2,  /* the one before it came altered or not */
	MESSAGE_ORDER_EARLIER = 3, /* it should have come earlier */
	MESSAGE_ORDER_ANEW = 4,    /* the sender lost its state, began anew */
};

/* What a row of the history is. The numbers are stored. */
enum message_kind {
	MESSAGE_KIND_TEXT = 0,
	/*
	 * Something happened to a group: incoming, by peer. Its id follows from
	 * what its author signed.
	 */
	MESSAGE_KIND_GROUP_EVENT = 1,
};

/*
 * What happened to a group. The text of the message holds names, one a line,
 * where they are told here. The numbers are stored.
 */
enum group_event {
	GROUP_EVENT_NONE = 0,
	GROUP_EVENT_JOINED = 1,        /* who; oneself too */
	GROUP_EVENT_LEFT = 2,          /* by peer */
	GROUP_EVENT_REMOVED = 3,       /* who; oneself too */
	GROUP_EVENT_KEY_REFRESHED = 4, /* alone, without another change */
	GROUP_EVENT_RENAMED = 5,       /* the new name */
	GROUP_EVENT_ADMIN_CHANGED = 6, /* who it is now */
	GROUP_EVENT_DELETED = 7,
	/* Warnings: show them loudly. */
	GROUP_EVENT_KEY_WRONG = 8,     /* the admin's letter holds no key of it */
	GROUP_EVENT_ROSTER_MISSED = 9, /* updates never came; rosters unseen */
	GROUP_EVENT_FORKED = 10,       /* peer has another roster than we do */
	/* The roster has another key for a name than is pinned: who. */
	GROUP_EVENT_KEY_CONFLICT = 11,
};

/* Names and text are UTF-8 as they came: sanitize for a terminal. */
struct message {
	int64_t number; /* local, rising in the order of storing */
	enum message_direction direction;
	uint8_t id[MESSAGE_ID_SIZE]; /* chosen by the sender */
	char *peer;                  /* the other's name, as it spells it */
	char *peer_canonical;
	struct signing_public_key peer_key;
	char *text; /* without a NUL inside */
	size_t text_size;
	uint64_t sent_at_ms;          /* the sender's clock */
	uint64_t stored_at_ms;        /* the server's clock; 0 while unknown */
	enum message_outcome outcome; /* outgoing */
	enum message_author author;   /* incoming */
	enum message_order order;     /* incoming */
	uint64_t missing_before; /* MESSAGE_ORDER_MISSING: how many; else 0 */
	bool is_shown;           /* incoming: a command has displayed it */
	/* 0: between two users. Otherwise peer is who wrote it or did it, and
	   in outgoing messages empty, as is peer_key. */
	uint64_t group_id;
	char *group_name; /* as the group is called now; "" without a group */
	uint32_t epoch;   /* of the group */
	enum message_kind kind;
	enum group_event event;
};

/* No-op on a zeroed one. */
void message_clear(struct message *message);

struct message_list {
	struct message *items;
	size_t count;
};

/* No-op on a zeroed one. */
void message_list_clear(struct message_list *list);

/* Most messages that one list holds; page with before and after. */
#define HISTORY_PAGE_MAX 1000

struct history_query {
	/* A name in any spelling, or a group as groups_find() takes it, with
	   "@"; empty: everyone. */
	struct bytes peer;
	int64_t after;     /* only numbers above it; 0: all */
	int64_t before;    /* only numbers below it; 0: all */
	size_t limit;      /* 0: HISTORY_PAGE_MAX */
	/* The last `limit` of those that match instead of the first. The list
	   is in rising order either way. */
	bool is_from_end;
};

/* STATUS_INVALID (exit 2): peer is no valid name. */
MUST_CHECK enum status history_list(struct session *session,
    const struct history_query *query, struct message_list *out,
    struct client_error *error);

/* Appends the canonical form of a name. STATUS_INVALID (exit 2). */
MUST_CHECK enum status history_canonical(
    struct bytes name, struct buf *out, struct client_error *error);

/*
 * Appends what the history calls a conversation: the canonical form of a name,
 * or of "@team" group_conversation() (client/groups.h). STATUS_INVALID (exit
 * 2), STATUS_NOT_FOUND (exit 1: no such group).
 */
#define HISTORY_CONVERSATION_SIZE_MAX NAME_CANONICAL_SIZE_MAX

MUST_CHECK enum status history_conversation(struct session *session,
    struct bytes name, struct buf *out, struct client_error *error);

/* 32 lower-case hex digits and NUL. */
#define MESSAGE_ID_TEXT_SIZE 33

void message_id_format(
    const uint8_t id[MESSAGE_ID_SIZE], char out[MESSAGE_ID_TEXT_SIZE]);

/* 32 hex digits, or a UUID with its hyphens. STATUS_INVALID (exit 2). */
MUST_CHECK enum status message_id_parse(
    const char *text, uint8_t out[MESSAGE_ID_SIZE], struct client_error *error);

/*
 * "stored", "pending" and so on; "pinned", "unverified", "conflicting";
 * "expected", "missing", "forked", "earlier", "anew".
 */
const char *message_outcome_name(enum message_outcome outcome);
const char *message_author_name(enum message_author author);
const char *message_order_name(enum message_order order);
/* "joined", "left", "removed", "key_refreshed", "renamed" and so on. */
const char *group_event_name(enum group_event event);

#endif
