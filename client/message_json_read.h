#ifndef PEYK_CLIENT_MESSAGE_JSON_READ_H
#define PEYK_CLIENT_MESSAGE_JSON_READ_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "wire/unpack.h"

/*
 * Messages that somebody wrote in JSON, in protobuf's JSON mapping, to bytes.
 * Any thread.
 *
 * Taken are the names of the .proto file and their lowerCamelCase; integers of
 * all sizes as numbers or as decimal strings; enums by name or number; bytes
 * in base64 of either alphabet, padded or not; null for what is left out. What
 * is no field, is there twice, has another type or does not fit is refused.
 * The types are those of client/message_json.h.
 */

/* Bytes of JSON: a body of WIRE_BODY_MAX in base64, and more. */
#define MESSAGE_JSON_SIZE_MAX ((size_t)8 << 20)

/* Our messages nest four deep. */
#define MESSAGE_JSON_DEPTH_MAX 16

/*
 * What is wrong, and where: "$.messages[0].recipientKey: this is no base64".
 * It may have words of the input in it.
 */
struct message_json_problem {
	char text[512];
};

/*
 * Parses JSON text. STATUS_INVALID (*problem filled in: no JSON, the same key
 * twice, no object), STATUS_TOO_LARGE, STATUS_NOMEM. json_decref() *out.
 */
MUST_CHECK enum status message_json_parse(
    struct bytes text, json_t **out, struct message_json_problem *problem);

/*
 * Appends the serialized message that the object describes, its fields in the
 * order of their numbers. STATUS_INVALID with *problem; STATUS_TOO_LARGE (the
 * limit of out), STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status message_json_encode(
    const ProtobufCMessageDescriptor *type, const json_t *object,
    struct buf *out, struct message_json_problem *problem);

/*
 * Base64 of either alphabet, padded or not, appended to out. STATUS_INVALID,
 * STATUS_TOO_LARGE, STATUS_NOMEM.
 */
MUST_CHECK enum status message_json_base64(const char *text, struct buf *out);

#endif
