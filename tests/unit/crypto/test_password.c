#include "tests/unit/unit.h"

#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/password.h"

/* As cheap as it gets: these tests are not about the cost. */
static const struct password_cost cheap = {
	.passes = PASSWORD_PASSES_MIN,
	.memory_size = PASSWORD_MEMORY_MIN,
};

/*
 * Made with the reference implementation (argon2-cffi), as
 *	hash_secret_raw(b"password", b"somesaltsomesalt", time_cost=3,
 *	    memory_cost=64, parallelism=1, hash_len=32, type=Type.ID)
 */
static void
test_password_derive_is_argon2id(void **state)
{
	const struct password_cost cost = {
		.passes = 3,
		.memory_size = (size_t)64 << 10,
	};
	struct password_salt salt;
	struct password_key key;
	struct buf hex;

	(void)state;
	memcpy(salt.bytes, "somesaltsomesalt", sizeof(salt.bytes));
	assert_ok(password_derive(BYTES_LITERAL("password"), &salt, cost,
	    &key));
	buf_init(&hex, 64);
	assert_ok(text_encode(TEXT_ENCODING_HEX, BYTES_OF(key.bytes), &hex));
	assert_bytes(buf_bytes(&hex), BYTES_LITERAL(
	    "6164c739a04e17de34a80bee65c6a58f"
	    "4b8a240cbf5652f4a79e35ae02b7c616"));
	buf_clear(&hex);
}

static void
test_password_derive_depends_on_all(void **state)
{
	struct password_cost more = cheap;
	struct password_salt salt = { .bytes = { 1 } };
	struct password_key first, other;

	(void)state;
	assert_ok(password_derive(BYTES_LITERAL("a"), &salt, cheap, &first));
	assert_ok(password_derive(BYTES_LITERAL("b"), &salt, cheap, &other));
	assert_memory_not_equal(&first, &other, sizeof(first));
	salt.bytes[0] = 2;
	assert_ok(password_derive(BYTES_LITERAL("a"), &salt, cheap, &other));
	assert_memory_not_equal(&first, &other, sizeof(first));
	salt.bytes[0] = 1;
	more.passes++;
	assert_ok(password_derive(BYTES_LITERAL("a"), &salt, more, &other));
	assert_memory_not_equal(&first, &other, sizeof(first));
	assert_ok(password_derive(BYTES_LITERAL("a"), &salt, cheap, &other));
	assert_memory_equal(&first, &other, sizeof(first));
}

static void
test_password_cost_is_bounded(void **state)
{
	static const char large[PASSWORD_SIZE_MAX + 1];
	const struct password_cost costs[] = {
		{ 0, PASSWORD_MEMORY_MIN },
		{ PASSWORD_PASSES_MAX + 1, PASSWORD_MEMORY_MIN },
		{ 1, PASSWORD_MEMORY_MIN - 1 },
		{ 1, PASSWORD_MEMORY_MAX + 1 },
	};
	const struct password_salt salt = { .bytes = { 1 } };
	char hash[PASSWORD_HASH_SIZE];
	struct password_key key;

	(void)state;
	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		assert_status(password_derive(BYTES_LITERAL("a"), &salt,
		    costs[i], &key), STATUS_INVALID);
		assert_status(password_hash(BYTES_LITERAL("a"), costs[i],
		    hash), STATUS_INVALID);
	}
	assert_status(password_derive(BYTES_OF(large), &salt, cheap, &key),
	    STATUS_TOO_LARGE);
	assert_ok(password_derive(bytes_empty(), &salt, cheap, &key));
}

static void
test_password_hash_is_verified(void **state)
{
	char first[PASSWORD_HASH_SIZE], second[PASSWORD_HASH_SIZE];

	(void)state;
	assert_ok(password_hash(BYTES_LITERAL("right"), cheap, first));
	assert_ok(password_hash(BYTES_LITERAL("right"), cheap, second));
	assert_memory_equal(first, "$argon2id$v=19$m=8,t=1,p=1$", 27);
	assert_string_not_equal(first, second); /* another salt */
	assert_ok(password_verify(first, BYTES_LITERAL("right")));
	assert_ok(password_verify(second, BYTES_LITERAL("right")));
	assert_status(password_verify(first, BYTES_LITERAL("wrong")),
	    STATUS_FORGED);
	assert_status(password_verify(first, bytes_empty()), STATUS_FORGED);
	assert_ok(password_hash(bytes_empty(), cheap, second));
	assert_ok(password_verify(second, bytes_empty()));
	first[strlen(first) - 2] ^= 1;
	assert_status(password_verify(first, BYTES_LITERAL("right")),
	    STATUS_FORGED);
	assert_status(password_verify("", BYTES_LITERAL("right")),
	    STATUS_FORGED);
	assert_status(password_verify("$argon2id$v=19$m=8,t=1,p=1$x$y",
	    BYTES_LITERAL("right")), STATUS_FORGED);
}

/* A hash that the reference implementation made for "password". */
static void
test_password_verify_reads_phc_strings(void **state)
{
	static const char hash[] = 
	    "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
	    "$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E";

	(void)state;
	assert_ok(password_verify(hash, BYTES_LITERAL("password")));
	assert_status(password_verify(hash, BYTES_LITERAL("Password")),
	    STATUS_FORGED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password_derive_is_argon2id),
		cmocka_unit_test(test_password_derive_depends_on_all),
		cmocka_unit_test(test_password_cost_is_bounded),
		cmocka_unit_test(test_password_hash_is_verified),
		cmocka_unit_test(test_password_verify_reads_phc_strings),
	};
	int failed;

	if (crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
