#include "client/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "client/suggest.h"

/* Options whose value is kept until all are known. */
enum key {
	KEY_SERVER,
	KEY_HOME,
	KEY_AS,
	KEY_PASSWORD_FILE,
	KEY_PASSWORD_FD,
	KEY_TIMEOUT,
	KEY_PLAINTEXT,
	KEY_WAIT,
	KEY_LINGER,
	KEY_LIMIT,
	KEY_EXPECT,
	KEY_INVITE,
	KEY_FOLLOW,
	KEY_AGAIN,
	KEY_READ,
	KEY_JSON,
	KEY_HELP,
	KEY_VERSION,
	KEY_COUNT,
};

struct rule {
	const char *option;
	const char *value; /* what it takes, for messages; NULL: nothing */
	const char *environment; /* NULL: not settable there nor in the file */
	unsigned command_option; /* 0: global */
	bool is_value_optional;
};

static const struct rule rules[KEY_COUNT] = {
    [KEY_SERVER] = {.option = "server",
	.value = "ADDRESS",
	.environment = "PEYK_SERVER"},
    [KEY_HOME] = {.option = "home",
	.value = "FOLDER",
	.environment = "PEYK_HOME"},
    [KEY_AS] = {.option = "as", .value = "NAME", .environment = "PEYK_AS"},
    [KEY_PASSWORD_FILE] = {.option = "password-file",
	.value = "FILE",
	.environment = "PEYK_PASSWORD_FILE"},
    [KEY_PASSWORD_FD] = {.option = "password-fd", .value = "NUMBER"},
    [KEY_TIMEOUT] = {.option = "timeout",
	.value = "SECONDS",
	.environment = "PEYK_TIMEOUT"},
    [KEY_PLAINTEXT] = {.option = "plaintext",
	.value = "WHERE",
	.environment = "PEYK_PLAINTEXT",
	.is_value_optional = true},
    [KEY_WAIT] = {.option = "wait",
	.value = "SECONDS",
	.command_option = COMMAND_OPTION_WAIT},
    [KEY_LINGER] = {.option = "linger",
	.value = "SECONDS",
	.command_option = COMMAND_OPTION_LINGER},
    [KEY_LIMIT] = {.option = "limit",
	.value = "COUNT",
	.command_option = COMMAND_OPTION_LIMIT},
    [KEY_EXPECT] = {.option = "expect",
	.value = "NUMBER",
	.command_option = COMMAND_OPTION_EXPECT},
    [KEY_INVITE] = {.option = "invite",
	.value = "TOKEN",
	.command_option = COMMAND_OPTION_INVITE},
    [KEY_FOLLOW] = {.option = "follow",
	.command_option = COMMAND_OPTION_FOLLOW},
    [KEY_AGAIN] = {.option = "again", .command_option = COMMAND_OPTION_AGAIN},
    [KEY_READ] = {.option = "read", .command_option = COMMAND_OPTION_READ},
    [KEY_JSON] = {.option = "json"},
    [KEY_HELP] = {.option = "help"},
    [KEY_VERSION] = {.option = "version"},
};

/* getopt_long() returns these for our options, away from any character. */
#define KEY_BASE 1000

struct setting {
	const char *value; /* NULL: not told */
	char origin[64];   /* "--timeout", "PEYK_TIMEOUT", "line 3 of …" */
};

struct reading {
	struct setting settings[KEY_COUNT];
	struct arguments_problem *problem;
};

