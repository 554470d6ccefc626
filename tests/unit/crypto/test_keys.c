#include "tests/unit/unit.h"

#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/keys.h"
#include "tests/unit/crypto/vectors.h"

static void
test_keys_x25519_wycheproof(void **state)
{
	static const uint8_t zero[32];
	json_t *file = vectors_load("wycheproof_x25519.json");
	size_t index, derived = 0, refused = 0;
	json_t *vector;

	(void)state;
	json_array_foreach(vectors_array(file, "tests"), index, vector) {
		struct encryption_secret_key secret;
		struct encryption_key_pair own;
		struct encryption_public_key other;
		struct shared_secret expected, shared;

		vectors_hex_into(vector, "private", secret.bytes, 32);
		vectors_hex_into(vector, "public", other.bytes, 32);
		vectors_hex_into(vector, "shared", expected.bytes, 32);
		assert_ok(encryption_key_pair_from_secret(&secret, &own));
		if (memcmp(expected.bytes, zero, 32) == 0) {
			assert_status(shared_secret_derive(&own, &other,
			    &shared), STATUS_FORGED);
			refused++;
		} else {
			assert_ok(shared_secret_derive(&own, &other,
			    &shared));
			assert_memory_equal(shared.bytes, expected.bytes,
			    32);
			derived++;
		}
	}
	print_message("%zu derived, %zu of small order refused\n", derived,
	    refused);
	assert_true(derived > 0 && refused > 0);
	json_decref(file);
}

static void
test_keys_both_sides_share_a_secret(void **state)
{
	struct encryption_key_pair a, b;
	struct shared_secret ab, ba;

	(void)state;
	assert_ok(encryption_key_pair_generate(&a));
	assert_ok(encryption_key_pair_generate(&b));
	assert_false(encryption_public_key_equal(&a.public_key,
	    &b.public_key));
	assert_ok(shared_secret_derive(&a, &b.public_key, &ab));
	assert_ok(shared_secret_derive(&b, &a.public_key, &ba));
	assert_memory_equal(ab.bytes, ba.bytes, sizeof(ab.bytes));
}

/* RFC 8032 section 7.1, test 1. */
static void
test_keys_signing_pair_from_seed(void **state)
{
	struct signing_seed seed, back;
	struct signing_public_key expected;
	struct signing_key_pair pair;
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 64);
	assert_ok(text_decode(TEXT_ENCODING_HEX, BYTES_LITERAL(
	    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
	    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
	    &bytes));
	assert_ok(signing_seed_import(bytes_make(bytes.data, 32), &seed));
	assert_ok(signing_public_key_import(bytes_make(bytes.data + 32, 32),
	    &expected));
	assert_ok(signing_key_pair_from_seed(&seed, &pair));
	assert_true(signing_public_key_equal(&pair.public_key, &expected));
	signing_seed_of(&pair.secret_key, &back);
	assert_memory_equal(seed.bytes, back.bytes, sizeof(seed.bytes));
	buf_clear(&bytes);
}

static void
test_keys_import_wants_the_length(void **state)
{
	static const uint8_t bytes[65];
	struct signing_public_key a = { .bytes = { 7 } };
	struct signing_seed b;
	struct signature c;
	struct encryption_public_key d;
	struct encryption_secret_key e;
	struct symmetric_key f;
	struct sha256_digest g;

	(void)state;
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		struct bytes input = bytes_make(bytes, size);
		enum status expected = size == 32 ? STATUS_OK :
		    STATUS_INVALID;

		assert_status(signing_public_key_import(input, &a),
		    expected);
		assert_int_equal(a.bytes[0], size < 32 ? 7 : 0);
		assert_status(signing_seed_import(input, &b), expected);
		assert_status(encryption_public_key_import(input, &d),
		    expected);
		assert_status(encryption_secret_key_import(input, &e),
		    expected);
		assert_status(symmetric_key_import(input, &f), expected);
		assert_status(sha256_digest_import(input, &g), expected);
		assert_status(signature_import(input, &c), size == 64 ?
		    STATUS_OK : STATUS_INVALID);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_x25519_wycheproof),
		cmocka_unit_test(test_keys_both_sides_share_a_secret),
		cmocka_unit_test(test_keys_signing_pair_from_seed),
		cmocka_unit_test(test_keys_import_wants_the_length),
	};
	int failed;

	if (crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
