#include "client/group_people.h"

#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "client/group_event_line.h"
#include "wire/limits.h"

/* Canonical names, in the order of what they were made of. */
struct canonical_names {
	struct buf *items;
	size_t count;
};

static void
canonical_names_clear(struct canonical_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		buf_clear(&names->items[i]);
	free(names->items);
	*names = (struct canonical_names){0};
}

static enum status
canonical_names_make(const struct bytes *names, size_t count,
    struct canonical_names *out, struct client_error *error)
{
	enum status st;

	out->items = calloc(count > 0 ? count : 1, sizeof(*out->items));
	if (out->items == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "read the usernames");
	for (size_t i = 0; i < count; i++) {
		buf_init(&out->items[i], NAME_CANONICAL_SIZE_MAX);
		out->count++;
		if ((st = history_canonical(names[i], &out->items[i], error)) !=
		    STATUS_OK)
			return st;
	}
	return STATUS_OK;
}

static bool
canonical_names_have(
    const struct canonical_names *names, size_t count, struct bytes name)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(buf_bytes(&names->items[i]), name))
			return true;
	return false;
}

static int
compare_names(const void *a, const void *b)
{
	const struct buf *left = a, *right = b;
	size_t size = left->size < right->size ? left->size : right->size;
	int order = memcmp(left->data, right->data, size);

	if (order != 0)
		return order;
	return (left->size > right->size) - (left->size < right->size);
}

/* Leaves each name once, in the order of their bytes. */
static void
canonical_names_unite(struct canonical_names *names)
{
	size_t used = 0;

	qsort(names->items, names->count, sizeof(*names->items), compare_names);
	for (size_t i = 0; i < names->count; i++)
		if (used > 0 &&
		    compare_names(&names->items[used - 1], &names->items[i]) ==
			0)
			buf_clear(&names->items[i]);
		else
			names->items[used++] = names->items[i];
	names->count = used;
}

static bool
is_self(const struct session *session, struct bytes canonical)
{
	const struct vault *vault = account_vault(session_account(session));

	return bytes_equal(
	    canonical, bytes_from_string(vault_canonical(vault)));
}

static enum status
tell_unknown(struct bytes name, struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];

	client_display(name, shown, sizeof(shown));
	return client_error_set(error, STATUS_NOT_FOUND, EXIT_CODE_REFUSED,
	    "Nobody is called %s at this server. Check the spelling.", shown);
}

/* ---- By the contacts ---- */

/* Looks names up and pins them. */
static enum status
look_up(struct session *session, const struct bytes *names, size_t count,
    bool *found, struct client_error *error)
{
	enum status st;

	if (count == 0)
		return STATUS_OK;
	if ((st = session_connect(session, error)) != STATUS_OK)
		return st;
	return contacts_refresh(session, names, count, found, error);
}

/* Those of the names that nobody is pinned to are looked up. */
static enum status
pin_unknown(struct session *session, const struct bytes *names, size_t count,
    struct client_error *error)
{
	struct bytes *unknown = calloc(count, sizeof(*unknown));
	bool *found = calloc(count, sizeof(*found));
	struct contact contact = {0};
	size_t used = 0;
	enum status st = STATUS_OK;

	if (unknown == NULL || found == NULL) {
		st = client_error_set_plain(
		    error, STATUS_NOMEM, "look names up");
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		st = contacts_find(session, names[i], &contact, error);
		if (st == STATUS_NOT_FOUND)
			unknown[used++] = names[i];
		else if (st != STATUS_OK)
			goto out;
		contact_clear(&contact);
	}
	if ((st = look_up(session, unknown, used, found, error)) != STATUS_OK)
		goto out;
	for (size_t i = 0; i < used; i++)
		if (!found[i]) {
			st = tell_unknown(unknown[i], error);
			goto out;
		}
out:
	free(unknown);
	free(found);
	return st;
}

