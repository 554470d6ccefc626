#ifndef PEYK_CRYPTO_RAW_H
#define PEYK_CRYPTO_RAW_H

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * Ed25519 over bare bytes. Private to this folder and to its tests against
 * published vectors: everything in Peyk signs with a label (signature.h).
 */

MUST_CHECK enum status raw_sign(const struct signing_secret_key *key,
    struct bytes message, struct signature *out);

/* STATUS_OK or STATUS_FORGED. */
MUST_CHECK enum status raw_verify(const struct signing_public_key *key,
    struct bytes message, const struct signature *signature);

#endif
