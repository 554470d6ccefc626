#ifndef PEYK_CLIENT_STATE_GROUP_KEYS_H
#define PEYK_CLIENT_STATE_GROUP_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "client/state.h"
#include "crypto/keys.h"
#include "e2ee/chain.h"
#include "e2ee/group_key.h"

/*
 * The keys of groups in state.db; errors as in client/state.h. What is read is
 * secret: wipe it.
 *
 *	group_chains    each sender's chain in an epoch, where it stands; in the
 *	                own one the next message is sent
 *	group_skipped   message keys that were passed over
 *	group_counters  each sender's last message, through all epochs
 *
 * state_group_epochs_prune() forgets the keys of ended epochs.
 */

/* STATUS_NOT_FOUND: no such epoch, no such sender, or pruned. */
MUST_CHECK enum status state_group_chain_read(struct state *state, uint64_t id,
    uint32_t epoch, const struct signing_public_key *sender,
    struct e2ee_group_chain *out);
/* Adds it, or takes the place of what is there. */
MUST_CHECK enum status state_group_chain_write(struct state *state, uint64_t id,
    uint32_t epoch, const struct signing_public_key *sender,
    const struct e2ee_group_chain *chain);

/* A key that was passed over. STATUS_NOT_FOUND. */
MUST_CHECK enum status state_group_skipped_read(struct state *state,
    uint64_t id, uint32_t epoch, const struct signing_public_key *sender,
    uint64_t index, struct e2ee_group_message_key *out);
MUST_CHECK enum status state_group_skipped_add(struct state *state, uint64_t id,
    uint32_t epoch, const struct signing_public_key *sender, uint64_t index,
    const struct e2ee_group_message_key *key);
MUST_CHECK enum status state_group_skipped_remove(struct state *state,
    uint64_t id, uint32_t epoch, const struct signing_public_key *sender,
    uint64_t index);
/* Gives all but the newest `keep` of a chain up. */
MUST_CHECK enum status state_group_skipped_trim(struct state *state,
    uint64_t id, uint32_t epoch, const struct signing_public_key *sender,
    uint64_t keep);

/*
 * A sender's last message, by its counter; the own key is the sending side.
 * *is_known false: none, and *out is zeroed.
 */
MUST_CHECK enum status state_group_counter_read(struct state *state,
    uint64_t id, const struct signing_public_key *sender,
    struct e2ee_chain *out, bool *is_known);
MUST_CHECK enum status state_group_counter_write(struct state *state,
    uint64_t id, const struct signing_public_key *sender,
    const struct e2ee_chain *chain);
/* Those of all but the own key: what they were before we were away. */
MUST_CHECK enum status state_group_counters_forget(
    struct state *state, uint64_t id);

#endif
