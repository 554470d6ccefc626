#include "server/group_service.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/secret.h"
#include "server/group_input.h"
#include "wire/roster.h"
#include "wire/unpack.h"

/* It is done, or a read: the same request again gets this reply. */
static void
fail_reply(struct caller *caller)
{
	caller_fail(caller->call, RPC_CODE_UNAVAILABLE, CALLER_RETRY_BUSY_MS,
	    "try again");
}

/* ---- CreateGroup ---- */

struct create {
	struct store_group_create operation;
	uint8_t (*member_keys)[STORE_KEY_SIZE];
};

static void
create_free(void *argument)
{
	struct create *work = argument;

	store_operation_clear(&work->operation.head.operation);
	free(work->member_keys);
	secret_wipe(&work->operation, sizeof(work->operation));
	free(work);
}

static void
create_done(struct caller *caller)
{
	struct create *work = caller->work;
	struct store_group_create *operation = &work->operation;
	Peyk__V1__CreateGroupResponse response =
	    PEYK__V1__CREATE_GROUP_RESPONSE__INIT;

	if (!caller_settle(
		caller, &operation->head.operation, &operation->head.result))
		return;
	response.group_id = (uint64_t)operation->head.group_id;
	response.next_share = wire_field(BYTES_OF(operation->current_share));
	messenger_create_group_reply(&caller->sealed, &response);
}

static uint64_t
new_group_id(void)
{
	uint64_t id;

	do {
		id = random_u64() & WIRE_NUMBER_MAX;
	} while (id == 0);
	return id;
}

/* False: it has answered. */
static bool
create_check(struct caller *caller, const Peyk__V1__CreateGroupRequest *request,
    const struct create *work)
{
	const uint8_t(*keys)[STORE_KEY_SIZE] =
	    (const uint8_t(*)[STORE_KEY_SIZE])work->member_keys;
	size_t count = request->n_member_keys;

	if (!roster_name_is_valid(bytes_from_string(request->name))) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "A group's name has 1 to %zu characters without control "
		    "characters, does not begin with \"@\", and neither begins "
		    "nor ends with a space.",
		    WIRE_GROUP_NAME_LENGTH);
		return false;
	}
	if (group_keys_find(keys, count, caller->sender_key.bytes) < count) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "You are a member in any case. Name only the others.");
		return false;
	}
	return true;
}

void
group_service_create(struct rpc_sealed_caller *sealed,
    const Peyk__V1__CreateGroupRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct create *work = calloc(1, sizeof(*work));
	struct store_group_create *operation = NULL;
	enum status st;

	if (work == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	caller_attach(caller, work, create_free);
	if (!group_keys_copy(caller, request->member_keys,
		request->n_member_keys, &work->member_keys) ||
	    !create_check(caller, request, work))
		return;
	operation = &work->operation;
	group_head(caller, STORE_KIND_GROUP_CREATE, new_group_id(),
	    group_refusals, &operation->head);
	/* Lives until the answer, as the request does. */
	operation->name = bytes_from_string(request->name);
	operation->member_keys =
	    (const uint8_t(*)[STORE_KEY_SIZE])work->member_keys;
	operation->member_count = request->n_member_keys;
	st =
	    group_share_make(operation->next_share, operation->next_share_hash);
	if (st != STATUS_OK)
		caller_not_now(caller, st);
	else
		caller_run(caller, &operation->head.operation, create_done);
}

/* ---- LeaveGroup ---- */

struct leaving {
	struct store_group_leave operation;
	struct buf statement; /* the serialized SignedMessage */
};

static void
leaving_free(void *argument)
{
	struct leaving *work = argument;

	store_operation_clear(&work->operation.head.operation);
	buf_clear(&work->statement);
	free(work);
}

static void
leaving_done(struct caller *caller)
{
	struct leaving *work = caller->work;
	Peyk__V1__LeaveGroupResponse response =
	    PEYK__V1__LEAVE_GROUP_RESPONSE__INIT;

	if (caller_settle(caller, &work->operation.head.operation,
		&work->operation.head.result))
		messenger_leave_group_reply(&caller->sealed, &response);
}

/* STATUS_INVALID: it is not the caller's statement about this group. */
static enum status
leaving_judge(struct leaving *work, const struct caller *caller,
    const Peyk__V1__LeaveGroupRequest *request)
{
	struct leave leave;
	enum status st;

	if (request->leave == NULL)
		return STATUS_INVALID;
	buf_init(&work->statement, WIRE_SIGNED_LEAVE_MAX);
	st = wire_pack(&request->leave->base, &work->statement);
	if (st == STATUS_OK)
		st = leave_open(buf_bytes(&work->statement), &leave);
	if (st == STATUS_FORGED || st == STATUS_TOO_LARGE)
		return STATUS_INVALID;
	if (st != STATUS_OK)
		return st;
	work->operation.epoch = leave.epoch;
	return leave.group_id == request->group_id &&
		       signing_public_key_equal(
			   &leave.member_key, &caller->sender_key)
		   ? STATUS_OK
		   : STATUS_INVALID;
}

void
group_service_leave(struct rpc_sealed_caller *sealed,
    const Peyk__V1__LeaveGroupRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct leaving *work = NULL;
	enum status st;

	if (!group_id_check(caller, request->group_id))
		return;
	if ((work = calloc(1, sizeof(*work))) == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	caller_attach(caller, work, leaving_free);
	st = leaving_judge(work, caller, request);
	if (st == STATUS_INVALID) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "There is no statement, signed by you, that you leave "
		    "this group.");
		return;
	}
	if (st != STATUS_OK) {
		caller_not_now(caller, st);
		return;
	}
	group_head(caller, STORE_KIND_GROUP_LEAVE, request->group_id,
	    group_refusals, &work->operation.head);
	work->operation.leave = buf_bytes(&work->statement);
	caller_run(caller, &work->operation.head.operation, leaving_done);
}

