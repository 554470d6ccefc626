#include "client/application.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "client/home.h"
#include "client/interrupt.h"
#include "client/target.h"
#include "client/vault.h"

#define WHERE_A_PASSWORD_IS                                                    \
	"Use --password-file FILE, PEYK_PASSWORD_FILE or --password-fd "       \
	"NUMBER, or run peyk in a terminal."

void
application_note_answer(struct application *application)
{
	if (!application->is_retrying)
		return;
	application->is_retrying = false;
	output_say(
	    &application->output, "reconnected", "The server answers again.");
}

static void
tell_notice(void *arg, const struct notice *notice)
{
	struct application *application = arg;

	if (application->notice != NULL) {
		application->notice(application->notice_arg, notice);
		return;
	}
	if (notice->kind == NOTICE_RETRYING) {
		if (application->is_retrying)
			return;
		application->is_retrying = true;
	}
	if (notice->kind == NOTICE_RECONNECTED) {
		application_note_answer(application);
		return;
	}
	output_notice(&application->output, notice);
}

void
application_init(struct application *application)
{
	const struct arguments *arguments = &application->arguments;

	application->options = (struct client_options){
	    .home = arguments->home,
	    .server = arguments->server,
	    .uses_plaintext = arguments->uses_plaintext,
	    .forces_plaintext = arguments->forces_plaintext,
	    .timeout_ms = arguments->timeout_ms,
	    .interrupt = interrupt_flag(),
	    .notice = tell_notice,
	    .notice_arg = application,
	};
}

void
application_clear(struct application *application)
{
	session_close(application->session);
	application->session = NULL;
	account_free(application->account);
	application->account = NULL;
	arguments_clear(&application->arguments);
}

enum exit_code
application_fail(
    const struct application *application, const struct client_error *error)
{
	return output_error(&application->output, error->exit, error->text, "");
}

enum exit_code
application_fail_plain(
    const struct application *application, enum status st, const char *doing)
{
	struct client_error error = {0};

	(void)client_error_set_plain(&error, st, doing);
	return application_fail(application, &error);
}

enum exit_code
application_fail_output(const struct application *application, enum status st)
{
	if (application->output.has_failed)
		return EXIT_CODE_FAILED; /* output_finish() says why */
	return application_fail_plain(application, st, "print the result");
}

/* Others can read the password, and whoever runs this can change that. */
static void
warn_of_readers(const struct application *application, const char *path)
{
	struct stat about;
	char text[512];

	if (stat(path, &about) != 0 || !S_ISREG(about.st_mode) ||
	    about.st_uid != geteuid() ||
	    (about.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return;
	(void)snprintf(text, sizeof(text),
	    "Other users may read the password file %.300s: chmod 600 it.",
	    path);
	output_say(&application->output, "password_file_open", text);
}

static enum exit_code
fail_password(const struct application *application, enum status st)
{
	const struct arguments *arguments = &application->arguments;
	const char *cause = strerror(errno);
	char text[512];

	switch (st) {
	case STATUS_TOO_LARGE:
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "The password is longer than 1024 bytes.", "");
	case STATUS_INVALID:
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "A password cannot contain a zero byte.", "");
	case STATUS_CANCELLED:
		return output_error(&application->output, EXIT_CODE_FAILED,
		    *interrupt_flag() != 0 ? "Interrupted."
					   : "No password was given.",
		    "Nothing was done.");
	case STATUS_NOT_FOUND:
	case STATUS_IO:
		break;
	default:
		return application_fail_plain(
		    application, st, "read the password");
	}
	if (arguments->password_file != NULL)
		(void)snprintf(text, sizeof(text),
		    "The password file %.300s cannot be read: %s.",
		    arguments->password_file, cause);
	else if (arguments->password_fd >= 0)
		(void)snprintf(text, sizeof(text),
		    "The password cannot be read from descriptor %d: %s.",
		    arguments->password_fd, cause);
	else
		(void)snprintf(text, sizeof(text),
		    "There is no terminal to ask for the password.");
	return output_error(
	    &application->output, EXIT_CODE_USAGE, text, WHERE_A_PASSWORD_IS);
}

static enum status
ask(const char *format, const char *name, struct prompt_password **out)
{
	char label[2 * CLIENT_DISPLAY_SIZE], display[CLIENT_DISPLAY_SIZE];

	client_display(bytes_from_string(name), display, sizeof(display));
	(void)snprintf(label, sizeof(label), "%s %s: ", format, display);
	return prompt_password_ask(label, out);
}

