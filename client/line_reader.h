#ifndef PEYK_CLIENT_LINE_READER_H
#define PEYK_CLIENT_LINE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * Lines from a descriptor, without waiting for more than what is there: read
 * when poll() says so, then take all that are complete. A line ends with LF,
 * CR LF, or the end of input. One thread; the descriptor is the caller's.
 */

/* Bytes that one line_reader_fill() reads at most. */
#define LINE_READER_CHUNK 65536

struct line_reader {
	int fd;
	size_t line_max; /* bytes of a line, without its end */
	struct buf buffer;
	size_t taken;    /* bytes of it that were handed out */
	uint64_t number; /* of the line last taken, from 1 */
	uint64_t bytes;  /* taken altogether */
	bool is_at_end;
};

void line_reader_init(struct line_reader *reader, int fd, size_t line_max);
void line_reader_clear(struct line_reader *reader);

/*
 * One read(): blocks if poll() has not said that there is something. At the
 * end of input only sets is_at_end. STATUS_IO (errno), STATUS_NOMEM,
 * STATUS_BUSY (interrupted by a signal, or nothing there after all). Bytes
 * from line_reader_take() end here.
 */
MUST_CHECK enum status line_reader_fill(struct line_reader *reader);

/*
 * The next line. STATUS_NOT_FOUND: no complete one is there, or, at the end,
 * none at all. STATUS_TOO_LARGE: it is longer than line_max; number tells
 * which, and nothing can be taken after it.
 */
MUST_CHECK enum status line_reader_take(
    struct line_reader *reader, struct bytes *line);

#endif
