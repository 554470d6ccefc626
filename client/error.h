#ifndef PEYK_CLIENT_ERROR_H
#define PEYK_CLIENT_ERROR_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/exit_code.h"

/*
 * Why something failed, for the person in front of it: what happened and what
 * to do, in whole sentences, without names of functions and without secrets.
 * Names and texts of others are in it sanitized (base/text.h).
 *
 * Every function of client/ that takes a struct client_error fills it in
 * whenever it does not return STATUS_OK, and leaves it alone otherwise.
 */
#define CLIENT_ERROR_TEXT_SIZE 1024

struct client_error {
	enum exit_code exit;
	char text[CLIENT_ERROR_TEXT_SIZE];
};

/*
 * Fills *error in (a text that is too long is cut between characters) and
 * returns st, so that it can end a function. error may be NULL. st is never
 * STATUS_OK (asserted).
 */
enum status client_error_set(struct client_error *error, enum status st,
    enum exit_code exit, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * The same for a failure that nothing more is known of than its status: out
 * of memory, a disk that is full (reads errno for STATUS_IO), a bug. doing
 * ends the sentence "Peyk could not ...", such as "open the local database".
 */
enum status client_error_set_plain(
    struct client_error *error, enum status st, const char *doing);

/*
 * Text of others, such as a name, sanitized and cut to fit out with its NUL:
 * for sentences. Empty if there is no memory.
 */
void client_display(struct bytes text, char *out, size_t size);

/* Holds any name that client_display() gives. */
#define CLIENT_DISPLAY_SIZE 769

#endif
