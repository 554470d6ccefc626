#include "crypto/keys.h"

#include <sodium.h>
#include <string.h>

#include "base/random.h"
#include "base/secret.h"

/*
 * X25519 is libsodium's: 32 us against OpenSSL's 43 with the import of raw
 * keys, and no allocation that could fail or keep a key.
 */

_Static_assert(SIGNING_PUBLIC_KEY_SIZE == crypto_sign_PUBLICKEYBYTES &&
    SIGNING_SEED_SIZE == crypto_sign_SEEDBYTES &&
    sizeof(struct signing_secret_key) == crypto_sign_SECRETKEYBYTES &&
    ENCRYPTION_PUBLIC_KEY_SIZE == crypto_scalarmult_BYTES &&
    ENCRYPTION_SECRET_KEY_SIZE == crypto_scalarmult_SCALARBYTES,
    "libsodium's sizes are those of the protocol");

static enum status
import(struct bytes bytes, uint8_t *out, size_t size)
{
	if (bytes.size != size)
		return STATUS_INVALID;
	memcpy(out, bytes.data, size);
	return STATUS_OK;
}

enum status
signing_key_pair_generate(struct signing_key_pair *out)
{
	struct signing_seed seed;
	enum status st;

	random_bytes(seed.bytes, sizeof(seed.bytes));
	st = signing_key_pair_from_seed(&seed, out);
	secret_wipe(&seed, sizeof(seed));
	return st;
}

enum status
encryption_key_pair_generate(struct encryption_key_pair *out)
{
	struct encryption_secret_key secret;
	enum status st;

	random_bytes(secret.bytes, sizeof(secret.bytes));
	st = encryption_key_pair_from_secret(&secret, out);
	secret_wipe(&secret, sizeof(secret));
	return st;
}

enum status
signing_key_pair_from_seed(const struct signing_seed *seed,
    struct signing_key_pair *out)
{
	struct signing_key_pair pair = { 0 };
	enum status st = STATUS_INTERNAL;

	if (crypto_sign_seed_keypair(pair.public_key.bytes,
	    pair.secret_key.bytes, seed->bytes) != 0)
		goto out;
	*out = pair;
	st = STATUS_OK;
out:
	secret_wipe(&pair, sizeof(pair));
	return st;
}

enum status
encryption_key_pair_from_secret(const struct encryption_secret_key *secret,
    struct encryption_key_pair *out)
{
	struct encryption_key_pair pair = { .secret_key = *secret };
	enum status st = STATUS_INTERNAL;

	if (crypto_scalarmult_base(pair.public_key.bytes,
	    secret->bytes) != 0)
		goto out;
	*out = pair;
	st = STATUS_OK;
out:
	secret_wipe(&pair, sizeof(pair));
	return st;
}

void
signing_seed_of(const struct signing_secret_key *key,
    struct signing_seed *out)
{
	memcpy(out->bytes, key->bytes, sizeof(out->bytes));
}

enum status
signing_public_key_import(struct bytes bytes, struct signing_public_key *out)
{
	return import(bytes, out->bytes, sizeof(out->bytes));
}

enum status
signing_seed_import(struct bytes bytes, struct signing_seed *out)
{
	return import(bytes, out->bytes, sizeof(out->bytes));
}

enum status
signature_import(struct bytes bytes, struct signature *out)
{
	return import(bytes, out->bytes, sizeof(out->bytes));
}

enum status
encryption_public_key_import(struct bytes bytes,
    struct encryption_public_key *out)
{
	return import(bytes, out->bytes, sizeof(out->bytes));
}

enum status
encryption_secret_key_import(struct bytes bytes,
    struct encryption_secret_key *out)
{
	return import(bytes, out->bytes, sizeof(out->bytes));
}

enum status
symmetric_key_import(struct bytes bytes, struct symmetric_key *out)
{
	return import(bytes, out->bytes, sizeof(out->bytes));
}

enum status
sha256_digest_import(struct bytes bytes, struct sha256_digest *out)
{
	return import(bytes, out->bytes, sizeof(out->bytes));
}

bool
signing_public_key_equal(const struct signing_public_key *a,
    const struct signing_public_key *b)
{
	return secret_equal(a->bytes, b->bytes, sizeof(a->bytes));
}

bool
encryption_public_key_equal(const struct encryption_public_key *a,
    const struct encryption_public_key *b)
{
	return secret_equal(a->bytes, b->bytes, sizeof(a->bytes));
}

bool
sha256_digest_equal(const struct sha256_digest *a,
    const struct sha256_digest *b)
{
	return secret_equal(a->bytes, b->bytes, sizeof(a->bytes));
}

enum status
shared_secret_derive(const struct encryption_key_pair *own,
    const struct encryption_public_key *other, struct shared_secret *out)
{
	struct shared_secret shared = { 0 };
	enum status st = STATUS_FORGED;

	if (crypto_scalarmult(shared.bytes, own->secret_key.bytes,
	    other->bytes) != 0 ||
	    sodium_is_zero(shared.bytes, sizeof(shared.bytes)))
		goto out;
	*out = shared;
	st = STATUS_OK;
out:
	secret_wipe(&shared, sizeof(shared));
	return st;
}
