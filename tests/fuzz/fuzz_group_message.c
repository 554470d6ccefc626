#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/text.h"
#include "e2ee/group_message.h"
#include "group_cipher.h"
#include "people.h"
#include "wire/signed.h"

static struct people people;

/* All inputs stand in one epoch, and under one key whatever their index. */
static const struct e2ee_group_message_key key = { { 0xef } };
static struct e2ee_group_place expected = {
	.group_id = 7316214052834563920,
	.epoch = 3,
	.index = 7,
};

static void
check_envelope(struct bytes ciphertext)
{
	struct e2ee_group_place place = expected;
	struct e2ee_group_message message = {0};
	enum status st;

	if (e2ee_group_message_peek(ciphertext, &place) != STATUS_OK)
		return;
	FUZZ_CHECK(place.index <= WIRE_NUMBER_MAX);
	st = e2ee_group_message_open(ciphertext, &place, &key, &message);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID ||
	    st == STATUS_FORGED);
	if (st == STATUS_OK) {
		FUZZ_CHECK(strlen(message.text) == message.text_size);
		FUZZ_CHECK(text_is_utf8(bytes_from_string(message.text)));
		FUZZ_CHECK(message.text_size <= WIRE_TEXT_MAX);
		FUZZ_CHECK((message.kind == E2EE_DIRECT_KIND_TEXT) ==
		    (message.text_size > 0));
		FUZZ_CHECK(message.kind == E2EE_DIRECT_KIND_TEXT ||
		    message.kind == E2EE_DIRECT_KIND_UNKNOWN);
		FUZZ_CHECK(message.kind == E2EE_DIRECT_KIND_UNKNOWN ||
		    message.counter > 0);
		FUZZ_CHECK(message.has_previous_hash ==
		    (message.counter > 1));
		FUZZ_CHECK(message.sent_at_ms <= WIRE_TIME_MAX_MS);
	}
	e2ee_group_message_clear(&message);
}

static void
check_plaintext(struct bytes plaintext)
{
	struct buf ciphertext;

	buf_init(&ciphertext, 2 * WIRE_CIPHERTEXT_MAX);
	group_cipher_make(&expected, &key, plaintext, &ciphertext);
	check_envelope(buf_bytes(&ciphertext));
	buf_clear(&ciphertext);
}

static void
check_content(struct bytes content)
{
	struct buf plaintext;

	buf_init(&plaintext, 2 * WIRE_CIPHERTEXT_MAX);
	FUZZ_CHECK(wire_signed_make(&people.sender.signing.secret_key,
	    WIRE_LABEL_GROUP_MESSAGE, content, &plaintext) == STATUS_OK);
	check_plaintext(buf_bytes(&plaintext));
	buf_clear(&plaintext);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;

	if (people.sender.name == NULL) {
		people_init(&people);
		expected.sender_key = people.sender.signing.public_key;
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
