#include "tests/unit/unit.h"

#include <string.h>

#include "base/process.h"
#include "crypto/crypto.h"
#include "server/key_rotation.h"

/* Wrapping; the rest of the module needs a database: see integration. */

static const struct server_wrap_key wrap_key = {{1, 2, 3}};
static const struct encryption_secret_key secret = {{9, 8, 7}};

static void
test_key_rotation_wraps(void **state)
{
	struct bytes content = BYTES_LITERAL("content");
	uint8_t wrapped[KEY_ROTATION_WRAPPED_SIZE],
	    again[KEY_ROTATION_WRAPPED_SIZE];
	struct encryption_secret_key out = {0};

	(void)state;
	assert_int_equal(
	    key_rotation_wrap(&wrap_key, content, &secret, wrapped), STATUS_OK);
	assert_int_equal(
	    key_rotation_wrap(&wrap_key, content, &secret, again), STATUS_OK);
	assert_memory_not_equal(wrapped, again, sizeof(wrapped));
	assert_int_equal(
	    key_rotation_unwrap(&wrap_key, content, BYTES_OF(wrapped), &out),
	    STATUS_OK);
	assert_memory_equal(out.bytes, secret.bytes, sizeof(out.bytes));
}

static void
test_key_rotation_finds_what_is_wrong(void **state)
{
	struct server_wrap_key other_key = wrap_key;
	struct bytes content = BYTES_LITERAL("content");
	uint8_t wrapped[KEY_ROTATION_WRAPPED_SIZE];
	struct encryption_secret_key out = {0};

	(void)state;
	assert_int_equal(
	    key_rotation_wrap(&wrap_key, content, &secret, wrapped), STATUS_OK);
	other_key.bytes[31] ^= 1;
	assert_int_equal(
	    key_rotation_unwrap(&other_key, content, BYTES_OF(wrapped), &out),
	    STATUS_FORGED);
	assert_int_equal(key_rotation_unwrap(&wrap_key,
			     BYTES_LITERAL("contenu"), BYTES_OF(wrapped), &out),
	    STATUS_FORGED);
	for (size_t size = 0; size < sizeof(wrapped); size++)
		assert_int_equal(key_rotation_unwrap(&wrap_key, content,
				     bytes_make(wrapped, size), &out),
		    STATUS_FORGED);
	for (size_t i = 0; i < sizeof(wrapped); i++) {
		wrapped[i] ^= 0x10;
		assert_int_equal(key_rotation_unwrap(&wrap_key, content,
				     BYTES_OF(wrapped), &out),
		    STATUS_FORGED);
		wrapped[i] ^= 0x10;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_key_rotation_wraps),
	    cmocka_unit_test(test_key_rotation_finds_what_is_wrong),
	};
	int failed;

	if (process_harden() != STATUS_OK || crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
