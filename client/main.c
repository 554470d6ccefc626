#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/process.h"
#include "base/text.h"
#include "client/application.h"
#include "client/command_table.h"
#include "client/interrupt.h"
#include "crypto/crypto.h"

#ifndef PEYK_VERSION
#define PEYK_VERSION "0"
#endif

static const struct command cmd_help = {
    .name = "help",
    .operands = "[COMMAND [VERB]]",
    .summary = "explain a command",
    .help = "Lists the commands, or explains one.\n"
	    "\n"
	    "Examples:\n"
	    "  peyk help send\n"
	    "  peyk help group add\n",
    .operands_max = 2,
};

static const struct command *const commands[] = {
    &cmd_signup,
    &cmd_whoami,
    &cmd_send,
    &cmd_poll,
    &cmd_chat,
    &cmd_history,
    &cmd_group,
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
    "  --as NAME              whose account (PEYK_AS); needed if there are "
    "several\n"
    "  --server ADDRESS       host, host:port or peyk://host:port#fingerprint\n"
    "                         (PEYK_SERVER)\n"
    "  --home FOLDER          where accounts are kept (PEYK_HOME)\n"
    "  --password-file FILE   its first line (PEYK_PASSWORD_FILE)\n"
    "  --password-fd NUMBER   the first line of a descriptor\n"
    "  --timeout SECONDS      how long to try to reach the server (30; "
    "PEYK_TIMEOUT)\n"
    "  --plaintext            without TLS, on this machine only "
    "(PEYK_PLAINTEXT)\n"
    "  --json                 one JSON object a line\n"
    "  --help, --version\n";

/* Commands, or the verbs of one, a line each. */
static enum status
print_commands(
    struct output *output, const struct command *const *list, size_t count)
{
	char usage[128];
	struct buf line;
	size_t columns = 24;
	enum status st = STATUS_OK;

	buf_init(&line, 4096);
	for (size_t i = 0; i < count; i++) {
		size_t width;

		(void)snprintf(usage, sizeof(usage), "%s %s", list[i]->name,
		    list[i]->operands);
		width = text_width(bytes_from_string(usage));
		columns = width > columns ? width : columns;
	}
	for (size_t i = 0; i < count && st == STATUS_OK; i++) {
		(void)snprintf(usage, sizeof(usage), "%s %s", list[i]->name,
		    list[i]->operands);
		st = buf_append_string(&line, "  ");
		if (st == STATUS_OK)
			st = output_append_padded(
			    &line, bytes_from_string(usage), columns + 1);
		if (st == STATUS_OK)
			st = buf_append_string(&line, list[i]->summary);
		if (st == STATUS_OK)
			st = output_buf(output, &line);
	}
	buf_clear(&line);
	return st;
}

static enum status
print_overview(struct output *output)
{
	enum status st;

	st = output_line(output,
	    "Peyk, a messenger whose server cannot read the messages.\n"
	    "\n"
	    "Usage: peyk COMMAND …\n");
	if (st == STATUS_OK)
		st = print_commands(output, commands, COMMAND_COUNT);
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
	enum status st;

	if (command == NULL)
		return print_overview(output);
	st = output_line(output, "Usage: peyk %s%s%s\n\n%s", command->name,
	    *command->operands != '\0' ? " " : "", command->operands,
	    command->help);
	if (st == STATUS_OK && command->verbs != NULL) {
		st =
		    print_commands(output, command->verbs, command->verb_count);
		if (st == STATUS_OK)
			st = output_line(output,
			    "\n“peyk help %s VERB” explains one.",
			    command->name);
	}
	return st == STATUS_OK
		   ? output_line(output,
			 "“peyk help” lists the options of all commands.")
		   : st;
}

/* The command that “peyk help COMMAND [VERB]” names; NULL: none is. */
static enum status
find_topic(const struct arguments *arguments, const struct command **out,
    struct arguments_problem *problem)
{
	const struct command *command = NULL;

	if (arguments->operand_count > 0 &&
	    (command = arguments_find_command(arguments->operands[0], commands,
		 COMMAND_COUNT, problem)) == NULL)
		return STATUS_INVALID;
	if (arguments->operand_count > 1 && command->verbs == NULL) {
		(void)snprintf(problem->message, sizeof(problem->message),
		    "“peyk %s” has no commands of its own.", command->name);
		(void)snprintf(problem->hint, sizeof(problem->hint),
		    "See “peyk help %s”.", command->name);
		return STATUS_INVALID;
	}
	if (arguments->operand_count > 1 &&
	    (command = arguments_find_command(arguments->operands[1],
		 command->verbs, command->verb_count, problem)) == NULL)
		return STATUS_INVALID;
	*out = command;
	return STATUS_OK;
}

/* “peyk help COMMAND”, “peyk COMMAND --help” and “peyk --help”. */
static enum exit_code
help(struct application *application)
{
	const struct arguments *arguments = &application->arguments;
	const struct command *command = arguments->command;
	struct arguments_problem problem = {0};
	enum status st;

	if (command == &cmd_help &&
	    find_topic(arguments, &command, &problem) != STATUS_OK)
		return output_error(&application->output, EXIT_CODE_USAGE,
		    problem.message, problem.hint);
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
