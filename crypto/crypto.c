#include "crypto/crypto.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "crypto/openssl.h"

struct thread_contexts {
	EVP_CIPHER_CTX *cipher;
	EVP_MD_CTX *digest;
	EVP_KDF_CTX *kdf;
};

static pthread_mutex_t init_mutex = PTHREAD_MUTEX_INITIALIZER;
/* Written under init_mutex, read anywhere once is_ready is set. */
static struct openssl_algorithms algorithms;
static atomic_bool is_ready;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key;

static void
thread_contexts_free(void *argument)
{
	struct thread_contexts *contexts = argument;

	if (contexts == NULL)
		return;
	EVP_CIPHER_CTX_free(contexts->cipher);
	EVP_MD_CTX_free(contexts->digest);
	EVP_KDF_CTX_free(contexts->kdf);
	free(contexts);
}

static void
key_create(void)
{
	has_key = pthread_key_create(&key, thread_contexts_free) == 0;
}

static void
algorithms_clear(void)
{
	EVP_CIPHER_free(algorithms.aes_256_gcm);
	EVP_CIPHER_free(algorithms.aes_128_gcm);
	EVP_CIPHER_free(algorithms.chacha20_poly1305);
	EVP_CIPHER_free(algorithms.aes_128_cbc);
	EVP_KDF_free(algorithms.hkdf);
	EVP_MAC_free(algorithms.hmac);
	EVP_MD_free(algorithms.sha256);
	EVP_MD_free(algorithms.sha512);
	algorithms = (struct openssl_algorithms){ 0 };
}

static enum status
algorithms_fetch(void)
{
	algorithms = (struct openssl_algorithms){
		.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL),
		.aes_128_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL),
		.chacha20_poly1305 = EVP_CIPHER_fetch(NULL,
		    "ChaCha20-Poly1305", NULL),
		.aes_128_cbc = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL),
		.hkdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL),
		.hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL),
		.sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL),
		.sha512 = EVP_MD_fetch(NULL, "SHA2-512", NULL),
	};
	if (algorithms.aes_256_gcm == NULL || algorithms.aes_128_gcm == NULL ||
	    algorithms.chacha20_poly1305 == NULL ||
	    algorithms.aes_128_cbc == NULL || algorithms.hkdf == NULL ||
	    algorithms.hmac == NULL || algorithms.sha256 == NULL ||
	    algorithms.sha512 == NULL) {
		algorithms_clear();
		return openssl_failure();
	}
	return STATUS_OK;
}

enum status
crypto_init(void)
{
	enum status st = STATUS_OK;

	if (atomic_load(&is_ready))
		return STATUS_OK;
	if (sodium_init() < 0 ||
	    pthread_once(&key_once, key_create) != 0 || !has_key)
		return STATUS_INTERNAL;
	if (pthread_mutex_lock(&init_mutex) != 0)
		return STATUS_INTERNAL;
	/*
	 * OpenSSL's own atexit handler may take its state away from threads
	 * that gRPC is still winding down; the kernel frees it as well.
	 */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
		st = openssl_failure();
	else if (!atomic_load(&is_ready) &&
	    (st = algorithms_fetch()) == STATUS_OK)
		atomic_store(&is_ready, true);
	(void)pthread_mutex_unlock(&init_mutex);
	return st;
}

void
crypto_cleanup(void)
{
	if (!atomic_load(&is_ready))
		return;
	/* The thread that runs main() never gets to the key's destructor. */
	thread_contexts_free(pthread_getspecific(key));
	(void)pthread_setspecific(key, NULL);
	atomic_store(&is_ready, false);
	algorithms_clear();
}

const struct openssl_algorithms *
openssl_algorithms(void)
{
	assert(atomic_load(&is_ready));
	return &algorithms;
}

static struct thread_contexts *
thread_contexts(void)
{
	struct thread_contexts *contexts;

	assert(atomic_load(&is_ready));
	contexts = pthread_getspecific(key);
	if (contexts != NULL)
		return contexts;
	contexts = calloc(1, sizeof(*contexts));
	if (contexts != NULL && pthread_setspecific(key, contexts) != 0) {
		free(contexts);
		return NULL;
	}
	return contexts;
}

enum status
openssl_cipher_context(EVP_CIPHER_CTX **out)
{
	struct thread_contexts *contexts = thread_contexts();

	if (contexts == NULL)
		return STATUS_NOMEM;
	if (contexts->cipher == NULL)
		contexts->cipher = EVP_CIPHER_CTX_new();
	if (contexts->cipher == NULL)
		return openssl_failure();
	*out = contexts->cipher;
	return STATUS_OK;
}

enum status
openssl_digest_context(EVP_MD_CTX **out)
{
	struct thread_contexts *contexts = thread_contexts();

	if (contexts == NULL)
		return STATUS_NOMEM;
	if (contexts->digest == NULL)
		contexts->digest = EVP_MD_CTX_new();
	if (contexts->digest == NULL)
		return openssl_failure();
	*out = contexts->digest;
	return STATUS_OK;
}

enum status
openssl_kdf_context(EVP_KDF_CTX **out)
{
	struct thread_contexts *contexts = thread_contexts();

	if (contexts == NULL)
		return STATUS_NOMEM;
	if (contexts->kdf == NULL)
		contexts->kdf = EVP_KDF_CTX_new(algorithms.hkdf);
	if (contexts->kdf == NULL)
		return openssl_failure();
	*out = contexts->kdf;
	return STATUS_OK;
}

enum status
openssl_failure(void)
{
	unsigned long error;
	enum status st = STATUS_INTERNAL;

	while ((error = ERR_get_error()) != 0)
		if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
			st = STATUS_NOMEM;
	return st;
}