static enum status problem_set(struct arguments_problem *problem,
    const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes out what is not UTF-8: a word that is cut may end inside a letter. */
static void
drop_half_letters(char *text)
{
	size_t left = strlen(text), size;
	char *to = text;

	for (; left > 0; text += size, left -= size) {
		for (size = 1; size < 4 && size < left; size++)
			if (text_is_utf8(bytes_make(text, size)))
				break;
		if (!text_is_utf8(bytes_make(text, size))) {
			size = 1;
			continue;
		}
		memmove(to, text, size);
		to += size;
	}
	*to = '\0';
}

static enum status
problem_set(struct arguments_problem *problem, const char *hint,
    const char *format, ...)
{
	va_list list;

	va_start(list, format);
	(void)vsnprintf(
	    problem->message, sizeof(problem->message), format, list);
	va_end(list);
	drop_half_letters(problem->message);
	(void)snprintf(problem->hint, sizeof(problem->hint), "%s", hint);
	return STATUS_INVALID;
}

/* What a person types last of a command's name. */
static const char *
last_word(const struct command *command)
{
	const char *space = strrchr(command->name, ' ');

	return space == NULL ? command->name : space + 1;
}

const struct command *
arguments_find_command(const char *name, const struct command *const *commands,
    size_t command_count, struct arguments_problem *problem)
{
	const char *names[64];
	const char *nearest;
	/* What all the names have in common: nothing, or "group ". */
	const char *first = commands[0]->name;
	int common = (int)(last_word(commands[0]) - first);
	char where[128];
	size_t count = 0;

	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(last_word(commands[i]), name) == 0)
			return commands[i];
		if (count < sizeof(names) / sizeof(names[0]))
			names[count++] = last_word(commands[i]);
	}
	(void)snprintf(where, sizeof(where), "“peyk help%s%.*s” lists %s.",
	    common > 0 ? " " : "", common > 0 ? common - 1 : 0, first,
	    common > 0 ? "what there is" : "the commands");
	(void)problem_set(problem, where, "There is no command “%.*s%.100s”.",
	    common, first, name);
	nearest = suggest_nearest(name, names, count);
	if (nearest != NULL)
		(void)snprintf(problem->hint, sizeof(problem->hint),
		    "Did you mean “%.*s%s”? %s", common, first, nearest, where);
	return NULL;
}

static enum status
unknown_option(struct reading *reading, const char *word)
{
	char bare[80];
	const char *names[KEY_COUNT];
	const char *nearest = NULL;

	(void)problem_set(reading->problem, "“peyk help” lists the options.",
	    "There is no option “%.100s”.", word);
	if (strncmp(word, "--", 2) == 0) {
		(void)snprintf(bare, sizeof(bare), "%s", word + 2);
		bare[strcspn(bare, "=")] = '\0';
		for (size_t i = 0; i < KEY_COUNT; i++)
			names[i] = rules[i].option;
		nearest = suggest_nearest(bare, names, KEY_COUNT);
	}
	if (nearest != NULL)
		(void)snprintf(reading->problem->hint,
		    sizeof(reading->problem->hint),
		    "Did you mean “--%s”? “peyk help” lists the options.",
		    nearest);
	else if (strncmp(word, "--", 2) != 0)
		(void)snprintf(reading->problem->hint,
		    sizeof(reading->problem->hint),
		    "Put “--” before a text or a name that begins with “-”.");
	return STATUS_INVALID;
}

/* What getopt_long() stopped at is a byte, of a letter that may have more. */
static enum status
unknown_letter(int argc, char **argv, struct reading *reading)
{
	char option[] = {'-', (char)optopt, '\0'};
	bool is_ascii = optopt > 0 && optopt < 0x80;

	/* While bytes of the word are left, optind stays at it. */
	return unknown_option(
	    reading, is_ascii || optind >= argc ? option : argv[optind]);
}

static int
takes(const struct rule *rule)
{
	if (rule->is_value_optional)
		return optional_argument;
	return rule->value != NULL ? required_argument : no_argument;
}

/* Options into reading->settings; optind is then at the first operand. */
static enum status
read_options(int argc, char **argv, struct reading *reading)
{
	struct option options[KEY_COUNT + 1] = {0};
	int found;

	for (int i = 0; i < KEY_COUNT; i++)
		options[i] = (struct option){.name = rules[i].option,
		    .has_arg = takes(&rules[i]),
		    .val = KEY_BASE + i};
	opterr = 0;
	optind = 0; /* glibc: start anew, also in a second run of a test */
	while ((found = getopt_long(argc, argv, ":hV", options, NULL)) != -1) {
		int key = found - KEY_BASE;

		if (found == 'h')
			key = KEY_HELP;
		else if (found == 'V')
			key = KEY_VERSION;
		else if (found == ':')
			return problem_set(reading->problem,
			    "“peyk help” lists the options.",
			    "“%.100s” needs a value: %s.", argv[optind - 1],
			    rules[optopt - KEY_BASE].value);
		else if (found == '?' && optopt >= KEY_BASE)
			return problem_set(reading->problem,
			    "“peyk help” lists the options.",
			    "“--%s” takes no value.",
			    rules[optopt - KEY_BASE].option);
		else if (found == '?' && optopt != 0)
			return unknown_letter(argc, argv, reading);
		else if (found == '?')
			return unknown_option(reading, argv[optind - 1]);
		reading->settings[key].value = optarg != NULL ? optarg : "";
		(void)snprintf(reading->settings[key].origin,
		    sizeof(reading->settings[key].origin), "--%s",
		    rules[key].option);
	}
	return STATUS_OK;
}

