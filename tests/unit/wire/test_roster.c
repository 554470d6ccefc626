#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "crypto/hash.h"
#include "failing_malloc.h"
#include "gen/peyk/v1/group.pb-c.h"
#include "people.h"
#include "wire/limits.h"
#include "wire/roster.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define GROUP_ID ((uint64_t)7316214052834563920)

static struct people people;

static struct roster_member
member_of(const struct person *person)
{
	return (struct roster_member){
		.name = person->name,
		.signing_key = person->signing.public_key,
		.encryption_key = person->encryption.public_key,
	};
}

/* Of epoch 4, with all three people; the sender is the admin. */
static struct roster
honest(struct roster_member members[static 3])
{
	struct roster roster = {
		.group_id = GROUP_ID,
		.epoch = 4,
		.has_previous = true,
		.previous_hash = { { 1, 2, 3 } },
		.server_key = people.server.public_key,
		.name = "team",
		.admin_key = people.sender.signing.public_key,
		.members = members,
		.member_count = 3,
		.key_commitment = { { 4, 5, 6 } },
	};

	members[0] = member_of(&people.sender);
	members[1] = member_of(&people.recipient);
	members[2] = member_of(&people.other);
	roster_sort(members, 3);
	return roster;
}

static const struct signing_secret_key *
admin_secret(void)
{
	return &people.sender.signing.secret_key;
}

static void
make(struct buf *out, struct sha256_digest *hash)
{
	struct roster_member members[3];
	struct roster roster = honest(members);

	buf_init(out, WIRE_SIGNED_ROSTER_MAX);
	assert_ok(roster_make(&roster, admin_secret(), out, hash));
}

static enum status
open_and_clear(struct bytes from, const struct signing_public_key *signer)
{
	struct roster roster = {0};
	enum status st = roster_open(from, signer, &people.server.public_key,
	    &roster);

	if (st != STATUS_OK)
		assert_null(roster.message);
	roster_clear(&roster);
	return st;
}

static void
test_roster_round_trip(void **state)
{
	struct roster_member members[3];
	struct roster expected = honest(members), roster = {0};
	struct wire_signed frame = {0};
	struct sha256_digest hash, content_hash;
	struct buf packed;

	(void)state;
	make(&packed, &hash);
	assert_ok(wire_signed_parse(buf_bytes(&packed),
	    WIRE_SIGNED_ROSTER_MAX, &frame));
	assert_ok(hash_sha256(frame.content, &content_hash));
	wire_signed_clear(&frame);
	assert_true(sha256_digest_equal(&hash, &content_hash));

	assert_ok(roster_open(buf_bytes(&packed), NULL,
	    &people.server.public_key, &roster));
	buf_clear(&packed); /* the roster has copies */
	assert_true(roster.group_id == GROUP_ID);
	assert_int_equal(roster.epoch, 4);
	assert_true(roster.has_previous);
	assert_true(sha256_digest_equal(&roster.previous_hash,
	    &expected.previous_hash));
	assert_true(sha256_digest_equal(&roster.key_commitment,
	    &expected.key_commitment));
	assert_true(sha256_digest_equal(&roster.hash, &hash));
	assert_true(signing_public_key_equal(&roster.server_key,
	    &expected.server_key));
	assert_true(signing_public_key_equal(&roster.admin_key,
	    &expected.admin_key));
	assert_string_equal(roster.name, "team");
	assert_int_equal(roster.member_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(roster.members[i].name, members[i].name);
		assert_true(signing_public_key_equal(
		    &roster.members[i].signing_key,
		    &members[i].signing_key));
		assert_true(encryption_public_key_equal(
		    &roster.members[i].encryption_key,
		    &members[i].encryption_key));
	}
	roster_clear(&roster);
	roster_clear(&roster);
}

static void
test_roster_finds_members_by_key(void **state)
{
	struct roster_member members[3];
	struct roster roster = honest(members);

	(void)state;
	assert_string_equal(roster_find(&roster,
	    &people.sender.signing.public_key)->name, people.sender.name);
	assert_string_equal(roster_find(&roster,
	    &people.recipient.signing.public_key)->name,
	    people.recipient.name);
	assert_string_equal(roster_find(&roster,
	    &people.other.signing.public_key)->name, people.other.name);
	assert_null(roster_find(&roster, &people.server.public_key));
	roster.member_count = 0;
	assert_null(roster_find(&roster, &people.sender.signing.public_key));
}

