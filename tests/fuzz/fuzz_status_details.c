#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "rpc/status_details.h"

#define RETRY_INFO "google.rpc.RetryInfo"
#define DETAILS_MAX ((size_t)1 << 20)

static void
check(struct bytes details)
{
	uint64_t delay_ms = 0;
	struct buf value;
	enum status found, told;

	buf_init(&value, DETAILS_MAX);
	found = rpc_status_details_find(details, RETRY_INFO, &value);
	told = rpc_status_details_find_retry(details, &delay_ms);
	FUZZ_CHECK(found == STATUS_OK || found == STATUS_NOT_FOUND ||
	    found == STATUS_INVALID);
	FUZZ_CHECK(value.size <= details.size);
	if (found == STATUS_OK)
		FUZZ_CHECK(told == STATUS_OK || told == STATUS_INVALID);
	else
		FUZZ_CHECK(told == found && value.size == 0);
	FUZZ_CHECK(told == STATUS_OK || delay_ms == 0);
	FUZZ_CHECK(delay_ms <= INT64_MAX);
	buf_clear(&value);
}

/* A RetryInfo, in details that are made here. */
static void
check_retry_info(struct bytes value)
{
	struct buf details, found;

	buf_init(&details, DETAILS_MAX);
	buf_init(&found, DETAILS_MAX);
	FUZZ_CHECK(rpc_status_details_any(RPC_CODE_UNAVAILABLE, "later",
	    RETRY_INFO, value, &details) == STATUS_OK);
	FUZZ_CHECK(rpc_status_details_find(buf_bytes(&details), RETRY_INFO,
	    &found) == STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&found), value));
	check(buf_bytes(&details));
	buf_clear(&details);
	buf_clear(&found);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;

	if (size == 0 || size > DETAILS_MAX / 2)
		return 0;
	rest = size == 1 ? bytes_empty() : bytes_make(data + 1, size - 1);
	if (data[0] % 2 == FUZZ_LAYER_ENVELOPE)
		check(rest);
	else
		check_retry_info(rest);
	return 0;
}
