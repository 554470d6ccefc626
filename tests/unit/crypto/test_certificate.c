#include "tests/unit/unit.h"

#include <openssl/pem.h>
#include <openssl/ui.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/certificate.h"
#include "crypto/crypto.h"
#include "crypto/hash.h"

static const char *const names[] = { "localhost", "peyk.example",
	"127.0.0.1", "::1" };

static const struct certificate_request request = {
	.common_name = "peykd",
	.names = names,
	.name_count = 4,
	.not_before_s = 1700000000,
	.days = 3650,
};

static X509 *
read_certificate(struct bytes pem)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	assert_non_null(certificate);
	BIO_free(bio);
	return certificate;
}

static void
test_certificate_says_what_was_asked(void **state)
{
	struct buf pem, key_pem;
	struct sha256_digest fingerprint, expected;
	uint8_t *der = NULL;
	X509 *certificate;
	EVP_PKEY *key;
	BIO *bio;
	int der_size;

	(void)state;
	buf_init(&pem, 10000);
	buf_init_secret(&key_pem, 10000);
	assert_ok(certificate_make(&request, &pem, &key_pem));
	certificate = read_certificate(buf_bytes(&pem));
	bio = BIO_new_mem_buf(key_pem.data, (int)key_pem.size);
	key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(key);
	assert_int_equal(X509_check_private_key(certificate, key), 1);
	assert_int_equal(X509_verify(certificate, key), 1);
	assert_int_equal(X509_check_host(certificate, "localhost", 0, 0,
	    NULL), 1);
	assert_int_equal(X509_check_host(certificate, "peyk.example", 0, 0,
	    NULL), 1);
	assert_int_equal(X509_check_host(certificate, "other", 0, 0, NULL),
	    0);
	assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(certificate, "::1", 0), 1);
	assert_int_equal(X509_check_ip_asc(certificate, "10.0.0.1", 0), 0);
	assert_int_equal(X509_cmp_timeframe(NULL,
	    X509_get0_notBefore(certificate),
	    X509_get0_notAfter(certificate)), 0);
	der_size = i2d_X509(certificate, &der);
	assert_true(der_size > 0);
	assert_ok(hash_sha256(bytes_make(der, (size_t)der_size), &expected));
	assert_ok(certificate_fingerprint(buf_bytes(&pem), &fingerprint));
	assert_true(sha256_digest_equal(&fingerprint, &expected));
	OPENSSL_free(der);
	X509_free(certificate);
	EVP_PKEY_free(key);
	buf_clear(&pem);
	buf_clear(&key_pem);
}

static void
test_certificate_differs_each_time(void **state)
{
	struct buf first, second, key;
	struct sha256_digest a, b;

	(void)state;
	buf_init(&first, 10000);
	buf_init(&second, 10000);
	buf_init_secret(&key, 10000);
	assert_ok(certificate_make(&request, &first, &key));
	assert_ok(certificate_make(&request, &second, &key));
	assert_ok(certificate_fingerprint(buf_bytes(&first), &a));
	assert_ok(certificate_fingerprint(buf_bytes(&second), &b));
	assert_false(sha256_digest_equal(&a, &b));
	/* Of a chain, the first one counts. */
	assert_ok(buf_append(&first, buf_bytes(&second)));
	assert_ok(certificate_fingerprint(buf_bytes(&first), &b));
	assert_true(sha256_digest_equal(&a, &b));
	buf_clear(&first);
	buf_clear(&second);
	buf_clear(&key);
}

static void
test_certificate_bad_requests(void **state)
{
	static const char long_name[] =
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	const char *const empty_name[] = { "" };
	struct certificate_request bad[] = { request, request, request,
		request, request, request };
	struct buf pem, key;

	(void)state;
	bad[0].common_name = "";
	bad[1].common_name = long_name;
	bad[2].name_count = 0;
	bad[3].names = empty_name;
	bad[3].name_count = 1;
	bad[4].days = 0;
	bad[5].days = CERTIFICATE_DAYS_MAX + 1;
	buf_init(&pem, 10000);
	buf_init(&key, 10000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_status(certificate_make(&bad[i], &pem, &key),
		    STATUS_INVALID);
	assert_int_equal(pem.size, 0);
	assert_int_equal(key.size, 0);
	buf_clear(&pem);
	buf_clear(&key);
}

static void
test_certificate_both_or_neither(void **state)
{
	struct buf pem, key;

	(void)state;
	buf_init(&pem, 10000);
	buf_init_secret(&key, 10);
	assert_ok(buf_append_u8(&pem, 'x'));
	assert_status(certificate_make(&request, &pem, &key),
	    STATUS_TOO_LARGE);
	assert_bytes(buf_bytes(&pem), BYTES_LITERAL("x"));
	buf_clear(&pem);
	buf_clear(&key);
}

static void
test_certificate_fingerprint_of_garbage(void **state)
{
	struct sha256_digest out;

	(void)state;
	assert_status(certificate_fingerprint(bytes_empty(), &out),
	    STATUS_INVALID);
	assert_status(certificate_fingerprint(BYTES_LITERAL("garbage"),
	    &out), STATUS_INVALID);
	assert_status(certificate_fingerprint(BYTES_LITERAL(
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	    &out), STATUS_INVALID);
}

static bool was_asked;

static int
note_question(UI *ui)
{
	(void)ui;
	was_asked = true;
	return 0;
}

/* The header of an encrypted PEM; a server has nobody to ask. */
static void
test_certificate_asks_nobody(void **state)
{
	UI_METHOD *method = UI_create_method("test");
	struct sha256_digest out;

	(void)state;
	assert_non_null(method);
	assert_int_equal(UI_method_set_opener(method, note_question), 0);
	UI_set_default_method(method);
	assert_status(certificate_fingerprint(BYTES_LITERAL(
	    "-----BEGIN CERTIFICATE-----\n"
	    "Proc-Type: 4,ENCRYPTED\n"
	    "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	    "-----END CERTIFICATE-----\n"), &out), STATUS_INVALID);
	assert_false(was_asked);
	UI_set_default_method(UI_OpenSSL());
	UI_destroy_method(method);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificate_says_what_was_asked),
		cmocka_unit_test(test_certificate_differs_each_time),
		cmocka_unit_test(test_certificate_bad_requests),
		cmocka_unit_test(test_certificate_both_or_neither),
		cmocka_unit_test(test_certificate_fingerprint_of_garbage),
		cmocka_unit_test(test_certificate_asks_nobody),
	};
	int failed;

	if (crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
