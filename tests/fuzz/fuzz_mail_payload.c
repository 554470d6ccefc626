#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "server/store/mail_notifier.h"

#define SERVER_DIGITS 16
#define PAYLOAD_MAX 7900

static void
check_decoded(struct bytes payload, uint64_t server_id,
    const int64_t *account_ids, size_t count)
{
	int64_t ids_again[MAIL_NOTIFIER_IDS_MAX];
	uint64_t server_again = 0;
	size_t count_again = 0;
	struct buf again;

	buf_init(&again, PAYLOAD_MAX);
	FUZZ_CHECK(payload.data[SERVER_DIGITS] == ':');
	FUZZ_CHECK((count == 0) ==
	    (payload.data[payload.size - 1] == '*'));
	FUZZ_CHECK(mail_payload_encode(server_id, account_ids, count,
	    count == 0, &again) == STATUS_OK);
	FUZZ_CHECK(again.size <= payload.size);
	FUZZ_CHECK(mail_payload_decode(buf_bytes(&again), &server_again,
	    ids_again, &count_again) == STATUS_OK);
	FUZZ_CHECK(server_again == server_id && count_again == count);
	FUZZ_CHECK(memcmp(ids_again, account_ids,
	    count * sizeof(ids_again[0])) == 0);
	buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes payload = size == 0 ? bytes_empty() :
	    bytes_make(data, size);
	int64_t account_ids[MAIL_NOTIFIER_IDS_MAX] = {0};
	uint64_t server_id = 0;
	size_t count = 0;
	enum status st;

	st = mail_payload_decode(payload, &server_id, account_ids, &count);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	if (st == STATUS_OK)
		check_decoded(payload, server_id, account_ids, count);
	else
		FUZZ_CHECK(server_id == 0 && count == 0);
	return 0;
}
