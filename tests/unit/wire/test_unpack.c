#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "failing_malloc.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

static void
append_repeated(struct buf *out, struct bytes pattern, size_t count)
{
	while (count-- > 0)
		assert_ok(buf_append(out, pattern));
}

static void
test_unpack_gives_what_was_packed(void **state)
{
	Peyk__V1__SignedMessage message = PEYK__V1__SIGNED_MESSAGE__INIT;
	Peyk__V1__SignedMessage *back = NULL;
	struct buf packed;

	(void)state;
	buf_init(&packed, 100);
	message.content = wire_field(BYTES_LITERAL("salam"));
	assert_ok(wire_pack(&message.base, &packed));
	assert_ok(wire_unpack(&peyk__v1__signed_message__descriptor,
	    buf_bytes(&packed), 100, &back));
	assert_bytes(wire_bytes(back->content), BYTES_LITERAL("salam"));
	assert_int_equal(back->signature.len, 0);
	wire_free(back);
	buf_clear(&packed);
}

static void
test_unpack_takes_the_empty_message(void **state)
{
	Peyk__V1__PollRequest *message = NULL;
	struct buf packed;

	(void)state;
	assert_ok(wire_unpack(&peyk__v1__poll_request__descriptor,
	    bytes_empty(), 0, &message));
	buf_init(&packed, 0);
	assert_ok(wire_pack(&message->base, &packed));
	assert_int_equal(packed.size, 0);
	wire_free(message);
	wire_free(NULL);
}

static void
test_unpack_refuses_more_than_asked(void **state)
{
	Peyk__V1__SignedMessage *message = NULL;

	(void)state;
	assert_status(wire_unpack(&peyk__v1__signed_message__descriptor,
	    BYTES_LITERAL("\x0a\x01x"), 2, &message), STATUS_TOO_LARGE);
	assert_null(message);
}

static void
test_pack_respects_the_limit(void **state)
{
	Peyk__V1__SignedMessage message = PEYK__V1__SIGNED_MESSAGE__INIT;
	struct buf packed;

	(void)state;
	buf_init(&packed, 6);
	message.content = wire_field(BYTES_LITERAL("salam"));
	assert_status(wire_pack(&message.base, &packed), STATUS_TOO_LARGE);
	assert_int_equal(packed.size, 0);
	buf_clear(&packed);
}

static void
test_unpack_refuses_broken_frames(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} cases[] = {
		{ "\x0a", 1 },                 /* no length */
		{ "\x0a\x02x", 3 },            /* shorter than it says */
		{ "\x0a\xff", 2 },             /* half a length */
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
		{ "\x0b", 1 },                 /* a group */
		{ "\x0f", 1 },                 /* no wire type */
		{ "\x02\x00", 2 },             /* field 0 */
		{ "\x80", 1 },
		{ "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 },
		{ "\x09\x01", 2 },             /* 8 bytes cut off */
		{ "\x0d\x01", 2 },             /* 4 bytes cut off */
	};
	Peyk__V1__SignedMessage *message = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_status(wire_unpack(
		    &peyk__v1__signed_message__descriptor,
		    bytes_make(cases[i].data, cases[i].size), 100, &message),
		    STATUS_INVALID);
	assert_null(message);
}

static void
test_unpack_ignores_unknown_fields(void **state)
{
	Peyk__V1__SignedMessage *message = NULL;

	(void)state;
	/* a varint, 8 bytes, 4 bytes, a string of fields 20 to 23 */
	assert_ok(wire_unpack(&peyk__v1__signed_message__descriptor,
	    BYTES_LITERAL("\xa0\x01\x05" "\xa9\x01" "12345678"
	    "\xb5\x01" "1234" "\xba\x01\x02" "\xff\x00" "\x0a\x01x"), 100,
	    &message));
	assert_bytes(wire_bytes(message->content), BYTES_LITERAL("x"));
	wire_free(message);
}

static void
test_unpack_refuses_strings_that_are_none(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} cases[] = {
		{ "\x0a\x03" "a\0b", 5 },     /* NUL */
		{ "\x0a\x01" "\xff", 3 },     /* not UTF-8 */
		{ "\x0a\x02" "\xc0\x80", 4 }, /* overlong NUL */
		{ "\x0a\x01" "\xff\x0a\x01" "a", 6 }, /* though replaced */
	};
	Peyk__V1__Identity *identity = NULL;
	Peyk__V1__GetPublicKeyResponse *response = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_status(wire_unpack(&peyk__v1__identity__descriptor,
		    bytes_make(cases[i].data, cases[i].size), 100, &identity),
		    STATUS_INVALID);
	/* also inside a message */
	assert_status(wire_unpack(
	    &peyk__v1__get_public_key_response__descriptor,
	    BYTES_LITERAL("\x0a\x05\x0a\x03" "a\0b"), 100, &response),
	    STATUS_INVALID);
	assert_ok(wire_unpack(
	    &peyk__v1__get_public_key_response__descriptor,
	    BYTES_LITERAL("\x0a\x05\x0a\x03" "a-b"), 100, &response));
	wire_free(response);
}

