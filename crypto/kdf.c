#include "crypto/kdf.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/openssl.h"

/* OpenSSL's parameters are not const, though it only reads these. */
static OSSL_PARAM
octets(const char *name, struct bytes bytes)
{
	return OSSL_PARAM_construct_octet_string(name, (void *)bytes.data,
	    bytes.size);
}

static OSSL_PARAM
digest_parameter(const char *name)
{
	static char sha256[] = "SHA256";

	return OSSL_PARAM_construct_utf8_string(name, sha256, 0);
}

/*
 * One step of HKDF. An empty value is left out: it means the same, and an
 * empty key is an error to OpenSSL, so its callers see to that.
 */
static enum status
hkdf(int mode, struct bytes key, const char *other_name, struct bytes other,
    uint8_t *out, size_t size)
{
	OSSL_PARAM parameters[5];
	size_t count = 0;
	EVP_KDF_CTX *context;
	enum status st;

	if ((st = openssl_kdf_context(&context)) != STATUS_OK)
		return st;
	parameters[count++] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE,
	    &mode);
	parameters[count++] = digest_parameter(OSSL_KDF_PARAM_DIGEST);
	parameters[count++] = octets(OSSL_KDF_PARAM_KEY, key);
	if (other.size > 0)
		parameters[count++] = octets(other_name, other);
	parameters[count] = OSSL_PARAM_construct_end();
	if (EVP_KDF_derive(context, out, size, parameters) != 1)
		st = openssl_failure();
	EVP_KDF_CTX_reset(context);
	return st;
}

enum status
kdf_extract(struct bytes salt, struct bytes ikm, struct kdf_prk *out)
{
	static const uint8_t zeros[SHA256_SIZE];
	struct kdf_prk prk = { 0 };
	struct sha256_digest mac = { 0 };
	enum status st;

	if (ikm.size > 0) {
		st = hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, ikm,
		    OSSL_KDF_PARAM_SALT, salt, prk.bytes, sizeof(prk.bytes));
	} else {
		/* OpenSSL wants a key; RFC 5869 says what comes out. */
		st = kdf_hmac(salt.size > 0 ? salt : BYTES_OF(zeros), NULL, 0,
		    &mac);
		memcpy(prk.bytes, mac.bytes, sizeof(prk.bytes));
	}
	if (st == STATUS_OK)
		*out = prk;
	secret_wipe(&prk, sizeof(prk));
	secret_wipe(&mac, sizeof(mac));
	return st;
}

enum status
kdf_expand(const struct kdf_prk *prk, struct bytes info, uint8_t *out,
    size_t size)
{
	enum status st;

	if (size == 0)
		return STATUS_INVALID;
	if (size > KDF_OUTPUT_MAX || info.size > KDF_INFO_MAX)
		return STATUS_TOO_LARGE;
	st = hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, BYTES_OF(prk->bytes),
	    OSSL_KDF_PARAM_INFO, info, out, size);
	if (st != STATUS_OK)
		secret_wipe(out, size);
	return st;
}

enum status
kdf_derive(struct bytes salt, struct bytes ikm, struct bytes info,
    uint8_t *out, size_t size)
{
	struct kdf_prk prk = { 0 };
	enum status st;

	if ((st = kdf_extract(salt, ikm, &prk)) == STATUS_OK)
		st = kdf_expand(&prk, info, out, size);
	secret_wipe(&prk, sizeof(prk));
	return st;
}

enum status
kdf_hmac(struct bytes key, const struct bytes *parts, size_t count,
    struct sha256_digest *out)
{
	static const uint8_t no_key[1];
	OSSL_PARAM parameters[2] = {
		digest_parameter(OSSL_MAC_PARAM_DIGEST),
		OSSL_PARAM_construct_end(),
	};
	struct sha256_digest mac = { 0 };
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(openssl_algorithms()->hmac);
	size_t size = 0;
	enum status st = STATUS_OK;

	/* A NULL key would mean the key of the last time. */
	if (context == NULL || EVP_MAC_init(context,
	    key.size > 0 ? key.data : no_key, key.size, parameters) != 1)
		st = openssl_failure();
	for (size_t i = 0; st == STATUS_OK && i < count; i++)
		if (parts[i].size > 0 && EVP_MAC_update(context,
		    parts[i].data, parts[i].size) != 1)
			st = openssl_failure();
	if (st == STATUS_OK && (EVP_MAC_final(context, mac.bytes, &size,
	    sizeof(mac.bytes)) != 1 || size != sizeof(mac.bytes)))
		st = openssl_failure();
	if (st == STATUS_OK)
		*out = mac;
	EVP_MAC_CTX_free(context);
	secret_wipe(&mac, sizeof(mac));
	return st;
}
