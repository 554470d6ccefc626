#include "client/peek.h"

#include "client/contacts.h"
#include "client/history.h"
#include "client/output.h"
#include "e2ee/direct.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

static enum status
describe(
    struct session *session, const struct e2ee_direct *direct, json_t **out)
{
	char id[MESSAGE_ID_TEXT_SIZE];
	enum message_author author;
	enum status st;

	if ((st = contacts_judge_author(session, &direct->sender, &author)) !=
	    STATUS_OK)
		return st;
	message_id_format(direct->id.bytes, id);
	*out = json_pack("{s:s, s:o, s:o, s:o, s:s}", "id", id, "from",
	    output_json_text(bytes_from_string(direct->sender.name)), "text",
	    output_json_text(bytes_make(direct->text, direct->text_size)),
	    "sent_at", output_json_time(direct->sent_at_ms), "author",
	    message_author_name(author));
	return *out != NULL ? STATUS_OK : STATUS_NOMEM;
}

static enum status
read_message(struct session *session, const Peyk__V1__InboxMessage *message,
    json_t **out)
{
	const struct vault *vault = account_vault(session_account(session));
	struct e2ee_direct direct = {0};
	enum status st;

	st = e2ee_direct_open(wire_bytes(message->ciphertext),
	    vault_encryption(vault), &vault_signing(vault)->public_key,
	    vault_server_key(vault), &direct);
	if (st == STATUS_OK && direct.kind == E2EE_DIRECT_KIND_TEXT)
		st = describe(session, &direct, out);
	else if (st != STATUS_NOMEM && st != STATUS_INTERNAL) {
		*out = json_null();
		st = STATUS_OK;
	}
	e2ee_direct_clear(&direct);
	return st;
}

enum status
peek_add_messages(struct session *session, struct bytes body, json_t *payload)
{
	const json_t *messages = json_object_get(payload, "messages");
	Peyk__V1__PollResponse *response = NULL;
	json_t *opened;
	enum status st;

	if ((st = wire_unpack(&peyk__v1__poll_response__descriptor, body,
		 WIRE_BODY_MAX, &response)) != STATUS_OK)
		return st;
	if (json_array_size(messages) != response->n_messages)
		st = STATUS_INVALID;
	for (size_t i = 0; i < response->n_messages && st == STATUS_OK; i++) {
		opened = NULL;
		if ((st = read_message(session, response->messages[i],
			 &opened)) == STATUS_OK &&
		    json_object_set_new(
			json_array_get(messages, i), "opened", opened) != 0)
			st = STATUS_NOMEM;
	}
	wire_free(response);
	return st;
}
