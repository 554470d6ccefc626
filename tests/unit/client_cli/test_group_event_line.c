#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "client/group_event_line.h"
#include "client/message_line.h"

static struct message
happened(enum group_event event, const char *names)
{
	return (struct message){
	    .peer = (char *)(uintptr_t) "client#2",
	    .text = (char *)(uintptr_t)names,
	    .text_size = strlen(names),
	    .author = MESSAGE_AUTHOR_PINNED,
	    .group_id = UINT64_MAX >> 1,
	    .group_name = (char *)(uintptr_t) "team",
	    .kind = MESSAGE_KIND_GROUP_EVENT,
	    .event = event,
	};
}

static void
assert_line(const struct message *message, const char *expected)
{
	const char *text = NULL;
	struct buf line;

	buf_init(&line, MESSAGE_LINE_SIZE_MAX);
	assert_ok(group_event_line_append(&line, message));
	assert_ok(buf_string(&line, &text));
	assert_string_equal(text, expected);
	buf_clear(&line);
}

static void
assert_event(enum group_event event, const char *names, const char *expected)
{
	struct message message = happened(event, names);

	assert_line(&message, expected);
}

static void
test_group_event_line_in_words(void **state)
{
	(void)state;
	assert_event(
	    GROUP_EVENT_JOINED, "client#3", "client#2 added client#3 to team");
	assert_event(GROUP_EVENT_JOINED, "client#3\nclient#4",
	    "client#2 added client#3 and client#4 to team");
	assert_event(GROUP_EVENT_LEFT, "", "client#2 has left team");
	assert_event(GROUP_EVENT_REMOVED, "a\nb\nc",
	    "client#2 removed a, b and c from team");
	assert_event(
	    GROUP_EVENT_KEY_REFRESHED, "", "client#2 made a new key for team");
	assert_event(GROUP_EVENT_RENAMED, "the crew",
	    "client#2 renamed the group: it is called “the crew” now");
	assert_event(GROUP_EVENT_ADMIN_CHANGED, "client#3",
	    "client#2 handed team over to client#3");
	assert_event(GROUP_EVENT_DELETED, "", "client#2 deleted team");
}

/* What the server alone says is nobody's doing. */
static void
test_group_event_line_without_an_author(void **state)
{
	struct message message = happened(GROUP_EVENT_REMOVED, "client#3");
	json_t *object;

	(void)state;
	message.peer = (char *)(uintptr_t) "";
	assert_line(&message,
	    "The server says that client#3 is no member of team any more");
	object = group_event_line_json(&message, false);
	assert_true(json_is_null(json_object_get(object, "by")));
	json_decref(object);
	message.event = GROUP_EVENT_DELETED;
	assert_line(&message, "The server says that team was deleted");
}

static void
test_group_event_line_warnings_are_loud(void **state)
{
	static const enum group_event warnings[] = {GROUP_EVENT_KEY_WRONG,
	    GROUP_EVENT_ROSTER_MISSED, GROUP_EVENT_FORKED,
	    GROUP_EVENT_KEY_CONFLICT};
	const char *text = NULL;
	struct buf line;

	(void)state;
	buf_init(&line, MESSAGE_LINE_SIZE_MAX);
	for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++) {
		struct message message = happened(warnings[i], "client#3");

		assert_ok(group_event_line_append(&line, &message));
		assert_ok(buf_string(&line, &text));
		assert_int_equal(strncmp(text, "WARNING: ", 9), 0);
		assert_non_null(strstr(text, "team"));
		buf_reset(&line);
	}
	buf_clear(&line);
	assert_event(GROUP_EVENT_KEY_CONFLICT, "client#3",
	    "WARNING: in team the key of client#3 is NOT the one that you "
	    "know.\n"
	    "Somebody else may be in the group under that name: ask in "
	    "another way.");
}

static void
test_group_event_line_of_many(void **state)
{
	char names[8 * 1000] = "";
	struct message message;
	size_t used = 0;
	json_t *object;

	(void)state;
	assert_event(GROUP_EVENT_JOINED, "a\nb\nc\nd\ne\nf\ng\nh",
	    "client#2 added a, b, c, d, e, f, g and h to team");
	for (int i = 0; i < 999; i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used,
		    "%s%d", i > 0 ? "\n" : "", i);
	message = happened(GROUP_EVENT_JOINED, names);
	assert_line(&message,
	    "client#2 added 0, 1, 2, 3, 4, 5, 6, 7 and 991 others to team");
	object = group_event_line_json(&message, false);
	assert_int_equal(
	    json_array_size(json_object_get(object, "names")), 999);
	json_decref(object);
}

/* Names are others' own: they neither reach the terminal nor make a line. */
static void
test_group_event_line_is_sanitized(void **state)
{
	struct message message =
	    happened(GROUP_EVENT_JOINED, "a\x1b[31m\nb\u202e\xff");

	(void)state;
	message.group_name = (char *)(uintptr_t) "te\x07"
						 "am";
	assert_line(&message, "client#2 added a[31m and b\ufffd to “team”");
	message.text_size = 0;
	assert_line(&message, "client#2 added somebody to “team”");
}

static void
test_group_event_line_names_every_kind(void **state)
{
	(void)state;
	for (int i = GROUP_EVENT_JOINED; i <= GROUP_EVENT_KEY_CONFLICT; i++) {
		struct message message = happened((enum group_event)i, "x");
		json_t *object = group_event_line_json(&message, true);
		const char *kind =
		    json_string_value(json_object_get(object, "kind"));

		assert_non_null(kind);
		assert_string_not_equal(kind, "unknown");
		assert_string_equal(
		    json_string_value(json_object_get(object, "group_id")),
		    "9223372036854775807");
		assert_true(json_is_null(json_object_get(object, "stored_at")));
		json_decref(object);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_group_event_line_in_words),
	    cmocka_unit_test(test_group_event_line_without_an_author),
	    cmocka_unit_test(test_group_event_line_warnings_are_loud),
	    cmocka_unit_test(test_group_event_line_of_many),
	    cmocka_unit_test(test_group_event_line_is_sanitized),
	    cmocka_unit_test(test_group_event_line_names_every_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
