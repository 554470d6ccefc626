#include "tools/protoc-gen-grpc-c/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/google/protobuf/compiler/plugin.pb-c.h"
#include "rpc/wire_field.h"
#include "tools/protoc-gen-grpc-c/c_names.h"
#include "tools/protoc-gen-grpc-c/generate.h"
#include "tools/protoc-gen-grpc-c/schema.h"

typedef Google__Protobuf__Compiler__CodeGeneratorRequest request_message;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse response_message;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File response_file;

struct parameters {
	char *prefix, *sealed_option;
	bool is_in_tree, is_always;
};

static void
out_of_memory(void)
{
	fputs("protoc-gen-grpc-c: out of memory\n", stderr);
	exit(1);
}

/* Cuts one "name=value" at a time out of the parameter. */
static char *
read_parameters(const char *text, struct parameters *parameters)
{
	char *copy = c_name_format("%s", text);
	char *rest = copy, *word, *error = NULL;

	while (error == NULL && (word = strsep(&rest, ",")) != NULL) {
		if (strncmp(word, "prefix=", 7) == 0) {
			free(parameters->prefix);
			parameters->prefix = c_name_format("%s", word + 7);
		} else if (strncmp(word, "sealed_option=", 14) == 0) {
			free(parameters->sealed_option);
			parameters->sealed_option =
			    c_name_format("%s", word + 14);
		} else if (strcmp(word, "includes=tree") == 0) {
			parameters->is_in_tree = true;
		} else if (strcmp(word, "always") == 0) {
			parameters->is_always = true;
		} else if (word[0] != '\0') {
			error = c_name_format(
			    "unknown parameter %s: there are prefix=, "
			    "sealed_option=, includes=tree and always",
			    word);
		}
	}
	free(copy);
	return error;
}

static void
add_file(response_message *response, char **name, char **content)
{
	response_file *file = malloc(sizeof(*file));

	if (file == NULL)
		out_of_memory();
	google__protobuf__compiler__code_generator_response__file__init(file);
	file->name = *name;
	file->content = *content;
	*name = NULL;
	*content = NULL;
	response->file[response->n_file++] = file;
}

static void
generate_all(const request_message *request, response_message *response)
{
	struct parameters parameters = {NULL, NULL, false, false};
	struct generate_options options = {.prefix = ""};
	struct schema schema;
	char *error;

	schema_init(&schema, request);
	response->file = calloc(
	    2 * request->n_file_to_generate + 1, sizeof(*response->file));
	if (response->file == NULL)
		out_of_memory();
	error = read_parameters(
	    request->parameter != NULL ? request->parameter : "", &parameters);
	if (parameters.prefix != NULL)
		options.prefix = parameters.prefix;
	options.is_in_tree = parameters.is_in_tree;
	options.is_always = parameters.is_always;
	if (error == NULL && parameters.sealed_option != NULL)
		error = schema_sealed_option(
		    &schema, parameters.sealed_option, &options.sealed);
	for (size_t i = 0; error == NULL && i < request->n_file_to_generate;
	     i++) {
		const Google__Protobuf__FileDescriptorProto *file =
		    schema_file(&schema, request->file_to_generate[i]);
		struct generate_output output;

		if (file == NULL) {
			error = c_name_format("protoc named %s and did not "
					      "send it",
			    request->file_to_generate[i]);
			break;
		}
		error = generate_file(&schema, file, &options, &output);
		if (error == NULL && output.header != NULL) {
			add_file(response, &output.header_name, &output.header);
			add_file(response, &output.source_name, &output.source);
		}
		generate_output_clear(&output);
	}
	response->error = error;
	schema_clear(&schema);
	free(parameters.prefix);
	free(parameters.sealed_option);
}

static uint8_t *
pack(const response_message *response, size_t *size)
{
	uint8_t *data;

	*size =
	    google__protobuf__compiler__code_generator_response__get_packed_size(
		response);
	data = malloc(*size > 0 ? *size : 1);
	if (data == NULL)
		out_of_memory();
	google__protobuf__compiler__code_generator_response__pack(
	    response, data);
	return data;
}

static void
clear_response(response_message *response)
{
	for (size_t i = 0; i < response->n_file; i++) {
		free(response->file[i]->name);
		free(response->file[i]->content);
		free(response->file[i]);
	}
	free(response->file);
	free(response->error);
}

bool
plugin_answer(struct bytes request, uint8_t **response, size_t *size)
{
	response_message answer;
	request_message *asked;

	if (!rpc_wire_is_shallow(
		&google__protobuf__compiler__code_generator_request__descriptor,
		request))
		return false;
	asked = google__protobuf__compiler__code_generator_request__unpack(
	    NULL, request.size, request.data);
	if (asked == NULL)
		return false;
	google__protobuf__compiler__code_generator_response__init(&answer);
	answer.has_supported_features = 1;
	answer.supported_features =
	    GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
	generate_all(asked, &answer);
	*response = pack(&answer, size);
	clear_response(&answer);
	google__protobuf__compiler__code_generator_request__free_unpacked(
	    asked, NULL);
	return true;
}
