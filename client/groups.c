#include "client/groups.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "client/contacts.h"
#include "client/group_event_line.h"
#include "client/state_groups.h"
#include "wire/identity.h"
#include "wire/roster.h"

/* Ids that a message about an ambiguous name lists. */
#define IDS_SIZE 256

void
group_clear(struct group *group)
{
	free(group->name);
	free(group->roster);
	*group = (struct group){0};
}

void
group_list_clear(struct group_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		group_clear(&list->items[i]);
	free(list->items);
	*list = (struct group_list){0};
}

/* Leaves nothing to the row that belongs to the group now. */
static struct group
take_row(struct state_group *row)
{
	const struct group group = {
	    .id = row->id,
	    .name = row->name,
	    .status = row->status,
	    .is_admin = row->is_admin,
	    .epoch = row->epoch,
	    .roster_hash = row->roster_hash,
	    .roster = row->roster,
	    .roster_size = row->roster_size,
	    .is_forked = row->is_forked,
	    .waiting = row->waiting,
	};

	row->name = NULL;
	row->roster = NULL;
	state_group_clear(row);
	return group;
}

enum status
groups_list(
    struct session *session, struct group_list *out, struct client_error *error)
{
	struct state_group_list rows = {0};
	struct group_list list = {0};
	enum status st;

	st = state_groups_list(session_state(session), &rows);
	if (st == STATUS_OK && rows.count > 0) {
		list.items = calloc(rows.count, sizeof(*list.items));
		if (list.items == NULL)
			st = STATUS_NOMEM;
	}
	if (st == STATUS_OK) {
		for (; list.count < rows.count; list.count++)
			list.items[list.count] =
			    take_row(&rows.items[list.count]);
		*out = list;
	}
	state_group_list_clear(&rows);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

enum status
groups_read(struct session *session, uint64_t id, struct group *out,
    struct client_error *error)
{
	struct state_group row = {0};
	enum status st = state_group_read(session_state(session), id, &row);

	if (st == STATUS_NOT_FOUND)
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "This account is in no group with the id %" PRIu64 ".", id);
	if (st != STATUS_OK)
		return state_error(error, st);
	*out = take_row(&row);
	return STATUS_OK;
}

/* ---- Finding ---- */

static bool
is_live(const struct group *group)
{
	return group->status == GROUP_STATUS_ACTIVE ||
	       group->status == GROUP_STATUS_CREATING;
}

/* A decimal id; 0: it is none. */
static uint64_t
parse_id(struct bytes text)
{
	uint64_t id = 0;

	if (text.size == 0 || text.size > 19 || text.data[0] == '0')
		return 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		id = id * 10 + (uint64_t)(text.data[i] - '0');
	}
	return id;
}

static bool
is_called(const struct group *group, struct bytes name)
{
	return bytes_equal(bytes_from_string(group->name), name);
}

/*
 * Those of a name, among those that are alive or those that were. Sets *found
 * to the last, returns how many.
 */
static size_t
match(struct group_list *list, struct bytes name, bool is_alive,
    struct group **found)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (is_live(&list->items[i]) != is_alive ||
		    !is_called(&list->items[i], name))
			continue;
		*found = &list->items[i];
		count++;
	}
	return count;
}

static struct group *
match_id(struct group_list *list, uint64_t id)
{
	for (size_t i = 0; id != 0 && i < list->count; i++)
		if (list->items[i].id == id)
			return &list->items[i];
	return NULL;
}

/* Lists those of a name that are alive, or all. */
static enum status
tell_ambiguous(const struct group_list *list, struct bytes name, bool with_ended,
    struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE], ids[IDS_SIZE] = "";
	size_t used = 0;
	int written;

	for (size_t i = 0; i < list->count; i++) {
		if ((!with_ended && !is_live(&list->items[i])) ||
		    !is_called(&list->items[i], name))
			continue;
		written = snprintf(ids + used, sizeof(ids) - used,
		    "%s%" PRIu64 "%s", used > 0 ? ", " : "",
		    list->items[i].id,
		    is_live(&list->items[i]) ? "" : " (ended)");
		if (written < 0 || (size_t)written >= sizeof(ids) - used) {
			ids[used] = '\0'; /* the rest: peyk group list */
			break;
		}
		used += (size_t)written;
	}
	group_event_line_name(name, shown);
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "Several groups are called %s. Name the one that you mean by its "
	    "id: %s.",
	    shown, ids);
}

