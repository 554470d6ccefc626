#include "tests/unit/unit.h"

#include <string.h>

#include "channel/sealing_key.h"
#include "people.h"
#include "wire/signed.h"
#include "wire/unpack.h"

static struct people people;
static struct channel_sealing_key key;

static enum status
verify(struct bytes content, const struct signature *signature)
{
	Peyk__V1__SignedSealingKey message =
	    PEYK__V1__SIGNED_SEALING_KEY__INIT;
	struct channel_sealing_key out;

	message.sealing_key = wire_field(content);
	message.signature = wire_field(BYTES_OF(signature->bytes));
	return channel_sealing_key_verify(&message,
	    &people.server.public_key, &out);
}

static void
test_sealing_key_round_trip(void **state)
{
	Peyk__V1__SignedSealingKey message =
	    PEYK__V1__SIGNED_SEALING_KEY__INIT;
	struct channel_sealing_key out;
	struct signature signature;
	struct buf content;
	size_t i;

	(void)state;
	buf_init(&content, CHANNEL_SEALING_KEY_CONTENT_MAX);
	assert_ok(channel_sealing_key_append(&key, &content));
	assert_ok(channel_sealing_key_sign(&key, &people.server.secret_key,
	    &signature));
	assert_ok(channel_sealing_key_check(&key, &signature,
	    &people.server.public_key));
	message.sealing_key = wire_field(buf_bytes(&content));
	message.signature = wire_field(BYTES_OF(signature.bytes));
	assert_ok(channel_sealing_key_verify(&message,
	    &people.server.public_key, &out));
	assert_memory_equal(&out, &key, sizeof(out));
	assert_status(channel_sealing_key_verify(&message,
	    &people.other.signing.public_key, &out), STATUS_FORGED);
	for (i = 0; i < content.size * 8; i++) {
		content.data[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_status(verify(buf_bytes(&content), &signature),
		    STATUS_FORGED);
		content.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	message.signature.len = 63;
	assert_status(channel_sealing_key_verify(&message,
	    &people.server.public_key, &out), STATUS_INVALID);
	buf_clear(&content);
}

static void
test_sealing_key_of_the_largest_numbers(void **state)
{
	struct channel_sealing_key large = key;
	struct signature signature;

	(void)state;
	large.not_before_ms = large.not_after_ms = UINT64_MAX;
	assert_ok(channel_sealing_key_sign(&large, &people.server.secret_key,
	    &signature));
}

static void
test_sealing_key_check_finds_each_change(void **state)
{
	struct channel_sealing_key changed;
	struct signature signature;

	(void)state;
	assert_ok(channel_sealing_key_sign(&key, &people.server.secret_key,
	    &signature));
	changed = key;
	changed.id.bytes[0] ^= 1;
	assert_status(channel_sealing_key_check(&changed, &signature,
	    &people.server.public_key), STATUS_FORGED);
	changed = key;
	changed.key.bytes[31] ^= 1;
	assert_status(channel_sealing_key_check(&changed, &signature,
	    &people.server.public_key), STATUS_FORGED);
	changed = key;
	changed.not_before_ms--;
	assert_status(channel_sealing_key_check(&changed, &signature,
	    &people.server.public_key), STATUS_FORGED);
	changed = key;
	changed.not_after_ms++;
	assert_status(channel_sealing_key_check(&changed, &signature,
	    &people.server.public_key), STATUS_FORGED);
	assert_status(channel_sealing_key_check(&key, &signature,
	    &people.sender.signing.public_key), STATUS_FORGED);
}

static void
test_sealing_key_with_malformed_fields_is_invalid(void **state)
{
	Peyk__V1__SealingKey message = PEYK__V1__SEALING_KEY__INIT;
	struct wire_signed frame = {0};
	struct buf content, packed;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		message.id = wire_field(bytes_make(key.id.bytes, 8 - i));
		message.key = wire_field(bytes_make(key.key.bytes, 31 + i));
		buf_init(&content, 200);
		buf_init(&packed, 500);
		assert_ok(wire_pack(&message.base, &content));
		assert_ok(wire_signed_make(&people.server.secret_key,
		    WIRE_LABEL_SEALING_KEY, buf_bytes(&content), &packed));
		assert_ok(wire_signed_parse(buf_bytes(&packed), 500,
		    &frame));
		assert_status(verify(frame.content, &frame.signature),
		    STATUS_INVALID);
		wire_signed_clear(&frame);
		buf_clear(&packed);
		buf_clear(&content);
	}
}

static void
test_sealing_key_is_in_force_with_tolerance(void **state)
{
	const uint64_t tolerance = WIRE_CLOCK_TOLERANCE_MS;
	struct channel_sealing_key open_ended = key;

	(void)state;
	assert_true(channel_sealing_key_is_in_force(&key,
	    key.not_before_ms));
	assert_true(channel_sealing_key_is_in_force(&key, key.not_after_ms));
	assert_true(channel_sealing_key_is_in_force(&key,
	    key.not_before_ms - tolerance));
	assert_false(channel_sealing_key_is_in_force(&key,
	    key.not_before_ms - tolerance - 1));
	assert_true(channel_sealing_key_is_in_force(&key,
	    key.not_after_ms + tolerance));
	assert_false(channel_sealing_key_is_in_force(&key,
	    key.not_after_ms + tolerance + 1));
	assert_false(channel_sealing_key_is_in_force(&key, 0));
	assert_false(channel_sealing_key_is_in_force(&key, UINT64_MAX));
	open_ended.not_before_ms = 0;
	open_ended.not_after_ms = UINT64_MAX;
	assert_true(channel_sealing_key_is_in_force(&open_ended, 0));
	assert_true(channel_sealing_key_is_in_force(&open_ended,
	    UINT64_MAX));
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	memset(key.id.bytes, 9, sizeof(key.id.bytes));
	key.key = people.sealing.public_key;
	key.not_before_ms = PEOPLE_NOW_MS;
	key.not_after_ms = PEOPLE_NOW_MS + 86400000;
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
		cmocka_unit_test(test_sealing_key_round_trip),
		cmocka_unit_test(test_sealing_key_of_the_largest_numbers),
		cmocka_unit_test(test_sealing_key_check_finds_each_change),
		cmocka_unit_test(
		    test_sealing_key_with_malformed_fields_is_invalid),
		cmocka_unit_test(test_sealing_key_is_in_force_with_tolerance),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
