#include "tests/unit/unit.h"

#include <string.h>

#include "e2ee/group_message.h"
#include "failing_malloc.h"
#include "gen/peyk/v1/e2ee.pb-c.h"
#include "group_cipher.h"
#include "people.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define GROUP ((uint64_t)7316214052834563920)
#define HEAD_SIZE ((size_t)(32 + 8 + 32)) /* before what is encrypted */

static struct people people;
static const struct sha256_digest previous = { { 0xab } };
static const struct sha256_digest roster = { { 0xcd } };
static const struct e2ee_group_message_key message_key = { { 0xef } };

/* client#2 writes, the eighth message of its chain. */
static struct e2ee_group_draft
honest_draft(struct bytes text)
{
	return (struct e2ee_group_draft){
		.place = { .group_id = GROUP, .epoch = 3,
			.sender_key = people.sender.signing.public_key,
			.index = 7 },
		.sender_key = &people.sender.signing.secret_key,
		.roster_hash = &roster,
		.id = { "0123456789abcde" },
		.sent_at_ms = PEOPLE_NOW_MS,
		.counter = 12,
		.previous_hash = &previous,
		.text = text,
	};
}

static void
seal(const struct e2ee_group_draft *draft, struct buf *out,
    struct sha256_digest *hash)
{
	buf_init(out, WIRE_CIPHERTEXT_MAX);
	assert_ok(e2ee_group_message_seal(draft, &message_key, out, hash));
}

/* What it gives on failure is checked to be nothing. */
static enum status
open_at(struct bytes ciphertext, const struct e2ee_group_place *place,
    const struct e2ee_group_message_key *key)
{
	struct e2ee_group_message message = {0};
	enum status st;

	st = e2ee_group_message_open(ciphertext, place, key, &message);
	if (st != STATUS_OK)
		assert_null(message.content);
	e2ee_group_message_clear(&message);
	return st;
}

/* ---- What only a member of the group can make ---- */

/* Any plaintext in any place. out: initialised here. */
static void
encrypt(const struct e2ee_group_place *place, struct bytes plaintext,
    struct buf *out)
{
	buf_init(out, 2 * WIRE_CIPHERTEXT_MAX);
	group_cipher_make(place, &message_key, plaintext, out);
}

static Peyk__V1__GroupMessageContent
honest_content(void)
{
	static struct e2ee_group_draft draft;
	Peyk__V1__GroupMessageContent content =
	    PEYK__V1__GROUP_MESSAGE_CONTENT__INIT;

	draft = honest_draft(bytes_empty());
	content.group_id = draft.place.group_id;
	content.epoch = draft.place.epoch;
	content.roster_hash = wire_field(BYTES_OF(roster.bytes));
	content.sender_key =
	    wire_field(BYTES_OF(draft.place.sender_key.bytes));
	content.index = draft.place.index;
	content.message_id = wire_field(BYTES_LITERAL("0123456789abcdef"));
	content.sent_at_ms = PEOPLE_NOW_MS;
	content.counter = 1;
	content.body_case = PEYK__V1__GROUP_MESSAGE_CONTENT__BODY_TEXT;
	content.text = (char *)(uintptr_t)"salam";
	return content;
}

static enum status
open_content(const Peyk__V1__GroupMessageContent *content, const char *label,
    const struct signing_secret_key *key, struct e2ee_group_message *out)
{
	const struct e2ee_group_draft draft = honest_draft(bytes_empty());
	struct buf packed, plaintext, ciphertext;
	enum status st;

	buf_init(&packed, WIRE_CIPHERTEXT_MAX);
	buf_init(&plaintext, WIRE_CIPHERTEXT_MAX);
	assert_ok(wire_pack(&content->base, &packed));
	assert_ok(wire_signed_make(key, label, buf_bytes(&packed),
	    &plaintext));
	encrypt(&draft.place, buf_bytes(&plaintext), &ciphertext);
	st = out == NULL ?
	    open_at(buf_bytes(&ciphertext), &draft.place, &message_key) :
	    e2ee_group_message_open(buf_bytes(&ciphertext), &draft.place,
	    &message_key, out);
	buf_clear(&ciphertext);
	buf_clear(&plaintext);
	buf_clear(&packed);
	return st;
}

static enum status
open_signed(const Peyk__V1__GroupMessageContent *content)
{
	return open_content(content, WIRE_LABEL_GROUP_MESSAGE,
	    &people.sender.signing.secret_key, NULL);
}

