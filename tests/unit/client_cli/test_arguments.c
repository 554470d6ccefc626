#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/arguments.h"

/* Never called: only what it is told matters here. */
static enum exit_code
run(struct application *application)
{
	(void)application;
	return EXIT_CODE_DONE;
}

static const struct command send = {.name = "send",
    .operands = "RECIPIENT [TEXT]",
    .operands_min = 1,
    .operands_max = 2,
    .run = run};
static const struct command poll = {.name = "poll",
    .operands = "",
    .options = COMMAND_OPTION_WAIT | COMMAND_OPTION_FOLLOW,
    .run = run};
static const struct command seal = {.name = "seal",
    .operands = "METHOD [JSON|-]",
    .options = COMMAND_OPTION_AGAIN | COMMAND_OPTION_READ,
    .operands_min = 1,
    .operands_max = 2,
    .run = run};
static const struct command help = {
    .name = "help", .operands = "[COMMAND]", .operands_max = 1};

static const struct command add = {.name = "group add",
    .operands = "GROUP MEMBER …",
    .operands_min = 2,
    .operands_max = COMMAND_OPERANDS_ANY,
    .run = run};
static const struct command hand_over = {.name = "group hand-over",
    .operands = "GROUP MEMBER",
    .operands_min = 2,
    .operands_max = 2,
    .run = run};
static const struct command *const verbs[] = {&add, &hand_over};
static const struct command group = {.name = "group",
    .operands = "VERB …",
    .operands_min = 1,
    .operands_max = COMMAND_OPERANDS_ANY,
    .run = run,
    .verbs = verbs,
    .verb_count = 2};

static const struct command *const commands[] = {
    &send, &poll, &seal, &group, &help};

static struct arguments arguments;
static struct arguments_problem problem;

/* Words separated by one space; "_" stands for an empty one. */
static enum status
parse(const char *line)
{
	static char words[1024];
	static char *argv[32];
	char *next = words, *word;
	int argc = 1;

	arguments_clear(&arguments);
	(void)snprintf(words, sizeof(words), "%s", line);
	argv[0] = (char *)"peyk";
	while ((word = strsep(&next, " ")) != NULL)
		if (*word != '\0')
			argv[argc++] =
			    strcmp(word, "_") == 0 ? (char *)"" : word;
	argv[argc] = NULL;
	return arguments_parse(argc, argv, commands,
	    sizeof(commands) / sizeof(commands[0]), &arguments, &problem);
}

static void
assert_problem(const char *line, const char *part)
{
	assert_status(parse(line), STATUS_INVALID);
	if (strstr(problem.message, part) == NULL &&
	    strstr(problem.hint, part) == NULL)
		fail_msg("“%s”: “%s” is not in “%s” “%s”", line, part,
		    problem.message, problem.hint);
}

static int
setup(void **state)
{
	static char folder[] = "/tmp/peyk-arguments-XXXXXX";

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)setenv("XDG_CONFIG_HOME", folder, 1);
	(void)unsetenv("PEYK_SERVER");
	(void)unsetenv("PEYK_HOME");
	(void)unsetenv("PEYK_AS");
	(void)unsetenv("PEYK_PASSWORD_FILE");
	(void)unsetenv("PEYK_TIMEOUT");
	(void)unsetenv("PEYK_PLAINTEXT");
	return 0;
}

