#include "client/state_contacts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/state_sql.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* ---- Contacts ---- */

static enum status
copy_bytes(struct bytes from, uint8_t **out, size_t *size)
{
	uint8_t *copy = malloc(from.size > 0 ? from.size : 1);

	if (copy == NULL)
		return STATUS_NOMEM;
	if (from.size > 0)
		memcpy(copy, from.data, from.size);
	*out = copy;
	*size = from.size;
	return STATUS_OK;
}

/*
 * Takes name and keys out of a stored statement. Its signature was verified
 * before it was stored, and the database vouches for what it holds, so it is
 * not verified again: this runs for every message that is received.
 */
static enum status
read_statement(struct bytes statement,
    const struct signing_public_key *server_key, struct contact *contact)
{
	Peyk__V1__SignedIdentity *outer = NULL;
	Peyk__V1__Identity *identity = NULL;
	enum status st;

	if ((st = wire_unpack(&peyk__v1__signed_identity__descriptor, statement,
		 WIRE_SIGNED_IDENTITY_MAX, &outer)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__identity__descriptor,
		 wire_bytes(outer->identity), WIRE_IDENTITY_MAX, &identity)) !=
		STATUS_OK ||
	    (st = signing_public_key_import(wire_bytes(identity->signing_key),
		 &contact->signing_key)) != STATUS_OK ||
	    (st = encryption_public_key_import(
		 wire_bytes(identity->encryption_key),
		 &contact->encryption_key)) != STATUS_OK)
		goto out;
	if (!bytes_equal(wire_bytes(identity->server_key),
		BYTES_OF(server_key->bytes))) {
		st = STATUS_FORGED;
		goto out;
	}
	contact->name = strdup(identity->username);
	if (contact->name == NULL)
		st = STATUS_NOMEM;
out:
	wire_free(identity);
	wire_free(outer);
	return st == STATUS_INVALID || st == STATUS_TOO_LARGE ? STATUS_FORGED
							      : st;
}

/* The contact of the current row. */
static enum status
read_contact(const struct sql *sql, const struct signing_public_key *server_key,
    struct contact *out)
{
	struct contact contact = {0};
	enum status st;

	st = read_statement(sql_bytes(sql, 1), server_key, &contact);
	if (st != STATUS_OK)
		goto out;
	contact.pinned_at_ms = sql_u64(sql, 2);
	contact.verified_at_ms = sql_u64(sql, 3);
	contact.is_changed = !sql_is_null(sql, 4);
	contact.changed_at_ms = sql_u64(sql, 5);
	if ((st = sql_copy_text(sql, 0, &contact.canonical, NULL)) !=
		STATUS_OK ||
	    (st = copy_bytes(sql_bytes(sql, 1), &contact.identity,
		 &contact.identity_size)) != STATUS_OK ||
	    (contact.is_changed &&
		(st = copy_bytes(sql_bytes(sql, 4), &contact.changed_identity,
		     &contact.changed_identity_size)) != STATUS_OK))
		goto out;
	*out = contact;
	contact = (struct contact){0}; /* now the caller's */
out:
	contact_clear(&contact);
	return st;
}

enum status
state_contact_read(struct state *state, const char *canonical,
    const struct signing_public_key *server_key, struct contact *out)
{
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_CONTACT_READ);
	sql_bind_text(&sql, canonical);
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK)
		st = has_row ? read_contact(&sql, server_key, out)
			     : STATUS_NOT_FOUND;
	sql_end(&sql);
	return st;
}

enum status
state_contact_list(struct state *state,
    const struct signing_public_key *server_key, struct contact_list *out)
{
	struct contact_list list = {0};
	struct contact *items;
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_CONTACT_LIST);
	while ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row) {
		items =
		    reallocarray(list.items, list.count + 1, sizeof(*items));
		if (items == NULL) {
			st = STATUS_NOMEM;
			break;
		}
		list.items = items;
		if ((st = read_contact(&sql, server_key, &items[list.count])) !=
		    STATUS_OK)
			break;
		list.count++;
	}
	sql_end(&sql);
	if (st == STATUS_OK) {
		*out = list;
		list = (struct contact_list){0}; /* now the caller's */
	}
	contact_list_clear(&list);
	return st;
}

enum status
state_contact_pin(struct state *state, const char *canonical,
    struct bytes identity, uint64_t now_ms)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_CONTACT_PIN);
	sql_bind_text(&sql, canonical);
	sql_bind_bytes(&sql, identity);
	sql_bind_u64(&sql, now_ms);
	return sql_run(&sql);
}

enum status
state_contact_set_changed(struct state *state, const char *canonical,
    struct bytes identity, uint64_t now_ms)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_CONTACT_SET_CHANGED);
	sql_bind_text(&sql, canonical);
	if (identity.size > 0)
		sql_bind_bytes(&sql, identity);
	else
		sql_bind_text(&sql, NULL);
	sql_bind_u64(&sql, identity.size > 0 ? now_ms : 0);
	return sql_run(&sql);
}

enum status
state_contact_set_verified(
    struct state *state, const char *canonical, uint64_t at_ms)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_CONTACT_SET_VERIFIED);
	sql_bind_text(&sql, canonical);
	sql_bind_u64(&sql, at_ms);
	return sql_run(&sql);
}

/* ---- Chains ---- */

static enum status
chain_read(struct state *state, enum state_statement statement,
    const struct signing_public_key *peer, struct e2ee_chain *out)
{
	struct e2ee_chain chain = {0};
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, statement);
	sql_bind_bytes(&sql, BYTES_OF(state->own_key.bytes));
	sql_bind_bytes(&sql, BYTES_OF(peer->bytes));
	if ((st = sql_step(&sql, &has_row)) != STATUS_OK)
		goto out;
	if (has_row) {
		chain.counter = sql_u64(&sql, 0);
		if ((st = sql_copy(&sql, 1, chain.hash.bytes,
			 sizeof(chain.hash.bytes))) != STATUS_OK)
			goto out;
	}
	*out = chain;
out:
	sql_end(&sql);
	return st;
}

static enum status
chain_write(struct state *state, enum state_statement statement,
    const struct signing_public_key *peer, const struct e2ee_chain *chain)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, statement);
	sql_bind_bytes(&sql, BYTES_OF(state->own_key.bytes));
	sql_bind_bytes(&sql, BYTES_OF(peer->bytes));
	sql_bind_u64(&sql, chain->counter);
	sql_bind_bytes(&sql, BYTES_OF(chain->hash.bytes));
	return sql_run(&sql);
}

enum status
state_send_chain_read(struct state *state,
    const struct signing_public_key *peer, struct e2ee_chain *out)
{
	return chain_read(state, STATE_SEND_CHAIN_READ, peer, out);
}

enum status
state_send_chain_write(struct state *state,
    const struct signing_public_key *peer, const struct e2ee_chain *chain)
{
	return chain_write(state, STATE_SEND_CHAIN_WRITE, peer, chain);
}

enum status
state_receive_chain_read(struct state *state,
    const struct signing_public_key *peer, struct e2ee_chain *out)
{
	return chain_read(state, STATE_RECEIVE_CHAIN_READ, peer, out);
}

enum status
state_receive_chain_write(struct state *state,
    const struct signing_public_key *peer, const struct e2ee_chain *chain)
{
	return chain_write(state, STATE_RECEIVE_CHAIN_WRITE, peer, chain);
}
