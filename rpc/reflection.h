#ifndef RPC_REFLECTION_H
#define RPC_REFLECTION_H

/*
 * Server reflection, grpc.reflection.v1 and v1alpha: tells tools such as
 * grpcurl what the server serves.
 *
 *	static const struct rpc_descriptors *const files[] = {
 *		&hello_descriptors,
 *	};
 *
 *	rpc_reflection_new(files, 1, &reflection)
 *	-> rpc_reflection_register(reflection, server) -> rpc_server_start
 *	-> ... -> rpc_server_free -> rpc_reflection_free
 *
 * Names of services, methods, messages, fields, oneofs, enums, enum values and
 * extensions resolve, nested ones too; so do names of files. A file comes with
 * all that it imports, in each answer anew: answers do not depend on what was
 * asked before. What is not there is told in the stream, which goes on; only a
 * request that does not parse ends it, with INTERNAL, as it does everywhere.
 *
 * list_services names every service of the server, whether or not it is
 * described. Reflection itself and health (rpc/health.h) are described always.
 *
 * rpc_server_close() ends open streams with UNAVAILABLE.
 */

#include <stddef.h>

#include "base/status.h"
#include "rpc/descriptors.h"

struct rpc_reflection;
struct rpc_server;

/* Streams at once; another one ends in RESOURCE_EXHAUSTED. */
#define RPC_REFLECTION_STREAMS_MAX 128

/*
 * Bytes of answers that clients have not taken, of all streams. A request whose
 * answer would be too much ends its stream in RESOURCE_EXHAUSTED.
 */
#define RPC_REFLECTION_UNSENT_MAX ((size_t)16 << 20)

/*
 * Reads the descriptors, which outlive it. A file that several of them hold is
 * taken from the first. The order does not matter otherwise. `count` may be 0.
 * STATUS_INVALID: one does not parse, or lacks a file that another imports;
 * STATUS_NOMEM.
 */
MUST_CHECK enum status rpc_reflection_new(
    const struct rpc_descriptors *const *descriptors, size_t count,
    struct rpc_reflection **reflection);

/*
 * Before rpc_server_start(), for one server; other services may be registered
 * later. STATUS_NOMEM, STATUS_EXISTS (the server has reflection).
 */
MUST_CHECK enum status rpc_reflection_register(
    struct rpc_reflection *reflection, struct rpc_server *server);

/* After rpc_server_free(). NULL is a no-op. */
void rpc_reflection_free(struct rpc_reflection *reflection);

#endif
