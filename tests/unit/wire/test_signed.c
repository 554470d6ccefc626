#include "tests/unit/unit.h"

#include <string.h>

#include "failing_malloc.h"
#include "people.h"
#include "wire/limits.h"
#include "wire/signed.h"

static struct people people;

static void
make(const char *label, struct buf *out)
{
	buf_init(out, 1000);
	assert_ok(wire_signed_make(&people.server.secret_key, label,
	    BYTES_LITERAL("salam mashti"), out));
}

static void
test_signed_round_trip(void **state)
{
	struct wire_signed message = {0};
	struct buf packed;

	(void)state;
	make(WIRE_LABEL_REPLY, &packed);
	assert_true(packed.size <= strlen("salam mashti") +
	    WIRE_SIGNED_OVERHEAD);
	assert_ok(wire_signed_parse(buf_bytes(&packed), 1000, &message));
	assert_bytes(message.content, BYTES_LITERAL("salam mashti"));
	assert_ok(wire_signed_verify(&message, WIRE_LABEL_REPLY,
	    &people.server.public_key));
	wire_signed_clear(&message);
	wire_signed_clear(&message);
	buf_clear(&packed);
}

static void
test_signed_for_another_purpose_is_forged(void **state)
{
	static const char *const labels[] = { WIRE_LABEL_SERVER_INFO,
		WIRE_LABEL_SEALING_KEY, WIRE_LABEL_REQUEST, WIRE_LABEL_REPLY,
		WIRE_LABEL_IDENTITY, WIRE_LABEL_MESSAGE };
	const size_t count = sizeof(labels) / sizeof(labels[0]);
	struct wire_signed message = {0};
	struct buf packed;
	size_t i, j;

	(void)state;
	for (i = 0; i < count; i++) {
		make(labels[i], &packed);
		assert_ok(wire_signed_parse(buf_bytes(&packed), 1000,
		    &message));
		for (j = 0; j < count; j++)
			assert_status(wire_signed_verify(&message, labels[j],
			    &people.server.public_key),
			    i == j ? STATUS_OK : STATUS_FORGED);
		wire_signed_clear(&message);
		buf_clear(&packed);
	}
}

static void
test_signed_by_another_is_forged(void **state)
{
	struct wire_signed message = {0};
	struct buf packed;

	(void)state;
	make(WIRE_LABEL_REPLY, &packed);
	assert_ok(wire_signed_parse(buf_bytes(&packed), 1000, &message));
	assert_status(wire_signed_verify(&message, WIRE_LABEL_REPLY,
	    &people.sender.signing.public_key), STATUS_FORGED);
	wire_signed_clear(&message);
	buf_clear(&packed);
}

static void
test_signed_never_survives_a_flipped_bit(void **state)
{
	struct wire_signed message = {0};
	struct buf packed;
	enum status st;
	size_t i;

	(void)state;
	make(WIRE_LABEL_REPLY, &packed);
	for (i = 0; i < packed.size * 8; i++) {
		packed.data[i / 8] ^= (uint8_t)(1 << i % 8);
		st = wire_signed_parse(buf_bytes(&packed), 1000, &message);
		if (st == STATUS_OK)
			assert_status(wire_signed_verify(&message,
			    WIRE_LABEL_REPLY, &people.server.public_key),
			    STATUS_FORGED);
		else
			assert_status(st, STATUS_INVALID);
		wire_signed_clear(&message);
		packed.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < packed.size; i++)
		assert_status(wire_signed_parse(bytes_make(packed.data, i),
		    1000, &message), STATUS_INVALID);
	buf_clear(&packed);
}

static void
test_signed_survives_every_failing_allocation(void **state)
{
	struct wire_signed message = {0};
	struct buf packed;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		buf_init(&packed, 1000);
		failing_malloc_start(n);
		st = wire_signed_make(&people.server.secret_key,
		    WIRE_LABEL_REPLY, BYTES_LITERAL("salam"), &packed);
		if (st == STATUS_OK)
			st = wire_signed_parse(buf_bytes(&packed), 1000,
			    &message);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		assert_null(message.message);
		buf_clear(&packed);
	}
	assert_ok(st);
	wire_signed_clear(&message);
	buf_clear(&packed);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	people_clear(&people);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed_round_trip),
		cmocka_unit_test(test_signed_for_another_purpose_is_forged),
		cmocka_unit_test(test_signed_by_another_is_forged),
		cmocka_unit_test(test_signed_never_survives_a_flipped_bit),
		cmocka_unit_test(
		    test_signed_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
