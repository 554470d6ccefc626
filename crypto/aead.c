#include "crypto/aead.h"

#include "base/secret.h"
#include "crypto/openssl.h"
#include "crypto/suite.h"

static const EVP_CIPHER *
suite_cipher(enum suite suite)
{
	switch (suite) {
	case SUITE_AES_128_GCM:
		return openssl_algorithms()->aes_128_gcm;
	case SUITE_AES_256_GCM:
		return openssl_algorithms()->aes_256_gcm;
	case SUITE_CHACHA20_POLY1305:
		return openssl_algorithms()->chacha20_poly1305;
	}
	return NULL;
}

/* out has room for the plaintext and the tag. */
static enum status
encrypt(EVP_CIPHER_CTX *context, struct bytes aad, struct bytes plaintext,
    uint8_t *out)
{
	uint8_t nothing[1];
	int size = 0;

	/* A NULL output would mean more aad, and NULL input the end. */
	if ((aad.size > 0 && EVP_EncryptUpdate(context, NULL, &size,
	    aad.data, (int)aad.size) != 1) ||
	    (plaintext.size > 0 && (EVP_EncryptUpdate(context, out, &size,
	    plaintext.data, (int)plaintext.size) != 1 ||
	    size != (int)plaintext.size)) ||
	    EVP_EncryptFinal_ex(context, nothing, &size) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG,
	    AEAD_TAG_SIZE, out + plaintext.size) != 1)
		return openssl_failure();
	return STATUS_OK;
}

enum status
suite_seal(enum suite suite, const struct symmetric_key *key,
    const struct aead_iv *iv, struct bytes aad, struct bytes plaintext,
    struct buf *out)
{
	EVP_CIPHER_CTX *context;
	size_t start = out->size;
	uint8_t *room;
	enum status st;

	if (plaintext.size > AEAD_SIZE_MAX || aad.size > AEAD_SIZE_MAX)
		return STATUS_TOO_LARGE;
	if ((st = buf_extend(out, plaintext.size + AEAD_TAG_SIZE,
	    &room)) != STATUS_OK)
		return st;
	if ((st = openssl_cipher_context(&context)) != STATUS_OK)
		goto out;
	if (EVP_EncryptInit_ex2(context, suite_cipher(suite), key->bytes,
	    iv->bytes, NULL) != 1)
		st = openssl_failure();
	else
		st = encrypt(context, aad, plaintext, room);
	(void)EVP_CIPHER_CTX_reset(context);
out:
	if (st != STATUS_OK)
		buf_truncate(out, start);
	return st;
}

/* out has room for the ciphertext without its tag. */
static enum status
decrypt(EVP_CIPHER_CTX *context, struct bytes aad, struct bytes ciphertext,
    uint8_t *out)
{
	size_t out_size = ciphertext.size - AEAD_TAG_SIZE;
	uint8_t tag[AEAD_TAG_SIZE], nothing[1];
	int size = 0;

	/* The call wants memory that it may write to. */
	for (size_t i = 0; i < sizeof(tag); i++)
		tag[i] = ciphertext.data[out_size + i];
	if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG,
	    AEAD_TAG_SIZE, tag) != 1 ||
	    (aad.size > 0 && EVP_DecryptUpdate(context, NULL, &size,
	    aad.data, (int)aad.size) != 1) ||
	    (out_size > 0 && (EVP_DecryptUpdate(context, out, &size,
	    ciphertext.data, (int)out_size) != 1 || size != (int)out_size)))
		return openssl_failure();
	if (EVP_DecryptFinal_ex(context, nothing, &size) != 1) {
		/* Without anything in OpenSSL's queue: the tag is wrong. */
		openssl_failure();
		return STATUS_FORGED;
	}
	return STATUS_OK;
}

enum status
suite_open(enum suite suite, const struct symmetric_key *key,
    const struct aead_iv *iv, struct bytes aad, struct bytes ciphertext,
    struct buf *out)
{
	EVP_CIPHER_CTX *context;
	size_t start = out->size;
	uint8_t *room;
	enum status st;

	if (ciphertext.size < AEAD_TAG_SIZE)
		return STATUS_FORGED;
	if (ciphertext.size > AEAD_SIZE_MAX || aad.size > AEAD_SIZE_MAX)
		return STATUS_TOO_LARGE;
	if ((st = buf_extend(out, ciphertext.size - AEAD_TAG_SIZE,
	    &room)) != STATUS_OK)
		return st;
	if ((st = openssl_cipher_context(&context)) != STATUS_OK)
		goto out;
	if (EVP_DecryptInit_ex2(context, suite_cipher(suite), key->bytes,
	    iv->bytes, NULL) != 1)
		st = openssl_failure();
	else
		st = decrypt(context, aad, ciphertext, room);
	(void)EVP_CIPHER_CTX_reset(context);
out:
	if (st != STATUS_OK) {
		secret_wipe(room, ciphertext.size - AEAD_TAG_SIZE);
		buf_truncate(out, start);
	}
	return st;
}

enum status
aead_seal(const struct symmetric_key *key, const struct aead_iv *iv,
    struct bytes aad, struct bytes plaintext, struct buf *out)
{
	return suite_seal(SUITE_AES_256_GCM, key, iv, aad, plaintext, out);
}

enum status
aead_open(const struct symmetric_key *key, const struct aead_iv *iv,
    struct bytes aad, struct bytes ciphertext, struct buf *out)
{
	return suite_open(SUITE_AES_256_GCM, key, iv, aad, ciphertext, out);
}
