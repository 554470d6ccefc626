#ifndef PEYK_CLIENT_STATE_SEALS_H
#define PEYK_CLIENT_STATE_SEALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "channel/request.h"
#include "client/state.h"
#include "crypto/keys.h"

/*
 * What opens the replies to requests that were sealed for another program to
 * send, in state.db; errors as in client/state.h. It goes with its request's
 * place in the outbox: state_outbox_settle() removes both.
 */

/* Seals of one request that are kept; the oldest go first. */
#define STATE_SEALS_MAX 16

/* Holds a secret. */
struct state_seal {
	uint64_t sequence; /* of the request, which is in the outbox */
	struct encryption_public_key sealing_key;
	uint8_t reply_secret[CHANNEL_REPLY_SECRET_SIZE];
};

MUST_CHECK enum status state_seal_add(
    struct state *state, const struct state_seal *seal);

/*
 * Those of requests of this method, the newest first; *count may be 0.
 * state_seals_free() *out.
 */
MUST_CHECK enum status state_seals_list(struct state *state, const char *method,
    struct state_seal **out, size_t *count);

/* Wipes them. NULL is a no-op. */
void state_seals_free(struct state_seal *seals, size_t count);

/* Whether a request was sealed for another program. */
MUST_CHECK enum status state_seals_has(
    struct state *state, uint64_t sequence, bool *out);

#endif
