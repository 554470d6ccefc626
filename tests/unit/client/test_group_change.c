#include "tests/unit/client/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/group_change.h"
#include "crypto/hash.h"
#include "e2ee/direct.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

#define GROUP_ID ((uint64_t)7316214052834563920)
#define NOW_MS ((uint64_t)1767225600000)

/* The admin, and three others. */
#define OTHERS 3

struct other {
	struct signing_key_pair signing;
	struct encryption_key_pair encryption;
	char name[16];
};

static const struct password_cost cheap = {
    .passes = VAULT_PASSES_MIN,
    .memory_size = VAULT_MEMORY_MIN,
};
static const struct signing_public_key server = {.bytes = {7, 8, 9}};
static const struct sha256_digest before = {.bytes = {1, 2, 3}};
static const struct e2ee_group_share share = {.bytes = {4, 5, 6}};
static struct vault *vault;
static struct other others[OTHERS];

static struct roster_member
member_of(const struct other *other)
{
	return (struct roster_member){
	    .name = other->name,
	    .signing_key = other->signing.public_key,
	    .encryption_key = other->encryption.public_key,
	};
}

static struct roster_member
own_member(void)
{
	return (struct roster_member){
	    .name = vault_name(vault),
	    .signing_key = vault_signing(vault)->public_key,
	    .encryption_key = vault_encryption(vault)->public_key,
	};
}

/* A group of the admin and the first `count` others. */
static struct group_change_base
base_of(struct roster_member *members, size_t count, uint32_t epoch)
{
	members[0] = own_member();
	for (size_t i = 0; i < count; i++)
		members[i + 1] = member_of(&others[i]);
	return (struct group_change_base){
	    .group_id = GROUP_ID,
	    .epoch = epoch,
	    .previous_hash = epoch > 0 ? &before : NULL,
	    .name = "team",
	    .members = members,
	    .member_count = count + 1,
	    .server_share = &share,
	};
}

static void
make(const struct group_change_base *base, const struct group_change *change,
    struct group_change_result *out)
{
	assert_ok(group_change_make(vault, base, change, NOW_MS, out));
	assert_true(out->group_id == GROUP_ID);
	assert_int_equal(out->epoch, base->epoch + 1);
}

static void
open_roster(const struct group_change_result *made, struct roster *out)
{
	assert_ok(roster_open(buf_bytes(&made->roster),
	    &vault_signing(vault)->public_key, &server, out));
	assert_true(out->group_id == GROUP_ID);
	assert_int_equal(out->epoch, made->epoch);
	assert_true(sha256_digest_equal(&out->hash, &made->roster_hash));
}

/* The letter for one of the others; NULL: there is none. */
static const Peyk__V1__GroupLetter *
letter_for(Peyk__V1__GroupLetter *const *letters, size_t count,
    const struct other *other)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(wire_bytes(letters[i]->member_key),
			BYTES_OF(other->signing.public_key.bytes)))
			return letters[i];
	return NULL;
}

static void
open_letter(const Peyk__V1__GroupLetter *letter, const struct other *other,
    struct e2ee_direct *out)
{
	assert_non_null(letter);
	assert_ok(e2ee_direct_open(wire_bytes(letter->ciphertext),
	    &other->encryption, &other->signing.public_key, &server, out));
	assert_true(signing_public_key_equal(
	    &out->sender.signing_key, &vault_signing(vault)->public_key));
	assert_true(out->sent_at_ms == NOW_MS);
	assert_true(out->counter == 0);
}

