#ifndef RPC_DECOMPRESS_H
#define RPC_DECOMPRESS_H

/*
 * A received message, decompressed where its sender compressed it, to a limit.
 * gRPC's own decompression has none: 4 MiB become 4 GiB. So it is switched off
 * (GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION) on both sides, and gRPC hands
 * compressed messages on as they came.
 */

#include <stdbool.h>
#include <stddef.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>

#include "base/status.h"

/* Whether the message travelled compressed, in a way that gRPC knows. */
bool rpc_buffer_is_compressed(const grpc_byte_buffer *buffer);

/*
 * Whether the last message that the call received said that it is compressed.
 * Where rpc_buffer_is_compressed() says no, its sender named no algorithm or
 * an unknown one: gRPC does not tell which, and hands the bytes on.
 */
bool rpc_call_has_compressed_flag(grpc_call *core);

/*
 * The content of a received message in one piece, of at most `max_bytes` (and
 * INT_MAX) where it has to be decompressed; unref it. STATUS_TOO_LARGE: it
 * would be longer; STATUS_INVALID: it does not decompress, or not completely,
 * or something follows; STATUS_NOMEM. The buffer stays the caller's.
 */
MUST_CHECK enum status rpc_buffer_take_content(
    grpc_byte_buffer *buffer, size_t max_bytes, grpc_slice *content);

#endif
