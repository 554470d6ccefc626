#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "crypto/hpke.h"
#include "crypto/suite.h"
#include "tests/unit/crypto/vectors.h"

/* The two contexts of one vector. */
struct pair {
	struct hpke_context sender, receiver;
	enum suite suite;
};

static void
setup_pair(const json_t *vector, struct pair *out)
{
	struct encryption_secret_key secret;
	struct encryption_key_pair recipient, ephemeral;
	struct encryption_public_key expected;
	struct hpke_encapsulated_key encapsulated, expected_encapsulated;
	struct buf info;

	out->suite = (enum suite)vectors_integer(vector, "aead_id");
	vectors_hex(vector, "info", &info);
	vectors_hex_into(vector, "skRm", secret.bytes, 32);
	assert_ok(encryption_key_pair_from_secret(&secret, &recipient));
	vectors_hex_into(vector, "pkRm", expected.bytes, 32);
	assert_true(encryption_public_key_equal(&recipient.public_key,
	    &expected));
	vectors_hex_into(vector, "skEm", secret.bytes, 32);
	assert_ok(encryption_key_pair_from_secret(&secret, &ephemeral));
	assert_ok(suite_sender_init(out->suite, &out->sender,
	    &recipient.public_key, &ephemeral, buf_bytes(&info),
	    &encapsulated));
	vectors_hex_into(vector, "pkEm", expected_encapsulated.bytes, 32);
	assert_memory_equal(encapsulated.bytes, expected_encapsulated.bytes,
	    32);
	assert_ok(suite_receiver_init(out->suite, &out->receiver, &recipient,
	    &encapsulated, buf_bytes(&info)));
	buf_clear(&info);
}

/*
 * The file's encryptions are those of RFC 9180: sequence numbers 0 to 7, 255
 * and 256, with "Count-N" as aad.
 */
static unsigned long
sequence_of(struct bytes aad)
{
	char text[32] = { 0 };

	assert_true(aad.size < sizeof(text));
	memcpy(text, aad.data, aad.size);
	assert_memory_equal(text, "Count-", 6);
	return strtoul(text + 6, NULL, 10);
}

static size_t
run_encryptions(const json_t *vector, struct pair *pair)
{
	size_t index;
	json_t *encryption;

	json_array_foreach(vectors_array(vector, "encryptions"), index,
	    encryption) {
		struct buf aad, plaintext, ciphertext, out;
		unsigned long sequence;

		vectors_hex(encryption, "aad", &aad);
		vectors_hex(encryption, "pt", &plaintext);
		vectors_hex(encryption, "ct", &ciphertext);
		buf_init(&out, 1000);
		sequence = sequence_of(buf_bytes(&aad));
		while (pair->sender.sequence < sequence) {
			assert_ok(hpke_seal(&pair->sender, bytes_empty(),
			    bytes_empty(), &out));
			assert_ok(hpke_open(&pair->receiver, bytes_empty(),
			    buf_bytes(&out), &(struct buf){ 0 }));
			buf_reset(&out);
		}
		assert_ok(hpke_seal(&pair->sender, buf_bytes(&aad),
		    buf_bytes(&plaintext), &out));
		assert_bytes(buf_bytes(&out), buf_bytes(&ciphertext));
		buf_reset(&out);
		assert_ok(hpke_open(&pair->receiver, buf_bytes(&aad),
		    buf_bytes(&ciphertext), &out));
		assert_bytes(buf_bytes(&out), buf_bytes(&plaintext));
		buf_clear(&aad);
		buf_clear(&plaintext);
		buf_clear(&ciphertext);
		buf_clear(&out);
	}
	return index;
}

static size_t
run_exports(const json_t *vector, const struct pair *pair)
{
	size_t index;
	json_t *export;

	json_array_foreach(vectors_array(vector, "exports"), index, export) {
		struct buf context;
		uint8_t expected[32], out[32];

		assert_string_equal(vectors_string(export, "L"), "32");
		vectors_hex(export, "exporter_context", &context);
		vectors_hex_into(export, "exported_value", expected, 32);
		assert_ok(hpke_export(&pair->sender, buf_bytes(&context),
		    out, sizeof(out)));
		assert_memory_equal(out, expected, sizeof(out));
		assert_ok(hpke_export(&pair->receiver, buf_bytes(&context),
		    out, sizeof(out)));
		assert_memory_equal(out, expected, sizeof(out));
		buf_clear(&context);
	}
	return index;
}

