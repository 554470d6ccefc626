#include "tests/unit/unit.h"

#include <string.h>

#include "channel/request.h"
#include "failing_malloc.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "people.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define METHOD "/peyk.v1.Messenger/Send"
#define OTHER_METHOD "/peyk.v1.Messenger/Poll"

static struct people people;
static struct channel_sealing_key sealing_key;

/* A request on its way: signed, sealed, and as the server decodes it. */
struct exchange {
	struct buf signed_message;
	struct sha256_digest hash;
	struct channel_sealed_request sealed;
	struct channel_exchange client;
	Peyk__V1__SealedRequest envelope;
};

static struct channel_request_fields
honest_fields(void)
{
	return (struct channel_request_fields){
		.sequence = 1234567890123,
		.method = METHOD,
		.server_key = &people.server.public_key,
		.body = BYTES_LITERAL("salam mashti"),
	};
}

static void
start(struct exchange *exchange)
{
	const struct channel_request_fields fields = honest_fields();

	memset(exchange, 0, sizeof(*exchange));
	buf_init(&exchange->signed_message, WIRE_ENVELOPE_MAX);
	assert_ok(channel_request_sign(&people.sender.signing, &fields,
	    &exchange->signed_message, &exchange->hash));
	assert_ok(channel_request_seal(buf_bytes(&exchange->signed_message),
	    &sealing_key, &exchange->sealed, &exchange->client));
	channel_sealed_request_view(&exchange->sealed, &exchange->envelope);
}

static void
end(struct exchange *exchange)
{
	buf_clear(&exchange->signed_message);
	channel_sealed_request_clear(&exchange->sealed);
	channel_exchange_clear(&exchange->client);
}

/* Opens as the server; what it gives on failure is checked to be nothing. */
static enum status
open_envelope(const Peyk__V1__SealedRequest *envelope)
{
	struct channel_request request = {0};
	struct channel_exchange server = {0};
	enum status st;

	st = channel_request_open(envelope, METHOD, &people.sealing,
	    &people.server.public_key, &request, &server);
	if (st != STATUS_OK) {
		assert_null(request.content);
		assert_int_equal(server.sequence, 0);
	}
	channel_request_clear(&request);
	channel_exchange_clear(&server);
	return st;
}

/* Seals any plaintext to the server, as an attacker may. */
static enum status
open_plaintext(struct bytes plaintext)
{
	Peyk__V1__SealedRequest envelope = PEYK__V1__SEALED_REQUEST__INIT;
	struct hpke_encapsulated_key encapsulated;
	uint8_t info[sizeof("peyk/v1 request") + 8];
	struct buf ciphertext;
	enum status st;

	memcpy(info, "peyk/v1 request", sizeof("peyk/v1 request"));
	memcpy(info + sizeof("peyk/v1 request"), sealing_key.id.bytes, 8);
	buf_init(&ciphertext, WIRE_ENVELOPE_MAX + 100);
	assert_ok(hpke_seal_once(&sealing_key.key, BYTES_OF(info),
	    BYTES_LITERAL(METHOD), plaintext, &encapsulated, &ciphertext));
	envelope.key_id = wire_field(BYTES_OF(sealing_key.id.bytes));
	envelope.encapsulated_key = wire_field(BYTES_OF(encapsulated.bytes));
	envelope.ciphertext = wire_field(buf_bytes(&ciphertext));
	st = open_envelope(&envelope);
	buf_clear(&ciphertext);
	return st;
}

static Peyk__V1__RequestContent
honest_content(void)
{
	Peyk__V1__RequestContent content = PEYK__V1__REQUEST_CONTENT__INIT;

	content.sender_key =
	    wire_field(BYTES_OF(people.sender.signing.public_key.bytes));
	content.sequence = 7;
	content.method = (char *)(uintptr_t)METHOD;
	content.server_key =
	    wire_field(BYTES_OF(people.server.public_key.bytes));
	content.body = wire_field(BYTES_LITERAL("x"));
	return content;
}

static enum status
open_content(const Peyk__V1__RequestContent *content, const char *label,
    const struct signing_secret_key *key)
{
	struct buf packed, plaintext;
	enum status st;

	buf_init(&packed, WIRE_ENVELOPE_MAX);
	buf_init(&plaintext, WIRE_ENVELOPE_MAX);
	assert_ok(wire_pack(&content->base, &packed));
	assert_ok(wire_signed_make(key, label, buf_bytes(&packed),
	    &plaintext));
	st = open_plaintext(buf_bytes(&plaintext));
	buf_clear(&plaintext);
	buf_clear(&packed);
	return st;
}

