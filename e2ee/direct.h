#ifndef PEYK_E2EE_DIRECT_H
#define PEYK_E2EE_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "e2ee/group_key.h"
#include "wire/identity.h"
#include "wire/limits.h"

/*
 * Direct messages (docs/protocol.md section 9). Client only. Any thread; an
 * object is one thread's at a time.
 */

/* Random, chosen by the sender; with the sender's key it names a message. */
struct e2ee_message_id {
	uint8_t bytes[WIRE_MESSAGE_ID_SIZE];
};

enum e2ee_direct_kind {
	E2EE_DIRECT_KIND_TEXT,
	/* A letter of a group's admin: outside the count, counter is 0. */
	E2EE_DIRECT_KIND_GROUP_KEY,
	E2EE_DIRECT_KIND_GROUP_FAREWELL,
	/*
	 * Authentic, but of a kind that this version does not know: set it
	 * aside and say that the sender's program is newer. Not for drafts.
	 */
	E2EE_DIRECT_KIND_UNKNOWN,
};

/* The key of a group's epoch, on its way to a member. Secret: wipe it. */
struct e2ee_group_key_letter {
	uint64_t group_id;
	uint32_t epoch;
	struct sha256_digest roster_hash;
	struct e2ee_group_share admin_secret;
	struct e2ee_group_share server_share;
};

/* The end of a group for its recipient. */
struct e2ee_group_farewell {
	uint64_t group_id;
	uint32_t epoch; /* the first without it; is_deleted: the last one */
	bool is_deleted;
};

/* What is sent to whom. All borrowed. */
struct e2ee_direct_draft {
	struct bytes sender; /* own SignedIdentity, serialized */
	const struct signing_secret_key *sender_key;
	const struct signing_public_key *recipient_signing_key;
	const struct encryption_public_key *recipient_encryption_key;
	struct e2ee_message_id id;
	uint64_t sent_at_ms;
	enum e2ee_direct_kind kind;
	/* TEXT only; otherwise 0, NULL and empty. */
	uint64_t counter; /* from 1: e2ee_chain_next() */
	const struct sha256_digest *previous_hash; /* NULL with counter 1 */
	struct bytes text; /* UTF-8 without NUL, 1 to WIRE_TEXT_MAX bytes */
	/* GROUP_KEY and GROUP_FAREWELL only. */
	const struct e2ee_group_key_letter *group_key;
	const struct e2ee_group_farewell *group_farewell;
};

/*
 * Signs, pads and encrypts: appends OutgoingMessage.ciphertext, at most
 * WIRE_CIPHERTEXT_MAX bytes, to out, and gives the SHA-256 of the content,
 * which the next message of the chain names.
 *
 * STATUS_INVALID for a draft that breaks a rule (text, counter, time, a
 * sender that is no identity); STATUS_TOO_LARGE for the text; STATUS_FORGED
 * if the recipient's key is unusable; STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status e2ee_direct_seal(const struct e2ee_direct_draft *draft,
    struct buf *out, struct sha256_digest *content_hash);

/* The same with a given ephemeral key: for test vectors only. */
MUST_CHECK enum status e2ee_direct_seal_with(
    const struct e2ee_direct_draft *draft,
    const struct encryption_key_pair *ephemeral, struct buf *out,
    struct sha256_digest *content_hash);

/* A message that its sender's signature vouches for. */
struct e2ee_direct {
	struct identity sender;  /* its name is not yet vouched for */
	struct e2ee_message_id id;
	uint64_t sent_at_ms;     /* by the sender's clock */
	uint64_t counter;        /* may be 0 unless it is a text */
	bool has_previous_hash;
	struct sha256_digest previous_hash;
	struct sha256_digest content_hash;
	enum e2ee_direct_kind kind;
	const char *text;        /* TEXT: owned by the struct; else "" */
	size_t text_size;
	struct e2ee_group_key_letter group_key;    /* GROUP_KEY */
	struct e2ee_group_farewell group_farewell; /* GROUP_FAREWELL */
	void *content;           /* private */
};

/* Wipes and frees. No-op on a zeroed one. */
void e2ee_direct_clear(struct e2ee_direct *message);

/*
 * Decrypts and verifies a message: the sender's statement, its signature, and
 * that it was written for own_signing_key. Clear the result.
 *
 * The sender is who signed, under a name that only a pin or GetPublicKey can
 * confirm: show it as unverified until identity_is_same() says so.
 *
 * STATUS_FORGED for what does not decrypt, verify or belong to this
 * recipient and server; STATUS_INVALID for what decrypts but breaks the
 * format; both are set aside and acknowledged. STATUS_NOMEM and
 * STATUS_INTERNAL: try again.
 */
MUST_CHECK enum status e2ee_direct_open(struct bytes ciphertext,
    const struct encryption_key_pair *own,
    const struct signing_public_key *own_signing_key,
    const struct signing_public_key *server_key, struct e2ee_direct *out);

#endif
