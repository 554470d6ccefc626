#include "base/name.h"

#include <sodium.h>
#include <stdlib.h>
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

/* UAX #15: no canonical decomposition of a code point has more. */
#define DECOMPOSITION_MAX 4

/* A name, decoded. */
struct name_points {
	int32_t points[DECOMPOSITION_MAX * NAME_CODE_POINTS_MAX];
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

	if (c == ZWNJ || c == ZWJ)
		return NAME_PROBLEM_NONE; /* check_joiners() */
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

/*
 * In NFC, so that every spelling of a name is as good as the others: NFC puts
 * marks in order, and what stands before a joiner may become another.
 */
static enum name_problem
check_joiners(struct bytes name)
{
	const utf8proc_option_t options =
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE;
	const utf8proc_ssize_t most =
	    DECOMPOSITION_MAX * NAME_CODE_POINTS_MAX;
	struct name_points composed;
	utf8proc_ssize_t count = utf8proc_decompose(name.data,
	    (utf8proc_ssize_t)name.size, composed.points, most, options);

	if (count >= 0 && count <= most)
		count = utf8proc_normalize_utf32(composed.points, count,
		    options);
	if (count < 0 || count > most)
		return NAME_PROBLEM_UNKNOWN; /* another Unicode, then */
	composed.count = (size_t)count;
	for (size_t i = 0; i < composed.count; i++)
		if ((composed.points[i] == ZWNJ || composed.points[i] == ZWJ) &&
		    !is_joiner_allowed(&composed, i))
			return NAME_PROBLEM_JOINER;
	return NAME_PROBLEM_NONE;
}

enum name_problem
name_check(struct bytes name)
{
	struct name_points decoded;
	enum name_problem problem = name_decode(name, &decoded);

	for (size_t i = 0; problem == NAME_PROBLEM_NONE && i < decoded.count;
	    i++)
		problem = check_point(&decoded, i);
	return problem == NAME_PROBLEM_NONE ? check_joiners(name) : problem;
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
		return "A name has 64 characters at most.";
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

/* utf8proc_map() with text in bufs. */
static enum status
map_text(struct bytes text, utf8proc_option_t options, struct buf *out)
{
	uint8_t *mapped = NULL;
	utf8proc_ssize_t size = utf8proc_map(text.data,
	    (utf8proc_ssize_t)text.size, &mapped, options);
	enum status st;

	if (size < 0)
		return size == UTF8PROC_ERROR_NOMEM ? STATUS_NOMEM :
		    STATUS_INTERNAL;
	st = buf_append(out, bytes_make(mapped, (size_t)size));
	free(mapped);
	return st;
}

enum status
name_append_canonical(struct bytes name, struct buf *out)
{
	struct buf composed, folded;
	enum status st;

	if (name_check(name) != NAME_PROBLEM_NONE)
		return STATUS_INVALID;
	buf_init(&composed, NAME_CANONICAL_SIZE_MAX);
	buf_init(&folded, NAME_CANONICAL_SIZE_MAX);
	if ((st = text_nfc(name, &composed)) != STATUS_OK ||
	    (st = map_text(buf_bytes(&composed), UTF8PROC_CASEFOLD,
	    &folded)) != STATUS_OK ||
	    (st = text_nfc(buf_bytes(&folded), out)) != STATUS_OK)
		goto out;
out:
	buf_clear(&composed);
	buf_clear(&folded);
	return st;
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
