#include "base/name.h"

#include <sodium.h>
#include <string.h>
#include <utf8proc.h>

#include "base/joining.h"
#include "base/text.h"

#define ZWNJ 0x200c
#define ZWJ 0x200d

/* So, not Cf, and yet nothing to be seen. */
#define BRAILLE_BLANK 0x2800

/* Canonical_Combining_Class of a virama, the vowel killer of Indic scripts. */
#define VIRAMA_CLASS 9

/* Hex digits that stand for the rest of a name that is long in a path. */
#define NAME_PATH_HASH_SIZE 16

/*
 * Folding makes at most three code points of one (CaseFolding.txt), and
 * canonical decomposition four (UAX #15).
 */
#define FOLDED_POINTS_MAX 3
#define DECOMPOSED_POINTS_MAX 4

#define FOLDED_MAX (FOLDED_POINTS_MAX * NAME_CODE_POINTS_MAX)
#define POINTS_MAX (DECOMPOSED_POINTS_MAX * FOLDED_MAX)

/* A name, decoded; enough for each step to its canonical form. */
struct name_points {
	int32_t points[POINTS_MAX];
	size_t count;
};

static enum name_problem
name_decode(struct bytes name, struct name_points *out)
{
	size_t at = 0;

	out->count = 0;
	if (name.size == 0)
		return NAME_PROBLEM_EMPTY;
	if (!text_is_utf8(name))
		return NAME_PROBLEM_NOT_UTF8;
	while (at < name.size) {
		if (out->count == NAME_CODE_POINTS_MAX)
			return NAME_PROBLEM_TOO_LONG;
		at += (size_t)utf8proc_iterate(name.data + at,
		    (utf8proc_ssize_t)(name.size - at),
		    &out->points[out->count++]);
	}
	return NAME_PROBLEM_NONE;
}

/*
 * RFC 5892 appendix A.1 and A.2: a joiner may follow a virama; a ZWNJ may
 * also stand where it keeps two letters from joining, marks left aside.
 */
static bool
is_joiner_allowed(const struct name_points *name, size_t at)
{
	size_t before = at, after = at + 1;

	if (at == 0)
		return false;
	if (utf8proc_get_property(name->points[at - 1])->combining_class ==
	    VIRAMA_CLASS)
		return true;
	if (name->points[at] != ZWNJ)
		return false;
	while (before > 0 && joining_is_transparent(name->points[before - 1]))
		before--;
	while (after < name->count &&
	    joining_is_transparent(name->points[after]))
		after++;
	return before > 0 && after < name->count &&
	    joining_is_forward(name->points[before - 1]) &&
	    joining_is_backward(name->points[after]);
}

static bool
is_space(int32_t c)
{
	utf8proc_category_t category = utf8proc_category(c);

	return category == UTF8PROC_CATEGORY_ZS ||
	    category == UTF8PROC_CATEGORY_ZL ||
	    category == UTF8PROC_CATEGORY_ZP ||
	    (c >= 0x09 && c <= 0x0d) || c == 0x85;
}

static bool
is_joiner(int32_t c)
{
	return c == ZWNJ || c == ZWJ;
}

static bool
is_mark(int32_t c)
{
	utf8proc_category_t category = utf8proc_category(c);

	return category == UTF8PROC_CATEGORY_MN ||
	    category == UTF8PROC_CATEGORY_MC ||
	    category == UTF8PROC_CATEGORY_ME;
}

static enum name_problem
check_point(const struct name_points *name, size_t at)
{
	int32_t c = name->points[at];
	utf8proc_category_t category = utf8proc_category(c);

	if (is_joiner(c))
		return NAME_PROBLEM_NONE; /* judged later */
	if (is_space(c))
		return NAME_PROBLEM_WHITE_SPACE;
	if (category == UTF8PROC_CATEGORY_CC)
		return NAME_PROBLEM_CONTROL;
	if (category == UTF8PROC_CATEGORY_CF || c == BRAILLE_BLANK ||
	    utf8proc_get_property(c)->ignorable)
		return NAME_PROBLEM_INVISIBLE;
	if (category == UTF8PROC_CATEGORY_CN ||
	    category == UTF8PROC_CATEGORY_CO ||
	    category == UTF8PROC_CATEGORY_CS)
		return NAME_PROBLEM_UNKNOWN;
	if (at == 0 && c == '@')
		return NAME_PROBLEM_LEADING_AT;
	if (at == 0 && is_mark(c))
		return NAME_PROBLEM_LEADING_MARK;
	return NAME_PROBLEM_NONE;
}