static void
read_environment(struct reading *reading)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		struct setting *setting = &reading->settings[i];
		const char *value;

		if (setting->value != NULL || rules[i].environment == NULL)
			continue;
		value = getenv(rules[i].environment);
		if (value == NULL || *value == '\0')
			continue;
		setting->value = value;
		(void)snprintf(setting->origin, sizeof(setting->origin), "%s",
		    rules[i].environment);
	}
}

/* Cuts white space at both ends of a string, in place. */
static char *
trim(char *text)
{
	size_t size;

	text += strspn(text, " \t\r");
	size = strlen(text);
	while (size > 0 && strchr(" \t\r", text[size - 1]) != NULL)
		size--;
	text[size] = '\0';
	return text;
}

static enum status
read_config_line(
    struct reading *reading, char *line, unsigned number, const char *path)
{
	char *value;
	const char *names[KEY_COUNT];
	const char *nearest;
	size_t count = 0;

	line = trim(line);
	if (*line == '\0' || *line == '#')
		return STATUS_OK;
	value = strchr(line, '=');
	if (value == NULL)
		return problem_set(reading->problem,
		    "A line is “key = value”; a remark begins with “#”.",
		    "Line %u of %.300s is no setting.", number, path);
	*value++ = '\0';
	line = trim(line);
	value = trim(value);
	for (size_t i = 0; i < KEY_COUNT; i++) {
		struct setting *setting = &reading->settings[i];

		if (rules[i].environment == NULL)
			continue;
		names[count++] = rules[i].option;
		if (strcmp(rules[i].option, line) != 0)
			continue;
		if (setting->value == NULL) {
			setting->value = value;
			(void)snprintf(setting->origin, sizeof(setting->origin),
			    "line %u of the configuration file", number);
		}
		return STATUS_OK;
	}
	nearest = suggest_nearest(line, names, count);
	(void)problem_set(reading->problem,
	    "The keys are server, home, as, password-file, "
	    "timeout and plaintext.",
	    "Line %u of %.300s: there is no key “%.60s”.", number, path, line);
	if (nearest != NULL)
		(void)snprintf(reading->problem->hint,
		    sizeof(reading->problem->hint), "Did you mean “%s”?",
		    nearest);
	return STATUS_INVALID;
}

/* NULL if there is no place for such a file. */
static const char *
config_path(char *out, size_t size)
{
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	int length;

	/* The XDG specification: a path that is not absolute is ignored. */
	if (base != NULL && *base == '/')
		length = snprintf(out, size, "%s/peyk/config", base);
	else if (home != NULL && *home != '\0')
		length = snprintf(out, size, "%s/.config/peyk/config", home);
	else
		return NULL;
	return length > 0 && (size_t)length < size ? out : NULL;
}

static enum status
read_config(struct reading *reading, char **config)
{
	char path[PATH_MAX];
	struct buf content;
	const char *whole = NULL;
	char *next, *line;
	unsigned number = 0;
	enum status st;

	if (config_path(path, sizeof(path)) == NULL)
		return STATUS_OK;
	buf_init(&content, ARGUMENTS_CONFIG_SIZE_MAX);
	st = file_read(path, &content);
	if (st == STATUS_NOT_FOUND || (st == STATUS_IO && errno == ENOTDIR)) {
		st = STATUS_OK;
		goto out;
	}
	if (st == STATUS_OK)
		st = buf_string(&content, &whole);
	if (st == STATUS_NOMEM)
		goto out;
	if (st != STATUS_OK) {
		st = problem_set(reading->problem,
		    "It has to be a text file of at most 64 KiB that you may "
		    "read; without it peyk uses its defaults.",
		    "The configuration file %.300s cannot be read%s%s.", path,
		    st == STATUS_IO ? ": " : "",
		    st == STATUS_IO ? strerror(errno) : "");
		goto out;
	}
	*config = strdup(whole);
	if (*config == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	next = *config;
	while (st == STATUS_OK && (line = strsep(&next, "\n")) != NULL)
		st = read_config_line(reading, line, ++number, path);
out:
	buf_clear(&content);
	return st;
}

static enum status
parse_seconds(struct reading *reading, enum key key, uint64_t *out_ms)
{
	const struct setting *setting = &reading->settings[key];
	const char *text = setting->value;
	uint64_t seconds = 0, thousandths = 0, unit = 100;
	bool is_number = false;

	/* By hand: strtod() goes by the locale's decimal point. */
	for (; *text >= '0' && *text <= '9'; text++) {
		is_number = true;
		seconds = seconds * 10 + (uint64_t)(*text - '0');
		if (seconds > ARGUMENTS_SECONDS_MAX)
			break;
	}
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++) {
			is_number = true;
			thousandths += unit * (uint64_t)(*text - '0');
			unit /= 10;
		}
	}
	if (!is_number || *text != '\0' || seconds > ARGUMENTS_SECONDS_MAX)
		return problem_set(reading->problem,
		    "Seconds are written like 30 or 2.5.",
		    "“%.60s” (%s) is no number of seconds up to %d.",
		    setting->value, setting->origin, ARGUMENTS_SECONDS_MAX);
	*out_ms = seconds * 1000 + thousandths;
	return STATUS_OK;
}

