#include "tests/unit/unit.h"

#include <stdbool.h>
#include <string.h>

#include "failing_malloc.h"
#include "people.h"
#include "wire/identity.h"
#include "wire/limits.h"
#include "wire/signed.h"
#include "wire/unpack.h"

static struct people people;

/* The sender's statement with one thing changed, and signed. */
static enum status
verify_changed(const Peyk__V1__Identity *changed, const char *label,
    const struct signing_secret_key *key)
{
	struct identity identity;
	struct buf content, packed;
	enum status st;

	buf_init(&content, 100000);
	buf_init(&packed, 100000);
	assert_ok(wire_pack(&changed->base, &content));
	/* SignedIdentity has the layout of SignedMessage. */
	assert_ok(wire_signed_make(key, label, buf_bytes(&content),
	    &packed));
	st = identity_verify_bytes(buf_bytes(&packed),
	    &people.server.public_key, &identity);
	buf_clear(&packed);
	buf_clear(&content);
	return st;
}

static Peyk__V1__Identity
honest(void)
{
	Peyk__V1__Identity message = PEYK__V1__IDENTITY__INIT;
	const struct person *person = &people.sender;

	message.username = (char *)(uintptr_t)person->name;
	message.signing_key =
	    wire_field(BYTES_OF(person->signing.public_key.bytes));
	message.encryption_key =
	    wire_field(BYTES_OF(person->encryption.public_key.bytes));
	message.server_key = wire_field(BYTES_OF(people.server.public_key.bytes));
	message.created_at_ms = PEOPLE_NOW_MS;
	return message;
}

static void
test_identity_round_trip(void **state)
{
	struct identity identity;

	(void)state;
	assert_ok(identity_verify_bytes(buf_bytes(&people.sender.statement),
	    &people.server.public_key, &identity));
	assert_string_equal(identity.name, "client#2");
	assert_string_equal(identity.canonical_name, "client#2");
	assert_true(signing_public_key_equal(&identity.signing_key,
	    &people.sender.signing.public_key));
	assert_true(encryption_public_key_equal(&identity.encryption_key,
	    &people.sender.encryption.public_key));
	assert_true(signing_public_key_equal(&identity.server_key,
	    &people.server.public_key));
	assert_int_equal(identity.created_at_ms, PEOPLE_NOW_MS);
}

static void
test_identity_of_every_allowed_size(void **state)
{
	struct identity identity;
	struct buf packed, name;
	size_t i;

	(void)state;
	buf_init(&name, 1000);
	/* four bytes each in UTF-8, and three times that in canonical form */
	for (i = 0; i < NAME_CODE_POINTS_MAX; i++)
		assert_ok(buf_append(&name,
		    BYTES_LITERAL("\xf0\x90\x90\x80")));
	buf_init(&packed, WIRE_SIGNED_IDENTITY_MAX);
	assert_ok(identity_make(buf_bytes(&name), &people.sender.signing,
	    &people.sender.encryption.public_key, &people.server.public_key,
	    WIRE_TIME_MAX_MS, &packed));
	assert_ok(identity_verify_bytes(buf_bytes(&packed),
	    &people.server.public_key, &identity));
	assert_bytes(bytes_from_string(identity.name), buf_bytes(&name));
	buf_clear(&packed);
	buf_clear(&name);
}

static void
test_identity_make_refuses_what_is_not_allowed(void **state)
{
	struct buf packed;

	(void)state;
	buf_init(&packed, WIRE_SIGNED_IDENTITY_MAX);
	assert_status(identity_make(BYTES_LITERAL("@x"),
	    &people.sender.signing, &people.sender.encryption.public_key,
	    &people.server.public_key, PEOPLE_NOW_MS, &packed),
	    STATUS_INVALID);
	assert_status(identity_make(bytes_empty(), &people.sender.signing,
	    &people.sender.encryption.public_key, &people.server.public_key,
	    PEOPLE_NOW_MS, &packed), STATUS_INVALID);
	assert_status(identity_make(BYTES_LITERAL("x"),
	    &people.sender.signing, &people.sender.encryption.public_key,
	    &people.server.public_key, WIRE_TIME_MAX_MS + 1, &packed),
	    STATUS_INVALID);
	assert_int_equal(packed.size, 0);
	buf_clear(&packed);
}

