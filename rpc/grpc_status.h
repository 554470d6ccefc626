#ifndef RPC_GRPC_STATUS_H
#define RPC_GRPC_STATUS_H

/*
 * The status that ends every RPC, and the one place that maps our own
 * `enum status` to gRPC's codes and back.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* gRPC's codes, with the numbers that travel on the wire. */
enum rpc_code {
	RPC_CODE_OK = 0,
	RPC_CODE_CANCELLED = 1,
	RPC_CODE_UNKNOWN = 2,
	RPC_CODE_INVALID_ARGUMENT = 3,
	RPC_CODE_DEADLINE_EXCEEDED = 4,
	RPC_CODE_NOT_FOUND = 5,
	RPC_CODE_ALREADY_EXISTS = 6,
	RPC_CODE_PERMISSION_DENIED = 7,
	RPC_CODE_RESOURCE_EXHAUSTED = 8,
	RPC_CODE_FAILED_PRECONDITION = 9,
	RPC_CODE_ABORTED = 10,
	RPC_CODE_OUT_OF_RANGE = 11,
	RPC_CODE_UNIMPLEMENTED = 12,
	RPC_CODE_INTERNAL = 13,
	RPC_CODE_UNAVAILABLE = 14,
	RPC_CODE_DATA_LOSS = 15,
	RPC_CODE_UNAUTHENTICATED = 16,
};

/*
 * How an RPC ended, as a client sees it. All zero is OK without a text; init
 * with `= {0}`, reuse after rpc_status_clear().
 */
struct rpc_status {
	/* A number that gRPC does not know arrives as RPC_CODE_UNKNOWN. */
	enum rpc_code code;
	/* The server's text, or gRPC's own when no server was reached. NULL
	   when empty. For logs: a peer chose it; show it to no one raw. */
	char *message;
	/* grpc-status-details-bin as received: a serialized
	   google.rpc.Status by convention (rpc/status_details.h reads it).
	   NULL and 0 when absent. */
	uint8_t *details;
	size_t details_size;
	/* grpc-retry-pushback-ms, where the server sent one: negative means
	   not to try again. rpc_status_retry() (rpc/status_details.h) reads
	   it. */
	bool has_pushback;
	int64_t pushback_ms;
};

/* Frees what it holds and makes it OK again. */
void rpc_status_clear(struct rpc_status *status);

/* Borrowed from `status`; empty when there are none. */
struct bytes rpc_status_details(const struct rpc_status *status);

/* "NOT_FOUND"; "UNKNOWN" for a number outside the enum. */
const char *rpc_code_name(enum rpc_code code);

/* The code that a server sends for one of our results. */
enum rpc_code rpc_code_from_status(enum status status);

/*
 * What a client makes of a code. Not the inverse of the above: several of our
 * results share a code, and a code says less than they do.
 *
 *     UNAUTHENTICATED                   STATUS_FORGED
 *     PERMISSION_DENIED                 STATUS_DENIED
 *     NOT_FOUND                         STATUS_NOT_FOUND
 *     ALREADY_EXISTS                    STATUS_EXISTS
 *     INVALID_ARGUMENT, OUT_OF_RANGE    STATUS_INVALID
 *     FAILED_PRECONDITION, ABORTED      STATUS_STALE
 *     RESOURCE_EXHAUSTED                STATUS_BUSY
 *     UNAVAILABLE                       STATUS_UNAVAILABLE
 *     DEADLINE_EXCEEDED                 STATUS_TIMEOUT
 *     CANCELLED                         STATUS_CANCELLED
 *     every other one but OK            STATUS_INTERNAL
 */
MUST_CHECK enum status rpc_code_to_status(enum rpc_code code);

#endif
