#ifndef PEYK_CLIENT_MESSAGE_JSON_H
#define PEYK_CLIENT_MESSAGE_JSON_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/unpack.h"

/*
 * Generated messages as JSON, by their descriptors, in protobuf's JSON
 * mapping: names in lowerCamelCase, 64-bit integers as strings, enums by name
 * (a number where it has none), bytes in padded base64 of the standard
 * alphabet; what has its default is left out. client/message_json_read.h is
 * the other way. Any thread.
 *
 * Integers, booleans, enums, strings, bytes, messages, lists and oneofs: what
 * Peyk's messages have. Floating point, maps and the types with a JSON of
 * their own are not there (STATUS_INTERNAL).
 */

/*
 * json_decref() *out. Strings must be UTF-8, which wire_unpack() sees to.
 * STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status message_json_write(
    const ProtobufCMessage *message, json_t **out);

/* The same from serialized bytes. STATUS_INVALID: they do not parse. */
MUST_CHECK enum status message_json_decode(
    const ProtobufCMessageDescriptor *type, struct bytes bytes, json_t **out);

/* Room for a field's name; ours have up to 30 letters, longer ones are cut. */
#define MESSAGE_JSON_NAME_SIZE 64

/* "recipient_key" as "recipientKey". */
void message_json_name(const char *name, char out[MESSAGE_JSON_NAME_SIZE]);

#endif
