#include "client/by_hand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/interrupt.h"
#include "client/suggest.h"
#include "gen/peyk/v1/messenger.grpc-c.h"

/* Bytes of one read(). */
#define CHUNK 65536

/* More methods than the service will ever have. */
#define METHODS_MAX 64

/* The method's own name; NULL: it is of another service. */
static const char *
method_of(const char *name)
{
	static const char *const services[] = {BY_HAND_SERVICE, "Messenger"};

	if (*name == '/')
		name++;
	for (size_t i = 0; i < 2; i++) {
		size_t size = strlen(services[i]);

		if (strncmp(name, services[i], size) == 0 &&
		    (name[size] == '/' || name[size] == '.'))
			return name + size + 1;
	}
	return strpbrk(name, "/.") == NULL ? name : NULL;
}

static enum exit_code
fail_method(const struct application *application, const char *name,
    const char *const *names, size_t count)
{
	const char *nearest = suggest_nearest(name, names, count);
	char text[256], hint[512] = "There are ";
	size_t used;

	(void)snprintf(
	    text, sizeof(text), "There is no method “%.100s”.", name);
	if (nearest != NULL)
		(void)snprintf(hint, sizeof(hint), "Did you mean %s?", nearest);
	for (size_t i = 0; nearest == NULL && i < count; i++) {
		used = strlen(hint);
		(void)snprintf(hint + used, sizeof(hint) - used, "%s%s",
		    names[i], i + 1 < count ? ", " : ".");
	}
	return output_error(&application->output, EXIT_CODE_USAGE, text, hint);
}

enum exit_code
by_hand_find_method(const struct application *application, const char *name,
    const struct rpc_sealed_method **out)
{
	const struct rpc_sealed_method *const *method =
	    messenger_sealed_methods;
	const char *names[METHODS_MAX] = {BY_HAND_CLEAR_METHOD};
	const char *wanted = method_of(name);
	size_t count = 1;

	if (wanted != NULL && strcmp(wanted, BY_HAND_CLEAR_METHOD) == 0) {
		*out = NULL;
		return EXIT_CODE_DONE;
	}
	for (; *method != NULL && count < METHODS_MAX; method++) {
		if (wanted != NULL && strcmp((*method)->name, wanted) == 0) {
			*out = *method;
			return EXIT_CODE_DONE;
		}
		names[count++] = (*method)->name;
	}
	return fail_method(
	    application, wanted != NULL ? wanted : name, names, count);
}

enum exit_code
by_hand_read_input(const struct application *application, struct buf *out)
{
	uint8_t chunk[CHUNK];
	enum status st = STATUS_OK;
	ssize_t size;

	if (application->arguments.password_fd == STDIN_FILENO)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "Standard input has what is to be read: the password "
		    "cannot come from there, too.",
		    "Use --password-file, or another descriptor.");
	for (;;) {
		if (*interrupt_flag() != 0)
			return output_error(&application->output,
			    EXIT_CODE_FAILED, "Interrupted.", "");
		size = read(STDIN_FILENO, chunk, sizeof(chunk));
		if (size == 0)
			return EXIT_CODE_DONE;
		if (size < 0 && errno == EINTR)
			continue;
		st = size < 0
			 ? STATUS_IO
			 : buf_append(out, bytes_make(chunk, (size_t)size));
		if (st == STATUS_TOO_LARGE)
			return output_error(&application->output,
			    EXIT_CODE_USAGE,
			    "Standard input is longer than 8 MiB, more than "
			    "any call has.",
			    "");
		if (st != STATUS_OK)
			return application_fail_plain(
			    application, st, "read standard input");
	}
}
