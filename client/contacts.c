#include "client/contacts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/history.h"
#include "client/session_request.h"
#include "client/state_contacts.h"
#include "e2ee/safety_number.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/identity.h"
#include "wire/limits.h"
#include "wire/unpack.h"

_Static_assert(CONTACTS_SAFETY_NUMBER_SIZE == E2EE_SAFETY_NUMBER_LENGTH + 1,
    "a safety number fits");

/* More first contacts at once are counted, not named. */
#define PINS_TOLD_MAX 8

/* What the server said of a name. */
struct look_up {
	bool is_found;
	struct identity identity;
	struct buf statement;
};

/* What was done with it; told once the transaction is through. */
enum look_up_effect {
	LOOK_UP_NOTHING,
	LOOK_UP_PINNED,
	LOOK_UP_CHANGED,
};

void
contact_clear(struct contact *contact)
{
	free(contact->name);
	free(contact->canonical);
	free(contact->identity);
	free(contact->changed_identity);
	*contact = (struct contact){0};
}

void
contact_list_clear(struct contact_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		contact_clear(&list->items[i]);
	free(list->items);
	*list = (struct contact_list){0};
}

static const struct signing_public_key *
server_key(const struct session *session)
{
	return vault_server_key(account_vault(session_account(session)));
}

enum status
contacts_list(struct session *session, struct contact_list *out,
    struct client_error *error)
{
	enum status st = state_contact_list(
	    session_state(session), server_key(session), out);

	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

/* STATUS_NOT_FOUND fills nothing in. */
static enum status
find(struct session *session, struct bytes name, struct contact *out,
    struct client_error *error)
{
	struct buf canonical;
	const char *text;
	enum status st;

	buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
	if ((st = history_canonical(name, &canonical, error)) != STATUS_OK)
		goto out;
	if ((st = buf_string(&canonical, &text)) != STATUS_OK) {
		st = client_error_set_plain(error, st, "read the username");
		goto out;
	}
	st = state_contact_read(
	    session_state(session), text, server_key(session), out);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		st = state_error(error, st);
out:
	buf_clear(&canonical);
	return st;
}

enum status
contacts_find(struct session *session, struct bytes name, struct contact *out,
    struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];
	enum status st = find(session, name, out, error);

	if (st == STATUS_NOT_FOUND) {
		client_display(name, shown, sizeof(shown));
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "%s is not among this account's contacts.", shown);
	}
	return st;
}

/* ---- Looking up ---- */

/*
 * Takes over what the server said of a name: its owner's statement, verified,
 * for this server and this name.
 */
static enum status
read_entry(const Peyk__V1__KeyEntry *entry, struct bytes name,
    const struct signing_public_key *server, struct look_up *out,
    struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];
	bool is_named = false;
	enum status st;

	if (entry->identity == NULL)
		return STATUS_OK;
	st = identity_verify(entry->identity, server, &out->identity);
	if (st == STATUS_OK)
		st = identity_is_named(&out->identity, name, &is_named);
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE ||
	    (st == STATUS_OK && !is_named))
		st = STATUS_FORGED;
	if (st == STATUS_OK)
		st = wire_pack(&entry->identity->base, &out->statement);
	if (st == STATUS_FORGED) {
		client_display(name, shown, sizeof(shown));
		return client_error_set(error, st, EXIT_CODE_KEY_CHANGED,
		    "WARNING: what the server answered for %s was not signed "
		    "by an owner of that name. Nothing was sent. Ask whoever "
		    "runs the server.",
		    shown);
	}
	if (st != STATUS_OK)
		return client_error_set_plain(error, st, "read the keys");
	out->is_found = true;
	return STATUS_OK;
}

static enum status
copy_names(const struct bytes *names, size_t count,
    Peyk__V1__GetPublicKeyRequest *request)
{
	request->names = calloc(count, sizeof(*request->names));
	if (request->names == NULL)
		return STATUS_NOMEM;
	for (; request->n_names < count; request->n_names++) {
		struct bytes name = names[request->n_names];
		char *copy = strndup((const char *)name.data, name.size);

		if (copy == NULL)
			return STATUS_NOMEM;
		request->names[request->n_names] = copy;
	}
	return STATUS_OK;
}

/* Asks the server; look_ups are zeroed and as many as names. */
static enum status
ask(struct session *session, const struct bytes *names, size_t count,
    struct look_up *look_ups, struct client_error *error)
{
	Peyk__V1__GetPublicKeyRequest request =
	    PEYK__V1__GET_PUBLIC_KEY_REQUEST__INIT;
	Peyk__V1__GetPublicKeyResponse *response = NULL;
	struct client_error told;
	enum status st;

