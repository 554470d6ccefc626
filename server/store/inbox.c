#include "server/store/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "server/store/database.h"
#include "server/store/statement.h"

static void
read_message(const PGresult *result, int row,
    struct store_inbox_message *message)
{
	struct bytes body =
	    bytes_make(PQgetvalue(result, row, FETCH_COLUMN_BODY),
		(size_t)PQgetlength(result, row, FETCH_COLUMN_BODY));

	memset(message, 0, sizeof(*message));
	memcpy(message->id, PQgetvalue(result, row, FETCH_COLUMN_ID),
	    STORE_ID_SIZE);
	message->stored_at_ms =
	    database_time_ms(result, row, FETCH_COLUMN_CREATED_AT);
	if (!PQgetisnull(result, row, FETCH_COLUMN_GROUP_ID))
		message->group_id =
		    database_int8(result, row, FETCH_COLUMN_GROUP_ID);
	if (!PQgetisnull(result, row, FETCH_COLUMN_EPOCH))
		message->epoch = (uint32_t)database_int4(result, row,
		    FETCH_COLUMN_EPOCH);
	if (database_int2(result, row, FETCH_COLUMN_KIND) ==
	    MESSAGE_KIND_LEAVE)
		message->leave = body;
	else
		message->ciphertext = body;
}

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
	inbox->shared = NULL;
	inbox->count = count;
	for (int row = 0; (size_t)row < count; row++)
		read_message(result, row, &inbox->messages[row]);
	*has_more = count > 0 &&
	    database_int8(result, 0, FETCH_COLUMN_TOTAL) > (int64_t)count;
	*out = inbox;
	return STATUS_OK;
}

static bool
is_shared(const struct inbox *inbox, size_t row)
{
	return !PQgetisnull(inbox->result, (int)row,
	    FETCH_COLUMN_SHARED_SIZE);
}

enum status
inbox_want_bodies(const struct inbox *inbox, struct bodies *bodies)
{
	enum status st = STATUS_OK;

	for (size_t i = 0; i < inbox->count && st == STATUS_OK; i++) {
		if (is_shared(inbox, i))
			st = bodies_want(bodies, inbox->messages[i].group_id,
			    inbox->messages[i].id);
	}
	return st;
}

enum status
inbox_add_bodies(struct inbox *inbox, const struct bodies *bodies)
{
	size_t size = 0, kept = 0;
	uint8_t *next;

	for (size_t i = 0; i < inbox->count; i++) {
		if (is_shared(inbox, i))
			size += bodies_find(bodies,
			    inbox->messages[i].group_id,
			    inbox->messages[i].id).size;
	}
	if ((next = malloc(size + 1)) == NULL)
		return STATUS_NOMEM;
	inbox->shared = next;
	for (size_t i = 0; i < inbox->count; i++) {
		struct store_inbox_message message = inbox->messages[i];
		struct bytes body = bodies_find(bodies, message.group_id,
		    message.id);
		bool is_update = database_int2(inbox->result, (int)i,
		    FETCH_COLUMN_KIND) == MESSAGE_KIND_UPDATE;

		if (is_shared(inbox, i)) {
			if (body.size == 0)
				continue;
			memcpy(next, body.data, body.size);
			*(is_update ? &message.roster : &message.ciphertext) =
			    bytes_make(next, body.size);
			next += body.size;
		}
		inbox->messages[kept++] = message;
	}
	inbox->count = kept;
	return STATUS_OK;
}

void
inbox_free(struct inbox *inbox)
{
	if (inbox == NULL)
		return;
	PQclear(inbox->result);
	free(inbox->shared);
	free(inbox);
}
