#ifndef PEYK_CLIENT_OUTPUT_H
#define PEYK_CLIENT_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/exit_code.h"
#include "client/notice.h"

/*
 * What peyk prints: lines for people, or one JSON object a line (--json);
 * results on standard output, everything else on standard error. Each line is
 * flushed, and a write that fails is noticed (STATUS_IO, errno; the loss
 * stands until output_finish()). One thread.
 *
 * Texts and names from others go through output_append_*(), never straight
 * into a line: no control or bidirectional-override character may reach a
 * terminal.
 */
struct output {
	bool is_json;
	bool has_failed; /* standard output took not all */
	int error;       /* errno of that */
};

void output_init(struct output *output, bool is_json);

/*
 * Prints one object and takes the reference, whatever comes of it. NULL (what
 * jansson gives when memory is out) is STATUS_NOMEM. Characters that would
 * harm a terminal or cut the line are written as \uXXXX.
 */
MUST_CHECK enum status output_json_take(struct output *output, json_t *object);

/* The same for people: over several lines, indented. */
MUST_CHECK enum status output_json_indented_take(
    struct output *output, json_t *object);

/* Prints our own words, as printf(), and a line end. */
MUST_CHECK enum status output_line(struct output *output, const char *format,
    ...) __attribute__((format(printf, 2, 3)));

/* Prints what has been put together, and a line end; empties it. */
MUST_CHECK enum status output_buf(struct output *output, struct buf *line);

/* Text and names of others, made harmless; lines are joined. */
MUST_CHECK enum status output_append_text(struct buf *line, struct bytes text);

/*
 * The same with the lines kept; each but the first is indented, so that none
 * passes for a line of ours.
 */
MUST_CHECK enum status output_append_lines(struct buf *line, struct bytes text);

/* As output_append_text(), with spaces up to columns; no fewer than one if it
 * is longer. */
MUST_CHECK enum status output_append_padded(
    struct buf *line, struct bytes text, size_t columns);

/*
 * A name as one word of a shell command that somebody may copy: quoted where
 * it needs be, and never more than a word, whatever the name is.
 */
MUST_CHECK enum status output_append_shell_word(
    struct buf *line, const char *name);

/* "2026-03-04 05:06", in local time. */
MUST_CHECK enum status output_append_time(struct buf *line, uint64_t unix_ms);

/* "2026-03-04T05:06:07.089Z": RFC 3339 in UTC, as a JSON string. */
json_t *output_json_time(uint64_t unix_ms);

/* A JSON string of UTF-8; what is not UTF-8 is replaced. */
json_t *output_json_text(struct bytes text);

/*
 * Says on standard error that something failed: "peyk: MESSAGE" and the hint
 * below it, or {"error": MESSAGE, "exit": CODE, "hint": HINT}. Both may have
 * words of others in them. Returns the code.
 */
enum exit_code output_error(const struct output *output, enum exit_code code,
    const char *message, const char *hint);

/*
 * Something worth knowing that is no failure, on standard error: "peyk:
 * MESSAGE", or {"event": EVENT, "message": MESSAGE}; a notice also has its
 * name, fingerprint and count.
 */
void output_say(
    const struct output *output, const char *event, const char *message);
void output_notice(const struct output *output, const struct notice *notice);

/*
 * At the end: closes standard output. If something could not be written, it
 * says so (but not of a reader that has gone away, such as head), and
 * EXIT_CODE_DONE becomes EXIT_CODE_FAILED.
 */
enum exit_code output_finish(struct output *output, enum exit_code code);

#endif
