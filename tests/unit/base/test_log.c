#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char captured[8192];
static int saved_stderr;
static int pipe_ends[2];

static void
capture_start(void)
{
	assert_int_equal(pipe(pipe_ends), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0);
	assert_true(dup2(pipe_ends[1], STDERR_FILENO) >= 0);
	close(pipe_ends[1]);
}

static void
capture_stop(void)
{
	ssize_t size;

	assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
	close(saved_stderr);
	size = read(pipe_ends[0], captured, sizeof(captured) - 1);
	captured[size > 0 ? size : 0] = '\0';
	close(pipe_ends[0]);
}

/* The line after the time, which has 24 characters. */
static const char *
after_time(void)
{
	assert_true(strlen(captured) > 24);
	assert_int_equal(captured[10], 'T');
	assert_int_equal(captured[23], 'Z');
	return captured + 24;
}

static void
test_log_line_has_fields(void **state)
{
	(void)state;
	capture_start();
	log_event(LOG_LEVEL_INFO, "listening", log_u64("port", 8022),
	    log_i64("offset", -3), log_bool("tls", true),
	    log_text("address", "127.0.0.1"), log_status(STATUS_IO));
	capture_stop();
	assert_string_equal(after_time(), " level=info event=listening "
	    "port=8022 offset=-3 tls=true address=127.0.0.1 status=io\n");
}

static void
test_log_needs_no_fields(void **state)
{
	(void)state;
	capture_start();
	log_event(LOG_LEVEL_ERROR, "stopped");
	capture_stop();
	assert_string_equal(after_time(), " level=error event=stopped\n");
}

static void
test_log_stays_one_line(void **state)
{
	(void)state;
	capture_start();
	log_event(LOG_LEVEL_WARNING, "x",
	    log_text("error", "a \"b\"\n\\level=info\x1b[2J\xff"),
	    log_text("none", NULL));
	capture_stop();
	assert_string_equal(after_time(), " level=warning event=x "
	    "error=\"a \\\"b\\\"\\n\\\\level=info\\x1b[2J\\xff\" none=\"\"\n");
}

static void
test_log_cuts_long_lines(void **state)
{
	char text[LOG_LINE_MAX * 2];
	size_t length;

	(void)state;
	for (size_t size = LOG_LINE_MAX - 80; size < sizeof(text);
	    size += 7) {
		memset(text, 'a', size);
		text[size] = '\0';
		capture_start();
		log_event(LOG_LEVEL_ERROR, "long", log_text("text", text));
		capture_stop();
		length = strlen(captured);
		assert_true(length <= LOG_LINE_MAX + 1);
		assert_int_equal(captured[length - 1], '\n');
	}
	assert_string_equal(captured + length - 4, "...\n");
}

static void
test_log_level_is_a_threshold(void **state)
{
	enum log_level level;

	(void)state;
	capture_start();
	log_event(LOG_LEVEL_DEBUG, "hidden");
	assert_ok(log_level_parse("error", &level));
	log_set_level(level);
	log_event(LOG_LEVEL_WARNING, "hidden");
	log_set_level(LOG_LEVEL_DEBUG);
	log_event(LOG_LEVEL_DEBUG, "shown");
	log_set_level(LOG_LEVEL_INFO);
	capture_stop();
	assert_string_equal(after_time(), " level=debug event=shown\n");
	assert_status(log_level_parse("loud", &level), STATUS_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_line_has_fields),
		cmocka_unit_test(test_log_needs_no_fields),
		cmocka_unit_test(test_log_stays_one_line),
		cmocka_unit_test(test_log_cuts_long_lines),
		cmocka_unit_test(test_log_level_is_a_threshold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
