#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "server/group_input.h"
#include "server/group_service.h"
#include "wire/roster.h"
#include "wire/unpack.h"

/*
 * A new epoch of a group: AddMember, RemoveMember, RotateGroupKey and
 * UpdateGroup, which differ in what the roster may change.
 */

/* What one of them asks for. Points into the request. */
struct change {
	const Peyk__V1__KeyUpdate *update;
	const ProtobufCBinaryData *added, *removed;
	size_t added_count, removed_count;
	bool may_rename, may_hand_over;
	void (*reply)(struct rpc_sealed_caller *caller,
	    const Peyk__V1__KeyUpdateResponse *response);
};

struct update {
	struct caller *caller;
	struct change change;
	struct buf signed_roster; /* the serialized SignedMessage */
	struct roster roster;
	uint8_t (*added)[STORE_KEY_SIZE]; /* both rise */
	uint8_t (*removed)[STORE_KEY_SIZE];
	struct store_group_member *members; /* as in the roster */
	struct store_group_member *leavers; /* as in removed */
	struct store_group_update operation;
};

static void
update_free(void *argument)
{
	struct update *work = argument;

	store_operation_clear(&work->operation.head.operation);
	roster_clear(&work->roster);
	buf_clear(&work->signed_roster);
	free(work->added);
	free(work->removed);
	free(work->members);
	free(work->leavers);
	secret_wipe(&work->operation, sizeof(work->operation));
	free(work);
}

static void
update_done(struct caller *caller)
{
	struct update *work = caller->work;
	struct store_group_update *operation = &work->operation;
	Peyk__V1__KeyUpdateResponse response =
	    PEYK__V1__KEY_UPDATE_RESPONSE__INIT;

	if (!caller_settle(
		caller, &operation->head.operation, &operation->head.result))
		return;
	response.epoch = operation->epoch;
	if (operation->is_admin)
		response.next_share =
		    wire_field(BYTES_OF(operation->current_share));
	work->change.reply(&caller->sealed, &response);
}

/* ---- The request, judged by itself. False: it has answered. ---- */

static bool
refuse(struct caller *caller, enum rpc_code code, const char *text)
{
	caller_refuse(caller, code, "%s", text);
	return false;
}

static bool
check_update(struct caller *caller, const Peyk__V1__KeyUpdate *update)
{
	if (update == NULL || update->roster == NULL)
		return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "The request has no update with a signed list of "
		    "members.");
	if (update->share_hash.len != STORE_HASH_SIZE)
		return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "The hash of the share must have 32 bytes.");
	return group_letters_check(caller, update->letters, update->n_letters);
}

static bool
open_roster(struct update *work)
{
	struct caller *caller = work->caller;
	const struct signing_public_key *server_key =
	    &caller->context->identity->key.public_key;
	enum status st;

	buf_init(&work->signed_roster, WIRE_SIGNED_ROSTER_MAX);
	st =
	    wire_pack(&work->change.update->roster->base, &work->signed_roster);
	if (st == STATUS_OK)
		st = roster_open(buf_bytes(&work->signed_roster),
		    &caller->sender_key, server_key, &work->roster);
	switch (st) {
	case STATUS_OK:
		return true;
	case STATUS_TOO_LARGE:
		return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "The list of members is larger than 384 KiB.");
	case STATUS_FORGED:
		return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "The list of members is not signed by you, or is for "
		    "another server.");
	case STATUS_INVALID:
		return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "The list of members breaks a rule: a valid name, 1 to "
		    "1000 members by rising key, no name twice, the admin "
		    "among them.");
	case STATUS_NOMEM:
	case STATUS_NOT_FOUND:
	case STATUS_EXISTS:
	case STATUS_STALE:
	case STATUS_DENIED:
	case STATUS_BUSY:
	case STATUS_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_CANCELLED:
	case STATUS_IO:
	case STATUS_INTERNAL:
		break;
	}
	caller_not_now(caller, st);
	return false;
}

