#include "client/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

/* A line for people; one with a text of 64 KiB, sanitised, fits. */
#define OUTPUT_LINE_SIZE_MAX ((size_t)1 << 20)

/* JSON escapes a byte as six characters at worst. */
#define OUTPUT_JSON_SIZE_MAX ((size_t)32 << 20)

void
output_init(struct output *output, bool is_json)
{
	*output = (struct output){.is_json = is_json};
}

/* Bytes and a line end to standard output, at once. */
static enum status
write_line(struct output *output, struct bytes line)
{
	if (output->has_failed) {
		errno = output->error;
		return STATUS_IO;
	}
	if ((line.size > 0 &&
		fwrite(line.data, 1, line.size, stdout) != line.size) ||
	    putc('\n', stdout) == EOF || fflush(stdout) != 0) {
		output->has_failed = true;
		output->error = errno;
		return STATUS_IO;
	}
	return STATUS_OK;
}

/*
 * Characters that JSON lets through and a terminal, or a reader of lines,
 * takes for more than text: DEL and C1, line and paragraph separator,
 * bidirectional embeddings, overrides and isolates, annotations. Length in
 * bytes and *out, or 0.
 */
static size_t
harmful(const unsigned char *text, unsigned *out)
{
	unsigned code;

	if (text[0] == 0x7f) {
		*out = 0x7f;
		return 1;
	}
	if (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f) {
		*out = text[1];
		return 2;
	}
	if ((text[0] & 0xf0) != 0xe0 || text[1] == '\0')
		return 0;
	code = (text[0] & 0x0fu) << 12 | (text[1] & 0x3fu) << 6 |
	       (text[2] & 0x3fu);
	*out = code;
	return (code >= 0x2028 && code <= 0x202e) ||
		       (code >= 0x2066 && code <= 0x2069) ||
		       (code >= 0xfff9 && code <= 0xfffb)
		   ? 3
		   : 0;
}

static enum status
append_json(struct buf *line, const json_t *object, size_t flags)
{
	char *text = json_dumps(object, flags);
	const char *from = text, *at = text;
	enum status st = STATUS_OK;

	if (text == NULL)
		return STATUS_NOMEM;
	while (*at != '\0' && st == STATUS_OK) {
		unsigned code = 0;
		size_t size = harmful((const unsigned char *)at, &code);

		if (size == 0) {
			at++;
			continue;
		}
		st = buf_append(line, bytes_make(from, (size_t)(at - from)));
		if (st == STATUS_OK)
			st = buf_append_format(line, "\\u%04X", code);
		at += size;
		from = at;
	}
	if (st == STATUS_OK)
		st = buf_append(line, bytes_make(from, (size_t)(at - from)));
	free(text);
	return st;
}

static enum status
write_json_take(struct output *output, json_t *object, size_t flags)
{
	struct buf line;
	enum status st;

	if (object == NULL)
		return STATUS_NOMEM;
	buf_init(&line, OUTPUT_JSON_SIZE_MAX);
	st = append_json(&line, object, flags);
	if (st == STATUS_OK)
		st = write_line(output, buf_bytes(&line));
	buf_wipe(&line);
	json_decref(object);
	return st;
}

enum status
output_json_take(struct output *output, json_t *object)
{
	return write_json_take(output, object, JSON_COMPACT);
}

enum status
output_json_indented_take(struct output *output, json_t *object)
{
	return write_json_take(output, object, JSON_INDENT(2));
}

enum status
output_line(struct output *output, const char *format, ...)
{
	va_list list;
	char *line = NULL;
	enum status st;
	int size;

	va_start(list, format);
	size = vasprintf(&line, format, list);
	va_end(list);
	if (size < 0)
		return STATUS_NOMEM;
	st = write_line(output, bytes_make(line, (size_t)size));
	free(line);
	return st;
}

