#include "client/group_standing.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "client/group_event_line.h"
#include "client/group_leaves.h"
#include "client/session_request.h"
#include "crypto/hash.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

void
group_standing_clear(struct group_standing *standing)
{
	state_group_clear(&standing->group);
	roster_clear(&standing->roster);
	contact_list_clear(&standing->invited);
	free(standing->members);
	secret_wipe(&standing->share, sizeof(standing->share));
	*standing = (struct group_standing){0};
}

struct group_change_base
group_standing_base(const struct group_standing *standing)
{
	return (struct group_change_base){
	    .group_id = standing->group.id,
	    .epoch = standing->group.epoch,
	    .previous_hash =
		standing->group.epoch > 0 ? &standing->group.roster_hash : NULL,
	    .name = standing->group.name,
	    .members = standing->members,
	    .member_count = standing->member_count,
	    .server_share = &standing->share,
	};
}

const struct roster_member *
group_standing_find(
    const struct group_standing *standing, const struct signing_public_key *key)
{
	for (size_t i = 0; i < standing->member_count; i++)
		if (signing_public_key_equal(
			&standing->members[i].signing_key, key))
			return &standing->members[i];
	return NULL;
}

/* ---- Words ---- */

static enum status
check_member(const struct state_group *group, struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];

	group_event_line_name(bytes_from_string(group->name), name);
	switch (group->status) {
	case GROUP_STATUS_CREATING:
	case GROUP_STATUS_ACTIVE:
		break;
	case GROUP_STATUS_LEFT:
		return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
		    "You have left %s.", name);
	case GROUP_STATUS_REMOVED:
		return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
		    "You are not in %s any more.", name);
	case GROUP_STATUS_DELETED:
		return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
		    "The group %s was deleted.", name);
	}
	return STATUS_OK;
}

enum status
group_standing_check_admin(
    const struct state_group *group, struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];
	enum status st = check_member(group, error);

	if (st != STATUS_OK || group->is_admin)
		return st;
	group_event_line_name(bytes_from_string(group->name), name);
	return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
	    "You are not the admin of %s, who alone can do that. If it was "
	    "handed over to you just now, fetch your messages first (peyk "
	    "poll).",
	    name);
}

static enum status
tell_admin_stays(const struct state_group *group, struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];

	group_event_line_name(bytes_from_string(group->name), name);
	return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
	    "You are the admin of %s: hand it over first (peyk group "
	    "hand-over), or delete it (peyk group delete).",
	    name);
}

static enum status
tell_forged(const struct state_group *group, struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];

	group_event_line_name(bytes_from_string(group->name), name);
	return client_error_set(error, STATUS_FORGED, EXIT_CODE_KEY_CHANGED,
	    "WARNING: the server shows another state of the group %s than the "
	    "one that this device knows. It may be trying to change who is in "
	    "it. Nothing was done. Ask whoever runs the server.",
	    name);
}

static enum status
tell_newer(const struct state_group *group, struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];

	group_event_line_name(bytes_from_string(group->name), name);
	return client_error_set(error, STATUS_BUSY, EXIT_CODE_FAILED,
	    "The server has a newer state of the group %s than this device. "
	    "Fetch your messages first (peyk poll), then try again.",
	    name);
}

static enum status
tell_no_share(const struct state_group *group, struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];

	group_event_line_name(bytes_from_string(group->name), name);
	return client_error_set(error, STATUS_DENIED, EXIT_CODE_REFUSED,
	    "The server does not take you for the admin of %s. Fetch your "
	    "messages first (peyk poll), then try again.",
	    name);
}

/* ---- Asking ---- */

static enum status
ask(struct session *session, uint64_t group_id,
    Peyk__V1__GetGroupResponse **out, struct client_error *error)
{
	Peyk__V1__GetGroupRequest request = PEYK__V1__GET_GROUP_REQUEST__INIT;
	struct client_error told;
	enum status st;

	/* Where the peer does not say more: */
	(void)client_error_set(&told, STATUS_INVALID, EXIT_CODE_UNREACHABLE,
	    "The server's answer makes no sense. It may be another version of "
	    "Peyk.");
	request.group_id = group_id;
	st = messenger_get_group(session_peer(session, &told), &request, out);
	if (st != STATUS_OK && error != NULL)
		*error = told;
	return st;
}

/* ---- Epoch 0 ---- */

