#include "tests/unit/unit.h"

#include <string.h>

#include "base/random.h"
#include "base/text.h"

static void
assert_encoded(enum text_encoding encoding, struct bytes bytes,
    const char *expected)
{
	struct buf out;

	buf_init(&out, strlen(expected));
	assert_ok(text_encode(encoding, bytes, &out));
	assert_bytes(buf_bytes(&out), bytes_from_string(expected));
	buf_clear(&out);
	buf_init(&out, bytes.size);
	assert_ok(text_decode(encoding, bytes_from_string(expected), &out));
	assert_bytes(buf_bytes(&out), bytes);
	buf_clear(&out);
}

static void
assert_undecodable(enum text_encoding encoding, const char *text)
{
	struct buf out;

	buf_init(&out, 100);
	assert_ok(buf_append_u8(&out, 'x'));
	assert_status(text_decode(encoding, bytes_from_string(text), &out),
	    STATUS_INVALID);
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("x"));
	buf_clear(&out);
}

static void
test_text_encodings(void **state)
{
	static const uint8_t high[] = { 0xfb, 0xff, 0xfe };

	(void)state;
	assert_encoded(TEXT_ENCODING_HEX, BYTES_OF(high), "fbfffe");
	assert_encoded(TEXT_ENCODING_BASE64, BYTES_OF(high), "+//+");
	assert_encoded(TEXT_ENCODING_BASE64URL, BYTES_OF(high), "-__-");
	/* RFC 4648 section 10. */
	assert_encoded(TEXT_ENCODING_BASE64, BYTES_LITERAL(""), "");
	assert_encoded(TEXT_ENCODING_BASE64, BYTES_LITERAL("f"), "Zg==");
	assert_encoded(TEXT_ENCODING_BASE64, BYTES_LITERAL("fo"), "Zm8=");
	assert_encoded(TEXT_ENCODING_BASE64, BYTES_LITERAL("foobar"),
	    "Zm9vYmFy");
	assert_encoded(TEXT_ENCODING_BASE64URL, BYTES_LITERAL("foob"),
	    "Zm9vYg");
	assert_encoded(TEXT_ENCODING_BASE64URL_PADDED, BYTES_LITERAL("foob"),
	    "Zm9vYg==");
}

static void
test_text_encodings_round_trip(void **state)
{
	uint8_t bytes[70];
	struct buf text, back;

	(void)state;
	random_bytes(bytes, sizeof(bytes));
	for (int e = TEXT_ENCODING_HEX; e <= TEXT_ENCODING_BASE64URL_PADDED;
	    e++) {
		for (size_t size = 0; size <= sizeof(bytes); size++) {
			buf_init(&text, 200);
			buf_init_secret(&back, size);
			assert_ok(text_encode((enum text_encoding)e,
			    bytes_make(bytes, size), &text));
			assert_ok(text_decode((enum text_encoding)e,
			    buf_bytes(&text), &back));
			assert_bytes(buf_bytes(&back),
			    bytes_make(bytes, size));
			buf_clear(&text);
			buf_clear(&back);
		}
	}
}

static void
test_text_decoding_is_strict(void **state)
{
	struct buf out;

	(void)state;
	assert_undecodable(TEXT_ENCODING_HEX, "abc");
	assert_undecodable(TEXT_ENCODING_HEX, "ag");
	assert_undecodable(TEXT_ENCODING_HEX, "ab cd");
	assert_undecodable(TEXT_ENCODING_BASE64, "Zg=");
	assert_undecodable(TEXT_ENCODING_BASE64, "Zg");
	assert_undecodable(TEXT_ENCODING_BASE64, "Zg===");
	assert_undecodable(TEXT_ENCODING_BASE64, "Zg==\n");
	assert_undecodable(TEXT_ENCODING_BASE64, "Zh=="); /* stray bits */
	assert_undecodable(TEXT_ENCODING_BASE64, "=");
	assert_undecodable(TEXT_ENCODING_BASE64, "====");
	assert_undecodable(TEXT_ENCODING_BASE64, "Z");
	assert_undecodable(TEXT_ENCODING_BASE64, "-__-");
	assert_undecodable(TEXT_ENCODING_BASE64URL, "Zg==");
	assert_undecodable(TEXT_ENCODING_BASE64URL, "+//+");
	assert_undecodable(TEXT_ENCODING_BASE64URL_PADDED, "Zg");
	for (int c = 0x80; c <= 0xff; c++) {
		const char text[] = { (char)c, 'm', '9', 'v', '\0' };

		assert_undecodable(TEXT_ENCODING_HEX, text);
		assert_undecodable(TEXT_ENCODING_BASE64, text);
		assert_undecodable(TEXT_ENCODING_BASE64URL, text);
		assert_undecodable(TEXT_ENCODING_BASE64URL_PADDED, text);
	}
	buf_init(&out, 2);
	assert_status(text_decode(TEXT_ENCODING_HEX, BYTES_LITERAL("aabbcc"),
	    &out), STATUS_TOO_LARGE);
	assert_status(text_encode(TEXT_ENCODING_HEX, BYTES_LITERAL("ab"),
	    &out), STATUS_TOO_LARGE);
	buf_clear(&out);
}

