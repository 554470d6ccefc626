#ifndef RPC_CORE_H
#define RPC_CORE_H

/*
 * What the files of this folder share: gRPC's own types, which no header for
 * others mentions.
 */

#include <stdbool.h>
#include <stddef.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"
#include "base/status.h"
#include "rpc/compression.h"
#include "rpc/loop.h"
#include "rpc/metadata.h"
#include "rpc/method.h"

/* Default for messages, both directions. */
#define RPC_MAX_MESSAGE_BYTES (4u << 20)

/* Carries the serialized google.rpc.Status. */
#define RPC_DETAILS_KEY "grpc-status-details-bin"

/* gRPC counts: each start is ended by one stop. Any thread. */
void rpc_core_start(void);
void rpc_core_stop(void);

grpc_completion_queue *rpc_loop_queue(struct rpc_loop *loop);
bool rpc_loop_is_interrupted(const struct rpc_loop *loop);
/* One step that no interrupt ends. False once the loop is closed. */
bool rpc_loop_finish_step(struct rpc_loop *loop);

/* Arguments of a channel or of a server; zero is none. */
#define RPC_ARGS_MAX 20
struct rpc_args {
	grpc_arg entries[RPC_ARGS_MAX];
	size_t count;
	grpc_resource_quota *quota;
};

/* Keys and texts are borrowed. A number past INT_MAX counts as that. */
void rpc_args_add_number(struct rpc_args *args, const char *key, size_t value);
void rpc_args_add_text(
    struct rpc_args *args, const char *key, const char *text);
/* What all connections may buffer, by gRPC's count. Once. */
void rpc_args_add_quota(
    struct rpc_args *args, const char *name, size_t max_bytes);
/* For gRPC, which makes copies; borrowed from `args`. */
grpc_channel_args rpc_args_list(struct rpc_args *args);
void rpc_args_clear(struct rpc_args *args);

/* Otherwise its requests stream. */
static inline bool
rpc_method_has_one_request(const struct rpc_method *method)
{
	return method->kind == RPC_METHOD_UNARY ||
	       method->kind == RPC_METHOD_SERVER_STREAMING;
}

/* Borrowed from the slice, which must not move meanwhile. */
struct bytes rpc_slice_bytes(const grpc_slice *slice);

/* A message to send; destroy it once the batch has started. */
grpc_byte_buffer *rpc_buffer_from_bytes(struct bytes bytes);
grpc_byte_buffer *rpc_buffer_from_message(const ProtobufCMessage *message);
/* The content of one of these, borrowed. */
struct bytes rpc_buffer_bytes(const grpc_byte_buffer *buffer);

/* "gzip", as it travels; NULL for RPC_COMPRESSION_DEFAULT. */
const char *rpc_compression_name(enum rpc_compression compression);

/*
 * The content of a received message in one piece, without a copy where it
 * came in one; unref it. False when the buffer cannot be read.
 */
bool rpc_buffer_to_slice(grpc_byte_buffer *buffer, grpc_slice *slice);

/* The last entry with that key. */
bool rpc_metadata_find(
    const grpc_metadata_array *array, const char *key, struct bytes *value);

/* Metadata to send: owned copies, grown one by one. Zero is empty. */
struct rpc_metadata_list {
	grpc_metadata *entries;
	size_t count;
};

/* STATUS_INVALID, STATUS_NOMEM. */
MUST_CHECK enum status rpc_metadata_list_add(
    struct rpc_metadata_list *list, const char *key, struct bytes value);
/* The same for what applications may not set. STATUS_NOMEM. */
MUST_CHECK enum status rpc_metadata_list_add_reserved(
    struct rpc_metadata_list *list, const char *key, struct bytes value);
void rpc_metadata_list_clear(struct rpc_metadata_list *list);

#endif
