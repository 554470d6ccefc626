#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/fernet.h"
#include "tests/unit/crypto/vectors.h"

static struct fernet_key
key_of(const json_t *vector)
{
	struct fernet_key key;
	struct buf decoded;

	buf_init(&decoded, sizeof(key.bytes));
	assert_ok(text_decode(TEXT_ENCODING_BASE64URL_PADDED,
	    bytes_from_string(vectors_string(vector, "secret")), &decoded));
	assert_int_equal(decoded.size, sizeof(key.bytes));
	memcpy(key.bytes, decoded.data, sizeof(key.bytes));
	buf_clear(&decoded);
	return key;
}

/* "1985-10-26T01:20:00-07:00" in seconds. */
static uint64_t
now_of(const json_t *vector)
{
	struct tm parts = { 0 };
	const char *end = strptime(vectors_string(vector, "now"),
	    "%Y-%m-%dT%H:%M:%S%z", &parts);
	long offset;

	assert_non_null(end);
	assert_int_equal(*end, '\0');
	offset = parts.tm_gmtoff;
	return (uint64_t)(timegm(&parts) - offset);
}

static void
test_fernet_generate(void **state)
{
	json_t *file = vectors_load("fernet_generate.json");
	size_t index;
	json_t *vector;

	(void)state;
	json_array_foreach(vectors_array(file, "tests"), index, vector) {
		struct fernet_key key = key_of(vector);
		json_t *iv_bytes = vectors_array(vector, "iv");
		struct fernet_iv iv;
		struct buf token;

		assert_int_equal(json_array_size(iv_bytes),
		    sizeof(iv.bytes));
		for (size_t i = 0; i < sizeof(iv.bytes); i++)
			iv.bytes[i] = (uint8_t)json_integer_value(
			    json_array_get(iv_bytes, i));
		buf_init(&token, 1000);
		assert_ok(fernet_seal_with_iv(&key, now_of(vector), &iv,
		    bytes_from_string(vectors_string(vector, "src")),
		    &token));
		assert_bytes(buf_bytes(&token),
		    bytes_from_string(vectors_string(vector, "token")));
		buf_clear(&token);
	}
	assert_true(index > 0);
	json_decref(file);
}

static void
test_fernet_verify(void **state)
{
	json_t *file = vectors_load("fernet_verify.json");
	size_t index;
	json_t *vector;

	(void)state;
	json_array_foreach(vectors_array(file, "tests"), index, vector) {
		struct fernet_key key = key_of(vector);
		struct buf out;

		buf_init_secret(&out, 1000);
		assert_ok(fernet_open_fresh(&key,
		    bytes_from_string(vectors_string(vector, "token")),
		    now_of(vector),
		    (uint64_t)vectors_integer(vector, "ttl_sec"), &out));
		assert_bytes(buf_bytes(&out),
		    bytes_from_string(vectors_string(vector, "src")));
		buf_clear(&out);
	}
	assert_true(index > 0);
	json_decref(file);
}

static void
test_fernet_invalid(void **state)
{
	json_t *file = vectors_load("fernet_invalid.json");
	size_t index, stale = 0;
	json_t *vector;

	(void)state;
	json_array_foreach(vectors_array(file, "tests"), index, vector) {
		struct fernet_key key = key_of(vector);
		const char *reason = vectors_string(vector, "desc");
		bool is_stale = strstr(reason, "TTL") != NULL ||
		    strstr(reason, "clock skew") != NULL;
		struct buf out;

		buf_init_secret(&out, 1000);
		assert_status(fernet_open_fresh(&key,
		    bytes_from_string(vectors_string(vector, "token")),
		    now_of(vector),
		    (uint64_t)vectors_integer(vector, "ttl_sec"), &out),
		    is_stale ? STATUS_STALE : STATUS_FORGED);
		assert_int_equal(out.size, 0);
		stale += is_stale;
		buf_clear(&out);
	}
	print_message("%zu invalid ones, %zu of them by time\n", index,
	    stale);
	assert_int_equal(stale, 2);
	assert_true(index > stale);
	json_decref(file);
}

static const struct fernet_key key = { .bytes = { 1, 2, 3 } };

