/*
 * protoc-gen-grpc-c: a protoc plugin that writes gRPC stubs and skeletons in C
 * for messages of protobuf-c. rpc/README.md shows what it writes.
 *
 *     protoc --grpc-c_out=PARAMETERS:DIRECTORY x.proto
 *
 * Parameters, joined by commas:
 *     prefix=TEXT           goes before the C name of each service
 *     sealed_option=NAME    full name of the method option of sealed methods
 *
 * It reads a CodeGeneratorRequest from standard input and writes a
 * CodeGeneratorResponse to standard output.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/google/protobuf/compiler/plugin.pb-c.h"
#include "tools/protoc-gen-grpc-c/c_names.h"
#include "tools/protoc-gen-grpc-c/generate.h"
#include "tools/protoc-gen-grpc-c/schema.h"

/* protoc's requests hold whole source trees; this is far beyond any. */
#define MAX_REQUEST_BYTES (512u << 20)

typedef Google__Protobuf__Compiler__CodeGeneratorRequest request_message;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse response_message;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File response_file;

struct parameters {
	char *prefix, *sealed_option;
};

static void
die(const char *what)
{
	fprintf(stderr, "protoc-gen-grpc-c: %s\n", what);
	exit(1);
}

static uint8_t *
read_all(FILE *file, size_t *size)
{
	uint8_t *data = NULL;
	size_t capacity = 0;

	*size = 0;
	do {
		if (*size == capacity) {
			if (capacity >= MAX_REQUEST_BYTES)
				die("the request is too large");
			capacity = 2 * capacity + 65536;
			data = realloc(data, capacity);
			if (data == NULL)
				die("out of memory");
		}
		*size += fread(data + *size, 1, capacity - *size, file);
	} while (!feof(file) && !ferror(file));
	if (ferror(file))
		die("cannot read the request");
	return data;
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
		} else if (word[0] != '\0') {
			error = c_name_format(
			    "unknown parameter %s: there are prefix= and "
			    "sealed_option=",
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
		die("out of memory");
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
	struct parameters parameters = {NULL, NULL};
	struct generate_options options = {.prefix = ""};
	struct schema schema;
	char *error;

	schema_init(&schema, request);
	response->file = calloc(
	    2 * request->n_file_to_generate + 1, sizeof(*response->file));
	if (response->file == NULL)
		die("out of memory");
	error = read_parameters(
	    request->parameter != NULL ? request->parameter : "", &parameters);
	if (parameters.prefix != NULL)
		options.prefix = parameters.prefix;
	if (error == NULL && parameters.sealed_option != NULL)
		error = schema_sealed_option(
		    &schema, parameters.sealed_option, &options.sealed);
	for (size_t i = 0; error == NULL && i < request->n_file_to_generate;
	     i++) {
		const Google__Protobuf__FileDescriptorProto *file =
		    schema_file(&schema, request->file_to_generate[i]);
		struct generate_output output;

		if (file == NULL)
			die("protoc named a file that it did not send");
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

static void
write_response(const response_message *response)
{
	size_t size =
	    google__protobuf__compiler__code_generator_response__get_packed_size(
		response);
	uint8_t *data = malloc(size > 0 ? size : 1);

	if (data == NULL)
		die("out of memory");
	google__protobuf__compiler__code_generator_response__pack(
	    response, data);
	if (fwrite(data, 1, size, stdout) != size || fflush(stdout) != 0)
		die("cannot write the response");
	free(data);
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

int
main(int argc, char **argv)
{
	response_message response;
	request_message *request;
	uint8_t *data;
	size_t size;

	(void)argv;
	if (argc > 1)
		die("this is a plugin of protoc: use protoc --grpc-c_out=DIR");
	data = read_all(stdin, &size);
	request = google__protobuf__compiler__code_generator_request__unpack(
	    NULL, size, data);
	free(data);
	if (request == NULL)
		die("the request is malformed");
	google__protobuf__compiler__code_generator_response__init(&response);
	response.has_supported_features = 1;
	response.supported_features =
	    GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
	generate_all(request, &response);
	write_response(&response);
	clear_response(&response);
	google__protobuf__compiler__code_generator_request__free_unpacked(
	    request, NULL);
	return 0;
}
