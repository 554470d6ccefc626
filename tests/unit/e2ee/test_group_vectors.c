#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "e2ee/direct.h"
#include "e2ee/group_key.h"
#include "e2ee/group_message.h"
#include "people.h"
#include "tests/unit/crypto/vectors.h"
#include "wire/roster.h"

/*
 * tests/vectors/group.json, which make_group_vectors.py computed from
 * docs/protocol.md without our code: what we make of its keys is the same to
 * the byte, and opens to the same.
 */

static struct people people;
static json_t *vectors;
static uint64_t group_id;

static void
assert_hex(const json_t *object, const char *member, struct bytes bytes)
{
	struct buf expected;

	assert_bytes(bytes, vectors_hex(object, member, &expected));
	buf_clear(&expected);
}

#define LOAD(object, member, key) \
	vectors_hex_into(object, member, (key).bytes, sizeof((key).bytes))

static const json_t *
epoch_of(const json_t *object)
{
	size_t number = (size_t)vectors_integer(object, "epoch");
	const json_t *epoch = json_array_get(vectors_array(vectors, "epochs"),
	    number - 1);

	assert_int_equal(vectors_integer(epoch, "epoch"), (long long)number);
	return epoch;
}

static const struct person *
person_of(const json_t *object, const char *member)
{
	const struct person *all[] = { &people.sender, &people.recipient,
		&people.other };
	size_t i;

	for (i = 0; i < 3; i++)
		if (strcmp(all[i]->name, vectors_string(object, member)) == 0)
			return all[i];
	fail_msg("nobody is named as %s says", member);
	return NULL;
}

static void
load_secret(const json_t *epoch, struct e2ee_group_secret *out)
{
	LOAD(epoch, "group_secret", *out);
}

static void
test_group_people_are_those_of_the_tests(void **state)
{
	const json_t *person;
	size_t i;

	(void)state;
	assert_hex(vectors, "server_identity_key",
	    BYTES_OF(people.server.public_key.bytes));
	json_array_foreach(vectors_array(vectors, "people"), i, person)
		assert_hex(person, "signed_identity", buf_bytes(
		    &person_of(person, "username")->statement));
	assert_int_equal(i, 3);
}

static void
check_chain(const json_t *chain, const struct e2ee_group_secret *secret,
    uint32_t epoch)
{
	struct e2ee_group_message_key expected, key;
	struct signing_public_key sender;
	struct e2ee_group_chain made;
	json_t *keys = vectors_array(chain, "message_keys");
	json_t *hex;
	size_t i;

	LOAD(chain, "sender_key", sender);
	assert_ok(e2ee_group_chain_init(secret, group_id, epoch, &sender,
	    &made));
	json_array_foreach(keys, i, hex) {
		json_t *entry = json_pack("{sO}", "key", hex);

		LOAD(entry, "key", expected);
		json_decref(entry);
		assert_int_equal(made.index, i);
		assert_ok(e2ee_group_chain_step(&made, &key));
		assert_memory_equal(&key, &expected, sizeof(key));
	}
	assert_int_equal(i, 3);
}

static void
check_key(const json_t *epoch, uint32_t number)
{
	struct e2ee_group_share server_share, admin_secret;
	struct e2ee_group_secret secret;
	struct sha256_digest digest;
	const json_t *chain;
	size_t i;

	LOAD(epoch, "server_share", server_share);
	LOAD(epoch, "admin_secret", admin_secret);
	assert_ok(e2ee_group_secret_make(&server_share, &admin_secret,
	    &secret));
	assert_hex(epoch, "group_secret", BYTES_OF(secret.bytes));
	assert_ok(e2ee_group_commitment(&secret, group_id, number, &digest));
	assert_hex(epoch, "commitment", BYTES_OF(digest.bytes));
	json_array_foreach(vectors_array(epoch, "chains"), i, chain)
		check_chain(chain, &secret, number);
	assert_true(i >= 2);
}

static void
check_roster(const json_t *epoch, uint32_t number)
{
	char text[E2EE_GROUP_SAFETY_NUMBER_LENGTH + 1];
	struct signing_public_key signer;
	struct roster roster = {0};
	struct sha256_digest hash;
	struct buf from, made;

	LOAD(epoch, "signer", signer);
	assert_ok(roster_open(vectors_hex(epoch, "roster", &from), &signer,
	    &people.server.public_key, &roster));
	assert_int_equal(roster.group_id, group_id);
	assert_int_equal(roster.epoch, number);
	assert_hex(epoch, "roster_hash", BYTES_OF(roster.hash.bytes));
	assert_hex(epoch, "commitment", BYTES_OF(roster.key_commitment.bytes));
	assert_int_equal(roster.has_previous, number > 1);
	assert_int_equal(roster.member_count,
	    json_array_size(vectors_array(epoch, "chains")));
	assert_ok(e2ee_group_safety_number(group_id, number, &roster.hash,
	    text));
	assert_string_equal(text, vectors_string(epoch, "safety_number"));
	/* and made anew */
	buf_init(&made, WIRE_SIGNED_ROSTER_MAX);
	assert_ok(roster_make(&roster, signing_public_key_equal(&signer,
	    &people.sender.signing.public_key) ?
	    &people.sender.signing.secret_key :
	    &people.recipient.signing.secret_key, &made, &hash));
	assert_bytes(buf_bytes(&made), buf_bytes(&from));
	assert_true(sha256_digest_equal(&hash, &roster.hash));
	buf_clear(&made);
	buf_clear(&from);
	roster_clear(&roster);
}

