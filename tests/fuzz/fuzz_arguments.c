#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/text.h"
#include "client/arguments.h"
#include "tests/fuzz/scratch_file.h"
#include "tests/fuzz/words.h"

static enum exit_code
run(struct application *application)
{
	(void)application;
	return EXIT_CODE_DONE;
}

static const struct command send = {.name = "send",
    .operands = "RECIPIENT [TEXT]",
    .options = COMMAND_OPTION_LINGER | COMMAND_OPTION_INVITE,
    .operands_min = 1,
    .operands_max = 2,
    .run = run};
static const struct command poll = {.name = "poll",
    .operands = "",
    .options = COMMAND_OPTION_WAIT | COMMAND_OPTION_FOLLOW |
	COMMAND_OPTION_LIMIT | COMMAND_OPTION_EXPECT,
    .run = run};
static const struct command help = {
    .name = "help", .operands = "[COMMAND]", .operands_max = 1};

static const struct command *const commands[] = {&send, &poll, &help};

static const char *const variables[] = {"PEYK_SERVER", "PEYK_HOME", "PEYK_AS",
    "PEYK_PASSWORD_FILE", "PEYK_TIMEOUT", "PEYK_PLAINTEXT"};

static void
set_environment(char *const *environment)
{
	char *value;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		FUZZ_CHECK(unsetenv(variables[i]) == 0);
	for (; *environment != NULL; environment++) {
		if ((value = strchr(*environment, '=')) == NULL)
			continue;
		*value++ = '\0';
		for (size_t i = 0;
		     i < sizeof(variables) / sizeof(variables[0]); i++)
			if (strcmp(*environment, variables[i]) == 0)
				FUZZ_CHECK(setenv(*environment, value, 1) ==
				    0);
	}
}

static void
set_config(struct bytes config)
{
	char base[64];

	(void)scratch_file_write(config);
	(void)snprintf(base, sizeof(base), "%s", scratch_file_folder());
	*strrchr(base, '/') = '\0';
	FUZZ_CHECK(setenv("XDG_CONFIG_HOME", base, 1) == 0);
}

static void
check_arguments(const struct arguments *arguments)
{
	const struct command *command = arguments->command;

	if (arguments->wants_help || arguments->wants_version)
		return;
	FUZZ_CHECK(command != NULL);
	FUZZ_CHECK(arguments->operand_count >= command->operands_min);
	FUZZ_CHECK(arguments->operand_count <= command->operands_max);
	for (size_t i = 0; i < arguments->operand_count; i++)
		FUZZ_CHECK(arguments->operands[i] != NULL);
	FUZZ_CHECK(arguments->timeout_ms > 0);
	FUZZ_CHECK(arguments->timeout_ms <=
	    (uint64_t)ARGUMENTS_SECONDS_MAX * 1000 + 999);
	FUZZ_CHECK(arguments->wait_ms <=
	    (uint64_t)ARGUMENTS_SECONDS_MAX * 1000 + 999);
	FUZZ_CHECK(arguments->linger_ms <=
	    (uint64_t)ARGUMENTS_SECONDS_MAX * 1000 + 999);
	FUZZ_CHECK(arguments->limit <= ARGUMENTS_COUNT_MAX);
	FUZZ_CHECK(arguments->password_fd >= -1);
	FUZZ_CHECK(arguments->password_fd == -1 ||
	    arguments->password_file == NULL);
	FUZZ_CHECK(!arguments->forces_plaintext || arguments->uses_plaintext);
	FUZZ_CHECK(arguments->server == NULL || *arguments->server != '\0');
	FUZZ_CHECK(arguments->as == NULL || *arguments->as != '\0');
}

/* A person reads it: whole sentences, and no half characters of ours. */
static void
check_problem(const struct arguments_problem *problem, struct bytes input)
{
	FUZZ_CHECK(problem->message[0] != '\0');
	if (!text_is_utf8(input))
		return;
	FUZZ_CHECK(text_is_utf8(bytes_from_string(problem->message)));
	FUZZ_CHECK(text_is_utf8(bytes_from_string(problem->hint)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = size == 0 ? bytes_empty() :
	    bytes_make(data, size);
	struct arguments_problem problem;
	struct arguments arguments = {.password_fd = -1};
	struct words words;
	enum status st;

	words_init(&words, "peyk", input);
	set_environment(words.environment);
	set_config(words.config);
	st = arguments_parse(words.argc, words.argv, commands,
	    sizeof(commands) / sizeof(commands[0]), &arguments, &problem);
	if (st == STATUS_OK) {
		FUZZ_CHECK(problem.message[0] == '\0');
		check_arguments(&arguments);
	} else {
		FUZZ_CHECK(st == STATUS_INVALID);
		check_problem(&problem, input);
	}
	arguments_clear(&arguments);
	words_clear(&words);
	return 0;
}