static enum status
check_none_is_self(const struct session *session,
    const struct canonical_names *names, struct client_error *error)
{
	for (size_t i = 0; i < names->count; i++)
		if (is_self(session, buf_bytes(&names->items[i])))
			return client_error_set(error, STATUS_INVALID,
			    EXIT_CODE_USAGE,
			    "You are in the group yourself: name others.");
	return STATUS_OK;
}

enum status
group_people_check_count(
    const struct session *session, size_t count, struct client_error *error)
{
	const struct session_server *server = session_server(session);
	size_t limit = WIRE_GROUP_MEMBERS_MAX;

	if (server != NULL && server->info.members_per_group > 0 &&
	    server->info.members_per_group < limit)
		limit = server->info.members_per_group;
	if (count <= limit)
		return STATUS_OK;
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "A group may have %zu members at most, and would have %zu.", limit,
	    count);
}

enum status
group_people_resolve(struct session *session, const struct bytes *names,
    size_t count, struct contact_list *out, struct client_error *error)
{
	struct canonical_names canonical = {0};
	struct contact_list list = {0};
	struct bytes name;
	enum status st;

	if ((st = canonical_names_make(names, count, &canonical, error)) !=
		STATUS_OK ||
	    (st = check_none_is_self(session, &canonical, error)) != STATUS_OK)
		goto out;
	canonical_names_unite(&canonical);
	/* With oneself, and before anybody is looked up. */
	if ((st = group_people_check_count(
		 session, canonical.count + 1, error)) != STATUS_OK ||
	    (count > 0 &&
		(st = pin_unknown(session, names, count, error)) != STATUS_OK))
		goto out;
	list.items = calloc(
	    canonical.count > 0 ? canonical.count : 1, sizeof(*list.items));
	if (list.items == NULL) {
		st = client_error_set_plain(
		    error, STATUS_NOMEM, "read the usernames");
		goto out;
	}
	for (size_t i = 0; i < canonical.count; i++) {
		name = buf_bytes(&canonical.items[i]);
		if ((st = contacts_find(session, name, &list.items[list.count],
			 error)) != STATUS_OK)
			goto out;
		list.count++;
		if ((st = contacts_check_unchanged(
			 &list.items[list.count - 1], error)) != STATUS_OK)
			goto out;
	}
	*out = list;
	list = (struct contact_list){0}; /* now the caller's */
out:
	contact_list_clear(&list);
	canonical_names_clear(&canonical);
	return st;
}

/* ---- By the roster ---- */

static enum status
canonical_names_of(const struct roster *roster, struct canonical_names *out,
    struct client_error *error)
{
	struct bytes *names =
	    calloc(roster->member_count > 0 ? roster->member_count : 1,
		sizeof(*names));
	enum status st;

	if (names == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "read the usernames");
	for (size_t i = 0; i < roster->member_count; i++)
		names[i] = bytes_from_string(roster->members[i].name);
	st = canonical_names_make(names, roster->member_count, out, error);
	free(names);
	return st;
}

static enum status
tell_no_member(
    struct bytes name, const char *group_name, struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE], group[CLIENT_DISPLAY_SIZE];

	client_display(name, shown, sizeof(shown));
	group_event_line_name(bytes_from_string(group_name), group);
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "%.300s is not in %.300s.", shown, group);
}

static enum status
pick_one(const struct roster *roster, const struct canonical_names *members,
    struct bytes canonical, struct roster_member *out)
{
	for (size_t i = 0; i < members->count; i++)
		if (bytes_equal(buf_bytes(&members->items[i]), canonical)) {
			*out = roster->members[i];
			return STATUS_OK;
		}
	return STATUS_NOT_FOUND;
}

enum status
group_people_pick(struct session *session, const struct roster *roster,
    const struct bytes *names, size_t count, const char *group_name,
    struct roster_member **out, size_t *picked, struct client_error *error)
{
	struct canonical_names wanted = {0}, members = {0};
	struct roster_member *found = NULL;
	size_t used = 0;
	enum status st;

