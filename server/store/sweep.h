#ifndef PEYK_SERVER_STORE_SWEEP_H
#define PEYK_SERVER_STORE_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "server/store/pipeline.h"

/*
 * Deletes the shared bodies that no message points to any more. A counter in
 * each would be a row that every acknowledgement of a group changes; instead
 * all bodies are looked at from time to time, a chunk after the other.
 *
 * Bodies and what points to them are stored together and never pointed to
 * again, so that one seen here without a pointer afterwards has lost the last.
 * The newest are passed over: Citus commits on one node before the other, so
 * that a body may be there before its pointers. Several servers may sweep at
 * once, and any may die at any time.
 */

/* Bodies that are looked at in one step. */
#define SWEEP_CHUNK 256

/* How far it is; zeroed at the beginning. */
struct sweep {
	int64_t group_id;
	uint8_t id[16];
};

/*
 * The next chunk, of those that are at least so old. is_over: that was the
 * last, and sweep is zeroed. After a failure, as after one of batch_run():
 * pipeline_reset() or close it; the sweep may go on.
 */
MUST_CHECK enum database_failure sweep_step(struct sweep *sweep,
    struct pipeline *pipeline, uint32_t age_ms, bool *is_over);

#endif
