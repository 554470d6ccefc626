#ifndef PEYK_BASE_PROCESS_H
#define PEYK_BASE_PROCESS_H

#include "base/status.h"

/*
 * What both programs do first in main(), before any thread: no core dumps and
 * no tracing by other processes of the user (RLIMIT_CORE, PR_SET_DUMPABLE),
 * umask 077, libsodium ready. STATUS_INTERNAL if one of it fails.
 */
MUST_CHECK enum status process_harden(void);

#endif
