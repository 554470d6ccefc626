#include <stdio.h>
#include <string.h>

#include "base/crash.h"
#include "client/application.h"
#include "client/by_hand.h"
#include "client/command_table.h"
#include "client/message_json.h"
#include "client/message_json_read.h"
#include "client/peek.h"
#include "client/server_info_json.h"
#include "client/session_seal.h"
#include "client/target.h"
#include "client/tool_reply.h"
#include "gen/peyk/v1/messenger.grpc-c.h"

/* ---- What came ---- */

static enum exit_code
fail_nothing(const struct application *application)
{
	return output_error(&application->output, EXIT_CODE_FAILED,
	    "Standard input holds no reply that peyk understands.",
	    "Give it what grpcurl or buf curl prints, standard error too "
	    "(2>&1). If no server was reached, nothing was done: the request "
	    "can be sent again.");
}

/* A status without an envelope: anybody could have written it. */
static enum exit_code
fail_bare(const struct application *application,
    const struct rpc_sealed_method *method, const struct tool_reply *reply)
{
	static const char *const precondition[] = {
	    "FailedPrecondition", "failed_precondition", "9"};
	char code[64], message[512], text[1024], hint[256];
	bool is_key_change = false;

	for (size_t i = 0; i < 3; i++)
		if (strcmp(reply->code, precondition[i]) == 0)
			is_key_change = true;
	client_display(bytes_from_string(reply->code), code, sizeof(code));
	client_display(
	    bytes_from_string(reply->message), message, sizeof(message));
	(void)snprintf(text, sizeof(text),
	    "The call failed (%s: %s), and nobody vouches for that: nothing "
	    "is known of what was done.",
	    code, message);
	(void)snprintf(hint, sizeof(hint),
	    is_key_change ? "If the server has a new sealing key, this seals "
			    "the same request to it: peyk seal %s --again"
			  : "Send the same %s again, or leave it to the next "
			    "peyk command.",
	    method->name);
	return output_error(
	    &application->output, EXIT_CODE_UNREACHABLE, text, hint);
}

static enum exit_code
read_reply(const struct application *application, struct tool_reply *out)
{
	enum exit_code code;
	struct buf input;
	enum status st;

	buf_init(&input, MESSAGE_JSON_SIZE_MAX);
	code = by_hand_read_input(application, &input);
	if (code == EXIT_CODE_DONE) {
		st = tool_reply_read(buf_bytes(&input), out);
		if (st == STATUS_NOT_FOUND)
			code = fail_nothing(application);
		else if (st != STATUS_OK)
			code = application_fail_plain(
			    application, st, "read the reply");
	}
	buf_clear(&input);
	return code;
}

/* ---- What it says ---- */

/* The payload on standard output. */
static enum exit_code
print_payload(
    struct application *application, const struct session_opened *opened)
{
	struct output *output = &application->output;
	struct bytes body = opened->reply.outcome.body;
	json_t *payload = NULL;
	enum status st;

	st = message_json_decode(opened->method->response, body, &payload);
	if (st == STATUS_OK && application->arguments.reads_messages)
		st = peek_add_messages(application->session, body, payload);
	if (st == STATUS_OK) {
		st = output->is_json
			 ? output_json_take(output, payload)
			 : output_json_indented_take(output, payload);
		payload = NULL;
	}
	json_decref(payload);
	if (st == STATUS_INVALID)
		return output_error(output, EXIT_CODE_FAILED,
		    "The server did it, but its reply is not one of this "
		    "version.",
		    "");
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

/*
 * A reply is shown before it takes effect: twice rather than never. *code is
 * what comes of showing it; the status, with error, of all the rest.
 */
static enum status
show_and_accept(struct application *application,
    const struct rpc_sealed_method *method, const struct tool_reply *reply,
    enum exit_code *code, struct client_error *error)
{
	struct session_opened opened = {0};
	enum status st;

	*code = EXIT_CODE_DONE;
	if ((st = session_open_reply(application->session, method,
		 reply->envelopes, reply->envelope_count, &opened, error)) !=
	    STATUS_OK)
		return st;
	if (opened.reply.outcome.disposition ==
	    PEYK__V1__DISPOSITION__DISPOSITION_DONE)
		*code = print_payload(application, &opened);
	if (!application->output.has_failed) {
		crash_point("open.printed");
		st = session_accept_reply(application->session, &opened, error);
	}
	session_opened_clear(&opened);
	return st;
}

static enum exit_code
open_reply(struct application *application,
    const struct rpc_sealed_method *method, const struct tool_reply *reply)
{
	struct client_error error = {0};
	enum exit_code code;

	return show_and_accept(application, method, reply, &code, &error) ==
		       STATUS_OK
		   ? code
		   : application_fail(application, &error);
}

/* ---- Sign-up ---- */

/* The account is open now, or its folder goes. */
static enum exit_code
finish_sign_up(struct application *application)
{
	struct client_error error = {0};
	struct state_account row;
	char text[2048];
	enum status st;

	st = state_account_read(session_state(application->session), &row);
	session_close(application->session);
	application->session = NULL;
	if (st != STATUS_OK) {
		(void)state_error(&error, st);
		return application_fail(application, &error);
	}
	if (row.status == STATE_ACCOUNT_STATUS_REFUSED)
		return account_discard_refused(application->account, &error) ==
			       STATUS_OK
			   ? EXIT_CODE_REFUSED
			   : application_fail(application, &error);
	(void)snprintf(text, sizeof(text),
	    "The account is open. Its keys are in %s. Without this folder and "
	    "the password nobody can read your messages, not even you: keep "
	    "both.",
	    account_folder(application->account));
	output_say(&application->output, "signed_up", text);
	return EXIT_CODE_DONE;
}

static enum exit_code
open_sign_up(struct application *application, const struct tool_reply *reply)
{
	struct client_error error = {0};
	enum exit_code code;
	enum status st;

	if ((code = application_open_unfinished(application)) != EXIT_CODE_DONE)
		return code;
	st = session_open(application->account, &application->session, &error);
	if (st == STATUS_OK)
		st = show_and_accept(application, &messenger_sign_up_sealed,
		    reply, &code, &error);
	if (st != STATUS_OK && st != STATUS_DENIED && st != STATUS_EXISTS)
		return application_fail(application, &error);
	return code == EXIT_CODE_DONE ? finish_sign_up(application) : code;
}

/* ---- Who the server is ---- */

/* Whether the key is the one that is known, or that the address names. */
static enum exit_code
check_server(
    struct application *application, const struct channel_server_info *info)
{
	const struct arguments *arguments = &application->arguments;
	struct channel_address address = {0};
	struct client_error error = {0};
	enum exit_code code;
	bool is_same;