/* NFC of UTF-8. False if it is too long, or another Unicode's. */
static bool
compose(struct bytes text, struct name_points *out)
{
	const utf8proc_option_t options =
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE;
	utf8proc_ssize_t count = utf8proc_decompose(text.data,
	    (utf8proc_ssize_t)text.size, out->points, POINTS_MAX, options);

	if (count < 0 || count > POINTS_MAX)
		return false;
	count = utf8proc_normalize_utf32(out->points, count, options);
	out->count = count < 0 ? 0 : (size_t)count;
	return count >= 0;
}

static size_t
encode(const int32_t *points, size_t count, uint8_t *out)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += (size_t)utf8proc_encode_char(points[i], out + size);
	return size;
}

/* NFC(casefold(NFC(name))) of UTF-8. */
static enum name_problem
canonicalize(struct bytes name, struct name_points *out)
{
	uint8_t folded[4 * FOLDED_MAX];
	int32_t run[FOLDED_POINTS_MAX];
	size_t size = 0;

	if (!compose(name, out))
		return NAME_PROBLEM_UNKNOWN;
	if (out->count > NAME_CODE_POINTS_MAX)
		return NAME_PROBLEM_TOO_LONG;
	for (size_t i = 0; i < out->count; i++) {
		utf8proc_ssize_t n = utf8proc_decompose_char(out->points[i],
		    run, FOLDED_POINTS_MAX, UTF8PROC_CASEFOLD, NULL);

		if (n < 0 || n > FOLDED_POINTS_MAX)
			return NAME_PROBLEM_UNKNOWN;
		size += encode(run, (size_t)n, folded + size);
	}
	if (!compose(bytes_make(folded, size), out))
		return NAME_PROBLEM_UNKNOWN;
	return out->count > NAME_CODE_POINTS_MAX ? NAME_PROBLEM_TOO_LONG :
	    NAME_PROBLEM_NONE;
}

/*
 * Checks the name as it is written and its canonical form: that has to be a
 * name too. Joiners are judged there, so that every spelling of a name is as
 * good as the others: NFC puts marks in order, and folding makes a letter of
 * a mark (U+0345), so what stands before a joiner may become another.
 */
static enum name_problem
check_and_canonicalize(struct bytes name, struct name_points *out)
{
	enum name_problem problem = name_decode(name, out);

	for (size_t i = 0; problem == NAME_PROBLEM_NONE && i < out->count; i++)
		problem = check_point(out, i);
	if (problem == NAME_PROBLEM_NONE)
		problem = canonicalize(name, out);
	for (size_t i = 0; problem == NAME_PROBLEM_NONE && i < out->count; i++)
		if (is_joiner(out->points[i]) && !is_joiner_allowed(out, i))
			problem = NAME_PROBLEM_JOINER;
	return problem;
}

enum name_problem
name_check(struct bytes name)
{
	struct name_points canonical;

	return check_and_canonicalize(name, &canonical);
}

const char *
name_problem_text(enum name_problem problem)
{
	switch (problem) {
	case NAME_PROBLEM_NONE:
		return "";
	case NAME_PROBLEM_EMPTY:
		return "A name cannot be empty.";
	case NAME_PROBLEM_TOO_LONG:
		return "A name has 64 characters at most, where some, such as "
		    "ß, count as two.";
	case NAME_PROBLEM_NOT_UTF8:
		return "A name must be UTF-8 text.";
	case NAME_PROBLEM_LEADING_AT:
		return "A name cannot begin with \"@\".";
	case NAME_PROBLEM_LEADING_MARK:
		return "A name cannot begin with a combining mark.";
	case NAME_PROBLEM_WHITE_SPACE:
		return "A name cannot contain white space.";
	case NAME_PROBLEM_CONTROL:
		return "A name cannot contain control characters.";
	case NAME_PROBLEM_INVISIBLE:
		return "A name cannot contain invisible characters.";
	case NAME_PROBLEM_JOINER:
		return "A name can contain a zero-width joiner or non-joiner "
		    "only between letters that it joins or separates.";
	case NAME_PROBLEM_UNKNOWN:
		return "A name cannot contain private or unknown characters.";
	}
	return "This name is not allowed.";
}