/* NULL removes the file. */
static void
write_config(const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(
	    path, sizeof(path), "%s/peyk", getenv("XDG_CONFIG_HOME"));
	(void)mkdir(path, 0700);
	(void)snprintf(
	    path, sizeof(path), "%s/peyk/config", getenv("XDG_CONFIG_HOME"));
	if (text == NULL) {
		(void)unlink(path);
		return;
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int
teardown(void **state)
{
	char path[256];

	(void)state;
	arguments_clear(&arguments);
	write_config(NULL);
	(void)snprintf(
	    path, sizeof(path), "%s/peyk", getenv("XDG_CONFIG_HOME"));
	(void)rmdir(path);
	(void)rmdir(getenv("XDG_CONFIG_HOME"));
	return 0;
}

static void
test_arguments_in_any_place(void **state)
{
	static const char *const lines[] = {
	    "send --as client#2 client#3 hello --json --server h:1",
	    "--json --server=h:1 --as=client#2 send client#3 hello",
	    "send client#3 --json hello --as client#2 --server h:1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_ok(parse(lines[i]));
		assert_ptr_equal(arguments.command, &send);
		assert_true(arguments.is_json);
		assert_string_equal(arguments.as, "client#2");
		assert_string_equal(arguments.server, "h:1");
		assert_int_equal(arguments.operand_count, 2);
		assert_string_equal(arguments.operands[0], "client#3");
		assert_string_equal(arguments.operands[1], "hello");
		assert_int_equal(
		    arguments.timeout_ms, ARGUMENTS_TIMEOUT_MS_DEFAULT);
		assert_int_equal(arguments.password_fd, -1);
	}
	assert_ok(parse("send a -- --json"));
	assert_false(arguments.is_json);
	assert_string_equal(arguments.operands[1], "--json");
	assert_ok(parse("send a _"));
	assert_string_equal(arguments.operands[1], "");
}

static void
test_arguments_numbers(void **state)
{
	(void)state;
	assert_ok(parse("poll --wait 2.5 --timeout 0.001"));
	assert_true(arguments.has_wait);
	assert_int_equal(arguments.wait_ms, 2500);
	assert_int_equal(arguments.timeout_ms, 1);
	assert_ok(parse("poll --wait 0"));
	assert_true(arguments.has_wait);
	assert_int_equal(arguments.wait_ms, 0);
	assert_ok(parse("poll --wait .25"));
	assert_int_equal(arguments.wait_ms, 250);
	assert_ok(parse("poll --password-fd 7 --follow"));
	assert_int_equal(arguments.password_fd, 7);
	assert_true(arguments.is_following);
	assert_problem("poll --wait -1", "-1");
	assert_problem("poll --wait soon", "soon");
	assert_problem("poll --wait 1x", "1x");
	assert_problem("poll --wait .", ".");
	assert_problem("poll --wait 99999999999999999999", "99999");
	assert_problem("poll --timeout 0", "timeout");
	assert_problem("poll --password-fd many", "many");
	assert_problem("poll --password-fd -3", "-3");
	assert_problem("poll --password-fd 99999999999", "99999999999");
}

static void
test_arguments_of_calls_by_hand(void **state)
{
	(void)state;
	assert_ok(parse("seal Send -"));
	assert_int_equal(arguments.operand_count, 2);
	assert_string_equal(arguments.operands[1], "-");
	assert_false(arguments.seals_again);
	assert_false(arguments.reads_messages);
	assert_ok(parse("seal --again Send"));
	assert_true(arguments.seals_again);
	assert_ok(parse("seal Poll --read"));
	assert_true(arguments.reads_messages);
	assert_problem("seal", "METHOD");
	assert_problem("seal Send {} {}", "single quotes");
	assert_problem("seal Send --again=yes", "--again");
	assert_problem("poll --again", "--again");
	assert_problem("poll --read", "--read");
}

static void
test_arguments_usage_errors(void **state)
{
	(void)state;
	assert_problem("_", "no command");
	assert_status(parse(""), STATUS_INVALID);
	assert_problem("sned a b", "Did you mean “send”?");
	assert_problem("send", "RECIPIENT");
	assert_problem("send a b c", "quotes");
	assert_problem("poll a", "one word too many");
	assert_problem("send --follow a", "--follow");
	assert_problem("poll --wait", "--wait");
	assert_problem("poll --json=yes", "--json");
	assert_problem("poll --nonsense", "--nonsense");
	assert_problem("poll --folow", "--follow");
	assert_problem("poll -x", "-x");
	assert_problem("poll --password secret", "--password");
	assert_problem("poll --password-fd 3 --password-file x", "exclude");
	assert_problem("poll --server _", "--server");
	assert_problem("poll --plaintext=abroad", "abroad");
	assert_false(arguments.is_json);
	assert_problem("poll --nonsense --json", "--nonsense");
	assert_true(arguments.is_json);
}

/* 60 letters of two bytes, behind one byte or none: one way they are cut. */
#define LONG_PERSIAN                                                           \
	"سسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسسس"

static void
test_arguments_problems_are_text(void **state)
{
	static const char *const lines[] = {
	    LONG_PERSIAN,
	    "x" LONG_PERSIAN,
	    "send a b " LONG_PERSIAN,
	    "send a b x" LONG_PERSIAN,
	    "poll --" LONG_PERSIAN,
	    "poll --x" LONG_PERSIAN,
	    "poll --wait " LONG_PERSIAN,
	    "poll --wait x" LONG_PERSIAN,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_problem(lines[i], "سسسسسسسسسسسسسسسسسسسسسسسسسسسسس");
		assert_true(text_is_utf8(bytes_from_string(problem.message)));
	}
	assert_problem("poll -س", "“-س”");
	assert_problem("-hس", "“-hس”");
	assert_true(text_is_utf8(bytes_from_string(problem.message)));
	assert_problem("poll -\xd8", "no option");
}

static void
test_arguments_help_needs_nothing_else(void **state)
{
	(void)state;
	write_config("nonsense\n");
	assert_ok(parse("--help"));
	assert_true(arguments.wants_help);
	assert_null(arguments.command);
	assert_ok(parse("send --help"));
	assert_ptr_equal(arguments.command, &send);
	assert_ok(parse("-h poll too many"));
	assert_ok(parse("help send"));
	assert_ptr_equal(arguments.command, &help);
	assert_ok(parse("--version"));
	assert_true(arguments.wants_version);
	write_config(NULL);
}

static void
test_arguments_precedence(void **state)
{
	(void)state;
	write_config("# remark\n\n  server = peyk://file:1#ab \r\n"
		     "as=file#1\npassword-file = /file path\ntimeout = 3\n");
	assert_ok(parse("poll"));
	assert_string_equal(arguments.server, "peyk://file:1#ab");
	assert_string_equal(arguments.as, "file#1");
	assert_string_equal(arguments.password_file, "/file path");
	assert_int_equal(arguments.timeout_ms, 3000);
	(void)setenv("PEYK_SERVER", "environment", 1);
	(void)setenv("PEYK_AS", "", 1);
	assert_ok(parse("poll"));
	assert_string_equal(arguments.server, "environment");
	assert_string_equal(arguments.as, "file#1");
	assert_ok(parse("poll --server option --password-fd 0"));
	assert_string_equal(arguments.server, "option");
	assert_null(arguments.password_file);
	assert_int_equal(arguments.password_fd, 0);
	(void)unsetenv("PEYK_SERVER");
	(void)unsetenv("PEYK_AS");
	write_config(NULL);
}

static void
test_arguments_bad_settings_say_where(void **state)
{
	(void)state;
	write_config("server = a\nnonsense = 1\n");
	assert_problem("poll", "Line 2");
	assert_problem("poll", "nonsense");
	write_config("sever = a\n");
	assert_problem("poll", "Did you mean “server”?");
	write_config("just words\n");
	assert_problem("poll", "key = value");
	write_config("\ntimeout = never\n");
	assert_problem("poll", "line 2 of the configuration file");
	write_config("as =\n");
	assert_problem("poll", "empty");
	write_config(NULL);
	(void)setenv("PEYK_TIMEOUT", "never", 1);
	assert_problem("poll", "PEYK_TIMEOUT");
	(void)unsetenv("PEYK_TIMEOUT");
}

static void
test_arguments_plaintext(void **state)
{
	(void)state;
	assert_ok(parse("poll"));
	assert_false(arguments.uses_plaintext);
	assert_ok(parse("poll --plaintext"));
	assert_true(arguments.uses_plaintext);
	assert_false(arguments.forces_plaintext);
	assert_ok(parse("poll --plaintext=anywhere"));
	assert_true(arguments.forces_plaintext);
	(void)setenv("PEYK_PLAINTEXT", "loopback", 1);
	assert_ok(parse("poll"));
	assert_true(arguments.uses_plaintext);
	(void)unsetenv("PEYK_PLAINTEXT");
}

static void
test_arguments_verbs(void **state)
{
	(void)state;
	assert_ok(parse("group --json add --as sara team hassan reza"));
	assert_ptr_equal(arguments.command, &add);
	assert_int_equal(arguments.operand_count, 3);
	assert_string_equal(arguments.operands[0], "team");
	assert_string_equal(arguments.operands[2], "reza");
	assert_ok(parse("group hand-over -- team --as"));
	assert_ptr_equal(arguments.command, &hand_over);
	assert_string_equal(arguments.operands[1], "--as");

	assert_problem("group", "Something is missing: peyk group VERB …");
	assert_problem("group", "peyk help group");
	assert_problem("group add team", "peyk group add GROUP MEMBER …");
	assert_problem("group hand-over a b c", "one word too many");
	assert_problem("group add team x --wait 3",
	    "“peyk group add” has no option --wait");
	assert_problem(
	    "group handover team x", "There is no command “group handover”.");
	assert_problem(
	    "group handover team x", "Did you mean “group hand-over”?");
	assert_problem(
	    "group zzzzzz", "“peyk help group” lists what there is.");
	/* A verb is none alone, and its whole name is no word. */
	assert_problem("add team x", "There is no command “add”.");
	assert_problem("send", "peyk help send");

	assert_ok(parse("group add --help"));
	assert_ptr_equal(arguments.command, &add);
	assert_ok(parse("group --help"));
	assert_ptr_equal(arguments.command, &group);
	assert_problem("group ad", "Did you mean “group add”?");
	assert_problem("group nonsense --help", "group nonsense");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arguments_in_any_place),
	    cmocka_unit_test(test_arguments_numbers),
	    cmocka_unit_test(test_arguments_of_calls_by_hand),
	    cmocka_unit_test(test_arguments_usage_errors),
	    cmocka_unit_test(test_arguments_problems_are_text),
	    cmocka_unit_test(test_arguments_help_needs_nothing_else),
	    cmocka_unit_test(test_arguments_precedence),
	    cmocka_unit_test(test_arguments_bad_settings_say_where),
	    cmocka_unit_test(test_arguments_plaintext),
	    cmocka_unit_test(test_arguments_verbs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