/* Those whom group_create() named, one a line, as they are pinned. */
static enum status
find_invited(struct session *session, const char *names,
    struct contact_list *out, struct client_error *error)
{
	struct contact *items;
	const char *end;
	enum status st;

	for (; *names != '\0'; names = *end != '\0' ? end + 1 : end) {
		end = strchrnul(names, '\n');
		items =
		    reallocarray(out->items, out->count + 1, sizeof(*items));
		if (items == NULL)
			return state_error(error, STATUS_NOMEM);
		out->items = items;
		items[out->count] = (struct contact){0};
		if ((st = contacts_find(session,
			 bytes_make(names, (size_t)(end - names)),
			 &items[out->count], error)) != STATUS_OK)
			return st;
		out->count++;
	}
	return STATUS_OK;
}

static bool
is_named(const Peyk__V1__GetGroupResponse *response,
    const struct signing_public_key *key)
{
	for (size_t i = 0; i < response->n_member_keys; i++)
		if (bytes_equal(wire_bytes(response->member_keys[i]),
			BYTES_OF(key->bytes)))
			return true;
	return false;
}

/*
 * Who is to be in it: those who were invited from here, and whom the server
 * has still. It may have lost one whose account is gone, but never has more.
 */
static enum status
read_invited(struct session *session,
    const Peyk__V1__GetGroupResponse *response, struct group_standing *standing,
    struct client_error *error)
{
	const struct vault *vault = account_vault(session_account(session));
	struct roster_member *members;
	size_t known = 0;
	enum status st;

	if ((st = find_invited(session, standing->group.invited,
		 &standing->invited, error)) != STATUS_OK)
		return st;
	members = calloc(standing->invited.count + 1, sizeof(*members));
	if (members == NULL)
		return state_error(error, STATUS_NOMEM);
	standing->members = members;
	members[0] = (struct roster_member){
	    .name = vault_name(vault),
	    .signing_key = vault_signing(vault)->public_key,
	    .encryption_key = vault_encryption(vault)->public_key,
	};
	standing->member_count = 1;
	for (size_t i = 0; i < standing->invited.count; i++) {
		const struct contact *contact = &standing->invited.items[i];

		if (!is_named(response, &contact->signing_key))
			continue;
		members[standing->member_count++] = (struct roster_member){
		    .name = contact->name,
		    .signing_key = contact->signing_key,
		    .encryption_key = contact->encryption_key,
		};
		known++;
	}
	return known == response->n_member_keys
		   ? STATUS_OK
		   : tell_forged(&standing->group, error);
}

/* ---- Later epochs ---- */

/* STATUS_INVALID: what the server shows takes nobody out. */
static enum status
note_leave(struct session *session, const struct group_standing *standing,
    struct bytes statement)
{
	struct leave leave;
	bool counts = false;
	enum status st = leave_open(statement, &leave);

	if (st == STATUS_FORGED || st == STATUS_TOO_LARGE)
		st = STATUS_INVALID;
	if (st != STATUS_OK)
		return st;
	st = group_leaves_take(
	    session, &standing->roster, statement, &leave, 0, &counts);
	return st == STATUS_OK && !counts ? STATUS_INVALID : st;
}

/* Statements of the server's are as good as those of the inbox. */
static enum status
note_leaves(struct session *session, const struct group_standing *standing,
    const Peyk__V1__GetGroupResponse *response)
{
	struct buf packed;
	enum status st = STATUS_OK;

	buf_init(&packed, WIRE_SIGNED_LEAVE_MAX);
	for (size_t i = 0; i < response->n_leaves && st == STATUS_OK; i++) {
		buf_reset(&packed);
		st = wire_pack(&response->leaves[i]->base, &packed);
		if (st == STATUS_OK)
			st = note_leave(session, standing, buf_bytes(&packed));
	}
	buf_clear(&packed);
	return st;
}

/*
 * *is_moving: another process has entered an epoch since. STATUS_INVALID: one
 * of the server's statements is none.
 */
static enum status
take_leaves(struct session *session, const struct group_standing *standing,
    const Peyk__V1__GetGroupResponse *response, bool *is_moving)
{
	struct state *state = session_state(session);
	struct state_group group = {0};
	enum status st;

	if (response->n_leaves == 0)
		return STATUS_OK;
	if ((st = state_begin(state)) != STATUS_OK ||
	    (st = state_group_read(state, standing->group.id, &group)) !=
		STATUS_OK)
		goto out;
	*is_moving = group.epoch != standing->group.epoch;
	if (!*is_moving)
		st = note_leaves(session, standing, response);
	if (st == STATUS_OK)
		st = state_commit(state);
out:
	state_rollback(state);
	state_group_clear(&group);
	return st == STATUS_TOO_LARGE ? STATUS_INVALID : st;
}

