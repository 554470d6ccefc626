#ifndef PEYK_CRYPTO_HASH_H
#define PEYK_CRYPTO_HASH_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/* SHA-256 and SHA-512 (FIPS 180-4). */

MUST_CHECK enum status hash_sha256(struct bytes bytes,
    struct sha256_digest *out);

/* Of several parts, joined. */
MUST_CHECK enum status hash_sha256_parts(const struct bytes *parts,
    size_t count, struct sha256_digest *out);

/* SHA-512 of several parts, joined. */
MUST_CHECK enum status hash_sha512_parts(const struct bytes *parts,
    size_t count, struct sha512_digest *out);

/* SHA-256 of content that comes piece by piece. One thread at a time. */
struct hash_stream;

MUST_CHECK enum status hash_stream_new(struct hash_stream **out);
MUST_CHECK enum status hash_stream_update(struct hash_stream *stream,
    struct bytes bytes);
/* Once, at the end; afterwards only hash_stream_free(). */
MUST_CHECK enum status hash_stream_finish(struct hash_stream *stream,
    struct sha256_digest *out);
void hash_stream_free(struct hash_stream *stream);

#endif