static void
test_group_epochs_are_those_of_the_document(void **state)
{
	const json_t *epoch;
	size_t i;

	(void)state;
	json_array_foreach(vectors_array(vectors, "epochs"), i, epoch) {
		check_key(epoch, (uint32_t)(i + 1));
		check_roster(epoch, (uint32_t)(i + 1));
	}
	assert_int_equal(i, 4);
}

/* Seals the draft as the vector was, and opens it. */
static void
check_letter(const json_t *vector, struct e2ee_direct_draft *draft,
    struct e2ee_direct *opened)
{
	const struct person *from = person_of(vector, "from");
	const struct person *to = person_of(vector, "to");
	struct encryption_secret_key secret;
	struct encryption_key_pair ephemeral;
	struct sha256_digest hash;
	struct buf ciphertext;

	draft->sender = buf_bytes(&from->statement);
	draft->sender_key = &from->signing.secret_key;
	draft->recipient_signing_key = &to->signing.public_key;
	draft->recipient_encryption_key = &to->encryption.public_key;
	draft->sent_at_ms = (uint64_t)vectors_integer(vector, "sent_at_ms");
	LOAD(vector, "message_id", draft->id);
	LOAD(vector, "ephemeral_secret_key", secret);
	assert_ok(encryption_key_pair_from_secret(&secret, &ephemeral));
	buf_init(&ciphertext, WIRE_LETTER_MAX);
	assert_ok(e2ee_direct_seal_with(draft, &ephemeral, &ciphertext,
	    &hash));
	assert_hex(vector, "content_hash", BYTES_OF(hash.bytes));
	assert_hex(vector, "ciphertext", buf_bytes(&ciphertext));
	assert_ok(e2ee_direct_open(buf_bytes(&ciphertext), &to->encryption,
	    &to->signing.public_key, &people.server.public_key, opened));
	assert_int_equal(opened->kind, draft->kind);
	assert_int_equal(opened->counter, 0);
	assert_string_equal(opened->sender.name, from->name);
	buf_clear(&ciphertext);
}

static void
test_group_key_letters_are_those_of_the_document(void **state)
{
	const json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors_array(vectors, "key_letters"), i, vector) {
		const json_t *epoch = epoch_of(vector);
		struct e2ee_group_key_letter letter = { .group_id = group_id,
			.epoch = (uint32_t)vectors_integer(epoch, "epoch") };
		struct e2ee_direct_draft draft = {
			.kind = E2EE_DIRECT_KIND_GROUP_KEY,
			.group_key = &letter };
		struct e2ee_direct opened = {0};

		LOAD(epoch, "roster_hash", letter.roster_hash);
		LOAD(epoch, "admin_secret", letter.admin_secret);
		LOAD(epoch, "server_share", letter.server_share);
		check_letter(vector, &draft, &opened);
		assert_int_equal(opened.group_key.group_id, group_id);
		assert_int_equal(opened.group_key.epoch, letter.epoch);
		assert_hex(epoch, "roster_hash",
		    BYTES_OF(opened.group_key.roster_hash.bytes));
		assert_hex(epoch, "admin_secret",
		    BYTES_OF(opened.group_key.admin_secret.bytes));
		assert_hex(epoch, "server_share",
		    BYTES_OF(opened.group_key.server_share.bytes));
		e2ee_direct_clear(&opened);
	}
	assert_int_equal(i, 3);
}

static void
test_group_farewells_are_those_of_the_document(void **state)
{
	const json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors_array(vectors, "farewells"), i, vector) {
		struct e2ee_group_farewell letter = { .group_id = group_id,
			.epoch = (uint32_t)vectors_integer(vector, "epoch"),
			.is_deleted = json_is_true(json_object_get(vector,
			    "is_deleted")) };
		struct e2ee_direct_draft draft = {
			.kind = E2EE_DIRECT_KIND_GROUP_FAREWELL,
			.group_farewell = &letter };
		struct e2ee_direct opened = {0};

		check_letter(vector, &draft, &opened);
		assert_int_equal(opened.group_farewell.group_id, group_id);
		assert_int_equal(opened.group_farewell.epoch, letter.epoch);
		assert_int_equal(opened.group_farewell.is_deleted,
		    letter.is_deleted);
		e2ee_direct_clear(&opened);
	}
	assert_int_equal(i, 2);
}

