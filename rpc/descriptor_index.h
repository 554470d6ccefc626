#ifndef RPC_DESCRIPTOR_INDEX_H
#define RPC_DESCRIPTOR_INDEX_H

/*
 * What descriptors define, found by name: for reflection. Names are full ones,
 * without a leading dot. Once made it only is read, by any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "rpc/descriptors.h"

struct rpc_descriptor_index;

/*
 * The descriptors outlive it. A file that several of them hold is taken from
 * the first. STATUS_INVALID: one does not parse, or lacks a file that another
 * imports; STATUS_NOMEM.
 */
MUST_CHECK enum status rpc_descriptor_index_new(
    const struct rpc_descriptors *const *descriptors, size_t count,
    struct rpc_descriptor_index **index);
void rpc_descriptor_index_free(struct rpc_descriptor_index *index);

/* Each finds the number of a file. STATUS_NOT_FOUND. */
MUST_CHECK enum status rpc_descriptor_index_file(
    const struct rpc_descriptor_index *index, const char *name, size_t *file);
MUST_CHECK enum status rpc_descriptor_index_symbol(
    const struct rpc_descriptor_index *index, const char *name, size_t *file);
/* `type` is the message that is extended. */
MUST_CHECK enum status rpc_descriptor_index_extension(
    const struct rpc_descriptor_index *index, const char *type, int32_t number,
    size_t *file);

/*
 * The numbers of all extensions of a message, in order; borrowed.
 * STATUS_NOT_FOUND: no such message.
 */
MUST_CHECK enum status rpc_descriptor_index_numbers(
    const struct rpc_descriptor_index *index, const char *type,
    const int32_t **numbers, size_t *count);

/*
 * A file and all that it imports, directly or not, each once, the file itself
 * first: serialized FileDescriptorProtos, borrowed. The array is the caller's,
 * to free(). STATUS_NOMEM.
 */
MUST_CHECK enum status rpc_descriptor_index_closure(
    const struct rpc_descriptor_index *index, size_t file, struct bytes **files,
    size_t *count);

#endif
