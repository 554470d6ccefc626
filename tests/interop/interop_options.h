#ifndef PEYK_TESTS_INTEROP_OPTIONS_H
#define PEYK_TESTS_INTEROP_OPTIONS_H

/*
 * What the interoperability programs share: options as gRPC's own programs
 * spell them, and expectations that end the program when they are wrong.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/status.h"

/* --name=value or --name value; `*value` holds the default. */
struct option {
	const char *name;
	const char **value;
};

/* The array ends with a NULL name. An unknown option ends the program. */
void options_parse(const struct option *options, int argc, char **argv);

bool option_is_true(const char *value);

/* The content of a file, to be freed. */
char *file_text(const char *path);

/* A body that borrows its bytes. */
ProtobufCBinaryData body_of(const uint8_t *zeros, size_t size);

/* Prints the text and ends the program with 1 unless it is so. */
void expect(bool is_so, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void expect_ok(enum status st);
void *expect_memory(void *memory);

#endif
