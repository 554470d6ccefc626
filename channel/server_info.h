#ifndef PEYK_CHANNEL_SERVER_INFO_H
#define PEYK_CHANNEL_SERVER_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "channel/sealing_key.h"
#include "crypto/keys.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "wire/limits.h"

/*
 * Who a server is: what GetServerInfo tells (docs/protocol.md section 2).
 * Any thread.
 */

/* Characters of a fingerprint (SHA-256 in lower-case hex), without its NUL. */
#define CHANNEL_FINGERPRINT_LENGTH 64

/* A plain value without secrets. */
struct channel_server_info {
	struct signing_public_key identity_key;
	size_t sealing_key_count;
	struct channel_sealing_key sealing_keys[WIRE_SEALING_KEYS_MAX];
	bool has_tls_certificate;
	struct sha256_digest tls_certificate; /* SHA-256 of the DER */
	uint32_t text_bytes;                  /* what the server accepts */
	uint32_t ciphertext_bytes;
	uint32_t messages_per_send;
	uint32_t body_bytes;
	uint32_t messages_per_poll;
	uint32_t poll_wait_ms;
	uint32_t names_per_lookup;
	uint32_t members_per_group;
	char version[WIRE_VERSION_MAX + 1];
	Peyk__V1__Registration registration;
	uint64_t time_ms;
};

/* Sets the limits to those of wire/limits.h. */
void channel_server_info_set_limits(struct channel_server_info *info);

/*
 * Server: signs the sealing keys and the whole, and appends a serialized
 * GetServerInfoResponse to out. info->identity_key is taken from identity.
 */
MUST_CHECK enum status channel_server_info_make(
    const struct channel_server_info *info,
    const struct signing_key_pair *identity, struct buf *out);

/*
 * Client: verifies it with the identity key inside. Compare that key with
 * the pin or the fingerprint of the address, and tls_certificate with the
 * certificate, before anything else is believed.
 *
 * Sealing keys that are malformed or not signed are left out, as are those
 * past WIRE_SEALING_KEYS_MAX; limits are lowered to
 * ours, and are ours where none is told. STATUS_INVALID if
 * it is malformed; STATUS_FORGED if the signature is wrong; STATUS_TOO_LARGE
 * past WIRE_SERVER_INFO_MAX.
 */
MUST_CHECK enum status channel_server_info_verify(
    const Peyk__V1__GetServerInfoResponse *response,
    struct channel_server_info *out);

/* The same from serialized bytes. */
MUST_CHECK enum status channel_server_info_verify_bytes(struct bytes response,
    struct channel_server_info *out);

/*
 * The key to seal to at now_ms: the first that is in force, borrowed from
 * info; NULL if there is none (then one of the clocks is wrong, or the
 * server has stopped renewing its keys).
 */
const struct channel_sealing_key *channel_server_info_sealing_key(
    const struct channel_server_info *info, uint64_t now_ms);

/* The fingerprint of an identity key, with its NUL. */
MUST_CHECK enum status channel_fingerprint(
    const struct signing_public_key *identity_key,
    char out[CHANNEL_FINGERPRINT_LENGTH + 1]);

/* STATUS_FORGED unless the digest is that of the key. */
MUST_CHECK enum status channel_fingerprint_check(
    const struct sha256_digest *fingerprint,
    const struct signing_public_key *identity_key);

#endif
