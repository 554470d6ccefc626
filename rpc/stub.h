#ifndef RPC_STUB_H
#define RPC_STUB_H

/* What generated code calls besides the other headers; for it and for the files
   of this folder. */

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

struct rpc_server_call;

/* Takes at most 40 times the size of the input and 64 KiB. STATUS_INVALID: it
   does not parse, nests deeper than RPC_WIRE_DEPTH_MAX (rpc/wire_field.h), or
   memory ran out (protobuf-c does not tell which). */
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
