#include "tests/unit/unit.h"

#include <string.h>

#include "base/name.h"
#include "base/text.h"

static void
assert_problem(struct bytes name, enum name_problem expected)
{
	assert_string_equal(name_problem_text(name_check(name)),
	    name_problem_text(expected));
}

static void
assert_valid(const char *name)
{
	assert_problem(bytes_from_string(name), NAME_PROBLEM_NONE);
}

static void
test_name_any_script_is_valid(void **state)
{
	(void)state;
	assert_valid("client#2");
	assert_valid("../x");
	assert_valid("a@b");
	assert_valid("پیک");
	assert_valid("Ünïcödé");
	assert_valid("漢字");
	assert_valid("नमस्ते");
	assert_valid("שלום");
	assert_valid("😀");
	assert_valid("e\xcc\x81");
	assert_valid("%2e");
	assert_valid("Ⅻ");
}

static void
test_name_problems(void **state)
{
	(void)state;
	assert_problem(bytes_empty(), NAME_PROBLEM_EMPTY);
	assert_problem(BYTES_LITERAL("\xff"), NAME_PROBLEM_NOT_UTF8);
	assert_problem(BYTES_LITERAL("a\xed\xa0\x80"), NAME_PROBLEM_NOT_UTF8);
	assert_problem(BYTES_LITERAL("@a"), NAME_PROBLEM_LEADING_AT);
	assert_problem(BYTES_LITERAL("\xcc\x81" "a"),
	    NAME_PROBLEM_LEADING_MARK);
	assert_problem(BYTES_LITERAL("a b"), NAME_PROBLEM_WHITE_SPACE);
	assert_problem(BYTES_LITERAL("a\t"), NAME_PROBLEM_WHITE_SPACE);
	assert_problem(BYTES_LITERAL("a\n"), NAME_PROBLEM_WHITE_SPACE);
	assert_problem(BYTES_LITERAL("\xc2\xa0"), NAME_PROBLEM_WHITE_SPACE);
	assert_problem(BYTES_LITERAL("a\xe3\x80\x80"),
	    NAME_PROBLEM_WHITE_SPACE);
	assert_problem(BYTES_LITERAL("a\xe2\x80\xa8"),
	    NAME_PROBLEM_WHITE_SPACE);
	assert_problem(BYTES_LITERAL("a\0b"), NAME_PROBLEM_CONTROL);
	assert_problem(BYTES_LITERAL("a\x1b"), NAME_PROBLEM_CONTROL);
	assert_problem(BYTES_LITERAL("a\x7f"), NAME_PROBLEM_CONTROL);
	assert_problem(BYTES_LITERAL("a\xc2\x9b"), NAME_PROBLEM_CONTROL);
}

