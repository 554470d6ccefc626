#ifndef PEYK_SERVER_COMMAND_H
#define PEYK_SERVER_COMMAND_H

#include <stdio.h>

#include "base/buf.h"
#include "server/options.h"

/*
 * The commands of peykd. Each gets its options, prints what it did on standard
 * output and what went wrong on standard error, and returns the exit code.
 */

enum command_exit {
	COMMAND_EXIT_DONE = 0,
	COMMAND_EXIT_FAILED = 1,
	COMMAND_EXIT_USAGE = 2,
};

/* Bytes of a sentence about what went wrong. */
#define COMMAND_PROBLEM_MAX ((size_t)4096)

enum command_exit cmd_init(const struct options *options);
enum command_exit cmd_serve(const struct options *options);
enum command_exit cmd_migrate(const struct options *options);

/* "peykd: " and the sentence, on standard error; returns the code. */
enum command_exit command_fail(enum command_exit code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with what a function left in problem. */
enum command_exit command_fail_with(
    enum command_exit code, struct buf *problem);

/* The same after a function that used the database: what to check. */
enum command_exit command_fail_database(enum status st, struct buf *problem);

/*
 * Brings the schema up to date, and tells each step on out. Else it has said
 * what is wrong, and returns the exit code.
 */
enum command_exit command_migrate_up(const struct options *options, FILE *out);

/* "FOLDER/NAME"; the caller frees it. NULL: no memory. */
char *command_path(const struct options *options, const char *name);

#endif
