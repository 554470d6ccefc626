#ifndef PEYK_WIRE_SIGNED_H
#define PEYK_WIRE_SIGNED_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * SignedMessage: content and its signature (docs/protocol.md section 1), and
 * the labels that say what is signed. Any thread.
 */
#define WIRE_LABEL_SERVER_INFO "peyk/v1 server info"
#define WIRE_LABEL_SEALING_KEY "peyk/v1 sealing key"
#define WIRE_LABEL_REQUEST "peyk/v1 request"
#define WIRE_LABEL_REPLY "peyk/v1 reply"
#define WIRE_LABEL_IDENTITY "peyk/v1 identity"
#define WIRE_LABEL_MESSAGE "peyk/v1 message"
#define WIRE_LABEL_ROSTER "peyk/v1 roster"
#define WIRE_LABEL_LEAVE "peyk/v1 leave"
#define WIRE_LABEL_GROUP_MESSAGE "peyk/v1 group message"

/* Bytes by which a serialized SignedMessage exceeds its content at most. */
#define WIRE_SIGNED_OVERHEAD ((size_t)80)

struct wire_signed {
	struct bytes content; /* owned by the struct, as received */
	struct signature signature;
	void *message;        /* private */
};

/*
 * Signs content under a label and appends a serialized SignedMessage to out.
 * STATUS_TOO_LARGE, STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status wire_signed_make(const struct signing_secret_key *key,
    const char *label, struct bytes content, struct buf *out);

/*
 * Takes a serialized SignedMessage of at most max bytes apart; verifies
 * nothing. End with wire_signed_clear(). STATUS_TOO_LARGE, STATUS_INVALID
 * (malformed, or a signature of another length), STATUS_NOMEM.
 */
MUST_CHECK enum status wire_signed_parse(struct bytes from, size_t max,
    struct wire_signed *out);

/* Verifies the content as it was received. STATUS_FORGED. */
MUST_CHECK enum status wire_signed_verify(const struct wire_signed *message,
    const char *label, const struct signing_public_key *key);

/* Wipes and frees. No-op on a zeroed one. */
void wire_signed_clear(struct wire_signed *message);

#endif