/* It holds the key of the update's epoch, as its roster says. */
static void
assert_key(const Peyk__V1__GroupLetter *letter, const struct other *other,
    const struct roster *roster)
{
	struct e2ee_group_secret secret;
	struct sha256_digest commitment;
	struct e2ee_direct direct = {0};

	open_letter(letter, other, &direct);
	assert_int_equal(direct.kind, E2EE_DIRECT_KIND_GROUP_KEY);
	assert_true(direct.group_key.group_id == GROUP_ID);
	assert_int_equal(direct.group_key.epoch, roster->epoch);
	assert_true(
	    sha256_digest_equal(&direct.group_key.roster_hash, &roster->hash));
	assert_memory_equal(
	    &direct.group_key.server_share, &share, sizeof(share));
	assert_ok(e2ee_group_secret_make(&direct.group_key.server_share,
	    &direct.group_key.admin_secret, &secret));
	assert_ok(e2ee_group_commitment(
	    &secret, GROUP_ID, roster->epoch, &commitment));
	assert_true(sha256_digest_equal(&commitment, &roster->key_commitment));
	e2ee_direct_clear(&direct);
}

static void
assert_farewell(const Peyk__V1__GroupLetter *letter, const struct other *other,
    uint32_t epoch, bool is_deleted)
{
	struct e2ee_direct direct = {0};

	open_letter(letter, other, &direct);
	assert_int_equal(direct.kind, E2EE_DIRECT_KIND_GROUP_FAREWELL);
	assert_true(direct.group_farewell.group_id == GROUP_ID);
	assert_int_equal(direct.group_farewell.epoch, epoch);
	assert_int_equal(direct.group_farewell.is_deleted, is_deleted);
	e2ee_direct_clear(&direct);
}

static void
assert_update(const Peyk__V1__KeyUpdate *update,
    const struct group_change_result *made, size_t letters)
{
	struct sha256_digest hash;
	struct buf packed;

	assert_non_null(update);
	assert_true(update->group_id == GROUP_ID);
	assert_int_equal(update->epoch, made->epoch);
	assert_ok(hash_sha256(BYTES_OF(share.bytes), &hash));
	assert_bytes(wire_bytes(update->share_hash), BYTES_OF(hash.bytes));
	buf_init(&packed, WIRE_SIGNED_ROSTER_MAX);
	assert_ok(wire_pack(&update->roster->base, &packed));
	assert_bytes(buf_bytes(&packed), buf_bytes(&made->roster));
	buf_clear(&packed);
	assert_int_equal(update->n_letters, letters);
}

static void
test_group_change_makes_the_first_key(void **state)
{
	const struct group_change change = {.kind = GROUP_CHANGE_ROTATE};
	struct roster_member members[OTHERS + 1];
	struct group_change_base base = base_of(members, OTHERS, 0);
	struct group_change_result made = {0};
	Peyk__V1__RotateGroupKeyRequest *request = NULL;
	struct roster roster = {0};

	(void)state;
	/* Nobody would follow an admin who goes by another name. */
	members[0].name = "mallory";
	members[0].encryption_key = others[0].encryption.public_key;
	make(&base, &change, &made);
	assert_ptr_equal(made.method, &messenger_rotate_group_key_sealed);
	open_roster(&made, &roster);
	assert_string_equal(
	    roster_find(&roster, &roster.admin_key)->name, vault_name(vault));
	assert_memory_equal(
	    &roster_find(&roster, &roster.admin_key)->encryption_key,
	    &vault_encryption(vault)->public_key,
	    sizeof(members[0].encryption_key));
	assert_false(roster.has_previous);
	assert_string_equal(roster.name, "team");
	assert_true(signing_public_key_equal(
	    &roster.admin_key, &vault_signing(vault)->public_key));
	assert_int_equal(roster.member_count, OTHERS + 1);
	assert_ok(wire_unpack(&peyk__v1__rotate_group_key_request__descriptor,
	    buf_bytes(&made.body), WIRE_BODY_MAX, &request));
	assert_update(request->update, &made, OTHERS);
	for (size_t i = 0; i < OTHERS; i++)
		assert_key(letter_for(request->update->letters,
			       request->update->n_letters, &others[i]),
		    &others[i], &roster);
	wire_free(request);
	roster_clear(&roster);
	group_change_result_clear(&made);
	group_change_result_clear(&made);
}

