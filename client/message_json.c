#include "client/message_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "wire/limits.h"
#include "wire/unpack.h"

void
message_json_name(const char *name, char out[MESSAGE_JSON_NAME_SIZE])
{
	bool is_start = false;
	size_t used = 0;

	for (; *name != '\0' && used < MESSAGE_JSON_NAME_SIZE - 1; name++) {
		char letter = *name;

		if (letter == '_') {
			is_start = true;
			continue;
		}
		if (is_start && letter >= 'a' && letter <= 'z')
			letter = (char)(letter - 'a' + 'A');
		is_start = false;
		out[used++] = letter;
	}
	out[used] = '\0';
}

static bool
is_in_oneof(const ProtobufCFieldDescriptor *field)
{
	return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static json_t *
write_bytes(const ProtobufCBinaryData *bytes)
{
	json_t *value = NULL;
	struct buf text;

	buf_init_secret(&text, SIZE_MAX);
	if (text_encode(TEXT_ENCODING_BASE64, wire_bytes(*bytes), &text) ==
	    STATUS_OK)
		value = json_stringn(
		    text.size > 0 ? (const char *)text.data : "", text.size);
	buf_wipe(&text);
	return value;
}

static json_t *
write_enum(const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *known =
	    protobuf_c_enum_descriptor_get_value(type, value);

	return known != NULL ? json_string(known->name) : json_integer(value);
}

/* One value; member is where the struct has it. */
static enum status
write_value(
    const ProtobufCFieldDescriptor *field, const void *member, json_t **out)
{
	json_t *value = NULL;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		value = json_integer(*(const int32_t *)member);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		value = json_integer(*(const uint32_t *)member);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		value =
		    json_sprintf("%lld", (long long)*(const int64_t *)member);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		value = json_sprintf(
		    "%llu", (unsigned long long)*(const uint64_t *)member);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		value = json_boolean(*(const protobuf_c_boolean *)member);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		value = write_enum(field->descriptor, *(const int *)member);
		break;
	case PROTOBUF_C_TYPE_STRING:
		value = json_string(*(char *const *)member);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		value = write_bytes(member);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_json_write(
		    *(ProtobufCMessage *const *)member, out);
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		return STATUS_INTERNAL;
	}
	if (value == NULL)
		return STATUS_NOMEM;
	*out = value;
	return STATUS_OK;
}

/* Bytes that one value of the type takes in a struct or an array. */
static size_t
value_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(ProtobufCMessage *);
	}
	return 0;
}

static bool
is_default(const ProtobufCFieldDescriptor *field, const void *member)
{
	static const uint8_t zero[sizeof(uint64_t)];

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return *(char *const *)member == NULL ||
		       **(char *const *)member == '\0';
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)member)->len == 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(ProtobufCMessage *const *)member == NULL;
	default:
		return memcmp(member, zero, value_size(field->type)) == 0;
	}
}

static enum status
write_array(const ProtobufCFieldDescriptor *field, const char *items,
    size_t count, json_t **out)
{
	size_t size = value_size(field->type);
	json_t *array = json_array();
	json_t *value = NULL;
	enum status st = array != NULL ? STATUS_OK : STATUS_NOMEM;

	for (size_t i = 0; i < count && st == STATUS_OK; i++) {
		if ((st = write_value(field, items + i * size, &value)) !=
		    STATUS_OK)
			break;
		if (json_array_append_new(array, value) != 0)
			st = STATUS_NOMEM;
	}
	if (st != STATUS_OK) {
		json_decref(array);
		return st;
	}
	*out = array;
	return STATUS_OK;
}

/* The field's value, or *out NULL: it is not there, or has its default. */
static enum status
write_field(
    const ProtobufCFieldDescriptor *field, const char *message, json_t **out)
{
	const char *member = message + field->offset;
	const char *quantifier = message + field->quantifier_offset;
	size_t count;

	*out = NULL;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		count = *(const size_t *)(const void *)quantifier;
		if (count == 0)
			return STATUS_OK;
		return write_array(
		    field, *(char *const *)(const void *)member, count, out);
	}
	if (is_in_oneof(field)) {
		if (*(const uint32_t *)(const void *)quantifier != field->id)
			return STATUS_OK;
	} else if (is_default(field, member)) {
		return STATUS_OK;
	}
	return write_value(field, member, out);
}

enum status
message_json_write(const ProtobufCMessage *message, json_t **out)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	json_t *object = json_object();
	json_t *value;
	enum status st = object != NULL ? STATUS_OK : STATUS_NOMEM;

	for (unsigned i = 0; i < type->n_fields && st == STATUS_OK; i++) {
		char camel[MESSAGE_JSON_NAME_SIZE];

		st = write_field(&type->fields[i],
		    (const char *)(const void *)message, &value);
		if (st != STATUS_OK || value == NULL)
			continue;
		message_json_name(type->fields[i].name, camel);
		if (json_object_set_new(object, camel, value) != 0)
			st = STATUS_NOMEM;
	}
	if (st != STATUS_OK) {
		json_decref(object);
		return st;
	}
	*out = object;
	return STATUS_OK;
}

enum status
message_json_decode(
    const ProtobufCMessageDescriptor *type, struct bytes bytes, json_t **out)
{
	ProtobufCMessage *message = NULL;
	enum status st;

	if ((st = wire_unpack(type, bytes, WIRE_ENVELOPE_MAX, &message)) !=
	    STATUS_OK)
		return st;
	st = message_json_write(message, out);
	wire_free(message);
	return st;
}
