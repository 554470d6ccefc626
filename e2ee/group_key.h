#ifndef PEYK_E2EE_GROUP_KEY_H
#define PEYK_E2EE_GROUP_KEY_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * The keys of a group's epoch (docs/protocol.md section 13). Client only; any
 * thread. Everything but the commitment is secret: wipe it.
 *
 *	server_share, admin_secret -> group secret -> commitment
 *	                                           -> a chain for each sender
 *	chain i -> message key i
 *	        -> chain i + 1
 */

#define E2EE_GROUP_SHARE_SIZE ((size_t)32)
#define E2EE_GROUP_CHAIN_SIZE ((size_t)32)

struct e2ee_group_share {
	uint8_t bytes[E2EE_GROUP_SHARE_SIZE];
};

struct e2ee_group_secret {
	uint8_t bytes[SHA256_SIZE];
};

/* The key of one message, from which a fresh key and iv are drawn. */
struct e2ee_group_message_key {
	uint8_t bytes[SHA256_SIZE];
};

/* One sender's chain: its key stands at index. */
struct e2ee_group_chain {
	uint8_t key[E2EE_GROUP_CHAIN_SIZE];
	uint64_t index;
};

MUST_CHECK enum status e2ee_group_secret_make(
    const struct e2ee_group_share *server_share,
    const struct e2ee_group_share *admin_secret,
    struct e2ee_group_secret *out);

/* What a roster says of the key of its epoch. */
MUST_CHECK enum status e2ee_group_commitment(
    const struct e2ee_group_secret *secret, uint64_t group_id, uint32_t epoch,
    struct sha256_digest *out);

/* The chain of a sender at index 0. */
MUST_CHECK enum status e2ee_group_chain_init(
    const struct e2ee_group_secret *secret, uint64_t group_id, uint32_t epoch,
    const struct signing_public_key *sender_key, struct e2ee_group_chain *out);

/* The message key at the chain's index; moves the chain on by one. */
MUST_CHECK enum status e2ee_group_chain_step(
    struct e2ee_group_chain *chain, struct e2ee_group_message_key *out);

/*
 * The safety number of a group in one epoch, with its NUL: 12 groups of 5
 * digits. Members whose numbers are equal have the same roster.
 */
#define E2EE_GROUP_SAFETY_NUMBER_LENGTH (12 * 5 + 11)

MUST_CHECK enum status e2ee_group_safety_number(uint64_t group_id,
    uint32_t epoch, const struct sha256_digest *roster_hash,
    char out[E2EE_GROUP_SAFETY_NUMBER_LENGTH + 1]);

#endif
