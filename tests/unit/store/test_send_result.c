#include "tests/unit/unit.h"

#include <string.h>

#include "server/store/message_id.h"
#include "server/store/send_result.h"

static struct store_send_message messages[STORE_SEND_MAX];

static size_t
encode(size_t count, uint8_t out[SEND_RESULT_MAX], uint8_t last_id[16])
{
	uint8_t first_id[16];

	message_id_next(NULL, 77, first_id);
	return send_result_assign(messages, count, first_id, last_id, out);
}

static void
test_send_result_comes_back(void **state)
{
	struct store_send_message decoded[STORE_SEND_MAX];
	uint8_t encoded[SEND_RESULT_MAX], last_id[16];
	size_t size;

	(void)state;
	for (size_t i = 0; i < STORE_SEND_MAX; i++) {
		memset(&messages[i], 0, sizeof(messages[i]));
		messages[i].outcome = (enum store_send_outcome)(1 + i % 5);
	}
	size = encode(STORE_SEND_MAX, encoded, last_id);
	assert_int_equal(size, SEND_RESULT_MAX);
	assert_int_equal(messages[4].outcome, STORE_SEND_OUTCOME_STALE_EPOCH);
	memset(decoded, 0, sizeof(decoded));
	assert_ok(send_result_decode(bytes_make(encoded, size), decoded,
	    STORE_SEND_MAX));
	assert_memory_equal(decoded, messages, sizeof(decoded));
	assert_memory_equal(decoded[255].id, last_id, 16);
	assert_true(memcmp(decoded[0].id, decoded[5].id, 16) < 0);
}

static void
test_send_result_without_stored_messages(void **state)
{
	struct store_send_message decoded[2];
	uint8_t encoded[SEND_RESULT_MAX], last_id[16] = { 5 };
	static const uint8_t untouched[16] = { 5 };
	size_t size;

	(void)state;
	messages[0].outcome = STORE_SEND_OUTCOME_UNKNOWN_RECIPIENT;
	messages[1].outcome = STORE_SEND_OUTCOME_STALE_RECIPIENT;
	size = encode(2, encoded, last_id);
	assert_int_equal(size, 3);
	assert_memory_equal(last_id, untouched, 16);
	assert_ok(send_result_decode(bytes_make(encoded, size), decoded, 2));
	assert_int_equal(decoded[1].outcome,
	    STORE_SEND_OUTCOME_STALE_RECIPIENT);
}

static void
test_send_result_refuses_damage(void **state)
{
	struct store_send_message decoded[2];
	uint8_t encoded[SEND_RESULT_MAX], last_id[16];
	size_t size;

	(void)state;
	messages[0].outcome = STORE_SEND_OUTCOME_STORED;
	messages[1].outcome = STORE_SEND_OUTCOME_UNKNOWN_RECIPIENT;
	size = encode(2, encoded, last_id);
	for (size_t cut = 0; cut < size; cut++)
		assert_status(send_result_decode(bytes_make(encoded, cut),
		    decoded, 2), STATUS_INVALID);
	assert_status(send_result_decode(bytes_make(encoded, size), decoded, 1),
	    STATUS_INVALID);
	assert_status(send_result_decode(bytes_make(encoded, size), decoded, 3),
	    STATUS_INVALID);
	encoded[1] = 6;
	assert_status(send_result_decode(bytes_make(encoded, size), decoded, 2),
	    STATUS_INVALID);
	encoded[1] = 1;
	encoded[0] = 2;
	assert_status(send_result_decode(bytes_make(encoded, size), decoded, 2),
	    STATUS_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send_result_comes_back),
		cmocka_unit_test(test_send_result_without_stored_messages),
		cmocka_unit_test(test_send_result_refuses_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
