#include "tests/unit/unit.h"

#include <string.h>

#include "crypto/crypto.h"
#include "e2ee/group_key.h"
#include "wire/limits.h"

/* What exactly comes out is test_group_vectors.c's; here, that all matters. */

#define GROUP ((uint64_t)7316214052834563920)

static const struct e2ee_group_share share = { { 1 } }, admin = { { 2 } };

static struct e2ee_group_secret
make_secret(void)
{
	struct e2ee_group_secret secret;

	assert_ok(e2ee_group_secret_make(&share, &admin, &secret));
	return secret;
}

static struct e2ee_group_chain
make_chain(uint64_t group_id, uint32_t epoch, uint8_t sender)
{
	const struct e2ee_group_secret secret = make_secret();
	struct signing_public_key key = { { sender } };
	struct e2ee_group_chain chain;

	memset(&chain, 0xff, sizeof(chain));
	assert_ok(e2ee_group_chain_init(&secret, group_id, epoch, &key,
	    &chain));
	assert_int_equal(chain.index, 0);
	return chain;
}

static void
assert_differ(const void *a, const void *b)
{
	assert_memory_not_equal(a, b, SHA256_SIZE);
}

static void
test_group_secret_needs_both_shares_in_their_places(void **state)
{
	struct e2ee_group_secret secret = make_secret(), other;
	struct e2ee_group_share flipped = share;

	(void)state;
	assert_ok(e2ee_group_secret_make(&admin, &share, &other));
	assert_differ(&other, &secret);
	flipped.bytes[31] ^= 1;
	assert_ok(e2ee_group_secret_make(&flipped, &admin, &other));
	assert_differ(&other, &secret);
	assert_ok(e2ee_group_secret_make(&share, &flipped, &other));
	assert_differ(&other, &secret);
	/* neither is the key itself, nor lies open in it */
	assert_differ(&secret, &share);
	assert_differ(&secret, &admin);
}

static void
test_group_commitment_is_of_one_key_group_and_epoch(void **state)
{
	struct e2ee_group_secret secret = make_secret();
	struct sha256_digest commitment, other;

	(void)state;
	assert_ok(e2ee_group_commitment(&secret, GROUP, 1, &commitment));
	assert_ok(e2ee_group_commitment(&secret, GROUP, 1, &other));
	assert_true(sha256_digest_equal(&commitment, &other));
	assert_ok(e2ee_group_commitment(&secret, GROUP + 1, 1, &other));
	assert_differ(&other, &commitment);
	assert_ok(e2ee_group_commitment(&secret, GROUP, 2, &other));
	assert_differ(&other, &commitment);
	secret.bytes[0] ^= 0x80;
	assert_ok(e2ee_group_commitment(&secret, GROUP, 1, &other));
	assert_differ(&other, &commitment);
}

static void
test_group_chains_are_of_one_sender_group_and_epoch(void **state)
{
	struct e2ee_group_chain chain = make_chain(GROUP, 1, 1), other;

	(void)state;
	other = make_chain(GROUP, 1, 2);
	assert_differ(other.key, chain.key);
	other = make_chain(GROUP + 1, 1, 1);
	assert_differ(other.key, chain.key);
	other = make_chain(GROUP, 2, 1);
	assert_differ(other.key, chain.key);
}

static void
test_group_chain_never_gives_a_key_twice(void **state)
{
	struct e2ee_group_chain chain = make_chain(GROUP, 1, 1);
	struct e2ee_group_message_key keys[64];
	size_t i, j;

	(void)state;
	for (i = 0; i < 64; i++) {
		assert_int_equal(chain.index, i);
		assert_ok(e2ee_group_chain_step(&chain, &keys[i]));
		assert_differ(&keys[i], chain.key);
		for (j = 0; j < i; j++)
			assert_differ(&keys[i], &keys[j]);
	}
}

static void
test_group_chain_ends_where_numbers_end(void **state)
{
	struct e2ee_group_chain chain = make_chain(GROUP, 1, 1), before;
	struct e2ee_group_message_key key, untouched;

	(void)state;
	chain.index = WIRE_NUMBER_MAX - 1;
	assert_ok(e2ee_group_chain_step(&chain, &key));
	before = chain;
	untouched = key;
	assert_status(e2ee_group_chain_step(&chain, &key), STATUS_TOO_LARGE);
	assert_memory_equal(&chain, &before, sizeof(chain));
	assert_memory_equal(&key, &untouched, sizeof(key));
}

static void
test_group_safety_number_tells_rosters_apart(void **state)
{
	char number[E2EE_GROUP_SAFETY_NUMBER_LENGTH + 1];
	char other[E2EE_GROUP_SAFETY_NUMBER_LENGTH + 1];
	struct sha256_digest hash = { { 7 } };
	size_t i;

	(void)state;
	assert_ok(e2ee_group_safety_number(GROUP, 3, &hash, number));
	assert_int_equal(strlen(number), E2EE_GROUP_SAFETY_NUMBER_LENGTH);
	for (i = 0; number[i] != '\0'; i++)
		assert_true(i % 6 == 5 ? number[i] == ' ' :
		    number[i] >= '0' && number[i] <= '9');
	assert_ok(e2ee_group_safety_number(GROUP, 4, &hash, other));
	assert_string_not_equal(other, number);
	assert_ok(e2ee_group_safety_number(GROUP + 1, 3, &hash, other));
	assert_string_not_equal(other, number);
	hash.bytes[31] ^= 1;
	assert_ok(e2ee_group_safety_number(GROUP, 3, &hash, other));
	assert_string_not_equal(other, number);
}

static int
setup(void **state)
{
	(void)state;
	return crypto_init() == STATUS_OK ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_group_secret_needs_both_shares_in_their_places),
		cmocka_unit_test(
		    test_group_commitment_is_of_one_key_group_and_epoch),
		cmocka_unit_test(
		    test_group_chains_are_of_one_sender_group_and_epoch),
		cmocka_unit_test(test_group_chain_never_gives_a_key_twice),
		cmocka_unit_test(test_group_chain_ends_where_numbers_end),
		cmocka_unit_test(
		    test_group_safety_number_tells_rosters_apart),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
