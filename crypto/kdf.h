#ifndef PEYK_CRYPTO_KDF_H
#define PEYK_CRYPTO_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/* HKDF (RFC 5869) and HMAC (RFC 2104) with SHA-256. */

/* The pseudorandom key between the two steps of HKDF. Secret. */
struct kdf_prk {
	uint8_t bytes[SHA256_SIZE];
};

/* RFC 5869 section 2.3: 255 times the size of the hash. */
#define KDF_OUTPUT_MAX (255 * (size_t)SHA256_SIZE)

/* OpenSSL 3.0 takes no longer info (HKDF_MAXBUF is 1,024 bytes there). */
#define KDF_INFO_MAX 1024

/* HKDF-Extract. An empty salt is 32 zero bytes. */
MUST_CHECK enum status kdf_extract(struct bytes salt, struct bytes ikm,
    struct kdf_prk *out);

/*
 * HKDF-Expand into size bytes. STATUS_TOO_LARGE past KDF_OUTPUT_MAX or
 * KDF_INFO_MAX, STATUS_INVALID for a size of 0. If OpenSSL fails, out is
 * zeroed.
 */
MUST_CHECK enum status kdf_expand(const struct kdf_prk *prk,
    struct bytes info, uint8_t *out, size_t size);

/* Both steps. Errors as kdf_expand(). */
MUST_CHECK enum status kdf_derive(struct bytes salt, struct bytes ikm,
    struct bytes info, uint8_t *out, size_t size);

/* HMAC-SHA-256 of several parts, joined. */
MUST_CHECK enum status kdf_hmac(struct bytes key, const struct bytes *parts,
    size_t count, struct sha256_digest *out);

#endif
