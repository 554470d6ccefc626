#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

/* Smaller first allocations would only be followed by more of them. */
#define BUF_CAPACITY_MIN 64

void
buf_init(struct buf *buf, size_t limit)
{
	*buf = (struct buf){ .limit = limit };
}

void
buf_init_secret(struct buf *buf, size_t limit)
{
	*buf = (struct buf){ .limit = limit, .is_secret = true };
}

void
buf_clear(struct buf *buf)
{
	if (buf->is_secret) {
		buf_wipe(buf);
		return;
	}
	free(buf->data);
	*buf = (struct buf){ 0 };
}

void
buf_wipe(struct buf *buf)
{
	secret_wipe(buf->data, buf->capacity);
	free(buf->data);
	*buf = (struct buf){ 0 };
}

void
buf_reset(struct buf *buf)
{
	buf_truncate(buf, 0);
}

void
buf_truncate(struct buf *buf, size_t size)
{
	assert(size <= buf->size);
	if (buf->is_secret && size < buf->size)
		secret_wipe(buf->data + size, buf->size - size);
	buf->size = size;
}

/* Memory for capacity bytes and a NUL. realloc() would leave secrets behind. */
static enum status
buf_grow(struct buf *buf, size_t capacity)
{
	uint8_t *data;

	if (capacity == SIZE_MAX)
		return STATUS_NOMEM;
	if (!buf->is_secret) {
		data = realloc(buf->data, capacity + 1);
		if (data == NULL)
			return STATUS_NOMEM;
	} else {
		data = malloc(capacity + 1);
		if (data == NULL)
			return STATUS_NOMEM;
		if (buf->size > 0)
			memcpy(data, buf->data, buf->size);
		secret_wipe(buf->data, buf->capacity);
		free(buf->data);
	}
	buf->data = data;
	buf->capacity = capacity;
	return STATUS_OK;
}

enum status
buf_reserve(struct buf *buf, size_t extra)
{
	size_t needed, capacity;

	if (extra > buf->limit - buf->size)
		return STATUS_TOO_LARGE;
	needed = buf->size + extra;
	if (needed <= buf->capacity)
		return STATUS_OK;
	capacity = buf->capacity > buf->limit / 2 ?
	    buf->limit : buf->capacity * 2;
	if (capacity < BUF_CAPACITY_MIN)
		capacity = BUF_CAPACITY_MIN;
	if (capacity > buf->limit)
		capacity = buf->limit;
	if (capacity < needed)
		capacity = needed;
	return buf_grow(buf, capacity);
}

enum status
buf_append(struct buf *buf, struct bytes bytes)
{
	enum status st;

	if ((st = buf_reserve(buf, bytes.size)) != STATUS_OK)
		return st;
	if (bytes.size > 0)
		memcpy(buf->data + buf->size, bytes.data, bytes.size);
	buf->size += bytes.size;
	return STATUS_OK;
}

enum status
buf_append_string(struct buf *buf, const char *string)
{
	return buf_append(buf, bytes_from_string(string));
}

enum status
buf_append_u8(struct buf *buf, uint8_t value)
{
	return buf_append(buf, bytes_make(&value, 1));
}

enum status
buf_append_u64be(struct buf *buf, uint64_t value)
{
	uint8_t encoded[8];

	bytes_put_u64be(encoded, value);
	return buf_append(buf, BYTES_OF(encoded));
}

enum status
buf_append_format(struct buf *buf, const char *format, ...)
{
	va_list arguments;
	int length, written;
	enum status st;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return STATUS_INTERNAL;
	if (length == 0)
		return STATUS_OK;
	if ((st = buf_reserve(buf, (size_t)length)) != STATUS_OK)
		return st;
	/* Its NUL takes the byte beyond the capacity. */
	va_start(arguments, format);
	written = vsnprintf((char *)buf->data + buf->size,
	    (size_t)length + 1, format, arguments);
	va_end(arguments);
	if (written != length)
		return STATUS_INTERNAL;
	buf->size += (size_t)length;
	return STATUS_OK;
}

enum status
buf_extend(struct buf *buf, size_t size, uint8_t **out)
{
	enum status st;

	if ((st = buf_reserve(buf, size)) != STATUS_OK)
		return st;
	*out = buf->data + buf->size;
	buf->size += size;
	return STATUS_OK;
}

enum status
buf_string(struct buf *buf, const char **out)
{
	enum status st;

	if (buf->size > 0 && memchr(buf->data, 0, buf->size) != NULL)
		return STATUS_INVALID;
	if (buf->data == NULL && (st = buf_grow(buf, 0)) != STATUS_OK)
		return st;
	buf->data[buf->size] = 0;
	*out = (const char *)buf->data;
	return STATUS_OK;
}

void
buf_take(struct buf *buf, uint8_t **data, size_t *size)
{
	*data = buf->size > 0 ? buf->data : NULL;
	*size = buf->size;
	if (buf->size == 0)
		free(buf->data);
	*buf = (struct buf){ .limit = buf->limit,
		.is_secret = buf->is_secret };
}
