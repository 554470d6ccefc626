#include "tests/unit/unit.h"

#include <string.h>

#include "e2ee/direct.h"
#include "failing_malloc.h"
#include "tests/unit/e2ee/sealed.h"
#include "wire/signed.h"
#include "wire/unpack.h"

/* Letters of a group's admin: direct messages that stand outside the count. */

#define GROUP ((uint64_t)7316214052834563920)

static const struct e2ee_group_key_letter group_key = {
	.group_id = GROUP,
	.epoch = 5,
	.roster_hash = { { 0xaa } },
	.admin_secret = { "a secret of an admin, 32 bytes." },
	.server_share = { "a share of a server, of 32 too." },
};
static const struct e2ee_group_farewell group_farewell = {
	.group_id = GROUP,
	.epoch = 6,
};

static struct e2ee_direct_draft
honest_draft(enum e2ee_direct_kind kind)
{
	return (struct e2ee_direct_draft){
		.sender = buf_bytes(&people.sender.statement),
		.sender_key = &people.sender.signing.secret_key,
		.recipient_signing_key = &people.recipient.signing.public_key,
		.recipient_encryption_key =
		    &people.recipient.encryption.public_key,
		.id = { "0123456789abcde" },
		.sent_at_ms = PEOPLE_NOW_MS,
		.kind = kind,
		.group_key = kind == E2EE_DIRECT_KIND_GROUP_KEY ?
		    &group_key : NULL,
		.group_farewell = kind == E2EE_DIRECT_KIND_GROUP_FAREWELL ?
		    &group_farewell : NULL,
	};
}

static enum status
seal(const struct e2ee_direct_draft *draft)
{
	struct sha256_digest hash;
	struct buf out;
	enum status st;

	buf_init(&out, WIRE_LETTER_MAX);
	st = e2ee_direct_seal(draft, &out, &hash);
	if (st != STATUS_OK)
		assert_int_equal(out.size, 0);
	buf_clear(&out);
	return st;
}

static void
round_trip(const struct e2ee_direct_draft *draft, struct e2ee_direct *out)
{
	struct sha256_digest hash;
	struct buf ciphertext;

	buf_init(&ciphertext, WIRE_LETTER_MAX);
	assert_ok(e2ee_direct_seal(draft, &ciphertext, &hash));
	assert_ok(sealed_open_as(&people.recipient, buf_bytes(&ciphertext),
	    out));
	assert_int_equal(out->kind, draft->kind);
	assert_string_equal(out->sender.name, "client#2");
	assert_memory_equal(&out->id, &draft->id, sizeof(draft->id));
	assert_int_equal(out->sent_at_ms, PEOPLE_NOW_MS);
	assert_int_equal(out->counter, 0);
	assert_false(out->has_previous_hash);
	assert_true(sha256_digest_equal(&out->content_hash, &hash));
	assert_string_equal(out->text, "");
	assert_int_equal(out->text_size, 0);
	buf_clear(&ciphertext);
}

static void
test_letter_brings_a_key(void **state)
{
	const struct e2ee_direct_draft draft =
	    honest_draft(E2EE_DIRECT_KIND_GROUP_KEY);
	struct e2ee_direct message = {0};

	(void)state;
	round_trip(&draft, &message);
	assert_int_equal(message.group_key.group_id, GROUP);
	assert_int_equal(message.group_key.epoch, 5);
	assert_memory_equal(&message.group_key.roster_hash,
	    &group_key.roster_hash, SHA256_SIZE);
	assert_memory_equal(&message.group_key.admin_secret,
	    &group_key.admin_secret, E2EE_GROUP_SHARE_SIZE);
	assert_memory_equal(&message.group_key.server_share,
	    &group_key.server_share, E2EE_GROUP_SHARE_SIZE);
	e2ee_direct_clear(&message);
	assert_int_equal(message.group_key.admin_secret.bytes[0], 0);
	e2ee_direct_clear(&message);
}

