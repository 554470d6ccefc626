#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/process.h"
#include "client/application.h"
#include "client/command_table.h"
#include "client/interrupt.h"
#include "crypto/crypto.h"

#ifndef PEYK_VERSION
#define PEYK_VERSION "0"
#endif

static const struct command cmd_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .summary = "explain a command",
    .help = "Lists the commands, or explains one.\n"
	    "\n"
	    "Example:\n"
	    "  peyk help send\n",
    .operands_max = 1,
};

static const struct command *const commands[] = {
    &cmd_signup,
    &cmd_whoami,
    &cmd_send,
    &cmd_poll,
    &cmd_chat,
    &cmd_history,
    &cmd_contacts,
    &cmd_verify,
    &cmd_seal,
    &cmd_open,
    &cmd_help,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const char global_options[] =
    "Options of all commands, in any place (or in the environment, or in\n"
    "~/.config/peyk/config as “server = …”; options come first):\n"
    "  --as NAME              whose account (PEYK_AS); may be left out if "
    "there is one\n"
    "  --server ADDRESS       host, host:port or peyk://host:port#fingerprint "
    "(PEYK_SERVER)\n"
    "  --home FOLDER          where accounts are kept (PEYK_HOME)\n"
    "  --password-file FILE   its first line (PEYK_PASSWORD_FILE)\n"
    "  --password-fd NUMBER   the first line of a descriptor\n"
    "  --timeout SECONDS      how long to try to reach the server (30; "
    "PEYK_TIMEOUT)\n"
    "  --plaintext            without TLS, on this machine only "
    "(PEYK_PLAINTEXT)\n"
    "  --json                 one JSON object a line\n"
    "  --help, --version\n";

static enum status
print_overview(struct output *output)
{
	enum status st;

	st = output_line(output,
	    "Peyk, a messenger whose server cannot read the messages.\n"
	    "\n"
	    "Usage: peyk COMMAND …\n");
	for (size_t i = 0; i < COMMAND_COUNT && st == STATUS_OK; i++) {
		char usage[64];

		(void)snprintf(usage, sizeof(usage), "%s %s", commands[i]->name,
		    commands[i]->operands);
		st = output_line(
		    output, "  %-24s %s", usage, commands[i]->summary);
	}
	if (st == STATUS_OK)
		st = output_line(output,
		    "\n%s\n“peyk help COMMAND” explains one. Exit codes: 0 "
		    "done, 1 failed, 2 usage,\n"
		    "3 server unreachable, 4 wrong password or damaged key "
		    "file, 5 key changed,\n"
		    "6 refused by the server.",
		    global_options);
	return st;
}

static enum status
print_help(struct output *output, const struct command *command)
{
	if (command == NULL)
		return print_overview(output);
	return output_line(output, "Usage: peyk %s%s%s\n\n%s\n%s",
	    command->name, *command->operands != '\0' ? " " : "",
	    command->operands, command->help,
	    "“peyk help” lists the options of all commands.");
}

/* “peyk help COMMAND”, “peyk COMMAND --help” and “peyk --help”. */
static enum exit_code
help(struct application *application)
{
	const struct arguments *arguments = &application->arguments;
	const struct command *command = arguments->command;
	struct arguments_problem problem = {0};
	enum status st;

	if (command == &cmd_help) {
		command = NULL;
		if (arguments->operand_count > 0) {
			command = arguments_find_command(arguments->operands[0],
			    commands, COMMAND_COUNT, &problem);
			if (command == NULL)
				return output_error(&application->output,
				    EXIT_CODE_USAGE, problem.message,
				    problem.hint);
		}
	}
	st = print_help(&application->output, command);
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

static enum exit_code
version(struct application *application)
{
	struct output *output = &application->output;
	enum status st;

	st = output->is_json ? output_json_take(output,
				   json_pack("{s:s}", "version", PEYK_VERSION))
			     : output_line(output, "peyk %s", PEYK_VERSION);
	return st == STATUS_OK ? EXIT_CODE_DONE
			       : application_fail_output(application, st);
}

static enum exit_code
run(struct application *application, int argc, char **argv)
{
	struct arguments *arguments = &application->arguments;
	struct arguments_problem problem = {0};
	enum status st;

	st = arguments_parse(
	    argc, argv, commands, COMMAND_COUNT, arguments, &problem);
	output_init(&application->output, arguments->is_json);
	if (st == STATUS_INVALID)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    problem.message, problem.hint);
	if (st == STATUS_OK && arguments->wants_version)
		return version(application);
	if (st == STATUS_OK &&
	    (arguments->wants_help || arguments->command == &cmd_help))
		return help(application);
	if (st == STATUS_OK)
		st = interrupt_install();
	if (st == STATUS_OK)
		st = crypto_init();
	if (st != STATUS_OK)
		return application_fail_plain(application, st, "start");
	application_init(application);
	return arguments->command->run(application);
}

int
main(int argc, char **argv)
{
	struct application application = {0};
	enum exit_code code;

	if (process_harden() != STATUS_OK) {
		(void)fputs("peyk: The system refuses what keeps secrets safe "
			    "(core dump limits, locked memory).\n",
		    stderr);
		return EXIT_CODE_FAILED;
	}
	/* A reader that goes away is noticed by the write that fails. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setlocale(LC_ALL, "");
	/* Messages are UTF-8, whatever the rest of the locale is. */
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		(void)setlocale(LC_CTYPE, "C.UTF-8");
	code = run(&application, argc, argv);
	application_clear(&application);
	code = output_finish(&application.output, code);
	crypto_cleanup();
	return (int)code;
}
