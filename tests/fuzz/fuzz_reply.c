#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "channel/reply.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "people.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define METHOD "/peyk.v1.Messenger/Send"

static struct people people;
static struct channel_exchange exchange; /* its secret and hash are zeros */
static struct symmetric_key reply_key;
static struct aead_iv reply_iv;
static const uint8_t nonce[CHANNEL_REPLY_NONCE_SIZE];

static void
init(void)
{
	static const uint8_t salt[CHANNEL_REPLY_SECRET_SIZE + sizeof(nonce)];
	struct shared_secret shared;
	struct kdf_prk prk;

	people_init(&people);
	exchange.sealing_key = people.sealing.public_key;
	exchange.sequence = 7;
	strcpy(exchange.method, METHOD);
	FUZZ_CHECK(shared_secret_derive(&people.sealing,
	    &people.sender.encryption.public_key, &shared) == STATUS_OK);
	FUZZ_CHECK(kdf_extract(BYTES_OF(salt), BYTES_OF(shared.bytes),
	    &prk) == STATUS_OK);
	FUZZ_CHECK(kdf_expand(&prk, BYTES_LITERAL("peyk/v1 reply key"),
	    reply_key.bytes, sizeof(reply_key.bytes)) == STATUS_OK);
	FUZZ_CHECK(kdf_expand(&prk, BYTES_LITERAL("peyk/v1 reply iv"),
	    reply_iv.bytes, sizeof(reply_iv.bytes)) == STATUS_OK);
}

static void
check_envelope(struct bytes packed)
{
	struct channel_reply reply = {0};
	enum status st;

	st = channel_reply_open_bytes(&exchange, &people.sender.encryption,
	    &people.server.public_key, packed, &reply);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_FORGED);
	if (st == STATUS_OK) {
		FUZZ_CHECK(reply.outcome.code <= CHANNEL_CODE_MAX);
		FUZZ_CHECK(strlen(reply.outcome.message) <= WIRE_REASON_MAX);
		FUZZ_CHECK(reply.outcome.retry_after_ms <=
		    WIRE_RETRY_AFTER_MAX_MS);
	}
	channel_reply_clear(&reply);
}

static void
check_plaintext(struct bytes plaintext)
{
	Peyk__V1__SealedResponse envelope = PEYK__V1__SEALED_RESPONSE__INIT;
	struct buf ciphertext, packed;

	buf_init(&ciphertext, WIRE_ENVELOPE_MAX);
	buf_init(&packed, WIRE_ENVELOPE_MAX);
	FUZZ_CHECK(aead_seal(&reply_key, &reply_iv, BYTES_LITERAL(METHOD),
	    plaintext, &ciphertext) == STATUS_OK);
	envelope.nonce = wire_field(BYTES_OF(nonce));
	envelope.ciphertext = wire_field(buf_bytes(&ciphertext));
	FUZZ_CHECK(wire_pack(&envelope.base, &packed) == STATUS_OK);
	check_envelope(buf_bytes(&packed));
	buf_clear(&packed);
	buf_clear(&ciphertext);
}

static void
check_content(struct bytes content)
{
	struct buf plaintext;

	buf_init(&plaintext, WIRE_ENVELOPE_MAX);
	FUZZ_CHECK(wire_signed_make(&people.server.secret_key,
	    WIRE_LABEL_REPLY, content, &plaintext) == STATUS_OK);
	check_plaintext(buf_bytes(&plaintext));
	buf_clear(&plaintext);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;

	if (people.sender.name == NULL)
		init();
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
