#include "tests/unit/unit.h"

#include <string.h>

#include "base/process.h"
#include "server/keyring.h"

#define DAY_MS ((uint64_t)24 * 3600 * 1000)
#define NOW ((uint64_t)1700000000000)

static struct keyring *keyring;

static int
setup(void **state)
{
	(void)state;
	return keyring_new(&keyring) == STATUS_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	keyring_free(keyring);
	return 0;
}

static struct keyring_key
make(uint8_t number, uint64_t not_before_ms)
{
	struct keyring_key key = {0};

	memset(key.public_key.id.bytes, number, 8);
	memset(key.public_key.key.bytes, number, 32);
	memset(key.secret_key.bytes, number ^ 0xff, 32);
	key.public_key.not_before_ms = not_before_ms;
	key.public_key.not_after_ms = not_before_ms + KEYRING_LIFETIME_MS;
	return key;
}

static enum status
find(const struct keyring_key *key, uint64_t now_ms)
{
	struct encryption_key_pair pair = {0};
	enum status st =
	    keyring_find(keyring, &key->public_key.id, now_ms, &pair);

	if (st == STATUS_OK)
		assert_memory_equal(
		    pair.secret_key.bytes, key->secret_key.bytes, 32);
	return st;
}

static void
test_keyring_is_empty_at_first(void **state)
{
	struct channel_sealing_key published[WIRE_SEALING_KEYS_MAX];
	struct keyring_key key = make(1, NOW);

	(void)state;
	assert_int_equal(find(&key, NOW), STATUS_NOT_FOUND);
	assert_int_equal(keyring_published(keyring, NOW, published), 0);
}

static void
test_keyring_life_of_a_key(void **state)
{
	struct channel_sealing_key published[WIRE_SEALING_KEYS_MAX];
	struct keyring_key key = make(1, NOW);
	uint64_t end = NOW + KEYRING_LIFETIME_MS;

	(void)state;
	keyring_replace(keyring, &key, 1);
	/* Made but not published: another server may tell of it first. */
	assert_int_equal(keyring_published(keyring, NOW - 1, published), 0);
	assert_int_equal(find(&key, NOW - 1), STATUS_OK);
	assert_int_equal(keyring_published(keyring, NOW, published), 1);
	assert_int_equal(keyring_published(keyring, end - 1, published), 1);
	assert_int_equal(keyring_published(keyring, end, published), 0);
	assert_int_equal(find(&key, end + KEYRING_GRACE_MS), STATUS_OK);
	assert_int_equal(
	    find(&key, end + KEYRING_GRACE_MS + 1), STATUS_NOT_FOUND);
}

static void
test_keyring_newest_first(void **state)
{
	struct channel_sealing_key published[WIRE_SEALING_KEYS_MAX];
	struct keyring_key keys[] = {make(1, NOW - 10 * DAY_MS),
	    make(2, NOW + DAY_MS), make(3, NOW), make(4, NOW - DAY_MS)};

	(void)state;
	keyring_replace(keyring, keys, 4);
	assert_int_equal(keyring_published(keyring, NOW, published), 3);
	assert_int_equal(published[0].id.bytes[0], 3);
	assert_int_equal(published[1].id.bytes[0], 4);
	assert_int_equal(published[2].id.bytes[0], 1);
	keyring_replace(keyring, keys, 1);
	assert_int_equal(find(&keys[0], NOW), STATUS_OK);
	assert_int_equal(find(&keys[2], NOW), STATUS_NOT_FOUND);
}

static void
test_keyring_is_bounded(void **state)
{
	struct channel_sealing_key published[WIRE_SEALING_KEYS_MAX];
	struct keyring_key keys[KEYRING_KEYS_MAX + 4];

	(void)state;
	for (size_t i = 0; i < KEYRING_KEYS_MAX + 4; i++)
		keys[i] = make((uint8_t)i, NOW - i);
	keyring_replace(keyring, keys, KEYRING_KEYS_MAX + 4);
	assert_int_equal(find(&keys[0], NOW), STATUS_OK);
	assert_int_equal(find(&keys[KEYRING_KEYS_MAX - 1], NOW), STATUS_OK);
	assert_int_equal(find(&keys[KEYRING_KEYS_MAX], NOW), STATUS_NOT_FOUND);
	assert_int_equal(
	    keyring_published(keyring, NOW, published), WIRE_SEALING_KEYS_MAX);
	assert_int_equal(published[0].id.bytes[0], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_keyring_is_empty_at_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_keyring_life_of_a_key, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_keyring_newest_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_keyring_is_bounded, setup, teardown),
	};

	if (process_harden() != STATUS_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
