#ifndef PEYK_CLIENT_SETTLING_H
#define PEYK_CLIENT_SETTLING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "channel/reply.h"
#include "client/attempt.h"
#include "client/error.h"
#include "client/session_request.h"
#include "rpc/sealed.h"

/*
 * Entries of the outbox are brought to their outcome: sent, again and again,
 * until a sealed reply decides. For client/session_request.c and
 * client/session_seal.c. Failures as in client/session.h.
 */

/* What became of an entry of the outbox. */
enum settlement {
	SETTLEMENT_DONE,
	SETTLEMENT_REFUSED,
	SETTLEMENT_ELSEWHERE, /* another process has settled it */
	SETTLEMENT_PARKED,    /* a poll; its reply is still to come */
};

/* One run of settling_run(). */
struct settling {
	struct session *session;
	uint64_t sequence;
	uint64_t deadline_ms;
	/* Where a parked poll is kept; NULL: it is not ours to wait for. */
	struct attempt *parked;
	bool may_park;
	/* An earlier entry that the server has not got: settled on the way. */
	bool is_nested;
	struct buf *reply;            /* may be NULL */
	struct client_error *refusal; /* filled in with SETTLEMENT_REFUSED */
	enum status refusal_status;
	uint32_t refusal_code;
	/* Why the last attempt did not decide, and how long to pause. */
	enum attempt_result cause;
	uint64_t pause_ms;
	unsigned rejections;
};

/*
 * Connects, takes the lock, and finishes what is in the outbox. Always
 * followed by settling_finish(), which gives the lock back and tells what
 * there was.
 */
MUST_CHECK enum status settling_begin(
    struct session *session, uint64_t deadline_ms, struct client_error *error);
void settling_finish(struct session *session);

/*
 * Sends an entry of the outbox until its outcome is known, under the lock,
 * which is given up in between (and on failure may be gone).
 */
MUST_CHECK enum status settling_run(struct settling *settling,
    enum settlement *out, struct client_error *error);

/*
 * A sealed DONE or REFUSED: applies its effects, removes the entry, and hands
 * the reply, or the refusal, over.
 */
MUST_CHECK enum status settling_decide(struct settling *settling,
    const struct rpc_sealed_method *method,
    const struct channel_outcome *outcome, enum settlement *out,
    struct client_error *error);

/* This is an old or copied state: the server knows of other requests. */
enum status settling_stale(struct client_error *error);

/* A sealed REFUSED, in words: STATUS_DENIED or STATUS_EXISTS, exit 6. */
enum status settling_refusal(
    const struct session_reply *reply, struct client_error *error);

/* No sealing key of the server is in force. */
enum status settling_no_key(
    const struct session *session, struct client_error *error);

/* The sealed method of a path, "/peyk.v1.Messenger/Send"; NULL: none. */
const struct rpc_sealed_method *settling_find_method(const char *path);

#endif
