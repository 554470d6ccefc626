#ifndef PEYK_CLIENT_APPLICATION_H
#define PEYK_CLIENT_APPLICATION_H

#include <stdbool.h>

#include "base/status.h"
#include "client/account.h"
#include "client/arguments.h"
#include "client/error.h"
#include "client/exit_code.h"
#include "client/notice.h"
#include "client/output.h"
#include "client/prompt.h"
#include "client/session.h"

/*
 * What every command has: its arguments, where it prints, and the account it
 * works for. main() makes one and hands it to the command.
 */
struct application {
	struct arguments arguments;
	struct output output;
	struct client_options options; /* borrowed by account and session */
	struct account *account;       /* NULL until application_open() */
	struct session *session;
	/* Instead of printing them: set before a second thread begins. */
	void (*notice)(void *arg, const struct notice *notice);
	void *notice_arg;
	bool is_retrying; /* it was said that the server does not answer */
};

void application_init(struct application *application);

/* Closes session and account, wipes keys. */
void application_clear(struct application *application);

/*
 * Opens account and session of the user: name, or (NULL) the one of --as, or
 * the only one on this device. Asks for the password where no option tells
 * it. When it fails it says so: anything but EXIT_CODE_DONE ends the command.
 */
MUST_CHECK enum exit_code application_open(
    struct application *application, const char *name);

/*
 * The same for an account whose sign-up may not be finished; opens no
 * session.
 */
MUST_CHECK enum exit_code application_open_unfinished(
    struct application *application);

/*
 * The password by option or from the terminal; is_new asks twice and says
 * what is wrong with it. Says so itself when it fails.
 */
MUST_CHECK enum exit_code application_ask_password(
    struct application *application, const char *name, bool is_new,
    struct prompt_password **out);

/* Prints the error; returns its exit code. */
enum exit_code application_fail(
    const struct application *application, const struct client_error *error);

/* For a status that came without a text; doing as client_error_set_plain(). */
enum exit_code application_fail_plain(
    const struct application *application, enum status st, const char *doing);

/*
 * After a write to standard output failed: stops the command; output_finish()
 * will say why.
 */
enum exit_code application_fail_output(
    const struct application *application, enum status st);

/* The server answered again: says so if it was told that it did not. */
void application_note_answer(struct application *application);

#endif