static void
test_text_utf8(void **state)
{
	(void)state;
	assert_true(text_is_utf8(bytes_empty()));
	assert_true(text_is_utf8(BYTES_LITERAL("سلام ✓ 😀")));
	assert_false(text_is_utf8(BYTES_LITERAL("\xff")));
	assert_false(text_is_utf8(BYTES_LITERAL("a\xc3")));
	assert_false(text_is_utf8(BYTES_LITERAL("\xc0\x80")));
	assert_false(text_is_utf8(BYTES_LITERAL("\xed\xa0\x80")));
	assert_false(text_is_utf8(BYTES_LITERAL("\xf4\x90\x80\x80")));
}

static void
assert_nfc(struct bytes text, struct bytes expected)
{
	struct buf out;

	buf_init_secret(&out, 100);
	assert_ok(text_nfc(text, &out));
	assert_bytes(buf_bytes(&out), expected);
	buf_clear(&out);
}

static void
test_text_nfc(void **state)
{
	struct buf out;

	(void)state;
	assert_nfc(bytes_empty(), bytes_empty());
	assert_nfc(BYTES_LITERAL("plain"), BYTES_LITERAL("plain"));
	assert_nfc(BYTES_LITERAL("e\xcc\x81"), BYTES_LITERAL("é"));
	/* U+212B Angstrom sign; U+0344 decomposes for good. */
	assert_nfc(BYTES_LITERAL("\xe2\x84\xab"), BYTES_LITERAL("Å"));
	assert_nfc(BYTES_LITERAL("\xcd\x84"),
	    BYTES_LITERAL("\xcc\x88\xcc\x81"));
	/* Marks out of order: U+0323 goes before U+0307. */
	assert_nfc(BYTES_LITERAL("s\xcc\x87\xcc\xa3"),
	    BYTES_LITERAL("\xe1\xb9\xa9"));
	/* Compatibility characters stay. */
	assert_nfc(BYTES_LITERAL("\xef\xac\x81"),
	    BYTES_LITERAL("\xef\xac\x81"));
	buf_init(&out, 3);
	assert_status(text_nfc(BYTES_LITERAL("abcd"), &out),
	    STATUS_TOO_LARGE);
	assert_status(text_nfc(BYTES_LITERAL("\xff"), &out), STATUS_INVALID);
	buf_clear(&out);
}

static void
assert_sanitized(struct bytes text, enum text_lines lines,
    const char *expected)
{
	struct buf out;

	buf_init(&out, 200);
	assert_ok(text_sanitize(text, lines, &out));
	assert_bytes(buf_bytes(&out), bytes_from_string(expected));
	buf_clear(&out);
}

static void
test_text_sanitize(void **state)
{
	struct buf out;

	(void)state;
	assert_sanitized(BYTES_LITERAL("salam مشتی ✓😀"), TEXT_LINES_JOIN,
	    "salam مشتی ✓😀");
	assert_sanitized(BYTES_LITERAL("\x1b[31mred\x07\x7f\x00"),
	    TEXT_LINES_JOIN, "[31mred");
	/* U+009B is a control sequence introducer in one character. */
	assert_sanitized(BYTES_LITERAL("a\xc2\x9b" "2Jb"), TEXT_LINES_JOIN,
	    "a2Jb");
	assert_sanitized(BYTES_LITERAL("a\xe2\x80\xae" "b\xe2\x81\xa6" "c"),
	    TEXT_LINES_JOIN, "abc");
	/* ZWNJ and the direction marks stay. */
	assert_sanitized(BYTES_LITERAL("می‌خواهم\xe2\x80\x8f"),
	    TEXT_LINES_JOIN, "می‌خواهم\xe2\x80\x8f");
	assert_sanitized(BYTES_LITERAL("a\r\nb\tc\xe2\x80\xa8" "d"),
	    TEXT_LINES_JOIN, "a b c d");
	assert_sanitized(BYTES_LITERAL("a\r\nb\tc\xe2\x80\xa8" "d"),
	    TEXT_LINES_KEEP, "a\nb\tc\nd");
	assert_sanitized(BYTES_LITERAL("a\xff" "b\xed\xa0\x80"),
	    TEXT_LINES_JOIN, "a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd"
	    "\xef\xbf\xbd");
	assert_sanitized(BYTES_LITERAL("\xef\xbf\xbf"), TEXT_LINES_JOIN,
	    "\xef\xbf\xbd");
	buf_init(&out, 2);
	assert_ok(buf_append_u8(&out, 'x'));
	assert_status(text_sanitize(BYTES_LITERAL("ab"), TEXT_LINES_JOIN,
	    &out), STATUS_TOO_LARGE);
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("x"));
	buf_clear(&out);
}

static void
test_text_width(void **state)
{
	(void)state;
	assert_int_equal(text_width(BYTES_LITERAL("abc")), 3);
	assert_int_equal(text_width(BYTES_LITERAL("e\xcc\x81")), 1);
	assert_int_equal(text_width(BYTES_LITERAL("漢字")), 4);
	assert_int_equal(text_width(bytes_empty()), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_encodings),
		cmocka_unit_test(test_text_encodings_round_trip),
		cmocka_unit_test(test_text_decoding_is_strict),
		cmocka_unit_test(test_text_utf8),
		cmocka_unit_test(test_text_nfc),
		cmocka_unit_test(test_text_sanitize),
		cmocka_unit_test(test_text_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
