#ifndef PEYK_CRYPTO_KEYS_H
#define PEYK_CRYPTO_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/*
 * One struct for each kind of key, so that mixing two does not compile. They
 * are plain values. The secret ones are zeroed at declaration and wiped with
 * secret_wipe() by whoever holds them.
 */

#define SIGNING_PUBLIC_KEY_SIZE 32
#define SIGNING_SEED_SIZE 32
#define SIGNATURE_SIZE 64
#define ENCRYPTION_PUBLIC_KEY_SIZE 32
#define ENCRYPTION_SECRET_KEY_SIZE 32
#define SHARED_SECRET_SIZE 32
#define SYMMETRIC_KEY_SIZE 32
#define SHA256_SIZE 32
#define SHA512_SIZE 64

/* Ed25519 (RFC 8032). */
struct signing_public_key {
	uint8_t bytes[SIGNING_PUBLIC_KEY_SIZE];
};

/* The seed and behind it the public key: libsodium's form. Secret. */
struct signing_secret_key {
	uint8_t bytes[SIGNING_SEED_SIZE + SIGNING_PUBLIC_KEY_SIZE];
};

/* What is stored of a signing key; the rest follows from it. Secret. */
struct signing_seed {
	uint8_t bytes[SIGNING_SEED_SIZE];
};

struct signing_key_pair {
	struct signing_public_key public_key;
	struct signing_secret_key secret_key;
};

struct signature {
	uint8_t bytes[SIGNATURE_SIZE];
};

/* X25519 (RFC 7748). */
struct encryption_public_key {
	uint8_t bytes[ENCRYPTION_PUBLIC_KEY_SIZE];
};

/* Secret. Any 32 random bytes; X25519 itself clears and sets its bits. */
struct encryption_secret_key {
	uint8_t bytes[ENCRYPTION_SECRET_KEY_SIZE];
};

struct encryption_key_pair {
	struct encryption_public_key public_key;
	struct encryption_secret_key secret_key;
};

/* The result of X25519: input of a KDF, not a key. Secret. */
struct shared_secret {
	uint8_t bytes[SHARED_SECRET_SIZE];
};

/* For AES-256-GCM. Secret. */
struct symmetric_key {
	uint8_t bytes[SYMMETRIC_KEY_SIZE];
};

struct sha256_digest {
	uint8_t bytes[SHA256_SIZE];
};

struct sha512_digest {
	uint8_t bytes[SHA512_SIZE];
};

/* New random keys. */
MUST_CHECK enum status signing_key_pair_generate(
    struct signing_key_pair *out);
MUST_CHECK enum status encryption_key_pair_generate(
    struct encryption_key_pair *out);

/* The key pair of a stored seed or secret key. */
MUST_CHECK enum status signing_key_pair_from_seed(
    const struct signing_seed *seed, struct signing_key_pair *out);
MUST_CHECK enum status encryption_key_pair_from_secret(
    const struct encryption_secret_key *secret,
    struct encryption_key_pair *out);

/* The seed of a key pair, to store it. *out is secret. */
void signing_seed_of(const struct signing_secret_key *key,
    struct signing_seed *out);

/*
 * Keys from foreign bytes: STATUS_INVALID unless the length fits. Whether
 * the bytes are a point of the curve shows when the key is used.
 */
MUST_CHECK enum status signing_public_key_import(struct bytes bytes,
    struct signing_public_key *out);
MUST_CHECK enum status signing_seed_import(struct bytes bytes,
    struct signing_seed *out);
MUST_CHECK enum status signature_import(struct bytes bytes,
    struct signature *out);
MUST_CHECK enum status encryption_public_key_import(struct bytes bytes,
    struct encryption_public_key *out);
MUST_CHECK enum status encryption_secret_key_import(struct bytes bytes,
    struct encryption_secret_key *out);
MUST_CHECK enum status symmetric_key_import(struct bytes bytes,
    struct symmetric_key *out);
MUST_CHECK enum status sha256_digest_import(struct bytes bytes,
    struct sha256_digest *out);

/* All in constant time. */
bool signing_public_key_equal(const struct signing_public_key *a,
    const struct signing_public_key *b);
bool encryption_public_key_equal(const struct encryption_public_key *a,
    const struct encryption_public_key *b);
bool sha256_digest_equal(const struct sha256_digest *a,
    const struct sha256_digest *b);

/*
 * X25519. STATUS_FORGED if the result is all zero (RFC 7748 section 6.1): the
 * public key is one that makes every secret the same.
 */
MUST_CHECK enum status shared_secret_derive(
    const struct encryption_key_pair *own,
    const struct encryption_public_key *other, struct shared_secret *out);

#endif