static void
test_identity_verifies_each_field(void **state)
{
	static const uint8_t long_field[WIRE_IDENTITY_MAX];
	const struct signing_secret_key *key =
	    &people.sender.signing.secret_key;
	Peyk__V1__Identity message = honest();

	(void)state;
	assert_ok(verify_changed(&message, WIRE_LABEL_IDENTITY, key));
	assert_status(verify_changed(&message, WIRE_LABEL_MESSAGE, key),
	    STATUS_FORGED);
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY,
	    &people.recipient.signing.secret_key), STATUS_FORGED);
	message.username = (char *)(uintptr_t)"white space";
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY, key),
	    STATUS_INVALID);
	message = honest();
	message.username = (char *)(uintptr_t)"";
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY, key),
	    STATUS_INVALID);
	message = honest();
	message.signing_key.len = 31;
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY, key),
	    STATUS_INVALID);
	message = honest();
	message.signing_key =
	    wire_field(BYTES_OF(people.recipient.signing.public_key.bytes));
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY, key),
	    STATUS_FORGED);
	message = honest();
	message.encryption_key.len = 0;
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY, key),
	    STATUS_INVALID);
	message = honest();
	message.server_key =
	    wire_field(BYTES_OF(people.sender.signing.public_key.bytes));
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY, key),
	    STATUS_FORGED);
	message = honest();
	message.created_at_ms = UINT64_MAX;
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY, key),
	    STATUS_INVALID);
	message = honest();
	message.encryption_key = wire_field(BYTES_OF(long_field));
	assert_status(verify_changed(&message, WIRE_LABEL_IDENTITY, key),
	    STATUS_TOO_LARGE);
	assert_status(identity_verify(NULL, &people.server.public_key,
	    &(struct identity){0}), STATUS_INVALID);
}

static void
test_identity_never_survives_a_flipped_bit(void **state)
{
	struct buf *packed = &people.sender.statement;
	struct identity identity;
	enum status st;
	size_t i;

	(void)state;
	for (i = 0; i < packed->size * 8; i++) {
		packed->data[i / 8] ^= (uint8_t)(1 << i % 8);
		st = identity_verify_bytes(buf_bytes(packed),
		    &people.server.public_key, &identity);
		assert_true(st == STATUS_INVALID || st == STATUS_FORGED);
		packed->data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < packed->size; i++)
		assert_status(identity_verify_bytes(
		    bytes_make(packed->data, i), &people.server.public_key,
		    &identity), STATUS_INVALID);
}

static void
test_identity_is_named_in_any_spelling(void **state)
{
	struct identity identity;
	bool is_named = false;

	(void)state;
	assert_ok(identity_verify_bytes(buf_bytes(&people.sender.statement),
	    &people.server.public_key, &identity));
	assert_ok(identity_is_named(&identity, BYTES_LITERAL("CLIENT#2"),
	    &is_named));
	assert_true(is_named);
	assert_ok(identity_is_named(&identity, BYTES_LITERAL("client#3"),
	    &is_named));
	assert_false(is_named);
	assert_status(identity_is_named(&identity, BYTES_LITERAL(" "),
	    &is_named), STATUS_INVALID);
}

static void
test_identity_is_same_by_name_and_keys(void **state)
{
	struct identity a, b;

	(void)state;
	assert_ok(identity_verify_bytes(buf_bytes(&people.sender.statement),
	    &people.server.public_key, &a));
	b = a;
	b.created_at_ms++;
	strcpy(b.name, "Client#2");
	assert_true(identity_is_same(&a, &b));
	strcpy(b.canonical_name, "client#3");
	assert_false(identity_is_same(&a, &b));
	b = a;
	b.signing_key.bytes[31] ^= 1;
	assert_false(identity_is_same(&a, &b));
	b = a;
	b.encryption_key.bytes[0] ^= 1;
	assert_false(identity_is_same(&a, &b));
	b = a;
	b.server_key.bytes[0] ^= 1;
	assert_false(identity_is_same(&a, &b));
}

static void
test_identity_survives_every_failing_allocation(void **state)
{
	struct identity identity;
	struct buf packed;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		buf_init(&packed, WIRE_SIGNED_IDENTITY_MAX);
		failing_malloc_start(n);
		st = identity_make(BYTES_LITERAL("client#2"),
		    &people.sender.signing,
		    &people.sender.encryption.public_key,
		    &people.server.public_key, PEOPLE_NOW_MS, &packed);
		if (st == STATUS_OK)
			st = identity_verify_bytes(buf_bytes(&packed),
			    &people.server.public_key, &identity);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		buf_clear(&packed);
	}
	assert_ok(st);
	buf_clear(&packed);
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
		cmocka_unit_test(test_identity_round_trip),
		cmocka_unit_test(test_identity_of_every_allowed_size),
		cmocka_unit_test(
		    test_identity_make_refuses_what_is_not_allowed),
		cmocka_unit_test(test_identity_verifies_each_field),
		cmocka_unit_test(test_identity_never_survives_a_flipped_bit),
		cmocka_unit_test(test_identity_is_named_in_any_spelling),
		cmocka_unit_test(test_identity_is_same_by_name_and_keys),
		cmocka_unit_test(
		    test_identity_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
