#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "e2ee/direct.h"
#include "e2ee/safety_number.h"
#include "people.h"
#include "vector_file.h"

/* tests/vectors/e2ee.json: direct messages from fixed keys. */

static struct people people;

static json_t *
make_person(const struct person *person)
{
	json_t *object = json_object();
	struct signing_seed seed;

	vector_set_string(object, "username", person->name);
	signing_seed_of(&person->signing.secret_key, &seed);
	vector_set_hex(object, "signing_seed", BYTES_OF(seed.bytes));
	vector_set_hex(object, "encryption_secret_key",
	    BYTES_OF(person->encryption.secret_key.bytes));
	vector_set_hex(object, "signed_identity",
	    buf_bytes(&person->statement));
	return object;
}

static json_t *
make_message(const char *text, uint64_t counter,
    const struct sha256_digest *previous, struct sha256_digest *hash)
{
	const struct encryption_key_pair ephemeral =
	    people_encryption_key((uint8_t)(0xb0 + counter));
	struct e2ee_direct_draft draft = {
		.sender = buf_bytes(&people.sender.statement),
		.sender_key = &people.sender.signing.secret_key,
		.recipient_signing_key = &people.recipient.signing.public_key,
		.recipient_encryption_key =
		    &people.recipient.encryption.public_key,
		.sent_at_ms = PEOPLE_NOW_MS + counter,
		.counter = counter,
		.previous_hash = previous,
		.text = bytes_from_string(text),
	};
	json_t *object = json_object();
	struct buf ciphertext;

	memset(draft.id.bytes, (int)(0xc0 + counter), sizeof(draft.id));
	buf_init(&ciphertext, WIRE_CIPHERTEXT_MAX);
	assert_ok(e2ee_direct_seal_with(&draft, &ephemeral, &ciphertext,
	    hash));
	vector_set_string(object, "text", text);
	vector_set_hex(object, "message_id", BYTES_OF(draft.id.bytes));
	vector_set_integer(object, "sent_at_ms", draft.sent_at_ms);
	vector_set_integer(object, "counter", counter);
	vector_set_hex(object, "previous_hash", previous == NULL ?
	    bytes_empty() : BYTES_OF(previous->bytes));
	vector_set_hex(object, "ephemeral_secret_key",
	    BYTES_OF(ephemeral.secret_key.bytes));
	vector_set_hex(object, "content_hash", BYTES_OF(hash->bytes));
	vector_set_hex(object, "ciphertext", buf_bytes(&ciphertext));
	buf_clear(&ciphertext);
	return object;
}

/* A chain; each text a little longer, around the sizes that padding turns. */
static json_t *
make_messages(void)
{
	static const size_t lengths[] = { 1, 90, 210, 211, 212, 213, 214, 215,
		216, 217, 218, 219, 220, 339, 340, 341, 342, 343, 344, 345,
		346, 347, 348, 349, 1000 };
	struct sha256_digest hash, previous;
	json_t *list = json_array();
	char text[2048];
	uint64_t counter = 1;
	size_t i;

	json_array_append_new(list, make_message("salam mashti", counter,
	    NULL, &hash));
	previous = hash;
	json_array_append_new(list, make_message(
	    "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 \xd9\x85\xd8\xb4\xd8\xaa"
	    "\xdb\x8c\n\xf0\x9f\x91\x8b", ++counter, &previous, &hash));
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(text, 'a', lengths[i]);
		text[lengths[i]] = '\0';
		previous = hash;
		json_array_append_new(list, make_message(text, ++counter,
		    &previous, &hash));
	}
	return list;
}

static json_t *
make_safety_number(const struct person *a, const struct person *b)
{
	char text[E2EE_SAFETY_NUMBER_LENGTH + 1];
	struct identity first, second;
	json_t *object = json_object();

	assert_ok(identity_verify_bytes(buf_bytes(&a->statement),
	    &people.server.public_key, &first));
	assert_ok(identity_verify_bytes(buf_bytes(&b->statement),
	    &people.server.public_key, &second));
	assert_ok(e2ee_safety_number(&first, &second, text));
	vector_set_string(object, "one", a->name);
	vector_set_string(object, "other", b->name);
	vector_set_string(object, "number", text);
	return object;
}

static void
test_e2ee_makes_the_committed_vectors(void **state)
{
	json_t *root = json_object(), *persons = json_array(),
	    *numbers = json_array();

	(void)state;
	vector_set_string(root, "about", "What docs/protocol.md makes of "
	    "fixed keys: messages of the first person to the second; bytes "
	    "in hex. Made and checked by tests/unit/e2ee/test_vectors.c, and "
	    "checked by tests/unit/channel/check_vectors.py.");
	vector_set_hex(root, "server_identity_key",
	    BYTES_OF(people.server.public_key.bytes));
	json_array_append_new(persons, make_person(&people.sender));
	json_array_append_new(persons, make_person(&people.recipient));
	json_array_append_new(persons, make_person(&people.other));
	json_object_set_new(root, "people", persons);
	json_object_set_new(root, "messages", make_messages());
	json_array_append_new(numbers, make_safety_number(&people.sender,
	    &people.recipient));
	json_array_append_new(numbers, make_safety_number(&people.other,
	    &people.sender));
	json_object_set_new(root, "safety_numbers", numbers);
	vector_file_check_take("e2ee.json", root);
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
		cmocka_unit_test(test_e2ee_makes_the_committed_vectors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
