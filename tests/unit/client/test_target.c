#include "tests/unit/unit.h"

#include <string.h>

#include "client/target.h"

static struct client_error error;

static struct channel_address
parse(const char *text)
{
	struct channel_address address;

	assert_ok(target_parse(text, &address, &error));
	return address;
}

static void
test_target_is_written_as_grpc_takes_it(void **state)
{
	struct channel_address address = parse("Example.ORG");
	char text[TARGET_SIZE];

	(void)state;
	target_format(&address, text);
	assert_string_equal(text, "example.org:8022");
	address = parse("peyk://[::1]:99");
	target_format(&address, text);
	assert_string_equal(text, "[::1]:99");
}

static void
test_target_says_what_an_address_is(void **state)
{
	struct channel_address address;

	(void)state;
	assert_status(
	    target_parse("http://x\x1b[2J", &address, &error), STATUS_INVALID);
	assert_int_equal(error.exit, EXIT_CODE_USAGE);
	assert_non_null(strstr(error.text, "peyk://HOST:PORT"));
	assert_null(strchr(error.text, '\x1b'));
	assert_status(target_parse("", &address, &error), STATUS_INVALID);
}

static void
test_target_knows_this_machine(void **state)
{
	static const char *const here[] = {
	    "localhost", "127.0.0.1", "127.9.8.7:80", "[::1]"};
	static const char *const there[] = {"localhost.example.org",
	    "128.0.0.1", "[::2]", "127.0.0.1.example.org"};
	struct channel_address address;

	(void)state;
	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
		address = parse(here[i]);
		assert_true(target_is_loopback(&address));
		address = parse(there[i]);
		assert_false(target_is_loopback(&address));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_target_is_written_as_grpc_takes_it),
	    cmocka_unit_test(test_target_says_what_an_address_is),
	    cmocka_unit_test(test_target_knows_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
