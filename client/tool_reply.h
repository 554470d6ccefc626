#ifndef PEYK_CLIENT_TOOL_REPLY_H
#define PEYK_CLIENT_TOOL_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * The reply of a sealed call as tools print it. Understood are, in one text
 * and with anything around them:
 *
 * - a SealedResponse in JSON: what grpcurl and buf curl print of a call that
 *   was done;
 * - grpcurl's words for one that failed: "ERROR:", "Code:", "Message:",
 *   "Details:" and the details in JSON, and its -format-error;
 * - the JSON of a google.rpc.Status, its details as Any (by "@type", or raw
 *   as "@value" or "value");
 * - the JSON of an error by Connect's protocol, as buf curl prints it: details
 *   with "type" and a base64 "value".
 *
 * Nothing in it is believed: the envelopes are to be opened, the status is
 * somebody's word.
 */

/* Envelopes that are taken from one text. */
#define TOOL_REPLY_ENVELOPES_MAX 4

struct tool_reply {
	/* Serialized SealedResponses, in the order of the text. */
	struct buf envelopes[TOOL_REPLY_ENVELOPES_MAX];
	size_t envelope_count;
	/* A status that is not OK was there; what it says, not sanitized. */
	bool has_status;
	char code[64]; /* a name or a number, as the tool writes it */
	char message[1024];
};

/* No-op on a zeroed one. */
void tool_reply_clear(struct tool_reply *reply);

/*
 * STATUS_NOT_FOUND: neither an envelope nor a status is there.
 * STATUS_TOO_LARGE past MESSAGE_JSON_SIZE_MAX, STATUS_NOMEM,
 * STATUS_INTERNAL.
 */
MUST_CHECK enum status tool_reply_read(
    struct bytes text, struct tool_reply *out);

#endif
