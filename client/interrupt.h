#ifndef PEYK_CLIENT_INTERRUPT_H
#define PEYK_CLIENT_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/*
 * SIGINT, SIGTERM and SIGHUP as something to look at: a flag, and a
 * descriptor to poll. One set for the process; the functions belong to the
 * main thread, the flag may be read in any.
 *
 * A signal that the parent had the process ignore (nohup) stays ignored. The
 * second one of these signals ends the process at once, in case that the
 * first does not: nothing is lost by that, as by a SIGKILL.
 */

/* Installs the handlers. STATUS_IO. */
MUST_CHECK enum status interrupt_install(void);

/* Becomes non-zero with the first such signal. */
const volatile sig_atomic_t *interrupt_flag(void);

/*
 * For a program that owns the terminal: SIGWINCH, SIGTSTP and SIGCONT come
 * through interrupt_take() too, and no second signal ends the process.
 */
void interrupt_watch_terminal(void);

/* Gives watched signals their usual meaning again. */
void interrupt_unwatch_terminal(void);

/* Can be read when interrupt_take() has something. */
int interrupt_fd(void);

/* The number of a signal that came, each once, or 0. */
int interrupt_take(void);

/* Waits that long, or until a signal sets the flag: true then. */
bool interrupt_wait(uint64_t milliseconds);

#endif