/* ---- GetGroup ---- */

struct reading {
	struct store_group_read operation;
};

static void
reading_free(void *argument)
{
	struct reading *work = argument;

	store_operation_clear(&work->operation.head.operation);
	secret_wipe(&work->operation, sizeof(work->operation));
	free(work);
}

/* A C string of a name. */
static enum status
copy_name(struct bytes name, char out[STORE_GROUP_NAME_MAX + 1])
{
	if (name.size > STORE_GROUP_NAME_MAX)
		return STATUS_INTERNAL;
	if (name.size > 0)
		memcpy(out, name.data, name.size);
	out[name.size] = '\0';
	return STATUS_OK;
}

/* Fills response->leaves, which reading_reply() frees. */
static enum status
reading_leaves(const struct store_group_read *operation,
    Peyk__V1__GetGroupResponse *response)
{
	enum status st;

	if (operation->leave_count == 0)
		return STATUS_OK;
	response->leaves =
	    calloc(operation->leave_count, sizeof(*response->leaves));
	if (response->leaves == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < operation->leave_count; i++) {
		if ((st = wire_unpack(&peyk__v1__signed_message__descriptor,
			 operation->leaves[i], STORE_LEAVE_MAX,
			 &response->leaves[i])) != STATUS_OK)
			return st;
		response->n_leaves++;
	}
	return STATUS_OK;
}

/* Fills what only the admin is told. */
static enum status
reading_admin(const struct store_group_read *operation,
    Peyk__V1__GetGroupResponse *response)
{
	size_t count = operation->member_count;

	if (!operation->is_admin)
		return STATUS_OK;
	response->next_share = wire_field(BYTES_OF(operation->next_share));
	if (count == 0)
		return STATUS_OK;
	response->member_keys = calloc(count, sizeof(*response->member_keys));
	if (response->member_keys == NULL)
		return STATUS_NOMEM;
	response->n_member_keys = count;
	for (size_t i = 0; i < count; i++)
		response->member_keys[i] =
		    wire_field(BYTES_OF(operation->member_keys[i]));
	return STATUS_OK;
}

static void
reading_reply(struct caller *caller, const struct store_group_read *operation)
{
	Peyk__V1__GetGroupResponse response =
	    PEYK__V1__GET_GROUP_RESPONSE__INIT;
	char name[STORE_GROUP_NAME_MAX + 1];
	enum status st;

	response.epoch = operation->epoch;
	response.name = name;
	if ((st = copy_name(operation->name, name)) != STATUS_OK ||
	    (operation->roster.size > 0 &&
		(st = wire_unpack(&peyk__v1__signed_message__descriptor,
		     operation->roster, STORE_ROSTER_MAX, &response.roster)) !=
		    STATUS_OK) ||
	    (st = reading_leaves(operation, &response)) != STATUS_OK ||
	    (st = reading_admin(operation, &response)) != STATUS_OK)
		fail_reply(caller);
	else
		messenger_get_group_reply(&caller->sealed, &response);
	/* The caller may be gone by now, and the operation with it. */
	for (size_t i = 0; i < response.n_leaves; i++)
		wire_free(response.leaves[i]);
	wire_free(response.roster);
	free(response.leaves);
	free(response.member_keys);
}

static void
reading_done(struct caller *caller)
{
	struct reading *work = caller->work;
	const struct store_group_head *head = &work->operation.head;

	if (!caller_settle(caller, &head->operation, &head->result))
		return;
	/* A repeat may find what the first one did not. */
	if (head->verdict != STORE_GROUP_VERDICT_DONE)
		caller_tell_refusal(caller,
		    (enum rpc_code)group_refusals[head->verdict].code,
		    group_refusals[head->verdict].message);
	else
		reading_reply(caller, &work->operation);
}

