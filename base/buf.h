#ifndef PEYK_BASE_BUF_H
#define PEYK_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/*
 * Owned bytes that grow, up to a hard limit. Fields are for reading only.
 *
 * Begin with buf_init() or buf_init_secret(), end with buf_clear(). A zeroed
 * buf may be cleared, and refuses every byte (its limit is 0).
 *
 * Everything that appends returns STATUS_TOO_LARGE when the content would
 * pass the limit, STATUS_NOMEM, or STATUS_OK; on failure the content is as it
 * was. Appending may move the memory: pointers into it, and bytes from
 * buf_bytes(), do not outlive it. Never append a buf's own bytes to it.
 */
struct buf {
	uint8_t *data;
	size_t size;
	size_t capacity; /* memory has one byte more, for a NUL */
	size_t limit;    /* most bytes that the content may have */
	bool is_secret;  /* memory is wiped before it is given back */
};

/* limit: most bytes of content. Allocates nothing. */
void buf_init(struct buf *buf, size_t limit);

/*
 * The same for secrets: whatever memory it leaves, in growing too, is wiped.
 * The memory is ordinary and may be swapped; what outlives a function belongs
 * in secret_new().
 */
void buf_init_secret(struct buf *buf, size_t limit);

/* Frees the memory; zeroes the struct. No-op on a zeroed one. */
void buf_clear(struct buf *buf);

/* Wipes the content and frees it, whichever way it was initialised. */
void buf_wipe(struct buf *buf);

/* Content to nothing, memory kept (and wiped, if secret). */
void buf_reset(struct buf *buf);

/*
 * Cuts the content to its first size bytes, at most what there is (asserted).
 * What is cut off is wiped, if secret.
 */
void buf_truncate(struct buf *buf, size_t size);

/* Makes room for extra more bytes, so that appending them cannot fail. */
MUST_CHECK enum status buf_reserve(struct buf *buf, size_t extra);

/* Adds to the end: bytes, a string without its NUL, or a big-endian integer. */
MUST_CHECK enum status buf_append(struct buf *buf, struct bytes bytes);
MUST_CHECK enum status buf_append_string(struct buf *buf, const char *string);
MUST_CHECK enum status buf_append_u8(struct buf *buf, uint8_t value);
MUST_CHECK enum status buf_append_u64be(struct buf *buf, uint64_t value);

/* As printf() without the NUL. A format that fails is STATUS_INTERNAL. */
MUST_CHECK enum status buf_append_format(struct buf *buf, const char *format,
    ...) __attribute__((format(printf, 2, 3)));

/* Lengthens the content by size bytes, not initialised; *out is the first. */
MUST_CHECK enum status buf_extend(struct buf *buf, size_t size, uint8_t **out);

/*
 * The content as a C string: puts a NUL behind it, which is not counted in
 * size nor in the limit. Borrowed, until the next change. STATUS_INVALID if
 * the content has a NUL itself, STATUS_NOMEM.
 */
MUST_CHECK enum status buf_string(struct buf *buf, const char **out);

/*
 * Hands the memory to the caller, who frees it with free(), and leaves an
 * empty buf of the same limit. *data is NULL when the content is empty.
 */
void buf_take(struct buf *buf, uint8_t **data, size_t *size);

/* The content, borrowed until the next change. */
static inline struct bytes
buf_bytes(const struct buf *buf)
{
	return bytes_make(buf->data, buf->size);
}

#endif