static void
test_group_change_adds(void **state)
{
	struct roster_member coming[] = {member_of(&others[2])};
	const struct group_change change = {
	    .kind = GROUP_CHANGE_ADD,
	    .members = coming,
	    .member_count = 1,
	};
	struct roster_member members[OTHERS + 1];
	struct group_change_base base = base_of(members, 2, 4);
	struct group_change_result made = {0};
	Peyk__V1__AddMemberRequest *request = NULL;
	struct roster roster = {0};

	(void)state;
	make(&base, &change, &made);
	assert_ptr_equal(made.method, &messenger_add_member_sealed);
	open_roster(&made, &roster);
	assert_true(sha256_digest_equal(&roster.previous_hash, &before));
	assert_int_equal(roster.member_count, 4);
	assert_non_null(roster_find(&roster, &coming[0].signing_key));
	assert_ok(wire_unpack(&peyk__v1__add_member_request__descriptor,
	    buf_bytes(&made.body), WIRE_BODY_MAX, &request));
	assert_int_equal(request->n_member_keys, 1);
	assert_bytes(wire_bytes(request->member_keys[0]),
	    BYTES_OF(coming[0].signing_key.bytes));
	assert_update(request->update, &made, 3);
	assert_key(letter_for(request->update->letters,
		       request->update->n_letters, &others[2]),
	    &others[2], &roster);
	wire_free(request);
	roster_clear(&roster);
	group_change_result_clear(&made);
}

static void
test_group_change_removes(void **state)
{
	struct roster_member going[] = {member_of(&others[0])};
	const struct group_change change = {
	    .kind = GROUP_CHANGE_REMOVE,
	    .members = going,
	    .member_count = 1,
	};
	struct roster_member members[OTHERS + 1];
	struct group_change_base base = base_of(members, OTHERS, 4);
	struct group_change_result made = {0};
	Peyk__V1__RemoveMemberRequest *request = NULL;
	struct roster roster = {0};

	(void)state;
	make(&base, &change, &made);
	assert_ptr_equal(made.method, &messenger_remove_member_sealed);
	open_roster(&made, &roster);
	assert_int_equal(roster.member_count, 3);
	assert_null(roster_find(&roster, &going[0].signing_key));
	assert_ok(wire_unpack(&peyk__v1__remove_member_request__descriptor,
	    buf_bytes(&made.body), WIRE_BODY_MAX, &request));
	assert_int_equal(request->n_member_keys, 1);
	assert_bytes(wire_bytes(request->member_keys[0]),
	    BYTES_OF(going[0].signing_key.bytes));
	assert_update(request->update, &made, 3);
	assert_farewell(letter_for(request->update->letters,
			    request->update->n_letters, &others[0]),
	    &others[0], 5, false);
	for (size_t i = 1; i < OTHERS; i++)
		assert_key(letter_for(request->update->letters,
			       request->update->n_letters, &others[i]),
		    &others[i], &roster);
	wire_free(request);
	request = NULL;
	roster_clear(&roster);
	group_change_result_clear(&made);
	/* Before the first key nobody has heard of the group. */
	base = base_of(members, OTHERS, 0);
	make(&base, &change, &made);
	assert_ok(wire_unpack(&peyk__v1__remove_member_request__descriptor,
	    buf_bytes(&made.body), WIRE_BODY_MAX, &request));
	assert_update(request->update, &made, 2);
	assert_null(letter_for(
	    request->update->letters, request->update->n_letters, &others[0]));
	wire_free(request);
	group_change_result_clear(&made);
}

