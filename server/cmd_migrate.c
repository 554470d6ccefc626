#include <stdio.h>
#include <string.h>

#include "server/command.h"
#include "server/store/migrate.h"

static void
print_row(void *context, const char *version, const char *name, bool is_applied)
{
	size_t *missing = context;

	if (!is_applied)
		++*missing;
	if (name[0] == '\0')
		printf("unknown  %s (applied by a newer peykd)\n", version);
	else
		printf("%s %s\n", is_applied ? "applied " : "missing ", name);
}

static void
print_step(void *context, const struct migration *migration, bool is_up)
{
	(void)context;
	printf("%s %s\n", is_up ? "applied" : "taken back", migration->name);
}

static enum command_exit
down(const struct options *options)
{
	struct migrate_options migrate = {
	    .conninfo = options->database,
	    .report = print_step,
	};
	struct buf problem;
	enum command_exit code = COMMAND_EXIT_DONE;
	enum status st;

	buf_init(&problem, COMMAND_PROBLEM_MAX);
	st = migrate_down(&migrate, &problem);
	if (st == STATUS_NOT_FOUND)
		code = command_fail(COMMAND_EXIT_FAILED,
		    "No migration is applied: there is nothing to take "
		    "back.");
	else if (st != STATUS_OK)
		code = command_fail_database(st, &problem);
	buf_clear(&problem);
	return code;
}

static enum command_exit
show(const struct options *options)
{
	size_t missing = 0;
	struct migrate_options migrate = {.conninfo = options->database};
	struct buf problem;
	enum command_exit code = COMMAND_EXIT_DONE;
	enum status st;

	migrate.context = &missing;
	buf_init(&problem, COMMAND_PROBLEM_MAX);
	st = migrate_status(&migrate, print_row, &problem);
	if (st != STATUS_OK)
		code = command_fail_database(st, &problem);
	else if (missing > 0)
		printf("%zu missing: run `peykd migrate up`\n", missing);
	buf_clear(&problem);
	return code;
}

enum command_exit
cmd_migrate(const struct options *options)
{
	const char *what =
	    options->argument_count == 1 ? options->arguments[0] : "";

	if (strcmp(what, "up") == 0)
		return command_migrate_up(options, stdout);
	if (strcmp(what, "down") == 0)
		return down(options);
	if (strcmp(what, "status") == 0)
		return show(options);
	return command_fail(COMMAND_EXIT_USAGE,
	    "migrate needs one of up, down or status: peykd migrate up");
}
