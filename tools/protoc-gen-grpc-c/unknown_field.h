#ifndef PROTOC_GEN_GRPC_C_UNKNOWN_FIELD_H
#define PROTOC_GEN_GRPC_C_UNKNOWN_FIELD_H

/*
 * Custom options: extensions of the descriptors' option messages. protobuf-c
 * knows no extensions and keeps them as unknown fields in wire format.
 */

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

/*
 * The content of the last unknown field of that number, which must be a
 * message, string or bytes; borrowed. False when there is none.
 */
bool unknown_field_find(const ProtobufCMessage *message, uint32_t number,
    struct bytes *content);

/*
 * The last string field of that number in a serialized message, allocated.
 * NULL when there is none, or the message is malformed.
 */
char *unknown_field_string(struct bytes message, uint32_t number);

#endif
