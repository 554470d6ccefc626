#include "tools/protoc-gen-grpc-c/unknown_field.h"

#include <limits.h>
#include <stdlib.h>

#include "tools/protoc-gen-grpc-c/c_names.h"

enum { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

static bool
take_varint(struct wire_text *text, uint64_t *value)
{
	uint64_t result = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (text->size == 0)
			return false;
		byte = *text->data++;
		text->size--;
		result |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*value = result;
			return true;
		}
	}
	return false;
}

static bool
take(struct wire_text *text, uint64_t size, struct wire_text *out)
{
	if (size > text->size)
		return false;
	out->data = text->data;
	out->size = (size_t)size;
	text->data += size;
	text->size -= (size_t)size;
	return true;
}

static bool
take_length_prefixed(struct wire_text *text, struct wire_text *out)
{
	uint64_t size;

	return take_varint(text, &size) && take(text, size, out);
}

/* One field of any wire type; `out` is its content when it has a length. */
static bool
take_field(
    struct wire_text *text, uint64_t *number, int *type, struct wire_text *out)
{
	uint64_t key, ignored;

	if (!take_varint(text, &key))
		return false;
	*number = key >> 3;
	*type = (int)(key & 7);
	switch (*type) {
	case WIRE_VARINT:
		return take_varint(text, &ignored);
	case WIRE_64BIT:
		return take(text, 8, out);
	case WIRE_LENGTH:
		return take_length_prefixed(text, out);
	case WIRE_32BIT:
		return take(text, 4, out);
	default:
		return false;
	}
}

bool
unknown_field_find(
    const ProtobufCMessage *message, uint32_t number, struct wire_text *content)
{
	bool is_found = false;

	for (unsigned i = 0; i < message->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field =
		    &message->unknown_fields[i];
		/* protobuf-c keeps the length prefix with the data. */
		struct wire_text rest = {field->data, field->len};
		struct wire_text found;

		if (field->tag == number &&
		    field->wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED &&
		    take_length_prefixed(&rest, &found)) {
			*content = found;
			is_found = true;
		}
	}
	return is_found;
}

char *
unknown_field_string(struct wire_text message, uint32_t number)
{
	char *string = NULL;

	while (message.size > 0) {
		struct wire_text content = {NULL, 0};
		uint64_t found = 0;
		int type = 0;

		if (!take_field(&message, &found, &type, &content) ||
		    content.size > INT_MAX) {
			free(string);
			return NULL;
		}
		if (found == number && type == WIRE_LENGTH) {
			free(string);
			string = c_name_format("%.*s", (int)content.size,
			    (const char *)content.data);
		}
	}
	return string;
}
