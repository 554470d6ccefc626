#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/message_line.h"

#define SENT_MS 1772600767089 /* 2026-03-04T05:06:07.089Z */
#define STORED_MS (SENT_MS + 13)

static struct message
incoming(const char *text)
{
	return (struct message){
	    .direction = MESSAGE_DIRECTION_INCOMING,
	    .id = {0x6b, 0x1f},
	    .peer = (char *)(uintptr_t) "client#2",
	    .peer_canonical = (char *)(uintptr_t) "client#2",
	    .text = (char *)(uintptr_t)text,
	    .text_size = strlen(text),
	    .sent_at_ms = SENT_MS,
	    .stored_at_ms = STORED_MS,
	    .author = MESSAGE_AUTHOR_PINNED,
	};
}

static void
assert_arrival(const struct message *message, bool is_compared, uint64_t now_ms,
    const char *expected)
{
	const char *text = NULL;
	struct buf line;

	buf_init(&line, MESSAGE_LINE_SIZE_MAX);
	assert_ok(
	    message_line_append_arrival(&line, message, is_compared, now_ms));
	assert_ok(buf_string(&line, &text));
	assert_string_equal(text, expected);
	buf_clear(&line);
}

static void
assert_history(
    const struct message *message, size_t columns, const char *expected)
{
	const char *text = NULL;
	struct buf line;

	buf_init(&line, MESSAGE_LINE_SIZE_MAX);
	assert_ok(
	    message_line_append_history(&line, "client#3", message, columns));
	assert_ok(buf_string(&line, &text));
	assert_string_equal(text, expected);
	buf_clear(&line);
}

static void
test_message_line_R29_in_its_words(void **state)
{
	struct message message = incoming("salam mashti");

	(void)state;
	assert_arrival(&message, false, STORED_MS + 1000,
	    "client#2 has sent a message to you: salam mashti");
	assert_arrival(&message, true, STORED_MS + 1000,
	    "client#2 ✓ has sent a message to you: salam mashti");
	assert_arrival(&message, false, STORED_MS + MESSAGE_LINE_FRESH_MS + 1,
	    "2026-03-04 05:06  client#2 has sent a message to you: "
	    "salam mashti");
}

static void
test_message_line_warns_before_it(void **state)
{
	struct message message = incoming("hi");

	(void)state;
	message.order = MESSAGE_ORDER_MISSING;
	message.missing_before = 1;
	assert_arrival(&message, false, STORED_MS,
	    "(1 message from client#2 before the next one is missing.)\n"
	    "client#2 has sent a message to you: hi");
	message.missing_before = 3;
	message.author = MESSAGE_AUTHOR_UNVERIFIED;
	assert_arrival(&message, false, STORED_MS,
	    "(3 messages from client#2 before the next one are missing.)\n"
	    "(Not verified: the server confirms no such author.)\n"
	    "client#2 has sent a message to you: hi");
	message.order = MESSAGE_ORDER_EXPECTED;
	message.missing_before = 0;
	message.author = MESSAGE_AUTHOR_CONFLICTING;
	assert_arrival(&message, false, STORED_MS,
	    "WARNING: the next message is NOT signed with the key that you "
	    "know of client#2.\n"
	    "Somebody else may have written it, or the key was replaced: ask "
	    "in another way.\n"
	    "client#2 (or somebody else) has sent a message to you: hi");
}

static void
test_message_line_tells_the_order(void **state)
{
	struct message message = incoming("hi");

	(void)state;
	message.order = MESSAGE_ORDER_FORKED;
	assert_arrival(&message, false, STORED_MS,
	    "(A message from client#2 before the next one may be missing: it "
	    "follows another one than you have.)\n"
	    "client#2 has sent a message to you: hi");
	message.order = MESSAGE_ORDER_EARLIER;
	assert_arrival(&message, false, STORED_MS,
	    "(client#2 sent the next one before others that you have "
	    "already.)\n"
	    "client#2 has sent a message to you: hi");
	message.order = MESSAGE_ORDER_ANEW;
	assert_arrival(&message, false, STORED_MS,
	    "(client#2 has begun anew with the next one: earlier ones may be "
	    "missing.)\n"
	    "client#2 has sent a message to you: hi");
}

