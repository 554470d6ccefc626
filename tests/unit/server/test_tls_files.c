#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "crypto/crypto.h"
#include "server/tls_files.h"

static char folder[] = "/tmp/peyk-test-tls-XXXXXX";
static char certificate[sizeof(folder) + 16], key[sizeof(folder) + 16];
static struct options options;
static struct buf problem;

static int
setup(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(certificate, sizeof(certificate), "%s/server.crt", folder);
	snprintf(key, sizeof(key), "%s/server.key", folder);
	options = (struct options){.data = folder, .listen_host = "0.0.0.0"};
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
load_fingerprint(struct sha256_digest *out)
{
	struct tls_files files = {0};

	assert_int_equal(tls_files_load(&options, &files, &problem), STATUS_OK);
	assert_non_null(strstr(files.certificate_text, "CERTIFICATE"));
	assert_non_null(strstr(files.key_text, "PRIVATE KEY"));
	*out = files.fingerprint;
	tls_files_clear(&files);
	tls_files_clear(&files);
}

static void
test_tls_files_are_made_once(void **state)
{
	struct sha256_digest first, second;
	struct stat info;
	bool is_made = false;

	(void)state;
	assert_int_equal(
	    tls_files_make(&options, &is_made, &problem), STATUS_OK);
	assert_true(is_made);
	assert_int_equal(stat(key, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	load_fingerprint(&first);
	assert_int_equal(
	    tls_files_make(&options, &is_made, &problem), STATUS_OK);
	assert_false(is_made);
	load_fingerprint(&second);
	assert_true(sha256_digest_equal(&first, &second));
}

/* A crash between the two files leaves a key alone: both are made anew. */
static void
test_tls_files_half_made(void **state)
{
	bool is_made = false;

	(void)state;
	assert_int_equal(
	    tls_files_make(&options, &is_made, &problem), STATUS_OK);
	assert_int_equal(unlink(certificate), 0);
	assert_int_equal(
	    tls_files_make(&options, &is_made, &problem), STATUS_OK);
	assert_true(is_made);
	assert_int_equal(unlink(key), 0);
	assert_int_equal(
	    tls_files_make(&options, &is_made, &problem), STATUS_NOT_FOUND);
	assert_problem("lost its key");
}

static void
test_tls_files_that_are_not_there(void **state)
{
	struct tls_files files = {0};
	bool is_made = true;

	(void)state;
	assert_int_equal(
	    tls_files_load(&options, &files, &problem), STATUS_NOT_FOUND);
	assert_problem("peykd init");
	options.tls_certificate = certificate;
	options.tls_key = key;
	assert_int_equal(
	    tls_files_make(&options, &is_made, &problem), STATUS_OK);
	assert_false(is_made);
	assert_int_equal(file_write_atomic(certificate,
			     BYTES_LITERAL("no certificate"), 0644),
	    STATUS_OK);
	assert_int_equal(
	    file_write_atomic(key, BYTES_LITERAL("no key"), 0600), STATUS_OK);
	assert_int_equal(
	    tls_files_load(&options, &files, &problem), STATUS_INVALID);
	assert_problem("--tls-certificate");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_tls_files_are_made_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_tls_files_half_made, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_tls_files_that_are_not_there, setup, teardown),
	};
	int failed;

	if (process_harden() != STATUS_OK || crypto_init() != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
