#ifndef PEYK_BASE_TEXT_H
#define PEYK_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * Bytes as text, and text from others. out is always appended to; its limit
 * gives STATUS_TOO_LARGE, and STATUS_NOMEM is possible everywhere.
 */

enum text_encoding {
	TEXT_ENCODING_HEX,              /* lower case; decodes upper too */
	TEXT_ENCODING_BASE64,           /* RFC 4648 section 4, padded */
	TEXT_ENCODING_BASE64URL,        /* section 5, not padded */
	TEXT_ENCODING_BASE64URL_PADDED, /* section 5, padded: Fernet */
};

/* Constant time in the content, so fit for secrets (with a secret buf). */
MUST_CHECK enum status text_encode(enum text_encoding encoding,
    struct bytes bytes, struct buf *out);

/*
 * Strict: no white space, no missing or extra padding, no stray bits at the
 * end, or STATUS_INVALID. A secret text needs a secret buf.
 */
MUST_CHECK enum status text_decode(enum text_encoding encoding,
    struct bytes text, struct buf *out);

bool text_is_utf8(struct bytes text);

/*
 * Unicode normalisation form C, as for passwords. Temporary memory is wiped.
 * STATUS_INVALID if it is not UTF-8.
 */
MUST_CHECK enum status text_nfc(struct bytes text, struct buf *out);

enum text_lines {
	TEXT_LINES_JOIN, /* newline and tab become a space */
	TEXT_LINES_KEEP, /* newline and tab stay */
};

/*
 * Copies text from someone else so that it is safe on a terminal: without
 * control characters, bidirectional embeddings, overrides and isolates
 * (U+202A to U+202E, U+2066 to U+2069) and interlinear annotations; what is
 * not UTF-8 and noncharacters become U+FFFD. Everything else stays, also the
 * joiners and direction marks that Persian or Hebrew text needs. The result
 * is at most three times as long. Not for JSON, whose encoder escapes.
 */
MUST_CHECK enum status text_sanitize(struct bytes text, enum text_lines lines,
    struct buf *out);

/*
 * Columns that sanitized text takes on a terminal (wide characters two,
 * combining ones none).
 */
size_t text_width(struct bytes text);

#endif
