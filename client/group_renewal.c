#include "client/group_renewal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/secret.h"
#include "client/group_effects.h"
#include "client/group_errand.h"
#include "client/group_people.h"
#include "client/group_standing.h"
#include "rpc/grpc_status.h"

/* ADD: members of those who come. free() *out. */
static enum status
plan_coming(struct session *session, const struct group_wish *wish,
    const struct group_standing *standing, struct roster_member **out,
    struct client_error *error)
{
	const struct contact_list *coming = wish->coming;
	char name[CLIENT_DISPLAY_SIZE];
	struct roster_member *members;
	enum status st;

	if ((st = group_people_check_count(session,
		 standing->member_count + coming->count, error)) != STATUS_OK)
		return st;
	members = calloc(coming->count, sizeof(*members));
	if (members == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "change the group");
	for (size_t i = 0; i < coming->count; i++) {
		members[i] = (struct roster_member){
		    .name = coming->items[i].name,
		    .signing_key = coming->items[i].signing_key,
		    .encryption_key = coming->items[i].encryption_key,
		};
		if (group_standing_find(standing, &members[i].signing_key) ==
		    NULL)
			continue;
		client_display(
		    bytes_from_string(members[i].name), name, sizeof(name));
		free(members);
		return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "%s is in the group already.", name);
	}
	*out = members;
	return STATUS_OK;
}

/* REMOVE, HAND_OVER: who is meant, of those who have not left by now. */
static enum status
plan_named(struct session *session, const struct group_wish *wish,
    const struct group_standing *standing, struct roster_member **out,
    size_t *count, struct client_error *error)
{
	/* Where there is no roster yet, those who are to be in it. */
	const struct roster invited = {
	    .members = standing->members,
	    .member_count = standing->member_count,
	};
	struct roster_member *members = NULL;
	size_t picked = 0, used = 0;
	enum status st;

	if ((st = group_people_pick(session,
		 standing->group.epoch > 0 ? &standing->roster : &invited,
		 wish->names, wish->name_count, standing->group.name, &members,
		 &picked, error)) != STATUS_OK)
		return st;
	for (size_t i = 0; i < picked; i++)
		if (group_standing_find(standing, &members[i].signing_key) !=
		    NULL)
			members[used++] = members[i];
	*out = members;
	*count = used;
	return STATUS_OK;
}

/* The new admin: still there, and who it is as far as is known here. */
static enum status
check_heir(struct session *session, const struct roster_member *member,
    size_t count, struct client_error *error)
{
	struct contact contact = {0};
	char name[CLIENT_DISPLAY_SIZE];
	enum status st;

	if (count == 0)
		return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "This member has left the group.");
	st = contacts_find(
	    session, bytes_from_string(member->name), &contact, error);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (st != STATUS_OK)
		return st;
	st = contacts_check_unchanged(&contact, error);
	if (st == STATUS_OK && !signing_public_key_equal(&contact.signing_key,
				   &member->signing_key)) {
		client_display(
		    bytes_from_string(member->name), name, sizeof(name));
		st = client_error_set(error, STATUS_STALE,
		    EXIT_CODE_KEY_CHANGED,
		    "WARNING: %s is in the group with other keys than those "
		    "that this device knows. Nothing was done.",
		    name);
	}
	contact_clear(&contact);
	return st;
}

/* Whoever signs the first roster is its admin. */
static bool
needs_key_first(
    const struct group_wish *wish, const struct group_standing *standing)
{
	return standing->group.epoch == 0 &&
	       wish->kind == GROUP_CHANGE_HAND_OVER;
}

/* What is to become of the group as it is now. free() *members. */
static enum status
plan(struct session *session, const struct group_wish *wish,
    const struct group_standing *standing, struct group_change *change,
    struct roster_member **members, struct client_error *error)
{
	enum status st = STATUS_OK;

	*change = (struct group_change){.kind = wish->kind};
	if (needs_key_first(wish, standing))
		change->kind = GROUP_CHANGE_ROTATE;
	switch (change->kind) {
	case GROUP_CHANGE_ROTATE:
		break;
	case GROUP_CHANGE_RENAME:
		change->name = wish->name;
		break;
	case GROUP_CHANGE_ADD:
		change->member_count = wish->coming->count;
		st = plan_coming(session, wish, standing, members, error);
		break;
	case GROUP_CHANGE_REMOVE:
		st = plan_named(session, wish, standing, members,
		    &change->member_count, error);
		/* They have left: a key without them is what is wanted. */
		if (change->member_count == 0)
			change->kind = GROUP_CHANGE_ROTATE;
		break;
	case GROUP_CHANGE_HAND_OVER:
		st = plan_named(session, wish, standing, members,
		    &change->member_count, error);
		if (st == STATUS_OK)
			st = check_heir(
			    session, *members, change->member_count, error);
		break;
	}
	change->members = *members;
	return st;
}