enum status
name_append_canonical(struct bytes name, struct buf *out)
{
	uint8_t encoded[NAME_CANONICAL_SIZE_MAX];
	struct name_points canonical;

	if (check_and_canonicalize(name, &canonical) != NAME_PROBLEM_NONE)
		return STATUS_INVALID;
	return buf_append(out, bytes_make(encoded,
	    encode(canonical.points, canonical.count, encoded)));
}

enum status
name_is_same(struct bytes a, struct bytes b, bool *out)
{
	struct buf canonical_a, canonical_b;
	enum status st;

	buf_init(&canonical_a, NAME_CANONICAL_SIZE_MAX);
	buf_init(&canonical_b, NAME_CANONICAL_SIZE_MAX);
	if ((st = name_append_canonical(a, &canonical_a)) != STATUS_OK ||
	    (st = name_append_canonical(b, &canonical_b)) != STATUS_OK)
		goto out;
	*out = bytes_equal(buf_bytes(&canonical_a), buf_bytes(&canonical_b));
out:
	buf_clear(&canonical_a);
	buf_clear(&canonical_b);
	return st;
}

/* Whether a character may stand in a path as it is, wherever it is. */
static bool
is_path_safe(int32_t c)
{
	utf8proc_category_t category;

	if (c < 0x80)
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') ||
		    (c > 0 && strchr("-._#@+=,", c) != NULL);
	category = utf8proc_category(c);
	return !is_space(c) && category != UTF8PROC_CATEGORY_CC &&
	    category != UTF8PROC_CATEGORY_CF &&
	    category != UTF8PROC_CATEGORY_CN &&
	    category != UTF8PROC_CATEGORY_CO;
}

/* Writes the character at the start of text for a path; its bytes in *used. */
static enum status
append_path_point(struct bytes text, bool is_first, struct buf *out,
    size_t *used)
{
	int32_t c;
	utf8proc_ssize_t n = utf8proc_iterate(text.data,
	    (utf8proc_ssize_t)text.size, &c);
	enum status st = STATUS_OK;

	*used = n > 0 ? (size_t)n : 1;
	if (n > 0 && is_path_safe(c) &&
	    !(is_first && (c == '.' || c == '-')))
		return buf_append(out, bytes_make(text.data, *used));
	for (size_t i = 0; st == STATUS_OK && i < *used; i++)
		st = buf_append_format(out, "%%%02X", text.data[i]);
	return st;
}

/* "%%" cannot come from a character, so no other name ends like this. */
static enum status
append_path_hash(struct bytes name, struct buf *out)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	enum status st;

	if (crypto_hash_sha256(hash, name.data, name.size) != 0)
		return STATUS_INTERNAL;
	if ((st = buf_append_string(out, "%%")) != STATUS_OK)
		return st;
	return text_encode(TEXT_ENCODING_HEX,
	    bytes_make(hash, NAME_PATH_HASH_SIZE), out);
}

enum status
name_append_path(struct bytes name, struct buf *out)
{
	struct buf path;
	/* How much of the path is kept if the whole turns out too long. */
	const size_t kept_max = NAME_PATH_SIZE_MAX - 2 -
	    2 * NAME_PATH_HASH_SIZE;
	size_t kept = 0, used = 0;
	enum status st = STATUS_OK;

	buf_init(&path, NAME_PATH_SIZE_MAX);
	for (size_t at = 0; st == STATUS_OK && at < name.size; at += used) {
		st = append_path_point(bytes_make(name.data + at,
		    name.size - at), at == 0, &path, &used);
		if (st == STATUS_OK && path.size <= kept_max)
			kept = path.size;
	}
	if (st == STATUS_TOO_LARGE || name.size == 0) {
		buf_truncate(&path, kept);
		st = append_path_hash(name, &path);
	}
	if (st == STATUS_OK)
		st = buf_append(out, buf_bytes(&path));
	buf_clear(&path);
	return st;
}

const char *
name_unicode_version(void)
{
	return utf8proc_unicode_version();
}