static void
test_request_round_trip(void **state)
{
	struct channel_request request = {0};
	struct channel_exchange server = {0};
	struct channel_key_id id;
	struct exchange it;

	(void)state;
	start(&it);
	assert_ok(channel_request_key_id(&it.envelope, &id));
	assert_true(channel_key_id_equal(&id, &sealing_key.id));
	assert_ok(channel_request_open(&it.envelope, METHOD, &people.sealing,
	    &people.server.public_key, &request, &server));
	assert_true(signing_public_key_equal(&request.sender_key,
	    &people.sender.signing.public_key));
	assert_int_equal(request.sequence, 1234567890123);
	assert_string_equal(request.method, METHOD);
	assert_bytes(request.body, BYTES_LITERAL("salam mashti"));
	assert_true(sha256_digest_equal(&request.hash, &it.hash));
	/* Both sides hold the same of the exchange. */
	assert_memory_equal(&server, &it.client, sizeof(server));
	channel_request_clear(&request);
	channel_request_clear(&request);
	channel_exchange_clear(&server);
	end(&it);
}

static void
test_request_leaves_nothing_in_memory(void **state)
{
	struct channel_request_fields fields = honest_fields();
	struct exchange it;

	(void)state;
	fields.body = BYTES_LITERAL("a secret that is long enough");
	memset(&it, 0, sizeof(it));
	failing_malloc_watch("a secret that is");
	buf_init_secret(&it.signed_message, WIRE_ENVELOPE_MAX);
	assert_ok(channel_request_sign(&people.sender.signing, &fields,
	    &it.signed_message, &it.hash));
	assert_ok(channel_request_seal(buf_bytes(&it.signed_message),
	    &sealing_key, &it.sealed, &it.client));
	channel_sealed_request_view(&it.sealed, &it.envelope);
	assert_ok(open_envelope(&it.envelope));
	end(&it);
	assert_int_equal(failing_malloc_stop_watching(), 0);
}

static void
test_request_sealed_again_is_the_same_request(void **state)
{
	struct channel_sealed_request again = {0};
	struct channel_exchange exchange = {0};
	struct exchange it;

	(void)state;
	start(&it);
	assert_ok(channel_request_seal(buf_bytes(&it.signed_message),
	    &sealing_key, &again, &exchange));
	assert_true(sha256_digest_equal(&exchange.request_hash,
	    &it.client.request_hash));
	assert_memory_not_equal(again.encapsulated_key.bytes,
	    it.sealed.encapsulated_key.bytes, 32);
	assert_memory_not_equal(exchange.reply_secret,
	    it.client.reply_secret, 32);
	channel_sealed_request_clear(&again);
	channel_exchange_clear(&exchange);
	end(&it);
}

static void
test_request_stored_is_read_back(void **state)
{
	struct channel_request request = {0};
	struct exchange it;
	struct buf *stored = &it.signed_message;
	enum status st;
	size_t i;

	(void)state;
	start(&it);
	assert_ok(channel_request_parse(buf_bytes(stored), &request));
	assert_int_equal(request.sequence, 1234567890123);
	assert_string_equal(request.method, METHOD);
	assert_bytes(request.body, BYTES_LITERAL("salam mashti"));
	assert_true(signing_public_key_equal(&request.server_key,
	    &people.server.public_key));
	assert_true(sha256_digest_equal(&request.hash, &it.hash));
	channel_request_clear(&request);
	for (i = 0; i < stored->size; i++) {
		stored->data[i] ^= 0x40;
		st = channel_request_parse(buf_bytes(stored), &request);
		assert_true(st == STATUS_INVALID || st == STATUS_FORGED);
		stored->data[i] ^= 0x40;
	}
	end(&it);
}

static void
test_request_never_survives_a_flipped_bit(void **state)
{
	Peyk__V1__SealedRequest *decoded = NULL;
	struct exchange it;
	struct buf packed;
	enum status st;
	size_t i;

	(void)state;
	start(&it);
	buf_init(&packed, WIRE_ENVELOPE_MAX);
	assert_ok(wire_pack(&it.envelope.base, &packed));
	for (i = 0; i < packed.size; i++) {
		packed.data[i] ^= (uint8_t)(1 << i % 8);
		st = wire_unpack(&peyk__v1__sealed_request__descriptor,
		    buf_bytes(&packed), WIRE_ENVELOPE_MAX, &decoded);
		if (st == STATUS_OK) {
			st = open_envelope(decoded);
			wire_free(decoded);
			decoded = NULL;
		}
		assert_true(st == STATUS_INVALID || st == STATUS_FORGED);
		packed.data[i] ^= (uint8_t)(1 << i % 8);
	}
	buf_clear(&packed);
	end(&it);
}

