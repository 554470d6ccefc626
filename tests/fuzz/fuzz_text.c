#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

/* Behind what is there already, which has to stay. */
#define BEFORE "before"

/* What the first byte of an input asks for. */
enum helper {
	HELPER_HEX,
	HELPER_BASE64,
	HELPER_BASE64URL,
	HELPER_BASE64URL_PADDED,
	HELPER_NFC,
	HELPER_SANITIZE_JOIN,
	HELPER_SANITIZE_KEEP,
	HELPER_COUNT,
};

static void
begin(struct buf *out, size_t limit)
{
	buf_init(out, sizeof(BEFORE) - 1 + limit);
	FUZZ_CHECK(buf_append_string(out, BEFORE) == STATUS_OK);
}

/* What was appended behind BEFORE. */
static struct bytes
appended(const struct buf *out)
{
	size_t before = sizeof(BEFORE) - 1;

	FUZZ_CHECK(out->size >= before);
	FUZZ_CHECK(memcmp(out->data, BEFORE, before) == 0);
	return bytes_make(out->data + before, out->size - before);
}

/* What decodes has no other form, but for the case of hex digits. */
static void
check_decode(enum text_encoding encoding, struct bytes text)
{
	struct buf decoded, again;
	enum status st;

	begin(&decoded, text.size);
	buf_init(&again, text.size);
	st = text_decode(encoding, text, &decoded);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	if (st != STATUS_OK) {
		FUZZ_CHECK(appended(&decoded).size == 0);
		goto out;
	}
	FUZZ_CHECK(text_encode(encoding, appended(&decoded), &again) ==
	    STATUS_OK);
	FUZZ_CHECK(again.size == text.size);
	for (size_t i = 0; i < text.size; i++)
		FUZZ_CHECK(again.data[i] == (encoding == TEXT_ENCODING_HEX ?
		    (uint8_t)tolower(text.data[i]) : text.data[i]));
out:
	buf_clear(&decoded);
	buf_clear(&again);
}

static void
check_nfc(struct bytes text)
{
	struct buf composed, again;
	enum status st;

	/* Three bytes for one at worst, as client/vault.c counts on. */
	begin(&composed, 3 * text.size);
	buf_init(&again, 3 * text.size);
	st = text_nfc(text, &composed);
	FUZZ_CHECK(st == (text_is_utf8(text) ? STATUS_OK : STATUS_INVALID));
	FUZZ_CHECK(text_is_utf8(appended(&composed)));
	FUZZ_CHECK(text_nfc(appended(&composed), &again) == STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&again), appended(&composed)));
	buf_clear(&composed);
	buf_clear(&again);
}

/* Nothing that steers a terminal; text is UTF-8. */
static void
check_harmless(struct bytes text, enum text_lines lines)
{
	for (size_t i = 0; i < text.size; i++) {
		const uint8_t *c = text.data + i;
		size_t left = text.size - i;

		if (*c == '\n' || *c == '\t')
			FUZZ_CHECK(lines == TEXT_LINES_KEEP);
		else
			FUZZ_CHECK(*c >= 0x20 && *c != 0x7f);
		/* U+0080 to U+009F */
		FUZZ_CHECK(left < 2 || c[0] != 0xc2 || c[1] >= 0xa0);
		/* U+2028 to U+202E, U+2066 to U+2069 */
		FUZZ_CHECK(left < 3 || memcmp(c, "\xe2\x80", 2) != 0 ||
		    c[2] < 0xa8 || c[2] > 0xae);
		FUZZ_CHECK(left < 3 || memcmp(c, "\xe2\x81", 2) != 0 ||
		    c[2] < 0xa6 || c[2] > 0xa9);
		/* U+FFF9 to U+FFFB, U+FFFE, U+FFFF */
		FUZZ_CHECK(left < 3 || memcmp(c, "\xef\xbf", 2) != 0 ||
		    c[2] < 0xb9 || c[2] == 0xbc || c[2] == 0xbd);
	}
}

static void
check_sanitize(struct bytes text, enum text_lines lines)
{
	struct buf safe, again;

	begin(&safe, 3 * text.size);
	buf_init(&again, 3 * text.size);
	FUZZ_CHECK(text_sanitize(text, lines, &safe) == STATUS_OK);
	FUZZ_CHECK(text_is_utf8(appended(&safe)));
	check_harmless(appended(&safe), lines);
	FUZZ_CHECK(text_width(appended(&safe)) <= 2 * appended(&safe).size);
	FUZZ_CHECK(text_sanitize(appended(&safe), lines, &again) ==
	    STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&again), appended(&safe)));
	buf_clear(&safe);
	buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;

	if (size == 0)
		return 0;
	rest = size == 1 ? bytes_empty() : bytes_make(data + 1, size - 1);
	switch ((enum helper)(data[0] % HELPER_COUNT)) {
	case HELPER_HEX:
		check_decode(TEXT_ENCODING_HEX, rest);
		break;
	case HELPER_BASE64:
		check_decode(TEXT_ENCODING_BASE64, rest);
		break;
	case HELPER_BASE64URL:
		check_decode(TEXT_ENCODING_BASE64URL, rest);
		break;
	case HELPER_BASE64URL_PADDED:
		check_decode(TEXT_ENCODING_BASE64URL_PADDED, rest);
		break;
	case HELPER_NFC:
		check_nfc(rest);
		break;
	case HELPER_SANITIZE_JOIN:
		check_sanitize(rest, TEXT_LINES_JOIN);
		break;
	case HELPER_SANITIZE_KEEP:
	case HELPER_COUNT:
		check_sanitize(rest, TEXT_LINES_KEEP);
		break;
	}
	return 0;
}
