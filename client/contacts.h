#ifndef PEYK_CLIENT_CONTACTS_H
#define PEYK_CLIENT_CONTACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/history.h"
#include "client/session.h"
#include "crypto/keys.h"
#include "wire/identity.h"

/*
 * Whom this account knows: keys pinned to names on first use
 * (docs/protocol.md section 8). A pinned name costs no look-up. Other keys
 * for a pinned name are kept beside the pin, block sending (exit 5), and the
 * pin stays.
 */
struct contact {
	char *name; /* as its owner spells it; sanitize for a terminal */
	char *canonical;
	struct signing_public_key signing_key; /* the pin */
	struct encryption_public_key encryption_key;
	uint8_t *identity; /* the pinned SignedIdentity, serialized */
	size_t identity_size;
	uint64_t pinned_at_ms;
	uint64_t verified_at_ms; /* 0: the safety number was never compared */
	bool is_changed;         /* the server named other keys since */
	uint64_t changed_at_ms;
	uint8_t *changed_identity; /* NULL unless is_changed */
	size_t changed_identity_size;
};

/* No-op on a zeroed one. */
void contact_clear(struct contact *contact);

struct contact_list {
	struct contact *items; /* by canonical name */
	size_t count;
};

void contact_list_clear(struct contact_list *list);

/* All of them; local. */
MUST_CHECK enum status contacts_list(struct session *session,
    struct contact_list *out, struct client_error *error);

/*
 * The pinned contact of a name in any spelling; local. STATUS_NOT_FOUND
 * (exit 1), STATUS_INVALID (exit 2: no valid name).
 */
MUST_CHECK enum status contacts_find(struct session *session, struct bytes name,
    struct contact *out, struct client_error *error);

/*
 * The contact of a name: the pin, or else the server's answer, verified,
 * which is pinned now (NOTICE_CONTACT_PINNED). STATUS_NOT_FOUND (exit 6):
 * the server knows nobody of this name. STATUS_INVALID (exit 2: no valid
 * name). A changed key is no error here: see contacts_check_unchanged().
 * STATUS_FORGED (exit 5): the server's answer is no identity of this name.
 * Failures of session.h.
 */
MUST_CHECK enum status contacts_resolve(struct session *session,
    struct bytes name, struct contact *out, struct client_error *error);

/*
 * Asks the server for the current keys of names, as many at once as it takes,
 * pins new ones (NOTICE_CONTACT_PINNED; one for all where they are many) and
 * notes changed ones (NOTICE_CONTACT_CHANGED). found[i] (may be NULL) tells
 * whether the server knows names[i]. Otherwise as contacts_resolve().
 */
MUST_CHECK enum status contacts_refresh(struct session *session,
    const struct bytes *names, size_t count, bool *found,
    struct client_error *error);

/*
 * How far the author of a message is who its (verified) identity says, by what
 * is known here: asks nobody. Oneself is pinned. Failures of client/state.h.
 */
MUST_CHECK enum status contacts_judge_author(struct session *session,
    const struct identity *author, enum message_author *out);

/* STATUS_STALE (exit 5) with a loud text if the key changed. */
MUST_CHECK enum status contacts_check_unchanged(
    const struct contact *contact, struct client_error *error);

/* Marks a contact as verified by its safety number, or takes that back. */
MUST_CHECK enum status contacts_set_verified(struct session *session,
    const struct contact *contact, bool is_verified,
    struct client_error *error);

/* 12 groups of 5 digits, joined by a space, and NUL. */
#define CONTACTS_SAFETY_NUMBER_SIZE 72

/*
 * The safety number of this account and the contact's pinned keys; with
 * of_changed the one of the keys that the server names now (asserted:
 * is_changed).
 */
MUST_CHECK enum status contacts_safety_number(struct session *session,
    const struct contact *contact, bool of_changed,
    char out[CONTACTS_SAFETY_NUMBER_SIZE], struct client_error *error);

#endif
