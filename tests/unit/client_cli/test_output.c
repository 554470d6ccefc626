#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/output.h"
#include "tests/unit/client_cli/capture.h"

static void
assert_buf(struct buf *line, const char *expected)
{
	const char *text = NULL;

	assert_ok(buf_string(line, &text));
	assert_string_equal(text, expected);
	buf_reset(line);
}

static void
test_output_json_is_one_harmless_line(void **state)
{
	static const char text[] = "«سلام»\n\x1b[2J\x7f\xc2\x9b"
				   "\xe2\x80\xae\xe2\x80\xa8\xe2\x81\xa6"
				   "\xef\xbf\xb9 \"q\" \\ 😀 می‌روم";
	struct output output;
	char line[512];
	json_t *object;

	(void)state;
	output_init(&output, true);
	begin_capture();
	assert_ok(output_json_take(
	    &output, json_pack("{s:o}", "text",
			 output_json_text(bytes_from_string(text)))));
	end_capture(line, sizeof(line));
	assert_string_equal(line,
	    "{\"text\":\"«سلام»\\n\\u001B[2J\\u007F\\u009B"
	    "\\u202E\\u2028\\u2066\\uFFF9 \\\"q\\\" \\\\ 😀 "
	    "می‌روم\"}\n");
	object = json_loads(line, 0, NULL);
	assert_non_null(object);
	assert_string_equal(
	    json_string_value(json_object_get(object, "text")), text);
	json_decref(object);
}

static void
test_output_json_text_that_is_not_utf8(void **state)
{
	json_t *string = output_json_text(BYTES_LITERAL("a\xff"
							"b"));

	(void)state;
	assert_non_null(string);
	assert_string_equal(json_string_value(string), "a\xef\xbf\xbd"
						       "b");
	json_decref(string);
	string = output_json_text(bytes_empty());
	assert_string_equal(json_string_value(string), "");
	json_decref(string);
	string = output_json_text(BYTES_LITERAL("a\0b"));
	assert_int_equal(json_string_length(string), 3);
	json_decref(string);
}

static void
test_output_times(void **state)
{
	json_t *time;
	struct buf line;

	(void)state;
	time = output_json_time(1772600767089);
	assert_string_equal(
	    json_string_value(time), "2026-03-04T05:06:07.089Z");
	json_decref(time);
	time = output_json_time(0);
	assert_string_equal(
	    json_string_value(time), "1970-01-01T00:00:00.000Z");
	json_decref(time);
	time = output_json_time(UINT64_MAX);
	json_decref(time);
	(void)setenv("TZ", "UTC-3:30", 1);
	tzset();
	buf_init(&line, 100);
	assert_ok(output_append_time(&line, 1772600767089));
	assert_buf(&line, "2026-03-04 08:36");
	assert_ok(output_append_time(&line, UINT64_MAX));
	buf_clear(&line);
}

static void
test_output_texts_are_made_harmless(void **state)
{
	struct buf line;

	(void)state;
	buf_init(&line, 1000);
	assert_ok(output_append_text(
	    &line, BYTES_LITERAL("a\x1b[31mb\nc\xe2\x80\xae")));
	assert_buf(&line, "a[31mb c");
	assert_ok(output_append_lines(
	    &line, BYTES_LITERAL("one\nclient#2 has sent\r\n\tthree")));
	assert_buf(&line, "one\n    client#2 has sent\n    \tthree");
	assert_ok(output_append_lines(&line, bytes_empty()));
	assert_buf(&line, "");
	assert_ok(output_append_padded(&line, BYTES_LITERAL("ab"), 5));
	assert_ok(output_append_padded(&line, BYTES_LITERAL("سلام"), 6));
	assert_ok(output_append_padded(&line, BYTES_LITERAL("漢字"), 6));
	assert_ok(output_append_padded(&line, BYTES_LITERAL("longer"), 3));
	assert_buf(&line, "ab   سلام  漢字  longer ");
	buf_clear(&line);
}

static void
test_output_shell_words(void **state)
{
	static const struct {
		const char *name;
		const char *word;
	} cases[] = {
	    {"client#2", "client#2"},
	    {"سارا", "سارا"},
	    {"#1", "'#1'"},
	    {"-rf", "'-rf'"},
	    {"", "''"},
	    {"$(reboot)", "'$(reboot)'"},
	    {"a;b", "'a;b'"},
	    {"o'brien", "'o'\\''brien'"},
	    {"'", "''\\'''"},
	    {"~root", "'~root'"},
	};
	struct buf line;

	(void)state;
	buf_init(&line, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_ok(output_append_shell_word(&line, cases[i].name));
		assert_buf(&line, cases[i].word);
	}
	buf_clear(&line);
}

static void
test_output_notices_a_full_disk(void **state)
{
	struct output output;
	int full, before;

	(void)state;
	output_init(&output, false);
	(void)fflush(stdout);
	before = dup(STDOUT_FILENO);
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full >= 0 && dup2(full, STDOUT_FILENO) >= 0);
	assert_status(output_line(&output, "lost"), STATUS_IO);
	assert_true(output.has_failed);
	assert_int_equal(output.error, ENOSPC);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	/* Still: what was lost stays lost. */
	errno = 0;
	assert_status(output_line(&output, "late"), STATUS_IO);
	assert_int_equal(errno, ENOSPC);
	clearerr(stdout);
	(void)close(full);
	(void)close(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_output_json_is_one_harmless_line),
	    cmocka_unit_test(test_output_json_text_that_is_not_utf8),
	    cmocka_unit_test(test_output_times),
	    cmocka_unit_test(test_output_texts_are_made_harmless),
	    cmocka_unit_test(test_output_shell_words),
	    cmocka_unit_test(test_output_notices_a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
