#ifndef PEYK_CLIENT_GROUPS_H
#define PEYK_CLIENT_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/history.h"
#include "client/session.h"
#include "crypto/keys.h"
#include "e2ee/group_key.h"

/* The groups that this account is in, or was. Local; asks no server. */

/* How this account stands to a group. The numbers are stored. */
enum group_status {
	/* Ours, and its first key is still to be made. */
	GROUP_STATUS_CREATING = 0,
	GROUP_STATUS_ACTIVE = 1,
	GROUP_STATUS_LEFT = 2,    /* we left */
	GROUP_STATUS_REMOVED = 3, /* the admin's letter, or the server, says so */
	GROUP_STATUS_DELETED = 4, /* the admin has deleted it */
};

/* Names are UTF-8 as they came: sanitize for a terminal. */
struct group {
	uint64_t id;
	char *name;
	enum group_status status;
	bool is_admin;   /* we are */
	uint32_t epoch;  /* the last one that was entered; 0: none */
	struct sha256_digest roster_hash;
	uint8_t *roster; /* of that epoch: a SignedMessage, serialized */
	size_t roster_size;
	/* Another member's message named another roster of one epoch: the
	   admin or the server shows members different lists. */
	bool is_forked;
	uint64_t waiting; /* messages that cannot be read before a key comes */
};

/* No-op on a zeroed one. */
void group_clear(struct group *group);

struct group_list {
	struct group *items; /* by name, then id */
	size_t count;
};

void group_list_clear(struct group_list *list);

MUST_CHECK enum status groups_list(struct session *session,
    struct group_list *out, struct client_error *error);

/*
 * The group that a person means: "@team", "team", or its id, with or without
 * "@"; an id goes before a name that looks like it. Of several with one name
 * those that are ACTIVE or CREATING come first. STATUS_NOT_FOUND (exit 1);
 * STATUS_INVALID (exit 2: several have the name; the text lists their ids).
 */
MUST_CHECK enum status groups_find(struct session *session, struct bytes name,
    struct group *out, struct client_error *error);

/* STATUS_NOT_FOUND (exit 1). */
MUST_CHECK enum status groups_read(struct session *session, uint64_t id,
    struct group *out, struct client_error *error);

struct group_member {
	char *name;
	struct signing_public_key signing_key;
	struct encryption_public_key encryption_key;
	bool is_admin;
	bool is_self;
	bool has_left; /* since the epoch began */
	/* What is pinned here to the name: this key, another, or nothing. */
	enum message_author author;
};

struct group_member_list {
	struct group_member *items; /* by canonical name */
	size_t count;
};

void group_member_list_clear(struct group_member_list *list);

/* Of the group's roster. Empty before the first epoch. */
MUST_CHECK enum status groups_members(struct session *session,
    const struct group *group, struct group_member_list *out,
    struct client_error *error);

/* 12 groups of 5 digits and NUL; equal for all who have the same roster. */
#define GROUPS_SAFETY_NUMBER_SIZE (E2EE_GROUP_SAFETY_NUMBER_LENGTH + 1)

MUST_CHECK enum status groups_safety_number(const struct group *group,
    char out[GROUPS_SAFETY_NUMBER_SIZE], struct client_error *error);

/*
 * What the history calls a conversation: the canonical name of a contact, or
 * "@" and the id of a group in decimal (no username begins with "@").
 */
#define GROUP_CONVERSATION_SIZE 22

void group_conversation(uint64_t id, char out[GROUP_CONVERSATION_SIZE]);

/* "creating", "active", "left", "removed", "deleted". */
const char *group_status_name(enum group_status status);

#endif
