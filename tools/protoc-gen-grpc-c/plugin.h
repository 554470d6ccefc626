#ifndef PROTOC_GEN_GRPC_C_PLUGIN_H
#define PROTOC_GEN_GRPC_C_PLUGIN_H

/* What protoc asks of a plugin, from bytes to bytes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * Answers a serialized CodeGeneratorRequest with a serialized
 * CodeGeneratorResponse, allocated: the generated files, or an error that
 * protoc shows. False: it is no such request, or it nests too deep. Out of
 * memory ends the program.
 */
bool plugin_answer(struct bytes request, uint8_t **response, size_t *size);

#endif
