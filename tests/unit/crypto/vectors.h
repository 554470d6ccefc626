#ifndef PEYK_TESTS_VECTORS_H
#define PEYK_TESTS_VECTORS_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"

/*
 * Published test vectors, from tests/vectors. Whatever is missing or wrong in
 * a file fails the test that asks for it.
 */

/* The file's JSON; the caller calls json_decref(). */
json_t *vectors_load(const char *file);

/* A member, which must be there. */
const char *vectors_string(const json_t *object, const char *member);
long long vectors_integer(const json_t *object, const char *member);
json_t *vectors_array(const json_t *object, const char *member);

/* A member's hex, decoded into out, which is initialised here. */
struct bytes vectors_hex(const json_t *object, const char *member,
    struct buf *out);

/* Hex, decoded into exactly size bytes. */
void vectors_hex_into(const json_t *object, const char *member, void *out,
    size_t size);

#endif
