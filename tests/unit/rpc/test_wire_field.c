/* rpc/wire_field.h, and how rpc/stub.h goes by it */

#include "rpc/wire_field.h"

#include <stdlib.h>

#include "base/buf.h"
#include "gen/google/protobuf/descriptor.pb-c.h"
#include "rpc/stub.h"
#include "tests/unit/unit.h"

/* DescriptorProto.nested_type, a DescriptorProto too. */
#define NESTED "\x1a"

static void
test_wire_field_takes_each_type(void **state)
{
	struct bytes rest = BYTES_LITERAL("\x08\x96\x01"
	    "\x12\x02" "ab"
	    "\x19" "12345678"
	    "\xfd\xff\xff\xff\x0f" "1234");
	struct rpc_wire_field field;

	(void)state;
	assert_true(rpc_wire_field_take(&rest, &field));
	assert_int_equal(field.number, 1);
	assert_int_equal(field.type, RPC_WIRE_TYPE_VARINT);
	assert_true(rpc_wire_field_take(&rest, &field));
	assert_int_equal(field.type, RPC_WIRE_TYPE_LENGTH);
	assert_bytes(field.content, BYTES_LITERAL("ab"));
	assert_true(rpc_wire_field_take(&rest, &field));
	assert_int_equal(field.number, 3);
	assert_bytes(field.content, BYTES_LITERAL("12345678"));
	assert_true(rpc_wire_field_take(&rest, &field));
	assert_int_equal(field.number, 0x1fffffff);
	assert_bytes(field.content, BYTES_LITERAL("1234"));
	assert_int_equal(rest.size, 0);
	assert_false(rpc_wire_field_take(&rest, &field));
}

static void
test_wire_field_refuses_broken_ones(void **state)
{
	static const struct bytes broken[] = {
	    {(const uint8_t *)"\x0a", 1},
	    {(const uint8_t *)"\x0a\x02x", 3},
	    {(const uint8_t *)"\x0a\xff", 2},
	    {(const uint8_t *)"\x0b", 1},
	    {(const uint8_t *)"\x0f", 1},
	    {(const uint8_t *)"\x02\x00", 2},
	    {(const uint8_t *)"\x80", 1},
	    {(const uint8_t *)"\x09" "1234567", 8},
	    {(const uint8_t *)"\x0d" "123", 4},
	    {(const uint8_t *)"\x80\x80\x80\x80\x10\x00", 6},
	    {(const uint8_t *)"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
	};
	struct rpc_wire_field field;

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct bytes rest = broken[i];

		assert_false(rpc_wire_field_take(&rest, &field));
	}
}

/* A message inside a message, and so on; the innermost is empty. */
static void
append_nested(struct buf *out, size_t depth)
{
	size_t *sizes = calloc(depth, sizeof(*sizes)), size = 0;

	assert_non_null(sizes);
	for (size_t i = depth; i-- > 1;) {
		size_t length = size;

		sizes[i] = size;
		do
			size++;
		while ((length >>= 7) > 0);
		size++; /* NESTED */
	}
	for (size_t i = 1; i < depth; i++) {
		assert_ok(buf_append_string(out, NESTED));
		for (; sizes[i] >= 0x80; sizes[i] >>= 7)
			assert_ok(buf_append_u8(
			    out, (uint8_t)(sizes[i] | 0x80)));
		assert_ok(buf_append_u8(out, (uint8_t)sizes[i]));
	}
	free(sizes);
}

/* 100,000 deep would take more stack than there is. */
static void
test_wire_depth_is_bounded(void **state)
{
	const ProtobufCMessageDescriptor *type =
	    &google__protobuf__descriptor_proto__descriptor;
	static const size_t depths[] = {1, 2, RPC_WIRE_DEPTH_MAX,
	    RPC_WIRE_DEPTH_MAX + 1, 100000};
	ProtobufCMessage *message;
	struct buf packed;

	(void)state;
	buf_init(&packed, 1 << 20);
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		bool is_shallow = depths[i] <= RPC_WIRE_DEPTH_MAX;

		buf_reset(&packed);
		append_nested(&packed, depths[i]);
		assert_int_equal(
		    rpc_wire_is_shallow(type, buf_bytes(&packed)), is_shallow);
		assert_status(
		    rpc_stub_unpack(type, buf_bytes(&packed), &message),
		    is_shallow ? STATUS_OK : STATUS_INVALID);
		if (is_shallow)
			protobuf_c_message_free_unpacked(message, NULL);
	}
	assert_false(rpc_wire_is_shallow(type, BYTES_LITERAL(NESTED "\x05")));
	buf_clear(&packed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wire_field_takes_each_type),
	    cmocka_unit_test(test_wire_field_refuses_broken_ones),
	    cmocka_unit_test(test_wire_depth_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
