#ifndef PEYK_BASE_LOG_H
#define PEYK_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/*
 * The log of a program: one line an event on standard error, logfmt:
 *
 *	2026-03-04T05:06:07.089Z level=info event=listening port=8022
 *
 *	log_event(LOG_LEVEL_INFO, "listening", log_u64("port", port));
 *
 * Only programs log (server/, client/), never a library. No content, key,
 * password or name of a person goes in; log_text() is for our own words, for
 * addresses and for errors of libraries. Values are escaped, so that a line
 * stays a line whatever is in them. Any thread; a line is one write().
 */
enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
};

/* Longer lines are cut, and end in "...". */
#define LOG_LINE_MAX 2048

enum log_kind {
	LOG_KIND_TEXT,
	LOG_KIND_U64,
	LOG_KIND_I64,
	LOG_KIND_BOOL,
};

/* Made by the functions below. */
struct log_field {
	const char *key;
	enum log_kind kind;
	union {
		const char *text;
		uint64_t u64;
		int64_t i64;
		bool boolean;
	} value;
};

static inline struct log_field
log_text(const char *key, const char *value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_TEXT,
		.value = { .text = value } };
}

static inline struct log_field
log_u64(const char *key, uint64_t value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_U64,
		.value = { .u64 = value } };
}

static inline struct log_field
log_i64(const char *key, int64_t value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_I64,
		.value = { .i64 = value } };
}

static inline struct log_field
log_bool(const char *key, bool value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_BOOL,
		.value = { .boolean = value } };
}

static inline struct log_field
log_status(enum status st)
{
	return log_text("status", status_name(st));
}

/* What is below it is not written. LOG_LEVEL_INFO at start. */
void log_set_level(enum log_level level);

/* "debug", "info", "warning" or "error"; else STATUS_INVALID. */
MUST_CHECK enum status log_level_parse(const char *text, enum log_level *out);

/* event: a word or two with underscores. Fields may follow. errno stays. */
#define log_event(level, event, ...) \
	log_write((level), \
	    (const struct log_field[]){ log_text("event", (event)), \
		__VA_ARGS__ }, \
	    sizeof((const struct log_field[]){ log_text("event", (event)), \
		__VA_ARGS__ }) / sizeof(struct log_field))

/* What log_event() calls. */
void log_write(enum log_level level, const struct log_field *fields,
    size_t count);

#endif
