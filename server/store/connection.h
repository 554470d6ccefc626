#ifndef PEYK_SERVER_STORE_CONNECTION_H
#define PEYK_SERVER_STORE_CONNECTION_H

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
 *	connection_send() ...  connection_flush()
 *	connection_receive() for each statement, in the same order
 *	connection_end_stage()
 *
 * After a failure the rest of the stage is not to be read; either
 * connection_reset() or connection_close() follows. Failures are logged here.
 * One thread.
 */
struct connection;

struct connection_options {
	const char *conninfo;
	uint32_t statement_timeout_ms;
	uint32_t lock_timeout_ms;
};

/* STATUS_UNAVAILABLE, STATUS_NOMEM. Blocks; see database_connect(). */
MUST_CHECK enum status connection_open(
    const struct connection_options *options, struct connection **out);
void connection_close(struct connection *connection);

/* parameters: NULL for a statement without. */
MUST_CHECK enum database_failure connection_send(
    struct connection *connection, enum statement statement,
    struct parameters *parameters);

/* Ends the stage's sending. */
MUST_CHECK enum database_failure connection_flush(
    struct connection *connection);

/* *out (may be NULL) is the caller's, to PQclear(). */
MUST_CHECK enum database_failure connection_receive(
    struct connection *connection, enum statement statement, PGresult **out);

MUST_CHECK enum database_failure connection_end_stage(
    struct connection *connection);

/*
 * Skips what is left of a failed stage and rolls the transaction back. If it
 * fails, close the connection.
 */
MUST_CHECK enum database_failure connection_reset(
    struct connection *connection);

/*
 * Whether PostgreSQL warned that the transaction was committed without the
 * standby having it (its wait was cancelled), since the last call. The commit
 * is in doubt then.
 */
bool connection_take_doubt(struct connection *connection);

#endif
