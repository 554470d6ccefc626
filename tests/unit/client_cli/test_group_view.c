#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "client/group_view.h"
#include "tests/unit/client_cli/capture.h"

#define NUMBER                                                                 \
	"00000 11111 22222 33333 44444 55555 66666 77777 88888 99999 "         \
	"00000 11111"

static struct group_member members[] = {
    {.name = (char *)(uintptr_t) "client#2",
	.is_admin = true,
	.is_self = true,
	.author = MESSAGE_AUTHOR_PINNED},
    {.name = (char *)(uintptr_t) "client#30", .author = MESSAGE_AUTHOR_PINNED},
    {.name = (char *)(uintptr_t) "d\x1b[2J",
	.author = MESSAGE_AUTHOR_UNVERIFIED,
	.has_left = true},
    {.name = (char *)(uintptr_t) "e", .author = MESSAGE_AUTHOR_CONFLICTING},
};
static bool compared[] = {false, true, false, false};

static struct group_view
view_of(void)
{
	struct group_view view = {
	    .group = {.id = UINT64_MAX >> 1,
		.name = (char *)(uintptr_t) "team",
		.status = GROUP_STATUS_ACTIVE,
		.is_admin = true,
		.epoch = 4},
	    .members = {.items = members, .count = 4},
	    .admin = &members[0],
	    .is_compared = compared,
	};

	(void)strcpy(view.safety_number, NUMBER);
	return view;
}

static void
assert_printed(const struct group_view *view, const char *expected)
{
	struct output output;
	char text[4096];
	enum status st;

	output_init(&output, false);
	begin_capture();
	st = group_view_print(&output, view);
	end_capture(text, sizeof(text));
	assert_ok(st);
	assert_string_equal(text, expected);
}

static void
test_group_view_lines(void **state)
{
	struct group_view view = view_of();

	(void)state;
	assert_printed(&view,
	    "Group:    team\n"
	    "Id:       9223372036854775807\n"
	    "Status:   active\n"
	    "Epoch:    4\n"
	    "Admin:    client#2 (you)\n"
	    "Members:  4\n"
	    "    client#2   you, admin\n"
	    "    client#30  compared ✓\n"
	    "    d[2J       not known here, has left\n"
	    "    e          NOT THE KEY THAT YOU KNOW\n"
	    "Safety number, the same for all members in this epoch:\n"
	    "    00000 11111 22222 33333\n"
	    "    44444 55555 66666 77777\n"
	    "    88888 99999 00000 11111\n");
	view.members.count = 1;
	view.group.is_forked = true;
	view.group.waiting = 3;
	view.group.status = GROUP_STATUS_REMOVED;
	*view.safety_number = '\0';
	assert_printed(&view,
	    "WARNING: a member was given ANOTHER list of members than you: "
	    "somebody may read\n"
	    "along whom you do not see. Compare the safety number with every "
	    "member.\n\n"
	    "Group:    team\n"
	    "Id:       9223372036854775807\n"
	    "Status:   removed\n"
	    "Epoch:    4\n"
	    "Admin:    client#2 (you)\n"
	    "Waiting:  3 messages that cannot be read before a key comes\n"
	    "Members:  1\n"
	    "    client#2  you, admin\n");
	assert_string_equal(group_view_state(&view.group), "FORKED");
}

/* A group in epoch 0: nobody knows yet who is in it. */
static void
test_group_view_before_the_first_epoch(void **state)
{
	struct group_view view = {
	    .group = {
		.id = 1, .name = (char *)(uintptr_t) "new", .is_admin = true}};
	json_t *object = group_view_json(&view, true);

	(void)state;
	assert_printed(&view, "Group:    new\n"
			      "Id:       1\n"
			      "Status:   creating\n"
			      "Epoch:    0\n"
			      "Members:  0\n");
	assert_true(json_is_null(json_object_get(object, "admin")));
	assert_true(json_is_null(json_object_get(object, "safety_number")));
	assert_int_equal(
	    json_array_size(json_object_get(object, "members")), 0);
	json_decref(object);
}

static void
assert_json(json_t *object, const char *expected)
{
	char *text;

	assert_non_null(object);
	text = json_dumps(object, JSON_COMPACT);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(object);
}

static void
test_group_view_json(void **state)
{
	struct group_view view = view_of();
	json_t *object, *member;

	(void)state;
	view.group.waiting = 3;
	view.group.is_forked = true;
	assert_json(group_view_json(&view, false),
	    "{\"event\":\"group\",\"group\":\"team\","
	    "\"group_id\":\"9223372036854775807\",\"status\":\"active\","
	    "\"role\":\"admin\",\"epoch\":4,\"admin\":\"client#2\","
	    "\"member_count\":4,\"safety_number\":\"" NUMBER "\","
	    "\"waiting\":3,\"forked\":true}");
	view.members.items++;
	view.members.count = 1;
	view.is_compared++;
	object = group_view_json(&view, true);
	member = json_array_get(json_object_get(object, "members"), 0);
	assert_json(json_incref(member),
	    "{\"name\":\"client#30\",\"role\":\"member\",\"self\":false,"
	    "\"left\":false,\"key\":\"pinned\",\"compared\":true,"
	    "\"signing_key\":\"0000000000000000000000000000000000000000000000"
	    "000000000000000000\"}");
	json_decref(object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_group_view_lines),
	    cmocka_unit_test(test_group_view_before_the_first_epoch),
	    cmocka_unit_test(test_group_view_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
