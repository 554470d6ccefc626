#ifndef PROTOC_GEN_GRPC_C_GENERATE_H
#define PROTOC_GEN_GRPC_C_GENERATE_H

/* Writes the stubs and skeletons of one .proto file. */

#include <stdbool.h>

#include "tools/protoc-gen-grpc-c/schema.h"

struct generate_options {
	/* Goes before the name of each service; "" by default. */
	const char *prefix;
	/* Number 0: no method is sealed. */
	struct schema_sealed_option sealed;
	/* Names of further files that descriptors hold; see describe.h. */
	char **described;
	size_t described_count;
	/* "rpc/loop.h", as the runtime's own tree has it, and not
	   <grpc_c/loop.h>, as it is installed. */
	bool is_in_tree;
	/* Writes all files where there are no services, too. */
	bool is_always;
};

struct generate_output {
	/* "peyk/v1/messenger.grpc-c.h", its .c, and
	   "peyk/v1/messenger.descriptors.c"; NULL without services, unless
	   is_always. */
	char *header_name, *source_name, *descriptors_name;
	char *header, *source, *descriptors;
};

/*
 * An error text (allocated) when the .proto file asks for what cannot be, or
 * NULL. Clear the output in any case.
 */
char *generate_file(const struct schema *schema,
    const Google__Protobuf__FileDescriptorProto *file,
    const struct generate_options *options, struct generate_output *output);

void generate_output_clear(struct generate_output *output);

#endif
