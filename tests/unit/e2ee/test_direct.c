#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "e2ee/direct.h"
#include "failing_malloc.h"
#include "tests/unit/e2ee/sealed.h"
#include "wire/signed.h"
#include "wire/unpack.h"

static const struct sha256_digest previous = { { 0xab } };

/* client#2 writes to client#3. */
static struct e2ee_direct_draft
honest_draft(struct bytes text)
{
	return (struct e2ee_direct_draft){
		.sender = buf_bytes(&people.sender.statement),
		.sender_key = &people.sender.signing.secret_key,
		.recipient_signing_key = &people.recipient.signing.public_key,
		.recipient_encryption_key =
		    &people.recipient.encryption.public_key,
		.id = { "0123456789abcde" },
		.sent_at_ms = PEOPLE_NOW_MS,
		.counter = 2,
		.previous_hash = &previous,
		.text = text,
	};
}

static void
seal(const struct e2ee_direct_draft *draft, struct buf *out,
    struct sha256_digest *hash)
{
	buf_init(out, WIRE_CIPHERTEXT_MAX);
	assert_ok(e2ee_direct_seal(draft, out, hash));
}

static enum status
open_signed(const Peyk__V1__MessageContent *content)
{
	return sealed_open(content, WIRE_LABEL_MESSAGE,
	    &people.sender.signing.secret_key, NULL);
}

static void
test_direct_round_trip(void **state)
{
	/* "salam mashti" in Persian */
	struct bytes text = BYTES_LITERAL("\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 "
	    "\xd9\x85\xd8\xb4\xd8\xaa\xdb\x8c");
	struct e2ee_direct_draft draft = honest_draft(text);
	struct e2ee_direct message = {0};
	struct sha256_digest hash;
	struct buf ciphertext;

	(void)state;
	seal(&draft, &ciphertext, &hash);
	assert_ok(sealed_open_as(&people.recipient, buf_bytes(&ciphertext),
	    &message));
	assert_string_equal(message.sender.name, "client#2");
	assert_true(signing_public_key_equal(&message.sender.signing_key,
	    &people.sender.signing.public_key));
	assert_memory_equal(&message.id, &draft.id, sizeof(draft.id));
	assert_int_equal(message.sent_at_ms, PEOPLE_NOW_MS);
	assert_int_equal(message.counter, 2);
	assert_true(message.has_previous_hash);
	assert_true(sha256_digest_equal(&message.previous_hash, &previous));
	assert_true(sha256_digest_equal(&message.content_hash, &hash));
	assert_int_equal(message.kind, E2EE_DIRECT_KIND_TEXT);
	assert_bytes(bytes_make(message.text, message.text_size), text);
	assert_string_equal(message.text, (const char *)text.data);
	e2ee_direct_clear(&message);
	e2ee_direct_clear(&message);
	buf_clear(&ciphertext);
}

static void
test_direct_leaves_nothing_in_memory(void **state)
{
	struct e2ee_direct_draft draft = honest_draft(
	    BYTES_LITERAL("a secret that is long enough"));
	struct sha256_digest hash;
	struct buf ciphertext;

	(void)state;
	failing_malloc_watch("a secret that is");
	seal(&draft, &ciphertext, &hash);
	assert_ok(sealed_check(buf_bytes(&ciphertext)));
	buf_clear(&ciphertext);
	assert_int_equal(failing_malloc_stop_watching(), 0);
}

static void
test_direct_first_message_names_no_other(void **state)
{
	struct e2ee_direct_draft draft = honest_draft(BYTES_LITERAL("1"));
	struct e2ee_direct message = {0};
	struct sha256_digest hash;
	struct buf ciphertext;

	(void)state;
	draft.counter = 1;
	draft.previous_hash = NULL;
	seal(&draft, &ciphertext, &hash);
	assert_ok(sealed_open_as(&people.recipient, buf_bytes(&ciphertext),
	    &message));
	assert_int_equal(message.counter, 1);
	assert_false(message.has_previous_hash);
	e2ee_direct_clear(&message);
	buf_clear(&ciphertext);
}

