#ifndef PEYK_E2EE_GROUP_MESSAGE_H
#define PEYK_E2EE_GROUP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "e2ee/direct.h"
#include "e2ee/group_key.h"

/*
 * Messages to a group (docs/protocol.md section 13). Client only. Any thread;
 * an object is one thread's at a time.
 */

/* Where a message stands; all of it enters the encryption as aad. */
struct e2ee_group_place {
	uint64_t group_id;
	uint32_t epoch;
	struct signing_public_key sender_key;
	uint64_t index; /* in the sender's chain */
};

/* What is sent. All borrowed. */
struct e2ee_group_draft {
	struct e2ee_group_place place;
	const struct signing_secret_key *sender_key;
	const struct sha256_digest *roster_hash;
	struct e2ee_message_id id;
	uint64_t sent_at_ms;
	uint64_t counter; /* from 1: e2ee_chain_next() */
	const struct sha256_digest *previous_hash; /* NULL with counter 1 */
	struct bytes text; /* UTF-8 without NUL, 1 to WIRE_TEXT_MAX bytes */
};

/*
 * Signs, pads and encrypts under the message key at place.index: appends
 * OutgoingMessage.ciphertext, and gives the SHA-256 of the content. Errors as
 * e2ee_direct_seal().
 */
MUST_CHECK enum status e2ee_group_message_seal(
    const struct e2ee_group_draft *draft,
    const struct e2ee_group_message_key *key, struct buf *out,
    struct sha256_digest *content_hash);

/* The same with given 32 random bytes: for test vectors only. */
MUST_CHECK enum status e2ee_group_message_seal_with(
    const struct e2ee_group_draft *draft,
    const struct e2ee_group_message_key *key, const uint8_t random[32],
    struct buf *out, struct sha256_digest *content_hash);

/*
 * Whose it claims to be, and which key opens it: reads sender_key and index of
 * the ciphertext into *place. STATUS_INVALID: too short, or an index past
 * WIRE_NUMBER_MAX.
 */
MUST_CHECK enum status e2ee_group_message_peek(
    struct bytes ciphertext, struct e2ee_group_place *place);

/* A message that its sender's signature vouches for. */
struct e2ee_group_message {
	struct e2ee_message_id id;
	struct sha256_digest roster_hash; /* compare it with the own one */
	uint64_t sent_at_ms;              /* by the sender's clock */
	uint64_t counter;
	bool has_previous_hash;
	struct sha256_digest previous_hash;
	struct sha256_digest content_hash;
	enum e2ee_direct_kind kind; /* TEXT or UNKNOWN */
	const char *text;           /* TEXT: owned by the struct; else "" */
	size_t text_size;
	void *content;              /* private */
};

/* Wipes and frees. No-op on a zeroed one. */
void e2ee_group_message_clear(struct e2ee_group_message *message);

/*
 * Decrypts with the message key of the place, verifies the signature of
 * place->sender_key, and that the content names the same place. Clear the
 * result.
 *
 * STATUS_FORGED for what does not decrypt or verify, or belongs elsewhere;
 * STATUS_INVALID for what decrypts but breaks the format; both are set aside.
 * STATUS_NOMEM, STATUS_INTERNAL: try again.
 */
MUST_CHECK enum status e2ee_group_message_open(struct bytes ciphertext,
    const struct e2ee_group_place *place,
    const struct e2ee_group_message_key *key,
    struct e2ee_group_message *out);

#endif
