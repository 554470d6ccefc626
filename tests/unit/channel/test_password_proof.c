#include "tests/unit/unit.h"

#include <string.h>

#include "channel/password_proof.h"
#include "failing_malloc.h"
#include "people.h"

static struct people people;

static struct channel_password_proof
prove(const char *password, const char *name,
    const struct signing_public_key *server_key)
{
	struct channel_password_proof proof = { {0} };

	assert_ok(channel_password_prove(bytes_from_string(password),
	    server_key, bytes_from_string(name), &proof));
	return proof;
}

static void
test_proof_depends_on_password_name_and_server(void **state)
{
	const struct signing_public_key *server = &people.server.public_key;
	const struct signing_public_key *other =
	    &people.other.signing.public_key;
	struct channel_password_proof proof, second;

	(void)state;
	proof = prove("correct horse", "client#2", server);
	second = prove("correct horse", "client#2", server);
	assert_memory_equal(&proof, &second, sizeof(proof));
	/* another spelling of the same name */
	second = prove("correct horse", "CLIENT#2", server);
	assert_memory_equal(&proof, &second, sizeof(proof));
	second = prove("correct Horse", "client#2", server);
	assert_memory_not_equal(&proof, &second, sizeof(proof));
	second = prove("correct horse", "client#3", server);
	assert_memory_not_equal(&proof, &second, sizeof(proof));
	second = prove("correct horse", "client#2", other);
	assert_memory_not_equal(&proof, &second, sizeof(proof));
}

static void
test_proof_takes_the_password_in_nfc(void **state)
{
	const struct signing_public_key *server = &people.server.public_key;
	struct channel_password_proof composed, decomposed;

	(void)state;
	composed = prove("na\xc3\xafvet\xc3\xa9", "x", server);
	decomposed = prove("nai\xcc\x88vete\xcc\x81", "x", server);
	assert_memory_equal(&composed, &decomposed, sizeof(composed));
}

static void
test_proof_leaves_nothing_in_memory(void **state)
{
	(void)state;
	failing_malloc_watch("correct horse");
	(void)prove("correct horse", "x", &people.server.public_key);
	assert_int_equal(failing_malloc_stop_watching(), 0);
}

static void
test_password_check_names_the_rule(void **state)
{
	static char text[CHANNEL_PASSWORD_MAX + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(channel_password_check(bytes_empty()),
	    CHANNEL_PASSWORD_PROBLEM_TOO_SHORT);
	assert_int_equal(channel_password_check(bytes_make(text, 7)),
	    CHANNEL_PASSWORD_PROBLEM_TOO_SHORT);
	assert_int_equal(channel_password_check(bytes_make(text, 8)),
	    CHANNEL_PASSWORD_PROBLEM_NONE);
	assert_int_equal(channel_password_check(bytes_make(text, 1024)),
	    CHANNEL_PASSWORD_PROBLEM_NONE);
	assert_int_equal(channel_password_check(bytes_make(text, 1025)),
	    CHANNEL_PASSWORD_PROBLEM_TOO_LONG);
	assert_int_equal(channel_password_check(
	    BYTES_LITERAL("1234567\xff")), CHANNEL_PASSWORD_PROBLEM_NOT_UTF8);
	assert_int_equal(channel_password_check(
	    BYTES_LITERAL("1234\0" "5678")),
	    CHANNEL_PASSWORD_PROBLEM_NOT_UTF8);
	assert_string_equal(channel_password_problem_text(
	    CHANNEL_PASSWORD_PROBLEM_NONE), "");
	assert_true(strlen(channel_password_problem_text(
	    CHANNEL_PASSWORD_PROBLEM_TOO_SHORT)) > 0);
}

static void
test_proof_refuses_what_is_not_allowed(void **state)
{
	struct channel_password_proof proof;

	(void)state;
	assert_status(channel_password_prove(BYTES_LITERAL("short"),
	    &people.server.public_key, BYTES_LITERAL("x"), &proof),
	    STATUS_INVALID);
	assert_status(channel_password_prove(BYTES_LITERAL("long enough"),
	    &people.server.public_key, BYTES_LITERAL("@x"), &proof),
	    STATUS_INVALID);
}

/* The longest password, of what grows most in NFC (U+1D160, threefold). */
static void
test_proof_takes_the_longest_password(void **state)
{
	char text[CHANNEL_PASSWORD_MAX];
	struct channel_password_proof proof;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text); i += 4)
		memcpy(text + i, "\xf0\x9d\x85\xa0", 4); /* U+1D160 */
	assert_ok(channel_password_prove(BYTES_OF(text),
	    &people.server.public_key, BYTES_LITERAL("x"), &proof));
}

static void
test_proof_survives_every_failing_allocation(void **state)
{
	struct channel_password_proof proof;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		failing_malloc_start(n);
		st = channel_password_prove(BYTES_LITERAL("long enough"),
		    &people.server.public_key, BYTES_LITERAL("x"), &proof);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
	}
	assert_ok(st);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	people_clear(&people);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_proof_depends_on_password_name_and_server),
		cmocka_unit_test(test_proof_takes_the_password_in_nfc),
		cmocka_unit_test(test_proof_leaves_nothing_in_memory),
		cmocka_unit_test(test_password_check_names_the_rule),
		cmocka_unit_test(test_proof_refuses_what_is_not_allowed),
		cmocka_unit_test(test_proof_takes_the_longest_password),
		cmocka_unit_test(
		    test_proof_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
