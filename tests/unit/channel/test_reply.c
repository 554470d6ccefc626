#include "tests/unit/unit.h"

#include <string.h>

#include "channel/reply.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "failing_malloc.h"
#include "people.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define METHOD "/peyk.v1.Messenger/Send"

static struct people people;
static struct channel_exchange exchange;
static struct shared_secret shared;

static struct channel_outcome
done(void)
{
	return (struct channel_outcome){
		.disposition = PEYK__V1__DISPOSITION__DISPOSITION_DONE,
		.body = BYTES_LITERAL("aleyk"),
	};
}

static void
seal(const struct channel_outcome *outcome,
    struct channel_sealed_response *sealed, Peyk__V1__SealedResponse *view)
{
	memset(sealed, 0, sizeof(*sealed));
	assert_ok(channel_reply_seal(&exchange, &shared,
	    &people.server.secret_key, outcome, sealed));
	channel_sealed_response_view(sealed, view);
}

static enum status
open_envelope(const struct channel_exchange *with,
    const struct encryption_key_pair *own,
    const struct signing_public_key *server_key,
    const Peyk__V1__SealedResponse *envelope)
{
	struct channel_reply reply = {0};
	enum status st;

	st = channel_reply_open(with, own, server_key, envelope, &reply);
	if (st != STATUS_OK)
		assert_null(reply.content);
	channel_reply_clear(&reply);
	return st;
}

static enum status
open_honestly(const Peyk__V1__SealedResponse *envelope)
{
	return open_envelope(&exchange, &people.sender.encryption,
	    &people.server.public_key, envelope);
}

static Peyk__V1__ResponseContent
honest_content(void)
{
	Peyk__V1__ResponseContent content = PEYK__V1__RESPONSE_CONTENT__INIT;

	content.sequence = exchange.sequence;
	content.method = exchange.method;
	content.request_hash =
	    wire_field(BYTES_OF(exchange.request_hash.bytes));
	content.disposition = PEYK__V1__DISPOSITION__DISPOSITION_DONE;
	content.final = true;
	return content;
}

/* Seals any content as section 4 says, written here once more. */
static enum status
open_content(const Peyk__V1__ResponseContent *content, const char *label,
    const struct signing_secret_key *key)
{
	Peyk__V1__SealedResponse envelope = PEYK__V1__SEALED_RESPONSE__INIT;
	uint8_t salt[64] = {0};
	struct symmetric_key reply_key;
	struct aead_iv iv;
	struct kdf_prk prk;
	struct buf packed, plaintext, ciphertext;
	enum status st;

	buf_init(&packed, WIRE_ENVELOPE_MAX);
	buf_init(&plaintext, WIRE_ENVELOPE_MAX);
	buf_init(&ciphertext, WIRE_ENVELOPE_MAX);
	assert_ok(wire_pack(&content->base, &packed));
	assert_ok(wire_signed_make(key, label, buf_bytes(&packed),
	    &plaintext));
	memcpy(salt, exchange.reply_secret, 32);
	assert_ok(kdf_extract(BYTES_OF(salt), BYTES_OF(shared.bytes), &prk));
	assert_ok(kdf_expand(&prk, BYTES_LITERAL("peyk/v1 reply key"),
	    reply_key.bytes, 32));
	assert_ok(kdf_expand(&prk, BYTES_LITERAL("peyk/v1 reply iv"),
	    iv.bytes, 12));
	assert_ok(aead_seal(&reply_key, &iv, BYTES_LITERAL(METHOD),
	    buf_bytes(&plaintext), &ciphertext));
	envelope.nonce = wire_field(bytes_make(salt + 32, 32));
	envelope.ciphertext = wire_field(buf_bytes(&ciphertext));
	st = open_honestly(&envelope);
	buf_clear(&ciphertext);
	buf_clear(&plaintext);
	buf_clear(&packed);
	return st;
}