static void
test_name_invisible_is_forbidden(void **state)
{
	/* Soft hyphen, CGJ, Hangul fillers, ZWSP, LRM, RLO, word joiner,
	 * isolate, Braille blank, variation selector, BOM, tag. */
	static const char *const names[] = { "a\xc2\xad", "a\xcd\x8f",
		"a\xe1\x85\x9f", "a\xe3\x85\xa4", "a\xef\xbe\xa0",
		"a\xe2\x80\x8b", "a\xe2\x80\x8e", "a\xe2\x80\xae",
		"a\xe2\x81\xa0", "a\xe2\x81\xa6", "\xe2\xa0\x80",
		"a\xef\xb8\x8f", "a\xef\xbb\xbf", "a\xf3\xa0\x81\x81" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_problem(bytes_from_string(names[i]),
		    NAME_PROBLEM_INVISIBLE);
}

static void
test_name_unknown_is_forbidden(void **state)
{
	(void)state;
	assert_problem(BYTES_LITERAL("\xcd\xb8"), NAME_PROBLEM_UNKNOWN);
	assert_problem(BYTES_LITERAL("\xee\x80\x80"), NAME_PROBLEM_UNKNOWN);
	assert_problem(BYTES_LITERAL("\xef\xbf\xbf"), NAME_PROBLEM_UNKNOWN);
	assert_problem(BYTES_LITERAL("\xf4\x8f\xbf\xbd"),
	    NAME_PROBLEM_UNKNOWN);
}

/* RFC 5892 appendix A.1 and A.2. */
static void
test_name_joiners(void **state)
{
	(void)state;
	/* Persian: both sides would join (meem-yeh ZWNJ khah). */
	assert_valid("می‌خواهم");
	/* With a mark on either side of the ZWNJ. */
	assert_valid("مِ‌خ");
	assert_valid("م‌ِخ");
	/* After a virama: Devanagari ka, virama, ZWNJ or ZWJ, ssa. */
	assert_valid("क्‌ष");
	assert_valid("क्‍ष");
	assert_valid("क्‍");
	/* Folding makes a letter of U+0345. */
	assert_problem(BYTES_LITERAL("م‌\xcd\x85خ"), NAME_PROBLEM_JOINER);
	/* In NFC the virama stands last, or first: that decides. */
	assert_valid("क्\xe0\xa4\xbc‍ष");
	assert_problem(BYTES_LITERAL("क\xcc\xae्‍ष"), NAME_PROBLEM_JOINER);
	/* Nothing would join: reh does not join to the left. */
	assert_problem(BYTES_LITERAL("ر‌خ"), NAME_PROBLEM_JOINER);
	/* Hamza (U+0621) joins on no side. */
	assert_problem(BYTES_LITERAL("م‌ء"), NAME_PROBLEM_JOINER);
	assert_problem(BYTES_LITERAL("می‌"), NAME_PROBLEM_JOINER);
	assert_problem(BYTES_LITERAL("‌می"), NAME_PROBLEM_JOINER);
	assert_problem(BYTES_LITERAL("‍"), NAME_PROBLEM_JOINER);
	assert_problem(BYTES_LITERAL("a‌b"), NAME_PROBLEM_JOINER);
	assert_problem(BYTES_LITERAL("م‍خ"), NAME_PROBLEM_JOINER);
	assert_problem(BYTES_LITERAL("می‌‌خ"), NAME_PROBLEM_JOINER);
	/* Tatweel (join causing) is none of the letters. */
	assert_problem(BYTES_LITERAL("مـ‌خ"), NAME_PROBLEM_JOINER);
	/* Man ZWJ woman: an emoji sequence. */
	assert_problem(BYTES_LITERAL("👨‍👩"), NAME_PROBLEM_JOINER);
}

static void
test_name_length_counts_code_points(void **state)
{
	struct buf name;

	(void)state;
	buf_init(&name, 1000);
	for (int i = 0; i < 64; i++)
		assert_ok(buf_append_string(&name, "😀"));
	assert_int_equal(name.size, NAME_SIZE_MAX);
	assert_problem(buf_bytes(&name), NAME_PROBLEM_NONE);
	assert_ok(buf_append_string(&name, "a"));
	assert_problem(buf_bytes(&name), NAME_PROBLEM_TOO_LONG);
	buf_clear(&name);
}

static void
assert_canonical(const char *name, const char *expected)
{
	struct buf out;

	buf_init(&out, NAME_CANONICAL_SIZE_MAX);
	assert_ok(name_append_canonical(bytes_from_string(name), &out));
	assert_bytes(buf_bytes(&out), bytes_from_string(expected));
	buf_clear(&out);
}

static void
test_name_canonical(void **state)
{
	struct buf out;

	(void)state;
	assert_canonical("Client#2", "client#2");
	assert_canonical("STRASSE", "strasse");
	assert_canonical("Straße", "strasse");
	assert_canonical("E\xcc\x81", "é");
	assert_canonical("É", "é");
	assert_canonical("ΣΊΣΥΦΟΣ", "σίσυφοσ");
	assert_canonical("Σίσυφος", "σίσυφοσ");
	assert_canonical("می‌خواهم", "می‌خواهم");
	assert_canonical("İ", "i\xcc\x87");
	/* Folding can undo a composition, which NFC makes again. */
	assert_canonical("ᾈ", "ἀι");
	assert_canonical("ǰ", "ǰ");
	buf_init(&out, 100);
	assert_status(name_append_canonical(BYTES_LITERAL("a b"), &out),
	    STATUS_INVALID);
	assert_int_equal(out.size, 0);
	buf_clear(&out);
}

static void
append_times(struct buf *out, const char *text, size_t count)
{
	while (count-- > 0)
		assert_ok(buf_append_string(out, text));
}

/* Whoever has only the canonical form can do all with it. */
static void
test_name_canonical_is_a_name(void **state)
{
	struct buf name, out;

	(void)state;
	buf_init(&name, NAME_SIZE_MAX);
	buf_init(&out, NAME_CANONICAL_SIZE_MAX);
	append_times(&name, "ß", 32);
	assert_ok(name_append_canonical(buf_bytes(&name), &out));
	assert_int_equal(out.size, 64);
	assert_problem(buf_bytes(&out), NAME_PROBLEM_NONE);
	assert_ok(buf_append_string(&name, "a"));
	assert_problem(buf_bytes(&name), NAME_PROBLEM_TOO_LONG);
	/* Folding makes three of each, which NFC makes one again. */
	buf_reset(&name);
	buf_reset(&out);
	append_times(&name, "ΐ", 64);
	assert_ok(name_append_canonical(buf_bytes(&name), &out));
	assert_bytes(buf_bytes(&out), buf_bytes(&name));
	/* U+1D160 is three code points in NFC. */
	buf_reset(&name);
	append_times(&name, "\xf0\x9d\x85\xa0", 22);
	assert_problem(buf_bytes(&name), NAME_PROBLEM_TOO_LONG);
	/* The largest one. */
	buf_reset(&name);
	buf_reset(&out);
	append_times(&name, "😀", 64);
	assert_ok(name_append_canonical(buf_bytes(&name), &out));
	assert_int_equal(out.size, NAME_CANONICAL_SIZE_MAX);
	buf_clear(&name);
	buf_clear(&out);
}

static void
test_name_is_same(void **state)
{
	bool same = false;

	(void)state;
	assert_ok(name_is_same(BYTES_LITERAL("Client"),
	    BYTES_LITERAL("cLIENT"), &same));
	assert_true(same);
	assert_ok(name_is_same(BYTES_LITERAL("a"), BYTES_LITERAL("b"),
	    &same));
	assert_false(same);
	assert_status(name_is_same(BYTES_LITERAL("a"), BYTES_LITERAL(" "),
	    &same), STATUS_INVALID);
}

static void
assert_path(struct bytes name, const char *expected)
{
	struct buf out;

	buf_init(&out, NAME_PATH_SIZE_MAX);
	assert_ok(name_append_path(name, &out));
	assert_bytes(buf_bytes(&out), bytes_from_string(expected));
	buf_clear(&out);
}

static void
test_name_path(void **state)
{
	(void)state;
	assert_path(BYTES_LITERAL("client#2"), "client#2");
	assert_path(BYTES_LITERAL("پیک"), "پیک");
	assert_path(BYTES_LITERAL("."), "%2E");
	assert_path(BYTES_LITERAL(".."), "%2E.");
	assert_path(BYTES_LITERAL("../x"), "%2E.%2Fx");
	assert_path(BYTES_LITERAL("-rf"), "%2Drf");
	assert_path(BYTES_LITERAL("a.b-c"), "a.b-c");
	assert_path(BYTES_LITERAL("a%2F"), "a%252F");
	assert_path(BYTES_LITERAL("a\\:~$ "), "a%5C%3A%7E%24%20");
	assert_path(BYTES_LITERAL("localhost:8022"), "localhost%3A8022");
	assert_path(BYTES_LITERAL("a\0\xff"), "a%00%FF");
	assert_path(BYTES_LITERAL("می‌خ"), "می%E2%80%8Cخ");
	/* The SHA-256 of nothing. */
	assert_path(bytes_empty(), "%%e3b0c44298fc1c149afbf4c8996fb924");
}

static void
test_name_path_of_long_names(void **state)
{
	struct buf name, first, second;

	(void)state;
	buf_init(&name, 1000);
	buf_init(&first, NAME_PATH_SIZE_MAX);
	buf_init(&second, NAME_PATH_SIZE_MAX);
	for (int i = 0; i < 60; i++)
		assert_ok(buf_append_string(&name, "😀"));
	assert_ok(name_append_path(buf_bytes(&name), &first));
	assert_bytes(buf_bytes(&first), buf_bytes(&name));
	buf_reset(&first);
	for (int i = 0; i < 60; i++)
		assert_ok(buf_append_string(&name, "/a"));
	assert_ok(name_append_path(buf_bytes(&name), &first));
	assert_true(first.size <= NAME_PATH_SIZE_MAX);
	assert_true(text_is_utf8(buf_bytes(&first)));
	name.data[name.size - 1] = 'b';
	assert_ok(name_append_path(buf_bytes(&name), &second));
	assert_int_equal(first.size, second.size);
	assert_false(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
	buf_clear(&name);
	buf_clear(&first);
	buf_clear(&second);
}

static void
test_name_unicode_is_pinned(void **state)
{
	(void)state;
	assert_string_equal(name_unicode_version(), NAME_UNICODE_VERSION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_any_script_is_valid),
		cmocka_unit_test(test_name_problems),
		cmocka_unit_test(test_name_invisible_is_forbidden),
		cmocka_unit_test(test_name_unknown_is_forbidden),
		cmocka_unit_test(test_name_joiners),
		cmocka_unit_test(test_name_length_counts_code_points),
		cmocka_unit_test(test_name_canonical),
		cmocka_unit_test(test_name_canonical_is_a_name),
		cmocka_unit_test(test_name_is_same),
		cmocka_unit_test(test_name_path),
		cmocka_unit_test(test_name_path_of_long_names),
		cmocka_unit_test(test_name_unicode_is_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
