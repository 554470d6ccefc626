#ifndef PEYK_CLIENT_GROUP_RENEWAL_H
#define PEYK_CLIENT_GROUP_RENEWAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/contacts.h"
#include "client/error.h"
#include "client/group_change.h"
#include "client/session.h"

/*
 * Takes a group of ours into its next epoch, for client/group_admin.c:
 *
 *	ask how it stands ── make roster, key, letters ── request ── enter
 *	      ^                                              |
 *	      └────────── it has changed meanwhile ──────────┘
 */

/* What is to change. All borrowed. */
struct group_wish {
	enum group_change_kind kind;
	const struct contact_list *coming; /* ADD */
	const struct bytes *names;         /* REMOVE; HAND_OVER: one */
	size_t name_count;
	const char *name; /* RENAME */
	/* ROTATE: only if the group has no key yet, or somebody has left. */
	bool is_if_owed;
};

/* Errors of group_admin.h. */
MUST_CHECK enum status group_renewal_run(struct session *session,
    uint64_t group_id, const struct group_wish *wish,
    struct client_error *error);

#endif
