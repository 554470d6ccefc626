#include "rpc/stub.h"

#include <malloc.h>
#include <stdlib.h>

#include "rpc/server_core.h"
#include "rpc/wire_field.h"

#define UNPACK_MEMORY_BASE ((size_t)64 << 10)

static void *
unpack_alloc(void *data, size_t size)
{
	size_t *left = data, taken;
	void *memory;

	if (size > *left || (memory = malloc(size)) == NULL)
		return NULL;
	taken = malloc_usable_size(memory);
	if (taken > *left) {
		free(memory);
		return NULL;
	}
	*left -= taken;
	return memory;
}

static void
unpack_free(void *data, void *memory)
{
	size_t *left = data;

	*left += malloc_usable_size(memory);
	free(memory);
}

enum status
rpc_stub_unpack_within(const ProtobufCMessageDescriptor *descriptor,
    struct bytes packed, unsigned factor, ProtobufCMessage **message)
{
	size_t left = UNPACK_MEMORY_BASE + factor * packed.size;
	ProtobufCAllocator allocator = {unpack_alloc, unpack_free, &left};
	ProtobufCMessage *unpacked;

	if (!rpc_wire_is_shallow(descriptor, packed))
		return STATUS_INVALID;
	unpacked = protobuf_c_message_unpack(
	    descriptor, &allocator, packed.size, packed.data);
	if (unpacked == NULL)
		return STATUS_INVALID;
	*message = unpacked;
	return STATUS_OK;
}

enum status
rpc_stub_unpack(const ProtobufCMessageDescriptor *descriptor,
    struct bytes packed, ProtobufCMessage **message)
{
	return rpc_stub_unpack_within(
	    descriptor, packed, RPC_STUB_UNPACK_FACTOR, message);
}

enum status
rpc_stub_pack(const ProtobufCMessage *message, struct buf *out)
{
	uint8_t *data;
	enum status st;

	st =
	    buf_extend(out, protobuf_c_message_get_packed_size(message), &data);
	if (st == STATUS_OK)
		protobuf_c_message_pack(message, data);
	return st;
}

const ProtobufCMessage *
rpc_stub_request(struct rpc_server_call *call, struct bytes packed)
{
	ProtobufCMessage *message = NULL;

	if (rpc_stub_unpack_within(rpc_server_call_method(call)->request,
		packed, call->worker->server->options.max_unpack_factor,
		&message) != STATUS_OK) {
		rpc_server_call_fail(call, RPC_CODE_INTERNAL,
		    "the request is malformed", bytes_empty());
		return NULL;
	}
	rpc_server_call_keep_request(call, message);
	return message;
}

void
rpc_stub_unimplemented(struct rpc_server_call *call)
{
	rpc_server_call_fail(call, RPC_CODE_UNIMPLEMENTED,
	    "there is no such method", bytes_empty());
}
