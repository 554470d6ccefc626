#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "client/message_json.h"
#include "client/message_json_read.h"
#include "gen/peyk/v1/group.pb-c.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "gen/peyk/v1/payload.pb-c.h"

/*
 * For tests/integration/test_message_json.py, which compares our JSON with
 * Python's. A line is "encode TYPE JSON" or "decode TYPE HEX"; the answer is
 * a line "ok HEX", "ok JSON" or "error TEXT".
 */

static const ProtobufCMessageDescriptor *const types[] = {
    &peyk__v1__sealed_request__descriptor,
    &peyk__v1__sealed_response__descriptor,
    &peyk__v1__get_server_info_request__descriptor,
    &peyk__v1__get_server_info_response__descriptor,
    &peyk__v1__server_info__descriptor,
    &peyk__v1__sealing_key__descriptor,
    &peyk__v1__signed_message__descriptor,
    &peyk__v1__request_content__descriptor,
    &peyk__v1__response_content__descriptor,
    &peyk__v1__identity__descriptor,
    &peyk__v1__signed_identity__descriptor,
    &peyk__v1__sign_up_request__descriptor,
    &peyk__v1__sign_up_response__descriptor,
    &peyk__v1__get_public_key_request__descriptor,
    &peyk__v1__get_public_key_response__descriptor,
    &peyk__v1__send_request__descriptor,
    &peyk__v1__send_response__descriptor,
    &peyk__v1__poll_request__descriptor,
    &peyk__v1__poll_response__descriptor,
    &peyk__v1__create_group_request__descriptor,
    &peyk__v1__create_group_response__descriptor,
    &peyk__v1__add_member_request__descriptor,
    &peyk__v1__remove_member_request__descriptor,
    &peyk__v1__rotate_group_key_request__descriptor,
    &peyk__v1__update_group_request__descriptor,
    &peyk__v1__key_update_response__descriptor,
    &peyk__v1__leave_group_request__descriptor,
    &peyk__v1__leave_group_response__descriptor,
    &peyk__v1__get_group_request__descriptor,
    &peyk__v1__get_group_response__descriptor,
    &peyk__v1__list_groups_request__descriptor,
    &peyk__v1__list_groups_response__descriptor,
    &peyk__v1__delete_group_request__descriptor,
    &peyk__v1__delete_group_response__descriptor,
    &peyk__v1__roster__descriptor,
    &peyk__v1__leave__descriptor,
};

static const ProtobufCMessageDescriptor *
find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i]->short_name, name) == 0)
			return types[i];
	return NULL;
}

static void
encode(const ProtobufCMessageDescriptor *type, const char *text)
{
	struct message_json_problem problem = {0};
	json_t *object = NULL;
	struct buf bytes, hex;
	const char *shown = "";
	enum status st;

	buf_init(&bytes, (size_t)4 << 20);
	buf_init(&hex, (size_t)8 << 20);
	st = message_json_parse(bytes_from_string(text), &object, &problem);
	if (st == STATUS_OK)
		st = message_json_encode(type, object, &bytes, &problem);
	if (st == STATUS_OK)
		st = text_encode(TEXT_ENCODING_HEX, buf_bytes(&bytes), &hex);
	if (st == STATUS_OK && hex.size > 0)
		st = buf_string(&hex, &shown);
	if (st == STATUS_OK)
		(void)printf("ok %s\n", shown);
	else
		(void)printf("error %s %s\n", status_name(st), problem.text);
	json_decref(object);
	buf_clear(&hex);
	buf_clear(&bytes);
}

static void
decode(const ProtobufCMessageDescriptor *type, const char *text)
{
	json_t *object = NULL;
	struct buf bytes;
	char *shown = NULL;
	enum status st;

	buf_init(&bytes, (size_t)4 << 20);
	st = text_decode(TEXT_ENCODING_HEX, bytes_from_string(text), &bytes);
	if (st == STATUS_OK)
		st = message_json_decode(type, buf_bytes(&bytes), &object);
	if (st == STATUS_OK)
		shown = json_dumps(object, JSON_COMPACT);
	if (shown != NULL)
		(void)printf("ok %s\n", shown);
	else
		(void)printf("error %s\n", status_name(st));
	free(shown);
	json_decref(object);
	buf_clear(&bytes);
}

int
main(void)
{
	const ProtobufCMessageDescriptor *type;
	char *line = NULL, *rest, *verb, *name;
	size_t capacity = 0;
	ssize_t size;

	while ((size = getline(&line, &capacity, stdin)) > 0) {
		if (line[size - 1] == '\n')
			line[size - 1] = '\0';
		rest = line;
		verb = strsep(&rest, " ");
		name = strsep(&rest, " ");
		type = name != NULL ? find_type(name) : NULL;
		if (type == NULL)
			(void)printf("error unknown type\n");
		else if (strcmp(verb, "encode") == 0)
			encode(type, rest != NULL ? rest : "");
		else
			decode(type, rest != NULL ? rest : "");
		(void)fflush(stdout);
	}
	free(line);
	return 0;
}
