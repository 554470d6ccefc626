#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/kdf.h"
#include "tests/unit/crypto/vectors.h"

static void
test_kdf_hkdf_wycheproof(void **state)
{
	json_t *file = vectors_load("wycheproof_hkdf_sha256.json");
	size_t index, valid = 0, invalid = 0;
	json_t *vector;
	uint8_t *out = malloc(KDF_OUTPUT_MAX + 1);

	(void)state;
	assert_non_null(out);
	json_array_foreach(vectors_array(file, "tests"), index, vector) {
		struct buf ikm, salt, info, okm;
		size_t size = (size_t)vectors_integer(vector, "size");

		vectors_hex(vector, "ikm", &ikm);
		vectors_hex(vector, "salt", &salt);
		vectors_hex(vector, "info", &info);
		vectors_hex(vector, "okm", &okm);
		if (strcmp(vectors_string(vector, "result"), "valid") == 0) {
			assert_ok(kdf_derive(buf_bytes(&salt),
			    buf_bytes(&ikm), buf_bytes(&info), out, size));
			assert_bytes(bytes_make(out, size), buf_bytes(&okm));
			valid++;
		} else {
			assert_true(size > KDF_OUTPUT_MAX);
			assert_status(kdf_derive(buf_bytes(&salt),
			    buf_bytes(&ikm), buf_bytes(&info), out, size),
			    STATUS_TOO_LARGE);
			invalid++;
		}
		buf_clear(&ikm);
		buf_clear(&salt);
		buf_clear(&info);
		buf_clear(&okm);
	}
	print_message("%zu valid and %zu invalid ones\n", valid, invalid);
	assert_true(valid > 0 && invalid > 0);
	free(out);
	json_decref(file);
}

/* What HKDF is by its definition, where OpenSSL needs help. */
static void
test_kdf_extract_of_nothing(void **state)
{
	static const uint8_t zeros[32];
	const struct bytes ikm = BYTES_LITERAL("ikm");
	struct kdf_prk prk;
	struct sha256_digest mac;

	(void)state;
	assert_ok(kdf_extract(bytes_empty(), bytes_empty(), &prk));
	assert_ok(kdf_hmac(BYTES_OF(zeros), NULL, 0, &mac));
	assert_memory_equal(prk.bytes, mac.bytes, sizeof(prk.bytes));
	assert_ok(kdf_extract(BYTES_LITERAL("salt"), bytes_empty(), &prk));
	assert_ok(kdf_hmac(BYTES_LITERAL("salt"), NULL, 0, &mac));
	assert_memory_equal(prk.bytes, mac.bytes, sizeof(prk.bytes));
	assert_ok(kdf_extract(bytes_empty(), ikm, &prk));
	assert_ok(kdf_hmac(BYTES_OF(zeros), &ikm, 1, &mac));
	assert_memory_equal(prk.bytes, mac.bytes, sizeof(prk.bytes));
}

static void
test_kdf_keeps_nothing_of_the_last_call(void **state)
{
	static const struct kdf_prk prk = { .bytes = { 1 } };
	uint8_t plain[32], with_info[32], again[32];

	(void)state;
	assert_ok(kdf_expand(&prk, bytes_empty(), plain, 32));
	assert_ok(kdf_expand(&prk, BYTES_LITERAL("info"), with_info, 32));
	assert_ok(kdf_expand(&prk, bytes_empty(), again, 32));
	assert_memory_equal(plain, again, 32);
	assert_memory_not_equal(plain, with_info, 32);
}

static void
test_kdf_limits(void **state)
{
	static const uint8_t info[KDF_INFO_MAX + 1];
	static const struct kdf_prk prk = { .bytes = { 1 } };
	uint8_t out[32];

	(void)state;
	assert_status(kdf_expand(&prk, bytes_empty(), out, 0),
	    STATUS_INVALID);
	assert_status(kdf_expand(&prk, BYTES_OF(info), out, 32),
	    STATUS_TOO_LARGE);
	assert_ok(kdf_expand(&prk, bytes_make(info, KDF_INFO_MAX), out, 32));
}

/* RFC 4231 sections 4.2 and 4.3, and HMAC of nothing under no key. */
static void
test_kdf_hmac_rfc4231(void **state)
{
	static const struct {
		const char *key, *data, *mac;
	} vectors[] = {
		{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There",
		    "b0344c61d8db38535ca8afceaf0bf12b"
		    "881dc200c9833da726e9376c2e32cff7" },
		{ "4a656665", "what do ya want for nothing?",
		    "5bdcc146bf60754e6a042426089575c7"
		    "5a003f089d2739839dec58b964ec3843" },
		{ "", "", "b613679a0814d9ec772f95d778c35fc5"
		    "ff1697c493715653c6c712144292c5ad" },
	};
	struct sha256_digest mac;
	struct buf key, expected;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct bytes data = bytes_from_string(vectors[i].data);
		struct bytes parts[] = {
			bytes_make(data.data, data.size / 2),
			bytes_empty(),
			bytes_make(data.data + data.size / 2,
			    data.size - data.size / 2),
		};

		buf_init(&key, 32);
		buf_init(&expected, 32);
		assert_ok(text_decode(TEXT_ENCODING_HEX,
		    bytes_from_string(vectors[i].key), &key));
		assert_ok(text_decode(TEXT_ENCODING_HEX,
		    bytes_from_string(vectors[i].mac), &expected));
		assert_ok(kdf_hmac(buf_bytes(&key), parts, 3, &mac));
		assert_bytes(BYTES_OF(mac.bytes), buf_bytes(&expected));
		buf_clear(&key);
		buf_clear(&expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kdf_hkdf_wycheproof),
		cmocka_unit_test(test_kdf_extract_of_nothing),
		cmocka_unit_test(test_kdf_keeps_nothing_of_the_last_call),
		cmocka_unit_test(test_kdf_limits),
		cmocka_unit_test(test_kdf_hmac_rfc4231),
	};
	int failed;

	if (crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
