#ifndef PEYK_CHANNEL_SEALING_KEY_H
#define PEYK_CHANNEL_SEALING_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "wire/limits.h"

/*
 * Sealing keys: what requests are encrypted to, vouched for by the server's
 * identity key. Any thread.
 */

/* Names a sealing key: 8 random bytes. */
struct channel_key_id {
	uint8_t bytes[WIRE_KEY_ID_SIZE];
};

/* The public half and its time, Unix milliseconds. */
struct channel_sealing_key {
	struct channel_key_id id;
	struct encryption_public_key key;
	uint64_t not_before_ms;
	uint64_t not_after_ms;
};

/* STATUS_INVALID unless the length fits. */
MUST_CHECK enum status channel_key_id_import(struct bytes bytes,
    struct channel_key_id *out);

bool channel_key_id_equal(const struct channel_key_id *a,
    const struct channel_key_id *b);

/* Bytes of a SealingKey: its id and key, two times, and their frames. */
#define CHANNEL_SEALING_KEY_CONTENT_MAX ((size_t)96)

/* Appends the serialized SealingKey, which is what is signed. */
MUST_CHECK enum status channel_sealing_key_append(
    const struct channel_sealing_key *key, struct buf *out);

/*
 * Server: signs a key. The same fields always give the same signature, so
 * it can be stored beside them and checked again.
 */
MUST_CHECK enum status channel_sealing_key_sign(
    const struct channel_sealing_key *key,
    const struct signing_secret_key *server_key, struct signature *out);

/* Checks a stored one: STATUS_FORGED if the fields are not what was signed. */
MUST_CHECK enum status channel_sealing_key_check(
    const struct channel_sealing_key *key, const struct signature *signature,
    const struct signing_public_key *server_key);

/*
 * Client: verifies one that was received. STATUS_INVALID if it is malformed,
 * STATUS_FORGED for the signature.
 */
MUST_CHECK enum status channel_sealing_key_verify(
    const Peyk__V1__SignedSealingKey *signed_key,
    const struct signing_public_key *server_key,
    struct channel_sealing_key *out);

/*
 * Whether a key may be used at now_ms, allowing WIRE_CLOCK_TOLERANCE_MS at
 * both ends.
 */
bool channel_sealing_key_is_in_force(const struct channel_sealing_key *key,
    uint64_t now_ms);

#endif