/* Takes somebody out of the members. */
static void
drop(struct group_standing *standing, const struct signing_public_key *key)
{
	struct roster_member *members = standing->members;

	for (size_t i = 0; i < standing->member_count; i++) {
		if (!signing_public_key_equal(&members[i].signing_key, key))
			continue;
		standing->member_count--;
		memmove(&members[i], &members[i + 1],
		    (standing->member_count - i) * sizeof(*members));
		return;
	}
}

/* Those who have left, by whichever way we know. */
static enum status
drop_known(struct session *session, struct group_standing *standing,
    struct client_error *error)
{
	struct signing_public_key *keys = NULL;
	size_t count = 0;
	enum status st;

	st = state_group_leaves_list(
	    session_state(session), standing->group.id, &keys, &count);
	if (st != STATUS_OK)
		return state_error(error, st);
	for (size_t i = 0; i < count; i++)
		drop(standing, &keys[i]);
	free(keys);
	return STATUS_OK;
}

static enum status
check_roster(const Peyk__V1__GetGroupResponse *response,
    const struct state_group *group, struct client_error *error)
{
	struct sha256_digest hash;
	enum status st;

	if (response->roster == NULL)
		return tell_forged(group, error);
	st = hash_sha256(wire_bytes(response->roster->content), &hash);
	if (st != STATUS_OK)
		return client_error_set_plain(error, st, "read the roster");
	return sha256_digest_equal(&hash, &group->roster_hash)
		   ? STATUS_OK
		   : tell_forged(group, error);
}

static enum status
read_roster(struct session *session, const Peyk__V1__GetGroupResponse *response,
    struct group_standing *standing, bool *is_moving,
    struct client_error *error)
{
	const struct vault *vault = account_vault(session_account(session));
	const struct state_group *group = &standing->group;
	enum status st;

	if ((st = check_roster(response, group, error)) != STATUS_OK)
		return st;
	/* The same one is here, verified. */
	st = roster_reopen(bytes_make(group->roster, group->roster_size),
	    vault_server_key(vault), &standing->roster);
	if (st == STATUS_OK) {
		standing->members = calloc(
		    standing->roster.member_count, sizeof(*standing->members));
		if (standing->members == NULL)
			st = STATUS_NOMEM;
	}
	if (st != STATUS_OK)
		return state_error(
		    error, st == STATUS_NOMEM ? STATUS_NOMEM : STATUS_FORGED);
	memcpy(standing->members, standing->roster.members,
	    standing->roster.member_count * sizeof(*standing->members));
	standing->member_count = standing->roster.member_count;
	st = take_leaves(session, standing, response, is_moving);
	if (st == STATUS_INVALID)
		return tell_forged(group, error);
	if (st != STATUS_OK)
		return state_error(error, st);
	return drop_known(session, standing, error);
}

/* ---- Both ---- */

/*
 * Is the server where we are? Reads before and after the call differ when
 * another process has changed the group meanwhile; what was here before the
 * call, the server must have known.
 */
static enum status
compare(const struct state_group *before, const struct state_group *after,
    uint32_t epoch, bool *is_moving, struct client_error *error)
{
	*is_moving = false;
	if (epoch < before->epoch)
		return tell_forged(after, error);
	if (before->epoch != after->epoch || before->status != after->status ||
	    before->is_admin != after->is_admin) {
		*is_moving = true;
		return STATUS_OK;
	}
	return epoch == after->epoch ? STATUS_OK : tell_newer(after, error);
}

enum status
group_standing_fetch(struct session *session, uint64_t group_id,
    struct group_standing *out, bool *is_moving, struct client_error *error)
{
	struct state *state = session_state(session);
	Peyk__V1__GetGroupResponse *response = NULL;
	struct group_standing standing = {0};
	struct state_group before = {0};
	struct bytes share;
	enum status st;

