#include "tests/unit/unit.h"

#include <string.h>

#include "channel/server_info.h"
#include "failing_malloc.h"
#include "people.h"
#include "wire/signed.h"
#include "wire/unpack.h"

static struct people people;
static struct channel_server_info honest;

static void
make(const struct channel_server_info *info, struct buf *out)
{
	buf_init(out, WIRE_SERVER_INFO_MAX);
	assert_ok(channel_server_info_make(info, &people.server, out));
}

/* A ServerInfo made by hand and signed. */
static enum status
verify_message(const Peyk__V1__ServerInfo *message,
    const struct signing_secret_key *key, const char *label,
    struct channel_server_info *out)
{
	struct buf content, packed;
	enum status st;

	buf_init(&content, 100000);
	buf_init(&packed, 100000);
	assert_ok(wire_pack(&message->base, &content));
	/* GetServerInfoResponse has the layout of SignedMessage. */
	assert_ok(wire_signed_make(key, label, buf_bytes(&content),
	    &packed));
	st = channel_server_info_verify_bytes(buf_bytes(&packed), out);
	buf_clear(&packed);
	buf_clear(&content);
	return st;
}

static void
test_server_info_round_trip(void **state)
{
	struct channel_server_info out;
	struct buf packed;

	(void)state;
	memset(&out, 0, sizeof(out));
	make(&honest, &packed);
	assert_ok(channel_server_info_verify_bytes(buf_bytes(&packed),
	    &out));
	assert_memory_equal(&out.identity_key, &people.server.public_key, 32);
	assert_int_equal(out.sealing_key_count, 2);
	assert_memory_equal(out.sealing_keys, honest.sealing_keys,
	    2 * sizeof(out.sealing_keys[0]));
	assert_true(out.has_tls_certificate);
	assert_memory_equal(&out.tls_certificate, &honest.tls_certificate,
	    32);
	assert_string_equal(out.version, "0.1.0");
	assert_int_equal(out.registration,
	    PEYK__V1__REGISTRATION__REGISTRATION_OPEN);
	assert_int_equal(out.time_ms, PEOPLE_NOW_MS);
	assert_int_equal(out.text_bytes, 65536);
	assert_int_equal(out.ciphertext_bytes, 132096);
	assert_int_equal(out.messages_per_send, 256);
	assert_int_equal(out.body_bytes, 4194304);
	assert_int_equal(out.messages_per_poll, 1024);
	assert_int_equal(out.poll_wait_ms, 60000);
	assert_int_equal(out.names_per_lookup, 256);
	assert_int_equal(out.members_per_group, 1000);
	buf_clear(&packed);
}

static void
test_server_info_with_the_most_of_everything(void **state)
{
	struct channel_server_info full = honest, out;
	struct buf packed;
	size_t i;

	(void)state;
	full.sealing_key_count = WIRE_SEALING_KEYS_MAX;
	for (i = 0; i < WIRE_SEALING_KEYS_MAX; i++) {
		full.sealing_keys[i] = honest.sealing_keys[0];
		full.sealing_keys[i].not_after_ms = UINT64_MAX;
	}
	memset(full.version, 'x', WIRE_VERSION_MAX);
	make(&full, &packed);
	assert_true(packed.size < WIRE_SERVER_INFO_MAX / 2);
	assert_ok(channel_server_info_verify_bytes(buf_bytes(&packed),
	    &out));
	assert_int_equal(out.sealing_key_count, WIRE_SEALING_KEYS_MAX);
	buf_clear(&packed);
	full.sealing_key_count++;
	buf_init(&packed, WIRE_SERVER_INFO_MAX);
	assert_status(channel_server_info_make(&full, &people.server,
	    &packed), STATUS_TOO_LARGE);
	buf_clear(&packed);
}

static void
test_server_info_never_survives_a_flipped_bit(void **state)
{
	struct channel_server_info out;
	struct buf packed;
	enum status st;
	size_t i;

	(void)state;
	make(&honest, &packed);
	for (i = 0; i < packed.size; i++) {
		packed.data[i] ^= (uint8_t)(1 << i % 8);
		st = channel_server_info_verify_bytes(buf_bytes(&packed),
		    &out);
		assert_true(st == STATUS_INVALID || st == STATUS_FORGED);
		packed.data[i] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < packed.size; i++)
		assert_status(channel_server_info_verify_bytes(
		    bytes_make(packed.data, i), &out), STATUS_INVALID);
	buf_clear(&packed);
}

