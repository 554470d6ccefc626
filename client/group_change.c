#include "client/group_change.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "e2ee/direct.h"
#include "gen/peyk/v1/group.pb-c.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

void
group_change_result_clear(struct group_change_result *update)
{
	buf_clear(&update->roster);
	buf_clear(&update->body);
	secret_wipe(&update->server_share, sizeof(update->server_share));
	secret_wipe(&update->admin_secret, sizeof(update->admin_secret));
	*update = (struct group_change_result){0};
}

/* ---- Members ---- */

static bool
has_member(const struct roster_member *members, size_t count,
    const struct signing_public_key *key)
{
	for (size_t i = 0; i < count; i++)
		if (signing_public_key_equal(&members[i].signing_key, key))
			return true;
	return false;
}

/* Oneself, whatever the admin before has called one. */
static struct roster_member
correct(const struct vault *vault, const struct roster_member *member)
{
	if (!signing_public_key_equal(
		&member->signing_key, &vault_signing(vault)->public_key))
		return *member;
	return (struct roster_member){
	    .name = vault_name(vault),
	    .signing_key = member->signing_key,
	    .encryption_key = vault_encryption(vault)->public_key,
	};
}

/* Who is in the new epoch, in the roster's order. free() *out. */
static enum status
choose_members(const struct vault *vault, const struct group_change_base *base,
    const struct group_change *change, struct roster_member **out,
    size_t *count)
{
	size_t coming =
	    change->kind == GROUP_CHANGE_ADD ? change->member_count : 0;
	size_t going =
	    change->kind == GROUP_CHANGE_REMOVE ? change->member_count : 0;
	struct roster_member *members;
	size_t used = 0;

	members = calloc(base->member_count + coming, sizeof(*members));
	if (members == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < base->member_count; i++)
		if (!has_member(
			change->members, going, &base->members[i].signing_key))
			members[used++] = correct(vault, &base->members[i]);
	for (size_t i = 0; i < coming; i++)
		members[used++] = change->members[i];
	roster_sort(members, used);
	*out = members;
	*count = used;
	return STATUS_OK;
}

/* ---- Letters ---- */

struct letters {
	Peyk__V1__GroupLetter *items;
	Peyk__V1__GroupLetter **pointers;
	struct buf *ciphertexts;
	size_t count;
};

static void
letters_clear(struct letters *letters)
{
	for (size_t i = 0; i < letters->count; i++)
		buf_clear(&letters->ciphertexts[i]);
	free(letters->ciphertexts);
	free(letters->pointers);
	free(letters->items);
	*letters = (struct letters){0};
}

static enum status
letters_init(struct letters *letters, size_t capacity)
{
	/* calloc(0) may give NULL. */
	if (capacity == 0)
		capacity = 1;
	letters->items = calloc(capacity, sizeof(*letters->items));
	letters->pointers = calloc(capacity, sizeof(*letters->pointers));
	letters->ciphertexts = calloc(capacity, sizeof(*letters->ciphertexts));
	return letters->items != NULL && letters->pointers != NULL &&
		       letters->ciphertexts != NULL
		   ? STATUS_OK
		   : STATUS_NOMEM;
}

/* One more letter to a member; draft tells what is in it. */
static enum status
letters_add(struct letters *letters, const struct roster_member *member,
    struct e2ee_direct_draft *draft)
{
	struct buf *ciphertext = &letters->ciphertexts[letters->count];
	Peyk__V1__GroupLetter *letter = &letters->items[letters->count];
	struct sha256_digest unused;
	enum status st;

	random_bytes(draft->id.bytes, sizeof(draft->id.bytes));
	draft->recipient_signing_key = &member->signing_key;
	draft->recipient_encryption_key = &member->encryption_key;
	buf_init(ciphertext, WIRE_LETTER_MAX);
	letters->pointers[letters->count++] = letter;
	peyk__v1__group_letter__init(letter);
	if ((st = e2ee_direct_seal(draft, ciphertext, &unused)) != STATUS_OK)
		return st;
	letter->member_key = wire_field(BYTES_OF(member->signing_key.bytes));
	letter->ciphertext = wire_field(buf_bytes(ciphertext));
	return STATUS_OK;
}

static struct e2ee_direct_draft
draft_of(const struct vault *vault, enum e2ee_direct_kind kind, uint64_t now_ms)
{
	return (struct e2ee_direct_draft){
	    .sender = vault_statement(vault),
	    .sender_key = &vault_signing(vault)->secret_key,
	    .sent_at_ms = now_ms,
	    .kind = kind,
	};
}

