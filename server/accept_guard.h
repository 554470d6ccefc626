#ifndef PEYK_SERVER_ACCEPT_GUARD_H
#define PEYK_SERVER_ACCEPT_GUARD_H

#include <stdint.h>

#include "base/status.h"

/*
 * Keeps peykd accepting. gRPC gives a listener up for good when accept4()
 * fails, and everybody can make it fail: by opening connections until no
 * descriptor is left (CVE-2023-4785; Debian 12 has no newer gRPC). So this
 * module defines accept4() for the whole program, gRPC included: a connection
 * that is one too many is accepted and closed, and an error that is not the
 * listener's own never gets to gRPC. For the process; any thread.
 */

/* Descriptors that connections never get: the database's, files, gRPC's. */
#define ACCEPT_GUARD_RESERVED 64

/* More descriptors are not asked for: a silent connection takes 16 KiB. */
#define ACCEPT_GUARD_FILES_MAX 65536

/*
 * Raises the limit of open files as far as it may go, at most to
 * ACCEPT_GUARD_FILES_MAX, and sets how many connections are taken: *out.
 * Before the first listener. STATUS_INTERNAL: no descriptor is left even now.
 */
MUST_CHECK enum status accept_guard_start(uint64_t *out);

/* Connections that were closed at once because there were too many. */
uint64_t accept_guard_refused(void);

#endif