/* ---- Tests ---- */

static void
test_group_message_round_trip(void **state)
{
	/* "salam mashti" in Persian */
	struct bytes text = BYTES_LITERAL("\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 "
	    "\xd9\x85\xd8\xb4\xd8\xaa\xdb\x8c");
	struct e2ee_group_draft draft = honest_draft(text);
	struct e2ee_group_place place = draft.place;
	struct e2ee_group_message message = {0};
	struct sha256_digest hash;
	struct buf ciphertext;

	(void)state;
	seal(&draft, &ciphertext, &hash);
	memset(&place.sender_key, 0, sizeof(place.sender_key));
	place.index = 0;
	assert_ok(e2ee_group_message_peek(buf_bytes(&ciphertext), &place));
	assert_memory_equal(&place, &draft.place, sizeof(place));
	assert_ok(e2ee_group_message_open(buf_bytes(&ciphertext), &place,
	    &message_key, &message));
	assert_memory_equal(&message.id, &draft.id, sizeof(draft.id));
	assert_true(sha256_digest_equal(&message.roster_hash, &roster));
	assert_int_equal(message.sent_at_ms, PEOPLE_NOW_MS);
	assert_int_equal(message.counter, 12);
	assert_true(message.has_previous_hash);
	assert_true(sha256_digest_equal(&message.previous_hash, &previous));
	assert_true(sha256_digest_equal(&message.content_hash, &hash));
	assert_int_equal(message.kind, E2EE_DIRECT_KIND_TEXT);
	assert_bytes(bytes_make(message.text, message.text_size), text);
	e2ee_group_message_clear(&message);
	e2ee_group_message_clear(&message);
	buf_clear(&ciphertext);
}

/* A restored state that uses a message key again. */
static void
test_group_message_never_encrypts_alike(void **state)
{
	const struct e2ee_group_draft draft =
	    honest_draft(BYTES_LITERAL("the same"));
	struct sha256_digest hash, again;
	struct buf one, two;

	(void)state;
	seal(&draft, &one, &hash);
	seal(&draft, &two, &again);
	assert_true(sha256_digest_equal(&hash, &again));
	assert_int_equal(one.size, two.size);
	assert_memory_equal(one.data, two.data, 40);
	assert_memory_not_equal(one.data + 40, two.data + 40, 32);
	assert_memory_not_equal(one.data + HEAD_SIZE, two.data + HEAD_SIZE,
	    32);
	buf_clear(&two);
	buf_clear(&one);
}

static void
test_group_message_opens_in_its_place_alone(void **state)
{
	const struct e2ee_group_draft draft = honest_draft(BYTES_LITERAL("x"));
	struct e2ee_group_message_key key = message_key;
	struct e2ee_group_place place;
	struct sha256_digest hash;
	struct buf ciphertext;

	(void)state;
	seal(&draft, &ciphertext, &hash);
	assert_ok(open_at(buf_bytes(&ciphertext), &draft.place, &key));
	key.bytes[31] ^= 1;
	assert_status(open_at(buf_bytes(&ciphertext), &draft.place, &key),
	    STATUS_FORGED);
	place = draft.place;
	place.group_id++;
	assert_status(open_at(buf_bytes(&ciphertext), &place, &message_key),
	    STATUS_FORGED);
	place = draft.place;
	place.epoch++;
	assert_status(open_at(buf_bytes(&ciphertext), &place, &message_key),
	    STATUS_FORGED);
	place = draft.place;
	place.index++;
	assert_status(open_at(buf_bytes(&ciphertext), &place, &message_key),
	    STATUS_FORGED);
	place = draft.place;
	place.sender_key = people.other.signing.public_key;
	assert_status(open_at(buf_bytes(&ciphertext), &place, &message_key),
	    STATUS_FORGED);
	/* what is no place at all */
	place = draft.place;
	place.group_id = 0;
	assert_status(open_at(buf_bytes(&ciphertext), &place, &message_key),
	    STATUS_INVALID);
	place = draft.place;
	place.epoch = 0;
	assert_status(open_at(buf_bytes(&ciphertext), &place, &message_key),
	    STATUS_INVALID);
	buf_clear(&ciphertext);
}

/*
 * A member has the key of all: it can encrypt under another's name and place,
 * and put an author's own message elsewhere, but not sign for the author.
 */