static void
test_letter_says_farewell(void **state)
{
	struct e2ee_direct_draft draft =
	    honest_draft(E2EE_DIRECT_KIND_GROUP_FAREWELL);
	struct e2ee_group_farewell deleted = { WIRE_NUMBER_MAX, UINT32_MAX,
		true };
	struct e2ee_direct message = {0};

	(void)state;
	round_trip(&draft, &message);
	assert_int_equal(message.group_farewell.group_id, GROUP);
	assert_int_equal(message.group_farewell.epoch, 6);
	assert_false(message.group_farewell.is_deleted);
	e2ee_direct_clear(&message);
	draft.group_farewell = &deleted;
	round_trip(&draft, &message);
	assert_int_equal(message.group_farewell.group_id, WIRE_NUMBER_MAX);
	assert_int_equal(message.group_farewell.epoch, UINT32_MAX);
	assert_true(message.group_farewell.is_deleted);
	e2ee_direct_clear(&message);
}

/* The longest name is in both identity and padding. */
static void
test_letter_of_the_longest_name_fits(void **state)
{
	struct e2ee_direct_draft draft =
	    honest_draft(E2EE_DIRECT_KIND_GROUP_KEY);
	struct person large = people.sender;
	struct buf name;
	size_t i;

	(void)state;
	buf_init(&name, NAME_SIZE_MAX);
	for (i = 0; i < NAME_CODE_POINTS_MAX; i++)
		assert_ok(buf_append(&name,
		    BYTES_LITERAL("\xf0\x90\x90\xa8")));
	buf_init(&large.statement, WIRE_SIGNED_IDENTITY_MAX);
	assert_ok(identity_make(buf_bytes(&name), &large.signing,
	    &large.encryption.public_key, &people.server.public_key,
	    WIRE_TIME_MAX_MS, &large.statement));
	draft.sender = buf_bytes(&large.statement);
	assert_ok(seal(&draft));
	buf_clear(&large.statement);
	buf_clear(&name);
}

/* Neither number nor place in the chain; only what belongs to the kind. */
static void
test_letter_seal_refuses_a_broken_draft(void **state)
{
	static const struct sha256_digest previous;
	const struct e2ee_direct_draft honest =
	    honest_draft(E2EE_DIRECT_KIND_GROUP_KEY);
	struct e2ee_group_key_letter key = group_key;
	struct e2ee_group_farewell farewell = group_farewell;
	struct e2ee_direct_draft draft = honest;

	(void)state;
	draft.counter = 1;
	assert_status(seal(&draft), STATUS_INVALID);
	draft = honest;
	draft.previous_hash = &previous;
	assert_status(seal(&draft), STATUS_INVALID);
	draft = honest;
	draft.text = BYTES_LITERAL("x");
	assert_status(seal(&draft), STATUS_INVALID);
	draft = honest;
	draft.sent_at_ms = WIRE_TIME_MAX_MS + 1;
	assert_status(seal(&draft), STATUS_INVALID);
	draft = honest;
	draft.group_key = NULL;
	assert_status(seal(&draft), STATUS_INVALID);
	draft.group_key = &key;
	key.group_id = 0;
	assert_status(seal(&draft), STATUS_INVALID);
	key.group_id = WIRE_NUMBER_MAX + 1;
	assert_status(seal(&draft), STATUS_INVALID);
	key = group_key;
	key.epoch = 0;
	assert_status(seal(&draft), STATUS_INVALID);
	draft = honest_draft(E2EE_DIRECT_KIND_GROUP_FAREWELL);
	draft.group_farewell = &farewell;
	farewell.group_id = 0;
	assert_status(seal(&draft), STATUS_INVALID);
	farewell = group_farewell;
	farewell.epoch = 0;
	assert_status(seal(&draft), STATUS_INVALID);
	draft.group_farewell = NULL;
	assert_status(seal(&draft), STATUS_INVALID);
	draft.kind = E2EE_DIRECT_KIND_UNKNOWN;
	assert_status(seal(&draft), STATUS_INVALID);
}

static enum status
open_signed(const Peyk__V1__MessageContent *content)
{
	return sealed_open(content, WIRE_LABEL_MESSAGE,
	    &people.sender.signing.secret_key, NULL);
}

