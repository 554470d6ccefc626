#ifndef PEYK_TESTS_UNIT_CLIENT_CLI_CAPTURE_H
#define PEYK_TESTS_UNIT_CLIENT_CLI_CAPTURE_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

/* Standard output goes to a file of ours while these tests run. */
static FILE *capture;
static int real_stdout;

static void
begin_capture(void)
{
	(void)fflush(stdout);
	capture = tmpfile();
	assert_non_null(capture);
	real_stdout = dup(STDOUT_FILENO);
	assert_true(dup2(fileno(capture), STDOUT_FILENO) >= 0);
}

static void
end_capture(char *out, size_t size)
{
	size_t got;

	(void)fflush(stdout);
	assert_true(dup2(real_stdout, STDOUT_FILENO) >= 0);
	(void)close(real_stdout);
	rewind(capture);
	got = fread(out, 1, size - 1, capture);
	out[got] = '\0';
	(void)fclose(capture);
}

#endif