/* Two bytes each on the wire, a hundred in memory. */
static void
test_unpack_bounds_memory(void **state)
{
	Peyk__V1__SendRequest *request = NULL;
	Peyk__V1__PollRequest *poll = NULL;
	struct buf many;

	(void)state;
	buf_init(&many, WIRE_BODY_MAX);
	append_repeated(&many, BYTES_LITERAL("\x0a\x00"), 500000);
	assert_status(wire_unpack(&peyk__v1__send_request__descriptor,
	    buf_bytes(&many), WIRE_BODY_MAX, &request), STATUS_INVALID);
	assert_status(wire_unpack(&peyk__v1__poll_request__descriptor,
	    buf_bytes(&many), WIRE_BODY_MAX, &poll), STATUS_INVALID);
	/* unknown fields */
	buf_reset(&many);
	append_repeated(&many, BYTES_LITERAL("\x78\x00"), 500000);
	assert_status(wire_unpack(&peyk__v1__send_request__descriptor,
	    buf_bytes(&many), WIRE_BODY_MAX, &request), STATUS_INVALID);
	buf_clear(&many);
}

/* The largest honest messages of each kind with many parts. */
static void
test_unpack_takes_every_allowed_count(void **state)
{
	Peyk__V1__SendRequest *send = NULL;
	Peyk__V1__PollRequest *poll = NULL;
	Peyk__V1__PollResponse *inbox = NULL;
	Peyk__V1__SendResponse *results = NULL;
	Peyk__V1__GetPublicKeyRequest *names = NULL;
	struct buf many;

	(void)state;
	buf_init(&many, WIRE_BODY_MAX);
	append_repeated(&many, BYTES_LITERAL("\x0a\x01x"),
	    WIRE_NAMES_PER_LOOKUP);
	assert_ok(wire_unpack(&peyk__v1__get_public_key_request__descriptor,
	    buf_bytes(&many), WIRE_BODY_MAX, &names));
	wire_free(names);
	buf_reset(&many);
	append_repeated(&many, BYTES_LITERAL("\x0a\x05\x0a\x01x\x12\x00"),
	    WIRE_MESSAGES_PER_SEND);
	assert_ok(wire_unpack(&peyk__v1__send_request__descriptor,
	    buf_bytes(&many), WIRE_BODY_MAX, &send));
	wire_free(send);
	buf_reset(&many);
	append_repeated(&many, BYTES_LITERAL("\x0a\x02\x08\x02"),
	    WIRE_MESSAGES_PER_SEND);
	assert_ok(wire_unpack(&peyk__v1__send_response__descriptor,
	    buf_bytes(&many), WIRE_BODY_MAX, &results));
	wire_free(results);
	buf_reset(&many);
	append_repeated(&many, BYTES_LITERAL("\x0a\x10" "0123456789abcdef"),
	    WIRE_MESSAGES_PER_POLL);
	assert_ok(wire_unpack(&peyk__v1__poll_request__descriptor,
	    buf_bytes(&many), WIRE_BODY_MAX, &poll));
	wire_free(poll);
	buf_reset(&many);
	append_repeated(&many, BYTES_LITERAL("\x0a\x1b"
	    "\x0a\x10" "0123456789abcdef" "\x12\x05" "short" "\x18\x01"),
	    WIRE_MESSAGES_PER_POLL);
	assert_ok(wire_unpack(&peyk__v1__poll_response__descriptor,
	    buf_bytes(&many), WIRE_BODY_MAX, &inbox));
	assert_int_equal(inbox->n_messages, WIRE_MESSAGES_PER_POLL);
	wire_free(inbox);
	buf_clear(&many);
}

static void
test_unpack_survives_every_failing_allocation(void **state)
{
	/* two entries: a name, and an identity with both fields */
	struct bytes packed = BYTES_LITERAL("\x0a\x0b\x0a\x01x\x12\x06"
	    "\x0a\x01y\x12\x01z" "\x0a\x03\x0a\x01x" "\xba\x01\x01?");
	Peyk__V1__GetPublicKeyResponse *message = NULL;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		failing_malloc_start(n);
		st = wire_unpack(
		    &peyk__v1__get_public_key_response__descriptor, packed,
		    100, &message);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		assert_null(message);
	}
	assert_ok(st);
	assert_true(n > 5);
	wire_free(message);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpack_gives_what_was_packed),
		cmocka_unit_test(test_unpack_takes_the_empty_message),
		cmocka_unit_test(test_unpack_refuses_more_than_asked),
		cmocka_unit_test(test_pack_respects_the_limit),
		cmocka_unit_test(test_unpack_refuses_broken_frames),
		cmocka_unit_test(test_unpack_ignores_unknown_fields),
		cmocka_unit_test(test_unpack_refuses_strings_that_are_none),
		cmocka_unit_test(test_unpack_bounds_memory),
		cmocka_unit_test(test_unpack_takes_every_allowed_count),
		cmocka_unit_test(
		    test_unpack_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
