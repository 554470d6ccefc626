#ifndef RPC_STUB_H
#define RPC_STUB_H

/* What generated code calls besides the other headers; for it and for the files
   of this folder. */

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

struct rpc_server_call;

/*
 * What a message may take while it is unpacked: so many times its own size, and
 * 64 KiB. protobuf-c takes up to 80 bytes for each field while it looks at a
 * message, and then the structs: for fields of two bytes, unknown ones say,
 * some 60 times the input. The first is enough for lists of the smallest
 * messages that say something, of four bytes each.
 */
#define RPC_STUB_UNPACK_FACTOR 40
/* For messages that are known to be no such lists. */
#define RPC_STUB_UNPACK_FACTOR_FLAT 8

/* Takes no more memory than that. STATUS_INVALID: it does not parse, nests
   deeper than RPC_WIRE_DEPTH_MAX (rpc/wire_field.h), or would take more, or
   memory ran out (protobuf-c does not tell which). */
MUST_CHECK enum status rpc_stub_unpack_within(
    const ProtobufCMessageDescriptor *descriptor, struct bytes packed,
    unsigned factor, ProtobufCMessage **message);
/* With RPC_STUB_UNPACK_FACTOR. */
MUST_CHECK enum status rpc_stub_unpack(
    const ProtobufCMessageDescriptor *descriptor, struct bytes packed,
    ProtobufCMessage **message);

/* Appends a message. STATUS_NOMEM, and what the cap of `out` gives. */
MUST_CHECK enum status rpc_stub_pack(
    const ProtobufCMessage *message, struct buf *out);

/*
 * Unpacks the request of a call as its method says; it lives until the answer.
 * NULL: it did not parse, and the call was answered INTERNAL.
 */
const ProtobufCMessage *rpc_stub_request(
    struct rpc_server_call *call, struct bytes packed);

/* Answers a call that has no handler. */
void rpc_stub_unimplemented(struct rpc_server_call *call);

#endif