enum status
output_buf(struct output *output, struct buf *line)
{
	enum status st = write_line(output, buf_bytes(line));

	buf_reset(line);
	return st;
}

enum status
output_append_text(struct buf *line, struct bytes text)
{
	return text_sanitize(text, TEXT_LINES_JOIN, line);
}

enum status
output_append_lines(struct buf *line, struct bytes text)
{
	struct buf clean;
	struct bytes rest;
	const uint8_t *end;
	enum status st;

	buf_init(&clean, OUTPUT_LINE_SIZE_MAX);
	st = text_sanitize(text, TEXT_LINES_KEEP, &clean);
	rest = buf_bytes(&clean);
	while (st == STATUS_OK && rest.size > 0 &&
	       (end = memchr(rest.data, '\n', rest.size)) != NULL) {
		size_t size = (size_t)(end - rest.data) + 1;

		st = buf_append(line, bytes_make(rest.data, size));
		if (st == STATUS_OK)
			st = buf_append_string(line, "    ");
		rest = bytes_make(rest.data + size, rest.size - size);
	}
	if (st == STATUS_OK)
		st = buf_append(line, rest);
	buf_wipe(&clean);
	return st;
}

enum status
output_append_padded(struct buf *line, struct bytes text, size_t columns)
{
	size_t before = line->size, width;
	enum status st = output_append_text(line, text);

	if (st != STATUS_OK)
		return st;
	width =
	    text_width(bytes_make(line->data + before, line->size - before));
	do
		st = buf_append_u8(line, ' ');
	while (st == STATUS_OK && ++width < columns);
	return st;
}

/* Bytes that no shell takes for more than themselves inside a word. */
static bool
is_plain(const char *name)
{
	if (*name == '\0' || *name == '-' || *name == '#')
		return false;
	for (; *name != '\0'; name++) {
		bool is_letter = (*name >= 'a' && *name <= 'z') ||
				 (*name >= 'A' && *name <= 'Z') ||
				 (*name >= '0' && *name <= '9') ||
				 (unsigned char)*name >= 0x80;

		if (!is_letter && strchr("#._@%+:,-", *name) == NULL)
			return false;
	}
	return true;
}

enum status
output_append_shell_word(struct buf *line, const char *name)
{
	enum status st;

	if (is_plain(name))
		return output_append_text(line, bytes_from_string(name));
	st = buf_append_u8(line, '\'');
	for (; *name != '\0' && st == STATUS_OK;) {
		size_t size = strcspn(name, "'");

		st = output_append_text(line, bytes_make(name, size));
		name += size;
		if (st == STATUS_OK && *name == '\'') {
			st = buf_append_string(line, "'\\''");
			name++;
		}
	}
	return st == STATUS_OK ? buf_append_u8(line, '\'') : st;
}

enum status
output_append_time(struct buf *line, uint64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm local;
	char text[64];

	if (localtime_r(&seconds, &local) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &local) == 0)
		return buf_append_string(line, "at no known time");
	return buf_append_string(line, text);
}

