#include "tools/protoc-gen-grpc-c/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/wire_field.h"
#include "tools/protoc-gen-grpc-c/c_names.h"
#include "tools/protoc-gen-grpc-c/unknown_field.h"

/* protobuf-c/protobuf-c.proto: an option of files, and a field of it. */
#define PB_C_FILE 1019
#define PB_C_FILE_C_PACKAGE 6

/* CodeGeneratorRequest.proto_file */
#define REQUEST_PROTO_FILE 15

static const char *
text_or_empty(const char *text)
{
	return text != NULL ? text : "";
}

/* The package as protoc-c names it: (pb_c_file).c_package overrides it. */
static char *
c_package(const Google__Protobuf__FileDescriptorProto *file)
{
	char *package = NULL;

	if (file->options != NULL)
		package = unknown_field_string(
		    &file->options->base, PB_C_FILE, PB_C_FILE_C_PACKAGE);
	if (package != NULL && package[0] != '\0')
		return package;
	free(package);
	return c_name_format("%s", text_or_empty(file->package));
}

static char *
join(const char *scope, const char *name)
{
	return c_name_format(
	    "%s%s%s", scope, scope[0] != '\0' ? "." : "", name);
}

static void
add_message(struct schema *schema,
    const Google__Protobuf__FileDescriptorProto *file,
    const Google__Protobuf__DescriptorProto *descriptor, const char *scope,
    const char *c_scope)
{
	struct schema_message message = {.file = file};
	char *c_name = join(c_scope, text_or_empty(descriptor->name));

	message.descriptor = descriptor;
	message.name = join(scope, text_or_empty(descriptor->name));
	message.c_type = c_name_type(c_name);
	message.c_lower = c_name_lower(c_name);
	if (schema->message_count == schema->message_capacity) {
		size_t capacity = 2 * schema->message_capacity + 64;
		struct schema_message *grown =
		    reallocarray(schema->messages, capacity, sizeof(*grown));

		if (grown == NULL) {
			fputs("protoc-gen-grpc-c: out of memory\n", stderr);
			exit(1);
		}
		schema->messages = grown;
		schema->message_capacity = capacity;
	}
	schema->messages[schema->message_count++] = message;
	/* `message` is a copy: the array may move below. */
	for (size_t i = 0; i < descriptor->n_nested_type; i++)
		add_message(schema, file, descriptor->nested_type[i],
		    message.name, c_name);
	free(c_name);
}

/* Finds where each file stands in the request. */
static bool
find_packed(struct schema *schema, struct bytes packed)
{
	size_t count = 0;

	schema->packed =
	    calloc(schema->request->n_proto_file + 1, sizeof(*schema->packed));
	if (schema->packed == NULL) {
		fputs("protoc-gen-grpc-c: out of memory\n", stderr);
		exit(1);
	}
	while (packed.size > 0) {
		struct rpc_wire_field field;

		if (!rpc_wire_field_take(&packed, &field))
			return false;
		if (field.number != REQUEST_PROTO_FILE)
			continue;
		if (field.type != RPC_WIRE_TYPE_LENGTH ||
		    count == schema->request->n_proto_file)
			return false;
		schema->packed[count++] = field.content;
	}
	return count == schema->request->n_proto_file;
}

bool
schema_init(struct schema *schema,
    const Google__Protobuf__Compiler__CodeGeneratorRequest *request,
    struct bytes packed)
{
	memset(schema, 0, sizeof(*schema));
	schema->request = request;
	if (!find_packed(schema, packed)) {
		schema_clear(schema);
		return false;
	}
	for (size_t i = 0; i < request->n_proto_file; i++) {
		const Google__Protobuf__FileDescriptorProto *file =
		    request->proto_file[i];
		char *c_scope = c_package(file);

		for (size_t j = 0; j < file->n_message_type; j++)
			add_message(schema, file, file->message_type[j],
			    text_or_empty(file->package), c_scope);
		free(c_scope);
	}
	return true;
}

void
schema_clear(struct schema *schema)
{
	for (size_t i = 0; i < schema->message_count; i++) {
		free(schema->messages[i].name);
		free(schema->messages[i].c_type);
		free(schema->messages[i].c_lower);
	}
	free(schema->messages);
	free(schema->packed);
	memset(schema, 0, sizeof(*schema));
}

const Google__Protobuf__FileDescriptorProto *
schema_file(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->request->n_proto_file; i++)
		if (strcmp(text_or_empty(schema->request->proto_file[i]->name),
			name) == 0)
			return schema->request->proto_file[i];
	return NULL;
}

const struct schema_message *
schema_message(const struct schema *schema, const char *name)
{
	if (name[0] == '.')
		name++;
	for (size_t i = 0; i < schema->message_count; i++)
		if (strcmp(schema->messages[i].name, name) == 0)
			return &schema->messages[i];
	return NULL;
}

static const Google__Protobuf__FieldDescriptorProto *
find_extension(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->request->n_proto_file; i++) {
		const Google__Protobuf__FileDescriptorProto *file =
		    schema->request->proto_file[i];

		for (size_t j = 0; j < file->n_extension; j++) {
			char *full = join(text_or_empty(file->package),
			    text_or_empty(file->extension[j]->name));
			int difference = strcmp(full, name);

			free(full);
			if (difference == 0)
				return file->extension[j];
		}
	}
	/* Extensions may also stand inside messages. */
	for (size_t i = 0; i < schema->message_count; i++) {
		const struct schema_message *message = &schema->messages[i];

		for (size_t j = 0; j < message->descriptor->n_extension; j++) {
			char *full = join(message->name,
			    text_or_empty(
				message->descriptor->extension[j]->name));
			int difference = strcmp(full, name);

			free(full);
			if (difference == 0)
				return message->descriptor->extension[j];
		}
	}
	return NULL;
}

static uint32_t
string_field(const struct schema_message *message, const char *name)
{
	const Google__Protobuf__DescriptorProto *descriptor =
	    message->descriptor;

	for (size_t i = 0; i < descriptor->n_field; i++) {
		const Google__Protobuf__FieldDescriptorProto *field =
		    descriptor->field[i];

		if (strcmp(text_or_empty(field->name), name) == 0 &&
		    field->type ==
			GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING)
			return (uint32_t)field->number;
	}
	return 0;
}

char *
schema_sealed_option(const struct schema *schema, const char *name,
    struct schema_sealed_option *option)
{
	const Google__Protobuf__FieldDescriptorProto *extension =
	    find_extension(schema, name);
	const struct schema_message *type;

	/* A file that does not import the option has no sealed methods. */
	if (extension == NULL)
		return NULL;
	if (strcmp(text_or_empty(extension->extendee),
		".google.protobuf.MethodOptions") != 0)
		return c_name_format("%s is no method option", name);
	type = schema_message(schema, text_or_empty(extension->type_name));
	if (type == NULL || string_field(type, "request") == 0 ||
	    string_field(type, "response") == 0)
		return c_name_format("%s is no message with the strings "
				     "`request` and `response`",
		    name);
	option->number = (uint32_t)extension->number;
	option->request_field = string_field(type, "request");
	option->response_field = string_field(type, "response");
	return NULL;
}
