#ifndef PEYK_TESTS_WORDS_H
#define PEYK_TESTS_WORDS_H

#include "base/bytes.h"

/*
 * What a program is started with, out of one input: lines, one a word; an
 * empty line; lines "NAME=value", the environment; an empty line; the
 * configuration file. A NUL ends a word, as it does for a program.
 */
#define WORDS_MAX 64

struct words {
	char *memory;
	char *argv[WORDS_MAX + 1];        /* argv[0] as given; NULL at the end */
	int argc;
	char *environment[WORDS_MAX + 1]; /* NULL at the end */
	struct bytes config;              /* borrowed from the input */
};

/* Whatever fails ends the program. */
void words_init(struct words *words, const char *program, struct bytes input);
void words_clear(struct words *words);

#endif
