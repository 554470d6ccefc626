#ifndef PEYK_TESTS_UNIT_CLIENT_FOLDER_H
#define PEYK_TESTS_UNIT_CLIENT_FOLDER_H

#include "base/buf.h"
#include "tests/unit/unit.h"

/* A folder of the test's own; setup and teardown for cmocka. */
int folder_setup(void **state);
int folder_teardown(void **state);

/* A path in it. Good until the next call but one. */
const char *folder_path(const char *name);

/* Whole files, or the test fails. */
void folder_read(const char *path, struct buf *out);
void folder_write(const char *path, struct bytes content);

#endif
