#ifndef PEYK_CLIENT_GROUP_PEOPLE_H
#define PEYK_CLIENT_GROUP_PEOPLE_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/contacts.h"
#include "client/error.h"
#include "client/session.h"
#include "wire/roster.h"

/* Whom a command about a group means, for client/group_admin.c. */

/*
 * The contacts of names in any spelling, each once: pinned, or looked up (many
 * at once) and pinned now. Clear *out. STATUS_INVALID (exit 2): no valid name,
 * oneself, or more than any group may have. STATUS_NOT_FOUND (exit 6): nobody has it. STATUS_STALE (exit 5):
 * a key changed. STATUS_FORGED (exit 5), failures of session.h.
 */
MUST_CHECK enum status group_people_resolve(struct session *session,
    const struct bytes *names, size_t count, struct contact_list *out,
    struct client_error *error);

/*
 * The members of a roster whom names mean, each once; free() *out, whose names
 * are the roster's. STATUS_INVALID (exit 2): no valid name, oneself, or not in
 * the group, whose name is for the text.
 */
MUST_CHECK enum status group_people_pick(struct session *session,
    const struct roster *roster, const struct bytes *names, size_t count,
    const char *group_name, struct roster_member **out, size_t *picked,
    struct client_error *error);

/* STATUS_INVALID (exit 2): no group may have so many members. */
MUST_CHECK enum status group_people_check_count(
    const struct session *session, size_t count, struct client_error *error);

/*
 * The server says that some key is not current: asks for all of them. Tells
 * the first one of whom that is true: STATUS_STALE (exit 5), STATUS_NOT_FOUND
 * (exit 6: no account any more). STATUS_OK: it is true of nobody.
 */
MUST_CHECK enum status group_people_check_current(struct session *session,
    const struct roster_member *members, size_t count,
    struct client_error *error);

#endif
