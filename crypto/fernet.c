#include "crypto/fernet.h"

#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/kdf.h"
#include "crypto/openssl.h"

/*
 *	version (1) | time (8) | iv (16) | ciphertext (16 n) | HMAC (32)
 */
#define FERNET_VERSION 0x80
#define FERNET_HALF_KEY 16
#define FERNET_BLOCK 16
#define FERNET_TIME_AT 1
#define FERNET_IV_AT 9
#define FERNET_HEAD (FERNET_IV_AT + FERNET_IV_SIZE)
#define FERNET_FRAME (FERNET_HEAD + SHA256_SIZE)
#define FERNET_RAW_MAX (FERNET_FRAME + FERNET_PLAINTEXT_MAX + FERNET_BLOCK)

/* The first half of the key signs, the second encrypts. */
static struct bytes
signing_half(const struct fernet_key *key)
{
	return bytes_make(key->bytes, FERNET_HALF_KEY);
}

static const uint8_t *
encryption_half(const struct fernet_key *key)
{
	return key->bytes + FERNET_HALF_KEY;
}

/* AES-128-CBC with PKCS #7 padding, appended. */
static enum status
encrypt(const struct fernet_key *key, const struct fernet_iv *iv,
    struct bytes plaintext, struct buf *out)
{
	EVP_CIPHER_CTX *context;
	size_t size = (plaintext.size / FERNET_BLOCK + 1) * FERNET_BLOCK;
	int body = 0, tail = 0;
	uint8_t *room;
	enum status st;

	if ((st = buf_extend(out, size, &room)) != STATUS_OK ||
	    (st = openssl_cipher_context(&context)) != STATUS_OK)
		return st;
	if (EVP_EncryptInit_ex2(context, openssl_algorithms()->aes_128_cbc,
	    encryption_half(key), iv->bytes, NULL) != 1 ||
	    (plaintext.size > 0 && EVP_EncryptUpdate(context, room, &body,
	    plaintext.data, (int)plaintext.size) != 1) ||
	    EVP_EncryptFinal_ex(context, room + body, &tail) != 1 ||
	    (size_t)(body + tail) != size)
		st = openssl_failure();
	(void)EVP_CIPHER_CTX_reset(context);
	return st;
}

enum status
fernet_seal(const struct fernet_key *key, uint64_t now_s,
    struct bytes plaintext, struct buf *out)
{
	struct fernet_iv iv;

	random_bytes(iv.bytes, sizeof(iv.bytes));
	return fernet_seal_with_iv(key, now_s, &iv, plaintext, out);
}

enum status
fernet_seal_with_iv(const struct fernet_key *key, uint64_t now_s,
    const struct fernet_iv *iv, struct bytes plaintext, struct buf *out)
{
	struct sha256_digest mac;
	struct bytes signed_part;
	struct buf raw;
	enum status st;

	if (plaintext.size > FERNET_PLAINTEXT_MAX)
		return STATUS_TOO_LARGE;
	buf_init(&raw, FERNET_RAW_MAX);
	if ((st = buf_append_u8(&raw, FERNET_VERSION)) != STATUS_OK ||
	    (st = buf_append_u64be(&raw, now_s)) != STATUS_OK ||
	    (st = buf_append(&raw, BYTES_OF(iv->bytes))) != STATUS_OK ||
	    (st = encrypt(key, iv, plaintext, &raw)) != STATUS_OK)
		goto out;
	signed_part = buf_bytes(&raw);
	if ((st = kdf_hmac(signing_half(key), &signed_part, 1,
	    &mac)) != STATUS_OK ||
	    (st = buf_append(&raw, BYTES_OF(mac.bytes))) != STATUS_OK ||
	    (st = text_encode(TEXT_ENCODING_BASE64URL_PADDED,
	    buf_bytes(&raw), out)) != STATUS_OK)
		goto out;
out:
	buf_clear(&raw);
	return st;
}

