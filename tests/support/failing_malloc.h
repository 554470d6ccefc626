#ifndef PEYK_TESTS_FAILING_MALLOC_H
#define PEYK_TESTS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Lets one allocation fail: link peyk_test_malloc, which puts itself before
 * malloc(), calloc() and realloc() of what is linked statically, our own code
 * that is. One thread.
 *
 *	for (n = 0; ; n++) {
 *		failing_malloc_start(n);
 *		st = function();
 *		if (!failing_malloc_stop())
 *			break;
 *		assert_status(st, STATUS_NOMEM);
 *	}
 */

/* The n-th allocation from now, from 0, fails. */
void failing_malloc_start(size_t n);

/* No more fail. Whether one did. */
bool failing_malloc_stop(void);

/*
 * From now, looks at each block that is freed for a marker; stop tells in how
 * many it was: in none, if all was wiped. The marker is borrowed until then.
 */
void failing_malloc_watch(const char *marker);
size_t failing_malloc_stop_watching(void);

#endif
