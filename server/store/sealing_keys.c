#include "server/store/sealing_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "server/store/database.h"
#include "server/store/parameter.h"
#include "server/store/rows.h"

static const char list_sql[] =
    "SELECT id, content, signature, wrapped_private_key, not_before, not_after"
    " FROM sealing_keys ORDER BY not_before DESC, id LIMIT $1::bigint";

/* Times travel as whole milliseconds, so they come back as they were. */
#define TIME_SQL(n) \
	"('epoch'::timestamptz + $" n "::bigint * interval '1 millisecond')"

/* The lock lets servers that rotate at once go one after the other. */
static const char lock_sql[] =
    "LOCK TABLE sealing_keys IN SHARE ROW EXCLUSIVE MODE";
static const char insert_sql[] =
    "INSERT INTO sealing_keys(id, content, signature, wrapped_private_key,"
    " not_before, not_after)"
    " SELECT $1::bytea, $2::bytea, $3::bytea, $4::bytea, " TIME_SQL("5")
    ", " TIME_SQL("6") " WHERE NOT EXISTS (SELECT FROM sealing_keys"
    " WHERE not_before >= " TIME_SQL("7") " AND not_before <= "
    TIME_SQL("8") ") RETURNING id";

static const char retire_sql[] =
    "DELETE FROM sealing_keys WHERE not_after < " TIME_SQL("1");

static enum status
failure_status(enum database_failure failure)
{
	switch (failure) {
	case DATABASE_FAILURE_NONE:
		return STATUS_OK;
	case DATABASE_FAILURE_LOST:
	case DATABASE_FAILURE_CONFLICT:
	case DATABASE_FAILURE_TIMEOUT:
		return STATUS_UNAVAILABLE;
	case DATABASE_FAILURE_NOMEM:
		return STATUS_NOMEM;
	case DATABASE_FAILURE_REFUSED:
		break;
	}
	return STATUS_INTERNAL;
}

/* parameters may be NULL; *out (may be NULL) is the caller's. */
static enum status
execute(PGconn *pg, const char *name, const char *sql,
    struct parameters *parameters, PGresult **out)
{
	struct parameters_view view = { 0 };
	PGresult *result;
	ExecStatusType status;
	enum status st = STATUS_OK;

	if (parameters != NULL && parameters_view(parameters, &view) !=
	    STATUS_OK)
		return STATUS_NOMEM;
	result = PQexecParams(pg, sql,
	    (int)(parameters != NULL ? parameters->count : 0), NULL,
	    view.values, view.sizes, view.formats, 1);
	status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		database_log_error(name, result, pg);
		st = failure_status(database_classify(
		    PQresultErrorField(result, PG_DIAG_SQLSTATE)));
	}
	if (st == STATUS_OK && out != NULL)
		*out = result;
	else
		PQclear(result);
	return st;
}

static enum status
open_session(const char *conninfo, PGconn **out)
{
	PGconn *pg = NULL;
	enum status st;

	if ((st = database_connect(conninfo, &pg)) != STATUS_OK)
		return st;
	if ((st = execute(pg, "settings", "SET statement_timeout = '10s'",
		 NULL, NULL)) != STATUS_OK ||
	    (st = execute(pg, "settings", "SET lock_timeout = '5s'", NULL,
		 NULL)) != STATUS_OK) {
		PQfinish(pg);
		return st;
	}
	*out = pg;
	return STATUS_OK;
}

/* --- Listing -------------------------------------------------------------- */

static enum status
copy_keys(const struct rows *rows, struct store_sealing_keys *out)
{
	size_t count = (size_t)PQntuples(rows->result), bytes = 0;
	struct store_sealing_key *keys;
	uint8_t *next;

	for (int row = 0; (size_t)row < count; row++)
		bytes += rows_bytes(rows, row, 1).size +
		    rows_bytes(rows, row, 3).size;
	keys = calloc(1, count * sizeof(*keys) + bytes + 1);
	if (keys == NULL)
		return STATUS_NOMEM;
	next = (uint8_t *)(keys + count);
	for (int row = 0; (size_t)row < count; row++) {
		struct store_sealing_key *key = &keys[row];
		struct bytes content = rows_bytes(rows, row, 1);
		struct bytes wrapped = rows_bytes(rows, row, 3);

		memcpy(key->id, rows_bytes(rows, row, 0).data, sizeof(key->id));
		memcpy(key->signature, rows_bytes(rows, row, 2).data,
		    sizeof(key->signature));
		memcpy(next, content.data, content.size);
		key->content = bytes_make(next, content.size);
		next += content.size;
		memcpy(next, wrapped.data, wrapped.size);
		key->wrapped = bytes_make(next, wrapped.size);
		next += wrapped.size;
		key->not_before_ms = database_time_ms(rows->result, row, 4);
		key->not_after_ms = database_time_ms(rows->result, row, 5);
	}
	out->keys = keys;
	out->count = count;
	out->memory = keys;
	return STATUS_OK;
}

