#include "server/store/send_result.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "server/store/message_id.h"

#define FORMAT 1

size_t
send_result_assign(struct store_send_message *messages, size_t count,
    const uint8_t first_id[16], uint8_t last_id[16],
    uint8_t out[SEND_RESULT_MAX])
{
	uint8_t next[STORE_ID_SIZE];
	size_t size = 1 + count;
	bool has_stored = false;

	assert(count <= STORE_SEND_MAX);
	memcpy(next, first_id, STORE_ID_SIZE);
	out[0] = FORMAT;
	for (size_t i = 0; i < count; i++) {
		out[1 + i] = (uint8_t)messages[i].outcome;
		if (messages[i].outcome != STORE_SEND_OUTCOME_STORED)
			continue;
		if (!has_stored) {
			memcpy(out + size, next, STORE_ID_SIZE);
			has_stored = true;
		}
		memcpy(messages[i].id, next, STORE_ID_SIZE);
		memcpy(last_id, next, STORE_ID_SIZE);
		message_id_increment(next);
	}
	return has_stored ? size + STORE_ID_SIZE : size;
}

enum status
send_result_decode(struct bytes result, struct store_send_message *messages,
    size_t count)
{
	const uint8_t *outcomes;
	uint8_t next[STORE_ID_SIZE];
	bool has_stored = false;

	if (result.size < 1 + count || result.data[0] != FORMAT)
		return STATUS_INVALID;
	outcomes = result.data + 1;
	for (size_t i = 0; i < count; i++) {
		if (outcomes[i] < STORE_SEND_OUTCOME_STORED ||
		    outcomes[i] > STORE_SEND_OUTCOME_STALE_EPOCH)
			return STATUS_INVALID;
		has_stored |= outcomes[i] == STORE_SEND_OUTCOME_STORED;
	}
	if (result.size != 1 + count + (has_stored ? STORE_ID_SIZE : 0))
		return STATUS_INVALID;
	if (has_stored)
		memcpy(next, outcomes + count, STORE_ID_SIZE);
	for (size_t i = 0; i < count; i++) {
		messages[i].outcome = (enum store_send_outcome)outcomes[i];
		if (outcomes[i] != STORE_SEND_OUTCOME_STORED) {
			memset(messages[i].id, 0, STORE_ID_SIZE);
			continue;
		}
		memcpy(messages[i].id, next, STORE_ID_SIZE);
		message_id_increment(next);
	}
	return STATUS_OK;
}
