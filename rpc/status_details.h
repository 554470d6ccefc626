#ifndef RPC_STATUS_DETAILS_H
#define RPC_STATUS_DETAILS_H

/*
 * google.rpc.Status, the conventional content of grpc-status-details-bin:
 * builds one with a single detail, and finds a detail in one.
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "rpc/grpc_status.h"

/* A type URL is this and the full name of a message. */
#define RPC_TYPE_URL "type.googleapis.com/"

/*
 * Appends a serialized google.rpc.Status with one Any: `type` is the full
 * name of a message, such as "google.rpc.RetryInfo", `value` its bytes.
 * `message` may be NULL. STATUS_NOMEM, and what `out`'s cap gives.
 */
MUST_CHECK enum status rpc_status_details_any(enum rpc_code code,
    const char *message, const char *type, struct bytes value, struct buf *out);

/* The same with a google.rpc.RetryInfo: try again after `delay_ms`. */
MUST_CHECK enum status rpc_status_details_retry(enum rpc_code code,
    const char *message, uint64_t delay_ms, struct buf *out);

/*
 * Appends the value of the first Any of that type to `out`.
 * STATUS_INVALID: no google.rpc.Status; STATUS_NOT_FOUND: none of that type.
 */
MUST_CHECK enum status rpc_status_details_find(
    struct bytes details, const char *type, struct buf *out);

/* The delay of a RetryInfo. STATUS_INVALID, STATUS_NOT_FOUND, STATUS_NOMEM. */
MUST_CHECK enum status rpc_status_details_find_retry(
    struct bytes details, uint64_t *delay_ms);

/* What a server says about trying a call again that it refused. */
enum rpc_retry {
	RPC_RETRY_UNSAID, /* nothing: the code and the method decide */
	RPC_RETRY_AFTER,
	RPC_RETRY_NEVER,
};

/*
 * From grpc-retry-pushback-ms, or else a RetryInfo in the details. `delay_ms`
 * is written for RPC_RETRY_AFTER only. Nobody vouches for the number: bound
 * it, and the number of attempts.
 */
enum rpc_retry rpc_status_retry(
    const struct rpc_status *status, uint64_t *delay_ms);

#endif
