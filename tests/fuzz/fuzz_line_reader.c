#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "client/line_reader.h"
#include "tests/fuzz/scratch_file.h"

/* Takes a line of the input as the reader should; false at its end. */
static bool
next_line(struct bytes *rest, struct bytes *line)
{
	const uint8_t *end;

	if (rest->size == 0)
		return false;
	end = memchr(rest->data, '\n', rest->size);
	*line = bytes_make(rest->data,
	    end == NULL ? rest->size : (size_t)(end - rest->data));
	rest->data += line->size + (end != NULL);
	rest->size -= line->size + (end != NULL);
	if (line->size > 0 && line->data[line->size - 1] == '\r')
		line->size--;
	return true;
}

static void
check(struct line_reader *reader, struct bytes input)
{
	struct bytes rest = input, line, expected;
	uint64_t number = 0;
	enum status st;

	for (;;) {
		while ((st = line_reader_take(reader, &line)) ==
		    STATUS_NOT_FOUND && !reader->is_at_end)
			FUZZ_CHECK(line_reader_fill(reader) == STATUS_OK);
		if (!next_line(&rest, &expected))
			break;
		FUZZ_CHECK(reader->number == ++number);
		if (expected.size > reader->line_max) {
			FUZZ_CHECK(st == STATUS_TOO_LARGE);
			return;
		}
		FUZZ_CHECK(st == STATUS_OK);
		FUZZ_CHECK(bytes_equal(line, expected));
	}
	FUZZ_CHECK(st == STATUS_NOT_FOUND);
	FUZZ_CHECK(reader->bytes == input.size);
}

/* The first byte is the longest line. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line_reader reader;
	struct bytes input;
	int fd;

	if (size == 0)
		return 0;
	input = bytes_make(data + 1, size - 1);
	fd = open(scratch_file_write(input), O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	line_reader_init(&reader, fd, data[0]);
	check(&reader, input);
	line_reader_clear(&reader);
	FUZZ_CHECK(close(fd) == 0);
	return 0;
}