static void
test_hpke_rfc9180(void **state)
{
	json_t *file = vectors_load("hpke_rfc9180.json");
	size_t index, encryptions = 0, exports = 0;
	bool has_own_suite = false;
	json_t *vector;

	(void)state;
	json_array_foreach(vectors_array(file, "vectors"), index, vector) {
		struct pair pair;

		assert_int_equal(vectors_integer(vector, "mode"), 0);
		assert_int_equal(vectors_integer(vector, "kem_id"), 0x0020);
		assert_int_equal(vectors_integer(vector, "kdf_id"), 0x0001);
		setup_pair(vector, &pair);
		encryptions += run_encryptions(vector, &pair);
		exports += run_exports(vector, &pair);
		has_own_suite |= pair.suite == SUITE_AES_256_GCM;
		hpke_clear(&pair.sender);
		hpke_clear(&pair.receiver);
	}
	print_message("%zu suites, %zu encryptions, %zu exports\n", index,
	    encryptions, exports);
	assert_true(has_own_suite && encryptions > 0 && exports > 0);
	json_decref(file);
}

static struct encryption_key_pair recipient;

static void
test_hpke_is_fresh_each_time(void **state)
{
	struct hpke_encapsulated_key first, second;
	struct buf a, b;

	(void)state;
	buf_init(&a, 100);
	buf_init(&b, 100);
	assert_ok(hpke_seal_once(&recipient.public_key,
	    BYTES_LITERAL("info"), BYTES_LITERAL("aad"),
	    BYTES_LITERAL("hello"), &first, &a));
	assert_ok(hpke_seal_once(&recipient.public_key,
	    BYTES_LITERAL("info"), BYTES_LITERAL("aad"),
	    BYTES_LITERAL("hello"), &second, &b));
	assert_int_equal(a.size, 5 + HPKE_OVERHEAD);
	assert_memory_not_equal(first.bytes, second.bytes, 32);
	assert_memory_not_equal(a.data, b.data, a.size);
	buf_reset(&b);
	assert_ok(hpke_open_once(&recipient, &first, BYTES_LITERAL("info"),
	    BYTES_LITERAL("aad"), buf_bytes(&a), &b));
	assert_bytes(buf_bytes(&b), BYTES_LITERAL("hello"));
	buf_clear(&a);
	buf_clear(&b);
}

static void
assert_forged(const struct encryption_key_pair *own,
    const struct hpke_encapsulated_key *encapsulated, struct bytes info,
    struct bytes aad, struct bytes ciphertext)
{
	struct buf out;

	buf_init(&out, 100);
	assert_status(hpke_open_once(own, encapsulated, info, aad,
	    ciphertext, &out), STATUS_FORGED);
	assert_int_equal(out.size, 0);
	buf_clear(&out);
}

static void
test_hpke_anything_altered_is_forged(void **state)
{
	struct hpke_encapsulated_key encapsulated, altered;
	struct encryption_key_pair other;
	struct buf sealed;

	(void)state;
	buf_init(&sealed, 100);
	assert_ok(encryption_key_pair_generate(&other));
	assert_ok(hpke_seal_once(&recipient.public_key,
	    BYTES_LITERAL("info"), BYTES_LITERAL("aad"),
	    BYTES_LITERAL("hello"), &encapsulated, &sealed));
	assert_forged(&other, &encapsulated, BYTES_LITERAL("info"),
	    BYTES_LITERAL("aad"), buf_bytes(&sealed));
	assert_forged(&recipient, &encapsulated, BYTES_LITERAL("inf"),
	    BYTES_LITERAL("aad"), buf_bytes(&sealed));
	assert_forged(&recipient, &encapsulated, BYTES_LITERAL("info"),
	    BYTES_LITERAL("aae"), buf_bytes(&sealed));
	for (size_t size = 0; size < sealed.size; size++)
		assert_forged(&recipient, &encapsulated,
		    BYTES_LITERAL("info"), BYTES_LITERAL("aad"),
		    bytes_make(sealed.data, size));
	/* X25519 leaves out the top bit, but the KEM hashes all of them. */
	for (size_t bit = 0; bit < 256; bit++) {
		altered = encapsulated;
		altered.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_forged(&recipient, &altered, BYTES_LITERAL("info"),
		    BYTES_LITERAL("aad"), buf_bytes(&sealed));
	}
	buf_clear(&sealed);
}

