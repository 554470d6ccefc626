#include <unistd.h>

#include "client/application.h"
#include "client/arrivals.h"
#include "client/command_table.h"
#include "client/incoming.h"
#include "client/interrupt.h"

/*
 * How long one wait lasts that is to last for ever: after it, it is known that
 * the server answers.
 */
#define POLL_ROUND_MS 60000

/* Between attempts to reach a server that is away, twice as long each time. */
#define POLL_BACKOFF_MIN_MS 500
#define POLL_BACKOFF_MAX_MS 30000

/* Whatever is there, after a wait of wait_ms for the first. */
static enum status
receive_all(struct application *application, uint64_t wait_ms, size_t *received,
    struct client_error *error)
{
	struct incoming_query query = {.wait_ms = wait_ms};
	struct message_list messages = {0};
	size_t count;
	enum status st;

	do {
		st = incoming_receive(
		    application->session, &query, &messages, error);
		if (st != STATUS_OK)
			return st;
		application_note_answer(application);
		count = messages.count;
		if (count > 0)
			st = arrivals_print(&application->output,
			    application->session, &messages, error);
		message_list_clear(&messages);
		*received += count;
		query.wait_ms = 0;
	} while (st == STATUS_OK && count > 0);
	return st;
}

static enum exit_code
fail(const struct application *application, enum status st,
    const struct client_error *error)
{
	if (st == STATUS_IO && application->output.has_failed)
		return application_fail_output(application, st);
	return application_fail(application, error);
}

/* Says once that the server is away, and waits. */
static void
back_off(struct application *application, uint64_t *backoff_ms,
    const struct client_error *error)
{
	if (!application->is_retrying) {
		application->is_retrying = true;
		output_say(&application->output, "retrying", error->text);
	}
	(void)interrupt_wait(*backoff_ms);
	*backoff_ms = *backoff_ms * 2 < POLL_BACKOFF_MAX_MS
			  ? *backoff_ms * 2
			  : POLL_BACKOFF_MAX_MS;
}

/* Until a signal ends it: then all is well. */
static enum exit_code
follow(struct application *application)
{
	uint64_t backoff_ms = POLL_BACKOFF_MIN_MS;
	struct client_error error;
	size_t received = 0;
	enum status st;

	while (*interrupt_flag() == 0) {
		error = (struct client_error){0};
		/* After trouble without a wait, to see whether it is over. */
		st = receive_all(application,
		    application->is_retrying ? 0 : POLL_ROUND_MS, &received,
		    &error);
		if (st == STATUS_OK)
			backoff_ms = POLL_BACKOFF_MIN_MS;
		else if (st == STATUS_UNAVAILABLE || st == STATUS_TIMEOUT)
			back_off(application, &backoff_ms, &error);
		else if (st != STATUS_CANCELLED)
			return fail(application, st, &error);
	}
	return EXIT_CODE_DONE;
}

static enum exit_code
run(struct application *application)
{
	const struct arguments *arguments = &application->arguments;
	struct client_error error = {0};
	size_t received = 0;
	enum exit_code code;
	enum status st;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	if (arguments->is_following)
		return follow(application);
	st = receive_all(application,
	    arguments->has_wait ? arguments->wait_ms : 0, &received, &error);
	if (st != STATUS_OK)
		return fail(application, st, &error);
	if (received == 0 && isatty(STDERR_FILENO) &&
	    !application->output.is_json)
		output_say(
		    &application->output, "no_messages", "No new messages.");
	return EXIT_CODE_DONE;
}

const struct command cmd_poll = {
    .name = "poll",
    .operands = "",
    .summary = "fetch and show new messages",
    .help = "Shows the messages that have arrived, and what happened to "
	    "groups, each once, in\n"
	    "order.\n"
	    "\n"
	    "  --wait SECONDS   waits so long for the first, if there is "
	    "none yet\n"
	    "  --follow         shows what arrives until Ctrl-C, and "
	    "outlives restarts of the\n"
	    "                   server\n"
	    "\n"
	    "Example:\n"
	    "  peyk poll --as hassan --wait 30\n"
	    "  peyk poll --as hassan --follow --json\n",
    .options = COMMAND_OPTION_WAIT | COMMAND_OPTION_FOLLOW,
    .run = run,
};
