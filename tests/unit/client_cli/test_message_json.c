#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/message_json.h"
#include "client/message_json_read.h"
#include "gen/peyk/v1/e2ee.pb-c.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "tests/unit/unit.h"

static enum status
encode(const ProtobufCMessageDescriptor *type, const char *text,
    struct buf *out, struct message_json_problem *problem)
{
	json_t *object = NULL;
	enum status st;

	*problem = (struct message_json_problem){0};
	st = message_json_parse(bytes_from_string(text), &object, problem);
	if (st == STATUS_OK)
		st = message_json_encode(type, object, out, problem);
	json_decref(object);
	return st;
}

/* Encodes, decodes, and compares with the JSON that is expected. */
static void
check(const ProtobufCMessageDescriptor *type, const char *text,
    const char *expected)
{
	struct message_json_problem problem;
	json_t *object = NULL;
	struct buf bytes;
	char *shown;

	buf_init(&bytes, (size_t)1 << 20);
	if (encode(type, text, &bytes, &problem) != STATUS_OK)
		fail_msg("%s: %s", text, problem.text);
	assert_ok(message_json_decode(type, buf_bytes(&bytes), &object));
	shown = json_dumps(object, JSON_COMPACT);
	assert_string_equal(shown, expected);
	free(shown);
	json_decref(object);
	buf_clear(&bytes);
}

static void
check_refused(const ProtobufCMessageDescriptor *type, const char *text,
    const char *expected)
{
	struct message_json_problem problem;
	struct buf bytes;

	buf_init(&bytes, (size_t)1 << 20);
	assert_status(encode(type, text, &bytes, &problem), STATUS_INVALID);
	if (strstr(problem.text, expected) == NULL)
		fail_msg(
		    "%s: “%s” does not say “%s”", text, problem.text, expected);
	assert_int_equal(bytes.size, 0);
	buf_clear(&bytes);
}

#define POLL &peyk__v1__poll_request__descriptor
#define SEND &peyk__v1__send_request__descriptor
#define CONTENT &peyk__v1__response_content__descriptor
#define MESSAGE &peyk__v1__message_content__descriptor

static void
test_message_json_takes_both_names(void **state)
{
	(void)state;
	check(POLL, "{\"maxMessages\":3,\"wait_ms\":5}",
	    "{\"maxMessages\":3,\"waitMs\":5}");
	check_refused(POLL, "{\"max_messages\":3,\"maxMessages\":3}", "twice");
	check_refused(POLL, "{\"waitMs\":1,\"waitMs\":1}", "duplicate");
}

static void
test_message_json_integers(void **state)
{
	(void)state;
	check(POLL, "{\"waitMs\":\"7\"}", "{\"waitMs\":7}");
	check(POLL, "{\"waitMs\":1e3}", "{\"waitMs\":1000}");
	check(POLL, "{\"waitMs\":4294967295}", "{\"waitMs\":4294967295}");
	check(POLL, "{\"waitMs\":0}", "{}");
	check(POLL, "{\"waitMs\":-0}", "{}");
	check(CONTENT, "{\"sequence\":12}", "{\"sequence\":\"12\"}");
	check(CONTENT, "{\"sequence\":\"18446744073709551615\"}",
	    "{\"sequence\":\"18446744073709551615\"}");
	check_refused(POLL, "{\"waitMs\":4294967296}", "$.waitMs: ");
	check_refused(POLL, "{\"waitMs\":-1}", "does not fit");
	check_refused(POLL, "{\"waitMs\":1.5}", "whole number");
	check_refused(POLL, "{\"waitMs\":1e300}", "whole number");
	check_refused(POLL, "{\"waitMs\":true}", "whole number");
	check_refused(POLL, "{\"waitMs\":\"0x7\"}", "whole number");
	check_refused(POLL, "{\"waitMs\":\"\"}", "whole number");
	check_refused(POLL, "{\"waitMs\":\" 7\"}", "whole number");
	check_refused(POLL, "{\"waitMs\":\"007\"}", "whole number");
	check_refused(
	    CONTENT, "{\"sequence\":\"18446744073709551616\"}", "whole");
}

static void
test_message_json_bytes(void **state)
{
	(void)state;
	check(CONTENT, "{\"body\":\"+/8=\"}", "{\"body\":\"+/8=\"}");
	check(CONTENT, "{\"body\":\"-_8\"}", "{\"body\":\"+/8=\"}");
	check(CONTENT, "{\"body\":\"-_8=\"}", "{\"body\":\"+/8=\"}");
	check(CONTENT, "{\"body\":\"\"}", "{}");
	check_refused(CONTENT, "{\"body\":\"+/8==\"}", "base64");
	check_refused(CONTENT, "{\"body\":\"=\"}", "base64");
	check_refused(CONTENT, "{\"body\":\"====\"}", "base64");
	check_refused(CONTENT, "{\"body\":\"a\"}", "base64");
	check_refused(CONTENT, "{\"body\":\"a b=\"}", "base64");
	check_refused(CONTENT, "{\"body\":7}", "base64");
}