static void
test_letter_with_a_key_is_checked_in_every_field(void **state)
{
	Peyk__V1__SignedIdentity *sender = NULL;
	Peyk__V1__MessageContent content = sealed_honest(&sender);
	Peyk__V1__GroupKey honest = PEYK__V1__GROUP_KEY__INIT, key;
	ProtobufCBinaryData *fields[] = { &key.roster_hash,
		&key.admin_secret, &key.server_share };
	static const uint8_t bytes[33];
	size_t i;

	(void)state;
	honest.group_id = GROUP;
	honest.epoch = 1;
	honest.roster_hash = wire_field(bytes_make(bytes, 32));
	honest.admin_secret = honest.roster_hash;
	honest.server_share = honest.roster_hash;
	content.body_case = PEYK__V1__MESSAGE_CONTENT__BODY_GROUP_KEY;
	content.group_key = &key;
	content.counter = 0;
	key = honest;
	assert_ok(open_signed(&content));
	assert_status(sealed_open(&content, WIRE_LABEL_MESSAGE,
	    &people.other.signing.secret_key, NULL), STATUS_FORGED);
	for (i = 0; i < 3; i++) {
		key = honest;
		fields[i]->len = 0;
		assert_status(open_signed(&content), STATUS_INVALID);
		fields[i]->len = 31;
		assert_status(open_signed(&content), STATUS_INVALID);
		fields[i]->len = 33;
		assert_status(open_signed(&content), STATUS_INVALID);
	}
	key = honest;
	key.group_id = 0;
	assert_status(open_signed(&content), STATUS_INVALID);
	key.group_id = WIRE_NUMBER_MAX + 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	key = honest;
	key.epoch = 0;
	assert_status(open_signed(&content), STATUS_INVALID);
	key = honest;
	/* nothing of a letter may pass for a message of the chain */
	content.counter = 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.counter = 2;
	content.previous_hash = honest.roster_hash;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.counter = 0;
	assert_status(open_signed(&content), STATUS_INVALID);
	wire_free(sender);
}

static void
test_letter_with_a_farewell_is_checked_in_every_field(void **state)
{
	Peyk__V1__SignedIdentity *sender = NULL;
	Peyk__V1__MessageContent content = sealed_honest(&sender);
	Peyk__V1__GroupFarewell farewell = PEYK__V1__GROUP_FAREWELL__INIT;

	(void)state;
	farewell.group_id = GROUP;
	farewell.epoch = 1;
	content.body_case = PEYK__V1__MESSAGE_CONTENT__BODY_GROUP_FAREWELL;
	content.group_farewell = &farewell;
	content.counter = 0;
	assert_ok(open_signed(&content));
	farewell.epoch = 0;
	assert_status(open_signed(&content), STATUS_INVALID);
	farewell.epoch = 1;
	farewell.group_id = 0;
	assert_status(open_signed(&content), STATUS_INVALID);
	farewell.group_id = WIRE_NUMBER_MAX + 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	farewell.group_id = GROUP;
	content.counter = 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	wire_free(sender);
}

static void
test_letter_leaves_no_key_in_memory(void **state)
{
	const struct e2ee_direct_draft draft =
	    honest_draft(E2EE_DIRECT_KIND_GROUP_KEY);
	struct e2ee_direct message = {0};

	(void)state;
	failing_malloc_watch("a secret of an admin");
	round_trip(&draft, &message);
	e2ee_direct_clear(&message);
	assert_int_equal(failing_malloc_stop_watching(), 0);
}

static void
test_letter_survives_every_failing_allocation(void **state)
{
	const struct e2ee_direct_draft draft =
	    honest_draft(E2EE_DIRECT_KIND_GROUP_KEY);
	struct e2ee_direct message = {0};
	struct sha256_digest hash;
	struct buf ciphertext;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		buf_init(&ciphertext, WIRE_LETTER_MAX);
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
		cmocka_unit_test(test_letter_brings_a_key),
		cmocka_unit_test(test_letter_says_farewell),
		cmocka_unit_test(test_letter_of_the_longest_name_fits),
		cmocka_unit_test(test_letter_seal_refuses_a_broken_draft),
		cmocka_unit_test(
		    test_letter_with_a_key_is_checked_in_every_field),
		cmocka_unit_test(
		    test_letter_with_a_farewell_is_checked_in_every_field),
		cmocka_unit_test(test_letter_leaves_no_key_in_memory),
		cmocka_unit_test(
		    test_letter_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, sealed_setup, sealed_teardown);
}