static void
test_request_cut_off_is_refused(void **state)
{
	struct exchange it;
	size_t size;

	(void)state;
	start(&it);
	size = it.envelope.ciphertext.len;
	while (size-- > 0) {
		it.envelope.ciphertext.len = size;
		assert_status(open_envelope(&it.envelope),
		    size < HPKE_OVERHEAD ? STATUS_INVALID : STATUS_FORGED);
	}
	end(&it);
}

static void
test_request_of_a_wrong_shape_is_invalid(void **state)
{
	struct channel_key_id id;
	struct exchange it;
	Peyk__V1__SealedRequest copy;

	(void)state;
	start(&it);
	copy = it.envelope;
	copy.key_id.len = 7;
	assert_status(open_envelope(&copy), STATUS_INVALID);
	assert_status(channel_request_key_id(&copy, &id), STATUS_INVALID);
	copy = it.envelope;
	copy.encapsulated_key.len = 0;
	assert_status(open_envelope(&copy), STATUS_INVALID);
	copy = it.envelope;
	copy.ciphertext.len = WIRE_ENVELOPE_MAX + 1;
	assert_status(channel_request_key_id(&copy, &id), STATUS_INVALID);
	copy = (Peyk__V1__SealedRequest)PEYK__V1__SEALED_REQUEST__INIT;
	assert_status(open_envelope(&copy), STATUS_INVALID);
	end(&it);
}

static void
test_request_for_another_place_is_forged(void **state)
{
	struct channel_request request = {0};
	struct channel_exchange server = {0};
	const struct encryption_key_pair other = people_encryption_key(0x77);
	struct exchange it;

	(void)state;
	start(&it);
	assert_status(channel_request_open(&it.envelope, OTHER_METHOD,
	    &people.sealing, &people.server.public_key, &request, &server),
	    STATUS_FORGED);
	assert_status(channel_request_open(&it.envelope, METHOD, &other,
	    &people.server.public_key, &request, &server), STATUS_FORGED);
	assert_status(channel_request_open(&it.envelope, METHOD,
	    &people.sealing, &people.other.signing.public_key, &request,
	    &server), STATUS_FORGED);
	assert_null(request.content);
	end(&it);
}

/* Whoever holds the ciphertext's key still cannot sign for the sender. */
static void
test_request_content_is_verified(void **state)
{
	static const char long_method[WIRE_METHOD_MAX + 2] = {
		[0 ... WIRE_METHOD_MAX] = 'x' };
	const struct signing_secret_key *key =
	    &people.sender.signing.secret_key;
	Peyk__V1__RequestContent content = honest_content();

	(void)state;
	assert_ok(open_content(&content, WIRE_LABEL_REQUEST, key));
	assert_status(open_content(&content, WIRE_LABEL_REPLY, key),
	    STATUS_FORGED);
	assert_status(open_content(&content, WIRE_LABEL_REQUEST,
	    &people.recipient.signing.secret_key), STATUS_FORGED);
	content.sender_key =
	    wire_field(BYTES_OF(people.recipient.signing.public_key.bytes));
	assert_status(open_content(&content, WIRE_LABEL_REQUEST, key),
	    STATUS_FORGED);
	content = honest_content();
	content.sender_key.len = 31;
	assert_status(open_content(&content, WIRE_LABEL_REQUEST, key),
	    STATUS_FORGED);
	content = honest_content();
	content.sequence = WIRE_NUMBER_MAX + 1;
	assert_status(open_content(&content, WIRE_LABEL_REQUEST, key),
	    STATUS_FORGED);
	content.sequence = WIRE_NUMBER_MAX;
	assert_ok(open_content(&content, WIRE_LABEL_REQUEST, key));
	content = honest_content();
	content.method = (char *)(uintptr_t)OTHER_METHOD;
	assert_status(open_content(&content, WIRE_LABEL_REQUEST, key),
	    STATUS_FORGED);
	content.method = (char *)(uintptr_t)long_method;
	assert_status(open_content(&content, WIRE_LABEL_REQUEST, key),
	    STATUS_FORGED);
	content = honest_content();
	content.server_key =
	    wire_field(BYTES_OF(people.other.signing.public_key.bytes));
	assert_status(open_content(&content, WIRE_LABEL_REQUEST, key),
	    STATUS_FORGED);
	content.server_key.len = 0;
	assert_status(open_content(&content, WIRE_LABEL_REQUEST, key),
	    STATUS_FORGED);
}

static void
test_request_plaintext_that_is_none_is_forged(void **state)
{
	(void)state;
	assert_status(open_plaintext(bytes_empty()), STATUS_FORGED);
	assert_status(open_plaintext(BYTES_LITERAL("\xff\xff")),
	    STATUS_FORGED);
	assert_status(open_plaintext(BYTES_LITERAL("\x0a\x00")),
	    STATUS_FORGED);
}

