#include "client/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
static const int terminal[] = {SIGWINCH, SIGTSTP, SIGCONT};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static volatile sig_atomic_t flag;
static volatile sig_atomic_t is_watching;
static int pipe_ends[2] = {-1, -1};

static void
note_signal(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;
	bool is_ending = false;

	for (size_t i = 0; i < COUNT_OF(ending); i++)
		is_ending = is_ending || ending[i] == number;
	if (is_ending && flag != 0 && is_watching == 0) {
		(void)signal(number, SIG_DFL);
		(void)raise(number);
	}
	if (is_ending)
		flag = 1;
	/* A full pipe wakes the reader as well as this byte would. */
	if (write(pipe_ends[1], &byte, 1) < 0)
		errno = saved;
	errno = saved;
}

enum status
interrupt_install(void)
{
	struct sigaction action = {.sa_handler = note_signal};
	struct sigaction before;

	if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return STATUS_IO;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT_OF(ending); i++) {
		if (sigaction(ending[i], NULL, &before) == 0 &&
		    before.sa_handler == SIG_IGN)
			continue;
		if (sigaction(ending[i], &action, NULL) != 0)
			return STATUS_IO;
	}
	return STATUS_OK;
}

const volatile sig_atomic_t *
interrupt_flag(void)
{
	return &flag;
}

void
interrupt_watch_terminal(void)
{
	struct sigaction action = {.sa_handler = note_signal};

	sigemptyset(&action.sa_mask);
	is_watching = 1;
	for (size_t i = 0; i < COUNT_OF(terminal); i++)
		(void)sigaction(terminal[i], &action, NULL);
}

void
interrupt_unwatch_terminal(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT_OF(terminal); i++)
		(void)sigaction(terminal[i], &action, NULL);
	is_watching = 0;
}

int
interrupt_fd(void)
{
	return pipe_ends[0];
}

int
interrupt_take(void)
{
	unsigned char byte = 0;

	return read(pipe_ends[0], &byte, 1) == 1 ? byte : 0;
}

bool
interrupt_wait(uint64_t milliseconds)
{
	uint64_t end = clock_monotonic_ms() + milliseconds, now;
	struct pollfd source = {.fd = pipe_ends[0], .events = POLLIN};

	while (flag == 0 && (now = clock_monotonic_ms()) < end) {
		uint64_t left = end - now;

		if (poll(&source, 1, left < INT_MAX ? (int)left : INT_MAX) > 0)
			(void)interrupt_take();
	}
	return flag != 0;
}
