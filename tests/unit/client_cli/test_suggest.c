#include "tests/unit/unit.h"

#include <string.h>

#include "client/suggest.h"

static const char *const verbs[] = {"signup", "whoami", "send", "poll", "chat",
    "history", "contacts", "verify"};

static const char *
nearest(const char *word)
{
	return suggest_nearest(word, verbs, sizeof(verbs) / sizeof(verbs[0]));
}

static void
test_suggest_slips(void **state)
{
	(void)state;
	assert_string_equal(nearest("sned"), "send");
	assert_string_equal(nearest("sed"), "send");
	assert_string_equal(nearest("sendd"), "send");
	assert_string_equal(nearest("pool"), "poll");
	assert_string_equal(nearest("sing-up"), "signup");
	assert_string_equal(nearest("verifi"), "verify");
	assert_string_equal(nearest("histroy"), "history");
}

static void
test_suggest_beginnings(void **state)
{
	(void)state;
	assert_string_equal(nearest("hist"), "history");
	assert_string_equal(nearest("c"), "chat");
	assert_string_equal(nearest("send"), "send");
}

static void
test_suggest_nothing(void **state)
{
	char longest[200];

	(void)state;
	assert_null(nearest(""));
	assert_null(nearest("frobnicate"));
	assert_null(nearest("xyz"));
	memset(longest, 's', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(nearest(longest));
	assert_null(suggest_nearest("send", NULL, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_suggest_slips),
	    cmocka_unit_test(test_suggest_beginnings),
	    cmocka_unit_test(test_suggest_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
