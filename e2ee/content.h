#ifndef PEYK_E2EE_CONTENT_H
#define PEYK_E2EE_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "e2ee/direct.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/*
 * What contents of direct and of group messages have in common
 * (docs/protocol.md sections 9 and 13). Private to e2ee. Any thread.
 */

/* Bytes of the largest signed content. */
#define E2EE_PLAINTEXT_MAX (WIRE_CONTENT_MAX + WIRE_SIGNED_OVERHEAD)

/* A group's id is 1 to 2^63 - 1; its epochs count from 1. */
bool e2ee_content_is_epoch(uint64_t group_id, uint32_t epoch);

/* ---- Sealing ---- */

/*
 * Whether a text, its time and its link may be sent. STATUS_INVALID,
 * STATUS_TOO_LARGE for the text.
 */
MUST_CHECK enum status e2ee_content_check(struct bytes text,
    uint64_t sent_at_ms, uint64_t counter,
    const struct sha256_digest *previous_hash);

/*
 * Pads a content, whose field for it is *padding, and signs it: appends the
 * plaintext, a serialized SignedMessage, and gives the content's hash.
 * STATUS_TOO_LARGE past WIRE_CONTENT_MAX.
 */
MUST_CHECK enum status e2ee_content_sign(const ProtobufCMessage *content,
    ProtobufCBinaryData *padding, const char *label,
    const struct signing_secret_key *key, struct buf *out,
    struct sha256_digest *hash);

/* ---- Opening; each gives STATUS_INVALID for what breaks the format ---- */

MUST_CHECK enum status e2ee_content_take_id(ProtobufCBinaryData field,
    struct e2ee_message_id *out);

/*
 * previous_hash is there if the counter is above 1. is_counted: the kind
 * stands in the count, so that a counter of 0 is wrong.
 */
MUST_CHECK enum status e2ee_content_take_link(uint64_t counter,
    ProtobufCBinaryData field, bool is_counted, bool *has_previous_hash,
    struct sha256_digest *previous_hash);

MUST_CHECK enum status e2ee_content_take_text(const char *text,
    const char **out, size_t *size);

#endif
