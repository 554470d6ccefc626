#ifndef PEYK_CHANNEL_REPLY_H
#define PEYK_CHANNEL_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "channel/request.h"
#include "crypto/keys.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "gen/peyk/v1/payload.pb-c.h"

/*
 * Sealed replies (docs/protocol.md sections 4 and 5). Any thread; an object
 * is one thread's at a time.
 */

#define CHANNEL_REPLY_NONCE_SIZE 32

/* gRPC status codes that a disposition fixes. */
#define CHANNEL_CODE_OK 0
#define CHANNEL_CODE_RESOURCE_EXHAUSTED 8
#define CHANNEL_CODE_ABORTED 10
#define CHANNEL_CODE_OUT_OF_RANGE 11
#define CHANNEL_CODE_UNAVAILABLE 14
#define CHANNEL_CODE_MAX 16

/*
 * What became of a request. The code must be the disposition's: 0 for DONE,
 * 1 to 16 for REFUSED, ABORTED for REPLAY, OUT_OF_RANGE for GAP, UNAVAILABLE
 * or RESOURCE_EXHAUSTED for NOT_PROCESSED.
 */
struct channel_outcome {
	Peyk__V1__Disposition disposition;
	uint32_t code;
	const char *message;        /* for a person; never NULL once opened */
	struct bytes body;          /* DONE: the serialized reply message */
	uint64_t expected_sequence; /* REPLAY, GAP */
	uint64_t retry_after_ms;    /* NOT_PROCESSED; opened: at most
				     * WIRE_RETRY_AFTER_MAX_MS */
};

/* The parts of a SealedResponse. */
struct channel_sealed_response {
	uint8_t nonce[CHANNEL_REPLY_NONCE_SIZE];
	struct buf ciphertext;
};

/* No-op on a zeroed one. */
void channel_sealed_response_clear(struct channel_sealed_response *sealed);

/*
 * The parts as a generated struct, which borrows them: for the RPC, or for
 * wire_pack() into the status details. Never free it.
 */
void channel_sealed_response_view(
    const struct channel_sealed_response *sealed,
    Peyk__V1__SealedResponse *view);

/*
 * Server: signs an outcome and seals it for the sender of the request.
 *
 * shared: shared_secret_derive() of the sealing key the request was sealed
 * to and the account's encryption key (in SignUp, the one of the body's
 * identity); it stays the same, so it may be kept. outcome: borrowed; a NULL
 * message is "". Clear the result. It needs no public-key operation but the
 * signature.
 *
 * STATUS_INVALID if code and disposition do not fit; STATUS_TOO_LARGE past
 * WIRE_BODY_MAX or WIRE_REASON_MAX; STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status channel_reply_seal(
    const struct channel_exchange *exchange,
    const struct shared_secret *shared,
    const struct signing_secret_key *server_key,
    const struct channel_outcome *outcome,
    struct channel_sealed_response *sealed);

/* The same with a given nonce: for test vectors only. */
MUST_CHECK enum status channel_reply_seal_with(
    const struct channel_exchange *exchange,
    const struct shared_secret *shared,
    const struct signing_secret_key *server_key,
    const struct channel_outcome *outcome,
    const uint8_t nonce[CHANNEL_REPLY_NONCE_SIZE],
    struct channel_sealed_response *sealed);

/* An outcome that the server vouches for. */
struct channel_reply {
	struct channel_outcome outcome; /* borrows from the struct */
	void *content;                  /* private */
};

/* Wipes and frees. No-op on a zeroed one. */
void channel_reply_clear(struct channel_reply *reply);

/*
 * Client: opens the reply of a unary call and checks that it is the server's
 * and this request's. Clear the result.
 *
 * own: the account's encryption key. server_key: the pinned identity.
 * STATUS_FORGED for everything that is not a reply to this request; then
 * nothing is known of the outcome. STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status channel_reply_open(
    const struct channel_exchange *exchange,
    const struct encryption_key_pair *own,
    const struct signing_public_key *server_key,
    const Peyk__V1__SealedResponse *envelope, struct channel_reply *out);

/* The same from serialized bytes, such as the status details hold. */
MUST_CHECK enum status channel_reply_open_bytes(
    const struct channel_exchange *exchange,
    const struct encryption_key_pair *own,
    const struct signing_public_key *server_key, struct bytes envelope,
    struct channel_reply *out);

#endif
