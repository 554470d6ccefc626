#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "crypto/crypto.h"
#include "server/command.h"

static const struct command {
	const char *name;
	enum options_command options;
	enum command_exit (*run)(const struct options *options);
	int arguments; /* words that are no options */
	const char *usage;
	const char *help;
} commands[] = {
    {"init", OPTIONS_COMMAND_INIT, cmd_init, 0, "peykd init",
	"prepare a server: its identity and TLS certificate; check the "
	"database"},
    {"serve", OPTIONS_COMMAND_SERVE, cmd_serve, 0, "peykd serve",
	"run the server until SIGTERM or SIGINT"},
    {"migrate", OPTIONS_COMMAND_MIGRATE, cmd_migrate, 1,
	"peykd migrate up|down|status",
	"bring the database's schema up to date, take the newest step "
	"back, or show it"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void
print_usage(FILE *out)
{
	fprintf(out, "usage: peykd COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(out,
	    "\n`peykd COMMAND --help` lists a command's options; "
	    "`peykd --version` tells the version.\n"
	    "Each option can also stand in the environment (PEYKD_LISTEN for "
	    "--listen)\nor in the configuration file (listen = ...).\n"
	    "\nExit codes: 0 done, 1 failed, 2 wrong usage.\n");
}

static void
print_help(const struct command *command)
{
	printf(
	    "usage: %s [OPTION]...\n\n%s\n\n", command->usage, command->help);
	options_print(stdout, command->options);
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

static enum command_exit
run(const struct command *command, int argc, char **argv)
{
	struct options options;
	struct buf problem;
	enum command_exit code = COMMAND_EXIT_FAILED;
	enum status st;

	options_init(&options);
	buf_init(&problem, COMMAND_PROBLEM_MAX);
	st = options_parse(
	    &options, command->options, argc, argv, environ, &problem);
	if (st != STATUS_OK) {
		if (st == STATUS_INVALID)
			code = COMMAND_EXIT_USAGE;
		code = command_fail_with(code, &problem);
		goto out;
	}
	if (options.argument_count > command->arguments) {
		code = command_fail(COMMAND_EXIT_USAGE,
		    "There is one word "
		    "too many: \"%s\". usage: %s [OPTION]...",
		    options.arguments[command->arguments], command->usage);
		goto out;
	}
	log_set_level(options.log_level);
	code = command->run(&options);
out:
	options_clear(&options);
	buf_clear(&problem);
	return code;
}

int
main(int argc, char **argv)
{
	const struct command *command = NULL;
	const char *name = argc > 1 ? argv[1] : "";
	enum command_exit code;

	if (process_harden() != STATUS_OK || crypto_init() != STATUS_OK) {
		code = command_fail(COMMAND_EXIT_FAILED,
		    "The process cannot "
		    "be prepared: limits of the system are too narrow, or a "
		    "cryptographic library does not work.");
	} else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
		   strcmp(name, "help") == 0) {
		print_usage(stdout);
		code = COMMAND_EXIT_DONE;
	} else if (strcmp(name, "--version") == 0) {
		printf("peykd %s\n", PEYK_VERSION);
		code = COMMAND_EXIT_DONE;
	} else if ((command = find_command(name)) == NULL) {
		code = name[0] == '\0'
			   ? command_fail(COMMAND_EXIT_USAGE, "Which command?")
			   : command_fail(COMMAND_EXIT_USAGE,
				 "There is no command "
				 "\"%s\".",
				 name);
		print_usage(stderr);
	} else if (asks_for_help(argc - 2, argv + 2)) {
		print_help(command);
		code = COMMAND_EXIT_DONE;
	} else {
		code = run(command, argc - 2, argv + 2);
	}
	crypto_cleanup();
	return (int)code;
}