static enum status
parse_number(
    struct reading *reading, enum key key, uint64_t most, uint64_t *out)
{
	const struct setting *setting = &reading->settings[key];
	uint64_t number = 0;
	const char *text = setting->value;

	for (; *text >= '0' && *text <= '9' && number <= most; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	if (text == setting->value || *text != '\0' || number > most)
		return problem_set(reading->problem, "",
		    "“%.60s” (%s) is no whole number from 0 to %llu.",
		    setting->value, setting->origin, (unsigned long long)most);
	*out = number;
	return STATUS_OK;
}

/* Without a value it means loopback. */
static enum status
parse_plaintext(struct reading *reading, struct arguments *out)
{
	const struct setting *setting = &reading->settings[KEY_PLAINTEXT];

	if (setting->value == NULL)
		return STATUS_OK;
	out->forces_plaintext = strcmp(setting->value, "anywhere") == 0;
	out->uses_plaintext = out->forces_plaintext ||
			      *setting->value == '\0' ||
			      strcmp(setting->value, "loopback") == 0;
	if (out->uses_plaintext)
		return STATUS_OK;
	return problem_set(reading->problem,
	    "It can be “loopback” (this machine alone) or “anywhere”.",
	    "“%.60s” (%s) is nowhere to go without TLS.", setting->value,
	    setting->origin);
}

/* Values of the settings into *out. */
static enum status
take_settings(struct reading *reading, struct arguments *out)
{
	const struct setting *settings = reading->settings;
	uint64_t fd = 0;
	enum status st;

	out->server = settings[KEY_SERVER].value;
	out->home = settings[KEY_HOME].value;
	out->as = settings[KEY_AS].value;
	out->expect = settings[KEY_EXPECT].value;
	out->invite = settings[KEY_INVITE].value;
	out->password_file = settings[KEY_PASSWORD_FILE].value;
	out->is_following = settings[KEY_FOLLOW].value != NULL;
	out->seals_again = settings[KEY_AGAIN].value != NULL;
	out->reads_messages = settings[KEY_READ].value != NULL;
	out->has_wait = settings[KEY_WAIT].value != NULL;
	if (settings[KEY_PASSWORD_FD].value != NULL) {
		if (settings[KEY_PASSWORD_FILE].value != NULL &&
		    settings[KEY_PASSWORD_FILE].origin[0] == '-')
			return problem_set(reading->problem,
			    "Give one of them.",
			    "--password-file and --password-fd exclude each "
			    "other.");
		st = parse_number(reading, KEY_PASSWORD_FD, INT_MAX, &fd);
		if (st != STATUS_OK)
			return st;
		out->password_file = NULL;
		out->password_fd = (int)fd;
	}
	st = parse_plaintext(reading, out);
	if (st == STATUS_OK && settings[KEY_TIMEOUT].value != NULL)
		st = parse_seconds(reading, KEY_TIMEOUT, &out->timeout_ms);
	if (st == STATUS_OK && settings[KEY_WAIT].value != NULL)
		st = parse_seconds(reading, KEY_WAIT, &out->wait_ms);
	if (st == STATUS_OK && settings[KEY_LINGER].value != NULL)
		st = parse_seconds(reading, KEY_LINGER, &out->linger_ms);
	if (st == STATUS_OK && settings[KEY_LIMIT].value != NULL)
		st = parse_number(
		    reading, KEY_LIMIT, ARGUMENTS_COUNT_MAX, &out->limit);
	if (st == STATUS_OK && out->timeout_ms == 0)
		st = problem_set(reading->problem, "Leave it out for 30.",
		    "A timeout of 0 seconds leaves no time for an answer.");
	for (size_t i = 0; st == STATUS_OK && i < KEY_COUNT; i++) {
		if (settings[i].value != NULL && *settings[i].value == '\0' &&
		    takes(&rules[i]) == required_argument)
			st = problem_set(reading->problem,
			    "Leave it out for the default.",
			    "%s is empty; it takes a value: %s.",
			    settings[i].origin, rules[i].value);
	}
	return st;
}

/* The operands and options that the command takes, and no others. */
static enum status
check_command(struct reading *reading, const struct arguments *arguments)
{
	const struct command *command = arguments->command;
	char hint[128];

	(void)snprintf(
	    hint, sizeof(hint), "See “peyk help %s”.", command->name);
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (reading->settings[i].value != NULL &&
		    rules[i].command_option != 0 &&
		    (command->options & rules[i].command_option) == 0)
			return problem_set(reading->problem, hint,
			    "“peyk %s” has no option --%s.", command->name,
			    rules[i].option);
	}
	if (arguments->operand_count < command->operands_min)
		return problem_set(reading->problem, hint,
		    "Something is missing: peyk %s %s.", command->name,
		    command->operands);
	if (arguments->operand_count > command->operands_max)
		return problem_set(reading->problem,
		    strstr(command->operands, "TEXT") != NULL
			? "Put a text of several words in quotes."
		    : strstr(command->operands, "JSON") != NULL
			? "Put the JSON in single quotes."
			: hint,
		    "“%.100s” is one word too many: peyk %s%s%s.",
		    arguments->operands[command->operands_max], command->name,
		    *command->operands != '\0' ? " " : "", command->operands);
	return STATUS_OK;
}

