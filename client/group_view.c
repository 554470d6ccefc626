#include "client/group_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/contacts.h"
#include "client/group_event_line.h"

#define LINE_SIZE_MAX 16384

/* A safety number is shown in rows of four times five digits and a space. */
#define NUMBER_ROW 24

/* ---- gathering */

/* Whether the pin of a member is its key, and was compared. */
static bool
is_compared(struct session *session, const struct group_member *member)
{
	struct contact contact = {0};
	struct client_error ignored;
	bool answer;

	if (member->is_self || member->author != MESSAGE_AUTHOR_PINNED ||
	    contacts_find(session, bytes_from_string(member->name), &contact,
		&ignored) != STATUS_OK)
		return false;
	answer = contact.verified_at_ms != 0 && !contact.is_changed;
	contact_clear(&contact);
	return answer;
}

enum status
group_view_load_take(struct session *session, struct group *group,
    struct group_view *out, struct client_error *error)
{
	struct group_view view = {.group = *group};
	enum status st;

	*group = (struct group){0};
	st = groups_members(session, &view.group, &view.members, error);
	if (st != STATUS_OK)
		goto out;
	if (view.members.count > 0) {
		st = groups_safety_number(
		    &view.group, view.safety_number, error);
		if (st != STATUS_OK)
			goto out;
		view.is_compared =
		    calloc(view.members.count, sizeof(*view.is_compared));
		if (view.is_compared == NULL) {
			st = client_error_set_plain(
			    error, STATUS_NOMEM, "show the group");
			goto out;
		}
	}
	for (size_t i = 0; i < view.members.count; i++) {
		const struct group_member *member = &view.members.items[i];

		view.is_compared[i] = is_compared(session, member);
		if (member->is_admin)
			view.admin = member;
	}
	*out = view;
	view = (struct group_view){0}; /* now the caller's */
out:
	group_view_clear(&view);
	return st;
}

void
group_view_clear(struct group_view *view)
{
	group_clear(&view->group);
	group_member_list_clear(&view->members);
	free(view->is_compared);
	*view = (struct group_view){0};
}

/* ---- JSON */

static json_t *
member_json(const struct group_member *member, bool compared)
{
	struct buf hex;
	json_t *object = NULL;

	buf_init(&hex, 2 * SIGNING_PUBLIC_KEY_SIZE);
	if (text_encode(TEXT_ENCODING_HEX, BYTES_OF(member->signing_key.bytes),
		&hex) == STATUS_OK)
		object = json_pack("{s:o, s:s, s:b, s:b, s:s, s:b, s:o}",
		    "name", output_json_text(bytes_from_string(member->name)),
		    "role", member->is_admin ? "admin" : "member", "self",
		    member->is_self, "left", member->has_left, "key",
		    message_author_name(member->author), "compared", compared,
		    "signing_key",
		    json_stringn((const char *)hex.data, hex.size));
	buf_clear(&hex);
	return object;
}