static void
test_server_info_is_bounded(void **state)
{
	static const uint8_t large[WIRE_SERVER_INFO_MAX + 1];
	struct channel_server_info out;

	(void)state;
	assert_status(channel_server_info_verify_bytes(BYTES_OF(large),
	    &out), STATUS_TOO_LARGE);
}

static void
test_server_info_leaves_out_keys_that_are_not_signed(void **state)
{
	Peyk__V1__GetServerInfoResponse *response = NULL;
	Peyk__V1__ServerInfo *message = NULL;
	struct channel_server_info out;
	struct buf packed;

	(void)state;
	make(&honest, &packed);
	assert_ok(wire_unpack(
	    &peyk__v1__get_server_info_response__descriptor,
	    buf_bytes(&packed), WIRE_SERVER_INFO_MAX, &response));
	assert_ok(wire_unpack(&peyk__v1__server_info__descriptor,
	    wire_bytes(response->info), WIRE_SERVER_INFO_MAX, &message));
	message->sealing_keys[0]->signature.data[5] ^= 1;
	assert_ok(verify_message(message, &people.server.secret_key,
	    WIRE_LABEL_SERVER_INFO, &out));
	assert_int_equal(out.sealing_key_count, 1);
	assert_memory_equal(&out.sealing_keys[0], &honest.sealing_keys[1],
	    sizeof(out.sealing_keys[0]));
	/* the certificate's hash is all or nothing */
	message->tls_certificate_sha256.len = 31;
	assert_status(verify_message(message, &people.server.secret_key,
	    WIRE_LABEL_SERVER_INFO, &out), STATUS_INVALID);
	message->tls_certificate_sha256.len = 0;
	assert_ok(verify_message(message, &people.server.secret_key,
	    WIRE_LABEL_SERVER_INFO, &out));
	assert_false(out.has_tls_certificate);
	/* signed by another, or for another purpose */
	assert_status(verify_message(message,
	    &people.sender.signing.secret_key, WIRE_LABEL_SERVER_INFO, &out),
	    STATUS_FORGED);
	assert_status(verify_message(message, &people.server.secret_key,
	    WIRE_LABEL_REPLY, &out), STATUS_FORGED);
	message->identity_key.len = 0;
	assert_status(verify_message(message, &people.server.secret_key,
	    WIRE_LABEL_SERVER_INFO, &out), STATUS_INVALID);
	wire_free(message);
	wire_free(response);
	buf_clear(&packed);
}

static void
test_server_info_lowers_limits_to_ours(void **state)
{
	Peyk__V1__ServerInfo message = PEYK__V1__SERVER_INFO__INIT;
	Peyk__V1__Limits limits = PEYK__V1__LIMITS__INIT;
	struct channel_server_info out;

	(void)state;
	message.identity_key =
	    wire_field(BYTES_OF(people.server.public_key.bytes));
	/* none told: ours */
	assert_ok(verify_message(&message, &people.server.secret_key,
	    WIRE_LABEL_SERVER_INFO, &out));
	assert_int_equal(out.text_bytes, WIRE_TEXT_MAX);
	assert_int_equal(out.sealing_key_count, 0);
	assert_null(channel_server_info_sealing_key(&out, PEOPLE_NOW_MS));
	message.limits = &limits;
	limits.text_bytes = 1000;
	limits.messages_per_send = UINT32_MAX;
	limits.poll_wait_ms = 0;
	assert_ok(verify_message(&message, &people.server.secret_key,
	    WIRE_LABEL_SERVER_INFO, &out));
	assert_int_equal(out.text_bytes, 1000);
	assert_int_equal(out.messages_per_send, WIRE_MESSAGES_PER_SEND);
	assert_int_equal(out.poll_wait_ms, WIRE_POLL_WAIT_MAX_MS);
	message.time_ms = WIRE_TIME_MAX_MS + 1;
	assert_status(verify_message(&message, &people.server.secret_key,
	    WIRE_LABEL_SERVER_INFO, &out), STATUS_INVALID);
}

