#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "channel/request.h"
#include "people.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define METHOD "/peyk.v1.Messenger/Send"
#define KEY_ID "\x01\x8f\x3c\x00\x5d\x21\x7a\x90"
#define INFO "peyk/v1 request\0" KEY_ID

static struct people people;
static struct encryption_key_pair ephemeral;

static void
check(const Peyk__V1__SealedRequest *envelope)
{
	struct channel_request request = {0};
	struct channel_exchange exchange = {0};
	struct channel_key_id id;
	bool is_envelope;
	enum status st;

	is_envelope = channel_request_key_id(envelope, &id) == STATUS_OK;
	st = channel_request_open(envelope, METHOD, &people.sealing,
	    &people.server.public_key, &request, &exchange);
	FUZZ_CHECK(is_envelope == (st != STATUS_INVALID));
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID ||
	    st == STATUS_FORGED);
	if (st == STATUS_OK) {
		FUZZ_CHECK(strcmp(request.method, METHOD) == 0);
		FUZZ_CHECK(request.sequence <= WIRE_NUMBER_MAX);
		FUZZ_CHECK(request.sequence == exchange.sequence);
	}
	channel_request_clear(&request);
	channel_exchange_clear(&exchange);
}

static void
check_plaintext(struct bytes plaintext)
{
	Peyk__V1__SealedRequest envelope = PEYK__V1__SEALED_REQUEST__INIT;
	struct hpke_encapsulated_key encapsulated;
	struct hpke_context context = {0};
	struct buf ciphertext;

	buf_init(&ciphertext, WIRE_ENVELOPE_MAX);
	FUZZ_CHECK(hpke_sender_init_with(&context,
	    &people.sealing.public_key, BYTES_LITERAL(INFO), &ephemeral,
	    &encapsulated) == STATUS_OK);
	FUZZ_CHECK(hpke_seal(&context, BYTES_LITERAL(METHOD), plaintext,
	    &ciphertext) == STATUS_OK);
	envelope.key_id = wire_field(BYTES_LITERAL(KEY_ID));
	envelope.encapsulated_key = wire_field(BYTES_OF(encapsulated.bytes));
	envelope.ciphertext = wire_field(buf_bytes(&ciphertext));
	check(&envelope);
	buf_clear(&ciphertext);
	hpke_clear(&context);
}

static void
check_content(struct bytes content)
{
	struct buf plaintext;

	buf_init(&plaintext, WIRE_ENVELOPE_MAX);
	FUZZ_CHECK(wire_signed_make(&people.sender.signing.secret_key,
	    WIRE_LABEL_REQUEST, content, &plaintext) == STATUS_OK);
	check_plaintext(buf_bytes(&plaintext));
	buf_clear(&plaintext);
}

static void
check_envelope(struct bytes packed)
{
	Peyk__V1__SealedRequest *envelope = NULL;

	if (wire_unpack(&peyk__v1__sealed_request__descriptor, packed,
	    WIRE_ENVELOPE_MAX, &envelope) == STATUS_OK)
		check(envelope);
	wire_free(envelope);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;

	if (people.sender.name == NULL) {
		people_init(&people);
		ephemeral = people_encryption_key(0xa1);
	}
	if (size == 0 || size > WIRE_BODY_MAX)
		return 0;
	rest = bytes_make(data + 1, size - 1);
	switch ((enum fuzz_layer)(data[0] % FUZZ_LAYER_COUNT)) {
	case FUZZ_LAYER_ENVELOPE:
		check_envelope(rest);
		break;
	case FUZZ_LAYER_PLAINTEXT:
		check_plaintext(rest);
		break;
	case FUZZ_LAYER_CONTENT:
	case FUZZ_LAYER_COUNT:
		check_content(rest);
		break;
	}
	return 0;
}
