#ifndef RPC_DESCRIPTORS_H
#define RPC_DESCRIPTORS_H

/*
 * What a .proto file says, comments included: for rpc/reflection.h. Generated
 * code has one for each file with services, named after the file, in
 * x.descriptors.c.
 */

#include <stddef.h>

/* One of them, a constant of generated code. */
struct rpc_descriptors {
	/* A serialized google.protobuf.FileDescriptorSet: the file, and all
	   that it imports, directly or not. As protoc wrote it. */
	const void *data;
	size_t size;
};

#endif