enum status
arguments_parse(int argc, char **argv, const struct command *const *commands,
    size_t command_count, struct arguments *out,
    struct arguments_problem *problem)
{
	struct reading reading = {.problem = problem};
	enum status st;

	*problem = (struct arguments_problem){0};
	*out = (struct arguments){.password_fd = -1,
	    .timeout_ms = ARGUMENTS_TIMEOUT_MS_DEFAULT,
	    .limit = ARGUMENTS_HISTORY_LIMIT_DEFAULT};
	st = read_options(argc, argv, &reading);
	out->is_json = reading.settings[KEY_JSON].value != NULL;
	/* An error before it in the line is told as an object, too. */
	for (int i = 1; st != STATUS_OK && i < argc; i++)
		out->is_json = out->is_json || strcmp(argv[i], "--json") == 0;
	out->wants_help = reading.settings[KEY_HELP].value != NULL;
	out->wants_version = reading.settings[KEY_VERSION].value != NULL;
	if (st != STATUS_OK)
		return st;
	if (optind < argc) {
		out->command = arguments_find_command(
		    argv[optind], commands, command_count, problem);
		if (out->command == NULL)
			return STATUS_INVALID;
		out->operands = (const char *const *)&argv[optind + 1];
		out->operand_count = (size_t)(argc - optind - 1);
		if (out->command->verbs != NULL && out->operand_count > 0) {
			out->command = arguments_find_command(out->operands[0],
			    out->command->verbs, out->command->verb_count,
			    problem);
			if (out->command == NULL)
				return STATUS_INVALID;
			out->operands++;
			out->operand_count--;
		}
	}
	if (out->wants_help || out->wants_version)
		return STATUS_OK;
	if (out->command == NULL)
		return problem_set(problem, "“peyk help” lists the commands.",
		    "Tell peyk what to do: peyk COMMAND.");
	st = check_command(&reading, out);
	if (st != STATUS_OK || out->command->run == NULL)
		return st;
	read_environment(&reading);
	if ((st = read_config(&reading, &out->config)) != STATUS_OK)
		return st;
	return take_settings(&reading, out);
}

void
arguments_clear(struct arguments *arguments)
{
	free(arguments->config);
	*arguments = (struct arguments){.password_fd = -1};
}
