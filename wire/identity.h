#ifndef PEYK_WIRE_IDENTITY_H
#define PEYK_WIRE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/name.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "gen/peyk/v1/payload.pb-c.h"

/*
 * SignedIdentity: the statement by which a user binds keys to a name
 * (docs/protocol.md section 8). Any thread.
 */

/* What a verified statement says. A plain value without secrets. */
struct identity {
	char name[NAME_SIZE_MAX + 1]; /* as its owner writes it */
	char canonical_name[NAME_CANONICAL_SIZE_MAX + 1];
	struct signing_public_key signing_key;
	struct encryption_public_key encryption_key;
	struct signing_public_key server_key;
	uint64_t created_at_ms;
};

/*
 * Appends a serialized SignedIdentity to out, at most
 * WIRE_SIGNED_IDENTITY_MAX bytes. STATUS_INVALID if the name is not allowed
 * (name_check() says why) or the time is past WIRE_TIME_MAX_MS.
 */
MUST_CHECK enum status identity_make(struct bytes name,
    const struct signing_key_pair *signing_key,
    const struct encryption_public_key *encryption_key,
    const struct signing_public_key *server_key, uint64_t created_at_ms,
    struct buf *out);

/*
 * Verifies a statement: sizes, the signature by the key inside it, the
 * server, the name's rules. It never vouches for its own name: compare with
 * the name that was asked for (identity_is_named()) or with a pin.
 *
 * STATUS_INVALID if it is malformed, or its name not allowed;
 * STATUS_TOO_LARGE past WIRE_IDENTITY_MAX; STATUS_FORGED if the signature is
 * wrong or it belongs to another server.
 */
MUST_CHECK enum status identity_verify(
    const Peyk__V1__SignedIdentity *statement,
    const struct signing_public_key *server_key, struct identity *out);

/* The same from serialized bytes, at most WIRE_SIGNED_IDENTITY_MAX. */
MUST_CHECK enum status identity_verify_bytes(struct bytes statement,
    const struct signing_public_key *server_key, struct identity *out);

/* Whether the identity's name is this one, in any spelling. */
MUST_CHECK enum status identity_is_named(const struct identity *identity,
    struct bytes name, bool *out);

/* Whether both have the same name, keys and server: what a pin compares. */
bool identity_is_same(const struct identity *a, const struct identity *b);

#endif
