#ifndef PEYK_CLIENT_ARGUMENTS_H
#define PEYK_CLIENT_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "client/command_table.h"

/*
 * The command line, the environment and the configuration file, in this
 * order of precedence. Options may stand anywhere; "--" ends them. An empty
 * environment variable counts as none.
 *
 *	option            environment          key in the file
 *	--server          PEYK_SERVER          server
 *	--home            PEYK_HOME            home
 *	--as              PEYK_AS              as
 *	--password-file   PEYK_PASSWORD_FILE   password-file
 *	--timeout         PEYK_TIMEOUT         timeout
 *	--plaintext       PEYK_PLAINTEXT       plaintext
 *
 * The file is $XDG_CONFIG_HOME/peyk/config (or ~/.config/peyk/config): lines
 * "key = value"; empty lines, and lines that begin with "#", say nothing.
 */

#define ARGUMENTS_CONFIG_SIZE_MAX 65536
#define ARGUMENTS_SECONDS_MAX 31536000 /* a year */
#define ARGUMENTS_COUNT_MAX 1000000000
#define ARGUMENTS_TIMEOUT_MS_DEFAULT 30000
#define ARGUMENTS_HISTORY_LIMIT_DEFAULT 50

/* What is wrong, as a sentence, and what to do about it; "" for nothing. */
struct arguments_problem {
	char message[512];
	char hint[512];
};

/* Strings are borrowed from argv, the environment and config. */
struct arguments {
	const char *server;        /* NULL: not told */
	const char *home;          /* NULL: not told */
	const char *as;            /* NULL: not told */
	const char *password_file; /* NULL: not told, or --password-fd */
	int password_fd;           /* -1: not told */
	uint64_t timeout_ms;
	bool uses_plaintext;
	bool forces_plaintext; /* also away from this machine */
	bool is_json;
	bool wants_help;
	bool wants_version;

	const struct command *command; /* NULL: none was named; or its verb */
	const char *const *operands;   /* what follows the command */
	size_t operand_count;

	/* Options of single commands; each command takes only its own. */
	uint64_t wait_ms;
	uint64_t linger_ms;
	uint64_t limit; /* 0: no limit */
	const char *expect;
	const char *invite;
	bool has_wait;
	bool is_following;
	bool seals_again;
	bool reads_messages;

	char *config; /* the file's content, owned */
};

/*
 * Reads all of it. STATUS_INVALID, with *problem filled in: it is used
 * wrongly. STATUS_NOMEM. argv is reordered. Then, or after STATUS_OK, end
 * with arguments_clear(). With --help or --version only these, is_json and
 * the command are set, and nothing else is checked.
 */
MUST_CHECK enum status arguments_parse(int argc, char **argv,
    const struct command *const *commands, size_t command_count,
    struct arguments *out, struct arguments_problem *problem);

void arguments_clear(struct arguments *arguments);

/*
 * The command of this name (of a verb its last word), or NULL and *problem
 * with a suggestion.
 */
const struct command *arguments_find_command(const char *name,
    const struct command *const *commands, size_t command_count,
    struct arguments_problem *problem);

#endif
