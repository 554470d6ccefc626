#include "tools/protoc-gen-grpc-c/unknown_field.h"

#include <limits.h>
#include <stdlib.h>

#include "rpc/wire_field.h"
#include "tools/protoc-gen-grpc-c/c_names.h"

bool
unknown_field_find(
    const ProtobufCMessage *message, uint32_t number, struct bytes *content)
{
	bool is_found = false;

	for (unsigned i = 0; i < message->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field =
		    &message->unknown_fields[i];
		/* protobuf-c keeps the length prefix with the data. */
		struct bytes rest = bytes_make(field->data, field->len);
		struct bytes found;

		if (field->tag == number &&
		    field->wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED &&
		    rpc_wire_content_take(&rest, &found)) {
			*content = found;
			is_found = true;
		}
	}
	return is_found;
}

char *
unknown_field_string(struct bytes message, uint32_t number)
{
	char *string = NULL;

	while (message.size > 0) {
		struct rpc_wire_field field;

		if (!rpc_wire_field_take(&message, &field) ||
		    field.content.size > INT_MAX) {
			free(string);
			return NULL;
		}
		if (field.number == number &&
		    field.type == RPC_WIRE_TYPE_LENGTH) {
			free(string);
			string = c_name_format("%.*s", (int)field.content.size,
			    (const char *)field.content.data);
		}
	}
	return string;
}
