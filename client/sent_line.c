#include "client/sent_line.h"

#include <inttypes.h>
#include <string.h>

#include "client/group_event_line.h"
#include "client/output.h"
#include "wire/limits.h"

/* As the history tells where it went. */
static bool
set_group(json_t *object, const struct group *group)
{
	struct bytes name = bytes_from_string(group->name);
	struct buf to;
	bool is_set;

	buf_init(&to, WIRE_GROUP_NAME_MAX + 1);
	is_set =
	    buf_append_u8(&to, '@') == STATUS_OK &&
	    buf_append(&to, name) == STATUS_OK &&
	    json_object_set_new(
		object, "to", output_json_text(buf_bytes(&to))) == 0 &&
	    json_object_set_new(object, "group", output_json_text(name)) == 0 &&
	    json_object_set_new(
		object, "group_id", json_sprintf("%" PRIu64, group->id)) == 0;
	buf_clear(&to);
	return is_set;
}

json_t *
sent_line_json(const char *recipient, const struct group *group,
    const struct outgoing_result *result)
{
	static const uint8_t none[MESSAGE_ID_SIZE];
	bool has_id = memcmp(result->id, none, sizeof(none)) != 0;
	char id[MESSAGE_ID_TEXT_SIZE];
	json_t *object;

	message_id_format(result->id, id);
	object = json_pack("{s:s, s:o, s:o, s:s, s:o}", "event", "sent", "id",
	    has_id ? json_string(id) : json_null(), "to",
	    group != NULL ? json_null()
			  : output_json_text(bytes_from_string(recipient)),
	    "outcome", message_outcome_name(result->outcome), "sent_at",
	    result->sent_at_ms != 0 ? output_json_time(result->sent_at_ms)
				    : json_null());
	if (object != NULL && group != NULL && !set_group(object, group)) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

void
sent_line_recipient(const char *recipient, const struct group *group,
    char out[CLIENT_DISPLAY_SIZE])
{
	if (group != NULL)
		group_event_line_name(bytes_from_string(group->name), out);
	else
		client_display(
		    bytes_from_string(recipient), out, CLIENT_DISPLAY_SIZE);
}