static void
test_hpke_forgery_keeps_the_sequence(void **state)
{
	struct hpke_context sender = { 0 }, receiver = { 0 };
	struct hpke_encapsulated_key encapsulated;
	struct buf first, second, out;

	(void)state;
	buf_init(&first, 100);
	buf_init(&second, 100);
	buf_init(&out, 100);
	assert_ok(hpke_sender_init(&sender, &recipient.public_key,
	    bytes_empty(), &encapsulated));
	assert_ok(hpke_receiver_init(&receiver, &recipient, &encapsulated,
	    bytes_empty()));
	assert_ok(hpke_seal(&sender, bytes_empty(), BYTES_LITERAL("one"),
	    &first));
	assert_ok(hpke_seal(&sender, bytes_empty(), BYTES_LITERAL("two"),
	    &second));
	assert_status(hpke_open(&receiver, bytes_empty(), buf_bytes(&second),
	    &out), STATUS_FORGED);
	assert_ok(hpke_open(&receiver, bytes_empty(), buf_bytes(&first),
	    &out));
	assert_status(hpke_open(&receiver, bytes_empty(), buf_bytes(&first),
	    &out), STATUS_FORGED);
	assert_ok(hpke_open(&receiver, bytes_empty(), buf_bytes(&second),
	    &out));
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("onetwo"));
	hpke_clear(&sender);
	hpke_clear(&receiver);
	assert_memory_equal(&sender, &receiver, sizeof(sender));
	buf_clear(&first);
	buf_clear(&second);
	buf_clear(&out);
}

static void
test_hpke_refuses_small_order_keys(void **state)
{
	const struct encryption_public_key zero = { .bytes = { 0 } };
	const struct hpke_encapsulated_key one = { .bytes = { 1 } };
	struct hpke_encapsulated_key encapsulated;
	struct hpke_context context = { 0 };

	(void)state;
	assert_status(hpke_sender_init(&context, &zero, bytes_empty(),
	    &encapsulated), STATUS_FORGED);
	assert_status(hpke_receiver_init(&context, &recipient, &one,
	    bytes_empty()), STATUS_FORGED);
}

static void
test_hpke_limits(void **state)
{
	static const uint8_t large[HPKE_INFO_MAX + 1];
	struct hpke_encapsulated_key encapsulated;
	struct hpke_context sender = { 0 }, receiver = { 0 };
	uint8_t out[32], other[32];

	(void)state;
	assert_status(hpke_sender_init(&sender, &recipient.public_key,
	    BYTES_OF(large), &encapsulated), STATUS_TOO_LARGE);
	assert_ok(hpke_sender_init(&sender, &recipient.public_key,
	    bytes_make(large, HPKE_INFO_MAX), &encapsulated));
	assert_status(hpke_receiver_init(&receiver, &recipient,
	    &encapsulated, BYTES_OF(large)), STATUS_TOO_LARGE);
	assert_ok(hpke_receiver_init(&receiver, &recipient, &encapsulated,
	    bytes_make(large, HPKE_INFO_MAX)));
	assert_ok(hpke_export(&sender, bytes_make(large, HPKE_INFO_MAX), out,
	    sizeof(out)));
	assert_ok(hpke_export(&receiver, bytes_make(large, HPKE_INFO_MAX),
	    other, sizeof(other)));
	assert_memory_equal(out, other, sizeof(out));
	assert_status(hpke_export(&sender, BYTES_OF(large), out,
	    sizeof(out)), STATUS_TOO_LARGE);
	assert_status(hpke_export(&sender, bytes_empty(), out,
	    KDF_OUTPUT_MAX + 1), STATUS_TOO_LARGE);
	assert_status(hpke_encapsulated_key_import(bytes_make(large, 31),
	    &encapsulated), STATUS_INVALID);
	assert_ok(hpke_encapsulated_key_import(bytes_make(large, 32),
	    &encapsulated));
	hpke_clear(&sender);
	hpke_clear(&receiver);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hpke_rfc9180),
		cmocka_unit_test(test_hpke_is_fresh_each_time),
		cmocka_unit_test(test_hpke_anything_altered_is_forged),
		cmocka_unit_test(test_hpke_forgery_keeps_the_sequence),
		cmocka_unit_test(test_hpke_refuses_small_order_keys),
		cmocka_unit_test(test_hpke_limits),
	};
	int failed;

	if (crypto_init() != STATUS_OK ||
	    encryption_key_pair_generate(&recipient) != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
