#include "client/screen.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* Lines that the arrow keys bring back. They are never written to a file. */
#define SCREEN_HISTORY_LINES 200

struct screen {
	EditLine *editor;
	HistoryW *history;
	wchar_t *prompt;
	screen_wait_fn *wait;
	void *arg;
	mbstate_t decoder;
	bool is_reading; /* the prompt is on the screen */
	bool is_plain;   /* a terminal that cannot move its cursor */
	bool is_stopped;
};

static wchar_t *
prompt_of(EditLine *editor)
{
	struct screen *screen = NULL;

	(void)el_wget(editor, EL_CLIENTDATA, &screen);
	return screen->prompt;
}

/*
 * libedit asks for the next character here: 1, 0 at the end, -1 to give up.
 * One byte at a time, so that what is not read yet stays in the terminal.
 */
static int
read_character(EditLine *editor, wchar_t *out)
{
	struct screen *screen = NULL;
	char byte;
	ssize_t got;
	size_t used;

	(void)el_wget(editor, EL_CLIENTDATA, &screen);
	for (;;) {
		switch (screen->wait(screen->arg, STDIN_FILENO)) {
		case SCREEN_WAIT_STOP:
			screen->is_stopped = true;
			return -1;
		case SCREEN_WAIT_CLEAR:
			/* Ctrl-U: libedit empties the line itself. */
			screen->decoder = (mbstate_t){0};
			*out = L'\x15';
			return 1;
		case SCREEN_WAIT_INPUT:
			break;
		}
		got = read(STDIN_FILENO, &byte, 1);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return (int)got;
		used = mbrtowc(out, &byte, 1, &screen->decoder);
		if (used == (size_t)-2)
			continue; /* more bytes belong to it */
		if (used == (size_t)-1) {
			screen->decoder = (mbstate_t){0};
			*out = L'\xfffd';
		}
		return 1;
	}
}

/* UTF-8 (or what the locale has) to wide characters; NULL: no memory. */
static wchar_t *
widen(const char *text)
{
	size_t size = strlen(text) + 1;
	wchar_t *wide = calloc(size, sizeof(*wide));

	if (wide != NULL && mbstowcs(wide, text, size) == (size_t)-1)
		(void)wcscpy(wide, L"> ");
	return wide;
}

enum status
screen_open(
    const char *prompt, screen_wait_fn *wait, void *arg, struct screen **out)
{
	struct screen *screen = NULL;
	const char *terminal = getenv("TERM");
	HistEventW event;
	enum status st = STATUS_NOMEM;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return STATUS_INVALID;
	screen = calloc(1, sizeof(*screen));
	if (screen == NULL)
		goto out;
	screen->wait = wait;
	screen->arg = arg;
	screen->is_plain = terminal == NULL || *terminal == '\0' ||
			   strcmp(terminal, "dumb") == 0;
	screen->prompt = widen(prompt);
	screen->history = history_winit();
	screen->editor = el_init("peyk", stdin, stdout, stderr);
	if (screen->prompt == NULL || screen->history == NULL ||
	    screen->editor == NULL)
		goto out;
	(void)history_w(
	    screen->history, &event, H_SETSIZE, SCREEN_HISTORY_LINES);
	(void)history_w(screen->history, &event, H_SETUNIQUE, 1);
	/* Signals are the caller's: libedit's handlers are not safe. */
	if (el_wset(screen->editor, EL_CLIENTDATA, screen) != 0 ||
	    el_wset(screen->editor, EL_PROMPT, prompt_of) != 0 ||
	    el_wset(screen->editor, EL_EDITOR, L"emacs") != 0 ||
	    el_wset(screen->editor, EL_SIGNAL, 0) != 0 ||
	    el_wset(screen->editor, EL_HIST, history_w, screen->history) != 0 ||
	    el_wset(screen->editor, EL_GETCFN, read_character) != 0) {
		st = STATUS_INTERNAL;
		goto out;
	}
	(void)el_source(screen->editor, NULL); /* most people have no .editrc */
	*out = screen;
	screen = NULL; /* now the caller's */
	st = STATUS_OK;
out:
	screen_close(screen);
	return st;
}

void
screen_close(struct screen *screen)
{
	if (screen == NULL)
		return;
	if (screen->editor != NULL)
		el_end(screen->editor);
	if (screen->history != NULL)
		history_wend(screen->history);
	free(screen->prompt);
	free(screen);
}

