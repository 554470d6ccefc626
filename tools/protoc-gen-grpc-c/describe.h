#ifndef PROTOC_GEN_GRPC_C_DESCRIBE_H
#define PROTOC_GEN_GRPC_C_DESCRIBE_H

/* The C file that holds a .proto file's descriptors, for rpc/reflection.h. */

#include <stddef.h>
#include <stdio.h>

#include "tools/protoc-gen-grpc-c/schema.h"

/*
 * "peyk_v1_messenger_descriptors" for the base "peyk/v1/messenger"; allocated.
 * Out of memory ends the program.
 */
char *describe_name(const char *base);

/*
 * Writes the source: these files and all that they import, each as protoc sent
 * it, so that options and comments survive that this program knows nothing of.
 * `files` are of the schema's request; the first is the one described. An
 * import that protoc did not send is left out.
 */
void describe_emit(FILE *out, const struct schema *schema, const char *base,
    const Google__Protobuf__FileDescriptorProto *const *files, size_t count);

#endif
