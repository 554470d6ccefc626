#ifndef PEYK_CLIENT_ATTEMPT_H
#define PEYK_CLIENT_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "channel/reply.h"
#include "channel/request.h"
#include "client/connection.h"
#include "client/vault.h"
#include "rpc/client_call.h"
#include "rpc/sealed.h"

/* One attempt to send a stored request: seal it, call, open the reply. */

/* Without an answer after this time, the next attempt begins. */
#define ATTEMPT_TIMEOUT_MS 15000

enum attempt_result {
	ATTEMPT_REPLIED,     /* a sealed reply: in attempt.reply */
	ATTEMPT_PARKED,      /* a poll waits at the server */
	ATTEMPT_UNREACHED,   /* no server, or it cannot now */
	ATTEMPT_NO_ANSWER,   /* in time, or interrupted */
	ATTEMPT_SEALING_KEY, /* the server has changed its sealing key */
	ATTEMPT_REJECTED,    /* a bare refusal, which nobody vouches for */
};

/* Zeroed before, attempt_clear() after. */
struct attempt {
	struct channel_exchange exchange;
	struct rpc_client_call *call;
	struct channel_reply reply;
	uint64_t retry_after_ms; /* as the server wishes; 0: it told nothing */
};

/*
 * Seals the request to the server's current key and starts the call, which
 * ends by itself after timeout_ms; with may_park as much later as a poll may
 * wait at the server, and then ATTEMPT_PARKED is possible. STATUS_STALE: no
 * sealing key is in force. STATUS_FORGED: the stored request is damaged, or the
 * key unusable. STATUS_INVALID, STATUS_TOO_LARGE: it is no request.
 * STATUS_NOMEM.
 */
MUST_CHECK enum status attempt_start(struct attempt *attempt,
    struct connection *connection, const struct rpc_sealed_method *method,
    struct bytes request, uint64_t timeout_ms, bool may_park);

/*
 * Waits timeout_ms at most for the reply; with may_park, no longer than until
 * it is clear that the poll is parked. STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status attempt_wait(struct attempt *attempt,
    const struct connection *connection, const struct vault *vault,
    uint64_t timeout_ms, bool may_park, enum attempt_result *result);

/* Gives the call up, if it still runs; wipes the rest. */
void attempt_clear(struct attempt *attempt);

#endif
