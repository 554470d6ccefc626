#ifndef PEYK_TESTS_UNIT_H
#define PEYK_TESTS_UNIT_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/status.h"

#define assert_ok(expression) \
	assert_string_equal(status_name(expression), status_name(STATUS_OK))
#define assert_status(expression, expected) \
	assert_string_equal(status_name(expression), status_name(expected))

static inline void
unit_assert_bytes(struct bytes actual, struct bytes expected,
    const char *file, int line)
{
	if (!bytes_equal(actual, expected)) {
		print_error("%s:%d: %zu bytes differ from %zu\n", file, line,
		    actual.size, expected.size);
		_fail(file, line);
	}
}

#define assert_bytes(actual, expected) \
	unit_assert_bytes((actual), (expected), __FILE__, __LINE__)

#endif
