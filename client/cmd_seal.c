#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "client/application.h"
#include "client/by_hand.h"
#include "client/command_table.h"
#include "client/history.h"
#include "client/letters.h"
#include "client/message_json.h"
#include "client/message_json_read.h"
#include "client/session_seal.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* What is to be sealed. */
struct sealing {
	struct application *application;
	const struct rpc_sealed_method *method;
	json_t *payload;
	/* Messages in words: {"to": …, "text": …}. */
	size_t count;
	struct contact *contacts;
	struct letter *letters;
	uint8_t (*ids)[MESSAGE_ID_SIZE];
};

static enum exit_code
fail_payload(const struct application *application, enum status st,
    const struct message_json_problem *problem)
{
	if (st == STATUS_INVALID)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    problem->text,
		    "Nothing was sealed. The payload's fields are those of "
		    "the .proto file; bytes are written in base64.");
	if (st == STATUS_TOO_LARGE)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "The payload is larger than any request: 4 MiB, or 8 MiB "
		    "of JSON.",
		    "Nothing was sealed.");
	return application_fail_plain(application, st, "read the payload");
}

static enum exit_code
fail_place(
    const struct application *application, size_t index, const char *what)
{
	struct message_json_problem problem;

	(void)snprintf(problem.text, sizeof(problem.text),
	    "$.messages[%zu]: %s", index, what);
	return fail_payload(application, STATUS_INVALID, &problem);
}

/* JSON is an operand, or standard input for "-", or nothing. */
static enum exit_code
read_payload(struct sealing *sealing)
{
	const struct application *application = sealing->application;
	const struct arguments *arguments = &application->arguments;
	const char *operand =
	    arguments->operand_count > 1 ? arguments->operands[1] : "{}";
	struct message_json_problem problem = {0};
	struct bytes text = bytes_from_string(operand);
	enum exit_code code = EXIT_CODE_DONE;
	struct buf input;
	enum status st;

	buf_init_secret(&input, MESSAGE_JSON_SIZE_MAX);
	if (strcmp(operand, "-") == 0) {
		code = by_hand_read_input(application, &input);
		text = buf_bytes(&input);
	}
	if (code == EXIT_CODE_DONE &&
	    (st = message_json_parse(text, &sealing->payload, &problem)) !=
		STATUS_OK)
		code = fail_payload(application, st, &problem);
	buf_wipe(&input);
	return code;
}

