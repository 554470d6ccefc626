#include "client/state_sql.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum status
state_status(struct state *state, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return STATUS_OK;
	case SQLITE_NOMEM:
		return STATUS_NOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return state->was_interrupted ? STATUS_CANCELLED : STATUS_BUSY;
	case SQLITE_INTERRUPT:
		return STATUS_CANCELLED;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
	case SQLITE_FORMAT:
		return STATUS_FORGED;
	case SQLITE_FULL:
		errno = ENOSPC;
		return STATUS_IO;
	case SQLITE_READONLY:
		errno = EROFS;
		return STATUS_IO;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		errno = EACCES;
		return STATUS_IO;
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		errno = state->db != NULL ? sqlite3_system_errno(state->db) : 0;
		if (errno == 0)
			errno = EIO;
		return STATUS_IO;
	default:
		return STATUS_INTERNAL;
	}
}

void
sql_start(struct sql *sql, struct state *state, enum state_statement statement)
{
	sqlite3_stmt **prepared = &state->prepared[statement];

	*sql = (struct sql){.state = state, .code = SQLITE_OK};
	state->was_interrupted = false;
	if (*prepared == NULL)
		sql->code = sqlite3_prepare_v2(
		    state->db, state_statements[statement], -1, prepared, NULL);
	sql->statement = *prepared;
}

/* The place of the next parameter, or 0 after an error. */
static int
next(struct sql *sql)
{
	return sql->code == SQLITE_OK ? ++sql->bound : 0;
}

void
sql_bind_i64(struct sql *sql, int64_t value)
{
	int at = next(sql);

	if (at != 0)
		sql->code = sqlite3_bind_int64(sql->statement, at, value);
}

void
sql_bind_u64(struct sql *sql, uint64_t value)
{
	assert(value <= INT64_MAX);
	sql_bind_i64(sql, (int64_t)value);
}

void
sql_bind_bytes(struct sql *sql, struct bytes bytes)
{
	int at = next(sql);

	/* A NULL pointer would bind null. */
	if (at != 0)
		sql->code = sqlite3_bind_blob64(sql->statement, at,
		    bytes.data != NULL ? bytes.data : (const uint8_t *)"",
		    bytes.size, SQLITE_STATIC);
}

void
sql_bind_text(struct sql *sql, const char *text)
{
	int at = next(sql);

	if (at != 0)
		sql->code = text == NULL ? sqlite3_bind_null(sql->statement, at)
					 : sqlite3_bind_text(sql->statement, at,
					       text, -1, SQLITE_STATIC);
}

void
sql_bind_text_bytes(struct sql *sql, struct bytes text)
{
	int at = next(sql);

	if (at != 0)
		sql->code = sqlite3_bind_text64(sql->statement, at,
		    text.data != NULL ? (const char *)text.data : "", text.size,
		    SQLITE_STATIC, SQLITE_UTF8);
}

void
sql_end(struct sql *sql)
{
	int saved_errno = errno;

	if (sql->statement == NULL)
		return;
	/* The error of a reset is the one that step has told. */
	(void)sqlite3_reset(sql->statement);
	(void)sqlite3_clear_bindings(sql->statement);
	errno = saved_errno;
}

enum status
sql_step(struct sql *sql, bool *has_row)
{
	if (sql->code == SQLITE_OK || sql->code == SQLITE_ROW)
		sql->code = sqlite3_step(sql->statement);
	if (sql->code != SQLITE_ROW && sql->code != SQLITE_DONE)
		return state_status(sql->state, sql->code);
	*has_row = sql->code == SQLITE_ROW;
	return STATUS_OK;
}

enum status
sql_run(struct sql *sql)
{
	bool has_row = false;
	enum status st;

	do
		st = sql_step(sql, &has_row);
	while (st == STATUS_OK && has_row);
	sql_end(sql);
	return st;
}

enum status
sql_number(struct sql *sql, uint64_t *out)
{
	bool has_row = false;
	enum status st;

	if ((st = sql_step(sql, &has_row)) == STATUS_OK)
		*out = has_row ? sql_u64(sql, 0) : 0;
	sql_end(sql);
	return st;
}

enum status
sql_numbers(struct sql *sql, uint64_t **out, size_t *count)
{
	uint64_t *numbers = NULL, *longer;
	size_t used = 0;
	bool has_row = false;
	enum status st;

	while ((st = sql_step(sql, &has_row)) == STATUS_OK && has_row) {
		longer = reallocarray(numbers, used + 1, sizeof(*numbers));
		if (longer == NULL) {
			st = STATUS_NOMEM;
			break;
		}
		numbers = longer;
		numbers[used++] = sql_u64(sql, 0);
	}
	sql_end(sql);
	if (st == STATUS_OK) {
		*out = numbers;
		*count = used;
		numbers = NULL; /* now the caller's */
	}
	free(numbers);
	return st;
}

int64_t
sql_i64(const struct sql *sql, int column)
{
	return sqlite3_column_int64(sql->statement, column);
}

uint64_t
sql_u64(const struct sql *sql, int column)
{
	int64_t value = sql_i64(sql, column);

	return value > 0 ? (uint64_t)value : 0;
}

bool
sql_is_null(const struct sql *sql, int column)
{
	return sqlite3_column_type(sql->statement, column) == SQLITE_NULL;
}

struct bytes
sql_bytes(const struct sql *sql, int column)
{
	const void *data = sqlite3_column_blob(sql->statement, column);
	int size = sqlite3_column_bytes(sql->statement, column);

	return bytes_make(data, data != NULL && size > 0 ? (size_t)size : 0);
}

enum status
sql_copy(const struct sql *sql, int column, uint8_t *out, size_t size)
{
	struct bytes bytes = sql_bytes(sql, column);

	if (bytes.size != size)
		return STATUS_FORGED;
	if (size > 0)
		memcpy(out, bytes.data, size);
	return STATUS_OK;
}

enum status
sql_copy_text(const struct sql *sql, int column, char **out, size_t *size)
{
	struct bytes bytes = sql_bytes(sql, column);
	char *text = malloc(bytes.size + 1);

	if (text == NULL)
		return STATUS_NOMEM;
	if (bytes.size > 0)
		memcpy(text, bytes.data, bytes.size);
	text[bytes.size] = '\0';
	*out = text;
	if (size != NULL)
		*size = bytes.size;
	return STATUS_OK;
}
