#ifndef PEYK_CLIENT_COMMAND_TABLE_H
#define PEYK_CLIENT_COMMAND_TABLE_H

#include <stddef.h>

#include "client/exit_code.h"

struct application;

/* The options that only some commands take. */
enum command_option {
	COMMAND_OPTION_WAIT = 1 << 0,
	COMMAND_OPTION_FOLLOW = 1 << 1,
	COMMAND_OPTION_LIMIT = 1 << 2,
	COMMAND_OPTION_EXPECT = 1 << 3,
	COMMAND_OPTION_LINGER = 1 << 4,
	COMMAND_OPTION_INVITE = 1 << 5,
	COMMAND_OPTION_AGAIN = 1 << 6,
	COMMAND_OPTION_READ = 1 << 7,
};

/* What cmd_<verb>.c says of itself. */
struct command {
	const char *name;     /* "send"; of a verb both words: "group add" */
	const char *operands; /* as the usage shows them: "RECIPIENT [TEXT]" */
	const char *summary;  /* one line, for the list of commands */
	const char *help;     /* what it does, with an example */
	unsigned options;     /* of enum command_option */
	size_t operands_min;
	size_t operands_max;
	/* NULL: main() does it itself, and no settings are read for it. */
	enum exit_code (*run)(struct application *application);
	/* The first operand is one of these, and stands for it. NULL: none. */
	const struct command *const *verbs;
	size_t verb_count;
};

/* Operands of a command that takes any number. */
#define COMMAND_OPERANDS_ANY ((size_t)-1)

/* The command table, in the order of the help. */
extern const struct command cmd_signup;
extern const struct command cmd_whoami;
extern const struct command cmd_send;
extern const struct command cmd_poll;
extern const struct command cmd_chat;
extern const struct command cmd_history;
extern const struct command cmd_group;
extern const struct command cmd_contacts;
extern const struct command cmd_verify;
extern const struct command cmd_seal;
extern const struct command cmd_open;

/* Of the verbs of cmd_group: those that change a group. */
extern const struct command cmd_group_create;
extern const struct command cmd_group_add;
extern const struct command cmd_group_remove;
extern const struct command cmd_group_leave;
extern const struct command cmd_group_rotate;
extern const struct command cmd_group_rename;
extern const struct command cmd_group_hand_over;
extern const struct command cmd_group_delete;

#endif
