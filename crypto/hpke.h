#ifndef PEYK_CRYPTO_HPKE_H
#define PEYK_CRYPTO_HPKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "crypto/keys.h"

/*
 * HPKE (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256) 0x0020,
 * HKDF-SHA256 0x0001, AES-256-GCM 0x0002.
 *
 *	struct hpke_context context = {0};
 *	struct hpke_encapsulated_key encapsulated;
 *
 *	st = hpke_sender_init(&context, recipient, info, &encapsulated);
 *	st = hpke_seal(&context, aad, plaintext, &ciphertext);
 *	hpke_clear(&context);
 */

#define HPKE_ENCAPSULATED_KEY_SIZE 32

/* Bytes by which a ciphertext is longer than its plaintext. */
#define HPKE_OVERHEAD AEAD_TAG_SIZE

/* Longest info and longest exporter context (RFC 9180 section 7.2.1). */
#define HPKE_INFO_MAX 512

struct hpke_encapsulated_key {
	uint8_t bytes[HPKE_ENCAPSULATED_KEY_SIZE];
};

/*
 * One direction of one exchange. A plain value; fields are private to
 * hpke.c. Secret: hpke_clear() wipes it, no-op on a zeroed one. One thread at
 * a time.
 */
struct hpke_context {
	struct symmetric_key key;
	struct aead_iv base_iv;
	struct kdf_prk exporter_secret;
	uint64_t sequence;
	uint16_t suite;
	bool is_sender;
};

/* STATUS_INVALID unless the length fits. */
MUST_CHECK enum status hpke_encapsulated_key_import(struct bytes bytes,
    struct hpke_encapsulated_key *out);

/*
 * SetupBaseS, with a fresh ephemeral key. STATUS_FORGED if the recipient's
 * key is of small order; STATUS_TOO_LARGE past HPKE_INFO_MAX.
 */
MUST_CHECK enum status hpke_sender_init(struct hpke_context *context,
    const struct encryption_public_key *recipient, struct bytes info,
    struct hpke_encapsulated_key *encapsulated);

/* The same with a given ephemeral key: for test vectors only. */
MUST_CHECK enum status hpke_sender_init_with(struct hpke_context *context,
    const struct encryption_public_key *recipient, struct bytes info,
    const struct encryption_key_pair *ephemeral,
    struct hpke_encapsulated_key *encapsulated);

/* SetupBaseR. Errors as above. */
MUST_CHECK enum status hpke_receiver_init(struct hpke_context *context,
    const struct encryption_key_pair *recipient,
    const struct hpke_encapsulated_key *encapsulated, struct bytes info);

/*
 * ContextS.Seal: appends plaintext.size + HPKE_OVERHEAD bytes. Messages are
 * opened in the order in which they were sealed. Only for a sender's context
 * (asserted). STATUS_TOO_LARGE.
 */
MUST_CHECK enum status hpke_seal(struct hpke_context *context,
    struct bytes aad, struct bytes plaintext, struct buf *out);

/*
 * ContextR.Open: appends the plaintext, or STATUS_FORGED; then the sequence
 * stays, and nothing is written. Only for a receiver's context (asserted).
 */
MUST_CHECK enum status hpke_open(struct hpke_context *context,
    struct bytes aad, struct bytes ciphertext, struct buf *out);

/*
 * Context.Export: a secret of size bytes that both sides can compute.
 * STATUS_TOO_LARGE past HPKE_INFO_MAX or KDF_OUTPUT_MAX.
 */
MUST_CHECK enum status hpke_export(const struct hpke_context *context,
    struct bytes exporter_context, uint8_t *out, size_t size);

void hpke_clear(struct hpke_context *context);

/* One message: SetupBaseS and Seal. */
MUST_CHECK enum status hpke_seal_once(
    const struct encryption_public_key *recipient, struct bytes info,
    struct bytes aad, struct bytes plaintext,
    struct hpke_encapsulated_key *encapsulated, struct buf *out);

/* One message: SetupBaseR and Open. */
MUST_CHECK enum status hpke_open_once(
    const struct encryption_key_pair *recipient,
    const struct hpke_encapsulated_key *encapsulated, struct bytes info,
    struct bytes aad, struct bytes ciphertext, struct buf *out);

#endif