static enum status
make_change(struct session *session, const struct group_standing *standing,
    const struct group_change *change, struct group_change_result *out,
    struct client_error *error)
{
	const struct group_change_base base = group_standing_base(standing);
	enum status st =
	    group_change_make(account_vault(session_account(session)), &base,
		change, clock_wall_ms(), out);

	if (st == STATUS_INVALID)
		return client_error_set(error, st, EXIT_CODE_USAGE,
		    "That would not be a valid group: somebody with this name "
		    "is in it with other keys.");
	return st == STATUS_OK ? STATUS_OK
			       : client_error_set_plain(
				     error, st, "make the group's new key");
}

/* Whose key may be behind a refusal, if somebody's is. */
static enum status
explain_refusal(struct session *session, const struct group_errand *errand,
    struct client_error *error)
{
	const struct vault *vault = account_vault(session_account(session));
	struct roster roster = {0};
	enum status st;

	st =
	    roster_reopen(errand->row.roster, vault_server_key(vault), &roster);
	if (st != STATUS_OK)
		return client_error_set_plain(error, st, "read the roster");
	st = group_people_check_current(
	    session, roster.members, roster.member_count, error);
	roster_clear(&roster);
	return st;
}

/* *is_unfit: it was refused for who is in the group, and not the first time. */
static enum status
send_change(struct session *session, const struct group_change_result *made,
    bool *is_unfit, bool *is_done, struct client_error *error)
{
	struct group_errand errand = {
	    .method = made->method,
	    .body = buf_bytes(&made->body),
	    .row =
		{
		    .group_id = made->group_id,
		    .epoch = made->epoch,
		    .purpose = GROUP_EFFECT_ENTER,
		    .name = "",
		    .invited = "",
		    .roster = buf_bytes(&made->roster),
		    .has_key = true,
		    .admin_secret = made->admin_secret,
		    .server_share = made->server_share,
		},
	};
	bool was_unfit = *is_unfit;
	enum status st = group_errand_run(session, &errand, is_done, error);

	*is_unfit = errand.code == RPC_CODE_FAILED_PRECONDITION;
	/* At first somebody may have left; then it is some key. */
	if (st == STATUS_OK && *is_unfit && was_unfit)
		st = explain_refusal(session, &errand, error);
	secret_wipe(&errand, sizeof(errand));
	return st;
}

static bool
is_owed(const struct group_standing *standing)
{
	return standing->group.epoch == 0 ||
	       standing->member_count < standing->roster.member_count;
}

static enum status
make_and_send(struct session *session, const struct group_wish *wish,
    const struct group_standing *standing, bool *is_unfit, bool *is_done,
    struct client_error *error)
{
	struct group_change change = {0};
	struct group_change_result made = {0};
	struct roster_member *members = NULL;
	enum status st;

	if ((st = plan(session, wish, standing, &change, &members, error)) ==
		STATUS_OK &&
	    (st = make_change(session, standing, &change, &made, error)) ==
		STATUS_OK)
		st = send_change(session, &made, is_unfit, is_done, error);
	if (needs_key_first(wish, standing))
		*is_done = false; /* it has one now */
	group_change_result_clear(&made);
	free(members);
	return st;
}

/* One attempt. *is_done false with STATUS_OK: once more. */
static enum status
attempt(struct session *session, uint64_t group_id,
    const struct group_wish *wish, bool *is_unfit, bool *is_done,
    struct client_error *error)
{
	struct group_standing standing = {0};
	bool is_moving = false;
	enum status st;

	*is_done = false;
	if ((st = group_standing_fetch(session, group_id, &standing, &is_moving,
		 error)) != STATUS_OK ||
	    is_moving)
		return st;
	if (wish->is_if_owed && !is_owed(&standing))
		*is_done = true;
	else
		st = make_and_send(
		    session, wish, &standing, is_unfit, is_done, error);
	group_standing_clear(&standing);
	return st;
}

enum status
group_renewal_run(struct session *session, uint64_t group_id,
    const struct group_wish *wish, struct client_error *error)
{
	bool is_unfit = false, is_done = false;
	enum status st;

	for (unsigned i = 0; i < GROUP_ERRAND_ATTEMPTS; i++) {
		st = attempt(
		    session, group_id, wish, &is_unfit, &is_done, error);
		if (st != STATUS_OK || is_done)
			return st;
	}
	return group_errand_give_up(error);
}
