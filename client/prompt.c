#include "client/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"

/* What a person at the terminal can send, and what ends a program. */
static const int caught[] = {
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};

#define CAUGHT_COUNT (sizeof(caught) / sizeof(caught[0]))

/*
 * The handler writes here and the loop polls it: a flag would not wake the
 * read when another thread takes the signal, or just before the read begins.
 */
static int signal_pipe[2] = {-1, -1};

static void
note_signal(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;

	/* A full pipe has enough of them. */
	if (write(signal_pipe[1], &byte, 1) < 0)
		errno = saved;
	errno = saved;
}

struct terminal {
	int fd;
	struct termios before;
	struct sigaction actions[CAUGHT_COUNT];
	bool is_quiet;
};

static enum status
terminal_quieten(struct terminal *terminal)
{
	struct sigaction action = {.sa_handler = note_signal};
	struct termios quiet;

	if (tcgetattr(terminal->fd, &terminal->before) != 0)
		return STATUS_IO;
	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return STATUS_IO;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < CAUGHT_COUNT; i++)
		(void)sigaction(caught[i], &action, &terminal->actions[i]);
	quiet = terminal->before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	terminal->is_quiet = true;
	/* Drops what was typed before, so that no password was shown. */
	return tcsetattr(terminal->fd, TCSAFLUSH, &quiet) == 0 ? STATUS_OK
							       : STATUS_IO;
}

static void
terminal_restore(struct terminal *terminal)
{
	if (terminal->is_quiet) {
		while (tcsetattr(terminal->fd, TCSAFLUSH, &terminal->before) !=
			   0 &&
		       errno == EINTR)
			continue;
		for (size_t i = 0; i < CAUGHT_COUNT; i++)
			(void)sigaction(caught[i], &terminal->actions[i], NULL);
		terminal->is_quiet = false;
	}
	for (int i = 0; i < 2; i++) {
		if (signal_pipe[i] >= 0)
			(void)close(signal_pipe[i]);
		signal_pipe[i] = -1;
	}
}

/* The first signal that came, or 0. */
static int
signal_take(void)
{
	unsigned char byte = 0;

	return read(signal_pipe[0], &byte, 1) == 1 ? byte : 0;
}

/* Everything, or as much as the terminal takes. */
static void
write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, text, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		size -= (size_t)written;
	}
}

/* One byte: 1, 0 at the end, -1 with errno; -2 for a signal. */
static int
terminal_read_byte(int fd, char *byte)
{
	struct pollfd sources[2] = {{.fd = signal_pipe[0], .events = POLLIN},
	    {.fd = fd, .events = POLLIN}};

	for (;;) {
		if (poll(sources, 2, -1) < 0 && errno != EINTR)
			return -1;
		if ((sources[0].revents & POLLIN) != 0)
			return -2;
		if (sources[1].revents == 0)
			continue;
		for (;;) {
			ssize_t got = read(fd, byte, 1);

			if (got >= 0)
				return (int)got;
			if (errno != EINTR && errno != EAGAIN)
				return -1;
			if (errno == EAGAIN)
				break;
		}
	}
}

/*
 * A line into *password. Bytes past the limit are read and dropped, so that
 * they do not end up in the shell. *signal_number: the signal that came first.
 */
static enum status
terminal_read_line(int fd, struct prompt_password *password, int *signal_number)
{
	enum status st = STATUS_OK;
	char byte = 0;
	int got;

	while ((got = terminal_read_byte(fd, &byte)) == 1 && byte != '\n') {
		if (byte == '\0')
			st = STATUS_INVALID;
		else if (password->size == PROMPT_PASSWORD_SIZE_MAX)
			st = STATUS_TOO_LARGE;
		else
			password->text[password->size++] = byte;
	}
	secret_wipe(&byte, sizeof(byte));
	if (got == -2)
		*signal_number = signal_take();
	if (got == -2 || (got == 0 && password->size == 0))
		return STATUS_CANCELLED;
	return got < 0 ? STATUS_IO : st;
}

enum status
prompt_password_ask(const char *label, struct prompt_password **out)
{
	struct terminal terminal = {0};
	struct prompt_password *password = NULL;
	enum status st;
	int signal_number;

	terminal.fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal.fd < 0)
		return STATUS_NOT_FOUND;
	password = secret_new(sizeof(*password));
	if (password == NULL) {
		(void)close(terminal.fd);
		return STATUS_NOMEM;
	}
	do {
		signal_number = 0;
		secret_wipe(password, sizeof(*password));
		st = terminal_quieten(&terminal);
		if (st == STATUS_OK) {
			write_all(terminal.fd, label, strlen(label));
			st = terminal_read_line(
			    terminal.fd, password, &signal_number);
			write_all(terminal.fd, "\n", 1);
		}
		terminal_restore(&terminal);
		/* Now it does what it would have done; SIGTSTP comes back. */
		if (signal_number != 0)
			(void)raise(signal_number);
	} while (signal_number == SIGTSTP || signal_number == SIGTTIN ||
		 signal_number == SIGTTOU);
	(void)close(terminal.fd);
	if (st == STATUS_OK) {
		*out = password;
		password = NULL; /* now the caller's */
	}
	prompt_password_free(password);
	return st;
}

enum status
prompt_password_read_fd(int fd, struct prompt_password **out)
{
	struct prompt_password *password = secret_new(sizeof(*password));
	enum status st = STATUS_OK;
	ssize_t got;
	char byte = 0;

	if (password == NULL)
		return STATUS_NOMEM;
	for (;;) {
		got = read(fd, &byte, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || byte == '\n')
			break;
		if (byte == '\0') {
			st = STATUS_INVALID;
			goto out;
		}
		if (password->size == PROMPT_PASSWORD_SIZE_MAX) {
			st = STATUS_TOO_LARGE;
			goto out;
		}
		password->text[password->size++] = byte;
	}
	if (got < 0) {
		st = STATUS_IO;
		goto out;
	}
	if (byte == '\n' && password->size > 0 &&
	    password->text[password->size - 1] == '\r')
		password->text[--password->size] = '\0';
	*out = password;
	password = NULL; /* now the caller's */
out:
	secret_wipe(&byte, sizeof(byte));
	prompt_password_free(password);
	return st;
}

enum status
prompt_password_read_file(const char *path, struct prompt_password **out)
{
	enum status st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int saved;

	if (fd < 0)
		return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
	st = prompt_password_read_fd(fd, out);
	saved = errno;
	(void)close(fd);
	errno = saved;
	return st;
}

void
prompt_password_free(struct prompt_password *password)
{
	secret_free(password);
}
