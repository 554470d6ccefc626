#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/raw.h"
#include "crypto/signature.h"
#include "tests/unit/crypto/vectors.h"

static bool
is_accepted(const struct signing_public_key *key, struct bytes message,
    struct bytes bytes)
{
	struct signature signature;

	if (signature_import(bytes, &signature) != STATUS_OK)
		return false;
	return raw_verify(key, message, &signature) == STATUS_OK;
}

static void
test_signature_wycheproof(void **state)
{
	json_t *file = vectors_load("wycheproof_ed25519.json");
	size_t index, valid = 0, invalid = 0;
	json_t *vector;

	(void)state;
	json_array_foreach(vectors_array(file, "tests"), index, vector) {
		bool is_valid = strcmp(vectors_string(vector, "result"),
		    "valid") == 0;
		struct signing_public_key key;
		struct buf message, signature;

		vectors_hex_into(vector, "pk", key.bytes, 32);
		vectors_hex(vector, "msg", &message);
		vectors_hex(vector, "sig", &signature);
		assert_int_equal(is_accepted(&key, buf_bytes(&message),
		    buf_bytes(&signature)), is_valid);
		if (is_valid)
			valid++;
		else
			invalid++;
		buf_clear(&message);
		buf_clear(&signature);
	}
	print_message("%zu valid and %zu invalid ones\n", valid, invalid);
	assert_true(valid > 0 && invalid > 0);
	json_decref(file);
}

/* RFC 8032 section 7.1, test 3. */
static void
test_signature_rfc8032(void **state)
{
	struct signing_seed seed;
	struct signing_key_pair pair;
	struct signature signature;
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 98);
	assert_ok(text_decode(TEXT_ENCODING_HEX, BYTES_LITERAL(
	    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
	    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
	    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
	    "af82"), &bytes));
	assert_ok(signing_seed_import(bytes_make(bytes.data, 32), &seed));
	assert_ok(signing_key_pair_from_seed(&seed, &pair));
	assert_ok(raw_sign(&pair.secret_key, bytes_make(bytes.data + 96, 2),
	    &signature));
	assert_bytes(BYTES_OF(signature.bytes), bytes_make(bytes.data + 32,
	    64));
	buf_clear(&bytes);
}

static struct signing_key_pair own;

static void
test_signature_covers_label_and_content(void **state)
{
	static const char labelled[] = "peyk/v1 test\0content";
	struct signing_key_pair other;
	struct signature signature, bare, altered;

	(void)state;
	assert_ok(signature_sign(&own.secret_key, "peyk/v1 test",
	    BYTES_LITERAL("content"), &signature));
	assert_ok(raw_sign(&own.secret_key, bytes_make(labelled,
	    sizeof(labelled) - 1), &bare));
	assert_memory_equal(&signature, &bare, sizeof(bare));
	assert_ok(signature_verify(&own.public_key, "peyk/v1 test",
	    BYTES_LITERAL("content"), &signature));
	assert_status(signature_verify(&own.public_key, "peyk/v1 tes",
	    BYTES_LITERAL("content"), &signature), STATUS_FORGED);
	assert_status(signature_verify(&own.public_key, "peyk/v1 test",
	    BYTES_LITERAL("contents"), &signature), STATUS_FORGED);
	assert_status(signature_verify(&own.public_key, "peyk/v1 test",
	    bytes_empty(), &signature), STATUS_FORGED);
	assert_ok(signing_key_pair_generate(&other));
	assert_status(signature_verify(&other.public_key, "peyk/v1 test",
	    BYTES_LITERAL("content"), &signature), STATUS_FORGED);
	for (size_t bit = 0; bit < 512; bit++) {
		altered = signature;
		altered.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_status(signature_verify(&own.public_key,
		    "peyk/v1 test", BYTES_LITERAL("content"), &altered),
		    STATUS_FORGED);
	}
}

static void
test_signature_of_any_size(void **state)
{
	static const size_t sizes[] = { 0, 4095 - 2, 4096 - 2, 4097 - 2,
		4 << 20 };
	uint8_t *content = calloc(1, 4 << 20);
	struct signature signature;

	(void)state;
	assert_non_null(content);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bytes bytes = bytes_make(content, sizes[i]);

		assert_ok(signature_sign(&own.secret_key, "x", bytes,
		    &signature));
		assert_ok(signature_verify(&own.public_key, "x", bytes,
		    &signature));
		if (sizes[i] == 0)
			continue;
		content[sizes[i] - 1] ^= 1;
		assert_status(signature_verify(&own.public_key, "x", bytes,
		    &signature), STATUS_FORGED);
		content[sizes[i] - 1] ^= 1;
	}
	assert_status(signature_sign(&own.secret_key, "x",
	    bytes_make(content, SIGNATURE_CONTENT_MAX + 1), &signature),
	    STATUS_TOO_LARGE);
	assert_status(signature_verify(&own.public_key, "x",
	    bytes_make(content, SIGNATURE_CONTENT_MAX + 1), &signature),
	    STATUS_FORGED);
	free(content);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature_wycheproof),
		cmocka_unit_test(test_signature_rfc8032),
		cmocka_unit_test(test_signature_covers_label_and_content),
		cmocka_unit_test(test_signature_of_any_size),
	};
	int failed;

	if (crypto_init() != STATUS_OK ||
	    signing_key_pair_generate(&own) != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
