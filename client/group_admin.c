#include "client/group_admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/name.h"
#include "client/contacts.h"
#include "client/group_change.h"
#include "client/group_effects.h"
#include "client/group_errand.h"
#include "client/group_event_line.h"
#include "client/group_people.h"
#include "client/group_renewal.h"
#include "client/group_standing.h"
#include "client/session_request.h"
#include "client/state_groups.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "rpc/grpc_status.h"
#include "wire/limits.h"
#include "wire/roster.h"
#include "wire/unpack.h"

/* A CreateGroupRequest: 999 keys of 34 bytes and the name. */
#define CREATE_SIZE_MAX ((size_t)64 << 10)

/* What could not be done is not tried again with every message. */
#define OWING_PAUSE_MS ((uint64_t)30000)

/* Names of members, one a line. */
#define INVITED_SIZE_MAX                                                       \
	(WIRE_GROUP_MEMBERS_MAX * (NAME_CANONICAL_SIZE_MAX + 1))

static enum status
check_name(struct bytes name, struct client_error *error)
{
	if (roster_name_is_valid(name))
		return STATUS_OK;
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "A group's name has 1 to %zu characters without control "
	    "characters, does not begin with “@”, and neither begins nor ends "
	    "with a space.",
	    WIRE_GROUP_NAME_LENGTH);
}

static enum status
check_named(size_t count, struct client_error *error)
{
	if (count > 0)
		return STATUS_OK;
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "Name at least one member.");
}

/* ---- Creating ---- */

/* A CreateGroup on its way. */
struct creation {
	const char *name;
	const char *invited;
	const struct contact_list *members;
	uint64_t sequence;
};

static enum status
pack_creation(const struct creation *creation, struct buf *out)
{
	Peyk__V1__CreateGroupRequest request =
	    PEYK__V1__CREATE_GROUP_REQUEST__INIT;
	size_t count = creation->members->count;
	ProtobufCBinaryData *keys =
	    calloc(count > 0 ? count : 1, sizeof(*keys));
	enum status st;

	if (keys == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < count; i++)
		keys[i] = wire_field(
		    BYTES_OF(creation->members->items[i].signing_key.bytes));
	/* Only packed: protobuf-c's type lacks the const. */
	request.name = (char *)(uintptr_t)creation->name;
	request.member_keys = keys;
	request.n_member_keys = count;
	st = wire_pack(&request.base, out);
	free(keys);
	return st;
}

static enum status
prepare_creation(struct session *session, void *arg, uint64_t sequence,
    struct buf *body, struct client_error *error)
{
	struct creation *creation = arg;
	const struct state_group_update row = {
	    .sequence = sequence,
	    .purpose = GROUP_EFFECT_CREATE,
	    .name = creation->name,
	    .invited = creation->invited,
	};
	enum status st;

	creation->sequence = sequence;
	if ((st = pack_creation(creation, body)) == STATUS_OK)
		st = state_group_update_add(session_state(session), &row);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

/* Of those who are named, one whose key is not current is behind a refusal. */
static enum status
explain_refusal(struct session *session, const struct contact_list *members,
    enum status refused, struct client_error *error)
{
	struct roster_member *people =
	    calloc(members->count > 0 ? members->count : 1, sizeof(*people));
	struct client_error told;
	enum status st;

	if (people == NULL)
		return refused;
	for (size_t i = 0; i < members->count; i++)
		people[i] = (struct roster_member){
		    .name = members->items[i].name,
		    .signing_key = members->items[i].signing_key,
		};
	st = group_people_check_current(session, people, members->count, &told);
	free(people);
	if (st == STATUS_OK)
		return refused;
	if (error != NULL)
		*error = told;
	return st;
}

/* Sends a CreateGroup; *id is the group that it made. */
static enum status
run_creation(struct session *session, struct creation *creation, uint64_t *id,
    struct client_error *error)
{
	const struct session_request request = {
	    .method = &messenger_create_group_sealed,
	    .prepare = prepare_creation,
	    .arg = creation,
	};
	struct session_result result = {0};
	enum status st;

