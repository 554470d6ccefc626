#ifndef PEYK_CLIENT_STATE_CONTACTS_H
#define PEYK_CLIENT_STATE_CONTACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "client/contacts.h"
#include "client/state.h"
#include "e2ee/chain.h"

/* Contacts and chains in state.db; errors as in client/state.h. */

/* STATUS_NOT_FOUND. The identities in it are what was stored, verified then. */
MUST_CHECK enum status state_contact_read(struct state *state,
    const char *canonical, const struct signing_public_key *server_key,
    struct contact *out);

MUST_CHECK enum status state_contact_list(struct state *state,
    const struct signing_public_key *server_key, struct contact_list *out);

/* Pins the identity; asserts that nothing is pinned. */
MUST_CHECK enum status state_contact_pin(struct state *state,
    const char *canonical, struct bytes identity, uint64_t now_ms);

/* Keeps other keys beside the pin; empty identity: there are none. */
MUST_CHECK enum status state_contact_set_changed(struct state *state,
    const char *canonical, struct bytes identity, uint64_t now_ms);

/* at_ms: 0 takes the mark back. */
MUST_CHECK enum status state_contact_set_verified(
    struct state *state, const char *canonical, uint64_t at_ms);

/* Chains are named by the other's signing key; zeroed where there is none. */
MUST_CHECK enum status state_send_chain_read(struct state *state,
    const struct signing_public_key *peer, struct e2ee_chain *out);
MUST_CHECK enum status state_send_chain_write(struct state *state,
    const struct signing_public_key *peer, const struct e2ee_chain *chain);
MUST_CHECK enum status state_receive_chain_read(struct state *state,
    const struct signing_public_key *peer, struct e2ee_chain *out);
MUST_CHECK enum status state_receive_chain_write(struct state *state,
    const struct signing_public_key *peer, const struct e2ee_chain *chain);

#endif
