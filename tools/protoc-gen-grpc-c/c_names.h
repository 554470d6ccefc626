#ifndef PROTOC_GEN_GRPC_C_C_NAMES_H
#define PROTOC_GEN_GRPC_C_C_NAMES_H

/*
 * The C names that protoc-c derives from protobuf names. Ours must be the same
 * to the letter, since the generated code calls protoc-c's.
 */

#include <stdbool.h>

/* Allocated; never NULL: out of memory ends the program. */

/* "peyk.v1.SendRequest" -> "Peyk__V1__SendRequest" */
char *c_name_type(const char *full_name);

/* "peyk.v1.SendRequest" -> "peyk__v1__send_request" */
char *c_name_lower(const char *full_name);

/* "peyk/v1/messenger.proto" -> "peyk/v1/messenger" */
char *c_name_strip_proto(const char *file);

/* "peyk/v1/messenger" -> "peyk_v1_messenger": for an include guard. */
char *c_name_identifier(const char *text);

/* Words that protoc-c does not use as identifiers: those of C and C++. */
bool c_name_is_keyword(const char *word);

/* Words that no identifier of C can be, with what <stdbool.h> defines. */
bool c_name_is_c_keyword(const char *word);

/* As asprintf(); never NULL. */
char *c_name_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