/* The admin that a group's last roster names. */
static enum status
read_admin(struct session *session, const struct group *group,
    struct signing_public_key *out)
{
	const struct vault *vault = account_vault(session_account(session));
	struct roster roster = {0};
	enum status st = roster_reopen(
	    bytes_make(group->roster, group->roster_size),
	    vault_server_key(vault), &roster);

	if (st == STATUS_OK)
		*out = roster.admin_key;
	roster_clear(&roster);
	return st;
}

/*
 * Anybody can take us into a group of any name. So one that has ended leaves
 * its name to a group of the same admin or of our own, not to a stranger's:
 * what goes on being sent to the name would reach others than it was meant for.
 */
static enum status
inherits(struct session *session, const struct group_list *list,
    struct bytes name, const struct group *heir, bool *out)
{
	struct signing_public_key admin, before;
	enum status st;

	*out = true;
	if (heir->is_admin || heir->roster_size == 0)
		return STATUS_OK;
	if ((st = read_admin(session, heir, &admin)) != STATUS_OK)
		return st;
	for (size_t i = 0; i < list->count && *out; i++) {
		const struct group *ended = &list->items[i];

		if (is_live(ended) || !is_called(ended, name) ||
		    ended->roster_size == 0)
			continue;
		if ((st = read_admin(session, ended, &before)) != STATUS_OK)
			return st;
		*out = signing_public_key_equal(&admin, &before);
	}
	return STATUS_OK;
}

enum status
groups_find(struct session *session, struct bytes name, struct group *out,
    struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];
	struct group_list list = {0};
	struct group *found = NULL;
	bool is_unique = true;
	size_t count = 0;
	enum status st;

	if (name.size > 0 && name.data[0] == '@')
		name = bytes_make(name.data + 1, name.size - 1);
	if (name.size == 0)
		return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "The name of the group is missing.");
	if ((st = groups_list(session, &list, error)) != STATUS_OK)
		return st;
	/*
	 * An id first: whoever names a group like the id of another one does
	 * not get what is meant for that.
	 */
	found = match_id(&list, parse_id(name));
	if (found == NULL) {
		count = match(&list, name, true, &found);
		if (count == 1 && (st = inherits(session, &list, name, found,
				       &is_unique)) != STATUS_OK) {
			st = state_error(error, st);
			goto out;
		}
		if (count == 0)
			is_unique = match(&list, name, false, &found) <= 1;
	}
	if (count > 1 || !is_unique) {
		st = tell_ambiguous(&list, name, count <= 1, error);
		goto out;
	}
	if (found == NULL) {
		group_event_line_name(name, shown);
		st = client_error_set(error, STATUS_NOT_FOUND, EXIT_CODE_FAILED,
		    "This account is in no group called %s. “peyk group list” "
		    "shows those that it is in; “peyk poll” fetches what is "
		    "new.",
		    shown);
		goto out;
	}
	*out = *found;
	*found = (struct group){0}; /* now the caller's */
out:
	group_list_clear(&list);
	return st;
}

/* ---- Members ---- */

void
group_member_list_clear(struct group_member_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	free(list->items);
	*list = (struct group_member_list){0};
}

/* With the canonical name to sort by. */
struct named_member {
	struct group_member member;
	struct buf canonical;
};

static int
compare_names(const void *a, const void *b)
{
	const struct named_member *left = a, *right = b;

	return bytes_compare(
	    buf_bytes(&left->canonical), buf_bytes(&right->canonical));
}

/* What is pinned to a member's name. */
static enum status
judge(struct session *session, const struct roster_member *member,
    struct bytes canonical, enum message_author *out)
{
	struct identity identity = {
	    .signing_key = member->signing_key,
	    .encryption_key = member->encryption_key,
	    .server_key =
		*vault_server_key(account_vault(session_account(session))),
	};
	struct bytes name = bytes_from_string(member->name);

	if (name.size >= sizeof(identity.name) ||
	    canonical.size >= sizeof(identity.canonical_name))
		return STATUS_INTERNAL; /* the roster has been verified */
	memcpy(identity.name, name.data, name.size);
	memcpy(identity.canonical_name, canonical.data, canonical.size);
	return contacts_judge_author(session, &identity, out);
}