	if ((st = canonical_names_make(names, count, &wanted, error)) !=
		STATUS_OK ||
	    (st = canonical_names_of(roster, &members, error)) != STATUS_OK)
		goto out;
	found = calloc(count > 0 ? count : 1, sizeof(*found));
	if (found == NULL) {
		st = client_error_set_plain(
		    error, STATUS_NOMEM, "read the usernames");
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		struct bytes name = buf_bytes(&wanted.items[i]);

		if (canonical_names_have(&wanted, i, name))
			continue;
		if (is_self(session, name)) {
			st = client_error_set(error, STATUS_INVALID,
			    EXIT_CODE_USAGE,
			    "That is you. Name another member.");
			goto out;
		}
		if (pick_one(roster, &members, name, &found[used]) !=
		    STATUS_OK) {
			st = tell_no_member(names[i], group_name, error);
			goto out;
		}
		used++;
	}
	*out = found;
	*picked = used;
	found = NULL; /* now the caller's */
out:
	free(found);
	canonical_names_clear(&members);
	canonical_names_clear(&wanted);
	return st;
}

/* ---- After a refusal ---- */

/*
 * Whether the key in a roster is the one that the server names now: what is
 * pinned, unless the server has named another since.
 */
static enum status
check_current(struct session *session, const struct roster_member *member,
    struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];
	struct contact contact = {0};
	bool is_pinned;
	enum status st;

	if ((st = contacts_find(session, bytes_from_string(member->name),
		 &contact, error)) != STATUS_OK)
		return st;
	is_pinned = signing_public_key_equal(
	    &contact.signing_key, &member->signing_key);
	if (is_pinned == contact.is_changed) {
		client_display(
		    bytes_from_string(contact.name), name, sizeof(name));
		st = client_error_set(error, STATUS_STALE,
		    EXIT_CODE_KEY_CHANGED,
		    "WARNING: the keys of %.400s have changed. Either it has "
		    "signed up anew, or somebody is pretending to be it. As "
		    "long as it is in the group with its old keys, nothing "
		    "else can change there: take it out (peyk group remove).",
		    name);
	}
	contact_clear(&contact);
	return st;
}

static enum status
tell_gone(const struct roster_member *member, struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];

	client_display(bytes_from_string(member->name), name, sizeof(name));
	return client_error_set(error, STATUS_NOT_FOUND, EXIT_CODE_REFUSED,
	    "%.400s has no account at this server any more. As long as it is "
	    "in the group, nothing else can change there: take it out (peyk "
	    "group remove).",
	    name);
}

enum status
group_people_check_current(struct session *session,
    const struct roster_member *members, size_t count,
    struct client_error *error)
{
	const struct vault *vault = account_vault(session_account(session));
	const struct roster_member **others =
	    calloc(count > 0 ? count : 1, sizeof(const struct roster_member *));
	struct bytes *names = calloc(count > 0 ? count : 1, sizeof(*names));
	bool *found = calloc(count > 0 ? count : 1, sizeof(*found));
	size_t used = 0;
	enum status st = STATUS_OK;

	if (others == NULL || names == NULL || found == NULL) {
		st = client_error_set_plain(
		    error, STATUS_NOMEM, "look names up");
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		if (signing_public_key_equal(&members[i].signing_key,
			&vault_signing(vault)->public_key))
			continue;
		others[used] = &members[i];
		names[used++] = bytes_from_string(members[i].name);
	}
	if ((st = look_up(session, names, used, found, error)) != STATUS_OK)
		goto out;
	for (size_t i = 0; i < used && st == STATUS_OK; i++)
		st = found[i] ? check_current(session, others[i], error)
			      : tell_gone(others[i], error);
out:
	free(others);
	free(names);
	free(found);
	return st;
}