static void
test_group_message_of_another_member_is_forged(void **state)
{
	Peyk__V1__GroupMessageContent content = honest_content();

	(void)state;
	assert_ok(open_signed(&content));
	assert_status(open_content(&content, WIRE_LABEL_GROUP_MESSAGE,
	    &people.other.signing.secret_key, NULL), STATUS_FORGED);
	assert_status(open_content(&content, WIRE_LABEL_MESSAGE,
	    &people.sender.signing.secret_key, NULL), STATUS_FORGED);
	content.sender_key =
	    wire_field(BYTES_OF(people.other.signing.public_key.bytes));
	assert_status(open_signed(&content), STATUS_FORGED);
	content.sender_key.len = 31;
	assert_status(open_signed(&content), STATUS_FORGED);
	content.sender_key.len = 0;
	assert_status(open_signed(&content), STATUS_FORGED);
	content = honest_content();
	content.group_id++;
	assert_status(open_signed(&content), STATUS_FORGED);
	content = honest_content();
	content.epoch--;
	assert_status(open_signed(&content), STATUS_FORGED);
	content = honest_content();
	content.index--;
	assert_status(open_signed(&content), STATUS_FORGED);
}

static void
test_group_message_never_survives_a_flipped_bit(void **state)
{
	const struct e2ee_group_draft draft = honest_draft(BYTES_LITERAL("x"));
	struct e2ee_group_place place = draft.place;
	struct sha256_digest hash;
	struct buf ciphertext;
	struct bytes cut;
	enum status st;
	size_t i;

	(void)state;
	seal(&draft, &ciphertext, &hash);
	for (i = 0; i < ciphertext.size; i++) {
		ciphertext.data[i] ^= (uint8_t)(1 << i % 8);
		/* at its place, and at the one that it now claims */
		st = open_at(buf_bytes(&ciphertext), &draft.place,
		    &message_key);
		assert_status(st, STATUS_FORGED);
		st = e2ee_group_message_peek(buf_bytes(&ciphertext), &place);
		assert_ok(st);
		assert_status(open_at(buf_bytes(&ciphertext), &place,
		    &message_key), STATUS_FORGED);
		ciphertext.data[i] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < ciphertext.size; i++) {
		cut = bytes_make(ciphertext.data, i);
		st = i < HEAD_SIZE + 16 ? STATUS_INVALID : STATUS_FORGED;
		assert_status(open_at(cut, &draft.place, &message_key), st);
	}
	assert_ok(open_at(buf_bytes(&ciphertext), &draft.place,
	    &message_key));
	buf_clear(&ciphertext);
}

static void
test_group_message_peek_bounds_what_it_reads(void **state)
{
	static uint8_t large[WIRE_CIPHERTEXT_MAX + 1];
	struct e2ee_group_place place = { .group_id = GROUP, .epoch = 3 };
	const struct e2ee_group_place untouched = place;

	(void)state;
	assert_status(e2ee_group_message_peek(bytes_make(large,
	    HEAD_SIZE + 15), &place), STATUS_INVALID);
	assert_status(e2ee_group_message_peek(BYTES_OF(large), &place),
	    STATUS_INVALID);
	bytes_put_u64be(large + 32, WIRE_NUMBER_MAX + 1);
	assert_status(e2ee_group_message_peek(bytes_make(large,
	    HEAD_SIZE + 16), &place), STATUS_INVALID);
	assert_memory_equal(&place, &untouched, sizeof(place));
	bytes_put_u64be(large + 32, WIRE_NUMBER_MAX);
	assert_ok(e2ee_group_message_peek(bytes_make(large, HEAD_SIZE + 16),
	    &place));
	assert_int_equal(place.index, WIRE_NUMBER_MAX);
	assert_int_equal(place.group_id, GROUP);
	assert_int_equal(place.epoch, 3);
	assert_ok(e2ee_group_message_peek(bytes_make(large,
	    WIRE_CIPHERTEXT_MAX), &place));
}

static void
test_group_message_fields_are_checked(void **state)
{
	Peyk__V1__GroupMessageContent content = honest_content();

	(void)state;
	content.roster_hash.len = 31;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.roster_hash.len = 0;
	assert_status(open_signed(&content), STATUS_INVALID);
	content = honest_content();
	content.message_id.len = 15;
	assert_status(open_signed(&content), STATUS_INVALID);
	content = honest_content();
	content.sent_at_ms = WIRE_TIME_MAX_MS + 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	content = honest_content();
	content.text = (char *)(uintptr_t)"";
	assert_status(open_signed(&content), STATUS_INVALID);
	content = honest_content();
	content.counter = 0;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.counter = 2;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.previous_hash = wire_field(BYTES_OF(previous.bytes));
	assert_ok(open_signed(&content));
	content.counter = WIRE_NUMBER_MAX + 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.counter = 1;
	assert_status(open_signed(&content), STATUS_INVALID);
	content.counter = 2;
	content.previous_hash.len = 31;
	assert_status(open_signed(&content), STATUS_INVALID);
}