static enum exit_code
print_sealed(struct application *application,
    const struct channel_sealed_request *sealed)
{
	Peyk__V1__SealedRequest view = PEYK__V1__SEALED_REQUEST__INIT;
	json_t *object = NULL;
	enum status st;

	channel_sealed_request_view(sealed, &view);
	if ((st = message_json_write(&view.base, &object)) == STATUS_OK)
		st = output_json_take(&application->output, object);
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

/* ---- Any payload ---- */

static enum status
append_body(struct session *session, void *arg, uint64_t sequence,
    struct buf *body, struct client_error *error)
{
	const struct buf *given = arg;
	enum status st;

	(void)session;
	(void)sequence;
	if ((st = buf_append(body, buf_bytes(given))) != STATUS_OK)
		return client_error_set_plain(error, st, "write the request");
	return STATUS_OK;
}

static enum exit_code
seal_and_print(
    struct application *application, const struct session_request *request)
{
	struct channel_sealed_request sealed = {0};
	struct client_error error = {0};
	enum exit_code code;

	if (session_seal(application->session, request, &sealed, &error) !=
	    STATUS_OK)
		return application_fail(application, &error);
	code = print_sealed(application, &sealed);
	channel_sealed_request_clear(&sealed);
	return code;
}

static enum exit_code
seal_payload(struct sealing *sealing)
{
	struct application *application = sealing->application;
	struct message_json_problem problem = {0};
	struct buf body;
	const struct session_request request = {
	    .method = sealing->method,
	    .prepare = append_body,
	    .arg = &body,
	};
	enum exit_code code;
	enum status st;

	buf_init(&body, WIRE_BODY_MAX);
	st = message_json_encode(
	    sealing->method->request, sealing->payload, &body, &problem);
	code = st != STATUS_OK ? fail_payload(application, st, &problem)
			       : application_open(application, NULL);
	if (code == EXIT_CODE_DONE)
		code = seal_and_print(application, &request);
	buf_clear(&body);
	return code;
}

/* ---- Messages in words ---- */

static bool
is_in_words(const json_t *message)
{
	return json_object_get(message, "to") != NULL ||
	       json_object_get(message, "text") != NULL;
}

/* Whether any message of a Send is. */
static bool
has_words(const struct sealing *sealing)
{
	const json_t *messages = json_object_get(sealing->payload, "messages");

	if (sealing->method != &messenger_send_sealed)
		return false;
	for (size_t i = 0; i < json_array_size(messages); i++)
		if (is_in_words(json_array_get(messages, i)))
			return true;
	return false;
}

/* All messages, or none, and nothing else beside them. */
static enum exit_code
check_words(const struct sealing *sealing)
{
	const struct application *application = sealing->application;
	const json_t *messages = json_object_get(sealing->payload, "messages");
	size_t count = json_array_size(messages);
	struct client_error error = {0};

	if (json_object_size(sealing->payload) != 1)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "$: there is more than “messages”.", "Nothing was sealed.");
	if (count > WIRE_MESSAGES_PER_SEND)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "$.messages: a request takes 256 messages at most.",
		    "Nothing was sealed.");
	for (size_t i = 0; i < count; i++) {
		const json_t *message = json_array_get(messages, i);
		const json_t *text = json_object_get(message, "text");

		if (!is_in_words(message))
			return fail_place(application, i,
			    "either all messages have “to” and “text”, or "
			    "none has");
		if (json_object_size(message) != 2 || !json_is_string(text) ||
		    !json_is_string(json_object_get(message, "to")))
			return fail_place(application, i,
			    "it needs “to” and “text”, two strings, and "
			    "nothing else");
		if (json_string_value(json_object_get(message, "to"))[0] == '@')
			return fail_place(application, i,
			    "“to” is a user; “peyk send” encrypts for a group");
		if (letters_check_text(bytes_make(json_string_value(text),
					   json_string_length(text)),
			i, count, &error) != STATUS_OK)
			return application_fail(application, &error);
	}
	return EXIT_CODE_DONE;
}

/* The contact of a name; one that was met before is used again. */
static enum status
find_contact(struct sealing *sealing, size_t index, const json_t *messages,
    struct client_error *error)
{
	struct application *application = sealing->application;
	struct contact *contact = &sealing->contacts[index];
	const char *to = json_string_value(
	    json_object_get(json_array_get(messages, index), "to"));
	enum status st;

	for (size_t i = 0; i < index; i++) {
		const char *other = json_string_value(
		    json_object_get(json_array_get(messages, i), "to"));

		if (strcmp(to, other) == 0) {
			sealing->letters[index].contact =
			    sealing->letters[i].contact;
			return STATUS_OK;
		}
	}
	if ((st = contacts_resolve(application->session, bytes_from_string(to),
		 contact, error)) != STATUS_OK ||
	    (st = contacts_check_unchanged(contact, error)) != STATUS_OK)
		return st;
	sealing->letters[index].contact = contact;
	return STATUS_OK;
}

