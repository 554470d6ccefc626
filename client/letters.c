#include "client/letters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/outgoing_core.h"
#include "client/state_contacts.h"
#include "client/state_messages.h"
#include "e2ee/direct.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

enum status
letters_check_text(struct bytes text, size_t position, size_t count,
    struct client_error *error)
{
	char which[64] = "The message";

	if (count > 1)
		(void)snprintf(
		    which, sizeof(which), "Message number %zu", position + 1);
	if (text.size == 0)
		return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "%s is empty. Nothing was sent.", which);
	if (text.size > OUTGOING_TEXT_MAX)
		return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "%s is too long: it has %zu bytes, and a message may have "
		    "%d. Nothing was sent. Divide it into several messages.",
		    which, text.size, OUTGOING_TEXT_MAX);
	if (!text_is_utf8(text) || memchr(text.data, '\0', text.size) != NULL)
		return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "%s is not text in UTF-8. Nothing was sent.", which);
	return STATUS_OK;
}

static void
free_ciphertexts(struct buf *ciphertexts, size_t count)
{
	for (size_t i = 0; ciphertexts != NULL && i < count; i++)
		buf_clear(&ciphertexts[i]);
	free(ciphertexts);
}

/*
 * Encrypts one message, adds it to the history as pending, and moves the
 * chain. STATUS_EXISTS: its id is in use.
 */
static enum status
seal_letter(struct session *session, const struct letter *letter,
    size_t position, uint64_t sequence, struct e2ee_chain *chain,
    struct buf *out)
{
	const struct vault *vault = account_vault(session_account(session));
	const struct contact *contact = letter->contact;
	struct state_outgoing row = {
	    .id = letter->id,
	    .peer = contact->name,
	    .peer_canonical = contact->canonical,
	    .peer_key = &contact->signing_key,
	    .text = letter->text,
	    .sent_at_ms = clock_wall_ms(),
	    .sequence = sequence,
	    .position = position,
	    .before = *chain,
	};
	struct e2ee_direct_draft draft = {
	    .sender = vault_statement(vault),
	    .sender_key = &vault_signing(vault)->secret_key,
	    .recipient_signing_key = &contact->signing_key,
	    .recipient_encryption_key = &contact->encryption_key,
	    .sent_at_ms = row.sent_at_ms,
	    .text = row.text,
	};
	struct e2ee_chain_link link;
	struct sha256_digest hash;
	enum status st;

	memcpy(draft.id.bytes, row.id, sizeof(draft.id.bytes));
	if ((st = e2ee_chain_next(chain, &link)) != STATUS_OK)
		return st;
	draft.counter = link.counter;
	draft.previous_hash = link.previous_hash;
	if ((st = e2ee_direct_seal(&draft, out, &hash)) != STATUS_OK ||
	    (st = state_outgoing_add(session_state(session), &row)) !=
		STATUS_OK)
		return st;
	e2ee_chain_advance(chain, &hash);
	return STATUS_OK;
}

/* Letters from `first` on that go to one contact; *next is behind them. */
static enum status
seal_run(struct session *session, const struct letter *letters, size_t count,
    size_t first, uint64_t sequence, struct buf *ciphertexts, size_t *next)
{
	const struct contact *contact = letters[first].contact;
	struct state *state = session_state(session);
	struct e2ee_chain chain;
	size_t i = first;
	enum status st;

	if ((st = state_send_chain_read(
		 state, &contact->signing_key, &chain)) != STATUS_OK)
		return st;
	for (; i < count && letters[i].contact == contact; i++) {
		buf_init(&ciphertexts[i], WIRE_CIPHERTEXT_MAX);
		if ((st = seal_letter(session, &letters[i], i, sequence, &chain,
			 &ciphertexts[i])) != STATUS_OK)
			return st;
	}
	*next = i;
	return state_send_chain_write(state, &contact->signing_key, &chain);
}

static enum status
pack_request(const struct letter *letters, const struct buf *ciphertexts,
    size_t count, struct buf *out)
{
	Peyk__V1__OutgoingMessage *messages = calloc(count, sizeof(*messages));
	enum status st;

	if (messages == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < count; i++) {
		peyk__v1__outgoing_message__init(&messages[i]);
		messages[i].recipient_key =
		    wire_field(BYTES_OF(letters[i].contact->signing_key.bytes));
		messages[i].ciphertext = wire_field(buf_bytes(&ciphertexts[i]));
	}
	st = outgoing_pack(messages, count, out);
	free(messages);
	return st;
}

/* The pin may have met other keys since it was read. */
static enum status
check_contact(struct session *session, const struct contact *contact,
    struct client_error *error)
{
	struct contact current = {0};
	enum status st;

	st = state_contact_read(session_state(session), contact->canonical,
	    vault_server_key(account_vault(session_account(session))),
	    &current);
	if (st != STATUS_OK)
		return state_error(error, st);
	st = contacts_check_unchanged(&current, error);
	contact_clear(&current);
	return st;
}

enum status
letters_prepare(struct session *session, const struct letter *letters,
    size_t count, uint64_t sequence, struct buf *body,
    struct client_error *error)
{
	struct buf *ciphertexts = NULL;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < count; i++)
		if ((i == 0 || letters[i].contact != letters[i - 1].contact) &&
		    (st = check_contact(session, letters[i].contact, error)) !=
			STATUS_OK)
			return st;
	ciphertexts = calloc(count, sizeof(*ciphertexts));
	if (ciphertexts == NULL)
		st = STATUS_NOMEM;
	for (size_t i = 0; i < count && st == STATUS_OK;)
		st = seal_run(
		    session, letters, count, i, sequence, ciphertexts, &i);
	if (st == STATUS_OK)
		st = pack_request(letters, ciphertexts, count, body);
	free_ciphertexts(ciphertexts, count);
	if (st == STATUS_EXISTS)
		return client_error_set(error, st, EXIT_CODE_USAGE,
		    "One of the messages has an id that another message has "
		    "already. Every message needs an id of its own.");
	if (st == STATUS_TOO_LARGE)
		return client_error_set(error, st, EXIT_CODE_USAGE,
		    "The messages do not fit into one request. Nothing was "
		    "sent.");
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}