static void
test_group_message_of_a_later_kind_is_told_apart(void **state)
{
	Peyk__V1__GroupMessageContent content = honest_content();
	struct e2ee_group_message message = {0};

	(void)state;
	content.body_case = PEYK__V1__GROUP_MESSAGE_CONTENT__BODY__NOT_SET;
	content.counter = 0;
	assert_ok(open_content(&content, WIRE_LABEL_GROUP_MESSAGE,
	    &people.sender.signing.secret_key, &message));
	assert_int_equal(message.kind, E2EE_DIRECT_KIND_UNKNOWN);
	assert_string_equal(message.text, "");
	assert_int_equal(message.text_size, 0);
	assert_int_equal(message.counter, 0);
	e2ee_group_message_clear(&message);
	assert_status(open_content(&content, WIRE_LABEL_GROUP_MESSAGE,
	    &people.other.signing.secret_key, &message), STATUS_FORGED);
}

static void
test_group_message_plaintext_that_is_none_is_invalid(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} cases[] = { { "", 0 }, { "\xff\xff", 2 }, { "\x0a\x00", 2 } };
	const struct e2ee_group_draft draft = honest_draft(bytes_empty());
	struct buf ciphertext;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		encrypt(&draft.place, bytes_make(cases[i].data,
		    cases[i].size), &ciphertext);
		assert_status(open_at(buf_bytes(&ciphertext), &draft.place,
		    &message_key), STATUS_INVALID);
		buf_clear(&ciphertext);
	}
}

/* The content is one or two short of a power where a prefix is in the way. */
static void
test_group_message_size_tells_only_a_power_of_two(void **state)
{
	static uint8_t text[2000];
	struct e2ee_group_draft draft;
	struct e2ee_group_message message = {0};
	Peyk__V1__GroupMessageContent *inside;
	struct sha256_digest hash;
	struct buf ciphertext;
	size_t size, padded, content;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size = 1; size <= sizeof(text); size++) {
		draft = honest_draft(bytes_make(text, size));
		seal(&draft, &ciphertext, &hash);
		assert_ok(e2ee_group_message_open(buf_bytes(&ciphertext),
		    &draft.place, &message_key, &message));
		inside = message.content;
		content = protobuf_c_message_get_packed_size(&inside->base);
		for (padded = 256; padded < content; padded *= 2)
			;
		assert_in_range(content, padded - 2, padded);
		/* with head, tag, signature and two or three of length */
		assert_in_range(ciphertext.size - HEAD_SIZE - 16 - content,
		    66 + 3, 66 + 4);
		e2ee_group_message_clear(&message);
		buf_clear(&ciphertext);
	}
}

static void
test_group_message_of_the_largest_text_fits(void **state)
{
	static uint8_t text[WIRE_TEXT_MAX + 1];
	struct e2ee_group_draft draft;
	struct sha256_digest hash;
	struct buf ciphertext;

	(void)state;
	memset(text, 'x', sizeof(text));
	draft = honest_draft(bytes_make(text, WIRE_TEXT_MAX));
	draft.place.group_id = WIRE_NUMBER_MAX;
	draft.place.epoch = UINT32_MAX;
	draft.place.index = WIRE_NUMBER_MAX;
	draft.sent_at_ms = WIRE_TIME_MAX_MS;
	draft.counter = WIRE_NUMBER_MAX;
	seal(&draft, &ciphertext, &hash);
	assert_ok(open_at(buf_bytes(&ciphertext), &draft.place,
	    &message_key));
	draft.text = BYTES_OF(text);
	assert_status(e2ee_group_message_seal(&draft, &message_key,
	    &ciphertext, &hash), STATUS_TOO_LARGE);
	buf_clear(&ciphertext);
}

