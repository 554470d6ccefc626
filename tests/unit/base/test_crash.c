#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crash.h"

/* How a child ends that passes a point twice: a signal, or 0 for exit(0). */
static int
signal_of_child(const char *wanted)
{
	int result;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (setenv("PEYK_CRASH_POINT", wanted, 1) != 0)
			_exit(2);
		crash_point("other.step");
		crash_point("send.stored");
		crash_point("send.stored");
		_exit(0);
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	if (WIFSIGNALED(result))
		return WTERMSIG(result);
	assert_true(WIFEXITED(result));
	assert_int_equal(WEXITSTATUS(result), 0);
	return 0;
}

static void
test_crash_point_kills_by_name_and_pass(void **state)
{
#if defined(PEYK_CRASH_POINTS) && PEYK_CRASH_POINTS
	const int killed = SIGKILL;
#else
	const int killed = 0;
#endif

	(void)state;
	assert_int_equal(signal_of_child("send.stored"), killed);
	assert_int_equal(signal_of_child("send.stored:1"), killed);
	assert_int_equal(signal_of_child("send.stored:2"), killed);
	assert_int_equal(signal_of_child("send.stored:3"), 0);
	assert_int_equal(signal_of_child("send.store"), 0);
	assert_int_equal(signal_of_child("send.stored2"), 0);
	assert_int_equal(signal_of_child(""), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crash_point_kills_by_name_and_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