	st = session_request(session, &request, &result, error);
	if (st == STATUS_DENIED &&
	    result.refusal_code == RPC_CODE_FAILED_PRECONDITION)
		st = explain_refusal(session, creation->members, st, error);
	session_result_clear(&result);
	if (st != STATUS_OK)
		return st;
	st =
	    state_group_created(session_state(session), creation->sequence, id);
	if (st == STATUS_NOT_FOUND)
		return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
		    "The server did not make the group.");
	if (st != STATUS_OK)
		return state_error(error, st);
	crash_point("group.created");
	return STATUS_OK;
}

/* The names to keep until the first key is made. */
static enum status
append_invited(const struct contact_list *members, struct buf *out)
{
	enum status st = STATUS_OK;

	for (size_t i = 0; i < members->count && st == STATUS_OK; i++) {
		if (i > 0)
			st = buf_append_u8(out, '\n');
		if (st == STATUS_OK)
			st =
			    buf_append_string(out, members->items[i].canonical);
	}
	return st;
}

/* The first key. Without it the group is there all the same. */
static enum status
make_first_key(struct session *session, uint64_t id, struct client_error *error)
{
	const struct group_wish wish = {
	    .kind = GROUP_CHANGE_ROTATE,
	    .is_if_owed = true,
	};
	struct client_error told;
	enum status st = group_renewal_run(session, id, &wish, &told);

	if (st == STATUS_OK)
		return STATUS_OK;
	return client_error_set(error, st, told.exit,
	    "The group is there, but has no key yet: the next \"peyk poll\" "
	    "goes on with that. %s",
	    told.text);
}

enum status
group_create(struct session *session, struct bytes name,
    const struct bytes *members, size_t count, struct group *out,
    struct client_error *error)
{
	struct contact_list contacts = {0};
	struct creation creation = {.members = &contacts};
	struct buf name_text, invited;
	uint64_t id = 0;
	enum status st;

	buf_init(&name_text, WIRE_GROUP_NAME_MAX);
	buf_init(&invited, INVITED_SIZE_MAX);
	if ((st = check_name(name, error)) != STATUS_OK ||
	    (st = session_connect(session, error)) != STATUS_OK ||
	    (st = group_people_resolve(
		 session, members, count, &contacts, error)) != STATUS_OK)
		goto out;
	if ((st = buf_append(&name_text, name)) != STATUS_OK ||
	    (st = buf_string(&name_text, &creation.name)) != STATUS_OK ||
	    (st = append_invited(&contacts, &invited)) != STATUS_OK ||
	    (st = buf_string(&invited, &creation.invited)) != STATUS_OK) {
		st = client_error_set_plain(error, st, "make the group");
		goto out;
	}
	if ((st = run_creation(session, &creation, &id, error)) != STATUS_OK ||
	    (st = make_first_key(session, id, error)) != STATUS_OK)
		goto out;
	st = groups_read(session, id, out, error);
out:
	buf_clear(&invited);
	buf_clear(&name_text);
	contact_list_clear(&contacts);
	return st;
}

/* ---- Updates ---- */

enum status
group_add(struct session *session, const struct group *group,
    const struct bytes *members, size_t count, struct client_error *error)
{
	struct contact_list coming = {0};
	const struct group_wish wish = {
	    .kind = GROUP_CHANGE_ADD,
	    .coming = &coming,
	};
	enum status st;

	if ((st = check_named(count, error)) != STATUS_OK ||
	    (st = group_people_resolve(
		 session, members, count, &coming, error)) != STATUS_OK)
		goto out;
	st = group_renewal_run(session, group->id, &wish, error);
out:
	contact_list_clear(&coming);
	return st;
}

enum status
group_remove(struct session *session, const struct group *group,
    const struct bytes *members, size_t count, struct client_error *error)
{
	const struct group_wish wish = {
	    .kind = GROUP_CHANGE_REMOVE,
	    .names = members,
	    .name_count = count,
	};
	enum status st = check_named(count, error);

	return st == STATUS_OK
		   ? group_renewal_run(session, group->id, &wish, error)
		   : st;
}

enum status
group_rotate(struct session *session, const struct group *group,
    struct client_error *error)
{
	const struct group_wish wish = {.kind = GROUP_CHANGE_ROTATE};

