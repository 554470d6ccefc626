#ifndef PEYK_CLIENT_PROMPT_H
#define PEYK_CLIENT_PROMPT_H

#include <stddef.h>

#include "base/status.h"

/*
 * Passwords: from the terminal without echo, from a file, from a descriptor;
 * never from the command line or the environment. They live in memory of
 * secret_new() and are wiped by prompt_password_free().
 */

/* Bytes of a password, as docs/protocol.md section 7 has it. */
#define PROMPT_PASSWORD_SIZE_MAX 1024

struct prompt_password {
	size_t size;
	char text[PROMPT_PASSWORD_SIZE_MAX + 1]; /* ends in NUL */
};

/*
 * Asks on /dev/tty, whatever standard input and output are. label is shown as
 * it is, such as "Password of client#2: ". While it asks, the terminal does
 * not echo; a signal that ends or stops the process (SIGINT, SIGTSTP, …) gets
 * its way after the terminal is as it was.
 *
 * STATUS_NOT_FOUND (there is no terminal), STATUS_CANCELLED (end of input),
 * STATUS_TOO_LARGE, STATUS_NOMEM, STATUS_IO.
 */
MUST_CHECK enum status prompt_password_ask(
    const char *label, struct prompt_password **out);

/*
 * The first line of what the descriptor or the file gives, without its line
 * end. Of a descriptor no byte more is read, so that it may carry messages
 * behind the password; it stays open.
 *
 * STATUS_NOT_FOUND (no such file), STATUS_INVALID (it has a NUL), STATUS_IO
 * (with errno), STATUS_TOO_LARGE, STATUS_NOMEM. An empty line is an empty
 * password.
 */
MUST_CHECK enum status prompt_password_read_fd(
    int fd, struct prompt_password **out);
MUST_CHECK enum status prompt_password_read_file(
    const char *path, struct prompt_password **out);

/* Wipes and frees. NULL is a no-op. */
void prompt_password_free(struct prompt_password *password);

#endif
