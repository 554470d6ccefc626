#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/application.h"
#include "client/command_table.h"
#include "client/group_sending.h"
#include "client/interrupt.h"
#include "client/line_reader.h"
#include "client/message_line.h"
#include "client/outgoing.h"
#include "client/progress.h"
#include "client/sent_line.h"

/*
 * What is read before it is sent: several requests' worth, so that one is
 * made up while the server works on another's, and no more memory than this.
 */
#define BATCH_MESSAGES_MAX 1024
#define BATCH_BYTES_MAX ((size_t)4 << 20)

/* Lines, and what became of them. All arrays have count entries. */
struct batch {
	struct buf texts; /* one behind the other */
	size_t count;
	size_t starts[BATCH_MESSAGES_MAX]; /* in texts */
	uint64_t numbers[BATCH_MESSAGES_MAX];
	uint64_t bytes[BATCH_MESSAGES_MAX]; /* of input up to its end */
	struct outgoing_message messages[BATCH_MESSAGES_MAX];
	struct outgoing_result results[BATCH_MESSAGES_MAX];
};

struct sending {
	struct application *application;
	const char *recipient;
	const struct group *group; /* NULL: to one recipient */
	struct line_reader reader;
	struct progress progress;
	struct batch *batch;
	uint64_t sent;        /* messages that the server has stored */
	uint64_t last_sent;   /* number of the line of the last of them */
	uint64_t waiting;     /* for the group's next key; sent later */
	const char *bad_line; /* what is wrong with the line at the reader */
	bool is_interrupted;
};

/* One message's result as JSON; number 0: it came as TEXT. */
static enum status
print_result(const struct sending *sending,
    const struct outgoing_result *result, uint64_t number)
{
	json_t *line =
	    number != 0 ? json_integer((json_int_t)number) : json_null();
	json_t *object =
	    sent_line_json(sending->recipient, sending->group, result);

	if (object == NULL) {
		json_decref(line);
	} else if (json_object_set_new(object, "line", line) != 0) {
		json_decref(object);
		object = NULL;
	}
	return output_json_take(&sending->application->output, object);
}

static enum status
send_messages(struct sending *sending, const struct outgoing_message *messages,
    size_t count, struct outgoing_result *results,
    void (*progress)(void *arg, size_t done), struct client_error *error)
{
	struct session *session = sending->application->session;

	if (sending->group != NULL)
		return group_send(session, sending->group, messages, count,
		    results, progress, sending, error);
	return outgoing_send(session, bytes_from_string(sending->recipient),
	    messages, count, results, progress, sending, error);
}

/* All is well, but the group's next key has not come. */
static enum exit_code
tell_waiting(struct sending *sending, const char *hint)
{
	char name[CLIENT_DISPLAY_SIZE], text[CLIENT_DISPLAY_SIZE + 128];

	sent_line_recipient(sending->recipient, sending->group, name);
	(void)snprintf(text, sizeof(text),
	    "%" PRIu64 " %s to %s %s for the group's next key.",
	    sending->waiting, sending->waiting == 1 ? "message" : "messages",
	    name, sending->waiting == 1 ? "waits" : "wait");
	return output_error(
	    &sending->application->output, EXIT_CODE_UNREACHABLE, text, hint);
}

static enum exit_code
send_one(struct sending *sending, const char *text)
{
	struct application *application = sending->application;
	struct outgoing_message message = {.text = bytes_from_string(text)};
	struct outgoing_result result = {.outcome = MESSAGE_OUTCOME_NOT_SENT};
	struct client_error error = {0};
	char name[CLIENT_DISPLAY_SIZE];
	bool is_sent;
	enum status st, printed = STATUS_OK;

	st = send_messages(sending, &message, 1, &result, NULL, &error);
	is_sent = result.outcome == MESSAGE_OUTCOME_STORED;
	sent_line_recipient(sending->recipient, sending->group, name);
	if (application->output.is_json)
		printed = print_result(sending, &result, 0);
	else if (st == STATUS_OK && is_sent)
		printed =
		    output_line(&application->output, "Sent to %s.", name);
	if (st == STATUS_OK && printed != STATUS_OK)
		return application_fail_output(application, printed);
	if (st == STATUS_OK && !is_sent) {
		sending->waiting = 1;
		return tell_waiting(sending,
		    "A later peyk command of this account sends it, as soon "
		    "as the key is there.");
	}
	if (st == STATUS_OK)
		return EXIT_CODE_DONE;
	return output_error(&application->output, error.exit, error.text,
	    result.outcome == MESSAGE_OUTCOME_PENDING
		? "The message is in the outbox: the next peyk command of "
		  "this account sends it, if it was not sent."
		: "Nothing was sent.");
}

