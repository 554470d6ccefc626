#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/line_reader.h"

static int ends[2];
static struct line_reader reader;

static void
begin(size_t line_max)
{
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	line_reader_init(&reader, ends[0], line_max);
}

static void
end(void)
{
	line_reader_clear(&reader);
	(void)close(ends[0]);
	if (ends[1] >= 0)
		(void)close(ends[1]);
}

static void
feed(const char *text)
{
	size_t size = strlen(text);

	assert_int_equal(write(ends[1], text, size), size);
	assert_ok(line_reader_fill(&reader));
}

static void
feed_end(void)
{
	(void)close(ends[1]);
	ends[1] = -1;
	assert_ok(line_reader_fill(&reader));
	assert_true(reader.is_at_end);
}

static void
assert_line(const char *expected, uint64_t number)
{
	struct bytes line = bytes_empty();

	assert_ok(line_reader_take(&reader, &line));
	assert_bytes(line, bytes_from_string(expected));
	assert_int_equal(reader.number, number);
}

static void
assert_none(void)
{
	struct bytes line = bytes_empty();

	assert_status(line_reader_take(&reader, &line), STATUS_NOT_FOUND);
}

static void
test_line_reader_ends(void **state)
{
	(void)state;
	begin(100);
	assert_none();
	assert_status(line_reader_fill(&reader), STATUS_BUSY);
	feed("one\ntwo\r\n\nfo");
	assert_line("one", 1);
	assert_line("two", 2);
	assert_line("", 3);
	assert_none();
	feed("ur\r");
	assert_none();
	feed("\nfive\r\rx\r");
	assert_line("four", 4);
	assert_none();
	feed_end();
	assert_line("five\r\rx", 5);
	assert_none();
	assert_int_equal(
	    reader.bytes, strlen("one\ntwo\r\n\nfour\r\nfive\r\rx\r"));
	end();
}

static void
test_line_reader_empty_input(void **state)
{
	(void)state;
	begin(100);
	feed_end();
	assert_none();
	assert_int_equal(reader.number, 0);
	end();
}

static void
test_line_reader_limit(void **state)
{
	struct bytes line;

	(void)state;
	begin(4);
	feed("1234\n1234\r\n1234");
	assert_line("1234", 1);
	assert_line("1234", 2);
	assert_none();
	feed("\r");
	assert_none(); /* LF may follow */
	feed_end();
	assert_line("1234", 3);
	end();

	begin(4);
	feed("ok\n12345\n");
	assert_line("ok", 1);
	assert_status(line_reader_take(&reader, &line), STATUS_TOO_LARGE);
	assert_int_equal(reader.number, 2);
	end();

	begin(4); /* no need to wait for its end */
	feed("123456");
	assert_status(line_reader_take(&reader, &line), STATUS_TOO_LARGE);
	end();
}

static void
test_line_reader_long_lines_in_pieces(void **state)
{
	static char text[65536 + 1];
	struct bytes line;

	(void)state;
	begin(65536);
	memset(text, 'x', 65536);
	feed("short\n");
	for (int i = 0; i < 16; i++) {
		assert_int_equal(write(ends[1], text, 4096), 4096);
		assert_ok(line_reader_fill(&reader));
	}
	assert_line("short", 1);
	assert_none();
	feed("\n");
	assert_ok(line_reader_take(&reader, &line));
	assert_int_equal(line.size, 65536);
	assert_memory_equal(line.data, text, 65536);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_line_reader_ends),
	    cmocka_unit_test(test_line_reader_empty_input),
	    cmocka_unit_test(test_line_reader_limit),
	    cmocka_unit_test(test_line_reader_long_lines_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
