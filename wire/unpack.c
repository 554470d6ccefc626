#include "wire/unpack.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"

/* What malloc() takes beside each block: many small ones cost most. */
#define BLOCK_OVERHEAD 16

/* Our messages nest four deep; deeper ones are somebody's attempt. */
#define DEPTH_MAX 16

/* Wire types of protobuf; 3 and 4 are groups, which proto3 has not. */
enum wire_type {
	WIRE_TYPE_VARINT = 0,
	WIRE_TYPE_64BIT = 1,
	WIRE_TYPE_BYTES = 2,
	WIRE_TYPE_32BIT = 5,
};

struct field {
	uint32_t number;
	uint32_t type;
	struct bytes value; /* of WIRE_TYPE_BYTES */
};

struct budget {
	size_t left;
	bool is_out_of_memory;
};

static void
skip(struct bytes *rest, size_t size)
{
	rest->data += size;
	rest->size -= size;
}

static bool
read_varint(struct bytes *rest, uint64_t *out)
{
	uint64_t value = 0;
	uint8_t byte;
	unsigned int shift;

	for (shift = 0; shift < 64; shift += 7) {
		if (rest->size == 0)
			return false;
		byte = rest->data[0];
		skip(rest, 1);
		value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			*out = value;
			return true;
		}
	}
	return false;
}

static bool
read_field(struct bytes *rest, struct field *out)
{
	uint64_t tag, size = 0;

	if (!read_varint(rest, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return false;
	*out = (struct field){ .number = (uint32_t)(tag >> 3),
		.type = (uint32_t)(tag & 7) };
	switch (out->type) {
	case WIRE_TYPE_VARINT:
		return read_varint(rest, &size);
	case WIRE_TYPE_64BIT:
		size = 8;
		break;
	case WIRE_TYPE_32BIT:
		size = 4;
		break;
	case WIRE_TYPE_BYTES:
		if (!read_varint(rest, &size))
			return false;
		break;
	default:
		return false;
	}
	if (size > rest->size)
		return false;
	out->value = bytes_make(rest->data, (size_t)size);
	skip(rest, (size_t)size);
	return true;
}

static bool
is_string(struct bytes value)
{
	return value.size == 0 ||
	    (memchr(value.data, 0, value.size) == NULL &&
	    text_is_utf8(value));
}

/* Whether the frame is sound and every string is one. */
static bool
is_well_formed(const ProtobufCMessageDescriptor *type, struct bytes rest,
    unsigned int depth)
{
	const ProtobufCFieldDescriptor *known;
	struct field field;

	if (depth > DEPTH_MAX)
		return false;
	while (rest.size > 0) {
		if (!read_field(&rest, &field))
			return false;
		known = protobuf_c_message_descriptor_get_field(type,
		    field.number);
		if (known == NULL || field.type != WIRE_TYPE_BYTES)
			continue;
		if (known->type == PROTOBUF_C_TYPE_STRING &&
		    !is_string(field.value))
			return false;
		if (known->type == PROTOBUF_C_TYPE_MESSAGE &&
		    !is_well_formed(known->descriptor, field.value, depth + 1))
			return false;
	}
	return true;
}

static void *
budget_alloc(void *data, size_t size)
{
	struct budget *budget = data;
	void *memory;

	if (budget->left < BLOCK_OVERHEAD ||
	    size > budget->left - BLOCK_OVERHEAD)
		return NULL;
	if ((memory = malloc(size)) == NULL) {
		budget->is_out_of_memory = true;
		return NULL;
	}
	budget->left -= size + BLOCK_OVERHEAD;
	return memory;
}

static void
wiping_free(void *data, void *memory)
{
	(void)data;
	if (memory == NULL)
		return;
	secret_wipe(memory, malloc_usable_size(memory));
	free(memory);
}

enum status
wire_unpack(const ProtobufCMessageDescriptor *type, struct bytes from,
    size_t max, void *out)
{
	struct budget budget = { .left = 0 };
	ProtobufCAllocator allocator = { .alloc = budget_alloc,
		.free = wiping_free, .allocator_data = &budget };
	static const uint8_t nothing[1];
	ProtobufCMessage *message;

	if (from.size > max)
		return STATUS_TOO_LARGE;
	if (from.size > (SIZE_MAX - WIRE_MEMORY_BASE) / WIRE_MEMORY_FACTOR)
		return STATUS_TOO_LARGE;
	if (!is_well_formed(type, from, 1))
		return STATUS_INVALID;
	budget.left = WIRE_MEMORY_BASE + WIRE_MEMORY_FACTOR * from.size;
	message = protobuf_c_message_unpack(type, &allocator, from.size,
	    from.size > 0 ? from.data : nothing);
	if (message == NULL)
		return budget.is_out_of_memory ? STATUS_NOMEM : STATUS_INVALID;
	/* Pointers to structs are alike; only their types are not. */
	memcpy(out, &message, sizeof(message));
	return STATUS_OK;
}

void
wire_free(void *message)
{
	ProtobufCAllocator allocator = { .free = wiping_free };

	if (message != NULL)
		protobuf_c_message_free_unpacked(message, &allocator);
}

enum status
wire_pack(const ProtobufCMessage *message, struct buf *out)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *to;
	enum status st;

	if (size == 0)
		return STATUS_OK;
	if ((st = buf_extend(out, size, &to)) != STATUS_OK)
		return st;
	if (protobuf_c_message_pack(message, to) != size) {
		buf_truncate(out, out->size - size);
		return STATUS_INTERNAL;
	}
	return STATUS_OK;
}

ProtobufCBinaryData
wire_field(struct bytes bytes)
{
	return (ProtobufCBinaryData){ .len = bytes.size,
		.data = (uint8_t *)(uintptr_t)bytes.data };
}