/* To all members but oneself. */
static enum status
letters_add_all(struct letters *letters, const struct vault *vault,
    const struct roster_member *members, size_t count,
    struct e2ee_direct_draft *draft)
{
	const struct signing_public_key *own =
	    &vault_signing(vault)->public_key;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < count && st == STATUS_OK; i++)
		if (!signing_public_key_equal(&members[i].signing_key, own))
			st = letters_add(letters, &members[i], draft);
	return st;
}

/* The key for everybody in the new roster, and farewells to who goes. */
static enum status
write_letters(const struct vault *vault,
    const struct group_change_result *update, const struct roster *roster,
    const struct group_change *change, uint64_t now_ms, struct letters *letters)
{
	struct e2ee_direct_draft draft =
	    draft_of(vault, E2EE_DIRECT_KIND_GROUP_KEY, now_ms);
	struct e2ee_group_key_letter key = {
	    .group_id = update->group_id,
	    .epoch = update->epoch,
	    .roster_hash = update->roster_hash,
	    .admin_secret = update->admin_secret,
	    .server_share = update->server_share,
	};
	const struct e2ee_group_farewell farewell = {
	    .group_id = update->group_id,
	    .epoch = update->epoch,
	};
	/* Of the first epoch nobody who goes has heard. */
	size_t going = change->kind == GROUP_CHANGE_REMOVE && update->epoch > 1
			   ? change->member_count
			   : 0;
	enum status st;

	draft.group_key = &key;
	if ((st = letters_init(letters, roster->member_count + going)) !=
		STATUS_OK ||
	    (st = letters_add_all(letters, vault, roster->members,
		 roster->member_count, &draft)) != STATUS_OK ||
	    going == 0)
		goto out;
	draft = draft_of(vault, E2EE_DIRECT_KIND_GROUP_FAREWELL, now_ms);
	draft.group_farewell = &farewell;
	st = letters_add_all(letters, vault, change->members, going, &draft);
out:
	secret_wipe(&key, sizeof(key));
	return st;
}

/* ---- The request ---- */

static enum status
pack_members(const struct group_change *change, Peyk__V1__KeyUpdate *update,
    struct group_change_result *out)
{
	Peyk__V1__AddMemberRequest add = PEYK__V1__ADD_MEMBER_REQUEST__INIT;
	Peyk__V1__RemoveMemberRequest remove =
	    PEYK__V1__REMOVE_MEMBER_REQUEST__INIT;
	ProtobufCBinaryData *keys = calloc(change->member_count, sizeof(*keys));
	enum status st;

	if (keys == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < change->member_count; i++)
		keys[i] =
		    wire_field(BYTES_OF(change->members[i].signing_key.bytes));
	if (change->kind == GROUP_CHANGE_ADD) {
		out->method = &messenger_add_member_sealed;
		add.update = update;
		add.member_keys = keys;
		add.n_member_keys = change->member_count;
		st = wire_pack(&add.base, &out->body);
	} else {
		out->method = &messenger_remove_member_sealed;
		remove.update = update;
		remove.member_keys = keys;
		remove.n_member_keys = change->member_count;
		st = wire_pack(&remove.base, &out->body);
	}
	free(keys);
	return st;
}

static enum status
pack_change(const struct group_change *change, Peyk__V1__KeyUpdate *update,
    struct group_change_result *out)
{
	Peyk__V1__RotateGroupKeyRequest rotate =
	    PEYK__V1__ROTATE_GROUP_KEY_REQUEST__INIT;
	Peyk__V1__UpdateGroupRequest other =
	    PEYK__V1__UPDATE_GROUP_REQUEST__INIT;

	switch (change->kind) {
	case GROUP_CHANGE_ADD:
	case GROUP_CHANGE_REMOVE:
		return pack_members(change, update, out);
	case GROUP_CHANGE_ROTATE:
		out->method = &messenger_rotate_group_key_sealed;
		rotate.update = update;
		return wire_pack(&rotate.base, &out->body);
	case GROUP_CHANGE_RENAME:
	case GROUP_CHANGE_HAND_OVER:
		out->method = &messenger_update_group_sealed;
		other.update = update;
		return wire_pack(&other.base, &out->body);
	}
	return STATUS_INTERNAL;
}

static enum status
pack_update(const struct group_change *change, const struct letters *letters,
    struct group_change_result *out)
{
	Peyk__V1__KeyUpdate update = PEYK__V1__KEY_UPDATE__INIT;
	Peyk__V1__SignedMessage *roster = NULL;
	struct sha256_digest share_hash;
	enum status st;

