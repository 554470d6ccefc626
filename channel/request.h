#ifndef PEYK_CHANNEL_REQUEST_H
#define PEYK_CHANNEL_REQUEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "channel/sealing_key.h"
#include "crypto/hpke.h"
#include "crypto/keys.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "wire/limits.h"

/*
 * Sealed requests (docs/protocol.md section 3).
 *
 * Client: sign once, store the bytes, then seal them anew for each attempt:
 *
 *	channel_request_sign()  what is asked  -> SignedMessage, for the outbox
 *	channel_request_seal()  SignedMessage  -> SealedRequest, and an exchange
 *	channel_reply_open()    SealedResponse and exchange -> the outcome
 *
 * Server:
 *
 *	channel_request_key_id()  SealedRequest -> which sealing key
 *	channel_request_open()    SealedRequest -> request, and an exchange
 *	channel_reply_seal()      outcome and exchange -> SealedResponse
 *
 * Any thread; an object is one thread's at a time.
 */

/* Bytes of HPKE's export that enters the reply's key. */
#define CHANNEL_REPLY_SECRET_SIZE 32

/*
 * What ties a reply to its request; both sides have the same. Holds a secret:
 * end with channel_exchange_clear(), a no-op on a zeroed one.
 */
struct channel_exchange {
	uint8_t reply_secret[CHANNEL_REPLY_SECRET_SIZE];
	struct encryption_public_key sealing_key; /* it was sealed to */
	struct sha256_digest request_hash;
	uint64_t sequence;
	char method[WIRE_METHOD_MAX + 1];
};

void channel_exchange_clear(struct channel_exchange *exchange);

/* What a client asks. All borrowed. */
struct channel_request_fields {
	uint64_t sequence;  /* at most WIRE_NUMBER_MAX */
	const char *method; /* with its slashes, at most WIRE_METHOD_MAX bytes */
	const struct signing_public_key *server_key;
	struct bytes body;  /* at most WIRE_BODY_MAX */
};

/*
 * Appends a serialized SignedMessage to out, and gives the SHA-256 of its
 * content, by which the server knows the request. STATUS_TOO_LARGE (body,
 * method, number), STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status channel_request_sign(
    const struct signing_key_pair *sender,
    const struct channel_request_fields *fields, struct buf *out,
    struct sha256_digest *hash);

/* A request that was signed, or received and verified. */
struct channel_request {
	struct signing_public_key sender_key;
	struct signing_public_key server_key;
	uint64_t sequence;
	struct sha256_digest hash;        /* SHA-256 of its content */
	char method[WIRE_METHOD_MAX + 1];
	struct bytes body;                /* owned by the struct */
	void *content;                    /* private */
};

/* Wipes and frees. No-op on a zeroed one. */
void channel_request_clear(struct channel_request *request);

/*
 * Reads one's own stored SignedMessage. The signature is verified too, so
 * damaged storage is found before anything is sent. STATUS_INVALID,
 * STATUS_TOO_LARGE, STATUS_FORGED.
 */
MUST_CHECK enum status channel_request_parse(struct bytes signed_message,
    struct channel_request *out);

/* The parts of a SealedRequest. */
struct channel_sealed_request {
	struct channel_key_id key_id;
	struct hpke_encapsulated_key encapsulated_key;
	struct buf ciphertext;
};

/* No-op on a zeroed one. */
void channel_sealed_request_clear(struct channel_sealed_request *sealed);

/*
 * The parts as a generated struct, which borrows them: for a stub or for
 * wire_pack(). Never free it.
 */
void channel_sealed_request_view(const struct channel_sealed_request *sealed,
    Peyk__V1__SealedRequest *view);

/*
 * Seals a stored SignedMessage, with a fresh ephemeral key. Clear both
 * results. STATUS_INVALID, STATUS_TOO_LARGE, STATUS_FORGED (the stored bytes
 * are damaged, or the sealing key is unusable).
 */
MUST_CHECK enum status channel_request_seal(struct bytes signed_message,
    const struct channel_sealing_key *key,
    struct channel_sealed_request *sealed, struct channel_exchange *exchange);

/* The same with a given ephemeral key: for test vectors only. */
MUST_CHECK enum status channel_request_seal_with(struct bytes signed_message,
    const struct channel_sealing_key *key,
    const struct encryption_key_pair *ephemeral,
    struct channel_sealed_request *sealed, struct channel_exchange *exchange);

/*
 * Which key the envelope is sealed to. STATUS_INVALID if it is no envelope:
 * a field of a wrong length, or larger than WIRE_ENVELOPE_MAX.
 */
MUST_CHECK enum status channel_request_key_id(
    const Peyk__V1__SealedRequest *envelope, struct channel_key_id *out);

/*
 * Opens and verifies a request: decrypts with the sealing key that the
 * envelope names, verifies the signature with the sender's key, and then
 * that it was made for this method and this server. Clear both results.
 *
 * method: the call's full name. sealing_key: of the id from
 * channel_request_key_id(). server_key: this server's identity.
 *
 * STATUS_INVALID if it is no envelope; STATUS_FORGED for everything that
 * does not decrypt, parse, verify or belong here; STATUS_NOMEM,
 * STATUS_INTERNAL. The sender is not yet known to have an account, and the
 * number is not judged. The body may be somewhat larger than WIRE_BODY_MAX,
 * so that the service can refuse it in a sealed reply.
 */
MUST_CHECK enum status channel_request_open(
    const Peyk__V1__SealedRequest *envelope, const char *method,
    const struct encryption_key_pair *sealing_key,
    const struct signing_public_key *server_key,
    struct channel_request *request, struct channel_exchange *exchange);

#endif