static void
test_message_line_cannot_be_forged_by_a_text(void **state)
{
	struct message message =
	    incoming("x\nclient#4 has sent a message to you: send money\x1b[A");

	(void)state;
	assert_arrival(&message, false, STORED_MS,
	    "client#2 has sent a message to you: x\n"
	    "    client#4 has sent a message to you: send money[A");
	assert_history(&message, 8,
	    "2026-03-04 05:06  client#2  x\n"
	    "    client#4 has sent a message to you: send money[A");
}

static void
test_message_line_history(void **state)
{
	struct message message = incoming("salam mashti");

	(void)state;
	assert_history(
	    &message, 10, "2026-03-04 05:06  client#2    salam mashti");
	assert_history(&message, 0,
	    "2026-03-04 05:06  client#2 to client#3: salam mashti");
	message.direction = MESSAGE_DIRECTION_OUTGOING;
	message.outcome = MESSAGE_OUTCOME_STORED;
	assert_history(&message, 0,
	    "2026-03-04 05:06  client#3 to client#2: salam mashti");
	message.outcome = MESSAGE_OUTCOME_PENDING;
	message.stored_at_ms = 0;
	assert_history(&message, 8,
	    "2026-03-04 05:06  client#3  salam mashti (not confirmed yet)");
}

static void
assert_json(
    const struct message *message, bool is_compared, const char *expected)
{
	json_t *object = message_line_json("client#3", message, is_compared);
	char *text;

	assert_non_null(object);
	text = json_dumps(object, JSON_COMPACT);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(object);
}

static void
test_message_line_json(void **state)
{
	struct message message = incoming("سلام");

	(void)state;
	assert_json(&message, false,
	    "{\"event\":\"message\",\"id\":"
	    "\"6b1f0000000000000000000000000000\","
	    "\"direction\":\"in\",\"from\":\"client#2\",\"to\":\"client#3\","
	    "\"sent_at\":\"2026-03-04T05:06:07.089Z\","
	    "\"stored_at\":\"2026-03-04T05:06:07.102Z\",\"text\":\"سلام\","
	    "\"author\":\"pinned\",\"verified\":true,\"compared\":false,"
	    "\"order\":\"expected\",\"missing_before\":0}");
	message.author = MESSAGE_AUTHOR_CONFLICTING;
	message.order = MESSAGE_ORDER_MISSING;
	message.missing_before = 2;
	message.stored_at_ms = 0;
	assert_json(&message, false,
	    "{\"event\":\"message\",\"id\":"
	    "\"6b1f0000000000000000000000000000\","
	    "\"direction\":\"in\",\"from\":\"client#2\",\"to\":\"client#3\","
	    "\"sent_at\":\"2026-03-04T05:06:07.089Z\","
	    "\"stored_at\":null,\"text\":\"سلام\","
	    "\"author\":\"conflicting\",\"verified\":false,\"compared\":false,"
	    "\"order\":\"missing\",\"missing_before\":2}");
	message.direction = MESSAGE_DIRECTION_OUTGOING;
	message.outcome = MESSAGE_OUTCOME_STORED;
	assert_json(&message, false,
	    "{\"event\":\"message\",\"id\":"
	    "\"6b1f0000000000000000000000000000\","
	    "\"direction\":\"out\",\"from\":\"client#3\",\"to\":\"client#2\","
	    "\"sent_at\":\"2026-03-04T05:06:07.089Z\","
	    "\"stored_at\":null,\"text\":\"سلام\",\"outcome\":\"stored\"}");
}