static void
test_reply_round_trip(void **state)
{
	struct channel_outcome outcome = done();
	struct channel_sealed_response sealed;
	struct channel_reply reply = {0};
	Peyk__V1__SealedResponse view;
	struct buf packed;

	(void)state;
	seal(&outcome, &sealed, &view);
	assert_ok(channel_reply_open(&exchange, &people.sender.encryption,
	    &people.server.public_key, &view, &reply));
	assert_int_equal(reply.outcome.disposition,
	    PEYK__V1__DISPOSITION__DISPOSITION_DONE);
	assert_int_equal(reply.outcome.code, 0);
	assert_string_equal(reply.outcome.message, "");
	assert_bytes(reply.outcome.body, BYTES_LITERAL("aleyk"));
	channel_reply_clear(&reply);
	/* and from bytes, as in the status details */
	buf_init(&packed, WIRE_ENVELOPE_MAX);
	assert_ok(wire_pack(&view.base, &packed));
	assert_ok(channel_reply_open_bytes(&exchange,
	    &people.sender.encryption, &people.server.public_key,
	    buf_bytes(&packed), &reply));
	channel_reply_clear(&reply);
	channel_reply_clear(&reply);
	assert_status(channel_reply_open_bytes(&exchange,
	    &people.sender.encryption, &people.server.public_key,
	    BYTES_LITERAL("\xff"), &reply), STATUS_FORGED);
	buf_clear(&packed);
	channel_sealed_response_clear(&sealed);
}

static void
test_reply_leaves_nothing_in_memory(void **state)
{
	struct channel_outcome outcome = done();
	struct channel_sealed_response sealed;
	Peyk__V1__SealedResponse view;

	(void)state;
	outcome.body = BYTES_LITERAL("a secret that is long enough");
	failing_malloc_watch("a secret that is");
	seal(&outcome, &sealed, &view);
	assert_ok(open_honestly(&view));
	channel_sealed_response_clear(&sealed);
	assert_int_equal(failing_malloc_stop_watching(), 0);
}

static void
test_reply_carries_every_outcome(void **state)
{
	static const struct channel_outcome outcomes[] = {
		{ PEYK__V1__DISPOSITION__DISPOSITION_REFUSED, 6,
		    "the name is taken", {0}, 0, 0 },
		{ PEYK__V1__DISPOSITION__DISPOSITION_REPLAY, 10, "old", {0},
		    42, 0 },
		{ PEYK__V1__DISPOSITION__DISPOSITION_GAP, 11, "early", {0},
		    UINT64_MAX, 0 },
		{ PEYK__V1__DISPOSITION__DISPOSITION_NOT_PROCESSED, 14,
		    "later", {0}, 0, 1500 },
		{ PEYK__V1__DISPOSITION__DISPOSITION_NOT_PROCESSED, 8,
		    "later", {0}, 0, WIRE_RETRY_AFTER_MAX_MS },
	};
	struct channel_sealed_response sealed;
	struct channel_reply reply = {0};
	Peyk__V1__SealedResponse view;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		seal(&outcomes[i], &sealed, &view);
		assert_ok(channel_reply_open(&exchange,
		    &people.sender.encryption, &people.server.public_key,
		    &view, &reply));
		assert_int_equal(reply.outcome.disposition,
		    outcomes[i].disposition);
		assert_int_equal(reply.outcome.code, outcomes[i].code);
		assert_string_equal(reply.outcome.message,
		    outcomes[i].message);
		assert_true(reply.outcome.expected_sequence ==
		    outcomes[i].expected_sequence);
		assert_int_equal(reply.outcome.retry_after_ms,
		    outcomes[i].retry_after_ms);
		channel_reply_clear(&reply);
		channel_sealed_response_clear(&sealed);
	}
}

static void
test_reply_code_fits_the_disposition(void **state)
{
	struct channel_sealed_response sealed = {0};
	struct channel_outcome outcome = done();
	Peyk__V1__ResponseContent content = honest_content();
	bool fits;
	int disposition;
	uint32_t code;
	enum status expected;

	(void)state;
	for (disposition = -1; disposition <= 6; disposition++)
		for (code = 0; code <= 17; code++) {
			fits = (disposition == 1 && code == 0) ||
			    (disposition == 2 && code > 0 && code <= 16) ||
			    (disposition == 3 && code == 10) ||
			    (disposition == 4 && code == 11) ||
			    (disposition == 5 && (code == 14 || code == 8));
			outcome.disposition =
			    (Peyk__V1__Disposition)disposition;
			outcome.code = code;
			expected = fits ? STATUS_OK : STATUS_INVALID;
			assert_status(channel_reply_seal(&exchange, &shared,
			    &people.server.secret_key, &outcome, &sealed),
			    expected);
			channel_sealed_response_clear(&sealed);
			content.disposition = outcome.disposition;
			content.code = code;
			expected = fits ? STATUS_OK : STATUS_FORGED;
			assert_status(open_content(&content,
			    WIRE_LABEL_REPLY, &people.server.secret_key),
			    expected);
		}
}