static void
test_group_change_renames_and_hands_over(void **state)
{
	struct roster_member heir[] = {member_of(&others[1])};
	const struct group_change rename = {
	    .kind = GROUP_CHANGE_RENAME,
	    .name = "crew",
	};
	const struct group_change hand_over = {
	    .kind = GROUP_CHANGE_HAND_OVER,
	    .members = heir,
	    .member_count = 1,
	};
	struct roster_member members[OTHERS + 1];
	struct group_change_base base = base_of(members, OTHERS, 4);
	struct group_change_result made = {0};
	struct roster roster = {0};

	(void)state;
	make(&base, &rename, &made);
	assert_ptr_equal(made.method, &messenger_update_group_sealed);
	open_roster(&made, &roster);
	assert_string_equal(roster.name, "crew");
	assert_int_equal(roster.member_count, OTHERS + 1);
	roster_clear(&roster);
	group_change_result_clear(&made);

	make(&base, &hand_over, &made);
	assert_ptr_equal(made.method, &messenger_update_group_sealed);
	open_roster(&made, &roster);
	assert_string_equal(roster.name, "team");
	assert_true(
	    signing_public_key_equal(&roster.admin_key, &heir[0].signing_key));
	assert_int_equal(roster.member_count, OTHERS + 1);
	roster_clear(&roster);
	group_change_result_clear(&made);
}

/* Each update has a key of its own, although the server's share stays. */
static void
test_group_change_never_makes_a_key_twice(void **state)
{
	const struct group_change change = {.kind = GROUP_CHANGE_ROTATE};
	struct roster_member members[OTHERS + 1];
	struct group_change_base base = base_of(members, OTHERS, 4);
	struct group_change_result one = {0}, two = {0};

	(void)state;
	make(&base, &change, &one);
	make(&base, &change, &two);
	assert_memory_not_equal(
	    &one.admin_secret, &two.admin_secret, sizeof(one.admin_secret));
	assert_memory_equal(
	    &one.server_share, &two.server_share, sizeof(share));
	assert_false(sha256_digest_equal(&one.roster_hash, &two.roster_hash));
	group_change_result_clear(&one);
	group_change_result_clear(&two);
}

/* What the server never sees stands nowhere in the request. */
static void
test_group_change_tells_the_server_no_secret(void **state)
{
	const struct group_change change = {.kind = GROUP_CHANGE_ROTATE};
	struct roster_member members[OTHERS + 1];
	struct group_change_base base = base_of(members, OTHERS, 4);
	struct group_change_result made = {0};

	(void)state;
	make(&base, &change, &made);
	assert_null(memmem(made.body.data, made.body.size,
	    made.admin_secret.bytes, sizeof(made.admin_secret.bytes)));
	assert_null(memmem(
	    made.body.data, made.body.size, share.bytes, sizeof(share.bytes)));
	group_change_result_clear(&made);
}

static void
test_group_change_refuses_a_name_twice(void **state)
{
	struct other twin = others[2];
	struct roster_member coming[] = {member_of(&twin)};
	const struct group_change change = {
	    .kind = GROUP_CHANGE_ADD,
	    .members = coming,
	    .member_count = 1,
	};
	struct roster_member members[OTHERS + 1];
	struct group_change_base base = base_of(members, 2, 4);
	struct group_change_result made = {0};

	(void)state;
	(void)snprintf(twin.name, sizeof(twin.name), "OTHER#0");
	assert_status(group_change_make(vault, &base, &change, NOW_MS, &made),
	    STATUS_INVALID);
	assert_null(made.body.data);
	base.epoch = UINT32_MAX;
	(void)snprintf(twin.name, sizeof(twin.name), "twin");
	assert_status(group_change_make(vault, &base, &change, NOW_MS, &made),
	    STATUS_INVALID);
}

