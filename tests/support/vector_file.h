#ifndef PEYK_TESTS_VECTOR_FILE_H
#define PEYK_TESTS_VECTOR_FILE_H

#include <jansson.h>

#include "base/bytes.h"

/*
 * Our own vectors: what the protocol makes of fixed keys. The tests make them
 * anew and compare them with the committed file, which the second client in
 * Python checks too. With PEYK_WRITE_VECTORS set, the file is written instead.
 */

/* Compares, or writes; takes the reference. Fails the test. */
void vector_file_check_take(const char *file, json_t *made);

/* Sets a member to lower-case hex. */
void vector_set_hex(json_t *object, const char *member, struct bytes bytes);
void vector_set_string(json_t *object, const char *member,
    const char *string);
void vector_set_integer(json_t *object, const char *member, uint64_t value);

#endif
