#include "tests/unit/unit.h"

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/hash.h"

static void
assert_hex(struct bytes bytes, const char *expected)
{
	struct buf hex;

	buf_init(&hex, 128);
	assert_ok(text_encode(TEXT_ENCODING_HEX, bytes, &hex));
	assert_bytes(buf_bytes(&hex), bytes_from_string(expected));
	buf_clear(&hex);
}

#define SHA256_OF_ABC \
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* FIPS 180-4's examples. */
static void
test_hash_sha256(void **state)
{
	const struct bytes parts[] = { BYTES_LITERAL("a"), bytes_empty(),
		BYTES_LITERAL("bc") };
	struct sha256_digest digest;

	(void)state;
	assert_ok(hash_sha256(BYTES_LITERAL("abc"), &digest));
	assert_hex(BYTES_OF(digest.bytes), SHA256_OF_ABC);
	assert_ok(hash_sha256_parts(parts, 3, &digest));
	assert_hex(BYTES_OF(digest.bytes), SHA256_OF_ABC);
	assert_ok(hash_sha256(bytes_empty(), &digest));
	assert_hex(BYTES_OF(digest.bytes), "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
}

static void
test_hash_sha512(void **state)
{
	const struct bytes parts[] = { BYTES_LITERAL("ab"),
		BYTES_LITERAL("c") };
	struct sha512_digest digest;

	(void)state;
	assert_ok(hash_sha512_parts(parts, 2, &digest));
	assert_hex(BYTES_OF(digest.bytes), "ddaf35a193617abacc417349ae204131"
	    "12e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
	    "454d4423643ce80e2a9ac94fa54ca49f");
}

static void
test_hash_stream(void **state)
{
	struct hash_stream *stream;
	struct sha256_digest digest;

	(void)state;
	assert_ok(hash_stream_new(&stream));
	assert_ok(hash_stream_update(stream, BYTES_LITERAL("ab")));
	assert_ok(hash_stream_update(stream, bytes_empty()));
	assert_ok(hash_stream_update(stream, BYTES_LITERAL("c")));
	assert_ok(hash_stream_finish(stream, &digest));
	assert_hex(BYTES_OF(digest.bytes), SHA256_OF_ABC);
	hash_stream_free(stream);
	hash_stream_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_sha256),
		cmocka_unit_test(test_hash_sha512),
		cmocka_unit_test(test_hash_stream),
	};
	int failed;

	if (crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
