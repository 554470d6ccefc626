/* rpc/stub.h: what unpacking a peer's message may take. */

#include "rpc/stub.h"

#include <stdlib.h>
#include <string.h>

#include "gen/google/protobuf/struct.pb-c.h"
#include "tests/unit/unit.h"

/* So often the same field, as a google.protobuf.ListValue. */
static enum status
unpack_many_within(struct bytes field, size_t count, unsigned factor)
{
	uint8_t *packed = malloc(field.size * count);
	ProtobufCMessage *message = NULL;
	enum status st;

	assert_non_null(packed);
	for (size_t i = 0; i < count; i++)
		memcpy(packed + i * field.size, field.data, field.size);
	st = rpc_stub_unpack_within(&google__protobuf__list_value__descriptor,
	    bytes_make(packed, field.size * count), factor, &message);
	if (st == STATUS_OK)
		protobuf_c_message_free_unpacked(message, NULL);
	free(packed);
	return st;
}

static enum status
unpack_many(struct bytes field, size_t count)
{
	return unpack_many_within(field, count, RPC_STUB_UNPACK_FACTOR);
}

/* Of JSON, say: [true,true,...] and ["a","a",...]. */
static void
test_stub_unpacks_many_small_messages(void **state)
{
	(void)state;
	for (size_t count = 1000; count <= 1000000; count *= 10) {
		assert_ok(
		    unpack_many(BYTES_LITERAL("\x0a\x02\x20\x01"), count));
		assert_ok(
		    unpack_many(BYTES_LITERAL("\x0a\x03\x1a\x01\x61"), count));
	}
}

static void
test_stub_refuses_what_swells(void **state)
{
	(void)state;
	/* Unknown fields of two bytes, and messages with nothing in them. */
	assert_status(
	    unpack_many(BYTES_LITERAL("\x78\x01"), 262144), STATUS_INVALID);
	assert_status(
	    unpack_many(BYTES_LITERAL("\x0a\x00"), 262144), STATUS_INVALID);
}

static void
test_stub_bounds_as_it_is_told(void **state)
{
	(void)state;
	assert_status(unpack_many_within(BYTES_LITERAL("\x0a\x02\x20\x01"),
			  100000, RPC_STUB_UNPACK_FACTOR_FLAT),
	    STATUS_INVALID);
	assert_ok(unpack_many_within(
	    BYTES_LITERAL("\x78\x01"), 262144, 2 * RPC_STUB_UNPACK_FACTOR));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stub_unpacks_many_small_messages),
	    cmocka_unit_test(test_stub_refuses_what_swells),
	    cmocka_unit_test(test_stub_bounds_as_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