static enum status
write_letters(struct sealing *sealing, struct client_error *error)
{
	const json_t *messages = json_object_get(sealing->payload, "messages");
	size_t count = json_array_size(messages);
	enum status st;

	sealing->contacts = calloc(count, sizeof(*sealing->contacts));
	sealing->letters = calloc(count, sizeof(*sealing->letters));
	sealing->ids = calloc(count, sizeof(*sealing->ids));
	if (sealing->contacts == NULL || sealing->letters == NULL ||
	    sealing->ids == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "seal the messages");
	sealing->count = count;
	for (size_t i = 0; i < count; i++) {
		const json_t *text =
		    json_object_get(json_array_get(messages, i), "text");

		random_bytes(sealing->ids[i], sizeof(sealing->ids[i]));
		sealing->letters[i].id = sealing->ids[i];
		sealing->letters[i].text = bytes_make(
		    json_string_value(text), json_string_length(text));
		if ((st = find_contact(sealing, i, messages, error)) !=
		    STATUS_OK)
			return st;
	}
	return STATUS_OK;
}

static enum status
append_letters(struct session *session, void *arg, uint64_t sequence,
    struct buf *body, struct client_error *error)
{
	const struct sealing *sealing = arg;

	return letters_prepare(
	    session, sealing->letters, sealing->count, sequence, body, error);
}

static enum exit_code
seal_words(struct sealing *sealing)
{
	struct application *application = sealing->application;
	const struct session_request request = {
	    .method = sealing->method,
	    .prepare = append_letters,
	    .arg = sealing,
	};
	struct client_error error = {0};
	enum exit_code code;

	if ((code = check_words(sealing)) != EXIT_CODE_DONE ||
	    (code = application_open(application, NULL)) != EXIT_CODE_DONE)
		return code;
	if (write_letters(sealing, &error) != STATUS_OK)
		return application_fail(application, &error);
	return seal_and_print(application, &request);
}

static void
sealing_clear(struct sealing *sealing)
{
	for (size_t i = 0; i < sealing->count; i++)
		contact_clear(&sealing->contacts[i]);
	free(sealing->contacts);
	free(sealing->letters);
	free(sealing->ids);
	json_decref(sealing->payload);
}

/* ---- Again ---- */

/* Of the account that is open, in a session of its own. */
static enum exit_code
seal_again(
    struct application *application, const struct rpc_sealed_method *method)
{
	struct channel_sealed_request sealed = {0};
	struct client_error error = {0};
	enum exit_code code;

	if ((application->session == NULL &&
		session_open(application->account, &application->session,
		    &error) != STATUS_OK) ||
	    session_seal_again(application->session, method, &sealed, &error) !=
		STATUS_OK)
		return application_fail(application, &error);
	code = print_sealed(application, &sealed);
	channel_sealed_request_clear(&sealed);
	return code;
}

/* ---- Sign-up ---- */

static enum exit_code
start_account(
    struct application *application, const Peyk__V1__SignUpRequest *request)
{
	const char *name = application->arguments.as;
	struct account_sign_up sign_up = {
	    .nonce = wire_bytes(request->nonce),
	    .password_proof = wire_bytes(request->password_proof),
	    .invite =
		request->invite_token[0] != '\0' ? request->invite_token : NULL,
	};
	struct prompt_password *password = NULL;
	struct client_error error = {0};
	enum exit_code code;

	if (request->identity != NULL)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "$.identity: this is filled in, with keys that are made "
		    "here.",
		    "Nothing was sealed.");
	code = application_ask_password(application, name, true, &password);
	if (code != EXIT_CODE_DONE)
		return code;
	if (account_prepare_sign_up(&application->options,
		bytes_from_string(name),
		bytes_make(password->text, password->size), &sign_up,
		&application->account, &error) != STATUS_OK)
		code = application_fail(application, &error);
	prompt_password_free(password);
	return code;
}