static void
test_direct_opens_for_its_recipient_alone(void **state)
{
	struct e2ee_direct_draft draft = honest_draft(BYTES_LITERAL("x"));
	struct e2ee_direct message = {0};
	struct sha256_digest hash;
	struct buf ciphertext;

	(void)state;
	seal(&draft, &ciphertext, &hash);
	assert_status(sealed_open_as(&people.sender, buf_bytes(&ciphertext),
	    &message), STATUS_FORGED);
	assert_status(sealed_open_as(&people.other, buf_bytes(&ciphertext),
	    &message), STATUS_FORGED);
	/* the right encryption key under another signing key */
	assert_status(e2ee_direct_open(buf_bytes(&ciphertext),
	    &people.recipient.encryption, &people.other.signing.public_key,
	    &people.server.public_key, &message), STATUS_FORGED);
	/* an identity of another server */
	assert_status(e2ee_direct_open(buf_bytes(&ciphertext),
	    &people.recipient.encryption,
	    &people.recipient.signing.public_key,
	    &people.other.signing.public_key, &message), STATUS_FORGED);
	buf_clear(&ciphertext);
}

/* A recipient passes a message on, as if it had been written to another. */
static void
test_direct_passed_on_is_forged(void **state)
{
	struct e2ee_direct_draft draft = honest_draft(BYTES_LITERAL("x"));
	struct e2ee_direct message = {0};
	struct hpke_encapsulated_key encapsulated;
	struct sha256_digest hash;
	struct buf ciphertext, plaintext, again;

	(void)state;
	seal(&draft, &ciphertext, &hash);
	assert_ok(hpke_encapsulated_key_import(
	    bytes_make(ciphertext.data, 32), &encapsulated));
	buf_init(&plaintext, WIRE_CIPHERTEXT_MAX);
	assert_ok(hpke_open_once(&people.recipient.encryption, &encapsulated,
	    BYTES_LITERAL("peyk/v1 direct"),
	    BYTES_OF(people.recipient.signing.public_key.bytes),
	    bytes_make(ciphertext.data + 32, ciphertext.size - 32),
	    &plaintext));
	sealed_encrypt(buf_bytes(&plaintext), &people.other, &again);
	assert_status(sealed_open_as(&people.other, buf_bytes(&again), &message),
	    STATUS_FORGED);
	buf_clear(&again);
	buf_clear(&plaintext);
	buf_clear(&ciphertext);
}

static void
test_direct_never_survives_a_flipped_bit(void **state)
{
	struct e2ee_direct_draft draft = honest_draft(BYTES_LITERAL("x"));
	struct sha256_digest hash;
	struct buf ciphertext;
	size_t i;

	(void)state;
	seal(&draft, &ciphertext, &hash);
	for (i = 0; i < ciphertext.size; i++) {
		/* of byte 31 the bit that X25519 ignores: HPKE does not */
		ciphertext.data[i] ^= (uint8_t)(1 << i % 8);
		assert_status(sealed_check(buf_bytes(&ciphertext)),
		    STATUS_FORGED);
		ciphertext.data[i] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < ciphertext.size; i++)
		assert_status(sealed_check(bytes_make(ciphertext.data,
		    i)), i < 48 ? STATUS_INVALID : STATUS_FORGED);
	buf_clear(&ciphertext);
}

