#ifndef PEYK_CRYPTO_FERNET_H
#define PEYK_CRYPTO_FERNET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * Fernet tokens (github.com/fernet/spec): AES-128-CBC, HMAC-SHA-256 over all
 * of it, as padded base64url text.
 */

#define FERNET_KEY_SIZE 32
#define FERNET_IV_SIZE 16

/* Longest plaintext. */
#define FERNET_PLAINTEXT_MAX ((size_t)1 << 20)

/* Longest token that is looked at: base64 of the above and its frame. */
#define FERNET_TOKEN_MAX (FERNET_PLAINTEXT_MAX / 3 * 4 + 128)

/* How far in the future a token may be made (the specification's 60 s). */
#define FERNET_CLOCK_SKEW_S 60

/* 16 bytes that sign and 16 that encrypt. Secret. */
struct fernet_key {
	uint8_t bytes[FERNET_KEY_SIZE];
};

struct fernet_iv {
	uint8_t bytes[FERNET_IV_SIZE];
};

/*
 * Appends a token with a fresh iv. now_s: seconds since 1970; the token shows
 * it. STATUS_TOO_LARGE.
 */
MUST_CHECK enum status fernet_seal(const struct fernet_key *key,
    uint64_t now_s, struct bytes plaintext, struct buf *out);

/* The same with a given iv: for test vectors only. */
MUST_CHECK enum status fernet_seal_with_iv(const struct fernet_key *key,
    uint64_t now_s, const struct fernet_iv *iv, struct bytes plaintext,
    struct buf *out);

/*
 * Appends the plaintext, whenever the token was made. STATUS_FORGED for a
 * wrong key and for anything that is not a whole token of this key.
 */
MUST_CHECK enum status fernet_open(const struct fernet_key *key,
    struct bytes token, struct buf *out);

/*
 * The same for a token that was made within the last ttl_s seconds, and not
 * more than FERNET_CLOCK_SKEW_S after now_s; else STATUS_STALE.
 */
MUST_CHECK enum status fernet_open_fresh(const struct fernet_key *key,
    struct bytes token, uint64_t now_s, uint64_t ttl_s, struct buf *out);

#endif
