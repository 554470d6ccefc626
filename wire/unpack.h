#ifndef PEYK_WIRE_UNPACK_H
#define PEYK_WIRE_UNPACK_H

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * Protobuf messages to and from bytes, for bytes that a peer wrote. Any
 * thread.
 *
 * protobuf-c bounds nothing: two bytes of an empty repeated message become
 * some hundred of memory, so 4 MiB could take hundreds. Here the memory of a
 * message is at most WIRE_MEMORY_FACTOR times its bytes and
 * WIRE_MEMORY_BASE; honest messages stay far below.
 *
 * protobuf-c takes strings as they come, and cuts them at a NUL. Here a
 * string that is not UTF-8, or has a NUL, makes the whole message malformed,
 * so that a C string says all that was signed.
 */
#define WIRE_MEMORY_FACTOR ((size_t)4)
#define WIRE_MEMORY_BASE ((size_t)256 << 10)

/*
 * Decodes from, at most max bytes, as a message of this type:
 *
 *	Peyk__V1__SendRequest *request = NULL;
 *
 *	st = wire_unpack(&peyk__v1__send_request__descriptor, body,
 *	    WIRE_BODY_MAX, &request);
 *	...
 *	wire_free(request);
 *
 * out: the address of a pointer to the generated struct; that is owned by
 * the caller, holds copies of everything, and goes by wire_free() (its own
 * __free_unpacked() with NULL does too, without wiping). STATUS_TOO_LARGE
 * past max; STATUS_INVALID if it is malformed or would take too much memory;
 * STATUS_NOMEM.
 */
MUST_CHECK enum status wire_unpack(const ProtobufCMessageDescriptor *type,
    struct bytes from, size_t max, void *out);

/*
 * Wipes and frees what wire_unpack() gave. NULL is a no-op. Of fields that
 * the caller took, leave NULL behind.
 */
void wire_free(void *message);

/* Appends the serialized message to out. STATUS_TOO_LARGE, STATUS_NOMEM. */
MUST_CHECK enum status wire_pack(const ProtobufCMessage *message,
    struct buf *out);

/* A bytes field, borrowed. */
static inline struct bytes
wire_bytes(ProtobufCBinaryData field)
{
	return bytes_make(field.data, field.len);
}

/*
 * A bytes field over borrowed bytes, for a message that is only packed:
 * protobuf-c's type lacks the const.
 */
ProtobufCBinaryData wire_field(struct bytes bytes);

#endif
