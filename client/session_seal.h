#ifndef PEYK_CLIENT_SESSION_SEAL_H
#define PEYK_CLIENT_SESSION_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "channel/reply.h"
#include "channel/request.h"
#include "client/error.h"
#include "client/session.h"
#include "client/session_request.h"
#include "rpc/sealed.h"

/*
 * Requests that another program sends: sealed here, and their replies opened.
 *
 * Such a request is an entry of the outbox like every other. It is stored,
 * with what opens its reply, before anybody sees it, and stays there until a
 * sealed reply is brought back:
 *
 *	session_seal() ── somebody sends it ── session_open_reply() ──
 *	session_accept_reply()
 *
 * Any other request of the account, made before that, first sends this one
 * itself (the server does nothing twice) and tells NOTICE_SEALED_FINISHED.
 * Failures as in client/session.h.
 */

/*
 * Finishes what is in the outbox, numbers and stores the request, seals it.
 * Clear *out with channel_sealed_request_clear().
 */
MUST_CHECK enum status session_seal(struct session *session,
    const struct session_request *request, struct channel_sealed_request *out,
    struct client_error *error);

/*
 * Seals the request that is in the outbox once more, whoever made it; sends
 * nothing. STATUS_NOT_FOUND (exit 1): there is none. STATUS_INVALID (exit 2):
 * it is of another method.
 */
MUST_CHECK enum status session_seal_again(struct session *session,
    const struct rpc_sealed_method *method, struct channel_sealed_request *out,
    struct client_error *error);

/* A sealed outcome that was brought back: DONE or REFUSED. */
struct session_opened {
	const struct rpc_sealed_method *method;
	uint64_t sequence;
	struct channel_reply reply;
};

/* Wipes and frees. No-op on a zeroed one. */
void session_opened_clear(struct session_opened *opened);

/*
 * Opens the first of these serialized envelopes that is a reply to a request
 * of this method, and judges it; changes nothing and needs no server.
 * STATUS_NOT_FOUND (exit 1): no such request waits for a reply.
 * STATUS_INVALID (exit 2): one of another method does. STATUS_FORGED (exit
 * 1): none of them is its reply. STATUS_UNAVAILABLE (exit 3): not done now.
 * STATUS_STALE (exit 1).
 */
MUST_CHECK enum status session_open_reply(struct session *session,
    const struct rpc_sealed_method *method, const struct buf *envelopes,
    size_t count, struct session_opened *out, struct client_error *error);

/*
 * Lets it take effect, unless another process has learned the outcome since.
 * STATUS_DENIED, STATUS_EXISTS (exit 6): the server refused; this took effect,
 * too.
 */
MUST_CHECK enum status session_accept_reply(struct session *session,
    const struct session_opened *opened, struct client_error *error);

#endif
