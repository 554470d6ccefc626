#include "server/store/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "server/store/database.h"

/* Columns of STATEMENT_FETCH. */
enum fetch_column {
	FETCH_COLUMN_ID,
	FETCH_COLUMN_BODY,
	FETCH_COLUMN_CREATED_AT,
	FETCH_COLUMN_TOTAL,
};

enum status
inbox_new_take(PGresult *result, bool *has_more, struct inbox **out)
{
	size_t count = (size_t)PQntuples(result);
	struct inbox *inbox;

	inbox = malloc(sizeof(*inbox) + count * sizeof(inbox->messages[0]));
	if (inbox == NULL) {
		PQclear(result);
		return STATUS_NOMEM;
	}
	inbox->result = result;
	inbox->count = count;
	for (int row = 0; (size_t)row < count; row++) {
		struct store_inbox_message *message = &inbox->messages[row];

		memcpy(message->id, PQgetvalue(result, row, FETCH_COLUMN_ID),
		    STORE_ID_SIZE);
		message->ciphertext = bytes_make(
		    PQgetvalue(result, row, FETCH_COLUMN_BODY),
		    (size_t)PQgetlength(result, row, FETCH_COLUMN_BODY));
		message->stored_at_ms =
		    database_time_ms(result, row, FETCH_COLUMN_CREATED_AT);
	}
	*has_more = count > 0 &&
	    database_int8(result, 0, FETCH_COLUMN_TOTAL) > (int64_t)count;
	*out = inbox;
	return STATUS_OK;
}

void
inbox_free(struct inbox *inbox)
{
	if (inbox == NULL)
		return;
	PQclear(inbox->result);
	free(inbox);
}