	if ((st = state_group_read(state, group_id, &before)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	if ((st = group_standing_check_admin(&before, error)) != STATUS_OK ||
	    (st = ask(session, group_id, &response, error)) != STATUS_OK)
		goto out;
	st = state_group_read(state, group_id, &standing.group);
	if (st != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	if ((st = compare(&before, &standing.group, response->epoch, is_moving,
		 error)) != STATUS_OK ||
	    *is_moving)
		goto out;
	share = wire_bytes(response->next_share);
	if (share.size != sizeof(standing.share.bytes)) {
		st = tell_no_share(&standing.group, error);
		goto out;
	}
	memcpy(standing.share.bytes, share.data, share.size);
	st = standing.group.epoch == 0
		 ? read_invited(session, response, &standing, error)
		 : read_roster(session, response, &standing, is_moving, error);
	if (st != STATUS_OK || *is_moving)
		goto out;
	*out = standing;
	standing = (struct group_standing){0}; /* now the caller's */
out:
	wire_free(response);
	group_standing_clear(&standing);
	state_group_clear(&before);
	return st;
}

/* ---- Leaving ---- */

/*
 * A roster that is still to come: signed by the admin whom we know, or (who
 * was the admin meanwhile is not known here) by the one that it names.
 */
static enum status
open_later(struct session *session, const struct state_group *group,
    struct bytes packed, struct roster *out)
{
	const struct signing_public_key *server_key =
	    vault_server_key(account_vault(session_account(session)));
	struct roster known = {0};
	enum status st;

	st = roster_reopen(
	    bytes_make(group->roster, group->roster_size), server_key, &known);
	if (st != STATUS_OK)
		return st;
	st = roster_open(packed, &known.admin_key, server_key, out);
	if (st == STATUS_FORGED)
		st = roster_open(packed, NULL, server_key, out);
	roster_clear(&known);
	return st;
}

static enum status
read_later(struct session *session, const struct state_group *group,
    const Peyk__V1__GetGroupResponse *response, struct leave *leave,
    struct client_error *error)
{
	struct roster roster = {0};
	struct buf packed;
	enum status st = STATUS_INVALID;

	buf_init(&packed, WIRE_SIGNED_ROSTER_MAX);
	if (response->roster != NULL)
		st = wire_pack(&response->roster->base, &packed);
	if (st == STATUS_OK)
		st = open_later(session, group, buf_bytes(&packed), &roster);
	if (st == STATUS_NOMEM || st == STATUS_INTERNAL)
		st = state_error(error, st);
	else if (st != STATUS_OK || roster.group_id != group->id ||
		 roster.epoch != response->epoch ||
		 roster_find(&roster, &leave->member_key) == NULL)
		st = tell_newer(group, error);
	else if (signing_public_key_equal(
		     &roster.admin_key, &leave->member_key))
		st = tell_admin_stays(group, error);
	else
		leave->roster_hash = roster.hash;
	roster_clear(&roster);
	buf_clear(&packed);
	return st;
}

static enum status
check_may_leave(const struct state_group *group, struct client_error *error)
{
	enum status st = check_member(group, error);

	if (st == STATUS_OK && group->is_admin)
		st = tell_admin_stays(group, error);
	return st;
}

static enum status
check_place(const struct state_group *group,
    const Peyk__V1__GetGroupResponse *response, struct leave *leave,
    struct client_error *error)
{
	leave->roster_hash = group->roster_hash;
	return check_roster(response, group, error);
}

enum status
group_standing_place(struct session *session, uint64_t group_id,
    struct leave *out, bool *is_moving, struct client_error *error)
{
	const struct vault *vault = account_vault(session_account(session));
	struct state *state = session_state(session);
	Peyk__V1__GetGroupResponse *response = NULL;
	struct state_group before = {0}, after = {0};
	struct leave leave = {
	    .group_id = group_id,
	    .member_key = vault_signing(vault)->public_key,
	};
	enum status st;

	if ((st = state_group_read(state, group_id, &before)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	if ((st = check_may_leave(&before, error)) != STATUS_OK ||
	    (st = ask(session, group_id, &response, error)) != STATUS_OK)
		goto out;
	if ((st = state_group_read(state, group_id, &after)) != STATUS_OK) {
		st = state_error(error, st);
		goto out;
	}
	leave.epoch = response->epoch;
	st = compare(&before, &after, leave.epoch, is_moving, error);
	if (st == STATUS_OK && !*is_moving)
		st = check_place(&after, response, &leave, error);
	else if (st == STATUS_BUSY)
		st = read_later(session, &after, response, &leave, error);
	if (st == STATUS_OK)
		*out = leave;
out:
	wire_free(response);
	state_group_clear(&after);
	state_group_clear(&before);
	return st;
}
