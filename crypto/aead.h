#ifndef PEYK_CRYPTO_AEAD_H
#define PEYK_CRYPTO_AEAD_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * AES-256-GCM (NIST SP 800-38D) with a 96-bit iv and a 128-bit tag; the
 * ciphertext is followed by its tag.
 *
 * A key and an iv must never seal twice: whoever calls derives both anew for
 * each message or counts.
 */

#define AEAD_TAG_SIZE 16
#define AEAD_IV_SIZE 12

/* Longest plaintext and longest aad: far above any message. */
#define AEAD_SIZE_MAX ((size_t)1 << 30)

struct aead_iv {
	uint8_t bytes[AEAD_IV_SIZE];
};

/* Appends plaintext.size + AEAD_TAG_SIZE bytes. STATUS_TOO_LARGE. */
MUST_CHECK enum status aead_seal(const struct symmetric_key *key,
    const struct aead_iv *iv, struct bytes aad, struct bytes plaintext,
    struct buf *out);

/*
 * Appends ciphertext.size - AEAD_TAG_SIZE bytes. STATUS_FORGED if it is
 * altered, cut or too short: then out holds nothing of it, in its spare
 * memory neither. STATUS_TOO_LARGE.
 */
MUST_CHECK enum status aead_open(const struct symmetric_key *key,
    const struct aead_iv *iv, struct bytes aad, struct bytes ciphertext,
    struct buf *out);

#endif