	if (arguments->as != NULL) {
		code = application_open_unfinished(application);
		if (code != EXIT_CODE_DONE)
			return code;
		is_same = signing_public_key_equal(&info->identity_key,
		    vault_server_key(account_vault(application->account)));
	} else {
		if (arguments->server != NULL &&
		    target_parse(arguments->server, &address, &error) !=
			STATUS_OK)
			return application_fail(application, &error);
		if (!address.has_fingerprint) {
			output_say(&application->output, "server_unknown",
			    "The server vouches for itself: compare the "
			    "fingerprint with what its owner tells you, or say "
			    "--as NAME to compare it with the one that this "
			    "account knows.");
			return EXIT_CODE_DONE;
		}
		is_same = channel_fingerprint_check(&address.fingerprint,
			      &info->identity_key) == STATUS_OK;
	}
	return is_same
		   ? EXIT_CODE_DONE
		   : output_error(&application->output, EXIT_CODE_KEY_CHANGED,
			 "This is another server: its identity key is not "
			 "the one that is known.",
			 "");
}

static enum exit_code
print_server_info(struct application *application, struct bytes text)
{
	struct output *output = &application->output;
	struct message_json_problem problem = {0};
	struct channel_server_info info;
	json_t *object = NULL;
	enum exit_code code;
	enum status st;

	st = server_info_json_read(text, &info, &object, &problem);
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		return output_error(output, EXIT_CODE_FAILED,
		    "Standard input holds no reply of GetServerInfo.",
		    problem.text);
	if (st == STATUS_FORGED)
		return output_error(output, EXIT_CODE_FAILED,
		    "The signature of the reply is wrong: it was altered.", "");
	if (st != STATUS_OK)
		return application_fail_plain(
		    application, st, "read the reply");
	code = check_server(application, &info);
	if (code != EXIT_CODE_DONE) {
		json_decref(object);
		return code;
	}
	st = output->is_json ? output_json_take(output, object)
			     : output_json_indented_take(output, object);
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

static enum exit_code
open_server_info(struct application *application)
{
	enum exit_code code;
	struct buf input;

	buf_init(&input, MESSAGE_JSON_SIZE_MAX);
	code = by_hand_read_input(application, &input);
	if (code == EXIT_CODE_DONE)
		code = print_server_info(application, buf_bytes(&input));
	buf_clear(&input);
	return code;
}

/* ---- The command ---- */

static enum exit_code
run(struct application *application)
{
	const struct rpc_sealed_method *method;
	struct tool_reply reply = {0};
	enum exit_code code;

	code = by_hand_find_method(
	    application, application->arguments.operands[0], &method);
	if (code != EXIT_CODE_DONE)
		return code;
	if (application->arguments.reads_messages &&
	    method != &messenger_poll_sealed)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "--read is for the reply of a Poll.",
		    "See “peyk help open”.");
	if (method == NULL)
		return open_server_info(application);
	/* First, so that what comes before it in a pipeline is done. */
	if ((code = read_reply(application, &reply)) != EXIT_CODE_DONE)
		return code;
	if (reply.envelope_count == 0)
		code = fail_bare(application, method, &reply);
	else if (method == &messenger_sign_up_sealed)
		code = open_sign_up(application, &reply);
	else if ((code = application_open(application, NULL)) == EXIT_CODE_DONE)
		code = open_reply(application, method, &reply);
	tool_reply_clear(&reply);
	return code;
}

const struct command cmd_open = {
    .name = "open",
    .operands = "METHOD",
    .summary = "read the reply of a call by hand",
    .help =
	"Reads from standard input what grpcurl or buf curl prints of a call "
	"whose\n"
	"request “peyk seal” made: its reply, or the error with its details. "
	"Prints the\n"
	"payload as JSON (SendResponse for Send), in one line with --json, and "
	"lets it\n"
	"take effect. Needs no server.\n"
	"\n"
	"A refusal is told with the server's own reason (exit code 6). A "
	"failure that the\n"
	"server has not sealed is not believed (exit code 3): nothing is "
	"known then.\n"
	"\n"
	"Of GetServerInfo it prints the ServerInfo, verified, and compares its "
	"key with\n"
	"the account's (--as) or with the fingerprint in the address.\n"
	"\n"
	"  --read    of a Poll: also what the messages say; “peyk poll” shows "
	"them still\n"
	"\n"
	"Example:\n"
	"  peyk seal Poll --as sara | grpcurl -insecure -d @ localhost:8022 "
	"\\\n"
	"      peyk.v1.Messenger/Poll 2>&1 | peyk open Poll --as sara --read\n",
    .options = COMMAND_OPTION_READ,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