static void
test_direct_content_is_verified(void **state)
{
	Peyk__V1__SignedIdentity *sender = NULL, *other = NULL;
	Peyk__V1__MessageContent honest = sealed_honest(&sender);
	Peyk__V1__MessageContent content = honest;

	(void)state;
	assert_ok(open_signed(&content));
	assert_status(sealed_open(&content, WIRE_LABEL_REQUEST,
	    &people.sender.signing.secret_key, NULL), STATUS_FORGED);
	/* the identity of one, the signature of another */
	assert_status(sealed_open(&content, WIRE_LABEL_MESSAGE,
	    &people.other.signing.secret_key, NULL), STATUS_FORGED);
	assert_ok(wire_unpack(&peyk__v1__signed_identity__descriptor,
	    buf_bytes(&people.other.statement), WIRE_SIGNED_IDENTITY_MAX,
	    &other));
	content.sender = other;
	assert_status(open_signed(&content), STATUS_FORGED);
	other->signature.data[0] ^= 1;
	assert_status(sealed_open(&content, WIRE_LABEL_MESSAGE,
	    &people.other.signing.secret_key, NULL), STATUS_FORGED);
	wire_free(other);
	content.sender = NULL;
	assert_status(open_signed(&content), STATUS_INVALID);
	content = honest;
	content.recipient_key =
	    wire_field(BYTES_OF(people.other.signing.public_key.bytes));
	assert_status(open_signed(&content), STATUS_FORGED);
	content.recipient_key.len = 0;
	assert_status(open_signed(&content), STATUS_FORGED);
	content = honest;
	content.message_id.len = 15;
	assert_status(open_signed(&content), STATUS_INVALID);
	content = honest;
	content.sent_at_ms = WIRE_TIME_MAX_MS + 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	content = honest;
	content.text = (char *)(uintptr_t)"";
	assert_status(open_signed(&content), STATUS_INVALID);
	wire_free(sender);
}

static void
test_direct_link_is_all_or_nothing(void **state)
{
	Peyk__V1__SignedIdentity *sender = NULL;
	Peyk__V1__MessageContent content = sealed_honest(&sender);

	(void)state;
	content.counter = 0;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.counter = 2;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.previous_hash = wire_field(BYTES_OF(previous.bytes));
	assert_ok(open_signed(&content));
	content.counter = WIRE_NUMBER_MAX;
	assert_ok(open_signed(&content));
	content.counter = WIRE_NUMBER_MAX + 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.counter = 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.counter = 2;
	content.previous_hash.len = 31;
	assert_status(open_signed(&content), STATUS_INVALID);
	wire_free(sender);
}

static void
test_direct_of_a_later_kind_is_told_apart(void **state)
{
	Peyk__V1__SignedIdentity *sender = NULL;
	Peyk__V1__MessageContent content = sealed_honest(&sender);
	struct e2ee_direct message = {0};

	(void)state;
	content.body_case = PEYK__V1__MESSAGE_CONTENT__BODY__NOT_SET;
	assert_ok(sealed_open(&content, WIRE_LABEL_MESSAGE,
	    &people.sender.signing.secret_key, &message));
	assert_int_equal(message.kind, E2EE_DIRECT_KIND_UNKNOWN);
	assert_string_equal(message.text, "");
	assert_int_equal(message.text_size, 0);
	assert_string_equal(message.sender.name, "client#2");
	e2ee_direct_clear(&message);
	/* outside the count */
	content.counter = 0;
	assert_ok(sealed_open(&content, WIRE_LABEL_MESSAGE,
	    &people.sender.signing.secret_key, &message));
	assert_int_equal(message.counter, 0);
	e2ee_direct_clear(&message);
	/* but never forged */
	assert_status(sealed_open(&content, WIRE_LABEL_MESSAGE,
	    &people.other.signing.secret_key, &message), STATUS_FORGED);
	wire_free(sender);
}

static void
test_direct_plaintext_that_is_none_is_invalid(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} cases[] = { { "", 0 }, { "\xff\xff", 2 }, { "\x0a\x00", 2 } };
	struct buf ciphertext;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sealed_encrypt(bytes_make(cases[i].data, cases[i].size),
		    &people.recipient, &ciphertext);
		assert_status(sealed_check(buf_bytes(&ciphertext)),
		    STATUS_INVALID);
		buf_clear(&ciphertext);
	}
}

