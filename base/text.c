#include "base/text.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/secret.h"

#define TEXT_REPLACEMENT 0xfffd

static int
sodium_variant(enum text_encoding encoding)
{
	switch (encoding) {
	case TEXT_ENCODING_HEX:
		break;
	case TEXT_ENCODING_BASE64:
		return sodium_base64_VARIANT_ORIGINAL;
	case TEXT_ENCODING_BASE64URL:
		return sodium_base64_VARIANT_URLSAFE_NO_PADDING;
	case TEXT_ENCODING_BASE64URL_PADDED:
		return sodium_base64_VARIANT_URLSAFE;
	}
	assert(encoding != encoding); /* hex is not base64 */
	return 0;
}

/* Both encoders end with a NUL: the byte that a buf has beyond its content. */
enum status
text_encode(enum text_encoding encoding, struct bytes bytes, struct buf *out)
{
	size_t length;
	uint8_t *room;
	enum status st;

	if (bytes.size == 0)
		return STATUS_OK;
	if (bytes.size > SIZE_MAX / 4)
		return STATUS_TOO_LARGE;
	if (encoding == TEXT_ENCODING_HEX)
		length = bytes.size * 2;
	else
		length = sodium_base64_encoded_len(bytes.size,
		    sodium_variant(encoding)) - 1;
	if ((st = buf_extend(out, length, &room)) != STATUS_OK)
		return st;
	if (encoding == TEXT_ENCODING_HEX)
		sodium_bin2hex((char *)room, length + 1, bytes.data,
		    bytes.size);
	else
		sodium_bin2base64((char *)room, length + 1, bytes.data,
		    bytes.size, sodium_variant(encoding));
	return STATUS_OK;
}

/* Bytes that a text decodes to, if it is well formed. */
static size_t
decoded_size(enum text_encoding encoding, struct bytes text)
{
	size_t digits = text.size;

	if (encoding == TEXT_ENCODING_HEX)
		return digits / 2;
	for (int i = 0; i < 2; i++)
		if (digits > 0 && text.data[digits - 1] == '=')
			digits--;
	return digits / 4 * 3 + digits % 4 * 3 / 4;
}

/* libsodium 1.0.18 takes some bytes from 0x80 up for base64 digits. */
static bool
is_ascii(struct bytes text)
{
	unsigned seen = 0;

	for (size_t i = 0; i < text.size; i++)
		seen |= text.data[i];
	return seen < 0x80;
}

enum status
text_decode(enum text_encoding encoding, struct bytes text, struct buf *out)
{
	size_t start = out->size, size, decoded = 0;
	uint8_t *room;
	enum status st;
	int result;

	if (text.size == 0)
		return STATUS_OK;
	size = decoded_size(encoding, text);
	if (size == 0 || !is_ascii(text))
		return STATUS_INVALID;
	if ((st = buf_extend(out, size, &room)) != STATUS_OK)
		return st;
	if (encoding == TEXT_ENCODING_HEX)
		result = sodium_hex2bin(room, size, (const char *)text.data,
		    text.size, NULL, &decoded, NULL);
	else
		result = sodium_base642bin(room, size,
		    (const char *)text.data, text.size, NULL, &decoded, NULL,
		    sodium_variant(encoding));
	if (result != 0 || decoded != size) {
		buf_truncate(out, start);
		return STATUS_INVALID;
	}
	return STATUS_OK;
}

bool
text_is_utf8(struct bytes text)
{
	utf8proc_int32_t code_point;

	for (size_t at = 0; at < text.size;) {
		utf8proc_ssize_t n = utf8proc_iterate(text.data + at,
		    (utf8proc_ssize_t)(text.size - at), &code_point);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

enum status
text_nfc(struct bytes text, struct buf *out)
{
	const utf8proc_option_t options =
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE;
	utf8proc_int32_t *points = NULL;
	utf8proc_ssize_t count, size;
	size_t memory_size = 0;
	enum status st;

	if (text.size == 0)
		return STATUS_OK;
	if (text.size > PTRDIFF_MAX / 64 || !text_is_utf8(text))
		return STATUS_INVALID;
	count = utf8proc_decompose(text.data, (utf8proc_ssize_t)text.size,
	    NULL, 0, options);
	if (count < 0)
		return STATUS_INVALID;
	/* Re-encoding happens in place and ends with a NUL. */
	memory_size = (size_t)count * sizeof(*points) + 1;
	points = malloc(memory_size);
	if (points == NULL)
		return STATUS_NOMEM;
	count = utf8proc_decompose(text.data, (utf8proc_ssize_t)text.size,
	    points, count, options);
	size = count < 0 ? count :
	    utf8proc_reencode(points, count, options);
	if (size < 0)
		st = STATUS_INTERNAL;
	else
		st = buf_append(out, bytes_make(points, (size_t)size));
	secret_wipe(points, memory_size);
	free(points);
	return st;
}

static bool
is_line_break(utf8proc_int32_t c)
{
	return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* What could steer a terminal or turn the rest of the line around. */
static bool
is_harmful(utf8proc_int32_t c)
{
	return utf8proc_category(c) == UTF8PROC_CATEGORY_CC ||
	    (c >= 0x202a && c <= 0x202e) || /* embeddings, overrides */
	    (c >= 0x2066 && c <= 0x2069) || /* isolates */
	    (c >= 0xfff9 && c <= 0xfffb);   /* interlinear annotation */
}

static bool
is_noncharacter(utf8proc_int32_t c)
{
	return (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

static enum status
append_code_point(utf8proc_int32_t c, struct buf *out)
{
	uint8_t encoded[4];
	utf8proc_ssize_t n = utf8proc_encode_char(c, encoded);

	return buf_append(out, bytes_make(encoded, (size_t)n));
}

static enum status
append_safe(utf8proc_int32_t c, enum text_lines lines, struct buf *out)
{
	if (is_line_break(c))
		return buf_append_u8(out,
		    lines == TEXT_LINES_KEEP ? '\n' : ' ');
	if (c == '\t')
		return buf_append_u8(out,
		    lines == TEXT_LINES_KEEP ? '\t' : ' ');
	if (is_harmful(c))
		return STATUS_OK;
	return append_code_point(is_noncharacter(c) ? TEXT_REPLACEMENT : c,
	    out);
}

enum status
text_sanitize(struct bytes text, enum text_lines lines, struct buf *out)
{
	size_t start = out->size;
	utf8proc_int32_t code_point;
	enum status st = STATUS_OK;

	for (size_t at = 0; st == STATUS_OK && at < text.size;) {
		utf8proc_ssize_t n = utf8proc_iterate(text.data + at,
		    (utf8proc_ssize_t)(text.size - at), &code_point);

		if (n <= 0) {
			n = 1;
			code_point = TEXT_REPLACEMENT;
		}
		at += (size_t)n;
		st = append_safe(code_point, lines, out);
	}
	if (st != STATUS_OK)
		buf_truncate(out, start);
	return st;
}

size_t
text_width(struct bytes text)
{
	size_t width = 0;
	utf8proc_int32_t code_point;

	for (size_t at = 0; at < text.size;) {
		utf8proc_ssize_t n = utf8proc_iterate(text.data + at,
		    (utf8proc_ssize_t)(text.size - at), &code_point);

		if (n <= 0) {
			n = 1;
			code_point = TEXT_REPLACEMENT;
		}
		at += (size_t)n;
		width += (size_t)utf8proc_charwidth(code_point);
	}
	return width;
}
