#include "tests/unit/unit.h"

#include <string.h>

#include "base/process.h"
#include "server/account_cache.h"

#define CAPACITY 4

static struct account_cache *cache;

static int
setup(void **state)
{
	(void)state;
	return account_cache_new(CAPACITY, &cache) == STATUS_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	account_cache_free(cache);
	return 0;
}

static struct signing_public_key
key_of(unsigned number)
{
	struct signing_public_key key = {0};

	key.bytes[31] = (uint8_t)number;
	key.bytes[30] = (uint8_t)(number >> 8);
	return key;
}

static struct channel_key_id
id_of(unsigned number)
{
	struct channel_key_id id = {0};

	id.bytes[7] = (uint8_t)number;
	return id;
}

static void
put(unsigned number, unsigned sealing_key, uint8_t secret)
{
	struct account_cache_entry entry = {
	    .account_id = number,
	    .has_shared = secret != 0,
	};
	struct signing_public_key key = key_of(number);
	struct channel_key_id id = id_of(sealing_key);

	memset(entry.encryption_key.bytes, (int)number,
	    sizeof(entry.encryption_key.bytes));
	memset(entry.shared.bytes, secret, sizeof(entry.shared.bytes));
	account_cache_put(cache, &key, &id, &entry);
}

static bool
find(unsigned number, unsigned sealing_key, struct account_cache_entry *out)
{
	struct signing_public_key key = key_of(number);
	struct channel_key_id id = id_of(sealing_key);

	memset(out, 0, sizeof(*out));
	return account_cache_find(cache, &key, &id, out);
}

static void
test_account_cache_remembers(void **state)
{
	struct account_cache_entry entry;

	(void)state;
	assert_false(find(1, 1, &entry));
	put(1, 1, 0);
	assert_true(find(1, 1, &entry));
	assert_int_equal(entry.account_id, 1);
	assert_int_equal(entry.encryption_key.bytes[5], 1);
	assert_false(entry.has_shared);
	put(1, 1, 9);
	assert_true(find(1, 1, &entry));
	assert_true(entry.has_shared);
	assert_int_equal(entry.shared.bytes[31], 9);
	/* A secret belongs to its sealing key alone. */
	assert_true(find(1, 2, &entry));
	assert_false(entry.has_shared);
	/* What is put without a secret does not take one away. */
	put(1, 1, 0);
	assert_true(find(1, 1, &entry));
	assert_true(entry.has_shared);
}

static void
test_account_cache_keeps_two_secrets(void **state)
{
	struct account_cache_entry entry;

	(void)state;
	put(1, 1, 11);
	put(1, 2, 12);
	assert_true(find(1, 1, &entry) && entry.has_shared);
	assert_true(find(1, 2, &entry) && entry.has_shared);
	put(1, 3, 13);
	assert_true(find(1, 1, &entry));
	assert_false(entry.has_shared);
	assert_true(find(1, 2, &entry) && entry.has_shared);
	assert_true(find(1, 3, &entry) && entry.has_shared);
	assert_int_equal(entry.shared.bytes[0], 13);
}

static void
test_account_cache_drops_the_unused(void **state)
{
	struct account_cache_entry entry;

	(void)state;
	for (unsigned i = 1; i <= CAPACITY; i++)
		put(i, 1, 1);
	assert_true(find(1, 1, &entry)); /* the second is the oldest now */
	put(CAPACITY + 1, 1, 1);
	assert_false(find(2, 1, &entry));
	assert_true(find(1, 1, &entry));
	for (unsigned i = 100; i < 5000; i++)
		put(i, 1, 1);
	for (unsigned i = 5000 - CAPACITY; i < 5000; i++) {
		assert_true(find(i, 1, &entry));
		assert_int_equal(entry.account_id, i);
	}
	assert_false(find(1, 1, &entry));
}

static void
test_account_cache_forgets(void **state)
{
	struct account_cache_entry entry;
	struct signing_public_key key = key_of(1);

	(void)state;
	account_cache_forget(cache, &key);
	put(1, 1, 7);
	put(2, 1, 7);
	account_cache_forget(cache, &key);
	assert_false(find(1, 1, &entry));
	assert_true(find(2, 1, &entry));
}

/* The secrets of an account's former key say nothing about the new one. */
static void
test_account_cache_change_of_key(void **state)
{
	struct account_cache_entry entry;
	struct signing_public_key key = key_of(1);
	struct channel_key_id id = id_of(1);

	(void)state;
	put(1, 1, 7);
	assert_true(find(1, 1, &entry));
	entry.encryption_key.bytes[0] ^= 1;
	entry.has_shared = false;
	account_cache_put(cache, &key, &id, &entry);
	assert_true(find(1, 1, &entry));
	assert_false(entry.has_shared);
}

static void
test_account_cache_retired_sealing_keys(void **state)
{
	struct account_cache_entry entry;
	struct channel_key_id kept = id_of(2);

	(void)state;
	put(1, 1, 7);
	put(1, 2, 8);
	put(2, 1, 9);
	account_cache_keep_sealing_keys(cache, &kept, 1);
	assert_true(find(1, 1, &entry));
	assert_false(entry.has_shared);
	assert_true(find(1, 2, &entry) && entry.has_shared);
	assert_true(find(2, 1, &entry));
	assert_false(entry.has_shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_account_cache_remembers, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_account_cache_keeps_two_secrets, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_account_cache_drops_the_unused, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_account_cache_forgets, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_account_cache_change_of_key, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_account_cache_retired_sealing_keys, setup, teardown),
	};

	if (process_harden() != STATUS_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