	return group_renewal_run(session, group->id, &wish, error);
}

enum status
group_rename(struct session *session, const struct group *group,
    struct bytes name, struct client_error *error)
{
	struct group_wish wish = {.kind = GROUP_CHANGE_RENAME};
	struct buf text;
	enum status st;

	buf_init(&text, WIRE_GROUP_NAME_MAX);
	if ((st = check_name(name, error)) != STATUS_OK)
		goto out;
	if ((st = buf_append(&text, name)) != STATUS_OK ||
	    (st = buf_string(&text, &wish.name)) != STATUS_OK) {
		st = client_error_set_plain(error, st, "rename the group");
		goto out;
	}
	st = group_renewal_run(session, group->id, &wish, error);
out:
	buf_clear(&text);
	return st;
}

enum status
group_hand_over(struct session *session, const struct group *group,
    struct bytes member, struct client_error *error)
{
	const struct group_wish wish = {
	    .kind = GROUP_CHANGE_HAND_OVER,
	    .names = &member,
	    .name_count = 1,
	};

	return group_renewal_run(session, group->id, &wish, error);
}

/* ---- Deleting ---- */

/* One attempt. *is_done false with STATUS_OK: once more. */
static enum status
try_delete(struct session *session, uint64_t group_id, bool *is_done,
    struct client_error *error)
{
	struct group_standing standing = {0};
	struct group_change_base base;
	struct group_errand errand = {
	    .method = &messenger_delete_group_sealed,
	};
	struct buf body;
	bool is_moving = false;
	enum status st;

	*is_done = false;
	buf_init(&body, WIRE_BODY_MAX);
	if ((st = group_standing_fetch(session, group_id, &standing, &is_moving,
		 error)) != STATUS_OK ||
	    is_moving)
		goto out;
	base = group_standing_base(&standing);
	st = group_change_farewells(account_vault(session_account(session)),
	    &base, clock_wall_ms(), &body);
	if (st != STATUS_OK) {
		st = client_error_set_plain(error, st, "delete the group");
		goto out;
	}
	errand.body = buf_bytes(&body);
	errand.row = (struct state_group_update){
	    .group_id = group_id,
	    .epoch = base.epoch,
	    .purpose = GROUP_EFFECT_DELETE,
	    .name = "",
	    .invited = "",
	};
	st = group_errand_run(session, &errand, is_done, error);
out:
	buf_clear(&body);
	group_standing_clear(&standing);
	return st;
}

enum status
group_delete(struct session *session, const struct group *group,
    struct client_error *error)
{
	bool is_done = false;
	enum status st;

	for (unsigned i = 0; i < GROUP_ERRAND_ATTEMPTS; i++) {
		st = try_delete(session, group->id, &is_done, error);
		if (st != STATUS_OK || is_done)
			return st;
	}
	return group_errand_give_up(error);
}

/* ---- Leaving ---- */

static enum status
pack_leave(struct session *session, const struct leave *leave, struct buf *out)
{
	const struct vault *vault = account_vault(session_account(session));
	Peyk__V1__LeaveGroupRequest request =
	    PEYK__V1__LEAVE_GROUP_REQUEST__INIT;
	Peyk__V1__SignedMessage *statement = NULL;
	struct buf packed;
	enum status st;

	buf_init(&packed, WIRE_SIGNED_LEAVE_MAX);
	if ((st = leave_make(leave, &vault_signing(vault)->secret_key,
		 &packed)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__signed_message__descriptor,
		 buf_bytes(&packed), WIRE_SIGNED_LEAVE_MAX, &statement)) !=
		STATUS_OK)
		goto out;
	request.group_id = leave->group_id;
	request.leave = statement;
	st = wire_pack(&request.base, out);
out:
	wire_free(statement);
	buf_clear(&packed);
	return st;
}

/* One attempt. *is_done false with STATUS_OK: once more. */
static enum status
try_leave(struct session *session, uint64_t group_id, bool *is_done,
    struct client_error *error)
{
	struct leave leave = {0};
	struct group_errand errand = {
	    .method = &messenger_leave_group_sealed,
	};
	struct buf body;
	bool is_moving = false;
	enum status st;

