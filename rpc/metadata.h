#ifndef RPC_METADATA_H
#define RPC_METADATA_H

/*
 * One metadata entry (an HTTP/2 header or trailer).
 *
 * Keys are lower case: digits, letters, '-', '_', '.', not beginning with
 * "grpc-" or ':'. A key that ends in "-bin" carries any bytes (gRPC does the
 * base64); every other value is printable ASCII. A wrong one is
 * STATUS_INVALID where it is given.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"

/* A key and what it holds. */
struct rpc_metadata {
	const char *key;
	struct bytes value;
};

/* Whether gRPC accepts the entry. */
bool rpc_metadata_is_legal(const char *key, struct bytes value);

#endif
