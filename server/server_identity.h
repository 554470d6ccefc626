#ifndef PEYK_SERVER_SERVER_IDENTITY_H
#define PEYK_SERVER_SERVER_IDENTITY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * Who the server is: its Ed25519 identity key, whose fingerprint users
 * compare, and the key under which sealing keys are wrapped in the database.
 * Both lie in one small text file, made once by `peykd init`; an operator of
 * several servers copies it, and keeps a copy: without it the server is
 * another server to every user.
 */

#define SERVER_IDENTITY_FILE "identity.key"

/* Wraps sealing keys; the key of each is derived from it. Secret. */
struct server_wrap_key {
	uint8_t bytes[32];
};

/* Secret; lives in memory of secret_new(). Read only, so any thread. */
struct server_identity {
	struct signing_key_pair key;
	struct server_wrap_key wrap_key;
};

/*
 * Makes a new identity and writes it to path with mode 0600, at once and
 * synced. STATUS_EXISTS: there is one already, and it stays. STATUS_IO
 * (errno), STATUS_NOT_FOUND (no folder), STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status server_identity_create(const char *path);

/*
 * Reads it. End with server_identity_free(). On failure problem holds a
 * sentence that says what to do. STATUS_NOT_FOUND; STATUS_DENIED: others may
 * read the file; STATUS_INVALID: it is damaged; STATUS_IO; STATUS_NOMEM,
 * STATUS_INTERNAL.
 */
MUST_CHECK enum status server_identity_load(
    const char *path, struct server_identity **out, struct buf *problem);

/* NULL is a no-op. */
void server_identity_free(struct server_identity *identity);

#endif
