#ifndef RPC_WIRE_FIELD_H
#define RPC_WIRE_FIELD_H

/*
 * Protobuf's wire format, field by field: for what protobuf-c does not tell,
 * and to look at bytes before protobuf-c does. Any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

/* As deep as other implementations unpack a message too. */
#define RPC_WIRE_DEPTH_MAX 100

/* Groups, wire types 3 and 4, are refused as protobuf-c refuses them. */
enum rpc_wire_type {
	RPC_WIRE_TYPE_VARINT = 0,
	RPC_WIRE_TYPE_64BIT = 1,
	RPC_WIRE_TYPE_LENGTH = 2,
	RPC_WIRE_TYPE_32BIT = 5,
};

struct rpc_wire_field {
	uint32_t number;
	enum rpc_wire_type type;
	struct bytes content; /* not of a varint; borrowed */
};

/* Takes a field off the front. False: there is no whole one. */
bool rpc_wire_field_take(struct bytes *rest, struct rpc_wire_field *out);

/* The same for a length and so many bytes. */
bool rpc_wire_content_take(struct bytes *rest, struct bytes *out);

/*
 * Whether the message nests at most RPC_WIRE_DEPTH_MAX deep. protobuf-c
 * unpacks by recursion without asking: a type that contains itself lets
 * whoever wrote the bytes choose how much stack that takes. Also false where
 * the frame is broken, so that protobuf-c would not take it.
 */
bool rpc_wire_is_shallow(
    const ProtobufCMessageDescriptor *type, struct bytes packed);

#endif