/* Content, by what HPKE, signature and frame add to it. */
static size_t
content_size(const struct buf *ciphertext)
{
	size_t size = ciphertext->size - 32 - 16; /* the SignedMessage */
	size_t content, prefix;

	for (content = size - 80; content < size; content++) {
		prefix = content < 128 ? 1 : content < 16384 ? 2 : 3;
		if (1 + prefix + content + 2 + 64 == size)
			return content;
	}
	fail_msg("no content fits %zu", size);
	return 0;
}

static void
check_padding(struct bytes text)
{
	struct e2ee_direct_draft draft = honest_draft(text);
	struct e2ee_direct message = {0};
	Peyk__V1__MessageContent *inside;
	struct sha256_digest hash;
	struct buf ciphertext;
	size_t size, padded = 256, others;

	seal(&draft, &ciphertext, &hash);
	size = content_size(&ciphertext);
	while (padded < size)
		padded *= 2;
	assert_ok(sealed_open_as(&people.recipient, buf_bytes(&ciphertext),
	    &message));
	assert_bytes(bytes_make(message.text, message.text_size), text);
	inside = message.content;
	others = size - inside->padding.len;
	if (inside->padding.len > 0)
		others -= inside->padding.len < 128 ? 2 :
		    inside->padding.len < 16384 ? 3 : 4;
	/* the smallest power that the other fields fit in */
	assert_true(padded == 256 || others > padded / 2);
	/* exact, but where the field's prefix cannot be */
	switch (padded - others) {
	case 1:
	case 130:
	case 16387:
		assert_int_equal(size, padded - 1);
		break;
	case 2:
		assert_int_equal(size, padded - 2);
		break;
	default:
		assert_int_equal(size, padded);
	}
	e2ee_direct_clear(&message);
	buf_clear(&ciphertext);
}

static void
test_direct_padding_reaches_a_power_of_two(void **state)
{
	static uint8_t text[WIRE_TEXT_MAX];
	size_t power, size, overhead = 290; /* of sender, keys, frames */

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size = 1; size < 1100; size++)
		check_padding(bytes_make(text, size));
	/* around each power, and where a prefix grows */
	for (power = 2048; power <= 65536; power *= 2) {
		for (size = power - overhead - 20;
		    size < power - overhead + 60; size++)
			check_padding(bytes_make(text, size));
		for (size = power - overhead - 180;
		    size < power - overhead - 80; size += 3)
			check_padding(bytes_make(text, size));
	}
	for (size = 32768 - 16387 - 350; size < 32768 - 16387 - 200; size++)
		check_padding(bytes_make(text, size));
	check_padding(bytes_make(text, WIRE_TEXT_MAX));
}

static void
test_direct_largest_message_fits(void **state)
{
	static uint8_t text[WIRE_TEXT_MAX + 1];
	struct e2ee_direct_draft draft;
	struct sha256_digest hash;
	struct person large = people.sender;
	struct buf name, ciphertext;
	size_t i;

	(void)state;
	memset(text, 'x', sizeof(text));
	buf_init(&name, 1000);
	for (i = 0; i < NAME_CODE_POINTS_MAX; i++)
		assert_ok(buf_append(&name,
		    BYTES_LITERAL("\xf0\x90\x90\xa8")));
	buf_init(&large.statement, WIRE_SIGNED_IDENTITY_MAX);
	assert_ok(identity_make(buf_bytes(&name), &large.signing,
	    &large.encryption.public_key, &people.server.public_key,
	    WIRE_TIME_MAX_MS, &large.statement));
	draft = honest_draft(bytes_make(text, WIRE_TEXT_MAX));
	draft.sender = buf_bytes(&large.statement);
	draft.sent_at_ms = WIRE_TIME_MAX_MS;
	draft.counter = WIRE_NUMBER_MAX;
	seal(&draft, &ciphertext, &hash);
	assert_ok(sealed_check(buf_bytes(&ciphertext)));
	draft.text = BYTES_OF(text);
	assert_status(e2ee_direct_seal(&draft, &ciphertext, &hash),
	    STATUS_TOO_LARGE);
	buf_clear(&ciphertext);
	buf_clear(&large.statement);
	buf_clear(&name);
}