static void
test_server_info_chooses_the_key_in_force(void **state)
{
	const struct channel_sealing_key *keys = honest.sealing_keys;

	(void)state;
	/* The newest comes first, but is not in force yet. */
	assert_ptr_equal(channel_server_info_sealing_key(&honest,
	    PEOPLE_NOW_MS), &keys[1]);
	assert_ptr_equal(channel_server_info_sealing_key(&honest,
	    keys[0].not_before_ms), &keys[0]);
	assert_null(channel_server_info_sealing_key(&honest, 0));
	assert_null(channel_server_info_sealing_key(&honest, UINT64_MAX));
}

static void
test_fingerprint_is_the_hash_of_the_key(void **state)
{
	char text[CHANNEL_FINGERPRINT_LENGTH + 1];
	struct sha256_digest digest = { {0} };
	struct signing_public_key zero = { {0} };

	(void)state;
	assert_ok(channel_fingerprint(&zero, text));
	assert_string_equal(text, "66687aadf862bd776c8fc18b8e9f8e20"
	    "089714856ee233b3902a591d0d5f2925");
	assert_status(channel_fingerprint_check(&digest, &zero),
	    STATUS_FORGED);
	memcpy(digest.bytes, "\x66\x68\x7a\xad\xf8\x62\xbd\x77\x6c\x8f\xc1"
	    "\x8b\x8e\x9f\x8e\x20\x08\x97\x14\x85\x6e\xe2\x33\xb3\x90\x2a"
	    "\x59\x1d\x0d\x5f\x29\x25", 32);
	assert_ok(channel_fingerprint_check(&digest, &zero));
}

static void
test_server_info_survives_every_failing_allocation(void **state)
{
	struct channel_server_info out;
	struct buf packed;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		buf_init(&packed, WIRE_SERVER_INFO_MAX);
		failing_malloc_start(n);
		st = channel_server_info_make(&honest, &people.server,
		    &packed);
		if (st == STATUS_OK)
			st = channel_server_info_verify_bytes(
			    buf_bytes(&packed), &out);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		buf_clear(&packed);
	}
	assert_ok(st);
	assert_int_equal(out.sealing_key_count, 2);
	buf_clear(&packed);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	channel_server_info_set_limits(&honest);
	honest.sealing_key_count = 2;
	memset(honest.sealing_keys[0].id.bytes, 2, 8);
	honest.sealing_keys[0].key = people.sealing.public_key;
	honest.sealing_keys[0].not_before_ms = PEOPLE_NOW_MS + 3600000;
	honest.sealing_keys[0].not_after_ms = PEOPLE_NOW_MS + 7200000;
	memset(honest.sealing_keys[1].id.bytes, 1, 8);
	honest.sealing_keys[1].key = people.other.encryption.public_key;
	honest.sealing_keys[1].not_before_ms = PEOPLE_NOW_MS - 3600000;
	honest.sealing_keys[1].not_after_ms = PEOPLE_NOW_MS + 3600000;
	honest.has_tls_certificate = true;
	memset(&honest.tls_certificate, 0x77, 32);
	strcpy(honest.version, "0.1.0");
	honest.registration = PEYK__V1__REGISTRATION__REGISTRATION_OPEN;
	honest.time_ms = PEOPLE_NOW_MS;
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
		cmocka_unit_test(test_server_info_round_trip),
		cmocka_unit_test(
		    test_server_info_with_the_most_of_everything),
		cmocka_unit_test(
		    test_server_info_never_survives_a_flipped_bit),
		cmocka_unit_test(test_server_info_is_bounded),
		cmocka_unit_test(
		    test_server_info_leaves_out_keys_that_are_not_signed),
		cmocka_unit_test(test_server_info_lowers_limits_to_ours),
		cmocka_unit_test(test_server_info_chooses_the_key_in_force),
		cmocka_unit_test(test_fingerprint_is_the_hash_of_the_key),
		cmocka_unit_test(
		    test_server_info_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
