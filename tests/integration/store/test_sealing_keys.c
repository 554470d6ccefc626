#include "tests/integration/store/fixture.h"

#include <pthread.h>
#include <string.h>

#include "base/random.h"
#include "server/store/sealing_keys.h"

static const char *conninfo;

static void
fill(struct store_sealing_key *key, uint64_t not_before_ms)
{
	random_bytes(key->id, sizeof(key->id));
	random_bytes(key->signature, sizeof(key->signature));
	key->content = BYTES_LITERAL("signed content");
	key->wrapped = BYTES_LITERAL("wrapped\0private");
	key->not_before_ms = not_before_ms;
	key->not_after_ms = not_before_ms + 1000;
}

static void
test_sealing_keys_come_back(void **state)
{
	struct store_sealing_keys keys = { 0 };
	struct store_sealing_key older, newer;

	(void)state;
	conninfo = fixture_database();
	assert_ok(store_sealing_keys_list(conninfo, &keys));
	assert_int_equal(keys.count, 0);
	store_sealing_keys_clear(&keys);
	/* Every millisecond counts: the times are signed. */
	fill(&older, 1700000000001);
	fill(&newer, 1900000000999);
	assert_ok(store_sealing_keys_insert(conninfo, &older, 0));
	assert_ok(store_sealing_keys_insert(conninfo, &newer,
	    older.not_before_ms + 1));
	assert_ok(store_sealing_keys_list(conninfo, &keys));
	assert_int_equal(keys.count, 2);
	assert_memory_equal(keys.keys[0].id, newer.id, 8);
	assert_memory_equal(keys.keys[0].signature, newer.signature, 64);
	assert_bytes(keys.keys[0].content, newer.content);
	assert_bytes(keys.keys[0].wrapped, newer.wrapped);
	assert_true(keys.keys[0].not_before_ms == newer.not_before_ms);
	assert_true(keys.keys[0].not_after_ms == newer.not_after_ms);
	assert_true(keys.keys[1].not_before_ms == older.not_before_ms);
	store_sealing_keys_clear(&keys);

	/* Whoever has not seen the newest one comes late. */
	fill(&older, 2000000000000);
	assert_status(store_sealing_keys_insert(conninfo, &older,
	    1700000000002), STATUS_EXISTS);
	assert_status(store_sealing_keys_insert(conninfo, &older, 0),
	    STATUS_EXISTS);

	assert_ok(store_sealing_keys_retire(conninfo, 1700000001001));
	assert_ok(store_sealing_keys_list(conninfo, &keys));
	assert_int_equal(keys.count, 2);
	store_sealing_keys_clear(&keys);
	assert_ok(store_sealing_keys_retire(conninfo, 1700000001002));
	assert_ok(store_sealing_keys_list(conninfo, &keys));
	assert_int_equal(keys.count, 1);
	assert_memory_equal(keys.keys[0].id, newer.id, 8);
	store_sealing_keys_clear(&keys);
}

static void
test_sealing_keys_of_a_wrong_clock_do_not_count(void **state)
{
	struct store_sealing_key wrong, right;

	(void)state;
	conninfo = fixture_database();
	fill(&wrong, 1700000000000 + STORE_SEALING_KEY_AHEAD_MS + 1);
	fill(&right, 1700000000000);
	assert_ok(store_sealing_keys_insert(conninfo, &wrong, 0));
	assert_ok(store_sealing_keys_insert(conninfo, &right, 0));
	fill(&right, 1700000000001);
	assert_status(store_sealing_keys_insert(conninfo, &right, 0),
	    STATUS_EXISTS);
}

static void *
insert_one(void *context)
{
	struct store_sealing_key key;
	enum status *st = context;

	fill(&key, 1700000000000);
	*st = store_sealing_keys_insert(conninfo, &key, 0);
	return NULL;
}

static void
test_sealing_keys_one_server_wins(void **state)
{
	pthread_t threads[6];
	enum status results[6];
	int won = 0;

	(void)state;
	conninfo = fixture_database();
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, insert_one,
		    &results[i]), 0);
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], NULL);
		assert_true(results[i] == STATUS_OK ||
		    results[i] == STATUS_EXISTS);
		won += results[i] == STATUS_OK;
	}
	assert_int_equal(won, 1);
}

static void
test_sealing_keys_without_a_database(void **state)
{
	struct store_sealing_keys keys = { 0 };

	(void)state;
	assert_status(store_sealing_keys_list("host=/nowhere dbname=x", &keys),
	    STATUS_UNAVAILABLE);
	/* No schema there. */
	assert_status(store_sealing_keys_list(fixture_empty_database(), &keys),
	    STATUS_INTERNAL);
	store_sealing_keys_clear(&keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sealing_keys_come_back),
		cmocka_unit_test(
		    test_sealing_keys_of_a_wrong_clock_do_not_count),
		cmocka_unit_test(test_sealing_keys_one_server_wins),
		cmocka_unit_test(test_sealing_keys_without_a_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
