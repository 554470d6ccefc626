#ifndef PEYK_BASE_NAME_H
#define PEYK_BASE_NAME_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * Usernames (docs/protocol.md section 7): which are allowed, when two are the
 * same, and how one stands in a file path.
 *
 * Unicode is pinned: the tables are those of NAME_UNICODE_VERSION, which
 * utf8proc 2.8 brings; name_unicode_version() tells what is really linked.
 * A character that this version does not know is not allowed, so a name that
 * is valid keeps its canonical form when the version rises.
 */
#define NAME_UNICODE_VERSION "15.0.0"

#define NAME_CODE_POINTS_MAX 64
#define NAME_SIZE_MAX 256 /* bytes: 64 code points of 4 */

/* Bytes of a canonical name, which has no more code points either. */
#define NAME_CANONICAL_SIZE_MAX NAME_SIZE_MAX

/* Bytes that name_append_path() makes at most: NAME_MAX of Linux is 255. */
#define NAME_PATH_SIZE_MAX 240

enum name_problem {
	NAME_PROBLEM_NONE,
	NAME_PROBLEM_EMPTY,
	NAME_PROBLEM_TOO_LONG,
	NAME_PROBLEM_NOT_UTF8,
	NAME_PROBLEM_LEADING_AT,
	NAME_PROBLEM_LEADING_MARK, /* a combining mark with nothing before */
	NAME_PROBLEM_WHITE_SPACE,
	NAME_PROBLEM_CONTROL,
	NAME_PROBLEM_INVISIBLE,
	NAME_PROBLEM_JOINER,       /* ZWNJ, ZWJ where RFC 5892 forbids it */
	NAME_PROBLEM_UNKNOWN,      /* unassigned or private code point */
};

/*
 * The first rule that the name breaks, or NAME_PROBLEM_NONE. The canonical
 * form of a valid name is a valid name.
 */
enum name_problem name_check(struct bytes name);

/*
 * A sentence for a person: "A name cannot contain white space." Static; ""
 * for NAME_PROBLEM_NONE.
 */
const char *name_problem_text(enum name_problem problem);

/*
 * Appends NFC(casefold(NFC(name))): two names are one if these are equal.
 * STATUS_INVALID if name_check() finds a problem; STATUS_TOO_LARGE,
 * STATUS_NOMEM. The canonical form of a canonical form is itself.
 */
MUST_CHECK enum status name_append_canonical(struct bytes name,
    struct buf *out);

/* Whether both are valid and have the same canonical form. */
MUST_CHECK enum status name_is_same(struct bytes a, struct bytes b,
    bool *out);

/*
 * Appends name as one component of a file path: letters of any script,
 * digits and "-._#@+=," stay, other ASCII and a leading "." or "-" become
 * %XX. Never "", "." or "..", never longer than NAME_PATH_SIZE_MAX: of a
 * longer one the start, "%%" and a hash. Different names give different
 * components; pass the canonical form where case must not matter. Any bytes
 * are accepted, server addresses too; those that are not UTF-8 are encoded.
 */
MUST_CHECK enum status name_append_path(struct bytes name, struct buf *out);

/* The version of the Unicode tables that are linked, such as "15.0.0". */
const char *name_unicode_version(void);

#endif