static void
test_reply_never_survives_a_flipped_bit(void **state)
{
	struct channel_outcome outcome = done();
	struct channel_sealed_response sealed;
	Peyk__V1__SealedResponse view;
	size_t i;

	(void)state;
	seal(&outcome, &sealed, &view);
	for (i = 0; i < sizeof(sealed.nonce) * 8; i++) {
		sealed.nonce[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_status(open_honestly(&view), STATUS_FORGED);
		sealed.nonce[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < sealed.ciphertext.size; i++) {
		sealed.ciphertext.data[i] ^= (uint8_t)(1 << i % 8);
		assert_status(open_honestly(&view), STATUS_FORGED);
		sealed.ciphertext.data[i] ^= (uint8_t)(1 << i % 8);
	}
	assert_ok(open_honestly(&view));
	for (i = 0; i < sealed.ciphertext.size; i++) {
		view.ciphertext.len = i;
		assert_status(open_honestly(&view), STATUS_FORGED);
	}
	channel_sealed_response_view(&sealed, &view);
	view.nonce.len = 31;
	assert_status(open_honestly(&view), STATUS_FORGED);
	channel_sealed_response_view(&sealed, &view);
	view.ciphertext.len = WIRE_ENVELOPE_MAX + 1;
	assert_status(open_honestly(&view), STATUS_FORGED);
	channel_sealed_response_clear(&sealed);
}

static void
test_reply_opens_for_its_request_alone(void **state)
{
	struct channel_outcome outcome = done();
	struct channel_sealed_response sealed;
	struct channel_exchange other;
	Peyk__V1__SealedResponse view;

	(void)state;
	seal(&outcome, &sealed, &view);
	other = exchange;
	other.sequence++;
	assert_status(open_envelope(&other, &people.sender.encryption,
	    &people.server.public_key, &view), STATUS_FORGED);
	other = exchange;
	other.request_hash.bytes[0] ^= 1;
	assert_status(open_envelope(&other, &people.sender.encryption,
	    &people.server.public_key, &view), STATUS_FORGED);
	other = exchange;
	other.method[5] ^= 1;
	assert_status(open_envelope(&other, &people.sender.encryption,
	    &people.server.public_key, &view), STATUS_FORGED);
	other = exchange;
	other.reply_secret[31] ^= 1;
	assert_status(open_envelope(&other, &people.sender.encryption,
	    &people.server.public_key, &view), STATUS_FORGED);
	other = exchange;
	other.sealing_key = people.other.encryption.public_key;
	assert_status(open_envelope(&other, &people.sender.encryption,
	    &people.server.public_key, &view), STATUS_FORGED);
	memset(&other.sealing_key, 0, sizeof(other.sealing_key));
	assert_status(open_envelope(&other, &people.sender.encryption,
	    &people.server.public_key, &view), STATUS_FORGED);
	/* the account's key is needed beside the exchange */
	assert_status(open_envelope(&exchange, &people.recipient.encryption,
	    &people.server.public_key, &view), STATUS_FORGED);
	/* another server's signature */
	assert_status(open_envelope(&exchange, &people.sender.encryption,
	    &people.other.signing.public_key, &view), STATUS_FORGED);
	channel_sealed_response_clear(&sealed);
}

static void
test_reply_content_is_verified(void **state)
{
	static char long_message[WIRE_REASON_MAX + 2];
	const struct signing_secret_key *key = &people.server.secret_key;
	Peyk__V1__ResponseContent content = honest_content();

	(void)state;
	memset(long_message, 'x', sizeof(long_message) - 1);
	assert_ok(open_content(&content, WIRE_LABEL_REPLY, key));
	assert_status(open_content(&content, WIRE_LABEL_REQUEST, key),
	    STATUS_FORGED);
	assert_status(open_content(&content, WIRE_LABEL_REPLY,
	    &people.sender.signing.secret_key), STATUS_FORGED);
	content.sequence--;
	assert_status(open_content(&content, WIRE_LABEL_REPLY, key),
	    STATUS_FORGED);
	content = honest_content();
	content.method = (char *)(uintptr_t)"/peyk.v1.Messenger/Poll";
	assert_status(open_content(&content, WIRE_LABEL_REPLY, key),
	    STATUS_FORGED);
	content = honest_content();
	content.request_hash.len = 31;
	assert_status(open_content(&content, WIRE_LABEL_REPLY, key),
	    STATUS_FORGED);
	content.request_hash.len = 0;
	assert_status(open_content(&content, WIRE_LABEL_REPLY, key),
	    STATUS_FORGED);
	content = honest_content();
	content.index = 1;
	assert_status(open_content(&content, WIRE_LABEL_REPLY, key),
	    STATUS_FORGED);
	content = honest_content();
	content.final = false;
	assert_status(open_content(&content, WIRE_LABEL_REPLY, key),
	    STATUS_FORGED);
	content = honest_content();
	content.message = long_message;
	assert_status(open_content(&content, WIRE_LABEL_REPLY, key),
	    STATUS_FORGED);
	content.message = long_message + 1;
	assert_ok(open_content(&content, WIRE_LABEL_REPLY, key));
}

static void
test_reply_respects_the_limits(void **state)
{
	static const uint8_t body[WIRE_BODY_MAX + 1];
	static char message[WIRE_REASON_MAX + 2];
	struct channel_sealed_response sealed = {0};
	struct channel_outcome outcome = done();
	Peyk__V1__SealedResponse view;

	(void)state;
	memset(message, 'x', sizeof(message) - 1);
	outcome.body = BYTES_OF(body);
	assert_status(channel_reply_seal(&exchange, &shared,
	    &people.server.secret_key, &outcome, &sealed), STATUS_TOO_LARGE);
	outcome.body = bytes_make(body, WIRE_BODY_MAX);
	outcome.message = message;
	assert_status(channel_reply_seal(&exchange, &shared,
	    &people.server.secret_key, &outcome, &sealed), STATUS_TOO_LARGE);
	assert_null(sealed.ciphertext.data);
	outcome.message = message + 1;
	seal(&outcome, &sealed, &view);
	assert_ok(open_honestly(&view));
	channel_sealed_response_clear(&sealed);
}

static void
test_reply_waits_an_hour_at_most(void **state)
{
	struct channel_outcome outcome = {
		.disposition =
		    PEYK__V1__DISPOSITION__DISPOSITION_NOT_PROCESSED,
		.code = CHANNEL_CODE_UNAVAILABLE,
		.retry_after_ms = UINT64_MAX,
	};
	struct channel_sealed_response sealed;
	struct channel_reply reply = {0};
	Peyk__V1__SealedResponse view;

	(void)state;
	seal(&outcome, &sealed, &view);
	assert_ok(channel_reply_open(&exchange, &people.sender.encryption,
	    &people.server.public_key, &view, &reply));
	assert_int_equal(reply.outcome.retry_after_ms,
	    WIRE_RETRY_AFTER_MAX_MS);
	channel_reply_clear(&reply);
	channel_sealed_response_clear(&sealed);
}

static void
test_reply_survives_every_failing_allocation(void **state)
{
	struct channel_outcome outcome = done();
	struct channel_sealed_response sealed = {0};
	struct channel_reply reply = {0};
	Peyk__V1__SealedResponse view;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		failing_malloc_start(n);
		st = channel_reply_seal(&exchange, &shared,
		    &people.server.secret_key, &outcome, &sealed);
		if (st == STATUS_OK) {
			channel_sealed_response_view(&sealed, &view);
			st = channel_reply_open(&exchange,
			    &people.sender.encryption,
			    &people.server.public_key, &view, &reply);
		}
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		assert_null(reply.content);
		channel_sealed_response_clear(&sealed);
	}
	assert_ok(st);
	assert_true(n > 5);
	channel_reply_clear(&reply);
	channel_sealed_response_clear(&sealed);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	memset(exchange.reply_secret, 0x55, sizeof(exchange.reply_secret));
	memset(&exchange.request_hash, 0x66, sizeof(exchange.request_hash));
	exchange.sealing_key = people.sealing.public_key;
	exchange.sequence = 4711;
	strcpy(exchange.method, METHOD);
	return shared_secret_derive(&people.sealing,
	    &people.sender.encryption.public_key, &shared) == STATUS_OK ?
	    0 : -1;
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
		cmocka_unit_test(test_reply_round_trip),
		cmocka_unit_test(test_reply_leaves_nothing_in_memory),
		cmocka_unit_test(test_reply_carries_every_outcome),
		cmocka_unit_test(test_reply_code_fits_the_disposition),
		cmocka_unit_test(test_reply_never_survives_a_flipped_bit),
		cmocka_unit_test(test_reply_opens_for_its_request_alone),
		cmocka_unit_test(test_reply_content_is_verified),
		cmocka_unit_test(test_reply_respects_the_limits),
		cmocka_unit_test(test_reply_waits_an_hour_at_most),
		cmocka_unit_test(
		    test_reply_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
