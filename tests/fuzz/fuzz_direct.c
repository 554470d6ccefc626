#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/text.h"
#include "crypto/hpke.h"
#include "e2ee/direct.h"
#include "people.h"
#include "wire/signed.h"

static struct people people;
static struct encryption_key_pair ephemeral;

/* What a letter says can be used as it is. */
static void
check_letter(const struct e2ee_direct *message)
{
	const struct e2ee_group_key_letter *key = &message->group_key;
	const struct e2ee_group_farewell *farewell = &message->group_farewell;

	switch (message->kind) {
	case E2EE_DIRECT_KIND_TEXT:
		FUZZ_CHECK(message->counter > 0);
		break;
	case E2EE_DIRECT_KIND_GROUP_KEY:
		FUZZ_CHECK(message->counter == 0);
		FUZZ_CHECK(key->epoch > 0 && key->group_id > 0 &&
		    key->group_id <= WIRE_NUMBER_MAX);
		break;
	case E2EE_DIRECT_KIND_GROUP_FAREWELL:
		FUZZ_CHECK(message->counter == 0);
		FUZZ_CHECK(farewell->epoch > 0 && farewell->group_id > 0 &&
		    farewell->group_id <= WIRE_NUMBER_MAX);
		break;
	case E2EE_DIRECT_KIND_UNKNOWN:
		break;
	}
}

static void
check_envelope(struct bytes ciphertext)
{
	const struct person *own = &people.recipient;
	struct e2ee_direct message = {0};
	enum status st;

	st = e2ee_direct_open(ciphertext, &own->encryption,
	    &own->signing.public_key, &people.server.public_key, &message);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID ||
	    st == STATUS_FORGED);
	if (st == STATUS_OK) {
		FUZZ_CHECK(strlen(message.text) == message.text_size);
		FUZZ_CHECK(text_is_utf8(bytes_from_string(message.text)));
		FUZZ_CHECK(message.text_size <= WIRE_TEXT_MAX);
		FUZZ_CHECK((message.kind == E2EE_DIRECT_KIND_TEXT) ==
		    (message.text_size > 0));
		FUZZ_CHECK(message.has_previous_hash ==
		    (message.counter > 1));
		check_letter(&message);
	}
	e2ee_direct_clear(&message);
}

static void
check_plaintext(struct bytes plaintext)
{
	const struct person *own = &people.recipient;
	struct hpke_encapsulated_key encapsulated;
	struct hpke_context context = {0};
	struct buf ciphertext;

	buf_init(&ciphertext, 2 * WIRE_CIPHERTEXT_MAX);
	FUZZ_CHECK(hpke_sender_init_with(&context,
	    &own->encryption.public_key, BYTES_LITERAL("peyk/v1 direct"),
	    &ephemeral, &encapsulated) == STATUS_OK);
	FUZZ_CHECK(buf_append(&ciphertext, BYTES_OF(encapsulated.bytes)) ==
	    STATUS_OK);
	FUZZ_CHECK(hpke_seal(&context,
	    BYTES_OF(own->signing.public_key.bytes), plaintext,
	    &ciphertext) == STATUS_OK);
	check_envelope(buf_bytes(&ciphertext));
	buf_clear(&ciphertext);
	hpke_clear(&context);
}

static void
check_content(struct bytes content)
{
	struct buf plaintext;

	buf_init(&plaintext, 2 * WIRE_CIPHERTEXT_MAX);
	FUZZ_CHECK(wire_signed_make(&people.sender.signing.secret_key,
	    WIRE_LABEL_MESSAGE, content, &plaintext) == STATUS_OK);
	check_plaintext(buf_bytes(&plaintext));
	buf_clear(&plaintext);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;

	if (people.sender.name == NULL) {
		people_init(&people);
		ephemeral = people_encryption_key(0xb1);
	}
	if (size == 0 || size > WIRE_CIPHERTEXT_MAX)
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
