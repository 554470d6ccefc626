#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "crypto/crypto.h"
#include "server/server_identity.h"

static char folder[] = "/tmp/peyk-test-identity-XXXXXX";
static char path[sizeof(folder) + 32];
static struct buf problem;

static int
setup(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/%s", folder, SERVER_IDENTITY_FILE);
	buf_init(&problem, 4096);
	return 0;
}

static int
teardown(void **state)
{
	char command[sizeof(folder) + 16];

	(void)state;
	buf_clear(&problem);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void
assert_problem(const char *part)
{
	const char *text = NULL;

	assert_int_equal(buf_string(&problem, &text), STATUS_OK);
	if (strstr(text, part) == NULL)
		fail_msg("expected \"%s\" in: %s", part, text);
}

static void
test_server_identity_is_made_once(void **state)
{
	struct server_identity *first = NULL, *second = NULL;
	struct stat info;

	(void)state;
	assert_int_equal(
	    server_identity_load(path, &first, &problem), STATUS_NOT_FOUND);
	assert_problem("peykd init");
	assert_int_equal(server_identity_create(path), STATUS_OK);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(
	    server_identity_load(path, &first, &problem), STATUS_OK);
	assert_int_equal(server_identity_create(path), STATUS_EXISTS);
	assert_int_equal(
	    server_identity_load(path, &second, &problem), STATUS_OK);
	assert_memory_equal(&first->key, &second->key, sizeof(first->key));
	assert_memory_equal(
	    &first->wrap_key, &second->wrap_key, sizeof(first->wrap_key));
	server_identity_free(first);
	server_identity_free(second);
}

static void
test_server_identity_open_to_others(void **state)
{
	struct server_identity *identity = NULL;

	(void)state;
	assert_int_equal(server_identity_create(path), STATUS_OK);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(
	    server_identity_load(path, &identity, &problem), STATUS_DENIED);
	assert_problem("chmod 600");
}

/* Each byte counts, and so does each length. */
static void
test_server_identity_damaged(void **state)
{
	struct server_identity *identity = NULL;
	struct buf good;

	(void)state;
	buf_init(&good, 8192);
	assert_int_equal(server_identity_create(path), STATUS_OK);
	assert_int_equal(file_read(path, &good), STATUS_OK);
	for (size_t i = 0; i < good.size; i++) {
		uint8_t byte = good.data[i];

		/* The wrap key has no checksum: another one is another key. */
		if (memcmp(good.data + i, "wrap-key ", 9) == 0)
			i += 9 + 64;
		byte = good.data[i];
		good.data[i] = byte == '0' ? '1' : '0';
		assert_int_equal(
		    file_write_atomic(path, buf_bytes(&good), 0600), STATUS_OK);
		assert_int_equal(
		    server_identity_load(path, &identity, &problem),
		    STATUS_INVALID);
		good.data[i] = byte;
	}
	for (size_t size = 0; size < good.size; size += 7) {
		assert_int_equal(
		    file_write_atomic(path, bytes_make(good.data, size), 0600),
		    STATUS_OK);
		assert_int_equal(
		    server_identity_load(path, &identity, &problem),
		    STATUS_INVALID);
	}
	assert_problem("damaged");
	assert_int_equal(buf_append_string(&good, "\n"), STATUS_OK);
	assert_int_equal(
	    file_write_atomic(path, buf_bytes(&good), 0600), STATUS_OK);
	assert_int_equal(
	    server_identity_load(path, &identity, &problem), STATUS_INVALID);
	buf_clear(&good);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_server_identity_is_made_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_server_identity_open_to_others, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_server_identity_damaged, setup, teardown),
	};
	int failed;

	if (process_harden() != STATUS_OK || crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
