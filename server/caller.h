#ifndef PEYK_SERVER_CALLER_H
#define PEYK_SERVER_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "channel/reply.h"
#include "channel/request.h"
#include "crypto/keys.h"
#include "rpc/sealed.h"
#include "rpc/server_call.h"
#include "server/account_cache.h"
#include "server/keyring.h"
#include "server/server_identity.h"
#include "server/store/operation.h"
#include "server/store/store.h"

/*
 * One sealed request and who sent it: made by server/peer.c, handed to the
 * handlers of the services, which answer it by exactly one of
 *
 *	messenger_<method>_reply()   done (generated; ends in caller_reply())
 *	caller_refuse()              refused for good: uses the number
 *	caller_not_processed()       not now
 *	caller_settle()              false: it has answered
 *	caller_deny(), caller_fail() without a seal
 *
 * A caller lives on its call's worker, and may be gone after an answer. It
 * goes with the call; what is attached to it goes with it.
 */

/* When to come back: a full queue empties, a database needs longer. */
#define CALLER_RETRY_BUSY_MS 500
#define CALLER_RETRY_AWAY_MS 1000
#define CALLER_RETRY_BROKEN_MS 10000

/* What callers need of the server. Borrowed; outlives all calls. */
struct caller_context {
	struct store *store;
	struct keyring *keyring;
	struct account_cache *cache;
	const struct server_identity *identity;
};

struct peer;

struct caller {
	struct rpc_sealed_caller sealed; /* first: generated code has this */
	const struct caller_context *context;
	struct rpc_server_call *call;
	struct channel_key_id sealing_key_id;
	struct channel_request request; /* as opened, until the dispatch */
	struct channel_exchange exchange;
	struct signing_public_key sender_key;
	bool has_shared; /* a sealed reply is possible */
	struct shared_secret shared;
	/* The sender's account; NONE: a stranger, who may only sign up. */
	enum store_account_status account_status;
	int64_t account_id;
	struct store_result last; /* for strangers' methods only */

	/* caller.c's and peer.c's own. */
	const struct peer *peer;
	void (*then)(struct caller *caller);
	union {
		struct store_account account;
		struct store_refuse refuse;
	} own;
	char refusal[STORE_MESSAGE_MAX + 1];
	void *work;
	void (*work_free)(void *work);
};

/* A new caller, which goes with the call. NULL: no memory. */
struct caller *caller_new(
    const struct caller_context *context, struct rpc_server_call *call);

static inline struct caller *
caller_of(struct rpc_sealed_caller *sealed)
{
	return (struct caller *)sealed;
}

/*
 * Keeps the handler's own state; free (not NULL) runs when the call goes,
 * which is never before an operation or a job that holds the call is done.
 */
void caller_attach(
    struct caller *caller, void *work, void (*work_free)(void *work));

/* The head of every operation that claims the request's number. */
void caller_number(const struct caller *caller, struct store_number *out);

/*
 * From here on replies are sealed with this encryption key of the sender.
 * STATUS_FORGED: the key is unusable; STATUS_STALE: the sealing key has gone;
 * then what was set before stays.
 */
MUST_CHECK enum status caller_set_reply_key(
    struct caller *caller, const struct encryption_public_key *key);

/*
 * Queues an operation; then() runs on the worker when it is done, unless the
 * client has gone by then. If it cannot be queued, the call was answered.
 */
void caller_run(struct caller *caller, struct store_operation *operation,
    void (*then)(struct caller *caller));

/* The same, but says so instead of answering: STATUS_BUSY, _UNAVAILABLE. */
MUST_CHECK enum status caller_try_run(struct caller *caller,
    struct store_operation *operation, void (*then)(struct caller *caller));

/*
 * Judges what became of the number. True: the request is done, now or before:
 * send the reply. False: everything else, which it has answered.
 */
bool caller_settle(struct caller *caller,
    const struct store_operation *operation, const struct store_result *result);

/*
 * Uses the number for a refusal, and tells it. code: not OK. The text is
 * ASCII, our own words and numbers; it is cut at STORE_MESSAGE_MAX bytes.
 */
void caller_refuse(struct caller *caller, enum rpc_code code,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Tells a refusal whose number is settled elsewhere. */
void caller_tell_refusal(
    struct caller *caller, enum rpc_code code, const char *message);

/* code: RESOURCE_EXHAUSTED or UNAVAILABLE. */
void caller_not_processed(struct caller *caller, enum rpc_code code,
    uint64_t retry_ms, const char *message);

/* Not now, for one of our own results: BUSY, UNAVAILABLE, NOMEM, ... */
void caller_not_now(struct caller *caller, enum status st);

/* REPLAY or GAP, by the number that comes next. */
void caller_out_of_order(
    struct caller *caller, bool is_gap, uint64_t expected_sequence);

/* Without a seal: the one text for everything that cannot be attributed. */
void caller_deny(struct rpc_server_call *call);

/* Without a seal; retry_ms 0: no hint. */
void caller_fail(struct rpc_server_call *call, enum rpc_code code,
    uint64_t retry_ms, const char *message);

#endif
