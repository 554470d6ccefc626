#ifndef PEYK_BASE_CRASH_H
#define PEYK_BASE_CRASH_H

/*
 * Fault injection. crash_point("name") stands between two steps whose order
 * matters. In a build with PEYK_CRASH_POINTS the process kills itself there
 * with SIGKILL when the environment variable PEYK_CRASH_POINT is "name", or
 * at the N-th pass when it is "name:N" (from 1). In other builds the call is
 * nothing. Names are "area.step": "send.stored". Any thread.
 */
#if defined(PEYK_CRASH_POINTS) && PEYK_CRASH_POINTS
void crash_point(const char *name);
#else
static inline void
crash_point(const char *name)
{
	(void)name;
}
#endif

#endif
