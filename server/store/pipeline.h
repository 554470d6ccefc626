#ifndef PEYK_SERVER_STORE_PIPELINE_H
#define PEYK_SERVER_STORE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/status.h"
#include "server/store/database.h"
#include "server/store/parameter.h"
#include "server/store/statement.h"

/*
 * A connection of a store thread, in pipeline mode, with all statements
 * prepared. Work goes in stages, one round trip each:
 *
 *	pipeline_send() ...  pipeline_flush()
 *	pipeline_receive() for each statement, in the same order
 *	pipeline_end_stage()
 *
 * After a failure the rest of the stage is not to be read; either
 * pipeline_reset() or pipeline_close() follows. Failures are logged here.
 * One thread.
 */
struct pipeline;

struct pipeline_options {
	const char *conninfo;
	uint32_t statement_timeout_ms;
	uint32_t lock_timeout_ms;
};

/* STATUS_UNAVAILABLE, STATUS_NOMEM. Blocks; see database_connect(). */
MUST_CHECK enum status pipeline_open(
    const struct pipeline_options *options, struct pipeline **out);
void pipeline_close(struct pipeline *pipeline);

/*
 * Between stages: whether PostgreSQL is still there, as far as the socket
 * tells. Does not block.
 */
bool pipeline_is_alive(struct pipeline *pipeline);

/* parameters: NULL for a statement without. */
MUST_CHECK enum database_failure pipeline_send(
    struct pipeline *pipeline, enum statement statement,
    struct parameters *parameters);

/* Ends the stage's sending. */
MUST_CHECK enum database_failure pipeline_flush(
    struct pipeline *pipeline);

/* *out (may be NULL) is the caller's, to PQclear(). */
MUST_CHECK enum database_failure pipeline_receive(
    struct pipeline *pipeline, enum statement statement, PGresult **out);

MUST_CHECK enum database_failure pipeline_end_stage(
    struct pipeline *pipeline);

/*
 * Skips what is left of a failed stage and rolls the transaction back. If it
 * fails, close the connection.
 */
MUST_CHECK enum database_failure pipeline_reset(
    struct pipeline *pipeline);

/*
 * Whether PostgreSQL warned that the transaction was committed without the
 * standby having it (its wait was cancelled), since the last call. The commit
 * is in doubt then.
 */
bool pipeline_take_doubt(struct pipeline *pipeline);

#endif