static void
test_direct_larger_than_allowed_is_invalid(void **state)
{
	static const uint8_t large[WIRE_CIPHERTEXT_MAX + 1];

	(void)state;
	assert_status(sealed_check(BYTES_OF(large)), STATUS_INVALID);
}

static void
test_direct_seal_refuses_a_broken_draft(void **state)
{
	static const struct encryption_public_key zero;
	const struct e2ee_direct_draft honest =
	    honest_draft(BYTES_LITERAL("x"));
	struct e2ee_direct_draft draft = honest;
	struct sha256_digest hash;
	struct buf out;

	(void)state;
	buf_init(&out, WIRE_CIPHERTEXT_MAX);
	draft.text = bytes_empty();
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_INVALID);
	draft.text = BYTES_LITERAL("a\0b");
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_INVALID);
	draft.text = BYTES_LITERAL("\xff");
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_INVALID);
	draft = honest;
	draft.counter = 0;
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_INVALID);
	draft.counter = 1;
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_INVALID);
	draft = honest;
	draft.previous_hash = NULL;
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_INVALID);
	draft = honest;
	draft.sent_at_ms = UINT64_MAX;
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_INVALID);
	draft = honest;
	draft.sender = BYTES_LITERAL("\xff");
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_INVALID);
	draft = honest;
	draft.recipient_encryption_key = &zero;
	assert_status(e2ee_direct_seal(&draft, &out, &hash), STATUS_FORGED);
	assert_int_equal(out.size, 0);
	buf_clear(&out);
	/* no room: nothing of it is left */
	buf_init(&out, 100);
	assert_ok(buf_append(&out, BYTES_LITERAL("kept")));
	assert_status(e2ee_direct_seal(&honest, &out, &hash),
	    STATUS_TOO_LARGE);
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("kept"));
	buf_clear(&out);
}

static void
test_direct_survives_every_failing_allocation(void **state)
{
	const struct e2ee_direct_draft draft =
	    honest_draft(BYTES_LITERAL("salam mashti"));
	struct e2ee_direct message = {0};
	struct sha256_digest hash;
	struct buf ciphertext;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		buf_init(&ciphertext, WIRE_CIPHERTEXT_MAX);
		failing_malloc_start(n);
		st = e2ee_direct_seal(&draft, &ciphertext, &hash);
		if (st == STATUS_OK)
			st = sealed_open_as(&people.recipient,
			    buf_bytes(&ciphertext), &message);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		assert_null(message.content);
		buf_clear(&ciphertext);
	}
	assert_ok(st);
	assert_true(n > 10);
	e2ee_direct_clear(&message);
	buf_clear(&ciphertext);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_direct_round_trip),
		cmocka_unit_test(test_direct_leaves_nothing_in_memory),
		cmocka_unit_test(test_direct_first_message_names_no_other),
		cmocka_unit_test(test_direct_opens_for_its_recipient_alone),
		cmocka_unit_test(test_direct_passed_on_is_forged),
		cmocka_unit_test(test_direct_never_survives_a_flipped_bit),
		cmocka_unit_test(test_direct_content_is_verified),
		cmocka_unit_test(test_direct_link_is_all_or_nothing),
		cmocka_unit_test(test_direct_of_a_later_kind_is_told_apart),
		cmocka_unit_test(
		    test_direct_plaintext_that_is_none_is_invalid),
		cmocka_unit_test(test_direct_padding_reaches_a_power_of_two),
		cmocka_unit_test(test_direct_largest_message_fits),
		cmocka_unit_test(test_direct_larger_than_allowed_is_invalid),
		cmocka_unit_test(test_direct_seal_refuses_a_broken_draft),
		cmocka_unit_test(
		    test_direct_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, sealed_setup, sealed_teardown);
}