static void
test_group_change_says_farewell(void **state)
{
	struct roster_member members[OTHERS + 1];
	struct group_change_base base = base_of(members, OTHERS, 4);
	Peyk__V1__DeleteGroupRequest *request = NULL;
	struct buf body;

	(void)state;
	buf_init(&body, WIRE_BODY_MAX);
	assert_ok(group_change_farewells(vault, &base, NOW_MS, &body));
	assert_ok(wire_unpack(&peyk__v1__delete_group_request__descriptor,
	    buf_bytes(&body), WIRE_BODY_MAX, &request));
	assert_true(request->group_id == GROUP_ID);
	assert_int_equal(request->epoch, 4);
	assert_int_equal(request->n_letters, OTHERS);
	for (size_t i = 0; i < OTHERS; i++)
		assert_farewell(letter_for(request->letters, request->n_letters,
				    &others[i]),
		    &others[i], 4, true);
	wire_free(request);
	request = NULL;
	buf_reset(&body);
	/* Nobody knows of it yet. */
	base = base_of(members, OTHERS, 0);
	assert_ok(group_change_farewells(vault, &base, NOW_MS, &body));
	assert_ok(wire_unpack(&peyk__v1__delete_group_request__descriptor,
	    buf_bytes(&body), WIRE_BODY_MAX, &request));
	assert_int_equal(request->n_letters, 0);
	wire_free(request);
	buf_clear(&body);
}

/* The largest group fits into one request. */
static void
test_group_change_of_the_largest_group(void **state)
{
	const struct group_change change = {.kind = GROUP_CHANGE_ROTATE};
	struct roster_member *members =
	    calloc(WIRE_GROUP_MEMBERS_MAX, sizeof(*members));
	char(*names)[NAME_SIZE_MAX + 1] =
	    calloc(WIRE_GROUP_MEMBERS_MAX, sizeof(*names));
	struct group_change_base base = base_of(members, 0, 4);
	struct group_change_result made = {0};
	struct encryption_key_pair encryption;
	struct signing_key_pair signing;
	struct roster roster = {0};

	(void)state;
	assert_non_null(names);
	for (size_t i = 1; i < WIRE_GROUP_MEMBERS_MAX; i++) {
		assert_ok(signing_key_pair_generate(&signing));
		assert_ok(encryption_key_pair_generate(&encryption));
		(void)snprintf(names[i], sizeof(names[i]), "member#%zu", i);
		members[i] = (struct roster_member){
		    .name = names[i],
		    .signing_key = signing.public_key,
		    .encryption_key = encryption.public_key,
		};
	}
	base.member_count = WIRE_GROUP_MEMBERS_MAX;
	make(&base, &change, &made);
	open_roster(&made, &roster);
	assert_int_equal(roster.member_count, WIRE_GROUP_MEMBERS_MAX);
	roster_clear(&roster);
	group_change_result_clear(&made);
	free(names);
	free(members);
}

static int
setup(void **state)
{
	if (folder_setup(state) != 0 ||
	    vault_create(folder_path("admin.key"), BYTES_LITERAL("Admin"),
		BYTES_LITERAL("correct horse battery"), &server, cheap, &vault,
		NULL) != STATUS_OK)
		return -1;
	for (size_t i = 0; i < OTHERS; i++) {
		if (signing_key_pair_generate(&others[i].signing) !=
			STATUS_OK ||
		    encryption_key_pair_generate(&others[i].encryption) !=
			STATUS_OK)
			return -1;
		(void)snprintf(
		    others[i].name, sizeof(others[i].name), "other#%zu", i);
	}
	return 0;
}

static int
teardown(void **state)
{
	vault_free(vault);
	return folder_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_group_change_makes_the_first_key),
	    cmocka_unit_test(test_group_change_adds),
	    cmocka_unit_test(test_group_change_removes),
	    cmocka_unit_test(test_group_change_renames_and_hands_over),
	    cmocka_unit_test(test_group_change_never_makes_a_key_twice),
	    cmocka_unit_test(test_group_change_tells_the_server_no_secret),
	    cmocka_unit_test(test_group_change_refuses_a_name_twice),
	    cmocka_unit_test(test_group_change_says_farewell),
	    cmocka_unit_test(test_group_change_of_the_largest_group),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