void
group_service_get(
    struct rpc_sealed_caller *sealed, const Peyk__V1__GetGroupRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct reading *work = NULL;

	if (!group_id_check(caller, request->group_id))
		return;
	if ((work = calloc(1, sizeof(*work))) == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	caller_attach(caller, work, reading_free);
	group_head(caller, STORE_KIND_GROUP_READ, request->group_id,
	    group_refusals, &work->operation.head);
	caller_run(caller, &work->operation.head.operation, reading_done);
}

/* ---- ListGroups ---- */

struct listing {
	struct store_group_list operation;
};

static void
listing_free(void *argument)
{
	struct listing *work = argument;

	store_operation_clear(&work->operation.head.operation);
	free(work);
}

struct listed {
	Peyk__V1__GroupEntry entry;
	char name[STORE_GROUP_NAME_MAX + 1];
};

static void
listing_reply(struct caller *caller, const struct store_group_list *operation)
{
	Peyk__V1__ListGroupsResponse response =
	    PEYK__V1__LIST_GROUPS_RESPONSE__INIT;
	size_t count = operation->entry_count;
	struct listed *entries = calloc(count + 1, sizeof(*entries));
	Peyk__V1__GroupEntry **pointers = calloc(count + 1, sizeof(*pointers));
	enum status st = STATUS_NOMEM;

	if (entries == NULL || pointers == NULL)
		goto out;
	for (size_t i = 0; i < count; i++) {
		const struct store_group_entry *from = &operation->entries[i];
		Peyk__V1__GroupEntry *entry = &entries[i].entry;

		if ((st = copy_name(from->name, entries[i].name)) != STATUS_OK)
			goto out;
		peyk__v1__group_entry__init(entry);
		entry->group_id = (uint64_t)from->group_id;
		entry->name = entries[i].name;
		entry->epoch = from->epoch;
		entry->is_admin = from->is_admin;
		pointers[i] = entry;
	}
	response.n_groups = count;
	response.groups = pointers;
	response.more = operation->has_more;
	st = STATUS_OK;
	messenger_list_groups_reply(&caller->sealed, &response);
out:
	if (st != STATUS_OK)
		fail_reply(caller);
	free(entries);
	free(pointers);
}

static void
listing_done(struct caller *caller)
{
	struct listing *work = caller->work;

	if (caller_settle(caller, &work->operation.head.operation,
		&work->operation.head.result))
		listing_reply(caller, &work->operation);
}

void
group_service_list(struct rpc_sealed_caller *sealed,
    const Peyk__V1__ListGroupsRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct listing *work = calloc(1, sizeof(*work));
	uint64_t after = request->after_group_id;

	if (work == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	caller_attach(caller, work, listing_free);
	/* No group has a higher one. */
	if (after > WIRE_NUMBER_MAX)
		after = WIRE_NUMBER_MAX;
	group_head(caller, STORE_KIND_GROUP_LIST, after, group_refusals,
	    &work->operation.head);
	caller_run(caller, &work->operation.head.operation, listing_done);
}

/* ---- DeleteGroup ---- */

struct deletion {
	struct store_group_delete operation;
	struct store_group_member *letters;
};

static void
deletion_free(void *argument)
{
	struct deletion *work = argument;

	store_operation_clear(&work->operation.head.operation);
	free(work->letters);
	free(work);
}

static void
deletion_done(struct caller *caller)
{
	struct deletion *work = caller->work;
	Peyk__V1__DeleteGroupResponse response =
	    PEYK__V1__DELETE_GROUP_RESPONSE__INIT;

	if (caller_settle(caller, &work->operation.head.operation,
		&work->operation.head.result))
		messenger_delete_group_reply(&caller->sealed, &response);
}

static int
compare_letters(const void *a, const void *b)
{
	const struct store_group_member *left = a, *right = b;

	return memcmp(
	    left->signing_key, right->signing_key, sizeof(left->signing_key));
}

/* Copies and sorts the letters. False: two are for one member. */
static bool
deletion_take(
    struct deletion *work, Peyk__V1__GroupLetter *const *letters, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		memcpy(work->letters[i].signing_key,
		    letters[i]->member_key.data,
		    sizeof(work->letters[i].signing_key));
		/* Lives until the answer, as the request does. */
		work->letters[i].letter = wire_bytes(letters[i]->ciphertext);
	}
	qsort(work->letters, count, sizeof(*work->letters), compare_letters);
	for (size_t i = 1; i < count; i++) {
		if (compare_letters(&work->letters[i - 1], &work->letters[i]) ==
		    0)
			return false;
	}
	work->operation.letters = work->letters;
	work->operation.letter_count = count;
	return true;
}

void
group_service_delete(struct rpc_sealed_caller *sealed,
    const Peyk__V1__DeleteGroupRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct deletion *work = NULL;

	if (!group_id_check(caller, request->group_id) ||
	    !group_letters_check(caller, request->letters, request->n_letters))
		return;
	if ((work = calloc(1, sizeof(*work))) == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	caller_attach(caller, work, deletion_free);
	work->letters = calloc(request->n_letters + 1, sizeof(*work->letters));
	if (work->letters == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	if (!deletion_take(work, request->letters, request->n_letters)) {
		caller_refuse(caller, RPC_CODE_FAILED_PRECONDITION,
		    "There is more than one letter for a member.");
		return;
	}
	work->operation.epoch = request->epoch;
	group_head(caller, STORE_KIND_GROUP_DELETE, request->group_id,
	    group_delete_refusals, &work->operation.head);
	caller_run(caller, &work->operation.head.operation, deletion_done);
}