/* Whose signature counts: the one that is asked for, or the admin's own. */
static void
test_roster_needs_the_right_signature(void **state)
{
	struct roster_member members[3];
	struct roster roster = honest(members);
	const struct signing_public_key *sender =
	    &people.sender.signing.public_key;
	const struct signing_public_key *recipient =
	    &people.recipient.signing.public_key;
	struct sha256_digest hash;
	struct buf packed;

	(void)state;
	make(&packed, &hash);
	assert_ok(open_and_clear(buf_bytes(&packed), NULL));
	assert_ok(open_and_clear(buf_bytes(&packed), sender));
	assert_status(open_and_clear(buf_bytes(&packed), recipient),
	    STATUS_FORGED);
	assert_status(roster_open(buf_bytes(&packed), NULL, sender, &roster),
	    STATUS_FORGED); /* another server */
	buf_reset(&packed);
	/* Handed over: the recipient signs that the sender is the admin. */
	assert_ok(roster_make(&roster, &people.recipient.signing.secret_key,
	    &packed, &hash));
	assert_status(open_and_clear(buf_bytes(&packed), NULL),
	    STATUS_FORGED);
	assert_ok(open_and_clear(buf_bytes(&packed), recipient));
	/* Verified before, whoever signed it; of this server still. */
	assert_status(roster_reopen(buf_bytes(&packed), sender, &roster),
	    STATUS_FORGED);
	assert_ok(roster_reopen(buf_bytes(&packed),
	    &people.server.public_key, &roster));
	assert_true(sha256_digest_equal(&roster.hash, &hash));
	roster_clear(&roster);
	buf_clear(&packed);
}

static void
test_roster_signed_for_another_purpose_is_forged(void **state)
{
	struct wire_signed frame = {0};
	struct sha256_digest hash;
	struct buf packed, other;

	(void)state;
	make(&packed, &hash);
	assert_ok(wire_signed_parse(buf_bytes(&packed),
	    WIRE_SIGNED_ROSTER_MAX, &frame));
	buf_init(&other, WIRE_SIGNED_ROSTER_MAX);
	assert_ok(wire_signed_make(admin_secret(), WIRE_LABEL_GROUP_MESSAGE,
	    frame.content, &other));
	assert_status(open_and_clear(buf_bytes(&other), NULL), STATUS_FORGED);
	buf_clear(&other);
	buf_clear(&packed);
	wire_signed_clear(&frame);
}

static void
test_roster_make_keeps_the_rules(void **state)
{
	struct roster_member members[3], first;
	struct roster roster = honest(members);
	struct sha256_digest hash;
	struct buf packed;
	static const char *const bad_names[] = { "", "@team", " team",
		"team ", "te\nam", "te\x7f" "am", "te\xc2\x85" "am",
		"te\xe2\x80\xa8" "am", "te\xff" "am" };
	size_t i;

	(void)state;
	buf_init(&packed, WIRE_SIGNED_ROSTER_MAX);
#define assert_refused() \
	do { \
		assert_status(roster_make(&roster, admin_secret(), &packed, \
		    &hash), STATUS_INVALID); \
		assert_int_equal(packed.size, 0); \
		roster = honest(members); \
	} while (0)
	for (i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
		roster.name = bad_names[i];
		assert_refused();
	}
	roster.group_id = 0;
	assert_refused();
	roster.group_id = WIRE_NUMBER_MAX + 1;
	assert_refused();
	roster.epoch = 0;
	assert_refused();
	roster.epoch = 1;
	assert_refused(); /* there is nothing before the first */
	roster.has_previous = false;
	assert_refused(); /* and something before the fourth */
	roster.member_count = 0;
	assert_refused();
	roster.admin_key = people.server.public_key;
	assert_refused();
	members[2].name = members[1].name;
	assert_refused();
	members[0].name = "Client";
	members[1].name = "cLIENT";
	assert_refused();
	members[1].name = "white space";
	assert_refused();
	members[1].name = "";
	assert_refused();
	members[2] = members[1];
	assert_refused();
	first = members[0];
	members[0] = members[1];
	members[1] = first;
	assert_refused();
#undef assert_refused
	roster.epoch = 1;
	roster.has_previous = false;
	assert_ok(roster_make(&roster, admin_secret(), &packed, &hash));
	assert_ok(open_and_clear(buf_bytes(&packed), NULL));
	buf_clear(&packed);
}

/* What only others would make. */

struct foreign {
	Peyk__V1__Roster message;
	Peyk__V1__RosterMember members[WIRE_GROUP_MEMBERS_MAX + 1];
	Peyk__V1__RosterMember *pointers[WIRE_GROUP_MEMBERS_MAX + 1];
	uint8_t keys[WIRE_GROUP_MEMBERS_MAX + 1][32];
	char names[WIRE_GROUP_MEMBERS_MAX + 1][NAME_SIZE_MAX + 1];
};

