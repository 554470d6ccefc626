#include "base/name.h"
#include "channel/server_info.h"
#include "client/application.h"
#include "client/command_table.h"
#include "client/target.h"

static enum exit_code
report(struct application *application)
{
	const struct account *account = application->account;
	const struct vault *vault = account_vault(account);
	char fingerprint[CHANNEL_FINGERPRINT_LENGTH + 1] = "";
	char server[TARGET_SIZE], name[CLIENT_DISPLAY_SIZE];
	enum status st;

	st = channel_fingerprint(vault_server_key(vault), fingerprint);
	if (st != STATUS_OK)
		return application_fail_plain(
		    application, st, "show the server's fingerprint");
	target_format(account_address(account), server);
	client_display(
	    bytes_from_string(vault_name(vault)), name, sizeof(name));
	if (application->output.is_json)
		st = output_json_take(&application->output,
		    json_pack("{s:s, s:o, s:o, s:s, s:o}", "event", "signed_up",
			"name",
			output_json_text(bytes_from_string(vault_name(vault))),
			"server", output_json_text(bytes_from_string(server)),
			"server_fingerprint", fingerprint, "folder",
			output_json_text(
			    bytes_from_string(account_folder(account)))));
	else
		st = output_line(&application->output,
		    "%s has an account at %s now.\n"
		    "The server's fingerprint: %s\n"
		    "Your keys are in %s. Without this folder and the "
		    "password nobody can read your messages, not even you: "
		    "keep both.",
		    name, server, fingerprint, account_folder(account));
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

static enum exit_code
run(struct application *application)
{
	const struct arguments *arguments = &application->arguments;
	const char *name = arguments->operands[0];
	struct prompt_password *password = NULL;
	struct client_error error = {0};
	enum name_problem problem = name_check(bytes_from_string(name));
	enum exit_code code;
	enum status st;

	if (problem != NAME_PROBLEM_NONE)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    name_problem_text(problem),
		    "A name such as client#2 or سارا is fine.");
	if (arguments->server == NULL)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    "At which server? Neither --server nor PEYK_SERVER tells.",
		    "For example: peyk signup sara --server localhost:8022");
	code = application_ask_password(application, name, true, &password);
	if (code != EXIT_CODE_DONE)
		return code;
	st = account_sign_up(&application->options, bytes_from_string(name),
	    bytes_make(password->text, password->size), arguments->invite,
	    &application->account, &error);
	prompt_password_free(password);
	return st == STATUS_OK ? report(application)
			       : application_fail(application, &error);
}

const struct command cmd_signup = {
    .name = "signup",
    .operands = "NAME",
    .summary = "open an account",
    .help = "Makes a key pair, opens an account of this name at the "
	    "server, and keeps the\n"
	    "private key on this device, encrypted under a password of 8 "
	    "to 1024 bytes.\n"
	    "If it is interrupted, run it again: it goes on where it "
	    "was.\n"
	    "\n"
	    "  --invite TOKEN   where the server asks for an invitation\n"
	    "\n"
	    "Example:\n"
	    "  peyk signup sara --server peyk://chat.example:8022\n",
    .options = COMMAND_OPTION_INVITE,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
