#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "server/store/send_result.h"

static struct store_send_message messages[STORE_SEND_MAX];
static struct store_send_message again[STORE_SEND_MAX];

static void
check(struct bytes result, size_t count)
{
	uint8_t first_id[STORE_ID_SIZE] = {0}, last_id[STORE_ID_SIZE] = {0};
	uint8_t last_again[STORE_ID_SIZE] = {0};
	uint8_t encoded[SEND_RESULT_MAX];
	bool has_stored = false;
	enum status st;

	memset(messages, 0xee, sizeof(messages));
	memset(again, 0xee, sizeof(again));
	st = send_result_decode(result, messages, count);
	if (st != STATUS_OK) {
		FUZZ_CHECK(st == STATUS_INVALID);
		FUZZ_CHECK(memcmp(messages, again, sizeof(messages)) == 0);
		return;
	}
	FUZZ_CHECK(memcmp(messages + count, again + count,
	    sizeof(messages) - count * sizeof(messages[0])) == 0);
	for (size_t i = count; i-- > 0;) {
		if (messages[i].outcome != STORE_SEND_OUTCOME_STORED)
			continue;
		memcpy(first_id, messages[i].id, sizeof(first_id));
		if (!has_stored)
			memcpy(last_id, messages[i].id, sizeof(last_id));
		has_stored = true;
	}
	/* The same outcomes and first id are stored as the same bytes. */
	for (size_t i = 0; i < count; i++)
		again[i].outcome = messages[i].outcome;
	FUZZ_CHECK(result.size == send_result_assign(again, count, first_id,
	    last_again, encoded));
	FUZZ_CHECK(memcmp(encoded, result.data, result.size) == 0);
	FUZZ_CHECK(memcmp(last_again, last_id, sizeof(last_id)) == 0);
}

/* The first byte is one less than the number of messages. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check(size == 1 ? bytes_empty() : bytes_make(data + 1, size - 1),
	    (size_t)data[0] + 1);
	return 0;
}
