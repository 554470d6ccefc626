#ifndef PEYK_CRYPTO_OPENSSL_H
#define PEYK_CRYPTO_OPENSSL_H

#include <openssl/evp.h>

#include "base/status.h"

/*
 * What this folder keeps of OpenSSL; private to it. A fetch costs as much as
 * a small operation, so the algorithms are fetched once for the process, and
 * each thread keeps one context of a kind. A context is reset after each use:
 * that wipes the key it held, and a context that keeps an old key can use it
 * in the place of the next one.
 */
struct openssl_algorithms {
	EVP_CIPHER *aes_256_gcm;
	EVP_CIPHER *aes_128_gcm;       /* for vectors only */
	EVP_CIPHER *chacha20_poly1305; /* for vectors only */
	EVP_CIPHER *aes_128_cbc;       /* Fernet */
	EVP_KDF *hkdf;
	EVP_MAC *hmac;
	EVP_MD *sha256;
	EVP_MD *sha512;
};

/* Asserts that crypto_init() was called. */
const struct openssl_algorithms *openssl_algorithms(void);

/* This thread's contexts, reset. STATUS_NOMEM. */
MUST_CHECK enum status openssl_cipher_context(EVP_CIPHER_CTX **out);
MUST_CHECK enum status openssl_digest_context(EVP_MD_CTX **out);
MUST_CHECK enum status openssl_kdf_context(EVP_KDF_CTX **out);

/*
 * For a failed call of OpenSSL: empties this thread's error queue, so that
 * nobody takes an old error for a new one. STATUS_NOMEM or STATUS_INTERNAL.
 */
enum status openssl_failure(void);

#endif