	if ((st = hash_sha256(BYTES_OF(out->server_share.bytes),
		 &share_hash)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__signed_message__descriptor,
		 buf_bytes(&out->roster), WIRE_SIGNED_ROSTER_MAX, &roster)) !=
		STATUS_OK)
		return st;
	update.group_id = out->group_id;
	update.epoch = out->epoch;
	update.share_hash = wire_field(BYTES_OF(share_hash.bytes));
	update.roster = roster;
	update.letters = letters->pointers;
	update.n_letters = letters->count;
	st = pack_change(change, &update, out);
	wire_free(roster);
	return st;
}

/* ---- An update ---- */

/* A fresh key, and what the roster says of it. */
static enum status
make_key(struct group_change_result *update, struct sha256_digest *commitment)
{
	struct e2ee_group_secret secret = {0};
	enum status st;

	random_bytes(
	    update->admin_secret.bytes, sizeof(update->admin_secret.bytes));
	if ((st = e2ee_group_secret_make(&update->server_share,
		 &update->admin_secret, &secret)) == STATUS_OK)
		st = e2ee_group_commitment(
		    &secret, update->group_id, update->epoch, commitment);
	secret_wipe(&secret, sizeof(secret));
	return st;
}

enum status
group_change_make(const struct vault *vault,
    const struct group_change_base *base, const struct group_change *change,
    uint64_t now_ms, struct group_change_result *out)
{
	const struct signing_key_pair *own = vault_signing(vault);
	struct roster_member *members = NULL;
	struct roster roster = {
	    .group_id = base->group_id,
	    .epoch = base->epoch + 1,
	    .has_previous = base->epoch > 0,
	    .server_key = *vault_server_key(vault),
	    .name =
		change->kind == GROUP_CHANGE_RENAME ? change->name : base->name,
	    .admin_key = change->kind == GROUP_CHANGE_HAND_OVER
			     ? change->members[0].signing_key
			     : own->public_key,
	};
	struct group_change_result update = {
	    .group_id = base->group_id,
	    .epoch = roster.epoch,
	    .server_share = *base->server_share,
	};
	struct letters letters = {0};
	enum status st;

	assert(base->epoch == 0 || base->previous_hash != NULL);
	buf_init(&update.roster, WIRE_SIGNED_ROSTER_MAX);
	buf_init(&update.body, WIRE_BODY_MAX);
	if (base->epoch == UINT32_MAX) {
		st = STATUS_INVALID;
		goto out;
	}
	if (roster.has_previous)
		roster.previous_hash = *base->previous_hash;
	if ((st = choose_members(vault, base, change, &members,
		 &roster.member_count)) != STATUS_OK)
		goto out;
	roster.members = members;
	if ((st = make_key(&update, &roster.key_commitment)) != STATUS_OK ||
	    (st = roster_make(&roster, &own->secret_key, &update.roster,
		 &update.roster_hash)) != STATUS_OK ||
	    (st = write_letters(vault, &update, &roster, change, now_ms,
		 &letters)) != STATUS_OK ||
	    (st = pack_update(change, &letters, &update)) != STATUS_OK)
		goto out;
	*out = update;
	update = (struct group_change_result){0}; /* now the caller's */
out:
	letters_clear(&letters);
	free(members);
	group_change_result_clear(&update);
	return st;
}

enum status
group_change_farewells(const struct vault *vault,
    const struct group_change_base *base, uint64_t now_ms, struct buf *body)
{
	struct e2ee_direct_draft draft =
	    draft_of(vault, E2EE_DIRECT_KIND_GROUP_FAREWELL, now_ms);
	const struct e2ee_group_farewell farewell = {
	    .group_id = base->group_id,
	    .epoch = base->epoch,
	    .is_deleted = true,
	};
	Peyk__V1__DeleteGroupRequest request =
	    PEYK__V1__DELETE_GROUP_REQUEST__INIT;
	struct letters letters = {0};
	enum status st;

	draft.group_farewell = &farewell;
	if ((st = letters_init(&letters, base->member_count)) != STATUS_OK ||
	    (base->epoch > 0 &&
		(st = letters_add_all(&letters, vault, base->members,
		     base->member_count, &draft)) != STATUS_OK))
		goto out;
	request.group_id = base->group_id;
	request.epoch = base->epoch;
	request.letters = letters.pointers;
	request.n_letters = letters.count;
	st = wire_pack(&request.base, body);
out:
	letters_clear(&letters);
	return st;
}