/* A wide line as UTF-8 into line. */
static enum status
narrow(const wchar_t *wide, size_t count, struct buf *line)
{
	mbstate_t state = {0};
	char bytes[MB_LEN_MAX];
	enum status st = STATUS_OK;

	for (size_t i = 0; i < count && st == STATUS_OK; i++) {
		size_t size = wcrtomb(bytes, wide[i], &state);

		if (size == (size_t)-1) {
			state = (mbstate_t){0};
			continue;
		}
		st = buf_append(line, bytes_make(bytes, size));
	}
	return st;
}

/* Leaves the line of the prompt. */
static void
end_line(void)
{
	/* If nobody sees it, nothing is lost. */
	(void)putc('\n', stdout);
	(void)fflush(stdout);
}

enum status
screen_read(struct screen *screen, struct buf *line)
{
	const wchar_t *wide;
	HistEventW event;
	int count = 0;

	screen->is_stopped = false;
	screen->is_reading = true;
	wide = el_wgets(screen->editor, &count);
	screen->is_reading = false;
	if (screen->is_stopped || wide == NULL || count <= 0) {
		/* The cursor still stands behind the prompt. */
		end_line();
		return screen->is_stopped ? STATUS_CANCELLED : STATUS_NOT_FOUND;
	}
	while (
	    count > 0 && (wide[count - 1] == L'\n' || wide[count - 1] == L'\r'))
		count--;
	if (count > 0)
		(void)history_w(screen->history, &event, H_ENTER, wide);
	return narrow(wide, (size_t)count, line);
}

/* Where the cursor is after these characters, as libedit lays them out. */
static void
advance(const wchar_t *text, size_t count, int columns, int *row, int *column)
{
	for (size_t i = 0; i < count; i++) {
		int width = wcwidth(text[i]);

		if (text[i] == L'\t')
			width = 8 - *column % 8;
		else if (width < 0)
			width = text[i] < 0x80 ? 2 : 8; /* ^X, \U+XXXX */
		if (*column + width > columns) {
			*column = 0;
			(*row)++;
		}
		*column += width;
		if (*column >= columns) {
			*column = 0;
			(*row)++;
		}
	}
}

/* From the cursor to the first row of the prompt; clears from there on. */
static enum status
erase(const struct screen *screen)
{
	const LineInfoW *info = el_wline(screen->editor);
	struct winsize size = {0};
	int columns = 80, row = 0, column = 0;
	char sequence[32];
	int length;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		columns = size.ws_col;
	advance(screen->prompt, wcslen(screen->prompt), columns, &row, &column);
	if (info != NULL)
		advance(info->buffer, (size_t)(info->cursor - info->buffer),
		    columns, &row, &column);
	length = row > 0 ? snprintf(sequence, sizeof(sequence),
			       "\r\033[%dA\033[J", row)
			 : snprintf(sequence, sizeof(sequence), "\r\033[J");
	return fwrite(sequence, 1, (size_t)length, stdout) == (size_t)length
		   ? STATUS_OK
		   : STATUS_IO;
}

enum status
screen_print(struct screen *screen, struct bytes lines)
{
	enum status st = STATUS_OK;

	if (screen->is_reading)
		st = screen->is_plain
			 ? (putc('\n', stdout) == EOF ? STATUS_IO : STATUS_OK)
			 : erase(screen);
	/* In raw mode libedit leaves output processing on: \n is enough. */
	if (st == STATUS_OK &&
	    ((lines.size > 0 &&
		 fwrite(lines.data, 1, lines.size, stdout) != lines.size) ||
		putc('\n', stdout) == EOF || fflush(stdout) != 0))
		st = STATUS_IO;
	if (screen->is_reading)
		(void)el_wset(screen->editor, EL_REFRESH);
	return st;
}

bool
screen_has_input(const struct screen *screen)
{
	const LineInfoW *info = el_wline(screen->editor);

	return screen->is_reading && info != NULL &&
	       info->lastchar > info->buffer;
}

void
screen_resize(struct screen *screen)
{
	/* Terminals fold long lines anew, so the new width counts. */
	if (screen->is_reading && !screen->is_plain)
		(void)erase(screen);
	(void)fflush(stdout);
	el_resize(screen->editor);
	if (screen->is_reading)
		(void)el_wset(screen->editor, EL_REFRESH);
}

void
screen_suspend(struct screen *screen)
{
	if (screen->is_reading)
		(void)el_wset(screen->editor, EL_PREP_TERM, 0);
	end_line();
}

void
screen_resume(struct screen *screen)
{
	if (!screen->is_reading)
		return;
	(void)el_wset(screen->editor, EL_PREP_TERM, 1);
	(void)el_wset(screen->editor, EL_REFRESH);
}
