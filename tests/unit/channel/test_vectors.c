#include "tests/unit/unit.h"

#include <string.h>

#include "channel/password_proof.h"
#include "channel/reply.h"
#include "channel/request.h"
#include "channel/server_info.h"
#include "people.h"
#include "vector_file.h"
#include "wire/signed.h"
#include "wire/unpack.h"

/* tests/vectors/channel.json: whole envelopes from fixed keys. */

static struct people people;
static struct channel_sealing_key sealing_key;

static json_t *
make_keys(void)
{
	json_t *keys = json_object();
	struct signing_seed seed;

	signing_seed_of(&people.server.secret_key, &seed);
	vector_set_hex(keys, "server_identity_seed", BYTES_OF(seed.bytes));
	vector_set_hex(keys, "server_identity_key",
	    BYTES_OF(people.server.public_key.bytes));
	vector_set_hex(keys, "sealing_key_id",
	    BYTES_OF(sealing_key.id.bytes));
	vector_set_hex(keys, "sealing_secret_key",
	    BYTES_OF(people.sealing.secret_key.bytes));
	vector_set_hex(keys, "sealing_key", BYTES_OF(sealing_key.key.bytes));
	signing_seed_of(&people.sender.signing.secret_key, &seed);
	vector_set_hex(keys, "account_signing_seed", BYTES_OF(seed.bytes));
	vector_set_hex(keys, "account_signing_key",
	    BYTES_OF(people.sender.signing.public_key.bytes));
	vector_set_hex(keys, "account_encryption_secret_key",
	    BYTES_OF(people.sender.encryption.secret_key.bytes));
	vector_set_hex(keys, "account_encryption_key",
	    BYTES_OF(people.sender.encryption.public_key.bytes));
	return keys;
}

static json_t *
make_identity(const struct person *person)
{
	json_t *identity = json_object();

	vector_set_string(identity, "username", person->name);
	vector_set_hex(identity, "signing_key",
	    BYTES_OF(person->signing.public_key.bytes));
	vector_set_hex(identity, "encryption_key",
	    BYTES_OF(person->encryption.public_key.bytes));
	vector_set_integer(identity, "created_at_ms", PEOPLE_NOW_MS);
	vector_set_hex(identity, "signed_identity",
	    buf_bytes(&person->statement));
	return identity;
}

static json_t *
make_proof(const char *password, const char *name)
{
	json_t *proof = json_object();
	struct channel_password_proof bytes;

	assert_ok(channel_password_prove(bytes_from_string(password),
	    &people.server.public_key, bytes_from_string(name), &bytes));
	vector_set_string(proof, "password", password);
	vector_set_string(proof, "name", name);
	vector_set_hex(proof, "proof", BYTES_OF(bytes.bytes));
	return proof;
}

static json_t *
make_server_info(void)
{
	json_t *object = json_object();
	struct channel_server_info info = {0};
	char fingerprint[CHANNEL_FINGERPRINT_LENGTH + 1];
	struct buf packed;

	channel_server_info_set_limits(&info);
	info.sealing_key_count = 1;
	info.sealing_keys[0] = sealing_key;
	info.has_tls_certificate = true;
	memset(&info.tls_certificate, 0x77, sizeof(info.tls_certificate));
	strcpy(info.version, "0.1.0");
	info.registration = PEYK__V1__REGISTRATION__REGISTRATION_OPEN;
	info.time_ms = PEOPLE_NOW_MS;
	buf_init(&packed, WIRE_SERVER_INFO_MAX);
	assert_ok(channel_server_info_make(&info, &people.server, &packed));
	assert_ok(channel_fingerprint(&people.server.public_key,
	    fingerprint));
	vector_set_string(object, "fingerprint", fingerprint);
	vector_set_integer(object, "time_ms", PEOPLE_NOW_MS);
	vector_set_integer(object, "sealing_key_not_before_ms",
	    sealing_key.not_before_ms);
	vector_set_integer(object, "sealing_key_not_after_ms",
	    sealing_key.not_after_ms);
	vector_set_hex(object, "response", buf_bytes(&packed));
	buf_clear(&packed);
	return object;
}

static json_t *
make_reply(const struct channel_exchange *exchange, uint8_t nonce_byte,
    const struct channel_outcome *outcome)
{
	json_t *object = json_object();
	uint8_t nonce[CHANNEL_REPLY_NONCE_SIZE];
	struct channel_sealed_response sealed = {0};
	struct shared_secret shared;
	Peyk__V1__SealedResponse view;
	struct buf packed;

	memset(nonce, nonce_byte, sizeof(nonce));
	assert_ok(shared_secret_derive(&people.sealing,
	    &people.sender.encryption.public_key, &shared));
	assert_ok(channel_reply_seal_with(exchange, &shared,
	    &people.server.secret_key, outcome, nonce, &sealed));
	channel_sealed_response_view(&sealed, &view);
	buf_init(&packed, WIRE_ENVELOPE_MAX);
	assert_ok(wire_pack(&view.base, &packed));
	vector_set_integer(object, "disposition",
	    (uint64_t)outcome->disposition);
	vector_set_integer(object, "code", outcome->code);
	vector_set_string(object, "message",
	    outcome->message == NULL ? "" : outcome->message);
	vector_set_hex(object, "body", outcome->body);
	vector_set_integer(object, "expected_sequence",
	    outcome->expected_sequence);
	vector_set_integer(object, "retry_after_ms",
	    outcome->retry_after_ms);
	vector_set_hex(object, "nonce", BYTES_OF(nonce));
	vector_set_hex(object, "sealed_response", buf_bytes(&packed));
	buf_clear(&packed);
	channel_sealed_response_clear(&sealed);
	return object;
}