static void
test_group_message_seal_refuses_a_broken_draft(void **state)
{
	const struct e2ee_group_draft honest =
	    honest_draft(BYTES_LITERAL("x"));
	struct e2ee_group_draft drafts[14];
	struct sha256_digest hash;
	struct buf out;
	size_t i, count = 0;

	(void)state;
	for (i = 0; i < sizeof(drafts) / sizeof(drafts[0]); i++)
		drafts[i] = honest;
	drafts[count++].text = bytes_empty();
	drafts[count++].text = BYTES_LITERAL("a\0b");
	drafts[count++].text = BYTES_LITERAL("\xff");
	drafts[count++].counter = 0;
	drafts[count++].counter = 1;
	drafts[count++].counter = WIRE_NUMBER_MAX + 1;
	drafts[count++].previous_hash = NULL;
	drafts[count++].sent_at_ms = WIRE_TIME_MAX_MS + 1;
	drafts[count++].place.group_id = 0;
	drafts[count++].place.group_id = WIRE_NUMBER_MAX + 1;
	drafts[count++].place.epoch = 0;
	drafts[count++].place.index = WIRE_NUMBER_MAX + 1;
	/* a signature that nobody would take for the sender's */
	drafts[count++].sender_key = &people.other.signing.secret_key;
	drafts[count++].place.sender_key = people.other.signing.public_key;
	assert_int_equal(count, sizeof(drafts) / sizeof(drafts[0]));
	buf_init(&out, WIRE_CIPHERTEXT_MAX);
	for (i = 0; i < count; i++)
		assert_status(e2ee_group_message_seal(&drafts[i],
		    &message_key, &out, &hash), STATUS_INVALID);
	assert_int_equal(out.size, 0);
	buf_clear(&out);
	/* no room: nothing of it is left */
	buf_init(&out, 100);
	assert_ok(buf_append(&out, BYTES_LITERAL("kept")));
	assert_status(e2ee_group_message_seal(&honest, &message_key, &out,
	    &hash), STATUS_TOO_LARGE);
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("kept"));
	buf_clear(&out);
}

static void
test_group_message_leaves_nothing_in_memory(void **state)
{
	const struct e2ee_group_draft draft = honest_draft(
	    BYTES_LITERAL("a secret that is long enough"));
	struct sha256_digest hash;
	struct buf ciphertext;

	(void)state;
	failing_malloc_watch("a secret that is");
	seal(&draft, &ciphertext, &hash);
	assert_ok(open_at(buf_bytes(&ciphertext), &draft.place,
	    &message_key));
	buf_clear(&ciphertext);
	assert_int_equal(failing_malloc_stop_watching(), 0);
}

static void
test_group_message_survives_every_failing_allocation(void **state)
{
	const struct e2ee_group_draft draft =
	    honest_draft(BYTES_LITERAL("salam mashti"));
	struct e2ee_group_message message = {0};
	struct sha256_digest hash;
	struct buf ciphertext;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		buf_init(&ciphertext, WIRE_CIPHERTEXT_MAX);
		failing_malloc_start(n);
		st = e2ee_group_message_seal(&draft, &message_key,
		    &ciphertext, &hash);
		if (st == STATUS_OK)
			st = e2ee_group_message_open(buf_bytes(&ciphertext),
			    &draft.place, &message_key, &message);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		assert_null(message.content);
		buf_clear(&ciphertext);
	}
	assert_ok(st);
	assert_true(n > 5);
	e2ee_group_message_clear(&message);
	buf_clear(&ciphertext);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
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
		cmocka_unit_test(test_group_message_round_trip),
		cmocka_unit_test(test_group_message_never_encrypts_alike),
		cmocka_unit_test(test_group_message_opens_in_its_place_alone),
		cmocka_unit_test(
		    test_group_message_of_another_member_is_forged),
		cmocka_unit_test(
		    test_group_message_never_survives_a_flipped_bit),
		cmocka_unit_test(
		    test_group_message_peek_bounds_what_it_reads),
		cmocka_unit_test(test_group_message_fields_are_checked),
		cmocka_unit_test(
		    test_group_message_of_a_later_kind_is_told_apart),
		cmocka_unit_test(
		    test_group_message_plaintext_that_is_none_is_invalid),
		cmocka_unit_test(
		    test_group_message_size_tells_only_a_power_of_two),
		cmocka_unit_test(test_group_message_of_the_largest_text_fits),
		cmocka_unit_test(
		    test_group_message_seal_refuses_a_broken_draft),
		cmocka_unit_test(test_group_message_leaves_nothing_in_memory),
		cmocka_unit_test(
		    test_group_message_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
