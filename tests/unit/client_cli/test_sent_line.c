#include "tests/unit/unit.h"

#include <string.h>

#include "client/sent_line.h"

static struct group
group_called(const char *name)
{
	return (struct group){
	    .id = UINT64_MAX >> 1, .name = (char *)(uintptr_t)name};
}

static void
assert_member(const json_t *object, const char *key, const char *expected)
{
	const json_t *value = json_object_get(object, key);

	if (expected == NULL)
		assert_true(json_is_null(value));
	else
		assert_string_equal(json_string_value(value), expected);
}

static void
test_sent_line_names_the_recipient(void **state)
{
	const struct group team = group_called("team");
	const struct group sly = group_called("you.\n\x1b[2J to a friend");
	char name[CLIENT_DISPLAY_SIZE];

	(void)state;
	sent_line_recipient("client#2", NULL, name);
	assert_string_equal(name, "client#2");
	sent_line_recipient(NULL, &team, name);
	assert_string_equal(name, "team");
	sent_line_recipient(NULL, &sly, name);
	assert_int_equal(strncmp(name, "“", strlen("“")), 0);
	assert_null(strchr(name, '\x1b'));
	assert_null(strchr(name, '\n'));
}

static void
test_sent_line_longest_name_of_a_group_fits(void **state)
{
	char longest[256 + 1], name[CLIENT_DISPLAY_SIZE];
	struct group group;

	(void)state;
	for (size_t i = 0; i < 256; i += 4)
		memcpy(longest + i, "\U0001F600", 4);
	longest[256] = '\0';
	group = group_called(longest);
	sent_line_recipient(NULL, &group, name);
	assert_non_null(strstr(name, longest));
}

static void
test_sent_line_for_programs(void **state)
{
	const struct outgoing_result stored = {
	    .outcome = MESSAGE_OUTCOME_STORED,
	    .id = {1, 2, 3},
	    .sent_at_ms = 1795307654000,
	};
	json_t *object = sent_line_json("client#2", NULL, &stored);

	(void)state;
	assert_non_null(object);
	assert_member(object, "event", "sent");
	assert_member(object, "id", "01020300000000000000000000000000");
	assert_member(object, "to", "client#2");
	assert_member(object, "outcome", "stored");
	assert_member(object, "sent_at", "2026-11-22T00:34:14.000Z");
	assert_null(json_object_get(object, "group"));
	json_decref(object);
}

static void
test_sent_line_to_a_group_for_programs(void **state)
{
	const struct group team = group_called("team");
	const struct outgoing_result unsent = {
	    .outcome = MESSAGE_OUTCOME_NOT_SENT,
	};
	json_t *object = sent_line_json(NULL, &team, &unsent);

	(void)state;
	assert_non_null(object);
	assert_member(object, "id", NULL);
	assert_member(object, "to", "@team");
	assert_member(object, "group", "team");
	assert_member(object, "group_id", "9223372036854775807");
	assert_member(object, "outcome", "not_sent");
	assert_member(object, "sent_at", NULL);
	json_decref(object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sent_line_names_the_recipient),
	    cmocka_unit_test(test_sent_line_longest_name_of_a_group_fits),
	    cmocka_unit_test(test_sent_line_for_programs),
	    cmocka_unit_test(test_sent_line_to_a_group_for_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
