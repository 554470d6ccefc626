#include "client/group_letters.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "client/outgoing_core.h"
#include "client/state_group_keys.h"
#include "e2ee/group_message.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* Where the sender stands: both move with each message. */
struct position {
	struct e2ee_group_chain chain;
	struct e2ee_chain counter;
};

static enum status
seal_message(struct session *session, const struct state_group *group,
    const struct message *message, struct state_group_sealed *sealed,
    struct position *position, struct buf *out)
{
	const struct signing_key_pair *own =
	    vault_signing(account_vault(session_account(session)));
	struct e2ee_group_draft draft = {
	    .place = {.group_id = group->id,
		.epoch = group->epoch,
		.sender_key = own->public_key,
		.index = position->chain.index},
	    .sender_key = &own->secret_key,
	    .roster_hash = &group->roster_hash,
	    .sent_at_ms = message->sent_at_ms,
	    .text = bytes_make(message->text, message->text_size),
	};
	struct e2ee_group_message_key key = {0};
	struct e2ee_chain_link link;
	struct sha256_digest hash;
	enum status st;

	sealed->number = message->number;
	sealed->epoch = group->epoch;
	sealed->counter_before = position->counter;
	sealed->chain_before = position->chain;
	memcpy(draft.id.bytes, message->id, sizeof(draft.id.bytes));
	if ((st = e2ee_chain_next(&position->counter, &link)) != STATUS_OK)
		goto out;
	draft.counter = link.counter;
	draft.previous_hash = link.previous_hash;
	if ((st = e2ee_group_chain_step(&position->chain, &key)) != STATUS_OK ||
	    (st = e2ee_group_message_seal(&draft, &key, out, &hash)) !=
		STATUS_OK ||
	    (st = state_group_outgoing_assign(
		 session_state(session), sealed)) != STATUS_OK)
		goto out;
	e2ee_chain_advance(&position->counter, &hash);
out:
	secret_wipe(&key, sizeof(key));
	return st;
}

/* Encrypts these, one after the other, and moves chain and counter. */
static enum status
seal_messages(struct session *session, const struct state_group *group,
    const struct message *messages, size_t count, uint64_t sequence,
    struct buf *ciphertexts)
{
	const struct signing_public_key *own_key =
	    &vault_signing(account_vault(session_account(session)))->public_key;
	struct state *state = session_state(session);
	struct state_group_sealed sealed = {.sequence = sequence};
	struct position position = {0};
	bool is_known;
	enum status st;

	if ((st = state_group_chain_read(state, group->id, group->epoch,
		 own_key, &position.chain)) != STATUS_OK ||
	    (st = state_group_counter_read(state, group->id, own_key,
		 &position.counter, &is_known)) != STATUS_OK)
		goto out;
	for (size_t i = 0; i < count; i++) {
		buf_init(&ciphertexts[i], WIRE_CIPHERTEXT_MAX);
		sealed.position = i;
		if ((st = seal_message(session, group, &messages[i], &sealed,
			 &position, &ciphertexts[i])) != STATUS_OK)
			goto out;
	}
	if ((st = state_group_chain_write(state, group->id, group->epoch,
		 own_key, &position.chain)) != STATUS_OK)
		goto out;
	st = state_group_counter_write(
	    state, group->id, own_key, &position.counter);
out:
	secret_wipe(&sealed, sizeof(sealed));
	secret_wipe(&position, sizeof(position));
	return st;
}

static enum status
pack_request(const struct state_group *group, const struct buf *ciphertexts,
    size_t count, struct buf *out)
{
	Peyk__V1__OutgoingMessage *messages = calloc(count, sizeof(*messages));
	enum status st;

	if (messages == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < count; i++) {
		peyk__v1__outgoing_message__init(&messages[i]);
		messages[i].group_id = group->id;
		messages[i].epoch = group->epoch;
		messages[i].ciphertext = wire_field(buf_bytes(&ciphertexts[i]));
	}
	st = outgoing_pack(messages, count, out);
	free(messages);
	return st;
}

enum status
group_letters_prepare(struct session *session, const struct state_group *group,
    const struct message *messages, size_t count, uint64_t sequence,
    struct buf *body, struct client_error *error)
{
	struct buf *ciphertexts = calloc(count, sizeof(*ciphertexts));
	enum status st = STATUS_NOMEM;

	if (ciphertexts != NULL)
		st = seal_messages(
		    session, group, messages, count, sequence, ciphertexts);
	if (st == STATUS_OK)
		st = pack_request(group, ciphertexts, count, body);
	for (size_t i = 0; ciphertexts != NULL && i < count; i++)
		buf_clear(&ciphertexts[i]);
	free(ciphertexts);
	if (st == STATUS_TOO_LARGE)
		return client_error_set(error, st, EXIT_CODE_USAGE,
		    "The messages do not fit into one request. Nothing was "
		    "sent.");
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

enum status
group_letters_undo(
    struct session *session, const struct state_group_pending *pending)
{
	const struct signing_public_key *own_key =
	    &vault_signing(account_vault(session_account(session)))->public_key;
	const struct state_group_sealed *sealed = &pending->sealed;
	const struct e2ee_chain_link link = {
	    .counter = sealed->counter_before.counter + 1,
	    .previous_hash = &sealed->counter_before.hash,
	};
	struct state *state = session_state(session);
	struct e2ee_group_chain chain = {0};
	struct e2ee_chain counter;
	bool is_known;
	enum status st;

	if ((st = state_group_counter_read(state, pending->group_id, own_key,
		 &counter, &is_known)) != STATUS_OK)
		goto out;
	e2ee_chain_roll_back(&counter, &link);
	if ((st = state_group_counter_write(
		 state, pending->group_id, own_key, &counter)) != STATUS_OK)
		goto out;
	st = state_group_chain_read(
	    state, pending->group_id, sealed->epoch, own_key, &chain);
	if (st == STATUS_NOT_FOUND)
		st = STATUS_OK; /* the epoch is over and forgotten */
	else if (st == STATUS_OK && chain.index > sealed->chain_before.index)
		st = state_group_chain_write(state, pending->group_id,
		    sealed->epoch, own_key, &sealed->chain_before);
out:
	secret_wipe(&chain, sizeof(chain));
	return st;
}
