#include "server/store/rows.h"

#include <stdlib.h>
#include <string.h>

struct bytes
rows_bytes(const struct rows *rows, int row, int column)
{
	return bytes_make(PQgetvalue(rows->result, row, column),
	    (size_t)PQgetlength(rows->result, row, column));
}

static int
compare_rows(const void *a, const void *b, void *context)
{
	const struct rows *rows = context;

	return bytes_compare(rows_bytes(rows, *(const int *)a, 0),
	    rows_bytes(rows, *(const int *)b, 0));
}

enum status
rows_init_take(struct rows *rows, PGresult *result)
{
	int count = PQntuples(result);

	memset(rows, 0, sizeof(*rows));
	rows->result = result;
	if (count == 0)
		return STATUS_OK;
	rows->order = malloc((size_t)count * sizeof(*rows->order));
	if (rows->order == NULL) {
		rows_clear(rows);
		return STATUS_NOMEM;
	}
	rows->count = count;
	for (int i = 0; i < count; i++)
		rows->order[i] = i;
	qsort_r(rows->order, (size_t)count, sizeof(*rows->order), compare_rows,
	    rows);
	return STATUS_OK;
}

void
rows_clear(struct rows *rows)
{
	PQclear(rows->result);
	free(rows->order);
	memset(rows, 0, sizeof(*rows));
}

int
rows_find(const struct rows *rows, struct bytes key)
{
	int low = 0, high = rows->count;

	while (low < high) {
		int middle = low + (high - low) / 2;
		int row = rows->order[middle];
		int order = bytes_compare(key, rows_bytes(rows, row, 0));

		if (order == 0)
			return row;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

int
rows_find_int8(const struct rows *rows, int64_t key)
{
	uint8_t bytes[8];

	bytes_put_u64be(bytes, (uint64_t)key);
	return rows_find(rows, BYTES_OF(bytes));
}
