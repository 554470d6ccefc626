#ifndef PEYK_CLIENT_SESSION_REQUEST_H
#define PEYK_CLIENT_SESSION_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/notice.h"
#include "client/session.h"
#include "rpc/sealed.h"

/*
 * Requests, for the modules that make them (outgoing, incoming, contacts,
 * account). How one goes:
 *
 *	lock ── finish what the outbox holds ── number, sign, store (one
 *	transaction) ── send ── reply ── effects, remove (one transaction) ──
 *	unlock
 *
 * Between attempts the lock is given up: another process may then finish the
 * request. Whoever learns the outcome applies its effects (below), so they
 * depend on nothing but the database and the reply.
 */

struct session_request {
	const struct rpc_sealed_method *method;
	/*
	 * Appends the body, in the transaction that takes the number, and may
	 * write what belongs to it. On failure it fills error in; nothing was
	 * sent then.
	 */
	enum status (*prepare)(struct session *session, void *arg,
	    uint64_t sequence, struct buf *body, struct client_error *error);
	void *arg;
};

/* What became of it; zeroed before, cleared after. */
struct session_result {
	bool is_stored; /* it is, or was, in the outbox */
	/* Another process has finished it: its effects are applied, and the
	   reply is not known here. */
	bool is_elsewhere;
	/* Polls: it was parked, and the reply is lost. Make a new one. */
	bool is_lost;
	/* With STATUS_DENIED and STATUS_EXISTS: the gRPC code. */
	uint32_t refusal_code;
	struct buf reply; /* the body of the reply */
};

void session_result_clear(struct session_result *result);

/*
 * Makes a request and waits for its outcome; result counts on failure too.
 * STATUS_DENIED or STATUS_EXISTS (exit 6): refused; the effects are applied.
 */
MUST_CHECK enum status session_request(struct session *session,
    const struct session_request *request, struct session_result *result,
    struct client_error *error);

/*
 * The same for a poll that may wait: once it is parked at the server, the
 * lock is given up, and the reply is waited for until wait_ms (and some more)
 * have passed.
 */
MUST_CHECK enum status session_poll(struct session *session,
    const struct session_request *request, uint64_t wait_ms,
    struct session_result *result, struct client_error *error);

/* What a sealed reply decided. Borrowed. */
struct session_reply {
	uint64_t sequence;
	bool is_done; /* else refused, with code and message */
	uint32_t code;
	const char *message; /* the server's; not sanitized */
	struct bytes body;
};

/*
 * Effects of the replies to Send, Poll and SignUp (those about groups are in
 * client/group_effects.h): run in the transaction that removes the request from
 * the outbox. A body that does not parse is the server's fault and must not
 * stop the account: treat it as a refusal.
 */
MUST_CHECK enum status outgoing_apply(
    struct session *session, const struct session_reply *reply);
MUST_CHECK enum status incoming_apply(
    struct session *session, const struct session_reply *reply);
MUST_CHECK enum status account_apply(
    struct session *session, const struct session_reply *reply);

/* ---- What the modules share of a session ---- */

/* Counted while effects are applied. */
struct session_tally {
	unsigned long sent;     /* outgoing messages stored at the server */
	unsigned long refused;  /* outgoing messages refused */
	unsigned long received; /* rows of the history that came in */
	/* How many messages of others were waiting when it was last told. */
	unsigned long others;
};

struct session_tally *session_tally(struct session *session);

/*
 * How many waiting messages of others were told of last; from now on it is
 * count, so that the same are not told again.
 */
uint64_t session_others_told(struct session *session, uint64_t count);

/*
 * Until then (a monotonic time) nothing more is tried for groups that wait for
 * a key from us (client/group_admin.h).
 */
uint64_t *session_owing_until_ms(struct session *session);

/*
 * For generated stubs: requests without effects. What fails is told in error,
 * which lives as long as the peer is used.
 */
struct rpc_sealed_client *session_peer(
    struct session *session, struct client_error *error);

/*
 * Tells of messages that an earlier run had left: how many were sent now, and
 * refused (NOTICE_UNFINISHED_SENT, NOTICE_UNFINISHED_REFUSED). 0: nothing.
 */
void session_tell_unfinished(
    struct session *session, unsigned long sent, unsigned long refused);

/* No lock is held and no transaction is open (asserted). */
void session_notice(struct session *session, enum notice_kind kind,
    const char *name, unsigned long count, const char *text);

bool session_is_interrupted(const struct session *session);
MUST_CHECK enum status session_pause(
    struct session *session, uint64_t ms, struct client_error *error);

/* How long a request is repeated, and how long to wait for other peyks. */
uint64_t session_timeout_ms(const struct session *session);
uint64_t session_lock_wait_ms(const struct session *session);

#endif
