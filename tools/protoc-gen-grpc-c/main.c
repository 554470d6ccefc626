/*
 * protoc-gen-grpc-c: a protoc plugin that writes gRPC stubs and skeletons in C
 * for messages of protobuf-c. rpc/README.md shows what it writes.
 *
 *     protoc --grpc-c_out=PARAMETERS:DIRECTORY x.proto
 *
 * Parameters, joined by commas:
 *     prefix=TEXT           goes before the C name of each service
 *     sealed_option=NAME    full name of the method option of sealed methods
 *     describe=FILE         a .proto file that the descriptors hold besides
 *                           what is imported, such as one with messages that
 *                           travel inside others; give protoc that file, too
 *                           (may be repeated)
 *     always                writes (empty) files for .proto files without
 *                           services, too, for build systems that expect them
 *     includes=tree         includes the runtime as in its own source tree
 *
 * It reads a CodeGeneratorRequest from standard input and writes a
 * CodeGeneratorResponse to standard output.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/protoc-gen-grpc-c/plugin.h"

/* protoc's requests hold whole source trees; this is far beyond any. */
#define MAX_REQUEST_BYTES (512u << 20)

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

int
main(int argc, char **argv)
{
	uint8_t *data, *response;
	size_t size, response_size;

	(void)argv;
	if (argc > 1)
		die("this is a plugin of protoc: use protoc --grpc-c_out=DIR");
	data = read_all(stdin, &size);
	if (!plugin_answer(bytes_make(data, size), &response, &response_size))
		die("the request is malformed");
	free(data);
	if (fwrite(response, 1, response_size, stdout) != response_size ||
	    fflush(stdout) != 0)
		die("cannot write the response");
	free(response);
	return 0;
}
