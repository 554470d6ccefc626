#include <string.h>

#include "client/message_json_read.h"
#include "client/tool_reply.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "tests/unit/unit.h"
#include "wire/unpack.h"

/* Nonce "abc", ciphertext "defg", in all of the texts. */
#define ENVELOPE "\"nonce\": \"YWJj\", \"ciphertext\": \"ZGVmZw==\""
#define RAW                                                                    \
	"\x0a\x03"                                                             \
	"abc"                                                                  \
	"\x12\x04"                                                             \
	"defg"
#define RAW_BASE64 "CgNhYmMSBGRlZmc"
#define TYPE "type.googleapis.com/peyk.v1.SealedResponse"

static void
check_envelope(const struct tool_reply *reply, size_t count)
{
	assert_int_equal(reply->envelope_count, count);
	for (size_t i = 0; i < count; i++)
		assert_bytes(
		    buf_bytes(&reply->envelopes[i]), BYTES_LITERAL(RAW));
}

/* One envelope; code NULL: no status. */
static void
check(const char *text, const char *code, const char *message)
{
	struct tool_reply reply = {0};

	assert_ok(tool_reply_read(bytes_from_string(text), &reply));
	check_envelope(&reply, 1);
	assert_int_equal(reply.has_status, code != NULL);
	assert_string_equal(reply.code, code != NULL ? code : "");
	assert_string_equal(reply.message, code != NULL ? message : "");
	tool_reply_clear(&reply);
}

static void
check_bare(const char *text, const char *code, const char *message)
{
	struct tool_reply reply = {0};

	assert_ok(tool_reply_read(bytes_from_string(text), &reply));
	check_envelope(&reply, 0);
	assert_true(reply.has_status);
	assert_string_equal(reply.code, code);
	assert_string_equal(reply.message, message);
	tool_reply_clear(&reply);
}

static void
check_nothing(const char *text)
{
	struct tool_reply reply = {0};

	assert_status(
	    tool_reply_read(bytes_from_string(text), &reply), STATUS_NOT_FOUND);
	tool_reply_clear(&reply);
}

static void
test_tool_reply_of_a_call_that_was_done(void **state)
{
	(void)state;
	check("{" ENVELOPE "}", NULL, NULL);
	check("\r\n  {\n  " ENVELOPE "\n}\n", NULL, NULL);
	check("{\"nonce\":\"YWJj\",\"ciphertext\":\"ZGVmZw\"}", NULL, NULL);
	check("Resolved method descriptor:\nrpc Send …;\n\nResponse "
	      "contents:\n{ " ENVELOPE " }\n\nSent 1 request\n",
	    NULL, NULL);
}

static void
test_tool_reply_of_grpcurl(void **state)
{
	(void)state;
	check("ERROR:\n  Code: AlreadyExists\n  Message: see the details: {}\n"
	      "  Details:\n  1)\t{\n    \t  \"@type\": \"" TYPE "\",\n"
	      "    \t  " ENVELOPE "\n    \t}\n",
	    "AlreadyExists", "see the details: {}");
	check("{ \"code\": 6, \"message\": \"see\", \"details\": [ "
	      "{ \"@type\": \"type.googleapis.com/google.rpc.RetryInfo\", "
	      "\"retryDelay\": \"1s\" }, { \"@type\": \"" TYPE "\", " ENVELOPE
	      " } ] }",
	    "6", "see");
	/* Without reflection it does not know the type. */
	check("ERROR:\n  Code: Aborted\n  Message: see\n  Details:\n"
	      "  1)\t{\"@error\":\"peyk.v1.SealedResponse is not recognized\","
	      "\"@type\":\"" TYPE "\",\"@value\":\"" RAW_BASE64 "=\"}\n",
	    "Aborted", "see");
	check_bare("ERROR:\r\n  Code: Unavailable\r\n  Message: try again\r\n",
	    "Unavailable", "try again");
	check_bare("ERROR:\n  Code: Unauthenticated\n  Message: \n",
	    "Unauthenticated", "");
}

static void
test_tool_reply_of_connect(void **state)
{
	(void)state;
	check("{\n   \"code\": \"aborted\",\n   \"message\": \"see\",\n"
	      "   \"details\": [\n {\"type\": \"peyk.v1.SealedResponse\", "
	      "\"value\": \"" RAW_BASE64 "\", \"debug\": {" ENVELOPE "}} ]}",
	    "aborted", "see");
	check_bare("{\"code\":\"unavailable\",\"message\":\"try again\"}",
	    "unavailable", "try again");
	check_bare("{\"code\":\"unavailable\"}", "unavailable", "");
}

static void
test_tool_reply_of_nothing(void **state)
{
	struct tool_reply reply = {0};

	(void)state;
	check_nothing("");
	check_nothing("{}");
	check_nothing("{\"nonce\": 7}");
	check_nothing("{\"nonce\": \"\", \"ciphertext\": \"\"}");
	check_nothing("{\"code\": 0, \"message\": \"\"}");
	check_nothing("Failed to dial target host \"localhost:1\"\n");
	check_nothing("{ " ENVELOPE);
	check_nothing("x {" ENVELOPE "}");
	check_nothing("Code: Aborted\nMessage: see\n");
	check_nothing("{\"details\": [7, {\"@type\": 7}, {\"@type\": "
		      "\"x/peyk.v1.SealedRequest\", " ENVELOPE "}]}");
	assert_status(
	    tool_reply_read(bytes_make("", MESSAGE_JSON_SIZE_MAX + 1), &reply),
	    STATUS_TOO_LARGE);
}

static void
test_tool_reply_is_bounded(void **state)
{
	struct tool_reply reply = {0};
	struct buf text;

	(void)state;
	buf_init(&text, (size_t)1 << 20);
	for (size_t i = 0; i < 8; i++)
		assert_ok(buf_append_string(&text, "{" ENVELOPE "}\n"));
	assert_ok(tool_reply_read(buf_bytes(&text), &reply));
	check_envelope(&reply, TOOL_REPLY_ENVELOPES_MAX);
	tool_reply_clear(&reply);
	/* What looks like JSON again and again is tried a few times. */
	buf_reset(&text);
	for (size_t i = 0; i < 10000; i++)
		assert_ok(buf_append_string(&text, "{\"a\":\n"));
	assert_ok(buf_append_string(&text, "\n{" ENVELOPE "}\n"));
	assert_status(
	    tool_reply_read(buf_bytes(&text), &reply), STATUS_NOT_FOUND);
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tool_reply_of_a_call_that_was_done),
	    cmocka_unit_test(test_tool_reply_of_grpcurl),
	    cmocka_unit_test(test_tool_reply_of_connect),
	    cmocka_unit_test(test_tool_reply_of_nothing),
	    cmocka_unit_test(test_tool_reply_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
