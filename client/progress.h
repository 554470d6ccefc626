#ifndef PEYK_CLIENT_PROGRESS_H
#define PEYK_CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A line on standard error that tells how far something is: a bar where the
 * whole is known, the count and its rate in any case. Drawn some ten times a
 * second at most, over itself; gone at the end. One thread.
 */
struct progress {
	bool is_shown;     /* standard error is a terminal */
	uint64_t total;    /* units of the whole; 0: not known */
	uint64_t start_ms; /* monotonic */
	uint64_t drawn_ms;
	bool is_drawn;
};

/* is_wanted: false draws nothing at all. */
void progress_start(struct progress *progress, bool is_wanted, uint64_t total);

/* done of total units, which are count messages. */
void progress_update(struct progress *progress, uint64_t done, uint64_t count);

/* Clears the line, before anything else is printed. */
void progress_clear(struct progress *progress);

#endif
