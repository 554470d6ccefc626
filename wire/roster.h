#ifndef PEYK_WIRE_ROSTER_H
#define PEYK_WIRE_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * Rosters and leaves: what members of a group sign and everybody, the server
 * too, verifies (docs/protocol.md section 13). Any thread.
 */

struct roster_member {
	const char *name; /* as its owner writes it; keeps the name's rules */
	struct signing_public_key signing_key;
	struct encryption_public_key encryption_key;
};

/* What a Roster says. To make one, fill in all but hash and message. */
struct roster {
	uint64_t group_id;
	uint32_t epoch;
	bool has_previous;                  /* false in epoch 1 */
	struct sha256_digest previous_hash;
	struct signing_public_key server_key;
	const char *name;
	struct signing_public_key admin_key;
	const struct roster_member *members; /* by signing key, rising */
	size_t member_count;
	struct sha256_digest key_commitment;

	struct sha256_digest hash; /* of the content, as received */
	void *message;             /* private: what the pointers point into */
};

/*
 * A group's name: 1 to WIRE_GROUP_NAME_LENGTH code points of valid UTF-8
 * without control characters and line separators, not beginning with "@", and
 * without a space at either end.
 */
bool roster_name_is_valid(struct bytes name);

/* Puts members into their order. */
void roster_sort(struct roster_member *members, size_t count);

/*
 * Signs a roster and appends a serialized SignedMessage to out, at most
 * WIRE_SIGNED_ROSTER_MAX bytes. hash: of its content. STATUS_INVALID if it
 * breaks a rule of roster_open(); STATUS_TOO_LARGE, STATUS_NOMEM.
 */
MUST_CHECK enum status roster_make(const struct roster *roster,
    const struct signing_secret_key *admin_key, struct buf *out,
    struct sha256_digest *hash);

/*
 * Parses and verifies a serialized SignedMessage. signer: whose signature it
 * must be, the admin of the epoch before; NULL: the admin that it names. Clear
 * *out, whose pointers live until then.
 *
 * STATUS_INVALID if it is malformed or breaks a rule: sizes, the name, epoch 1
 * and only that without a previous hash, 1 to WIRE_GROUP_MEMBERS_MAX members
 * in strictly rising order of keys, no canonical name twice, the admin among
 * them. STATUS_FORGED if the signature is wrong or it is of another server.
 * STATUS_TOO_LARGE, STATUS_NOMEM.
 */
MUST_CHECK enum status roster_open(struct bytes from,
    const struct signing_public_key *signer,
    const struct signing_public_key *server_key, struct roster *out);

/*
 * The same of one that was verified before and kept where nobody alters it:
 * whoever signed it.
 */
MUST_CHECK enum status roster_reopen(struct bytes from,
    const struct signing_public_key *server_key, struct roster *out);

/* Frees. No-op on a zeroed one. */
void roster_clear(struct roster *roster);

/* The member that has a signing key; NULL: none. */
const struct roster_member *roster_find(const struct roster *roster,
    const struct signing_public_key *signing_key);

/* ---- Leaves ---- */

struct leave {
	uint64_t group_id;
	uint32_t epoch; /* the one that the member knew, from 1 */
	struct sha256_digest roster_hash;
	struct signing_public_key member_key;
};

/* Appends a serialized SignedMessage, at most WIRE_SIGNED_LEAVE_MAX bytes. */
MUST_CHECK enum status leave_make(const struct leave *leave,
    const struct signing_secret_key *member_key, struct buf *out);

/*
 * Parses it and verifies that member_key signed it. STATUS_INVALID,
 * STATUS_FORGED, STATUS_TOO_LARGE, STATUS_NOMEM.
 */
MUST_CHECK enum status leave_open(struct bytes from, struct leave *out);

#endif
