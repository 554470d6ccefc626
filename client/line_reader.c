#include "client/line_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void
line_reader_init(struct line_reader *reader, int fd, size_t line_max)
{
	*reader = (struct line_reader){.fd = fd, .line_max = line_max};
	/* A line that is too long is seen before another chunk is needed. */
	buf_init_secret(&reader->buffer, line_max + 2 + LINE_READER_CHUNK);
}

void
line_reader_clear(struct line_reader *reader)
{
	buf_wipe(&reader->buffer);
}

/* Moves what is not taken yet to the front. */
static void
compact(struct line_reader *reader)
{
	struct buf *buffer = &reader->buffer;
	size_t left = buffer->size - reader->taken;

	if (reader->taken == 0)
		return;
	memmove(buffer->data, buffer->data + reader->taken, left);
	buf_truncate(buffer, left);
	reader->taken = 0;
}

enum status
line_reader_fill(struct line_reader *reader)
{
	uint8_t *chunk = NULL;
	size_t before;
	ssize_t got;
	enum status st;
	int cause;

	if (reader->is_at_end)
		return STATUS_OK;
	compact(reader);
	before = reader->buffer.size;
	st = buf_extend(&reader->buffer, LINE_READER_CHUNK, &chunk);
	if (st != STATUS_OK)
		return st;
	got = read(reader->fd, chunk, LINE_READER_CHUNK);
	cause = errno;
	buf_truncate(&reader->buffer, before + (got > 0 ? (size_t)got : 0));
	if (got == 0)
		reader->is_at_end = true;
	if (got >= 0)
		return STATUS_OK;
	errno = cause;
	return cause == EINTR || cause == EAGAIN ? STATUS_BUSY : STATUS_IO;
}

enum status
line_reader_take(struct line_reader *reader, struct bytes *line)
{
	const uint8_t *start, *end;
	size_t left = reader->buffer.size - reader->taken, size;

	if (left == 0)
		return STATUS_NOT_FOUND;
	start = reader->buffer.data + reader->taken;
	end = memchr(start, '\n', left);
	if (end == NULL && !reader->is_at_end && left <= reader->line_max + 1)
		return STATUS_NOT_FOUND;
	reader->number++;
	size = end != NULL ? (size_t)(end - start) : left;
	if (size > 0 && start[size - 1] == '\r')
		size--;
	if (size > reader->line_max)
		return STATUS_TOO_LARGE;
	left = end != NULL ? (size_t)(end - start) + 1 : left;
	reader->taken += left;
	reader->bytes += left;
	*line = bytes_make(start, size);
	return STATUS_OK;
}