static bool
is_full(const struct batch *batch)
{
	return batch->count == BATCH_MESSAGES_MAX ||
	       batch->texts.size >= BATCH_BYTES_MAX;
}

static enum status
add_line(struct sending *sending, struct bytes line)
{
	struct batch *batch = sending->batch;
	size_t start = batch->texts.size;
	enum status st;

	if (line.size == 0)
		return STATUS_OK;
	if (!text_is_utf8(line)) {
		sending->bad_line = "is not UTF-8";
		return STATUS_INVALID;
	}
	st = buf_append(&batch->texts, line);
	if (st != STATUS_OK)
		return st;
	batch->starts[batch->count] = start;
	batch->numbers[batch->count] = sending->reader.number;
	batch->bytes[batch->count] = sending->reader.bytes;
	batch->count++;
	return STATUS_OK;
}

/* Waits until there is input; false: there is none at once, or a signal. */
static bool
wait_for_input(struct sending *sending, int timeout_ms)
{
	struct pollfd sources[2] = {
	    {.fd = sending->reader.fd, .events = POLLIN},
	    {.fd = interrupt_fd(), .events = POLLIN}};

	while (*interrupt_flag() == 0) {
		int ready = poll(sources, 2, timeout_ms);

		if (ready > 0 && sources[0].revents != 0)
			return true;
		if (ready == 0)
			return false;
		if (ready > 0)
			(void)interrupt_take();
		else if (errno != EINTR)
			return true; /* let read() tell the cause */
	}
	sending->is_interrupted = true;
	return false;
}

/*
 * Fills the batch with the lines that are there, waiting for the first one
 * only: what a program writes now and then is sent as it comes.
 */
static enum status
collect(struct sending *sending)
{
	struct line_reader *reader = &sending->reader;
	struct batch *batch = sending->batch;
	struct bytes line;
	enum status st = STATUS_OK;

	batch->count = 0;
	buf_reset(&batch->texts);
	while (st == STATUS_OK && !is_full(batch)) {
		st = line_reader_take(reader, &line);
		if (st == STATUS_OK) {
			st = add_line(sending, line);
			continue;
		}
		if (st == STATUS_TOO_LARGE) {
			sending->bad_line = "is longer than 65,536 bytes, the "
					    "most that a message can have";
			return STATUS_INVALID;
		}
		st = STATUS_OK;
		if (reader->is_at_end ||
		    !wait_for_input(sending, batch->count == 0 ? -1 : 0))
			break;
		st = line_reader_fill(reader);
		if (st == STATUS_BUSY)
			st = STATUS_OK;
	}
	return st;
}

static void
note_progress(void *arg, size_t done)
{
	struct sending *sending = arg;

	if (done > 0)
		progress_update(&sending->progress,
		    sending->batch->bytes[done - 1], sending->sent + done);
}

/* Sends the batch; tells the results as JSON. */
static enum status
send_batch(struct sending *sending, struct client_error *error)
{
	struct batch *batch = sending->batch;
	struct output *output = &sending->application->output;
	enum status st, printed = STATUS_OK;

	for (size_t i = 0; i < batch->count; i++) {
		size_t end = i + 1 < batch->count ? batch->starts[i + 1]
						  : batch->texts.size;

		batch->messages[i] = (struct outgoing_message){
		    .text = bytes_make(batch->texts.data + batch->starts[i],
			end - batch->starts[i])};
		batch->results[i] = (struct outgoing_result){
		    .outcome = MESSAGE_OUTCOME_NOT_SENT};
	}
	st = send_messages(sending, batch->messages, batch->count,
	    batch->results, note_progress, error);
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->results[i].outcome == MESSAGE_OUTCOME_STORED) {
			sending->sent++;
			sending->last_sent = batch->numbers[i];
		} else if (batch->results[i].outcome ==
			   MESSAGE_OUTCOME_PENDING) {
			sending->waiting++;
		}
		if (output->is_json && printed == STATUS_OK)
			printed = print_result(
			    sending, &batch->results[i], batch->numbers[i]);
	}
	if (st == STATUS_OK && printed != STATUS_OK)
		st = client_error_set_plain(
		    error, printed, "print what was sent");
	return st;
}

