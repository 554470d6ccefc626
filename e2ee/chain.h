#ifndef PEYK_E2EE_CHAIN_H
#define PEYK_E2EE_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "crypto/keys.h"

/*
 * Counters and previous hashes of direct messages (docs/protocol.md section
 * 9): one chain for each pair of sender key and recipient key, one view of it
 * at either end. Plain values; the caller stores them.
 */

/* The last message of the chain; zeroed: there was none. */
struct e2ee_chain {
	uint64_t counter;
	struct sha256_digest hash; /* of its content; unused while 0 */
};

/* What the next message of a sender carries. Borrowed from the chain. */
struct e2ee_chain_link {
	uint64_t counter;
	const struct sha256_digest *previous_hash; /* NULL with counter 1 */
};

/* Sender: the next link. STATUS_TOO_LARGE past WIRE_NUMBER_MAX. */
MUST_CHECK enum status e2ee_chain_next(const struct e2ee_chain *chain,
    struct e2ee_chain_link *out);

/* Sender: the message with this content hash was sealed. */
void e2ee_chain_advance(struct e2ee_chain *chain,
    const struct sha256_digest *content_hash);

/*
 * Sender: the server did not store the message that carried this link, nor
 * any after it. Goes back to before it; no-op if the chain is there already.
 * Of several refused messages, pass any; the earliest wins.
 */
void e2ee_chain_roll_back(struct e2ee_chain *chain,
    const struct e2ee_chain_link *refused);

enum e2ee_chain_verdict {
	E2EE_CHAIN_EXPECTED, /* follows the last one */
	E2EE_CHAIN_MISSING,  /* some before it did not arrive */
	E2EE_CHAIN_FORKED,   /* follows, but on another message than arrived */
	E2EE_CHAIN_EARLIER,  /* its counter was passed: reordered or repeated */
	E2EE_CHAIN_ANEW,     /* the sender began again at 1: lost its state */
};

/*
 * Recipient: judges a message that is not a known (sender key, message id),
 * and moves the chain to it, unless it is EARLIER. It is shown whatever the
 * verdict is; all but EXPECTED are told to the user.
 *
 * missing: how many did not arrive; 0 unless MISSING. link->counter is not
 * 0. A zeroed chain expects counter 1.
 */
enum e2ee_chain_verdict e2ee_chain_receive(struct e2ee_chain *chain,
    const struct e2ee_chain_link *link,
    const struct sha256_digest *content_hash, uint64_t *missing);

#endif
