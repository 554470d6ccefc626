#include "client/server_info_json.h"

#include <stdio.h>
#include <string.h>

#include "client/message_json.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* Whether the key is among those that were verified. */
static bool
is_verified(
    const struct channel_server_info *info, const Peyk__V1__SealingKey *key)
{
	for (size_t i = 0; i < info->sealing_key_count; i++) {
		const struct channel_sealing_key *known =
		    &info->sealing_keys[i];

		if (bytes_equal(
			wire_bytes(key->id), BYTES_OF(known->id.bytes)) &&
		    bytes_equal(
			wire_bytes(key->key), BYTES_OF(known->key.bytes)) &&
		    key->not_before_ms == known->not_before_ms &&
		    key->not_after_ms == known->not_after_ms)
			return true;
	}
	return false;
}

static enum status
add_sealing_key(
    const struct channel_server_info *info, struct bytes bytes, json_t *entry)
{
	Peyk__V1__SealingKey *key = NULL;
	json_t *opened = NULL;
	enum status st;

	st = wire_unpack(&peyk__v1__sealing_key__descriptor, bytes,
	    WIRE_SERVER_INFO_MAX, &key);
	if (st == STATUS_OK && is_verified(info, key))
		st = message_json_write(&key->base, &opened);
	else if (st != STATUS_NOMEM)
		st = STATUS_OK;
	if (st == STATUS_OK && json_object_set_new(entry, "opened",
				   opened != NULL ? opened : json_null()) != 0)
		st = STATUS_NOMEM;
	wire_free(key);
	return st;
}

static enum status
write_info(
    const struct channel_server_info *info, struct bytes bytes, json_t *object)
{
	char fingerprint[CHANNEL_FINGERPRINT_LENGTH + 1];
	const json_t *keys = json_object_get(object, "sealingKeys");
	Peyk__V1__ServerInfo *message = NULL;
	enum status st;

	if ((st = channel_fingerprint(&info->identity_key, fingerprint)) !=
		STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__server_info__descriptor, bytes,
		 WIRE_SERVER_INFO_MAX, &message)) != STATUS_OK)
		return st;
	if (json_object_set_new(
		object, "fingerprint", json_string(fingerprint)) != 0)
		st = STATUS_NOMEM;
	for (size_t i = 0; i < message->n_sealing_keys && st == STATUS_OK; i++)
		st = add_sealing_key(info,
		    wire_bytes(message->sealing_keys[i]->sealing_key),
		    json_array_get(keys, i));
	wire_free(message);
	return st;
}

enum status
server_info_json_read(struct bytes text, struct channel_server_info *info,
    json_t **out, struct message_json_problem *problem)
{
	Peyk__V1__GetServerInfoResponse *response = NULL;
	json_t *reply = NULL, *object = NULL;
	struct buf bytes;
	enum status st;

	(void)snprintf(problem->text, sizeof(problem->text),
	    "$: this is no GetServerInfoResponse");
	buf_init(&bytes, 2 * WIRE_SERVER_INFO_MAX);
	if ((st = message_json_parse(text, &reply, problem)) != STATUS_OK ||
	    (st = message_json_encode(
		 &peyk__v1__get_server_info_response__descriptor, reply, &bytes,
		 problem)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__get_server_info_response__descriptor,
		 buf_bytes(&bytes), WIRE_SERVER_INFO_MAX, &response)) !=
		STATUS_OK)
		goto out;
	st = channel_server_info_verify(response, info);
	if (st == STATUS_INVALID)
		(void)snprintf(problem->text, sizeof(problem->text),
		    "$.info: this is no ServerInfo");
	if (st == STATUS_OK)
		st = message_json_decode(&peyk__v1__server_info__descriptor,
		    wire_bytes(response->info), &object);
	if (st == STATUS_OK)
		st = write_info(info, wire_bytes(response->info), object);
	if (st == STATUS_OK) {
		*out = object;
		object = NULL; /* now the caller's */
	}
out:
	json_decref(object);
	json_decref(reply);
	wire_free(response);
	buf_clear(&bytes);
	return st;
}