json_t *
output_json_time(uint64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm utc;
	char text[64];

	if (gmtime_r(&seconds, &utc) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		return json_null();
	return json_sprintf("%s.%03uZ", text, (unsigned)(unix_ms % 1000));
}

json_t *
output_json_text(struct bytes text)
{
	json_t *string = NULL;
	struct buf clean;

	if (text_is_utf8(text))
		return json_stringn(
		    text.data == NULL ? "" : (const char *)text.data,
		    text.size);
	buf_init(&clean, OUTPUT_LINE_SIZE_MAX);
	if (text_sanitize(text, TEXT_LINES_KEEP, &clean) == STATUS_OK)
		string = json_stringn((const char *)clean.data, clean.size);
	buf_wipe(&clean);
	return string;
}

/*
 * A line of JSON to standard error, and takes the object; false if it is not
 * complete, that is, memory is out.
 */
static bool
write_error_json(json_t *object, bool is_complete)
{
	struct buf line;
	bool is_done = false;

	buf_init(&line, OUTPUT_JSON_SIZE_MAX);
	if (is_complete &&
	    append_json(&line, object, JSON_COMPACT) == STATUS_OK &&
	    buf_append_u8(&line, '\n') == STATUS_OK) {
		/* Nowhere is left to tell that standard error fails. */
		(void)fwrite(line.data, 1, line.size, stderr);
		is_done = true;
	}
	buf_clear(&line);
	json_decref(object);
	return is_done;
}

static void
write_error_lines(const char *message, const char *hint)
{
	struct buf line;

	buf_init(&line, OUTPUT_LINE_SIZE_MAX);
	if (buf_append_string(&line, "peyk: ") == STATUS_OK &&
	    text_sanitize(bytes_from_string(message), TEXT_LINES_KEEP, &line) ==
		STATUS_OK &&
	    (*hint == '\0' ||
		(buf_append_string(&line, "\n      ") == STATUS_OK &&
		    text_sanitize(bytes_from_string(hint), TEXT_LINES_KEEP,
			&line) == STATUS_OK)) &&
	    buf_append_u8(&line, '\n') == STATUS_OK)
		(void)fwrite(line.data, 1, line.size, stderr);
	else
		(void)fputs("peyk: out of memory\n", stderr);
	buf_clear(&line);
}

/* Adds to the object; false if memory is out. NULL adds nothing. */
static bool
set_string(json_t *object, const char *key, const char *value)
{
	return value == NULL ||
	       json_object_set_new(object, key,
		   output_json_text(bytes_from_string(value))) == 0;
}

enum exit_code
output_error(const struct output *output, enum exit_code code,
    const char *message, const char *hint)
{
	json_t *object;
	bool is_complete;

	(void)fflush(stdout);
	if (output->is_json) {
		object = json_object();
		is_complete =
		    object != NULL && set_string(object, "error", message) &&
		    json_object_set_new(object, "exit", json_integer(code)) ==
			0 &&
		    set_string(object, "hint", *hint != '\0' ? hint : NULL);
		if (write_error_json(object, is_complete))
			return code;
	}
	write_error_lines(message, hint);
	return code;
}

void
output_notice(const struct output *output, const struct notice *notice)
{
	json_t *object;
	bool is_complete;

	(void)fflush(stdout);
	if (output->is_json) {
		object = json_object();
		is_complete =
		    object != NULL &&
		    set_string(
			object, "event", notice_kind_name(notice->kind)) &&
		    set_string(object, "message", notice->text) &&
		    set_string(object, "name", notice->name) &&
		    set_string(object, "fingerprint", notice->fingerprint) &&
		    (notice->count == 0 ||
			json_object_set_new(object, "count",
			    json_integer((json_int_t)notice->count)) == 0);
		if (write_error_json(object, is_complete))
			return;
	}
	write_error_lines(notice->text, "");
}

void
output_say(const struct output *output, const char *event, const char *message)
{
	json_t *object;
	bool is_complete;

	(void)fflush(stdout);
	if (output->is_json) {
		object = json_object();
		is_complete = object != NULL &&
			      set_string(object, "event", event) &&
			      set_string(object, "message", message);
		if (write_error_json(object, is_complete))
			return;
	}
	write_error_lines(message, "");
}

enum exit_code
output_finish(struct output *output, enum exit_code code)
{
	char message[200];

	if (!output->has_failed && fclose(stdout) != 0) {
		output->has_failed = true;
		output->error = errno;
	}
	if (!output->has_failed)
		return code;
	if (code == EXIT_CODE_DONE)
		code = EXIT_CODE_FAILED;
	if (output->error == EPIPE)
		return code;
	(void)snprintf(message, sizeof(message),
	    "Standard output could not be written: %s.",
	    strerror(output->error));
	return output_error(output, code, message,
	    "What was received is kept: “peyk history” shows it.");
}