	if ((st = copy_names(names, count, &request)) != STATUS_OK) {
		st = client_error_set_plain(error, st, "look names up");
		goto out;
	}
	/* Where the peer does not say more: */
	(void)client_error_set(&told, STATUS_INVALID, EXIT_CODE_UNREACHABLE,
	    "The server's answer makes no sense. It may be another version of "
	    "Peyk.");
	st = messenger_get_public_key(
	    session_peer(session, &told), &request, &response);
	if (st == STATUS_OK && response->n_entries != count)
		st = STATUS_INVALID;
	if (st != STATUS_OK) {
		if (error != NULL)
			*error = told;
		goto out;
	}
	for (size_t i = 0; i < count && st == STATUS_OK; i++)
		st = read_entry(response->entries[i], names[i],
		    server_key(session), &look_ups[i], error);
out:
	if (response != NULL)
		peyk__v1__get_public_key_response__free_unpacked(
		    response, NULL);
	for (size_t i = 0; i < request.n_names; i++)
		free(request.names[i]);
	free(request.names);
	return st;
}

/* Compares with the pin, or pins; in a transaction. */
static enum status
take_over(struct session *session, const struct look_up *look_up,
    enum look_up_effect *effect)
{
	struct state *state = session_state(session);
	const struct identity *identity = &look_up->identity;
	struct contact pinned = {0};
	bool is_same;
	enum status st;

	*effect = LOOK_UP_NOTHING;
	st = state_contact_read(
	    state, identity->canonical_name, server_key(session), &pinned);
	if (st == STATUS_NOT_FOUND) {
		*effect = LOOK_UP_PINNED;
		return state_contact_pin(state, identity->canonical_name,
		    buf_bytes(&look_up->statement), clock_wall_ms());
	}
	if (st != STATUS_OK)
		return st;
	is_same = signing_public_key_equal(
		      &pinned.signing_key, &identity->signing_key) &&
		  encryption_public_key_equal(
		      &pinned.encryption_key, &identity->encryption_key);
	if (is_same && pinned.is_changed) {
		st = state_contact_set_changed(
		    state, identity->canonical_name, bytes_empty(), 0);
	} else if (!is_same && (!pinned.is_changed ||
				   !bytes_equal(buf_bytes(&look_up->statement),
				       bytes_make(pinned.changed_identity,
					   pinned.changed_identity_size)))) {
		*effect = LOOK_UP_CHANGED;
		st = state_contact_set_changed(state, identity->canonical_name,
		    buf_bytes(&look_up->statement), clock_wall_ms());
	}
	contact_clear(&pinned);
	return st;
}

/* Who it is about is in the contacts, too. */
static void
tell_many(struct session *session, size_t count)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	    "First contact with %zu people: remembering their keys. Compare "
	    "the safety numbers (peyk verify) to be sure who they are.",
	    count);
	session_notice(session, NOTICE_CONTACT_PINNED, NULL, count, text);
}

static void
tell(struct session *session, const struct look_up *look_up,
    enum look_up_effect effect, bool tells_pins)
{
	char name[CLIENT_DISPLAY_SIZE];
	char text[CLIENT_DISPLAY_SIZE + 256];

	client_display(
	    bytes_from_string(look_up->identity.name), name, sizeof(name));
	switch (effect) {
	case LOOK_UP_NOTHING:
		break;
	case LOOK_UP_PINNED:
		if (!tells_pins)
			break;
		(void)snprintf(text, sizeof(text),
		    "First contact with %s: remembering its keys. Compare the "
		    "safety number (peyk verify) to be sure who it is.",
		    name);
		session_notice(session, NOTICE_CONTACT_PINNED, name, 0, text);
		break;
	case LOOK_UP_CHANGED:
		(void)snprintf(text, sizeof(text),
		    "WARNING: the server names other keys for %s than before. "
		    "Nothing is sent to it until they are accepted.",
		    name);
		session_notice(session, NOTICE_CONTACT_CHANGED, name, 0, text);
		break;
	}
}

static void
tell_all(struct session *session, const struct look_up *look_ups,
    const enum look_up_effect *effects, size_t count)
{
	size_t pinned = 0;

	for (size_t i = 0; i < count; i++)
		pinned += effects[i] == LOOK_UP_PINNED;
	if (pinned > PINS_TOLD_MAX)
		tell_many(session, pinned);
	for (size_t i = 0; i < count; i++)
		tell(session, &look_ups[i], effects[i],
		    pinned <= PINS_TOLD_MAX);
}

