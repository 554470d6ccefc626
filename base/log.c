#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic enum log_level log_threshold = LOG_LEVEL_INFO;

/* One line in the making. Two bytes are kept for "\n" and a NUL. */
struct log_line {
	char text[LOG_LINE_MAX + 2];
	size_t size;
	bool is_cut;
};

static const char *
log_level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_DEBUG:
		return "debug";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_ERROR:
		return "error";
	}
	return "unknown";
}

void
log_set_level(enum log_level level)
{
	atomic_store(&log_threshold, level);
}

enum status
log_level_parse(const char *text, enum log_level *out)
{
	for (enum log_level level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR;
	    level++) {
		if (strcmp(text, log_level_name(level)) == 0) {
			*out = level;
			return STATUS_OK;
		}
	}
	return STATUS_INVALID;
}

static void
log_put(struct log_line *line, const char *text)
{
	size_t length = strlen(text);

	if (line->is_cut)
		return;
	if (length > LOG_LINE_MAX - 3 - line->size) {
		line->is_cut = true;
		return;
	}
	memcpy(line->text + line->size, text, length);
	line->size += length;
}

static bool
log_is_plain(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text > '~' || *text == '"' ||
		    *text == '\\' || *text == '=')
			return false;
	}
	return true;
}

static void
log_put_text(struct log_line *line, const char *text)
{
	char escaped[5];

	if (text == NULL)
		text = "";
	if (log_is_plain(text)) {
		log_put(line, text);
		return;
	}
	log_put(line, "\"");
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", c);
		else if (c == '\n')
			snprintf(escaped, sizeof(escaped), "\\n");
		else if (c < ' ' || c > '~')
			snprintf(escaped, sizeof(escaped), "\\x%02x", c);
		else
			snprintf(escaped, sizeof(escaped), "%c", c);
		log_put(line, escaped);
	}
	log_put(line, "\"");
}

static void
log_put_field(struct log_line *line, const struct log_field *field)
{
	char number[24];

	log_put(line, " ");
	log_put(line, field->key);
	log_put(line, "=");
	switch (field->kind) {
	case LOG_KIND_TEXT:
		log_put_text(line, field->value.text);
		break;
	case LOG_KIND_U64:
		snprintf(number, sizeof(number), "%" PRIu64,
		    field->value.u64);
		log_put(line, number);
		break;
	case LOG_KIND_I64:
		snprintf(number, sizeof(number), "%" PRId64,
		    field->value.i64);
		log_put(line, number);
		break;
	case LOG_KIND_BOOL:
		log_put(line, field->value.boolean ? "true" : "false");
		break;
	}
}

static void
log_put_time(struct log_line *line)
{
	struct timespec now = { 0 };
	struct tm parts = { 0 };
	char seconds[32], fraction[8];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &parts);
	if (strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S",
	    &parts) == 0)
		return;
	snprintf(fraction, sizeof(fraction), ".%03uZ",
	    (unsigned)(now.tv_nsec / 1000000) % 1000);
	log_put(line, seconds);
	log_put(line, fraction);
}

static void
log_flush(struct log_line *line)
{
	size_t done = 0;

	if (line->is_cut) {
		memcpy(line->text + line->size, "...", 3);
		line->size += 3;
	}
	line->text[line->size++] = '\n';
	while (done < line->size) {
		ssize_t n = write(STDERR_FILENO, line->text + done,
		    line->size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* there is nowhere to complain */
		done += (size_t)n;
	}
}

void
log_write(enum log_level level, const struct log_field *fields, size_t count)
{
	struct log_line line = { 0 };
	int saved_errno = errno;

	if (level < atomic_load(&log_threshold))
		return;
	log_put_time(&line);
	log_put(&line, " level=");
	log_put(&line, log_level_name(level));
	for (size_t i = 0; i < count; i++)
		log_put_field(&line, &fields[i]);
	log_flush(&line);
	errno = saved_errno;
}
