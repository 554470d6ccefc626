#ifndef PEYK_CLIENT_STATE_GROUP_OUTGOING_H
#define PEYK_CLIENT_STATE_GROUP_OUTGOING_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/history.h"
#include "client/state.h"
#include "e2ee/chain.h"
#include "e2ee/group_key.h"

/*
 * Messages to groups on their way, in state.db (table messages); errors as in
 * client/state.h.
 */

/* All borrowed. */
struct state_group_outgoing {
	const uint8_t *id; /* MESSAGE_ID_SIZE */
	uint64_t group_id;
	struct bytes text;
	uint64_t sent_at_ms;
};

/*
 * Adds it as MESSAGE_OUTCOME_PENDING without a request: it waits to be
 * encrypted. Takes the place of one with that id that was refused.
 * STATUS_EXISTS: an id that is pending or stored.
 */
MUST_CHECK enum status state_group_outgoing_add(
    struct state *state, const struct state_group_outgoing *message);

/* Those that wait to be encrypted, in order. Clear *out. */
MUST_CHECK enum status state_group_outgoing_waiting(struct state *state,
    uint64_t group_id, size_t limit, struct message_list *out);

/*
 * Groups in which something waits: ACTIVE, with a key, in an epoch that the
 * server has not refused. free() *out.
 */
MUST_CHECK enum status state_groups_sending(
    struct state *state, uint64_t **out, size_t *count);

/* What a waiting message was encrypted with. */
struct state_group_sealed {
	int64_t number; /* message.number */
	uint64_t sequence;
	size_t position;
	uint32_t epoch;
	struct e2ee_chain counter_before;
	struct e2ee_group_chain chain_before;
};

/* It is in a request now. */
MUST_CHECK enum status state_group_outgoing_assign(
    struct state *state, const struct state_group_sealed *sealed);

/*
 * The messages to groups of a request in the outbox, by position; those to
 * users are state_pending_list().
 */
struct state_group_pending {
	uint64_t group_id;
	struct state_group_sealed sealed;
};

MUST_CHECK enum status state_group_pending_list(struct state *state,
    uint64_t sequence, struct state_group_pending **out, size_t *count);

/* Wipes, too. NULL is a no-op. */
void state_group_pending_free(
    struct state_group_pending *pending, size_t count);

/* It waits to be encrypted again; state_outgoing_settle() decides instead. */
MUST_CHECK enum status state_group_outgoing_release(
    struct state *state, int64_t number);

/* All of a group that wait are refused: we are no member any more. */
MUST_CHECK enum status state_group_outgoing_refuse(
    struct state *state, uint64_t group_id, size_t *count);

#endif
