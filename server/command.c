#include "server/command.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/store/migrate.h"

enum command_exit
command_fail(enum command_exit code, const char *format, ...)
{
	va_list arguments;

	fputs("peykd: ", stderr);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return code;
}

enum command_exit
command_fail_with(enum command_exit code, struct buf *problem)
{
	const char *text = NULL;

	if (problem->size == 0 || buf_string(problem, &text) != STATUS_OK)
		text = "There is not enough memory.";
	return command_fail(code, "%s", text);
}

enum command_exit
command_fail_database(enum status st, struct buf *problem)
{
	if (st == STATUS_UNAVAILABLE)
		return command_fail(COMMAND_EXIT_FAILED,
		    "The database is not reachable. Check that PostgreSQL "
		    "runs, that the database and the user exist, and that "
		    "--database is right, such as \"host=/run/postgresql "
		    "dbname=peyk\".");
	return command_fail_with(COMMAND_EXIT_FAILED, problem);
}

static void
report(void *context, const struct migration *migration, bool is_up)
{
	FILE *out = context;

	fprintf(
	    out, "%s %s\n", is_up ? "applied" : "taken back", migration->name);
	(void)fflush(out);
}

enum command_exit
command_migrate_up(const struct options *options, FILE *out)
{
	struct migrate_options migrate = {
	    .conninfo = options->database,
	    .report = report,
	    .context = out,
	};
	struct buf problem;
	enum command_exit code = COMMAND_EXIT_DONE;
	enum status st;

	buf_init(&problem, COMMAND_PROBLEM_MAX);
	if ((st = migrate_up(&migrate, &problem)) != STATUS_OK)
		code = command_fail_database(st, &problem);
	buf_clear(&problem);
	return code;
}

char *
command_path(const struct options *options, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", options->data, name) < 0)
		return NULL;
	return path;
}