static json_t *
members_json(const struct group_view *view)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < view->members.count; i++) {
		if (json_array_append_new(
			list, member_json(&view->members.items[i],
				  view->is_compared[i])) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

json_t *
group_view_json(const struct group_view *view, bool has_members)
{
	const struct group *group = &view->group;
	json_t *object;

	object = json_pack(
	    "{s:s, s:o, s:o, s:s, s:s, s:I, s:o, s:I, s:o, s:I, s:b}", "event",
	    "group", "group", output_json_text(bytes_from_string(group->name)),
	    "group_id", json_sprintf("%" PRIu64, group->id), "status",
	    group_status_name(group->status), "role",
	    group->is_admin ? "admin" : "member", "epoch",
	    (json_int_t)group->epoch, "admin",
	    view->admin != NULL
		? output_json_text(bytes_from_string(view->admin->name))
		: json_null(),
	    "member_count", (json_int_t)view->members.count, "safety_number",
	    *view->safety_number != '\0' ? json_string(view->safety_number)
					 : json_null(),
	    "waiting", (json_int_t)group->waiting, "forked", group->is_forked);
	if (object != NULL && has_members &&
	    json_object_set_new(object, "members", members_json(view)) != 0) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

/* ---- lines */

const char *
group_view_state(const struct group *group)
{
	return group->is_forked ? "FORKED" : group_status_name(group->status);
}

enum status
group_view_print_number(struct output *output, const char *number)
{
	size_t size = strlen(number);
	enum status st = STATUS_OK;

	for (size_t at = 0; at < size && st == STATUS_OK; at += NUMBER_ROW)
		st = output_line(
		    output, "    %.*s", NUMBER_ROW - 1, number + at);
	return st;
}

/* "What          VALUE", where the value is someone's name. */
static enum status
print_name(struct output *output, struct buf *line, const char *what,
    const char *name, const char *remark)
{
	enum status st = buf_append_string(line, what);

	if (st == STATUS_OK)
		st = output_append_text(line, bytes_from_string(name));
	if (st == STATUS_OK)
		st = buf_append_string(line, remark);
	return st == STATUS_OK ? output_buf(output, line) : st;
}

static const char *
member_remark(const struct group_member *member, bool compared)
{
	if (member->is_self)
		return "you";
	switch (member->author) {
	case MESSAGE_AUTHOR_PINNED:
		return compared ? "compared ✓" : "known";
	case MESSAGE_AUTHOR_UNVERIFIED:
		return "not known here";
	case MESSAGE_AUTHOR_CONFLICTING:
		return "NOT THE KEY THAT YOU KNOW";
	}
	return "";
}

static enum status
print_members(
    struct output *output, struct buf *line, const struct group_view *view)
{
	size_t columns = 0;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < view->members.count && st == STATUS_OK; i++) {
		size_t width;

		st = output_append_text(
		    line, bytes_from_string(view->members.items[i].name));
		width = text_width(buf_bytes(line));
		columns = width > columns ? width : columns;
		buf_reset(line);
	}
	for (size_t i = 0; i < view->members.count && st == STATUS_OK; i++) {
		const struct group_member *member = &view->members.items[i];

		st = buf_append_string(line, "    ");
		if (st == STATUS_OK)
			st = output_append_padded(
			    line, bytes_from_string(member->name), columns + 2);
		if (st == STATUS_OK)
			st = buf_append_format(line, "%s%s%s",
			    member_remark(member, view->is_compared[i]),
			    member->is_admin ? ", admin" : "",
			    member->has_left ? ", has left" : "");
		if (st == STATUS_OK)
			st = output_buf(output, line);
	}
	return st;
}

static enum status
print_waiting(struct output *output, uint64_t count)
{
	if (count == 0)
		return STATUS_OK;
	return output_line(output,
	    "Waiting:  %" PRIu64
	    " messages that cannot be read before a key comes",
	    count);
}

enum status
group_view_print(struct output *output, const struct group_view *view)
{
	const struct group *group = &view->group;
	struct buf line;
	enum status st = STATUS_OK;

	buf_init(&line, LINE_SIZE_MAX);
	if (group->is_forked)
		st = output_line(output, "%s",
		    "WARNING: a member was given ANOTHER list of members than "
		    "you: somebody may read\nalong whom you do not see. "
		    "Compare the safety number with every member.\n");
	if (st == STATUS_OK)
		st = print_name(output, &line, "Group:    ", group->name, "");
	if (st == STATUS_OK)
		st = output_line(output,
		    "Id:       %" PRIu64 "\nStatus:   %s\nEpoch:    %" PRIu32,
		    group->id, group_status_name(group->status), group->epoch);
	if (st == STATUS_OK && view->admin != NULL)
		st = print_name(output, &line, "Admin:    ", view->admin->name,
		    view->admin->is_self ? " (you)" : "");
	if (st == STATUS_OK)
		st = print_waiting(output, group->waiting);
	if (st == STATUS_OK)
		st = output_line(output, "Members:  %zu", view->members.count);
	if (st == STATUS_OK)
		st = print_members(output, &line, view);
	if (st == STATUS_OK && *view->safety_number != '\0') {
		st = output_line(output, "%s",
		    "Safety number, the same for all members in this epoch:");
		if (st == STATUS_OK)
			st = group_view_print_number(
			    output, view->safety_number);
	}
	buf_clear(&line);
	return st;
}