/* Members that are numbered; the first is the sender. */
static struct foreign *
foreign_new(size_t count)
{
	struct foreign *foreign = calloc(1, sizeof(*foreign));
	static const uint8_t hash[32];

	assert_non_null(foreign);
	peyk__v1__roster__init(&foreign->message);
	for (size_t i = 0; i < count; i++) {
		Peyk__V1__RosterMember *member = &foreign->members[i];

		peyk__v1__roster_member__init(member);
		memset(foreign->keys[i], 0xff, sizeof(foreign->keys[i]));
		bytes_put_u64be(foreign->keys[i] + 1, i);
		if (i == 0)
			memcpy(foreign->keys[i],
			    people.sender.signing.public_key.bytes, 32);
		(void)snprintf(foreign->names[i], sizeof(foreign->names[i]),
		    "client#%zu", i);
		member->username = foreign->names[i];
		member->signing_key = wire_field(BYTES_OF(foreign->keys[i]));
		member->encryption_key =
		    wire_field(BYTES_OF(foreign->keys[i]));
		foreign->pointers[i] = member;
	}
	foreign->message.group_id = GROUP_ID;
	foreign->message.epoch = 2;
	foreign->message.previous_hash = wire_field(BYTES_OF(hash));
	foreign->message.server_key =
	    wire_field(BYTES_OF(people.server.public_key.bytes));
	foreign->message.name = (char *)(uintptr_t)"team";
	foreign->message.admin_key = wire_field(
	    BYTES_OF(people.sender.signing.public_key.bytes));
	foreign->message.key_commitment = wire_field(BYTES_OF(hash));
	foreign->message.members = foreign->pointers;
	foreign->message.n_members = count;
	return foreign;
}

static enum status
foreign_open(const struct foreign *foreign)
{
	struct buf content, packed;
	enum status st;

	buf_init(&content, WIRE_BODY_MAX);
	buf_init(&packed, WIRE_BODY_MAX);
	assert_ok(wire_pack(&foreign->message.base, &content));
	assert_ok(wire_signed_make(admin_secret(), WIRE_LABEL_ROSTER,
	    buf_bytes(&content), &packed));
	st = open_and_clear(buf_bytes(&packed), NULL);
	buf_clear(&packed);
	buf_clear(&content);
	return st;
}

static void
test_roster_open_keeps_the_rules(void **state)
{
	struct foreign *foreign = foreign_new(4);
	const Peyk__V1__Roster good = foreign->message;
	Peyk__V1__Roster *message = &foreign->message;

	(void)state;
	assert_ok(foreign_open(foreign));
#define assert_refused() \
	do { \
		assert_status(foreign_open(foreign), STATUS_INVALID); \
		*message = good; \
	} while (0)
	message->group_id = 0;
	assert_refused();
	message->group_id = UINT64_MAX;
	assert_refused();
	message->epoch = 0;
	assert_refused();
	message->epoch = 1;
	assert_refused();
	message->previous_hash.len = 0;
	assert_refused();
	message->previous_hash.len = 31;
	assert_refused();
	message->server_key.len = 31;
	assert_refused();
	message->name = (char *)(uintptr_t)"";
	assert_refused();
	message->admin_key.len = 0;
	assert_refused();
	message->key_commitment.len = 0;
	assert_refused();
	message->n_members = 0;
	assert_refused();
	foreign->members[1].signing_key.len = 33;
	assert_refused();
	foreign->members[1].signing_key.len = 32;
	foreign->members[1].encryption_key.len = 0;
	assert_refused();
	foreign->members[1].encryption_key.len = 32;
	foreign->members[1].username = (char *)(uintptr_t)"Client#2";
	assert_refused();
	foreign->members[1].username = foreign->names[1];
	foreign->pointers[1] = &foreign->members[2];
	foreign->pointers[2] = &foreign->members[1];
	assert_refused();
	foreign->pointers[1] = &foreign->members[1];
	assert_refused(); /* the same one twice */
	foreign->pointers[2] = &foreign->members[2];
	message->members = foreign->pointers + 1; /* without the admin */
	message->n_members = 3;
	assert_refused();
#undef assert_refused
	assert_ok(foreign_open(foreign));
	free(foreign);
}

