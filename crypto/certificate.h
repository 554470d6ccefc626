#ifndef PEYK_CRYPTO_CERTIFICATE_H
#define PEYK_CRYPTO_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * The TLS certificate that the server makes for itself when none is given,
 * and fingerprints. X.509 with an ECDSA key on P-256, which every TLS
 * client takes.
 */

#define CERTIFICATE_NAMES_MAX 32
#define CERTIFICATE_DAYS_MAX 36500

struct certificate_request {
	const char *common_name;     /* 1 to 64 bytes */
	const char *const *names;    /* DNS names and IP addresses */
	size_t name_count;           /* at least 1 */
	uint64_t not_before_s;       /* seconds since 1970 */
	uint32_t days;               /* valid for so long */
};

/*
 * Appends a self-signed certificate and its private key (PKCS #8), both PEM;
 * both or neither. private_key should be a secret buf. STATUS_INVALID for a
 * request out of the bounds above.
 */
MUST_CHECK enum status certificate_make(
    const struct certificate_request *request, struct buf *certificate,
    struct buf *private_key);

/*
 * SHA-256 of the DER of the first certificate in a PEM. STATUS_INVALID if
 * there is none; STATUS_TOO_LARGE past 1 MiB.
 */
MUST_CHECK enum status certificate_fingerprint(struct bytes pem,
    struct sha256_digest *out);

#endif
