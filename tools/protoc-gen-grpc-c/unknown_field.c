#include "tools/protoc-gen-grpc-c/unknown_field.h"

#include <limits.h>
#include <stdlib.h>

#include "rpc/wire_field.h"
#include "tools/protoc-gen-grpc-c/c_names.h"

static bool
content_of(const ProtobufCMessageUnknownField *field, uint32_t number,
    struct bytes *content)
{
	/* protobuf-c keeps the length prefix with the data. */
	struct bytes rest = bytes_make(field->data, field->len);

	return field->tag == number &&
	       field->wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED &&
	       rpc_wire_content_take(&rest, content);
}

bool
unknown_field_exists(const ProtobufCMessage *message, uint32_t number)
{
	struct bytes content;

	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		if (content_of(&message->unknown_fields[i], number, &content))
			return true;
	return false;
}

/* Replaces `*string` by the last one in `message`. False: malformed. */
static bool
read_string(struct bytes message, uint32_t field_number, char **string)
{
	while (message.size > 0) {
		struct rpc_wire_field field;

		if (!rpc_wire_field_take(&message, &field) ||
		    field.content.size > INT_MAX)
			return false;
		if (field.number == field_number &&
		    field.type == RPC_WIRE_TYPE_LENGTH) {
			free(*string);
			*string = c_name_format("%.*s", (int)field.content.size,
			    (const char *)field.content.data);
		}
	}
	return true;
}

char *
unknown_field_string(
    const ProtobufCMessage *message, uint32_t number, uint32_t field)
{
	struct bytes content;
	char *string = NULL;

	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		if (content_of(&message->unknown_fields[i], number, &content) &&
		    !read_string(content, field, &string)) {
			free(string);
			return NULL;
		}
	return string;
}
