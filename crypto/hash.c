#include "crypto/hash.h"

#include <stdlib.h>

#include "crypto/openssl.h"

struct hash_stream {
	EVP_MD_CTX *context;
};

static enum status
update(EVP_MD_CTX *context, struct bytes bytes)
{
	if (bytes.size > 0 &&
	    EVP_DigestUpdate(context, bytes.data, bytes.size) != 1)
		return openssl_failure();
	return STATUS_OK;
}

/* out has as many bytes as the algorithm makes. */
static enum status
hash_parts(const EVP_MD *algorithm, const struct bytes *parts, size_t count,
    uint8_t *out)
{
	EVP_MD_CTX *context;
	enum status st;

	if ((st = openssl_digest_context(&context)) != STATUS_OK)
		return st;
	if (EVP_DigestInit_ex2(context, algorithm, NULL) != 1)
		st = openssl_failure();
	for (size_t i = 0; st == STATUS_OK && i < count; i++)
		st = update(context, parts[i]);
	if (st == STATUS_OK &&
	    EVP_DigestFinal_ex(context, out, NULL) != 1)
		st = openssl_failure();
	(void)EVP_MD_CTX_reset(context);
	return st;
}

enum status
hash_sha256(struct bytes bytes, struct sha256_digest *out)
{
	return hash_sha256_parts(&bytes, 1, out);
}

enum status
hash_sha256_parts(const struct bytes *parts, size_t count,
    struct sha256_digest *out)
{
	struct sha256_digest digest;
	enum status st = hash_parts(openssl_algorithms()->sha256, parts,
	    count, digest.bytes);

	if (st == STATUS_OK)
		*out = digest;
	return st;
}

enum status
hash_sha512_parts(const struct bytes *parts, size_t count,
    struct sha512_digest *out)
{
	struct sha512_digest digest;
	enum status st = hash_parts(openssl_algorithms()->sha512, parts,
	    count, digest.bytes);

	if (st == STATUS_OK)
		*out = digest;
	return st;
}

enum status
hash_stream_new(struct hash_stream **out)
{
	struct hash_stream *stream = calloc(1, sizeof(*stream));
	enum status st = STATUS_OK;

	if (stream == NULL)
		return STATUS_NOMEM;
	stream->context = EVP_MD_CTX_new();
	if (stream->context == NULL ||
	    EVP_DigestInit_ex2(stream->context,
	    openssl_algorithms()->sha256, NULL) != 1) {
		st = openssl_failure();
		goto out;
	}
	*out = stream;
	stream = NULL; /* now the caller's */
out:
	hash_stream_free(stream);
	return st;
}

enum status
hash_stream_update(struct hash_stream *stream, struct bytes bytes)
{
	return update(stream->context, bytes);
}

enum status
hash_stream_finish(struct hash_stream *stream, struct sha256_digest *out)
{
	struct sha256_digest digest;

	if (EVP_DigestFinal_ex(stream->context, digest.bytes, NULL) != 1)
		return openssl_failure();
	*out = digest;
	return STATUS_OK;
}

void
hash_stream_free(struct hash_stream *stream)
{
	if (stream == NULL)
		return;
	EVP_MD_CTX_free(stream->context);
	free(stream);
}