static enum status
take_all_over(struct session *session, const struct look_up *look_ups,
    size_t count, enum look_up_effect *effects, struct client_error *error)
{
	struct state *state = session_state(session);
	enum status st;

	if ((st = state_begin(state)) != STATUS_OK)
		return state_error(error, st);
	for (size_t i = 0; i < count && st == STATUS_OK; i++)
		if (look_ups[i].is_found)
			st = take_over(session, &look_ups[i], &effects[i]);
	if (st == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

static enum status
check_names(
    const struct bytes *names, size_t count, struct client_error *error)
{
	struct buf canonical;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < count && st == STATUS_OK; i++) {
		buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
		st = history_canonical(names[i], &canonical, error);
		buf_clear(&canonical);
	}
	return st;
}

/* How many names the server takes at once. */
static size_t
ask_size(const struct session *session)
{
	const struct session_server *server = session_server(session);
	size_t limit = server != NULL ? server->info.names_per_lookup : 0;

	return limit > 0 && limit < WIRE_NAMES_PER_LOOKUP
		   ? limit
		   : WIRE_NAMES_PER_LOOKUP;
}

enum status
contacts_refresh(struct session *session, const struct bytes *names,
    size_t count, bool *found, struct client_error *error)
{
	struct look_up *look_ups = NULL;
	enum look_up_effect *effects = NULL;
	size_t size, done;
	enum status st;

	assert(count > 0);
	if ((st = check_names(names, count, error)) != STATUS_OK)
		return st;
	look_ups = calloc(count, sizeof(*look_ups));
	effects = calloc(count, sizeof(*effects));
	if (look_ups == NULL || effects == NULL) {
		st = client_error_set_plain(
		    error, STATUS_NOMEM, "look names up");
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		buf_init(&look_ups[i].statement, WIRE_SIGNED_IDENTITY_MAX);
	for (done = 0; done < count; done += size) {
		size = ask_size(session);
		if (size > count - done)
			size = count - done;
		if ((st = ask(session, names + done, size, look_ups + done,
			 error)) != STATUS_OK ||
		    (st = take_all_over(session, look_ups + done, size,
			 effects + done, error)) != STATUS_OK)
			break;
	}
	/* What was pinned stays so, whatever came after it. */
	tell_all(session, look_ups, effects, done);
	for (size_t i = 0; found != NULL && i < done; i++)
		found[i] = look_ups[i].is_found;
out:
	for (size_t i = 0; look_ups != NULL && i < count; i++)
		buf_clear(&look_ups[i].statement);
	free(look_ups);
	free(effects);
	return st;
}

enum status
contacts_resolve(struct session *session, struct bytes name,
    struct contact *out, struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];
	bool is_found = false;
	enum status st;

	if ((st = find(session, name, out, error)) != STATUS_NOT_FOUND)
		return st;
	if ((st = contacts_refresh(session, &name, 1, &is_found, error)) !=
	    STATUS_OK)
		return st;
	if (!is_found) {
		client_display(name, shown, sizeof(shown));
		return client_error_set(error, STATUS_NOT_FOUND,
		    EXIT_CODE_REFUSED,
		    "Nobody is called %s at this server. Check the spelling.",
		    shown);
	}
	return contacts_find(session, name, out, error);
}

enum status
contacts_judge_author(struct session *session, const struct identity *author,
    enum message_author *out)
{
	const struct vault *vault = account_vault(session_account(session));
	struct contact contact = {0};
	enum status st;

	if (identity_is_same(author, vault_identity(vault))) {
		*out = MESSAGE_AUTHOR_PINNED;
		return STATUS_OK;
	}
	st = state_contact_read(session_state(session), author->canonical_name,
	    vault_server_key(vault), &contact);
	if (st == STATUS_NOT_FOUND) {
		*out = MESSAGE_AUTHOR_UNVERIFIED;
		return STATUS_OK;
	}
	if (st != STATUS_OK)
		return st;
	*out = signing_public_key_equal(
		   &contact.signing_key, &author->signing_key) &&
		       encryption_public_key_equal(
			   &contact.encryption_key, &author->encryption_key)
		   ? MESSAGE_AUTHOR_PINNED
		   : MESSAGE_AUTHOR_CONFLICTING;
	contact_clear(&contact);
	return STATUS_OK;
}

enum status
contacts_check_unchanged(
    const struct contact *contact, struct client_error *error)
{
	char name[CLIENT_DISPLAY_SIZE];

	if (!contact->is_changed)
		return STATUS_OK;
	client_display(bytes_from_string(contact->name), name, sizeof(name));
	return client_error_set(error, STATUS_STALE, EXIT_CODE_KEY_CHANGED,
	    "WARNING: the keys of %s have changed. Either %s signed up anew, "
	    "or somebody is pretending to be %s. Nothing was sent. Ask %s over "
	    "another way, and compare the safety number: peyk verify shows "
	    "it.",
	    name, name, name, name);
}

enum status
contacts_set_verified(struct session *session, const struct contact *contact,
    bool is_verified, struct client_error *error)
{
	struct state *state = session_state(session);
	enum status st;

	if ((st = state_begin(state)) != STATUS_OK)
		return state_error(error, st);
	st = state_contact_set_verified(
	    state, contact->canonical, is_verified ? clock_wall_ms() : 0);
	if (st == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

enum status
contacts_safety_number(struct session *session, const struct contact *contact,
    bool of_changed, char out[CONTACTS_SAFETY_NUMBER_SIZE],
    struct client_error *error)
{
	const struct vault *vault = account_vault(session_account(session));
	struct bytes statement =
	    bytes_make(contact->identity, contact->identity_size);
	struct identity identity;
	enum status st;

	assert(!of_changed || contact->is_changed);
	if (of_changed)
		statement = bytes_make(
		    contact->changed_identity, contact->changed_identity_size);
	st = identity_verify_bytes(
	    statement, vault_server_key(vault), &identity);
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		st = STATUS_FORGED;
	if (st != STATUS_OK)
		return state_error(error, st);
	st = e2ee_safety_number(vault_identity(vault), &identity, out);
	return st == STATUS_OK ? STATUS_OK
			       : client_error_set_plain(
				     error, st, "compute the safety number");
}
