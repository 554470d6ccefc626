#ifndef PEYK_BASE_STATUS_H
#define PEYK_BASE_STATUS_H

/*
 * The result of everything that can fail. One value per decision that a
 * caller makes, not one per cause; causes go to the log.
 *
 * Unless a header says otherwise, a function that does not return STATUS_OK
 * has left its results untouched.
 */
enum status {
	STATUS_OK = 0,
	STATUS_NOMEM,       /* out of memory */
	STATUS_INVALID,     /* malformed or forbidden input */
	STATUS_TOO_LARGE,   /* past a named limit */
	STATUS_FORGED,      /* every failed authentication */
	STATUS_NOT_FOUND,   /* there is no such thing */
	STATUS_EXISTS,      /* it is there already */
	STATUS_STALE,       /* a key, epoch or state is no longer current */
	STATUS_DENIED,      /* known, but not allowed */
	STATUS_BUSY,        /* a limit is reached; later it may work */
	STATUS_UNAVAILABLE, /* peer or database not reachable */
	STATUS_TIMEOUT,
	STATUS_CANCELLED,
	STATUS_IO,          /* the operating system refused; see errno */
	STATUS_INTERNAL,    /* a library failed where it should not */
};

/* The compiler warns when the result is dropped. */
#define MUST_CHECK __attribute__((warn_unused_result))

/*
 * A short lower-case name such as "too_large", for logs and test output.
 * Static; never NULL, "unknown" for a value outside the enum.
 */
const char *status_name(enum status st);

#endif
