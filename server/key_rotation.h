#ifndef PEYK_SERVER_KEY_ROTATION_H
#define PEYK_SERVER_KEY_ROTATION_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "server/account_cache.h"
#include "server/keyring.h"
#include "server/server_identity.h"

/*
 * Keeps the keyring equal to the table of sealing keys, which all servers of
 * one database share, and makes a new key when the newest is past half of its
 * life. In the table the private half is wrapped: encrypted with AES-256-GCM
 * under a key from the identity file, so that neither the database nor its
 * backups open recorded requests.
 */

/* All borrowed; they outlive whatever uses them. */
struct key_rotation_options {
	const char *conninfo;
	const struct server_identity *identity;
	struct keyring *keyring;
	struct account_cache *cache; /* may be NULL */
};

/*
 * Reads the table, makes a key if one is due, and fills the keyring. Blocks on
 * the database. On failure the keyring stays, and problem (may be NULL) says
 * what to do. STATUS_UNAVAILABLE: the database is away; STATUS_DENIED: the
 * keys there belong to another identity; STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status key_rotation_refresh(
    const struct key_rotation_options *options, uint64_t now_ms,
    struct buf *problem);

/* A thread that refreshes every minute. */
struct key_rotation;

/* STATUS_NOMEM, STATUS_UNAVAILABLE (no thread). */
MUST_CHECK enum status key_rotation_start(
    const struct key_rotation_options *options, struct key_rotation **out);

/* Waits for the thread and frees. NULL is a no-op. */
void key_rotation_stop(struct key_rotation *rotation);

/* ---- Wrapping, for tests ---- */

/* Bytes of a wrapped private key: iv, key, tag. */
#define KEY_ROTATION_WRAPPED_SIZE (12 + 32 + 16)

/* content: the serialized SealingKey, to which the wrapped key is bound. */
MUST_CHECK enum status key_rotation_wrap(const struct server_wrap_key *wrap_key,
    struct bytes content, const struct encryption_secret_key *key,
    uint8_t out[KEY_ROTATION_WRAPPED_SIZE]);

/* STATUS_FORGED: another wrap key, another content, or altered. */
MUST_CHECK enum status key_rotation_unwrap(
    const struct server_wrap_key *wrap_key, struct bytes content,
    struct bytes wrapped, struct encryption_secret_key *out);

#endif
