#ifndef PROTOC_GEN_GRPC_C_SCHEMA_H
#define PROTOC_GEN_GRPC_C_SCHEMA_H

/* What a request of protoc defines, found by name. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "gen/google/protobuf/compiler/plugin.pb-c.h"

/* A message type, with protoc-c's names for it. */
struct schema_message {
	char *name;    /* "peyk.v1.SendRequest" */
	char *c_type;  /* "Peyk__V1__SendRequest" */
	char *c_lower; /* "peyk__v1__send_request" */
	const Google__Protobuf__FileDescriptorProto *file;
	const Google__Protobuf__DescriptorProto *descriptor;
};

struct schema {
	const Google__Protobuf__Compiler__CodeGeneratorRequest *request;
	struct bytes *packed; /* each of request->proto_file, as it came */
	struct schema_message *messages;
	size_t message_count, message_capacity;
};

/* The custom option that marks sealed methods. */
struct schema_sealed_option {
	uint32_t number; /* its extension number; 0: there is no such option */
	uint32_t request_field, response_field; /* in the option's message */
};

/*
 * `request` is what `packed` holds; both outlive it. False: what they hold is
 * not the same. Out of memory ends the program.
 */
bool schema_init(struct schema *schema,
    const Google__Protobuf__Compiler__CodeGeneratorRequest *request,
    struct bytes packed);
void schema_clear(struct schema *schema);

/* NULL when protoc did not name the file. */
const Google__Protobuf__FileDescriptorProto *schema_file(
    const struct schema *schema, const char *name);

/* By full name, with or without a leading dot. NULL: not among the files. */
const struct schema_message *schema_message(
    const struct schema *schema, const char *name);

/*
 * Finds the extension of google.protobuf.MethodOptions of that full name, a
 * message with strings `request` and `response`. An error text, allocated, or
 * NULL.
 */
char *schema_sealed_option(const struct schema *schema, const char *name,
    struct schema_sealed_option *option);

#endif