static void
test_roster_of_every_allowed_size(void **state)
{
	struct foreign *foreign = foreign_new(WIRE_GROUP_MEMBERS_MAX + 1);
	char name[WIRE_GROUP_NAME_MAX + 1] = "", *large;

	(void)state;
	assert_status(foreign_open(foreign), STATUS_INVALID);
	foreign->message.n_members = WIRE_GROUP_MEMBERS_MAX;
	assert_ok(foreign_open(foreign));
	/* Names of 64 code points of 4 bytes: U+10400 and those after it. */
	for (size_t i = 0; i < WIRE_GROUP_MEMBERS_MAX; i++) {
		size_t digits = i;

		for (size_t at = 0; at < NAME_SIZE_MAX; at += 4) {
			memcpy(foreign->names[i] + at, "\xf0\x90\x90\xa8", 4);
			foreign->names[i][at + 3] =
			    (char)(0xa8 + digits % 10);
			digits /= 10;
		}
	}
	for (size_t at = 0; at < WIRE_GROUP_NAME_MAX; at += 4)
		memcpy(name + at, "\xf0\x90\x90\x80", 4);
	foreign->message.name = name;
	assert_ok(foreign_open(foreign));
	large = calloc(1, WIRE_ROSTER_MAX + 1);
	assert_non_null(large);
	memset(large, 'x', WIRE_ROSTER_MAX);
	foreign->message.name = large;
	assert_status(foreign_open(foreign), STATUS_TOO_LARGE);
	free(large);
	free(foreign);
}

static void
test_roster_never_survives_a_flipped_bit(void **state)
{
	struct sha256_digest hash;
	struct buf packed;
	enum status st;
	size_t i;

	(void)state;
	make(&packed, &hash);
	for (i = 0; i < packed.size * 8; i++) {
		packed.data[i / 8] ^= (uint8_t)(1 << i % 8);
		st = open_and_clear(buf_bytes(&packed), NULL);
		assert_true(st == STATUS_INVALID || st == STATUS_FORGED);
		packed.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < packed.size; i++)
		assert_status(open_and_clear(bytes_make(packed.data, i),
		    NULL), STATUS_INVALID);
	buf_clear(&packed);
}

static void
test_roster_survives_every_failing_allocation(void **state)
{
	struct roster_member members[3];
	struct roster roster = honest(members), opened = {0};
	struct sha256_digest hash;
	struct buf packed;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		buf_init(&packed, WIRE_SIGNED_ROSTER_MAX);
		failing_malloc_start(n);
		st = roster_make(&roster, admin_secret(), &packed, &hash);
		if (st == STATUS_OK)
			st = roster_open(buf_bytes(&packed), NULL,
			    &people.server.public_key, &opened);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		assert_null(opened.message);
		buf_clear(&packed);
	}
	assert_ok(st);
	roster_clear(&opened);
	buf_clear(&packed);
}

static void
test_group_names(void **state)
{
	char longest[4 * (WIRE_GROUP_NAME_LENGTH + 1) + 1] = "";

	(void)state;
	assert_true(roster_name_is_valid(BYTES_LITERAL("t")));
	assert_true(roster_name_is_valid(BYTES_LITERAL("the team")));
	assert_true(roster_name_is_valid(BYTES_LITERAL("team@home")));
	/* Persian with a joiner, and characters next to what is refused */
	assert_true(roster_name_is_valid(BYTES_LITERAL(
	    "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xb1")));
	assert_true(roster_name_is_valid(BYTES_LITERAL("\xc2\xa0")));
	assert_true(roster_name_is_valid(BYTES_LITERAL("\xe2\x80\xa7")));
	assert_true(roster_name_is_valid(BYTES_LITERAL("\xe2\x81\xa8")));
	assert_true(roster_name_is_valid(BYTES_LITERAL("\xe3\x80\xa8")));
	assert_false(roster_name_is_valid(bytes_empty()));
	assert_false(roster_name_is_valid(BYTES_LITERAL("a\0b")));
	assert_false(roster_name_is_valid(BYTES_LITERAL("\xc2\x9f")));
	assert_false(roster_name_is_valid(BYTES_LITERAL("a\xe2\x80\xa9")));
	assert_false(roster_name_is_valid(BYTES_LITERAL("a\xe2\x80")));
	assert_false(roster_name_is_valid(BYTES_LITERAL("\xc2")));
	for (size_t i = 0; i < WIRE_GROUP_NAME_LENGTH; i++)
		memcpy(longest + 4 * i, "\xf0\x90\x90\x80", 4);
	assert_true(roster_name_is_valid(bytes_from_string(longest)));
	memset(longest, 'x', WIRE_GROUP_NAME_LENGTH);
	longest[WIRE_GROUP_NAME_LENGTH] = '\0';
	assert_true(roster_name_is_valid(bytes_from_string(longest)));
	longest[WIRE_GROUP_NAME_LENGTH] = 'x';
	longest[WIRE_GROUP_NAME_LENGTH + 1] = '\0';
	assert_false(roster_name_is_valid(bytes_from_string(longest)));
}

