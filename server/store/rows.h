#ifndef PEYK_SERVER_STORE_ROWS_H
#define PEYK_SERVER_STORE_ROWS_H

#include <stdint.h>

#include <libpq-fe.h>

#include "base/bytes.h"
#include "base/status.h"

/* A result in binary form whose rows are found by their first column. */
struct rows {
	PGresult *result;
	int *order; /* row numbers, by the bytes of the first column */
	int count;
};

/* Takes result, also when it fails with STATUS_NOMEM. */
MUST_CHECK enum status rows_init_take(struct rows *rows, PGresult *result);

/* A zeroed one is fine. */
void rows_clear(struct rows *rows);

/* A row whose first column has these bytes, or -1. Zeroed rows have none. */
int rows_find(const struct rows *rows, struct bytes key);
int rows_find_int8(const struct rows *rows, int64_t key);

/* A field; borrowed from rows. */
struct bytes rows_bytes(const struct rows *rows, int row, int column);

#endif
