#include "crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "crypto/openssl.h"

/* RFC 5280 section 4.1.2.2: positive and at most 20 bytes. */
#define CERTIFICATE_SERIAL_SIZE 16

#define CERTIFICATE_PEM_MAX ((size_t)1 << 20)
#define CERTIFICATE_COMMON_NAME_MAX 64
#define CERTIFICATE_NAME_MAX 253

static bool
is_request_valid(const struct certificate_request *request)
{
	size_t length = strlen(request->common_name);

	if (length == 0 || length > CERTIFICATE_COMMON_NAME_MAX ||
	    request->name_count == 0 ||
	    request->name_count > CERTIFICATE_NAMES_MAX ||
	    request->days == 0 || request->days > CERTIFICATE_DAYS_MAX ||
	    request->not_before_s > INT64_MAX / 2)
		return false;
	for (size_t i = 0; i < request->name_count; i++) {
		length = strlen(request->names[i]);
		if (length == 0 || length > CERTIFICATE_NAME_MAX)
			return false;
	}
	return true;
}

/* An IP address if it reads like one, or else a DNS name. */
static GENERAL_NAME *
general_name_of(const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_OCTET_STRING *value = a2i_IPADDRESS(text);
	int type = GEN_IPADD;

	if (value == NULL) {
		type = GEN_DNS;
		value = ASN1_IA5STRING_new();
		if (value != NULL && ASN1_STRING_set(value, text, -1) != 1) {
			ASN1_STRING_free(value);
			value = NULL;
		}
	}
	if (name == NULL || value == NULL) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return NULL;
	}
	GENERAL_NAME_set0_value(name, type, value);
	return name;
}

static bool
add_names(X509 *certificate, const struct certificate_request *request)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = NULL;
	bool is_done = false;

	if (names == NULL)
		return false;
	for (size_t i = 0; i < request->name_count; i++) {
		name = general_name_of(request->names[i]);
		if (name == NULL || sk_GENERAL_NAME_push(names, name) <= 0)
			goto out;
		name = NULL; /* now the list's */
	}
	is_done = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names,
	    0, X509V3_ADD_DEFAULT) == 1;
out:
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return is_done;
}

static bool
add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool is_done;

	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&context);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (extension == NULL)
		return false;
	is_done = X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_done;
}

static bool
set_serial(X509 *certificate)
{
	uint8_t serial[CERTIFICATE_SERIAL_SIZE];
	ASN1_INTEGER *integer;
	BIGNUM *number;
	bool is_done = false;

	random_bytes(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	number = BN_bin2bn(serial, sizeof(serial), NULL);
	integer = number == NULL ? NULL : BN_to_ASN1_INTEGER(number, NULL);
	is_done = integer != NULL &&
	    X509_set_serialNumber(certificate, integer) == 1;
	ASN1_INTEGER_free(integer);
	BN_free(number);
	return is_done;
}

static bool
set_names_and_times(X509 *certificate,
    const struct certificate_request *request)
{
	time_t start = (time_t)request->not_before_s;
	X509_NAME *subject = X509_get_subject_name(certificate);

	return X509_set_version(certificate, X509_VERSION_3) == 1 &&
	    X509_time_adj_ex(X509_getm_notBefore(certificate), 0, 0,
	    &start) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(certificate),
	    (int)request->days, 0, &start) != NULL &&
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
	    (const unsigned char *)request->common_name, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(certificate, subject) == 1;
}

static enum status
certificate_new(const struct certificate_request *request, EVP_PKEY *key,
    X509 **out)
{
	X509 *certificate = X509_new();
	enum status st = STATUS_OK;

	if (certificate == NULL || !set_serial(certificate) ||
	    !set_names_and_times(certificate, request) ||
	    X509_set_pubkey(certificate, key) != 1 ||
	    !add_extension(certificate, NID_basic_constraints,
	    "critical,CA:FALSE") ||
	    !add_extension(certificate, NID_key_usage,
	    "critical,digitalSignature") ||
	    !add_extension(certificate, NID_ext_key_usage, "serverAuth") ||
	    !add_extension(certificate, NID_subject_key_identifier,
	    "hash") ||
	    !add_names(certificate, request) ||
	    X509_sign(certificate, key, openssl_algorithms()->sha256) <= 0) {
		st = openssl_failure();
		goto out;
	}
	*out = certificate;
	certificate = NULL; /* now the caller's */
out:
	X509_free(certificate);
	return st;
}

static enum status
append_bio(BIO *bio, struct buf *out)
{
	char *data = NULL;
	long size = BIO_get_mem_data(bio, &data);

	if (size <= 0)
		return STATUS_INTERNAL;
	return buf_append(out, bytes_make(data, (size_t)size));
}

static enum status
write_pem(X509 *certificate, EVP_PKEY *key, struct buf *certificate_out,
    struct buf *key_out)
{
	size_t certificate_start = certificate_out->size;
	BIO *certificate_bio = BIO_new(BIO_s_mem());
	BIO *key_bio = BIO_new(BIO_s_secmem());
	enum status st;

	if (certificate_bio == NULL || key_bio == NULL ||
	    PEM_write_bio_X509(certificate_bio, certificate) != 1 ||
	    PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL,
	    NULL) != 1) {
		st = openssl_failure();
		goto out;
	}
	if ((st = append_bio(certificate_bio,
	    certificate_out)) != STATUS_OK)
		goto out;
	if ((st = append_bio(key_bio, key_out)) != STATUS_OK)
		buf_truncate(certificate_out, certificate_start);
out:
	BIO_free(certificate_bio);
	BIO_free(key_bio);
	return st;
}

enum status
certificate_make(const struct certificate_request *request,
    struct buf *certificate, struct buf *private_key)
{
	EVP_PKEY *key = NULL;
	X509 *made = NULL;
	enum status st;

	if (!is_request_valid(request))
		return STATUS_INVALID;
	key = EVP_EC_gen("P-256");
	if (key == NULL) {
		st = openssl_failure();
		goto out;
	}
	if ((st = certificate_new(request, key, &made)) == STATUS_OK)
		st = write_pem(made, key, certificate, private_key);
out:
	X509_free(made);
	EVP_PKEY_free(key);
	return st;
}

/* Instead of OpenSSL's, which asks on the terminal. */
static int
no_password(char *out, int size, int is_writing, void *context)
{
	(void)out;
	(void)size;
	(void)is_writing;
	(void)context;
	return -1;
}

enum status
certificate_fingerprint(struct bytes pem, struct sha256_digest *out)
{
	struct sha256_digest digest;
	X509 *certificate = NULL;
	unsigned size = 0;
	BIO *bio;
	enum status st = STATUS_OK;

	if (pem.size > CERTIFICATE_PEM_MAX)
		return STATUS_TOO_LARGE;
	bio = BIO_new_mem_buf(pem.size > 0 ? (const void *)pem.data : "",
	    (int)pem.size);
	if (bio == NULL)
		return openssl_failure();
	certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
	if (certificate == NULL) {
		st = openssl_failure() == STATUS_NOMEM ?
		    STATUS_NOMEM : STATUS_INVALID;
		goto out;
	}
	if (X509_digest(certificate, openssl_algorithms()->sha256,
	    digest.bytes, &size) != 1 || size != sizeof(digest.bytes)) {
		st = openssl_failure();
		goto out;
	}
	*out = digest;
out:
	X509_free(certificate);
	BIO_free(bio);
	return st;
}