/* What became of the lines when not all were sent. */
static void
account_for(const struct sending *sending, char *out, size_t size)
{
	const struct batch *batch = sending->batch;
	uint64_t first = 0, last = 0, unsent = 0;
	size_t used;

	for (size_t i = 0; i < batch->count; i++) {
		switch (batch->results[i].outcome) {
		case MESSAGE_OUTCOME_PENDING:
			first = first == 0 ? batch->numbers[i] : first;
			last = batch->numbers[i];
			break;
		case MESSAGE_OUTCOME_NOT_SENT:
		case MESSAGE_OUTCOME_UNKNOWN_RECIPIENT:
		case MESSAGE_OUTCOME_STALE_RECIPIENT:
		case MESSAGE_OUTCOME_REFUSED:
			unsent = unsent == 0 ? batch->numbers[i] : unsent;
			break;
		case MESSAGE_OUTCOME_STORED:
			break;
		}
	}
	if (unsent == 0)
		unsent =
		    (last > sending->last_sent ? last : sending->last_sent) + 1;
	used = (size_t)(sending->sent == 0
			    ? snprintf(out, size,
				  "Nothing is known to have been sent.")
			    : snprintf(out, size,
				  "The lines up to %" PRIu64
				  " were sent (%" PRIu64 " messages).",
				  sending->last_sent, sending->sent));
	if (first != 0 && used < size)
		used += (size_t)snprintf(out + used, size - used,
		    " Lines %" PRIu64 " to %" PRIu64
		    " are in the outbox: the next peyk command of this "
		    "account sends them, if they were not sent.",
		    first, last);
	if (used < size)
		(void)snprintf(out + used, size - used,
		    " From line %" PRIu64 " on nothing was sent.", unsent);
}

static enum exit_code
fail(struct sending *sending, const struct client_error *error)
{
	char hint[512];

	progress_clear(&sending->progress);
	account_for(sending, hint, sizeof(hint));
	return output_error(
	    &sending->application->output, error->exit, error->text, hint);
}

static enum exit_code
fail_line(struct sending *sending)
{
	struct client_error error = {.exit = EXIT_CODE_USAGE};
	char hint[256];

	progress_clear(&sending->progress);
	(void)snprintf(error.text, sizeof(error.text), "Line %" PRIu64 " %s.",
	    sending->reader.number, sending->bad_line);
	(void)snprintf(hint, sizeof(hint),
	    "What comes before it was sent (%" PRIu64
	    " messages); it and what follows were not.",
	    sending->sent);
	return output_error(
	    &sending->application->output, error.exit, error.text, hint);
}

static enum exit_code
finish(struct sending *sending)
{
	struct application *application = sending->application;
	char name[CLIENT_DISPLAY_SIZE];
	enum status st = STATUS_OK;

	progress_clear(&sending->progress);
	sent_line_recipient(sending->recipient, sending->group, name);
	if (sending->is_interrupted) {
		char hint[128];

		(void)snprintf(hint, sizeof(hint),
		    "%" PRIu64
		    " messages were sent, the last from line %" PRIu64 ".",
		    sending->sent, sending->last_sent);
		return output_error(&application->output, EXIT_CODE_FAILED,
		    "Interrupted.", hint);
	}
	if (sending->sent == 0 && sending->waiting == 0)
		output_say(&application->output, "nothing_to_send",
		    "Standard input had no text: nothing was sent.");
	else if (!application->output.is_json)
		st = output_line(&application->output,
		    "Sent %" PRIu64 " %s to %s.", sending->sent,
		    sending->sent == 1 ? "message" : "messages", name);
	if (st != STATUS_OK)
		return application_fail_output(application, st);
	if (sending->waiting > 0)
		return tell_waiting(sending,
		    "A later peyk command of this account sends them, as soon "
		    "as the key is there.");
	return EXIT_CODE_DONE;
}

