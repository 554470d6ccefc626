#ifndef PEYK_CLIENT_STATE_MESSAGES_H
#define PEYK_CLIENT_STATE_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/history.h"
#include "client/state.h"
#include "e2ee/chain.h"

/*
 * Messages in state.db; errors as in client/state.h.
 */

/* Names of which the authors are still to be looked up. */
struct state_names {
	char **items;
	size_t count;
};

void state_names_clear(struct state_names *names);

/* ---- Outgoing ---- */

/* All borrowed. */
struct state_outgoing {
	const uint8_t *id; /* MESSAGE_ID_SIZE */
	const char *peer;
	const char *peer_canonical;
	const struct signing_public_key *peer_key;
	struct bytes text;
	uint64_t sent_at_ms;
	uint64_t sequence;        /* of the request that carries it */
	size_t position;          /* in that request */
	struct e2ee_chain before; /* the chain before this message */
};

/*
 * Adds it as MESSAGE_OUTCOME_PENDING, or takes the place of one with that id
 * that was refused. STATUS_EXISTS: an id that is pending or stored.
 */
MUST_CHECK enum status state_outgoing_add(
    struct state *state, const struct state_outgoing *message);

/* A refused one with this id, if there is one, makes place. */
MUST_CHECK enum status state_outgoing_forget_refused(
    struct state *state, const uint8_t id[MESSAGE_ID_SIZE]);

/* STATUS_NOT_FOUND. */
MUST_CHECK enum status state_outgoing_read(struct state *state,
    const uint8_t id[MESSAGE_ID_SIZE], struct message *out);

/* One message to a user of a request in the outbox. */
struct state_pending {
	int64_t number;
	struct signing_public_key peer_key;
	struct e2ee_chain before;
};

/* Those of a request, by position. free() *out. */
MUST_CHECK enum status state_pending_list(struct state *state,
    uint64_t sequence, struct state_pending **out, size_t *count);

/* Decides one; it is no longer pending. */
MUST_CHECK enum status state_outgoing_settle(struct state *state,
    int64_t number, enum message_outcome outcome, uint64_t stored_at_ms);

/* ---- Incoming ---- */

/* How the history puts what a sender's chain says. */
enum message_order message_order_of(enum e2ee_chain_verdict verdict);

/* All borrowed. */
struct state_incoming {
	const uint8_t *id; /* MESSAGE_ID_SIZE */
	const char *peer;
	const char *peer_canonical;
	const struct signing_public_key *peer_key;
	struct bytes text;
	uint64_t sent_at_ms;
	uint64_t stored_at_ms;
	enum message_order order;
	uint64_t missing_before;
	/* false: still to be looked up, or nobody if peer is empty */
	bool is_author_pinned;
	bool is_shown;         /* already */
	uint64_t group_id;     /* 0: between two users */
	uint32_t epoch;
	enum message_kind kind;
	enum group_event event;
};

/* Whether this (sender key, message id) of a kind is there already. */
MUST_CHECK enum status state_incoming_is_known(struct state *state,
    const struct signing_public_key *peer_key,
    const uint8_t id[MESSAGE_ID_SIZE], enum message_kind kind, bool *out);
MUST_CHECK enum status state_incoming_add(
    struct state *state, const struct state_incoming *message);

/* Names whose messages have authors to be looked up; up to limit. */
MUST_CHECK enum status state_incoming_unchecked(
    struct state *state, size_t limit, struct state_names *out);

/*
 * Judges those of one name: by the pinned key (NULL: nobody is pinned).
 */
MUST_CHECK enum status state_incoming_judge(struct state *state,
    const char *canonical, const struct signing_public_key *pinned);

/*
 * Takes messages that were never shown and that no living process has taken,
 * in order, and marks them as taken by this handle. conversation may be NULL:
 * all of them.
 */
MUST_CHECK enum status state_incoming_take(struct state *state,
    const char *conversation, size_t limit, struct message_list *out);

/* Marks one as shown, or gives it back. */
MUST_CHECK enum status state_incoming_set_shown(
    struct state *state, int64_t number, bool is_shown);

/* How many were never shown, of other conversations (NULL: of all). */
MUST_CHECK enum status state_incoming_count_waiting(
    struct state *state, const char *conversation, uint64_t *out);

/*
 * Whose the last of them is, as it spells its name, and the name of its group
 * ("": none); free() both. STATUS_NOT_FOUND if there is none.
 */
MUST_CHECK enum status state_incoming_last_waiting(struct state *state,
    const char *conversation, char **peer, char **group_name);

/* ---- Reading ---- */

struct state_message_query {
	const char *conversation; /* NULL: all */
	int64_t after, before;
	size_t limit;
	bool is_from_end;
};

MUST_CHECK enum status state_message_list(struct state *state,
    const struct state_message_query *query, struct message_list *out);

#endif
