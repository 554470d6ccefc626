#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "gen/peyk/v1/e2ee.pb-c.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

/* The first byte of an input chooses one. */
static const ProtobufCMessageDescriptor *const types[] = {
    &peyk__v1__sealed_request__descriptor,
    &peyk__v1__sealed_response__descriptor,
    &peyk__v1__get_server_info_request__descriptor,
    &peyk__v1__get_server_info_response__descriptor,
    &peyk__v1__server_info__descriptor,
    &peyk__v1__sealing_key__descriptor,
    &peyk__v1__signed_message__descriptor,
    &peyk__v1__request_content__descriptor,
    &peyk__v1__response_content__descriptor,
    &peyk__v1__identity__descriptor,
    &peyk__v1__signed_identity__descriptor,
    &peyk__v1__sign_up_request__descriptor,
    &peyk__v1__sign_up_response__descriptor,
    &peyk__v1__get_public_key_request__descriptor,
    &peyk__v1__get_public_key_response__descriptor,
    &peyk__v1__send_request__descriptor,
    &peyk__v1__send_response__descriptor,
    &peyk__v1__poll_request__descriptor,
    &peyk__v1__poll_response__descriptor,
    &peyk__v1__message_content__descriptor,
};

#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

static bool is_counting;
static size_t taken;

/* Counts what wire_unpack() takes in all. */
void *
__wrap_malloc(size_t size)
{
	if (is_counting)
		taken += size;
	return __real_malloc(size);
}

static size_t
element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return sizeof(void *);
}

static const void *
pointer_at(const void *at)
{
	const void *pointer;

	memcpy(&pointer, at, sizeof(pointer));
	return pointer;
}

/* Reads each byte, so that a sanitizer sees what is not ours. */
static void
touch(const void *data, size_t size)
{
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
}

static void check_message(const ProtobufCMessage *message);

static void
check_value(const ProtobufCFieldDescriptor *field, const void *at,
    bool is_needed)
{
	ProtobufCBinaryData binary;
	const void *pointer;

	touch(at, element_size(field->type));
	if (field->type == PROTOBUF_C_TYPE_BYTES) {
		memcpy(&binary, at, sizeof(binary));
		FUZZ_CHECK(binary.len == 0 || binary.data != NULL);
		touch(binary.data, binary.len);
	} else if (field->type == PROTOBUF_C_TYPE_STRING) {
		pointer = pointer_at(at);
		FUZZ_CHECK(pointer != NULL);
		FUZZ_CHECK(text_is_utf8(bytes_from_string(pointer)));
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		pointer = pointer_at(at);
		FUZZ_CHECK(pointer != NULL || !is_needed);
		if (pointer != NULL)
			check_message(pointer);
	}
}

static void
check_field(const ProtobufCMessage *message,
    const ProtobufCFieldDescriptor *field)
{
	const uint8_t *start = (const uint8_t *)message;
	const uint8_t *at = start + field->offset;
	uint32_t chosen;
	size_t count;

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		memcpy(&count, start + field->quantifier_offset,
		    sizeof(count));
		at = pointer_at(at);
		FUZZ_CHECK(count == 0 || at != NULL);
		for (size_t i = 0; i < count; i++)
			check_value(field, at + i * element_size(field->type),
			    true);
		return;
	}
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		memcpy(&chosen, start + field->quantifier_offset,
		    sizeof(chosen));
		if (chosen != field->id)
			return;
	}
	check_value(field, at, false);
}

static void
check_message(const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	for (unsigned i = 0; i < type->n_fields; i++)
		check_field(message, &type->fields[i]);
	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		touch(message->unknown_fields[i].data,
		    message->unknown_fields[i].len);
}

/*
 * What was read is written in one form, which is read as the same: unless it
 * is so much shorter that now it takes too much memory for its size.
 */
static void
check_form(const ProtobufCMessageDescriptor *type,
    const ProtobufCMessage *message, size_t size)
{
	ProtobufCMessage *again = NULL;
	struct buf packed, repacked;
	enum status st;

	buf_init(&packed, WIRE_ENVELOPE_MAX);
	buf_init(&repacked, WIRE_ENVELOPE_MAX);
	FUZZ_CHECK(wire_pack(message, &packed) == STATUS_OK);
	st = wire_unpack(type, buf_bytes(&packed), packed.size, &again);
	if (st != STATUS_OK) {
		FUZZ_CHECK(st == STATUS_INVALID && packed.size < size);
		goto out;
	}
	FUZZ_CHECK(wire_pack(again, &repacked) == STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&packed), buf_bytes(&repacked)));
out:
	wire_free(again);
	buf_clear(&packed);
	buf_clear(&repacked);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *message = NULL;
	struct bytes packed;
	enum status st;

	if (size == 0)
		return 0;
	type = types[data[0] % TYPE_COUNT];
	packed = size == 1 ? bytes_empty() : bytes_make(data + 1, size - 1);
	taken = 0;
	is_counting = true;
	st = wire_unpack(type, packed, WIRE_ENVELOPE_MAX, &message);
	is_counting = false;
	FUZZ_CHECK(taken <=
	    WIRE_MEMORY_BASE + WIRE_MEMORY_FACTOR * packed.size);
	if (st == STATUS_OK) {
		FUZZ_CHECK(message->descriptor == type);
		check_message(message);
		check_form(type, message, packed.size);
		wire_free(message);
	} else {
		FUZZ_CHECK(st == STATUS_INVALID && message == NULL);
	}
	return 0;
}
