#ifndef PEYK_SERVER_STORE_DATABASE_H
#define PEYK_SERVER_STORE_DATABASE_H

#include <stdint.h>

#include <libpq-fe.h>

#include "base/status.h"

/* What the store's parts share around libpq: connecting, and errors. */

/* What to do about an error, by its SQLSTATE. */
enum database_failure {
	DATABASE_FAILURE_NONE,
	DATABASE_FAILURE_LOST,     /* reconnect, then the same again */
	DATABASE_FAILURE_CONFLICT, /* the same again */
	DATABASE_FAILURE_TIMEOUT,  /* a lock or a statement took too long */
	DATABASE_FAILURE_REFUSED,  /* the same again would not help */
	DATABASE_FAILURE_NOMEM,    /* on our side */
};

/* sqlstate may be NULL (libpq made the error itself): then it is LOST. */
enum database_failure database_classify(const char *sqlstate);

/*
 * Connects; blocks for up to connect_timeout for each host. What the string
 * leaves out is filled in: the read-write host of several, timeouts and
 * keepalives that notice a dead host within half a minute, UTF-8. Notices are
 * not printed.
 *
 * STATUS_UNAVAILABLE: the log says why. STATUS_NOMEM.
 */
MUST_CHECK enum status database_connect(const char *conninfo, PGconn **out);

/* STATUS_INVALID if libpq cannot parse the string. */
MUST_CHECK enum status database_check_conninfo(const char *conninfo);

/* Logs an error: the statement's name and the SQLSTATE, never a value. */
void database_log_error(const char *statement, const PGresult *result,
    const PGconn *connection);

/* Fields of binary results. The caller knows that they are not NULL. */
int64_t database_int8(const PGresult *result, int row, int column);
int32_t database_int4(const PGresult *result, int row, int column);
int16_t database_int2(const PGresult *result, int row, int column);
/* timestamptz as Unix time. */
uint64_t database_time_ms(const PGresult *result, int row, int column);

#endif