static void
test_message_json_enums_and_booleans(void **state)
{
	(void)state;
	check(CONTENT, "{\"disposition\":\"DISPOSITION_GAP\",\"final\":true}",
	    "{\"disposition\":\"DISPOSITION_GAP\",\"final\":true}");
	check(CONTENT, "{\"disposition\":4}",
	    "{\"disposition\":\"DISPOSITION_GAP\"}");
	check(CONTENT, "{\"disposition\":99}", "{\"disposition\":99}");
	check(CONTENT, "{\"disposition\":\"DISPOSITION_UNSPECIFIED\"}", "{}");
	check_refused(CONTENT, "{\"disposition\":\"GAP\"}", "no value “GAP”");
	check_refused(CONTENT, "{\"disposition\":2147483648}", "no value");
	check_refused(CONTENT, "{\"final\":1}", "neither true nor false");
	check_refused(CONTENT, "{\"final\":\"true\"}", "neither true nor");
}

static void
test_message_json_lists_and_messages(void **state)
{
	(void)state;
	check(SEND, "{\"messages\":[{\"recipientKey\":\"AAAA\"},{}]}",
	    "{\"messages\":[{\"recipientKey\":\"AAAA\"},{}]}");
	check(SEND, "{\"messages\":null}", "{}");
	check(SEND, "{\"messages\":[]}", "{}");
	check(POLL, "{\"acks\":[\"\",\"x\"]}", "{\"acks\":[\"\",\"x\"]}");
	check_refused(SEND, "{\"messages\":{}}", "$.messages: this is no list");
	check_refused(SEND, "{\"messages\":[7]}", "$.messages[0]: this is no");
	check_refused(SEND, "{\"messages\":[{},null]}", "$.messages[1]: null");
	check_refused(SEND, "{\"messages\":[{\"recipientKey\":\"!\"}]}",
	    "$.messages[0].recipientKey: this is no base64");
	check_refused(SEND, "{\"messages\":[{\"to\":\"sara\"}]}",
	    "$.messages[0].to: OutgoingMessage has no such field");
	check(&peyk__v1__sign_up_request__descriptor, "{\"identity\":{}}",
	    "{\"identity\":{}}");
	check(&peyk__v1__sign_up_request__descriptor, "{\"identity\":null}",
	    "{}");
}

static void
test_message_json_is_an_object(void **state)
{
	(void)state;
	check(POLL, " {\r\n} ", "{}");
	check_refused(POLL, "", "$: line 1");
	check_refused(POLL, "[]", "no object");
	check_refused(POLL, "null", "no object");
	check_refused(POLL, "{} {}", "end of file");
	check_refused(POLL, "{\"acks\":[\"a\\u0000b\"]}", "line 1");
	check_refused(POLL, "{\"acks\":[\"\\ud800\"]}", "line 1");
	check_refused(POLL, "{\"acks\":[\"\xff\"]}", "line 1");
}

/* Whatever is nested where no message belongs is refused, not followed. */
static void
test_message_json_depth_and_size(void **state)
{
	char *deep = malloc(20001);
	struct message_json_problem problem = {0};
	json_t *object = NULL;
	struct buf small;

	(void)state;
	memset(deep, '[', 20000);
	deep[20000] = '\0';
	check_refused(POLL, deep, "depth");
	free(deep);
	deep = calloc(1, MESSAGE_JSON_SIZE_MAX + 1);
	assert_status(
	    message_json_parse(
		bytes_make(deep, MESSAGE_JSON_SIZE_MAX + 1), &object, &problem),
	    STATUS_TOO_LARGE);
	free(deep);
	buf_init(&small, 4);
	assert_status(encode(POLL, "{\"acks\":[\"longer\"]}", &small, &problem),
	    STATUS_TOO_LARGE);
	assert_int_equal(small.size, 0);
	buf_clear(&small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_message_json_takes_both_names),
	    cmocka_unit_test(test_message_json_integers),
	    cmocka_unit_test(test_message_json_bytes),
	    cmocka_unit_test(test_message_json_enums_and_booleans),
	    cmocka_unit_test(test_message_json_lists_and_messages),
	    cmocka_unit_test(test_message_json_is_an_object),
	    cmocka_unit_test(test_message_json_depth_and_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
