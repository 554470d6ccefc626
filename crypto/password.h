#ifndef PEYK_CRYPTO_PASSWORD_H
#define PEYK_CRYPTO_PASSWORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * Argon2id (RFC 9106), version 1.3, one lane: libsodium's argon2id13. Slow on
 * purpose, and takes memory_size bytes while it runs.
 */

#define PASSWORD_SALT_SIZE 16

/* A PHC string with its NUL: libsodium's crypto_pwhash_STRBYTES. */
#define PASSWORD_HASH_SIZE 128

/* What anyone may ask for: libsodium's least, and a bound on foreign input. */
#define PASSWORD_PASSES_MIN 1
#define PASSWORD_PASSES_MAX 64
#define PASSWORD_MEMORY_MIN ((size_t)8 << 10)
#define PASSWORD_MEMORY_MAX ((size_t)1 << 30)

/* Longest password, in bytes. */
#define PASSWORD_SIZE_MAX 4096

struct password_salt {
	uint8_t bytes[PASSWORD_SALT_SIZE];
};

struct password_cost {
	uint32_t passes;    /* libsodium's opslimit */
	size_t memory_size; /* bytes; libsodium's memlimit */
};

/* The raw 32 bytes of Argon2id. Secret. */
struct password_key {
	uint8_t bytes[32];
};

/*
 * STATUS_INVALID if the cost is out of the bounds above, STATUS_TOO_LARGE for
 * the password, STATUS_NOMEM if memory_size is not to be had.
 */
MUST_CHECK enum status password_derive(struct bytes password,
    const struct password_salt *salt, struct password_cost cost,
    struct password_key *out);

/* A PHC string "$argon2id$v=19$..." with a random salt. Errors as above. */
MUST_CHECK enum status password_hash(struct bytes password,
    struct password_cost cost, char out[PASSWORD_HASH_SIZE]);

/*
 * STATUS_OK if the password made this hash, else STATUS_FORGED; a string that
 * is no hash is STATUS_FORGED too. hash is our own, from the database: its
 * cost is not bounded here.
 */
MUST_CHECK enum status password_verify(const char *hash,
    struct bytes password);

#endif