	*is_done = false;
	if ((st = group_standing_place(
		 session, group_id, &leave, &is_moving, error)) != STATUS_OK ||
	    is_moving)
		return st;
	buf_init(&body, 2 * WIRE_SIGNED_LEAVE_MAX);
	if ((st = pack_leave(session, &leave, &body)) != STATUS_OK) {
		st = client_error_set_plain(error, st, "leave the group");
		goto out;
	}
	errand.body = buf_bytes(&body);
	errand.row = (struct state_group_update){
	    .group_id = group_id,
	    .epoch = leave.epoch,
	    .purpose = GROUP_EFFECT_LEAVE,
	    .name = "",
	    .invited = "",
	};
	st = group_errand_run(session, &errand, is_done, error);
out:
	buf_clear(&body);
	return st;
}

enum status
group_leave(struct session *session, const struct group *group,
    struct client_error *error)
{
	bool is_done = false;
	enum status st;

	for (unsigned i = 0; i < GROUP_ERRAND_ATTEMPTS; i++) {
		st = try_leave(session, group->id, &is_done, error);
		if (st != STATUS_OK || is_done)
			return st;
	}
	return group_errand_give_up(error);
}

/* ---- What is owed ---- */

/* A group whose key could not be renewed is told of, and left for later. */
static void
tell_owed(struct session *session, const struct state_group *group,
    const struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE], shown[CLIENT_DISPLAY_SIZE];
	char text[CLIENT_DISPLAY_SIZE + CLIENT_ERROR_TEXT_SIZE + 64];

	client_display(bytes_from_string(group->name), name, sizeof(name));
	group_event_line_name(bytes_from_string(group->name), shown);
	(void)snprintf(text, sizeof(text),
	    "The group %s still waits for a new key from you. %s", shown,
	    error->text);
	session_notice(session, NOTICE_GROUP_KEY_OWED, name, 0, text);
}

static enum status
pay(struct session *session, uint64_t id, struct client_error *error)
{
	const struct group_wish wish = {
	    .kind = GROUP_CHANGE_ROTATE,
	    .is_if_owed = true,
	};
	struct state_group group = {0};
	struct client_error told;
	enum status st;

	st = group_renewal_run(session, id, &wish, &told);
	switch (st) {
	case STATUS_OK:
		return STATUS_OK;
	case STATUS_INVALID:
	case STATUS_TOO_LARGE:
	case STATUS_NOT_FOUND:
	case STATUS_EXISTS:
	case STATUS_DENIED:
	case STATUS_FORGED:
	case STATUS_STALE:
	case STATUS_BUSY:
		break;
	case STATUS_NOMEM:
	case STATUS_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_CANCELLED:
	case STATUS_IO:
	case STATUS_INTERNAL:
		if (error != NULL)
			*error = told;
		return st;
	}
	if ((st = state_group_read(session_state(session), id, &group)) !=
	    STATUS_OK)
		return state_error(error, st);
	tell_owed(session, &group, &told);
	state_group_clear(&group);
	*session_owing_until_ms(session) =
	    clock_monotonic_ms() + OWING_PAUSE_MS;
	return STATUS_OK;
}

enum status
group_maintain(struct session *session, struct client_error *error)
{
	uint64_t *until_ms = session_owing_until_ms(session);
	struct client_error told;
	uint64_t *ids = NULL;
	size_t count = 0;
	enum status st;

	st = state_groups_owing(session_state(session), &ids, &count);
	if (st != STATUS_OK)
		return state_error(error, st);
	if (count == 0 || clock_monotonic_ms() < *until_ms)
		goto out;
	for (size_t i = 0; i < count && st == STATUS_OK; i++)
		st = pay(session, ids[i], &told);
	if (st == STATUS_UNAVAILABLE || st == STATUS_TIMEOUT) {
		*until_ms = clock_monotonic_ms() + OWING_PAUSE_MS;
		st = STATUS_OK;
	}
	if (st != STATUS_OK && error != NULL)
		*error = told;
out:
	free(ids);
	return st;
}
