#include "tests/unit/unit.h"

#include "server/store/mail_notifier.h"

#define PAYLOAD_LIMIT 7900

static void
test_mail_payload_comes_back(void **state)
{
	int64_t ids[MAIL_NOTIFIER_IDS_MAX], decoded[MAIL_NOTIFIER_IDS_MAX];
	uint64_t server_id = 0;
	struct buf payload;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < MAIL_NOTIFIER_IDS_MAX; i++)
		ids[i] = INT64_MAX - (int64_t)i;
	/* The most accounts, with the longest ids, fit. */
	buf_init(&payload, PAYLOAD_LIMIT);
	assert_ok(mail_payload_encode(0x1234, ids, MAIL_NOTIFIER_IDS_MAX, false,
	    &payload));
	assert_ok(mail_payload_decode(buf_bytes(&payload), &server_id, decoded,
	    &count));
	assert_true(server_id == 0x1234);
	assert_int_equal(count, MAIL_NOTIFIER_IDS_MAX);
	assert_memory_equal(decoded, ids, sizeof(ids));
	buf_clear(&payload);
}

static void
test_mail_payload_for_everyone(void **state)
{
	int64_t decoded[MAIL_NOTIFIER_IDS_MAX];
	uint64_t server_id = 0;
	struct buf payload;
	size_t count = 9;

	(void)state;
	buf_init(&payload, PAYLOAD_LIMIT);
	assert_ok(mail_payload_encode(UINT64_MAX, NULL, 0, true, &payload));
	assert_bytes(buf_bytes(&payload),
	    BYTES_LITERAL("ffffffffffffffff:*"));
	assert_ok(mail_payload_decode(buf_bytes(&payload), &server_id, decoded,
	    &count));
	assert_int_equal(count, 0);
	buf_clear(&payload);
}

static void
test_mail_payload_refuses_the_rest(void **state)
{
	static const char *const wrong[] = { "", "0", "00000000000000001",
		"0000000000000001", "0000000000000001:", "0000000000000001:,",
		"0000000000000001:1,", "0000000000000001:*1",
		"0000000000000001:x", "0000000000000001:1 2", "hello, world!!!!!",
		"0000000000000001:11112222333344445",
		"1:0000000000000002", "000000000000001:22" };
	int64_t decoded[MAIL_NOTIFIER_IDS_MAX];
	uint64_t server_id;
	struct buf many;
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_status(mail_payload_decode(bytes_from_string(wrong[i]),
		    &server_id, decoded, &count), STATUS_INVALID);
	buf_init(&many, 7900);
	assert_ok(buf_append_string(&many, "0000000000000001:1"));
	for (size_t i = 0; i < MAIL_NOTIFIER_IDS_MAX; i++)
		assert_ok(buf_append_string(&many, ",1"));
	assert_status(mail_payload_decode(buf_bytes(&many), &server_id, decoded,
	    &count), STATUS_INVALID);
	buf_clear(&many);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_payload_comes_back),
		cmocka_unit_test(test_mail_payload_for_everyone),
		cmocka_unit_test(test_mail_payload_refuses_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