static struct message
in_group(const char *text)
{
	struct message message = incoming(text);

	message.group_id = 7316214052834563920;
	message.group_name = (char *)(uintptr_t) "team";
	message.epoch = 4;
	return message;
}

static void
test_message_line_of_a_group(void **state)
{
	struct message message = in_group("salam mashti");

	(void)state;
	assert_arrival(&message, false, STORED_MS + 1000,
	    "client#2 has sent a message to team: salam mashti");
	assert_arrival(&message, true, STORED_MS + 1000,
	    "client#2 ✓ has sent a message to team: salam mashti");
	assert_history(
	    &message, 0, "2026-03-04 05:06  client#2 to team: salam mashti");
	assert_history(
	    &message, 10, "2026-03-04 05:06  client#2    salam mashti");
	message.author = MESSAGE_AUTHOR_UNVERIFIED;
	assert_arrival(&message, false, STORED_MS + 1000,
	    "(Not verified: the server confirms no such author.)\n"
	    "client#2 has sent a message to team: salam mashti");
	assert_history(&message, 0,
	    "2026-03-04 05:06  client#2 to team: salam mashti (author not "
	    "verified)");
	message.author = MESSAGE_AUTHOR_CONFLICTING;
	message.order = MESSAGE_ORDER_MISSING;
	message.missing_before = 2;
	assert_arrival(&message, false, STORED_MS,
	    "(2 messages from client#2 in team before the next one are "
	    "missing.)\n"
	    "WARNING: the next message is NOT signed with the key that you "
	    "know of client#2.\n"
	    "Somebody else may have written it, or the key was replaced: ask "
	    "in another way.\n"
	    "client#2 (or somebody else) has sent a message to team: salam "
	    "mashti");
	message = in_group("aleyk");
	message.direction = MESSAGE_DIRECTION_OUTGOING;
	message.peer = (char *)(uintptr_t) "";
	message.outcome = MESSAGE_OUTCOME_PENDING;
	assert_history(&message, 0,
	    "2026-03-04 05:06  client#3 to team: aleyk (not confirmed yet)");
	assert_history(&message, 8,
	    "2026-03-04 05:06  client#3  aleyk (not confirmed yet)");
}

/* A group's name is its admin's: it passes neither for "you" nor for a text. */
static void
test_message_line_cannot_be_forged_by_a_group(void **state)
{
	struct message message = in_group("hi");

	(void)state;
	message.group_name = (char *)(uintptr_t) "you";
	assert_arrival(&message, false, STORED_MS,
	    "client#2 has sent a message to “you”: hi");
	message.group_name = (char *)(uintptr_t) "you: I owe you 5";
	assert_arrival(&message, false, STORED_MS,
	    "client#2 has sent a message to “you: I owe you 5”: hi");
	message.group_name = (char *)(uintptr_t) "a”: no “";
	assert_arrival(&message, false, STORED_MS,
	    "client#2 has sent a message to “a': no '”: hi");
	message.group_name = (char *)(uintptr_t) "x\x1b[2J\nclient#4\u202e";
	assert_arrival(&message, false, STORED_MS,
	    "client#2 has sent a message to “x[2J client#4”: hi");
	assert_history(
	    &message, 0, "2026-03-04 05:06  client#2 to “x[2J client#4”: hi");
}

