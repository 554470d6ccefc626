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
	char **described; /* the value of each describe= */
	size_t described_count;
};

static void
out_of_memory(void)
{
	fputs("protoc-gen-grpc-c: out of memory\n", stderr);
	exit(1);
}

static void
add_described(struct parameters *parameters, const char *file)
{
	char **grown = reallocarray(parameters->described,
	    parameters->described_count + 1, sizeof(*grown));

	if (grown == NULL)
		out_of_memory();
	parameters->described = grown;
	grown[parameters->described_count++] = c_name_format("%s", file);
}

static void
clear_parameters(struct parameters *parameters)
{
	free(parameters->prefix);
	free(parameters->sealed_option);
	for (size_t i = 0; i < parameters->described_count; i++)
		free(parameters->described[i]);
	free(parameters->described);
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
		} else if (strncmp(word, "describe=", 9) == 0) {
			add_described(parameters, word + 9);
		} else if (strcmp(word, "includes=tree") == 0) {
			parameters->is_in_tree = true;
		} else if (strcmp(word, "always") == 0) {
			parameters->is_always = true;
		} else if (word[0] != '\0') {
			error = c_name_format(
			    "unknown parameter %s: there are prefix=, "
			    "sealed_option=, describe=, includes=tree and "
			    "always",
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

static char *
check_described(
    const struct schema *schema, const struct parameters *parameters)
{
	for (size_t i = 0; i < parameters->described_count; i++)
		if (schema_file(schema, parameters->described[i]) == NULL)
			return c_name_format(
			    "describe=%s: give protoc that file, too",
			    parameters->described[i]);
	return NULL;
}

static void
generate_all(const struct schema *schema, response_message *response)
{
	const request_message *request = schema->request;
	struct parameters parameters = {0};
	struct generate_options options = {.prefix = ""};
	char *error;

	response->file = calloc(
	    3 * request->n_file_to_generate + 1, sizeof(*response->file));
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
		    schema, parameters.sealed_option, &options.sealed);
	if (error == NULL)
		error = check_described(schema, &parameters);
	options.described = parameters.described;
	options.described_count = parameters.described_count;
	for (size_t i = 0; error == NULL && i < request->n_file_to_generate;
	     i++) {
		const Google__Protobuf__FileDescriptorProto *file =
		    schema_file(schema, request->file_to_generate[i]);
		struct generate_output output;

		if (file == NULL) {
			error = c_name_format("protoc named %s and did not "
					      "send it",
			    request->file_to_generate[i]);
			break;
		}
		error = generate_file(schema, file, &options, &output);
		if (error == NULL && output.header != NULL) {
			add_file(response, &output.header_name, &output.header);
			add_file(response, &output.source_name, &output.source);
			add_file(response, &output.descriptors_name,
			    &output.descriptors);
		}
		generate_output_clear(&output);
	}
	response->error = error;
	clear_parameters(&parameters);
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
	struct schema schema;

	if (!rpc_wire_is_shallow(
		&google__protobuf__compiler__code_generator_request__descriptor,
		request))
		return false;
	asked = google__protobuf__compiler__code_generator_request__unpack(
	    NULL, request.size, request.data);
	if (asked == NULL)
		return false;
	if (!schema_init(&schema, asked, request)) {
		google__protobuf__compiler__code_generator_request__free_unpacked(
		    asked, NULL);
		return false;
	}
	google__protobuf__compiler__code_generator_response__init(&answer);
	answer.has_supported_features = 1;
	answer.supported_features =
	    GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
	generate_all(&schema, &answer);
	*response = pack(&answer, size);
	schema_clear(&schema);
	clear_response(&answer);
	google__protobuf__compiler__code_generator_request__free_unpacked(
	    asked, NULL);
	return true;
}
