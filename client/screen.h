#ifndef PEYK_CLIENT_SCREEN_H
#define PEYK_CLIENT_SCREEN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * A terminal on which a person types lines while others' lines appear above:
 * a prompt with line editing and a history of lines (libedit; the user's
 * ~/.editrc counts). Standard input and output, one thread.
 *
 * While a line is being typed, screen_read() calls wait(); there the caller
 * looks after everything else, and may print.
 */
struct screen;

enum screen_wait {
	SCREEN_WAIT_INPUT, /* the descriptor can be read */
	SCREEN_WAIT_STOP,  /* leave screen_read() */
	SCREEN_WAIT_CLEAR, /* drop what is typed, and begin anew */
};

/* Waits, without using CPU, until input_fd can be read, or something else. */
typedef enum screen_wait screen_wait_fn(void *arg, int input_fd);

/*
 * prompt: sanitized text, copied. Needs a UTF-8 locale (LC_CTYPE).
 * STATUS_NOMEM; STATUS_INVALID if standard input or output is no terminal.
 */
MUST_CHECK enum status screen_open(
    const char *prompt, screen_wait_fn *wait, void *arg, struct screen **out);

/* Puts the terminal back as it was. NULL is a no-op. */
void screen_close(struct screen *screen);

/*
 * Reads a line, without its end, into the empty line (UTF-8).
 * STATUS_NOT_FOUND: end of input (Ctrl-D). STATUS_CANCELLED: wait() said
 * SCREEN_WAIT_STOP. STATUS_TOO_LARGE: longer than the line's limit.
 */
MUST_CHECK enum status screen_read(struct screen *screen, struct buf *line);

/*
 * Prints sanitized lines (the last without line end) above the prompt, which
 * is drawn anew with what is typed so far. STATUS_IO with errno.
 */
MUST_CHECK enum status screen_print(struct screen *screen, struct bytes lines);

/* Whether something is typed that would be lost. */
bool screen_has_input(const struct screen *screen);

/* After SIGWINCH; and around SIGTSTP: gives the terminal back, takes it. */
void screen_resize(struct screen *screen);
void screen_suspend(struct screen *screen);
void screen_resume(struct screen *screen);

#endif
