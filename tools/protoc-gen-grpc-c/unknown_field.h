#ifndef PROTOC_GEN_GRPC_C_UNKNOWN_FIELD_H
#define PROTOC_GEN_GRPC_C_UNKNOWN_FIELD_H

/*
 * Custom options: extensions of the descriptors' option messages. protobuf-c
 * knows no extensions and keeps them as unknown fields in wire format.
 */

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/* Whether there is one of that number: a message, string or bytes. */
bool unknown_field_exists(const ProtobufCMessage *message, uint32_t number);

/*
 * The last string `field` of the message that the unknown fields of `number`
 * are, allocated. There may be several, which add up: protoc writes one for
 * each statement such as `option (x).y = "z";`. NULL when there is none, or
 * one is malformed.
 */
char *unknown_field_string(
    const ProtobufCMessage *message, uint32_t number, uint32_t field);

#endif
