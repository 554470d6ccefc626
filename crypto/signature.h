#ifndef PEYK_CRYPTO_SIGNATURE_H
#define PEYK_CRYPTO_SIGNATURE_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * Ed25519 (RFC 8032) over label || 0x00 || content. The label says what is
 * signed, so that a signature made for one purpose is worth nothing for
 * another; it is an ASCII string of docs/protocol.md, never NULL.
 */

/* More than any message of the protocol; the content is copied once. */
#define SIGNATURE_CONTENT_MAX ((size_t)16 << 20)

/* STATUS_TOO_LARGE past SIGNATURE_CONTENT_MAX. */
MUST_CHECK enum status signature_sign(const struct signing_secret_key *key,
    const char *label, struct bytes content, struct signature *out);

/*
 * STATUS_OK or STATUS_FORGED. Refuses keys of small order and encodings that
 * are not canonical, as libsodium does.
 */
MUST_CHECK enum status signature_verify(const struct signing_public_key *key,
    const char *label, struct bytes content,
    const struct signature *signature);

#endif