static void
test_request_respects_the_limits(void **state)
{
	static const uint8_t body[WIRE_BODY_MAX + 1];
	static const char long_method[WIRE_METHOD_MAX + 2] = {
		[0 ... WIRE_METHOD_MAX] = 'x' };
	struct channel_request_fields fields = honest_fields();
	struct sha256_digest hash;
	struct exchange it;

	(void)state;
	memset(&it, 0, sizeof(it));
	buf_init(&it.signed_message, WIRE_ENVELOPE_MAX);
	fields.body = BYTES_OF(body);
	assert_status(channel_request_sign(&people.sender.signing, &fields,
	    &it.signed_message, &hash), STATUS_TOO_LARGE);
	fields.body = bytes_empty();
	fields.method = long_method;
	assert_status(channel_request_sign(&people.sender.signing, &fields,
	    &it.signed_message, &hash), STATUS_TOO_LARGE);
	fields = honest_fields();
	fields.sequence = WIRE_NUMBER_MAX + 1;
	assert_status(channel_request_sign(&people.sender.signing, &fields,
	    &it.signed_message, &hash), STATUS_TOO_LARGE);
	assert_int_equal(it.signed_message.size, 0);
	fields = honest_fields();
	fields.body = bytes_make(body, WIRE_BODY_MAX);
	assert_ok(channel_request_sign(&people.sender.signing, &fields,
	    &it.signed_message, &hash));
	assert_ok(channel_request_seal(buf_bytes(&it.signed_message),
	    &sealing_key, &it.sealed, &it.client));
	channel_sealed_request_view(&it.sealed, &it.envelope);
	assert_ok(open_envelope(&it.envelope));
	end(&it);
}

static void
test_request_seal_refuses_what_it_should(void **state)
{
	struct channel_sealing_key unusable = sealing_key;
	struct channel_sealed_request sealed = {0};
	struct channel_exchange exchange = {0};
	struct exchange it;

	(void)state;
	start(&it);
	assert_status(channel_request_seal(BYTES_LITERAL("damaged"),
	    &sealing_key, &sealed, &exchange), STATUS_INVALID);
	memset(&unusable.key, 0, sizeof(unusable.key));
	assert_status(channel_request_seal(buf_bytes(&it.signed_message),
	    &unusable, &sealed, &exchange), STATUS_FORGED);
	assert_null(sealed.ciphertext.data);
	end(&it);
}

static void
test_request_survives_every_failing_allocation(void **state)
{
	const struct channel_request_fields fields = honest_fields();
	struct channel_request request = {0};
	struct channel_exchange server = {0};
	struct exchange it;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		memset(&it, 0, sizeof(it));
		buf_init(&it.signed_message, WIRE_ENVELOPE_MAX);
		failing_malloc_start(n);
		if ((st = channel_request_sign(&people.sender.signing,
		    &fields, &it.signed_message, &it.hash)) == STATUS_OK)
			st = channel_request_seal(
			    buf_bytes(&it.signed_message), &sealing_key,
			    &it.sealed, &it.client);
		if (st == STATUS_OK) {
			channel_sealed_request_view(&it.sealed,
			    &it.envelope);
			st = channel_request_open(&it.envelope, METHOD,
			    &people.sealing, &people.server.public_key,
			    &request, &server);
		}
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		assert_null(request.content);
		end(&it);
	}
	assert_ok(st);
	assert_true(n > 10);
	channel_request_clear(&request);
	channel_exchange_clear(&server);
	end(&it);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	memcpy(sealing_key.id.bytes, "\x01\x8f\x3c\x00\x5d\x21\x7a\x90", 8);
	sealing_key.key = people.sealing.public_key;
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
		cmocka_unit_test(test_request_round_trip),
		cmocka_unit_test(test_request_leaves_nothing_in_memory),
		cmocka_unit_test(
		    test_request_sealed_again_is_the_same_request),
		cmocka_unit_test(test_request_stored_is_read_back),
		cmocka_unit_test(test_request_never_survives_a_flipped_bit),
		cmocka_unit_test(test_request_cut_off_is_refused),
		cmocka_unit_test(test_request_of_a_wrong_shape_is_invalid),
		cmocka_unit_test(test_request_for_another_place_is_forged),
		cmocka_unit_test(test_request_content_is_verified),
		cmocka_unit_test(
		    test_request_plaintext_that_is_none_is_forged),
		cmocka_unit_test(test_request_respects_the_limits),
		cmocka_unit_test(test_request_seal_refuses_what_it_should),
		cmocka_unit_test(
		    test_request_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