static bool
is_in_roster(const struct roster *roster, const uint8_t key[STORE_KEY_SIZE])
{
	struct signing_public_key sought;

	memcpy(sought.bytes, key, sizeof(sought.bytes));
	return roster_find(roster, &sought) != NULL;
}

static bool
check_roster(struct update *work)
{
	const struct change *change = &work->change;
	const struct roster *roster = &work->roster;
	struct caller *caller = work->caller;

	if (roster->group_id != change->update->group_id ||
	    roster->epoch != change->update->epoch)
		return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "The list of members is of another group or epoch than "
		    "the update.");
	if (roster_find(roster, &caller->sender_key) == NULL)
		return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "You are not on the list of members.");
	/* The first roster is signed by its own admin. */
	if ((!change->may_hand_over || roster->epoch == 1) &&
	    !signing_public_key_equal(&roster->admin_key, &caller->sender_key))
		return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "The list of members names another admin than you. "
		    "UpdateGroup hands a group over, once it has a key.");
	for (size_t i = 0; i < change->added_count; i++) {
		if (!is_in_roster(roster, work->added[i]))
			return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
			    "Somebody who is to be added is not on the list "
			    "of members.");
	}
	for (size_t i = 0; i < change->removed_count; i++) {
		if (is_in_roster(roster, work->removed[i]))
			return refuse(caller, RPC_CODE_INVALID_ARGUMENT,
			    "Somebody who is to be removed is on the list of "
			    "members still.");
	}
	return true;
}

/* Hands each letter to whom it is for. */
static bool
take_letter(struct update *work, const Peyk__V1__GroupLetter *letter)
{
	const uint8_t(*removed)[STORE_KEY_SIZE] =
	    (const uint8_t(*)[STORE_KEY_SIZE])work->removed;
	size_t removed_count = work->change.removed_count, at;
	const struct roster_member *member = NULL;
	struct store_group_member *recipient = NULL;
	struct signing_public_key key;

	memcpy(key.bytes, letter->member_key.data, sizeof(key.bytes));
	member = roster_find(&work->roster, &key);
	at = group_keys_find(removed, removed_count, key.bytes);
	if (member != NULL)
		recipient = &work->members[member - work->roster.members];
	else if (at < removed_count)
		recipient = &work->leavers[at];
	if (recipient == NULL || recipient->letter.size > 0 ||
	    signing_public_key_equal(&key, &work->caller->sender_key))
		return refuse(work->caller, RPC_CODE_FAILED_PRECONDITION,
		    "There is a letter too many: one is for you, for nobody "
		    "in the group, or the second for the same member.");
	/* Lives until the answer, as the request does. */
	recipient->letter = wire_bytes(letter->ciphertext);
	return true;
}

static bool
take_letters(struct update *work)
{
	const Peyk__V1__KeyUpdate *update = work->change.update;
	const struct roster *roster = &work->roster;

	for (size_t i = 0; i < update->n_letters; i++) {
		if (!take_letter(work, update->letters[i]))
			return false;
	}
	for (size_t i = 0; i < roster->member_count; i++) {
		if (work->members[i].letter.size == 0 &&
		    !signing_public_key_equal(&roster->members[i].signing_key,
			&work->caller->sender_key))
			return refuse(work->caller,
			    RPC_CODE_FAILED_PRECONDITION,
			    "A member on the list has no letter with the "
			    "key.");
	}
	return true;
}

/* ---- The operation ---- */

static enum status
allocate_members(struct update *work)
{
	const struct roster *roster = &work->roster;
	size_t removed_count = work->change.removed_count;

	work->members = calloc(roster->member_count, sizeof(*work->members));
	work->leavers = calloc(removed_count + 1, sizeof(*work->leavers));
	if (work->members == NULL || work->leavers == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < roster->member_count; i++)
		memcpy(work->members[i].signing_key,
		    roster->members[i].signing_key.bytes,
		    sizeof(work->members[i].signing_key));
	for (size_t i = 0; i < removed_count; i++)
		memcpy(work->leavers[i].signing_key, work->removed[i],
		    sizeof(work->leavers[i].signing_key));
	return STATUS_OK;
}

