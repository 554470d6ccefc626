#include "rpc/wire_field.h"

static bool
take_varint(struct bytes *rest, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (rest->size == 0)
			return false;
		byte = *rest->data++;
		rest->size--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = value;
			return true;
		}
	}
	return false;
}

static bool
take(struct bytes *rest, uint64_t size, struct bytes *out)
{
	if (size > rest->size)
		return false;
	*out = bytes_make(rest->data, (size_t)size);
	rest->data += size;
	rest->size -= (size_t)size;
	return true;
}

bool
rpc_wire_content_take(struct bytes *rest, struct bytes *out)
{
	uint64_t size;

	return take_varint(rest, &size) && take(rest, size, out);
}

bool
rpc_wire_field_take(struct bytes *rest, struct rpc_wire_field *out)
{
	uint64_t key, ignored;

	if (!take_varint(rest, &key) || key > UINT32_MAX || key >> 3 == 0)
		return false;
	*out = (struct rpc_wire_field){.number = (uint32_t)(key >> 3),
	    .type = (enum rpc_wire_type)(key & 7)};
	switch (out->type) {
	case RPC_WIRE_TYPE_VARINT:
		return take_varint(rest, &ignored);
	case RPC_WIRE_TYPE_64BIT:
		return take(rest, 8, &out->content);
	case RPC_WIRE_TYPE_LENGTH:
		return rpc_wire_content_take(rest, &out->content);
	case RPC_WIRE_TYPE_32BIT:
		return take(rest, 4, &out->content);
	}
	return false;
}

static bool
is_shallow(const ProtobufCMessageDescriptor *type, struct bytes rest,
    unsigned depth)
{
	const ProtobufCFieldDescriptor *known;
	struct rpc_wire_field field;

	if (depth > RPC_WIRE_DEPTH_MAX)
		return false;
	while (rest.size > 0) {
		if (!rpc_wire_field_take(&rest, &field))
			return false;
		known = protobuf_c_message_descriptor_get_field(
		    type, field.number);
		if (known != NULL && known->type == PROTOBUF_C_TYPE_MESSAGE &&
		    field.type == RPC_WIRE_TYPE_LENGTH &&
		    !is_shallow(known->descriptor, field.content, depth + 1))
			return false;
	}
	return true;
}

bool
rpc_wire_is_shallow(const ProtobufCMessageDescriptor *type, struct bytes packed)
{
	return is_shallow(type, packed, 1);
}
