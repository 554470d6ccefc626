#include "tests/unit/unit.h"

#include <string.h>

#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "tests/unit/crypto/vectors.h"

static void
run_vector(const json_t *vector)
{
	struct symmetric_key key;
	struct aead_iv iv;
	struct buf aad, message, ciphertext, tag, out;
	bool is_valid = strcmp(vectors_string(vector, "result"),
	    "valid") == 0;

	vectors_hex_into(vector, "key", key.bytes, sizeof(key.bytes));
	vectors_hex_into(vector, "iv", iv.bytes, sizeof(iv.bytes));
	vectors_hex(vector, "aad", &aad);
	vectors_hex(vector, "msg", &message);
	vectors_hex(vector, "ct", &ciphertext);
	vectors_hex(vector, "tag", &tag);
	assert_ok(buf_append(&ciphertext, buf_bytes(&tag)));
	buf_init(&out, 4096);
	if (is_valid) {
		assert_ok(aead_seal(&key, &iv, buf_bytes(&aad),
		    buf_bytes(&message), &out));
		assert_bytes(buf_bytes(&out), buf_bytes(&ciphertext));
		buf_reset(&out);
		assert_ok(aead_open(&key, &iv, buf_bytes(&aad),
		    buf_bytes(&ciphertext), &out));
		assert_bytes(buf_bytes(&out), buf_bytes(&message));
	} else {
		assert_status(aead_open(&key, &iv, buf_bytes(&aad),
		    buf_bytes(&ciphertext), &out), STATUS_FORGED);
		assert_int_equal(out.size, 0);
	}
	buf_clear(&aad);
	buf_clear(&message);
	buf_clear(&ciphertext);
	buf_clear(&tag);
	buf_clear(&out);
}

static void
test_aead_wycheproof(void **state)
{
	json_t *file = vectors_load("wycheproof_aes_gcm.json");
	json_t *tests = vectors_array(file, "tests");
	size_t index, valid = 0, invalid = 0;
	json_t *vector;

	(void)state;
	json_array_foreach(tests, index, vector) {
		if (strcmp(vectors_string(vector, "result"), "valid") == 0)
			valid++;
		else
			invalid++;
		run_vector(vector);
	}
	print_message("%zu valid and %zu invalid ones\n", valid, invalid);
	assert_true(valid > 0 && invalid > 0);
	json_decref(file);
}

static const struct symmetric_key key = { .bytes = { 1, 2, 3 } };
static const struct aead_iv iv = { .bytes = { 4, 5, 6 } };

static void
test_aead_every_altered_bit_is_noticed(void **state)
{
	struct buf sealed, out;

	(void)state;
	buf_init(&sealed, 100);
	buf_init(&out, 100);
	assert_ok(aead_seal(&key, &iv, BYTES_LITERAL("aad"),
	    BYTES_LITERAL("message"), &sealed));
	assert_ok(buf_append_u8(&out, 'x'));
	for (size_t bit = 0; bit < sealed.size * 8; bit++) {
		sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_status(aead_open(&key, &iv, BYTES_LITERAL("aad"),
		    buf_bytes(&sealed), &out), STATUS_FORGED);
		sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < sealed.size; size++)
		assert_status(aead_open(&key, &iv, BYTES_LITERAL("aad"),
		    bytes_make(sealed.data, size), &out), STATUS_FORGED);
	assert_status(aead_open(&key, &iv, BYTES_LITERAL("aae"),
	    buf_bytes(&sealed), &out), STATUS_FORGED);
	assert_status(aead_open(&key, &iv, bytes_empty(),
	    buf_bytes(&sealed), &out), STATUS_FORGED);
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("x"));
	assert_ok(aead_open(&key, &iv, BYTES_LITERAL("aad"),
	    buf_bytes(&sealed), &out));
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("xmessage"));
	buf_clear(&sealed);
	buf_clear(&out);
}

static void
test_aead_forgery_leaves_no_plaintext(void **state)
{
	struct buf sealed, out;

	(void)state;
	buf_init(&sealed, 100);
	buf_init(&out, 100);
	assert_ok(aead_seal(&key, &iv, bytes_empty(),
	    BYTES_LITERAL("message"), &sealed));
	sealed.data[sealed.size - 1] ^= 1;
	assert_ok(buf_reserve(&out, 64));
	memset(out.data, 0, 64);
	assert_status(aead_open(&key, &iv, bytes_empty(),
	    buf_bytes(&sealed), &out), STATUS_FORGED);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(out.data[i], 0);
	buf_clear(&sealed);
	buf_clear(&out);
}

static void
test_aead_needs_room(void **state)
{
	struct buf sealed, out;

	(void)state;
	buf_init(&sealed, 22);
	buf_init(&out, 6);
	assert_status(aead_seal(&key, &iv, bytes_empty(),
	    BYTES_LITERAL("message"), &sealed), STATUS_TOO_LARGE);
	assert_ok(aead_seal(&key, &iv, bytes_empty(),
	    BYTES_LITERAL("messag"), &sealed));
	assert_ok(aead_open(&key, &iv, bytes_empty(), buf_bytes(&sealed),
	    &out));
	assert_status(aead_open(&key, &iv, bytes_empty(),
	    buf_bytes(&sealed), &out), STATUS_TOO_LARGE);
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("messag"));
	buf_clear(&sealed);
	buf_clear(&out);
}

static void
test_aead_empty_message(void **state)
{
	struct buf sealed, out;

	(void)state;
	buf_init(&sealed, 16);
	buf_init(&out, 0);
	assert_ok(aead_seal(&key, &iv, bytes_empty(), bytes_empty(),
	    &sealed));
	assert_int_equal(sealed.size, AEAD_TAG_SIZE);
	assert_ok(aead_open(&key, &iv, bytes_empty(), buf_bytes(&sealed),
	    &out));
	sealed.data[0] ^= 1;
	assert_status(aead_open(&key, &iv, bytes_empty(),
	    buf_bytes(&sealed), &out), STATUS_FORGED);
	buf_clear(&sealed);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aead_wycheproof),
		cmocka_unit_test(test_aead_every_altered_bit_is_noticed),
		cmocka_unit_test(test_aead_forgery_leaves_no_plaintext),
		cmocka_unit_test(test_aead_needs_room),
		cmocka_unit_test(test_aead_empty_message),
	};
	int failed;

	if (crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