static enum status
fill_operation(struct update *work)
{
	const struct change *change = &work->change;
	const struct roster *roster = &work->roster;
	struct store_group_update *operation = &work->operation;

	group_head(work->caller, STORE_KIND_GROUP_UPDATE, roster->group_id,
	    group_refusals, &operation->head);
	operation->epoch = roster->epoch;
	memcpy(operation->share_hash, change->update->share_hash.data,
	    sizeof(operation->share_hash));
	memcpy(operation->previous_hash, roster->previous_hash.bytes,
	    sizeof(operation->previous_hash));
	memcpy(operation->roster_hash, roster->hash.bytes,
	    sizeof(operation->roster_hash));
	operation->roster = buf_bytes(&work->signed_roster);
	operation->name = bytes_from_string(roster->name);
	memcpy(operation->admin_key, roster->admin_key.bytes,
	    sizeof(operation->admin_key));
	operation->may_rename = change->may_rename;
	operation->may_hand_over = change->may_hand_over;
	operation->members = work->members;
	operation->member_count = roster->member_count;
	operation->added_keys = (const uint8_t(*)[STORE_KEY_SIZE])work->added;
	operation->added_count = change->added_count;
	operation->removed = work->leavers;
	operation->removed_count = change->removed_count;
	return group_share_make(
	    operation->next_share, operation->next_share_hash);
}

static void
run(struct rpc_sealed_caller *sealed, const struct change *change)
{
	struct caller *caller = caller_of(sealed);
	struct update *work = NULL;
	enum status st;

	if (!check_update(caller, change->update))
		return;
	if ((work = calloc(1, sizeof(*work))) == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	work->caller = caller;
	work->change = *change;
	caller_attach(caller, work, update_free);
	if (!group_keys_copy(
		caller, change->added, change->added_count, &work->added) ||
	    !group_keys_copy(caller, change->removed, change->removed_count,
		&work->removed) ||
	    !open_roster(work) || !check_roster(work))
		return;
	if ((st = allocate_members(work)) != STATUS_OK) {
		caller_not_now(caller, st);
		return;
	}
	if (!take_letters(work))
		return;
	if ((st = fill_operation(work)) != STATUS_OK) {
		caller_not_now(caller, st);
		return;
	}
	caller_run(caller, &work->operation.head.operation, update_done);
}

/* ---- The four RPCs ---- */

/* At least one must be named where somebody comes or goes. */
static bool
names_somebody(struct rpc_sealed_caller *sealed, size_t count)
{
	return count > 0 || refuse(caller_of(sealed), RPC_CODE_INVALID_ARGUMENT,
				"Nobody is named. Name at least one member.");
}

void
group_service_add(
    struct rpc_sealed_caller *sealed, const Peyk__V1__AddMemberRequest *request)
{
	struct change change = {
	    .update = request->update,
	    .added = request->member_keys,
	    .added_count = request->n_member_keys,
	    .reply = messenger_add_member_reply,
	};

	if (names_somebody(sealed, request->n_member_keys))
		run(sealed, &change);
}

void
group_service_remove(struct rpc_sealed_caller *sealed,
    const Peyk__V1__RemoveMemberRequest *request)
{
	struct change change = {
	    .update = request->update,
	    .removed = request->member_keys,
	    .removed_count = request->n_member_keys,
	    .reply = messenger_remove_member_reply,
	};

	if (names_somebody(sealed, request->n_member_keys))
		run(sealed, &change);
}

void
group_service_rotate(struct rpc_sealed_caller *sealed,
    const Peyk__V1__RotateGroupKeyRequest *request)
{
	struct change change = {
	    .update = request->update,
	    .reply = messenger_rotate_group_key_reply,
	};

	run(sealed, &change);
}

void
group_service_update(struct rpc_sealed_caller *sealed,
    const Peyk__V1__UpdateGroupRequest *request)
{
	struct change change = {
	    .update = request->update,
	    .may_rename = true,
	    .may_hand_over = true,
	    .reply = messenger_update_group_reply,
	};

	run(sealed, &change);
}