static void
test_fernet_round_trip(void **state)
{
	static const uint8_t content[70] = { 5, 6, 7 };
	struct buf token, again, out;

	(void)state;
	for (size_t size = 0; size <= sizeof(content); size++) {
		struct bytes plaintext = bytes_make(content, size);

		buf_init(&token, 1000);
		buf_init(&again, 1000);
		buf_init_secret(&out, size);
		assert_ok(fernet_seal(&key, 1000, plaintext, &token));
		assert_ok(fernet_seal(&key, 1000, plaintext, &again));
		assert_false(bytes_equal(buf_bytes(&token),
		    buf_bytes(&again)));
		assert_ok(fernet_open(&key, buf_bytes(&token), &out));
		assert_bytes(buf_bytes(&out), plaintext);
		buf_clear(&token);
		buf_clear(&again);
		buf_clear(&out);
	}
}

static void
test_fernet_times(void **state)
{
	struct buf token, out;

	(void)state;
	buf_init(&token, 1000);
	buf_init(&out, 1000);
	assert_ok(fernet_seal(&key, 1000, BYTES_LITERAL("a"), &token));
	assert_ok(fernet_open_fresh(&key, buf_bytes(&token), 1060, 60,
	    &out));
	assert_status(fernet_open_fresh(&key, buf_bytes(&token), 1061, 60,
	    &out), STATUS_STALE);
	assert_ok(fernet_open_fresh(&key, buf_bytes(&token), 940, 0, &out));
	assert_status(fernet_open_fresh(&key, buf_bytes(&token), 939, 0,
	    &out), STATUS_STALE);
	assert_ok(fernet_open_fresh(&key, buf_bytes(&token), UINT64_MAX,
	    UINT64_MAX, &out));
	buf_clear(&token);
	buf_clear(&out);
}

/* Every bit of every character: nothing of a token may be changed. */
static void
test_fernet_every_altered_bit_is_noticed(void **state)
{
	struct fernet_key wrong;
	struct buf token, out;

	(void)state;
	buf_init(&token, 1000);
	buf_init(&out, 1000);
	assert_ok(fernet_seal(&key, 1000, BYTES_LITERAL("private"), &token));
	for (size_t bit = 0; bit < token.size * 8; bit++) {
		token.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_status(fernet_open(&key, buf_bytes(&token), &out),
		    STATUS_FORGED);
		token.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < token.size; size++)
		assert_status(fernet_open(&key, bytes_make(token.data, size),
		    &out), STATUS_FORGED);
	for (size_t bit = 0; bit < 128; bit++) {
		wrong = key;
		wrong.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_status(fernet_open(&wrong, buf_bytes(&token), &out),
		    STATUS_FORGED);
	}
	assert_int_equal(out.size, 0);
	assert_ok(fernet_open(&key, buf_bytes(&token), &out));
	assert_ok(buf_append_u8(&token, '\n'));
	assert_status(fernet_open(&key, buf_bytes(&token), &out),
	    STATUS_FORGED);
	buf_clear(&token);
	buf_clear(&out);
}

static void
test_fernet_largest(void **state)
{
	struct buf content, token, out;
	uint8_t *room;

	(void)state;
	buf_init(&content, FERNET_PLAINTEXT_MAX + 1);
	buf_init(&token, FERNET_TOKEN_MAX);
	buf_init(&out, FERNET_PLAINTEXT_MAX);
	assert_ok(buf_extend(&content, FERNET_PLAINTEXT_MAX + 1, &room));
	memset(room, 'x', content.size);
	assert_status(fernet_seal(&key, 1, buf_bytes(&content), &token),
	    STATUS_TOO_LARGE);
	buf_truncate(&content, FERNET_PLAINTEXT_MAX);
	assert_ok(fernet_seal(&key, 1, buf_bytes(&content), &token));
	assert_ok(fernet_open(&key, buf_bytes(&token), &out));
	assert_bytes(buf_bytes(&out), buf_bytes(&content));
	buf_clear(&content);
	buf_clear(&token);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fernet_generate),
		cmocka_unit_test(test_fernet_verify),
		cmocka_unit_test(test_fernet_invalid),
		cmocka_unit_test(test_fernet_round_trip),
		cmocka_unit_test(test_fernet_times),
		cmocka_unit_test(test_fernet_every_altered_bit_is_noticed),
		cmocka_unit_test(test_fernet_largest),
	};
	int failed;

	if (crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