static void
test_message_line_of_an_event(void **state)
{
	struct message message = in_group("client#3");

	(void)state;
	message.kind = MESSAGE_KIND_GROUP_EVENT;
	message.event = GROUP_EVENT_JOINED;
	assert_arrival(
	    &message, true, STORED_MS, "client#2 added client#3 to team");
	assert_arrival(&message, false, STORED_MS + MESSAGE_LINE_FRESH_MS + 1,
	    "2026-03-04 05:06  client#2 added client#3 to team");
	assert_history(
	    &message, 0, "2026-03-04 05:06  * client#2 added client#3 to team");
	assert_history(
	    &message, 8, "2026-03-04 05:06  * client#2 added client#3 to team");
	message.author = MESSAGE_AUTHOR_CONFLICTING;
	assert_arrival(&message, false, STORED_MS,
	    "WARNING: what the next line tells is NOT signed with the key "
	    "that you know of client#2.\n"
	    "Somebody else may have done it, or the key was replaced: ask in "
	    "another way.\n"
	    "client#2 added client#3 to team");
	message.author = MESSAGE_AUTHOR_UNVERIFIED;
	message.event = GROUP_EVENT_REMOVED;
	message.peer = (char *)(uintptr_t) "";
	assert_arrival(&message, false, STORED_MS,
	    "The server says that client#3 is no member of team any more");
	message = in_group("client#3");
	message.kind = MESSAGE_KIND_GROUP_EVENT;
	message.event = GROUP_EVENT_JOINED;
	message.author = MESSAGE_AUTHOR_CONFLICTING;
	assert_json(&message, false,
	    "{\"event\":\"group_event\",\"id\":"
	    "\"6b1f0000000000000000000000000000\",\"group\":\"team\","
	    "\"group_id\":\"7316214052834563920\",\"epoch\":4,"
	    "\"kind\":\"joined\",\"by\":\"client#2\","
	    "\"names\":[\"client#3\"],"
	    "\"sent_at\":\"2026-03-04T05:06:07.089Z\","
	    "\"stored_at\":\"2026-03-04T05:06:07.102Z\","
	    "\"author\":\"conflicting\",\"verified\":false,"
	    "\"compared\":false}");
}

static void
test_message_line_json_of_a_group(void **state)
{
	struct message message = in_group("سلام");

	(void)state;
	assert_json(&message, true,
	    "{\"event\":\"message\",\"id\":"
	    "\"6b1f0000000000000000000000000000\","
	    "\"direction\":\"in\",\"from\":\"client#2\","
	    "\"to\":\"@team\",\"group\":\"team\","
	    "\"group_id\":\"7316214052834563920\",\"epoch\":4,"
	    "\"sent_at\":\"2026-03-04T05:06:07.089Z\","
	    "\"stored_at\":\"2026-03-04T05:06:07.102Z\",\"text\":\"سلام\","
	    "\"author\":\"pinned\",\"verified\":true,\"compared\":true,"
	    "\"order\":\"expected\",\"missing_before\":0}");
	message.direction = MESSAGE_DIRECTION_OUTGOING;
	message.outcome = MESSAGE_OUTCOME_STORED;
	message.peer = (char *)(uintptr_t) "";
	assert_json(&message, false,
	    "{\"event\":\"message\",\"id\":"
	    "\"6b1f0000000000000000000000000000\","
	    "\"direction\":\"out\",\"from\":\"client#3\","
	    "\"to\":\"@team\",\"group\":\"team\","
	    "\"group_id\":\"7316214052834563920\",\"epoch\":4,"
	    "\"sent_at\":\"2026-03-04T05:06:07.089Z\","
	    "\"stored_at\":\"2026-03-04T05:06:07.102Z\",\"text\":\"سلام\","
	    "\"outcome\":\"stored\"}");
}

static int
setup(void **state)
{
	(void)state;
	(void)setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_message_line_R29_in_its_words),
	    cmocka_unit_test(test_message_line_warns_before_it),
	    cmocka_unit_test(test_message_line_tells_the_order),
	    cmocka_unit_test(test_message_line_cannot_be_forged_by_a_text),
	    cmocka_unit_test(test_message_line_history),
	    cmocka_unit_test(test_message_line_json),
	    cmocka_unit_test(test_message_line_of_a_group),
	    cmocka_unit_test(test_message_line_cannot_be_forged_by_a_group),
	    cmocka_unit_test(test_message_line_of_an_event),
	    cmocka_unit_test(test_message_line_json_of_a_group),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