/* Bytes of standard input that are still to come, if it is a file. */
static uint64_t
input_size(void)
{
	struct stat about;
	off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);

	if (at < 0 || fstat(STDIN_FILENO, &about) != 0 ||
	    !S_ISREG(about.st_mode) || about.st_size <= at)
		return 0;
	return (uint64_t)(about.st_size - at);
}

static enum exit_code
send_lines(struct sending *sending)
{
	struct client_error error = {0};
	enum status st, collected;

	progress_start(&sending->progress,
	    !sending->application->output.is_json, input_size());
	do {
		collected = collect(sending);
		if (sending->batch->count > 0) {
			st = send_batch(sending, &error);
			if (st != STATUS_OK)
				return fail(sending, &error);
		}
		if (sending->bad_line != NULL)
			return fail_line(sending);
		if (collected != STATUS_OK) {
			(void)client_error_set_plain(
			    &error, collected, "read standard input");
			return fail(sending, &error);
		}
	} while (!sending->is_interrupted &&
		 (sending->batch->count > 0 || !sending->reader.is_at_end));
	return finish(sending);
}

/* To a recipient or to a group, by an account that is open. */
static enum exit_code
send_text_or_lines(struct sending *sending, const char *text)
{
	struct application *application = sending->application;
	enum exit_code code;

	if (text != NULL)
		return send_one(sending, text);
	sending->batch = calloc(1, sizeof(*sending->batch));
	if (sending->batch == NULL)
		return application_fail_plain(
		    application, STATUS_NOMEM, "send messages");
	buf_init_secret(
	    &sending->batch->texts, BATCH_BYTES_MAX + OUTGOING_TEXT_MAX);
	line_reader_init(&sending->reader, STDIN_FILENO, OUTGOING_TEXT_MAX);
	if (isatty(STDIN_FILENO) && !application->output.is_json)
		output_say(&application->output, "reading",
		    "Every line is a message; Ctrl-D ends.");
	code = send_lines(sending);
	line_reader_clear(&sending->reader);
	buf_wipe(&sending->batch->texts);
	free(sending->batch);
	return code;
}

static enum exit_code
send_to_group(struct sending *sending, const char *text)
{
	struct application *application = sending->application;
	struct client_error error = {0};
	struct group group = {0};
	enum exit_code code;

	if (group_sending_find(application->session,
		bytes_from_string(sending->recipient), &group,
		&error) != STATUS_OK)
		return application_fail(application, &error);
	sending->group = &group;
	code = send_text_or_lines(sending, text);
	group_clear(&group);
	return code;
}

static enum exit_code
run(struct application *application)
{
	const struct arguments *arguments = &application->arguments;
	const char *text =
	    arguments->operand_count == 2 ? arguments->operands[1] : NULL;
	struct sending sending = {
	    .application = application, .recipient = arguments->operands[0]};
	enum exit_code code;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	return sending.recipient[0] == '@' ? send_to_group(&sending, text)
					   : send_text_or_lines(&sending, text);
}

const struct command cmd_send = {
    .name = "send",
    .operands = "RECIPIENT [TEXT]",
    .summary = "send a message, or every line of standard input",
    .help = "Sends TEXT. Without TEXT every line of standard input is a "
	    "message of its own,\n"
	    "of at most 65,536 bytes of UTF-8; empty lines are left out. "
	    "Lines are sent as\n"
	    "they come, many to a request. The first line that cannot be a "
	    "message ends it,\n"
	    "with its number; the lines before it are sent. RECIPIENT is a "
	    "name, or @ and the\n"
	    "name of a group.\n"
	    "\n"
	    "Examples:\n"
	    "  peyk send --as sara hassan 'salam mashti'\n"
	    "  peyk send --as sara @team 'salam'\n"
	    "  peyk send --as sara hassan <letters.txt\n",
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