/* ---- Leaves ---- */

static struct leave
honest_leave(void)
{
	return (struct leave){
		.group_id = GROUP_ID,
		.epoch = 4,
		.roster_hash = { { 7, 8, 9 } },
		.member_key = people.sender.signing.public_key,
	};
}

static void
test_leave_round_trip(void **state)
{
	struct leave leave = honest_leave(), opened = {0};
	struct buf packed;

	(void)state;
	buf_init(&packed, WIRE_SIGNED_LEAVE_MAX);
	assert_ok(leave_make(&leave, admin_secret(), &packed));
	assert_ok(leave_open(buf_bytes(&packed), &opened));
	assert_true(opened.group_id == GROUP_ID);
	assert_int_equal(opened.epoch, 4);
	assert_true(sha256_digest_equal(&opened.roster_hash,
	    &leave.roster_hash));
	assert_true(signing_public_key_equal(&opened.member_key,
	    &leave.member_key));
	/* The longest one fits. */
	buf_reset(&packed);
	leave.group_id = WIRE_NUMBER_MAX;
	leave.epoch = UINT32_MAX;
	assert_ok(leave_make(&leave, admin_secret(), &packed));
	assert_ok(leave_open(buf_bytes(&packed), &opened));
	buf_clear(&packed);
}

static void
test_leave_refuses_what_is_not_allowed(void **state)
{
	struct leave leave = honest_leave(), opened = {0};
	uint8_t large[WIRE_SIGNED_LEAVE_MAX + 1] = {0};
	struct buf packed;
	enum status st;

	(void)state;
	buf_init(&packed, WIRE_SIGNED_LEAVE_MAX);
	leave.group_id = 0;
	assert_status(leave_make(&leave, admin_secret(), &packed),
	    STATUS_INVALID);
	leave.group_id = WIRE_NUMBER_MAX + 1;
	assert_status(leave_make(&leave, admin_secret(), &packed),
	    STATUS_INVALID);
	leave = honest_leave();
	leave.epoch = 0;
	assert_status(leave_make(&leave, admin_secret(), &packed),
	    STATUS_INVALID);
	assert_int_equal(packed.size, 0);
	leave = honest_leave();
	leave.member_key = people.recipient.signing.public_key;
	assert_ok(leave_make(&leave, admin_secret(), &packed));
	assert_status(leave_open(buf_bytes(&packed), &opened), STATUS_FORGED);
	assert_status(leave_open(BYTES_OF(large), &opened),
	    STATUS_TOO_LARGE);
	buf_reset(&packed);
	leave = honest_leave();
	assert_ok(leave_make(&leave, admin_secret(), &packed));
	for (size_t i = 0; i < packed.size * 8; i++) {
		packed.data[i / 8] ^= (uint8_t)(1 << i % 8);
		st = leave_open(buf_bytes(&packed), &opened);
		assert_true(st == STATUS_INVALID || st == STATUS_FORGED);
		packed.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < packed.size; i++)
		assert_status(leave_open(bytes_make(packed.data, i), &opened),
		    STATUS_INVALID);
	buf_clear(&packed);
}

static void
test_leave_survives_every_failing_allocation(void **state)
{
	struct leave leave = honest_leave(), opened;
	struct buf packed;
	enum status st;
	size_t n;

	(void)state;
	for (n = 0;; n++) {
		buf_init(&packed, WIRE_SIGNED_LEAVE_MAX);
		failing_malloc_start(n);
		st = leave_make(&leave, admin_secret(), &packed);
		if (st == STATUS_OK)
			st = leave_open(buf_bytes(&packed), &opened);
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
		cmocka_unit_test(test_roster_round_trip),
		cmocka_unit_test(test_roster_finds_members_by_key),
		cmocka_unit_test(test_roster_needs_the_right_signature),
		cmocka_unit_test(
		    test_roster_signed_for_another_purpose_is_forged),
		cmocka_unit_test(test_roster_make_keeps_the_rules),
		cmocka_unit_test(test_roster_open_keeps_the_rules),
		cmocka_unit_test(test_roster_of_every_allowed_size),
		cmocka_unit_test(test_roster_never_survives_a_flipped_bit),
		cmocka_unit_test(
		    test_roster_survives_every_failing_allocation),
		cmocka_unit_test(test_group_names),
		cmocka_unit_test(test_leave_round_trip),
		cmocka_unit_test(test_leave_refuses_what_is_not_allowed),
		cmocka_unit_test(
		    test_leave_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