static void
test_group_leaves_are_those_of_the_document(void **state)
{
	const json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors_array(vectors, "leaves"), i, vector) {
		struct leave leave = {0};
		struct buf from;

		assert_ok(leave_open(vectors_hex(vector, "leave", &from),
		    &leave));
		assert_int_equal(leave.group_id, group_id);
		assert_int_equal(leave.epoch, vectors_integer(vector,
		    "epoch"));
		assert_hex(vector, "member_key",
		    BYTES_OF(leave.member_key.bytes));
		assert_hex(epoch_of(vector), "roster_hash",
		    BYTES_OF(leave.roster_hash.bytes));
		buf_clear(&from);
	}
	assert_int_equal(i, 2);
}

static void
message_key(const json_t *epoch, const struct e2ee_group_place *place,
    struct e2ee_group_message_key *out)
{
	struct e2ee_group_secret secret;
	struct e2ee_group_chain chain;

	load_secret(epoch, &secret);
	assert_ok(e2ee_group_chain_init(&secret, place->group_id,
	    place->epoch, &place->sender_key, &chain));
	do
		assert_ok(e2ee_group_chain_step(&chain, out));
	while (chain.index <= place->index);
}

static void
check_message(const json_t *vector)
{
	const struct person *from = person_of(vector, "from");
	const json_t *epoch = epoch_of(vector);
	struct e2ee_group_draft draft = {
		.place = { .group_id = group_id,
			.epoch = (uint32_t)vectors_integer(vector, "epoch"),
			.sender_key = from->signing.public_key,
			.index = (uint64_t)vectors_integer(vector, "index") },
		.sender_key = &from->signing.secret_key,
		.sent_at_ms = (uint64_t)vectors_integer(vector, "sent_at_ms"),
		.counter = (uint64_t)vectors_integer(vector, "counter"),
		.text = bytes_from_string(vectors_string(vector, "text")),
	};
	struct e2ee_group_place place = draft.place;
	struct sha256_digest roster_hash, previous, hash;
	struct e2ee_group_message opened = {0};
	struct e2ee_group_message_key key;
	struct buf ciphertext;
	uint8_t random[32];

	LOAD(epoch, "roster_hash", roster_hash);
	draft.roster_hash = &roster_hash;
	LOAD(vector, "message_id", draft.id);
	vectors_hex_into(vector, "random", random, sizeof(random));
	if (draft.counter > 1) {
		LOAD(vector, "previous_hash", previous);
		draft.previous_hash = &previous;
	}
	message_key(epoch, &draft.place, &key);
	buf_init(&ciphertext, WIRE_CIPHERTEXT_MAX);
	assert_ok(e2ee_group_message_seal_with(&draft, &key, random,
	    &ciphertext, &hash));
	assert_hex(vector, "content_hash", BYTES_OF(hash.bytes));
	assert_hex(vector, "ciphertext", buf_bytes(&ciphertext));

	memset(&place.sender_key, 0, sizeof(place.sender_key));
	place.index = 0;
	assert_ok(e2ee_group_message_peek(buf_bytes(&ciphertext), &place));
	assert_memory_equal(&place, &draft.place, sizeof(place));
	assert_ok(e2ee_group_message_open(buf_bytes(&ciphertext), &place,
	    &key, &opened));
	assert_bytes(bytes_make(opened.text, opened.text_size), draft.text);
	assert_true(sha256_digest_equal(&opened.roster_hash, &roster_hash));
	assert_int_equal(opened.counter, draft.counter);
	e2ee_group_message_clear(&opened);
	buf_clear(&ciphertext);
}

static void
test_group_messages_are_those_of_the_document(void **state)
{
	const json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors_array(vectors, "messages"), i, vector)
		check_message(vector);
	assert_true(i > 10);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	vectors = vectors_load("group.json");
	group_id = (uint64_t)vectors_integer(vectors, "group_id");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	json_decref(vectors);
	people_clear(&people);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_group_people_are_those_of_the_tests),
		cmocka_unit_test(test_group_epochs_are_those_of_the_document),
		cmocka_unit_test(
		    test_group_key_letters_are_those_of_the_document),
		cmocka_unit_test(
		    test_group_farewells_are_those_of_the_document),
		cmocka_unit_test(test_group_leaves_are_those_of_the_document),
		cmocka_unit_test(
		    test_group_messages_are_those_of_the_document),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