/* The account is made first; its request is then in the outbox. */
static enum exit_code
seal_sign_up(struct sealing *sealing)
{
	struct application *application = sealing->application;
	const struct arguments *arguments = &application->arguments;
	struct message_json_problem problem = {0};
	Peyk__V1__SignUpRequest *request = NULL;
	enum exit_code code;
	struct buf body;
	enum status st;

	if (arguments->as == NULL || arguments->server == NULL)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    arguments->as == NULL
			? "Which name? Neither --as nor PEYK_AS tells."
			: "At which server? Neither --server nor PEYK_SERVER "
			  "tells.",
		    "For example: peyk seal SignUp --as sara --server "
		    "localhost:8022");
	buf_init_secret(&body, WIRE_BODY_MAX);
	st = message_json_encode(
	    sealing->method->request, sealing->payload, &body, &problem);
	if (st == STATUS_OK)
		st = wire_unpack(sealing->method->request, buf_bytes(&body),
		    WIRE_BODY_MAX, &request);
	code = st != STATUS_OK ? fail_payload(application, st, &problem)
			       : start_account(application, request);
	if (code == EXIT_CODE_DONE)
		code = seal_again(application, sealing->method);
	wire_free(request);
	buf_wipe(&body);
	return code;
}

/* ---- The command ---- */

static enum exit_code
run_again(struct sealing *sealing)
{
	struct application *application = sealing->application;
	enum exit_code code;

	if (application->arguments.operand_count > 1)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "--again seals what was sealed before: it takes no JSON.",
		    "See “peyk help seal”.");
	code = sealing->method == &messenger_sign_up_sealed
		   ? application_open_unfinished(application)
		   : application_open(application, NULL);
	return code == EXIT_CODE_DONE ? seal_again(application, sealing->method)
				      : code;
}

static enum exit_code
run(struct application *application)
{
	struct sealing sealing = {.application = application};
	enum exit_code code;

	code = by_hand_find_method(
	    application, application->arguments.operands[0], &sealing.method);
	if (code != EXIT_CODE_DONE)
		return code;
	if (sealing.method == NULL)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "GetServerInfo is not sealed: its request is {}.",
		    "For example: grpcurl -insecure localhost:8022 "
		    "peyk.v1.Messenger/GetServerInfo");
	if (application->arguments.seals_again)
		return run_again(&sealing);
	if ((code = read_payload(&sealing)) == EXIT_CODE_DONE) {
		if (sealing.method == &messenger_sign_up_sealed)
			code = seal_sign_up(&sealing);
		else if (has_words(&sealing))
			code = seal_words(&sealing);
		else
			code = seal_payload(&sealing);
	}
	sealing_clear(&sealing);
	return code;
}

const struct command cmd_seal = {
    .name = "seal",
    .operands = "METHOD [JSON|-]",
    .summary = "make the request of a call by hand",
    .help =
	"Prints the SealedRequest of a call, in one line of JSON, for grpcurl "
	"and its\n"
	"like; “peyk open” reads the reply. METHOD is a sealed one of the "
	"service, for\n"
	"example SignUp, GetPublicKey, Send, Poll or GetGroup; JSON is its "
	"payload as the\n"
	".proto file has it (SendRequest for Send), bytes in base64; “-” "
	"reads it from\n"
	"standard input, without JSON it is empty.\n"
	"\n"
	"In a Send, messages can say {\"to\": NAME, \"text\": TEXT}; they are "
	"encrypted then.\n"
	"In a SignUp everything is filled in; --as, --server and the password "
	"are those\n"
	"of the new account, and JSON may have an inviteToken.\n"
	"\n"
	"The request is in the outbox from now on. If its reply is not "
	"opened, the next\n"
	"command of the account sends it itself; nothing is done twice.\n"
	"\n"
	"  --again   seals the same request once more\n"
	"\n"
	"Examples:\n"
	"  peyk seal Poll --as sara | grpcurl -insecure -d @ localhost:8022 "
	"\\\n"
	"      peyk.v1.Messenger/Poll 2>&1 | peyk open Poll --as sara\n"
	"  peyk seal Send --as sara \\\n"
	"      '{\"messages\":[{\"to\":\"hassan\",\"text\":\"salam\"}]}'\n",
    .options = COMMAND_OPTION_AGAIN,
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
