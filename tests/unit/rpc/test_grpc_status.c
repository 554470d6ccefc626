/* rpc/grpc_status.h, rpc/status_details.h, rpc/metadata.h */

#include "rpc/grpc_status.h"

#include <string.h>

#include "base/buf.h"
#include "rpc/metadata.h"
#include "rpc/status_details.h"
#include "tests/unit/unit.h"

static void
test_grpc_status_maps_every_status(void **state)
{
	(void)state;
	for (int st = STATUS_OK; st <= STATUS_INTERNAL; st++) {
		enum rpc_code code = rpc_code_from_status((enum status)st);

		assert_int_not_equal(code, RPC_CODE_UNKNOWN);
		assert_int_equal(code == RPC_CODE_OK, st == STATUS_OK);
	}
	assert_int_equal(
	    rpc_code_from_status((enum status)1000), RPC_CODE_UNKNOWN);
}

static void
test_grpc_status_maps_every_code(void **state)
{
	(void)state;
	for (int code = 0; code <= 16; code++) {
		enum status st = rpc_code_to_status((enum rpc_code)code);

		assert_int_equal(st == STATUS_OK, code == RPC_CODE_OK);
		assert_int_equal(
		    strcmp(rpc_code_name((enum rpc_code)code), "UNKNOWN") == 0,
		    code == RPC_CODE_UNKNOWN);
	}
	assert_string_equal(rpc_code_name((enum rpc_code)99), "UNKNOWN");
	/* What means the same on both sides survives the way there and back. */
	for (int st = STATUS_OK; st <= STATUS_INTERNAL; st++)
		switch (st) {
		case STATUS_NOMEM:
		case STATUS_TOO_LARGE:
		case STATUS_IO:
			break;
		default:
			assert_int_equal(
			    rpc_code_to_status(
				rpc_code_from_status((enum status)st)),
			    st);
		}
}

static void
test_status_details_hold_any(void **state)
{
	struct buf details, value;

	(void)state;
	buf_init(&details, 1000);
	buf_init(&value, 1000);
	assert_ok(rpc_status_details_any(RPC_CODE_ABORTED, "why",
	    "some.v1.Thing", BYTES_LITERAL("\x0a\x00\xff"), &details));
	assert_ok(rpc_status_details_find(
	    buf_bytes(&details), "some.v1.Thing", &value));
	assert_bytes(buf_bytes(&value), BYTES_LITERAL("\x0a\x00\xff"));
	assert_status(
	    rpc_status_details_find(buf_bytes(&details), "v1.Thing", &value),
	    STATUS_NOT_FOUND);
	assert_status(
	    rpc_status_details_find(BYTES_LITERAL("\x0a"), "v1.Thing", &value),
	    STATUS_INVALID);
	assert_status(
	    rpc_status_details_find(bytes_empty(), "v1.Thing", &value),
	    STATUS_NOT_FOUND);
	buf_clear(&details);
	buf_clear(&value);
}

static void
test_status_details_tell_when_to_retry(void **state)
{
	static const uint64_t delays[] = {0, 1, 999, 1000, 12345678901};
	struct buf details;
	uint64_t delay;

	(void)state;
	buf_init(&details, 1000);
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		buf_reset(&details);
		assert_ok(rpc_status_details_retry(
		    RPC_CODE_UNAVAILABLE, NULL, delays[i], &details));
		assert_ok(
		    rpc_status_details_find_retry(buf_bytes(&details), &delay));
		assert_int_equal(delay, delays[i]);
	}
	/* google.protobuf.Duration of -1 s, in a RetryInfo. */
	buf_reset(&details);
	assert_ok(rpc_status_details_any(RPC_CODE_UNAVAILABLE, NULL,
	    "google.rpc.RetryInfo",
	    BYTES_LITERAL(
		"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	    &details));
	assert_ok(rpc_status_details_find_retry(buf_bytes(&details), &delay));
	assert_int_equal(delay, 0);
	/* The most seconds and the most that its nanoseconds can hold. */
	buf_reset(&details);
	assert_ok(rpc_status_details_any(RPC_CODE_UNAVAILABLE, NULL,
	    "google.rpc.RetryInfo",
	    BYTES_LITERAL("\x0a\x10\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
			  "\x10\xff\xff\xff\xff\x07"),
	    &details));
	assert_ok(rpc_status_details_find_retry(buf_bytes(&details), &delay));
	assert_true(delay > INT64_MAX / 2 && delay <= INT64_MAX);
	buf_reset(&details);
	assert_ok(rpc_status_details_any(RPC_CODE_UNAVAILABLE, NULL,
	    "google.rpc.RetryInfo", BYTES_LITERAL("\xff"), &details));
	assert_status(
	    rpc_status_details_find_retry(buf_bytes(&details), &delay),
	    STATUS_INVALID);
	buf_clear(&details);
}

static void
test_metadata_is_checked(void **state)
{
	(void)state;
	assert_true(rpc_metadata_is_legal("x-a_b.c1", BYTES_LITERAL("text")));
	assert_true(rpc_metadata_is_legal("x-bin", BYTES_LITERAL("\0\xff\n")));
	assert_true(rpc_metadata_is_legal("x", bytes_empty()));
	assert_false(rpc_metadata_is_legal("X-Upper", BYTES_LITERAL("a")));
	assert_false(rpc_metadata_is_legal("with space", BYTES_LITERAL("a")));
	assert_false(rpc_metadata_is_legal(":path", BYTES_LITERAL("a")));
	assert_false(rpc_metadata_is_legal("", BYTES_LITERAL("a")));
	assert_false(rpc_metadata_is_legal("x", BYTES_LITERAL("a\nb")));
	assert_false(rpc_metadata_is_legal("x", BYTES_LITERAL("\xff")));
	assert_false(rpc_metadata_is_legal("grpc-status", BYTES_LITERAL("0")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grpc_status_maps_every_status),
	    cmocka_unit_test(test_grpc_status_maps_every_code),
	    cmocka_unit_test(test_status_details_hold_any),
	    cmocka_unit_test(test_status_details_tell_when_to_retry),
	    cmocka_unit_test(test_metadata_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
