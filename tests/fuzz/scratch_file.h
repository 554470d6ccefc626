#ifndef PEYK_TESTS_SCRATCH_FILE_H
#define PEYK_TESTS_SCRATCH_FILE_H

#include "base/bytes.h"

/*
 * One file for targets whose parser takes a path: replaces its content, and
 * returns its path, which is the same each time. Its mode is 0600. It goes
 * with the program. Whatever fails here ends the program.
 */
const char *scratch_file_write(struct bytes content);

/* The folder that it is in; its name there is "config". */
const char *scratch_file_folder(void);

#endif