static enum status
fill_member(struct session *session, const struct group *group,
    const struct roster *roster, const struct roster_member *from,
    struct named_member *out)
{
	const struct vault *vault = account_vault(session_account(session));
	struct group_member *member = &out->member;
	enum status st;

	buf_init(&out->canonical, NAME_CANONICAL_SIZE_MAX);
	member->signing_key = from->signing_key;
	member->encryption_key = from->encryption_key;
	member->is_admin =
	    signing_public_key_equal(&from->signing_key, &roster->admin_key);
	member->is_self = signing_public_key_equal(
	    &from->signing_key, &vault_signing(vault)->public_key);
	member->name = strdup(from->name);
	if (member->name == NULL)
		return STATUS_NOMEM;
	if ((st = name_append_canonical(bytes_from_string(from->name),
		 &out->canonical)) != STATUS_OK ||
	    (st = state_group_leave_has(session_state(session), group->id,
		 &from->signing_key, &member->has_left)) != STATUS_OK)
		return st;
	return judge(
	    session, from, buf_bytes(&out->canonical), &member->author);
}

static enum status
list_members(struct session *session, const struct group *group,
    const struct roster *roster, struct group_member_list *out)
{
	struct named_member *named =
	    calloc(roster->member_count, sizeof(*named));
	struct group_member_list list = {0};
	enum status st = STATUS_OK;

	list.items = calloc(roster->member_count, sizeof(*list.items));
	if (named == NULL || list.items == NULL)
		st = STATUS_NOMEM;
	for (size_t i = 0; i < roster->member_count && st == STATUS_OK; i++)
		st = fill_member(
		    session, group, roster, &roster->members[i], &named[i]);
	if (st == STATUS_OK) {
		qsort(
		    named, roster->member_count, sizeof(*named), compare_names);
		for (; list.count < roster->member_count; list.count++) {
			list.items[list.count] = named[list.count].member;
			named[list.count].member.name = NULL;
		}
		*out = list;
		list = (struct group_member_list){0}; /* now the caller's */
	}
	for (size_t i = 0; named != NULL && i < roster->member_count; i++) {
		buf_clear(&named[i].canonical);
		free(named[i].member.name);
	}
	free(named);
	group_member_list_clear(&list);
	return st;
}

enum status
groups_members(struct session *session, const struct group *group,
    struct group_member_list *out, struct client_error *error)
{
	const struct vault *vault = account_vault(session_account(session));
	struct roster roster = {0};
	enum status st;

	if (group->epoch == 0) {
		*out = (struct group_member_list){0};
		return STATUS_OK;
	}
	st = roster_reopen(bytes_make(group->roster, group->roster_size),
	    vault_server_key(vault), &roster);
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		st = STATUS_FORGED;
	if (st == STATUS_OK)
		st = list_members(session, group, &roster, out);
	roster_clear(&roster);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

enum status
groups_safety_number(const struct group *group,
    char out[GROUPS_SAFETY_NUMBER_SIZE], struct client_error *error)
{
	enum status st;

	if (group->epoch == 0)
		return client_error_set(error, STATUS_NOT_FOUND,
		    EXIT_CODE_FAILED,
		    "The group has no key yet, and so no safety number.");
	st = e2ee_group_safety_number(
	    group->id, group->epoch, &group->roster_hash, out);
	return st == STATUS_OK ? STATUS_OK
			       : client_error_set_plain(
				     error, st, "compute the safety number");
}

/* ---- Words ---- */

void
group_conversation(uint64_t id, char out[GROUP_CONVERSATION_SIZE])
{
	(void)snprintf(out, GROUP_CONVERSATION_SIZE, "@%" PRIu64, id);
}

const char *
group_status_name(enum group_status status)
{
	switch (status) {
	case GROUP_STATUS_CREATING:
		return "creating";
	case GROUP_STATUS_ACTIVE:
		return "active";
	case GROUP_STATUS_LEFT:
		return "left";
	case GROUP_STATUS_REMOVED:
		return "removed";
	case GROUP_STATUS_DELETED:
		return "deleted";
	}
	return "unknown";
}