enum status
store_sealing_keys_list(const char *conninfo, struct store_sealing_keys *out)
{
	struct parameters parameters;
	struct rows rows = { 0 };
	PGresult *result = NULL;
	PGconn *pg = NULL;
	enum status st;

	parameters_init(&parameters, "q");
	parameters_int8(&parameters, 0, STORE_SEALING_KEYS_MAX);
	if ((st = open_session(conninfo, &pg)) != STATUS_OK ||
	    (st = execute(pg, "list_sealing_keys", list_sql, &parameters,
		 &result)) != STATUS_OK ||
	    (st = rows_init_take(&rows, result)) != STATUS_OK)
		goto out;
	st = copy_keys(&rows, out);
out:
	rows_clear(&rows);
	parameters_clear(&parameters);
	PQfinish(pg);
	return st;
}

void
store_sealing_keys_clear(struct store_sealing_keys *keys)
{
	free(keys->memory);
	memset(keys, 0, sizeof(*keys));
}

/* --- Changing ------------------------------------------------------------- */

static void
fill_insert(const struct store_sealing_key *key, uint64_t newer_than_ms,
    struct parameters *parameters)
{
	parameters_init(parameters, "bbbbqqqq");
	parameters_bytes(parameters, 0, BYTES_OF(key->id));
	parameters_bytes(parameters, 1, key->content);
	parameters_bytes(parameters, 2, BYTES_OF(key->signature));
	parameters_bytes(parameters, 3, key->wrapped);
	parameters_int8(parameters, 4, (int64_t)key->not_before_ms);
	parameters_int8(parameters, 5, (int64_t)key->not_after_ms);
	parameters_int8(parameters, 6, (int64_t)newer_than_ms);
	parameters_int8(parameters, 7,
	    (int64_t)(key->not_before_ms + STORE_SEALING_KEY_AHEAD_MS));
}

enum status
store_sealing_keys_insert(const char *conninfo,
    const struct store_sealing_key *key, uint64_t newer_than_ms)
{
	struct parameters parameters;
	PGresult *result = NULL;
	PGconn *pg = NULL;
	enum status st;

	fill_insert(key, newer_than_ms, &parameters);
	if ((st = open_session(conninfo, &pg)) != STATUS_OK ||
	    (st = execute(pg, "begin", "BEGIN", NULL, NULL)) != STATUS_OK ||
	    (st = execute(pg, "lock_sealing_keys", lock_sql, NULL, NULL)) !=
		STATUS_OK ||
	    (st = execute(pg, "insert_sealing_key", insert_sql, &parameters,
		 &result)) != STATUS_OK)
		goto out;
	crash_point("sealing_keys.inserted");
	if ((st = execute(pg, "commit", "COMMIT", NULL, NULL)) == STATUS_OK &&
	    PQntuples(result) == 0)
		st = STATUS_EXISTS;
out:
	PQclear(result);
	parameters_clear(&parameters);
	PQfinish(pg);
	return st;
}

enum status
store_sealing_keys_retire(const char *conninfo, uint64_t before_ms)
{
	struct parameters parameters;
	PGconn *pg = NULL;
	enum status st;

	parameters_init(&parameters, "q");
	parameters_int8(&parameters, 0, (int64_t)before_ms);
	if ((st = open_session(conninfo, &pg)) == STATUS_OK)
		st = execute(pg, "retire_sealing_keys", retire_sql, &parameters,
		    NULL);
	parameters_clear(&parameters);
	PQfinish(pg);
	return st;
}