static json_t *
make_replies(const struct channel_exchange *exchange)
{
	const struct channel_outcome outcomes[] = {
		{ .disposition = PEYK__V1__DISPOSITION__DISPOSITION_DONE,
		    .body = BYTES_LITERAL("\x0a\x02\x08\x01") },
		{ .disposition = PEYK__V1__DISPOSITION__DISPOSITION_REFUSED,
		    .code = 3, .message = "A message is too large." },
		{ .disposition = PEYK__V1__DISPOSITION__DISPOSITION_REPLAY,
		    .code = 10, .message = "replay",
		    .expected_sequence = exchange->sequence + 1 },
		{ .disposition =
		    PEYK__V1__DISPOSITION__DISPOSITION_NOT_PROCESSED,
		    .code = 14, .message = "later",
		    .retry_after_ms = 1500 },
	};
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		json_array_append_new(list, make_reply(exchange,
		    (uint8_t)(0x90 + i), &outcomes[i]));
	return list;
}

static json_t *
make_request(const struct channel_request_fields *fields,
    uint8_t ephemeral_byte)
{
	json_t *object = json_object();
	const struct encryption_key_pair ephemeral =
	    people_encryption_key(ephemeral_byte);
	struct channel_sealed_request sealed = {0};
	struct channel_exchange exchange = {0};
	struct sha256_digest hash;
	Peyk__V1__SealedRequest view;
	struct buf signed_message, packed;

	buf_init(&signed_message, WIRE_ENVELOPE_MAX);
	buf_init(&packed, WIRE_ENVELOPE_MAX);
	assert_ok(channel_request_sign(&people.sender.signing, fields,
	    &signed_message, &hash));
	assert_ok(channel_request_seal_with(buf_bytes(&signed_message),
	    &sealing_key, &ephemeral, &sealed, &exchange));
	channel_sealed_request_view(&sealed, &view);
	assert_ok(wire_pack(&view.base, &packed));
	vector_set_integer(object, "sequence", fields->sequence);
	vector_set_string(object, "method", fields->method);
	vector_set_hex(object, "body", fields->body);
	vector_set_hex(object, "signed_message",
	    buf_bytes(&signed_message));
	vector_set_hex(object, "request_hash", BYTES_OF(hash.bytes));
	vector_set_hex(object, "ephemeral_secret_key",
	    BYTES_OF(ephemeral.secret_key.bytes));
	vector_set_hex(object, "sealed_request", buf_bytes(&packed));
	vector_set_hex(object, "reply_secret",
	    BYTES_OF(exchange.reply_secret));
	json_object_set_new(object, "replies", make_replies(&exchange));
	channel_exchange_clear(&exchange);
	channel_sealed_request_clear(&sealed);
	buf_clear(&packed);
	buf_clear(&signed_message);
	return object;
}

static json_t *
make_requests(void)
{
	static const uint8_t long_body[20000] = { 0x0a, 0x9c, 0x9c, 0x01 };
	const struct channel_request_fields fields[] = {
		{ .sequence = 0, .method = "/peyk.v1.Messenger/Poll",
		    .server_key = &people.server.public_key },
		{ .sequence = 281474976710655,
		    .method = "/peyk.v1.Messenger/Send",
		    .server_key = &people.server.public_key,
		    .body = BYTES_LITERAL("\x0a\x02\x0a\x00") },
		{ .sequence = WIRE_NUMBER_MAX - 1,
		    .method = "/peyk.v1.Messenger/GetPublicKey",
		    .server_key = &people.server.public_key,
		    .body = bytes_make(long_body, sizeof(long_body)) },
	};
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_array_append_new(list, make_request(&fields[i],
		    (uint8_t)(0xa0 + i)));
	return list;
}

static void
test_channel_makes_the_committed_vectors(void **state)
{
	json_t *root = json_object(), *proofs = json_array(),
	    *identities = json_array();

	(void)state;
	vector_set_string(root, "about", "What docs/protocol.md makes of "
	    "fixed keys; bytes in hex. Made and checked by "
	    "tests/unit/channel/test_vectors.c, and checked by "
	    "tests/unit/channel/check_vectors.py.");
	json_object_set_new(root, "keys", make_keys());
	json_object_set_new(root, "server_info", make_server_info());
	json_array_append_new(identities, make_identity(&people.sender));
	json_array_append_new(identities, make_identity(&people.recipient));
	json_array_append_new(identities, make_identity(&people.other));
	json_object_set_new(root, "identities", identities);
	json_array_append_new(proofs, make_proof("correct horse battery",
	    "client#2"));
	json_array_append_new(proofs, make_proof(
	    "nai\xcc\x88vete\xcc\x81", "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85"));
	json_array_append_new(proofs, make_proof("12345678",
	    "STRA\xe1\xba\x9e" "E"));
	json_object_set_new(root, "password_proofs", proofs);
	json_object_set_new(root, "requests", make_requests());
	vector_file_check_take("channel.json", root);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	memcpy(sealing_key.id.bytes, "\x01\x8f\x3c\x00\x5d\x21\x7a\x90", 8);
	sealing_key.key = people.sealing.public_key;
	sealing_key.not_before_ms = PEOPLE_NOW_MS - 3600000;
	sealing_key.not_after_ms = PEOPLE_NOW_MS + 86400000;
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
		cmocka_unit_test(test_channel_makes_the_committed_vectors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