/* Nothing of the token is believed, or decrypted, before this. */
static enum status
authenticate(const struct fernet_key *key, struct bytes raw)
{
	struct bytes signed_part;
	struct sha256_digest mac = { 0 };
	enum status st;

	if (raw.size < FERNET_FRAME + FERNET_BLOCK ||
	    (raw.size - FERNET_FRAME) % FERNET_BLOCK != 0 ||
	    raw.data[0] != FERNET_VERSION)
		return STATUS_FORGED;
	signed_part = bytes_make(raw.data, raw.size - SHA256_SIZE);
	if ((st = kdf_hmac(signing_half(key), &signed_part, 1,
	    &mac)) != STATUS_OK)
		return st;
	if (!secret_equal(mac.bytes, raw.data + signed_part.size,
	    sizeof(mac.bytes)))
		st = STATUS_FORGED;
	secret_wipe(&mac, sizeof(mac));
	return st;
}

static enum status
decrypt(const struct fernet_key *key, struct bytes raw, struct buf *out)
{
	struct bytes ciphertext = bytes_make(raw.data + FERNET_HEAD,
	    raw.size - FERNET_FRAME);
	EVP_CIPHER_CTX *context;
	int body = 0, tail = 0;
	struct buf plaintext;
	uint8_t *room;
	enum status st;

	/* OpenSSL asks for a block of room beyond what it will write. */
	buf_init_secret(&plaintext, ciphertext.size + FERNET_BLOCK);
	if ((st = buf_extend(&plaintext, ciphertext.size + FERNET_BLOCK,
	    &room)) != STATUS_OK ||
	    (st = openssl_cipher_context(&context)) != STATUS_OK)
		goto out;
	if (EVP_DecryptInit_ex2(context, openssl_algorithms()->aes_128_cbc,
	    encryption_half(key), raw.data + FERNET_IV_AT, NULL) != 1 ||
	    EVP_DecryptUpdate(context, room, &body, ciphertext.data,
	    (int)ciphertext.size) != 1) {
		st = openssl_failure();
	} else if (EVP_DecryptFinal_ex(context, room + body, &tail) != 1) {
		openssl_failure();
		st = STATUS_FORGED; /* the padding */
	}
	(void)EVP_CIPHER_CTX_reset(context);
	if (st == STATUS_OK)
		st = buf_append(out, bytes_make(room, (size_t)(body + tail)));
out:
	buf_clear(&plaintext);
	return st;
}

static enum status
decode(struct bytes token, struct buf *raw)
{
	enum status st;

	if (token.size > FERNET_TOKEN_MAX)
		return STATUS_FORGED;
	st = text_decode(TEXT_ENCODING_BASE64URL_PADDED, token, raw);
	return st == STATUS_NOMEM ? st :
	    st != STATUS_OK ? STATUS_FORGED : STATUS_OK;
}

enum status
fernet_open(const struct fernet_key *key, struct bytes token,
    struct buf *out)
{
	struct buf raw;
	enum status st;

	buf_init(&raw, FERNET_TOKEN_MAX);
	if ((st = decode(token, &raw)) != STATUS_OK ||
	    (st = authenticate(key, buf_bytes(&raw))) != STATUS_OK ||
	    (st = decrypt(key, buf_bytes(&raw), out)) != STATUS_OK)
		goto out;
out:
	buf_clear(&raw);
	return st;
}

static enum status
check_age(struct bytes raw, uint64_t now_s, uint64_t ttl_s)
{
	uint64_t made_s = bytes_get_u64be(raw.data + FERNET_TIME_AT);

	if (made_s > now_s)
		return made_s - now_s > FERNET_CLOCK_SKEW_S ?
		    STATUS_STALE : STATUS_OK;
	return now_s - made_s > ttl_s ? STATUS_STALE : STATUS_OK;
}

enum status
fernet_open_fresh(const struct fernet_key *key, struct bytes token,
    uint64_t now_s, uint64_t ttl_s, struct buf *out)
{
	struct buf raw;
	enum status st;

	buf_init(&raw, FERNET_TOKEN_MAX);
	if ((st = decode(token, &raw)) != STATUS_OK ||
	    (st = authenticate(key, buf_bytes(&raw))) != STATUS_OK ||
	    (st = check_age(buf_bytes(&raw), now_s, ttl_s)) != STATUS_OK ||
	    (st = decrypt(key, buf_bytes(&raw), out)) != STATUS_OK)
		goto out;
out:
	buf_clear(&raw);
	return st;
}