enum exit_code
application_ask_password(struct application *application, const char *name,
    bool is_new, struct prompt_password **out)
{
	const struct arguments *arguments = &application->arguments;
	struct prompt_password *password = NULL, *again = NULL;
	struct client_error error = {0};
	enum exit_code code = EXIT_CODE_DONE;
	bool is_asked = false;
	enum status st;

	if (arguments->password_fd >= 0) {
		st = prompt_password_read_fd(arguments->password_fd, &password);
	} else if (arguments->password_file != NULL) {
		warn_of_readers(application, arguments->password_file);
		st = prompt_password_read_file(
		    arguments->password_file, &password);
	} else {
		is_asked = true;
		st = ask(is_new ? "New password for" : "Password of", name,
		    &password);
	}
	if (st != STATUS_OK)
		return fail_password(application, st);
	if (is_new) {
		st = vault_check_password(
		    bytes_make(password->text, password->size), &error);
		if (st != STATUS_OK) {
			code = application_fail(application, &error);
			goto out;
		}
	}
	if (is_new && is_asked) {
		st = ask("The same again for", name, &again);
		if (st != STATUS_OK) {
			code = fail_password(application, st);
			goto out;
		}
		if (again->size != password->size ||
		    memcmp(again->text, password->text, password->size) != 0) {
			code = output_error(&application->output,
			    EXIT_CODE_FAILED, "The two passwords differ.",
			    "Nothing was done; try again.");
			goto out;
		}
	}
	*out = password;
	password = NULL; /* now the caller's */
out:
	prompt_password_free(again);
	prompt_password_free(password);
	return code;
}

/* Which of several: the list, as a hint. */
static enum exit_code
fail_choice(
    const struct application *application, const struct home_accounts *accounts)
{
	char hint[1024] = "Name one with --as: ";
	size_t used = strlen(hint);

	if (accounts->count == 0)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "There is no account on this device, and --as names none.",
		    "Open one: peyk signup NAME --server HOST. Is --home, or "
		    "PEYK_HOME, right?");
	for (size_t i = 0; i < accounts->count && used < sizeof(hint) - 1; i++)
		used += (size_t)snprintf(hint + used, sizeof(hint) - used,
		    "%s%s at %s", i == 0 ? "" : ", ", accounts->items[i].name,
		    accounts->items[i].server);
	return output_error(&application->output, EXIT_CODE_USAGE,
	    "There are several accounts on this device.", hint);
}

/* The only account of the home (and of --server, if told) into *out. */
static enum exit_code
find_only_account(struct application *application, struct buf *out)
{
	const struct arguments *arguments = &application->arguments;
	struct home_accounts accounts = {0};
	struct channel_address address;
	struct client_error error = {0};
	char home[HOME_PATH_MAX];
	enum exit_code code = EXIT_CODE_DONE;

	if ((arguments->server != NULL && target_parse(arguments->server,
					      &address, &error) != STATUS_OK) ||
	    home_path(arguments->home, home, &error) != STATUS_OK ||
	    home_list(home, arguments->server != NULL ? &address : NULL,
		&accounts, &error) != STATUS_OK)
		return application_fail(application, &error);
	if (accounts.count != 1)
		code = fail_choice(application, &accounts);
	else if (buf_append_string(out, accounts.items[0].name) != STATUS_OK)
		code = application_fail_plain(
		    application, STATUS_NOMEM, "choose the account");
	home_accounts_clear(&accounts);
	return code;
}

/* Whose account, by name, --as, or because it is the only one. */
static enum exit_code
choose_account(
    struct application *application, struct buf *only, const char **name)
{
	enum exit_code code;
	enum status st;

	if (*name == NULL)
		*name = application->arguments.as;
	if (*name != NULL)
		return EXIT_CODE_DONE;
	if ((code = find_only_account(application, only)) != EXIT_CODE_DONE)
		return code;
	if ((st = buf_string(only, name)) != STATUS_OK)
		return application_fail_plain(
		    application, st, "choose the account");
	return EXIT_CODE_DONE;
}

/* The account alone. */
static enum exit_code
open_account(struct application *application, const char *name,
    enum status (*open)(const struct client_options *options, struct bytes name,
	struct bytes password, struct account **out,
	struct client_error *error))
{
	struct prompt_password *password = NULL;
	struct client_error error = {0};
	struct buf only;
	enum exit_code code;

	buf_init(&only, CLIENT_DISPLAY_SIZE);
	if ((code = choose_account(application, &only, &name)) !=
		EXIT_CODE_DONE ||
	    (code = application_ask_password(
		 application, name, false, &password)) != EXIT_CODE_DONE)
		goto out;
	if (open(&application->options, bytes_from_string(name),
		bytes_make(password->text, password->size),
		&application->account, &error) != STATUS_OK)
		code = application_fail(application, &error);
out:
	prompt_password_free(password);
	buf_clear(&only);
	return code;
}

enum exit_code
application_open(struct application *application, const char *name)
{
	struct client_error error = {0};
	enum exit_code code = open_account(application, name, account_open);

	if (code == EXIT_CODE_DONE &&
	    session_open(application->account, &application->session, &error) !=
		STATUS_OK)
		code = application_fail(application, &error);
	return code;
}

enum exit_code
application_open_unfinished(struct application *application)
{
	return open_account(application, NULL, account_open_unfinished);
}
