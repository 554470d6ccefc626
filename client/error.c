#include "client/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

/* Cuts an unfinished UTF-8 sequence off the end of a full array. */
static void
trim_sequence(char *text)
{
	size_t size = strlen(text);

	while (size > 0 && !text_is_utf8(bytes_make(text, size)) &&
	       strlen(text) - size < 4)
		size--;
	if (text_is_utf8(bytes_make(text, size)))
		text[size] = '\0';
}

enum status
client_error_set(struct client_error *error, enum status st,
    enum exit_code exit, const char *format, ...)
{
	va_list arguments;

	assert(st != STATUS_OK);
	if (error == NULL)
		return st;
	error->exit = exit;
	va_start(arguments, format);
	if (vsnprintf(error->text, sizeof(error->text), format, arguments) < 0)
		error->text[0] = '\0';
	va_end(arguments);
	trim_sequence(error->text);
	return st;
}

enum status
client_error_set_plain(
    struct client_error *error, enum status st, const char *doing)
{
	int saved = errno;

	switch (st) {
	case STATUS_OK:
		break;
	case STATUS_NOMEM:
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "Peyk could not %s: there is not enough memory.", doing);
	case STATUS_IO:
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "Peyk could not %s: %s.", doing, strerror(saved));
	case STATUS_CANCELLED:
		return client_error_set(
		    error, st, EXIT_CODE_FAILED, "Interrupted.");
	case STATUS_INVALID:
	case STATUS_TOO_LARGE:
	case STATUS_FORGED:
	case STATUS_NOT_FOUND:
	case STATUS_EXISTS:
	case STATUS_STALE:
	case STATUS_DENIED:
	case STATUS_BUSY:
	case STATUS_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_INTERNAL:
		break;
	}
	return client_error_set(error, st, EXIT_CODE_FAILED,
	    "Peyk could not %s (%s). This should not happen; nothing was "
	    "changed. If it happens again, please report it.",
	    doing, status_name(st));
}

void
client_display(struct bytes text, char *out, size_t size)
{
	struct buf shown;
	size_t length;

	assert(size > 0);
	buf_init(&shown, 3 * text.size + 1);
	out[0] = '\0';
	if (text_sanitize(text, TEXT_LINES_JOIN, &shown) == STATUS_OK) {
		length = shown.size < size - 1 ? shown.size : size - 1;
		if (length > 0)
			memcpy(out, shown.data, length);
		out[length] = '\0';
		trim_sequence(out);
	}
	buf_clear(&shown);
}
