#include "server/caller.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/log.h"
#include "base/secret.h"
#include "channel/sequence.h"
#include "rpc/status_details.h"
#include "wire/unpack.h"

/* A sealed refusal and its frames: well below what headers may hold. */
#define DETAILS_SIZE_MAX ((size_t)4096)

/* What a proxy sees of a sealed outcome. */
#define SEALED_TEXT "the sealed reply says why"

static void
caller_free(void *argument)
{
	struct caller *caller = argument;

	if (caller->work_free != NULL)
		caller->work_free(caller->work);
	rpc_sealed_caller_clear(&caller->sealed);
	store_operation_clear(&caller->own.account.operation);
	channel_request_clear(&caller->request);
	channel_exchange_clear(&caller->exchange);
	secret_wipe(&caller->shared, sizeof(caller->shared));
	free(caller);
}

/* Seals an outcome and answers with it. The caller may be gone after. */
static void
answer(struct caller *caller, const struct channel_outcome *outcome)
{
	Peyk__V1__SealedResponse view = PEYK__V1__SEALED_RESPONSE__INIT;
	struct channel_sealed_response sealed = {0};
	enum rpc_code code = (enum rpc_code)outcome->code;
	struct buf packed, details;
	enum status st;

	buf_init(&packed, DETAILS_SIZE_MAX);
	buf_init(&details, DETAILS_SIZE_MAX);
	assert(caller->has_shared);
	st = channel_reply_seal(&caller->exchange, &caller->shared,
	    &caller->context->identity->key.secret_key, outcome, &sealed);
	if (st != STATUS_OK)
		goto out;
	channel_sealed_response_view(&sealed, &view);
	crash_point("reply.sealed");
	if (outcome->disposition == PEYK__V1__DISPOSITION__DISPOSITION_DONE) {
		rpc_server_call_reply_message(caller->call, &view.base);
		goto out;
	}
	if ((st = wire_pack(&view.base, &packed)) != STATUS_OK ||
	    (st = rpc_status_details_any(code, SEALED_TEXT,
		 "peyk.v1.SealedResponse", buf_bytes(&packed), &details)) !=
		STATUS_OK)
		goto out;
	rpc_server_call_fail(
	    caller->call, code, SEALED_TEXT, buf_bytes(&details));
out:
	if (st != STATUS_OK) {
		log_event(LOG_LEVEL_ERROR, "reply_not_sealed", log_status(st));
		caller_fail(caller->call, RPC_CODE_UNAVAILABLE,
		    CALLER_RETRY_BUSY_MS, "try again");
	}
	crash_point("reply.sent");
	channel_sealed_response_clear(&sealed);
	buf_clear(&packed);
	buf_clear(&details);
}

/* What the generated reply functions call. */
static void
caller_reply(struct rpc_sealed_caller *sealed, struct bytes body)
{
	struct channel_outcome outcome = {
	    .disposition = PEYK__V1__DISPOSITION__DISPOSITION_DONE,
	    .body = body,
	};

	answer(caller_of(sealed), &outcome);
}

static void
caller_reply_failed(struct rpc_sealed_caller *sealed, enum status st)
{
	struct caller *caller = caller_of(sealed);

	(void)st;
	/* It is done, but cannot be told: the same request asks again. */
	caller_fail(caller->call, RPC_CODE_RESOURCE_EXHAUSTED,
	    CALLER_RETRY_BUSY_MS, "try again");
}

struct caller *
caller_new(const struct caller_context *context, struct rpc_server_call *call)
{
	struct caller *caller = calloc(1, sizeof(*caller));

	if (caller == NULL)
		return NULL;
	caller->sealed.reply = caller_reply;
	caller->sealed.fail = caller_reply_failed;
	caller->context = context;
	caller->call = call;
	rpc_server_call_set_user(call, caller, caller_free);
	return caller;
}

void
caller_attach(struct caller *caller, void *work, void (*work_free)(void *work))
{
	assert(caller->work_free == NULL);
	caller->work = work;
	caller->work_free = work_free;
}

void
caller_number(const struct caller *caller, struct store_number *out)
{
	uint64_t sequence = caller->exchange.sequence;

	out->account_id = caller->account_id;
	memcpy(out->signing_key, caller->sender_key.bytes,
	    sizeof(out->signing_key));
	memcpy(out->request_hash, caller->exchange.request_hash.bytes,
	    sizeof(out->request_hash));
	/* No account gets that far: what is higher is a gap all the same. */
	out->sequence = sequence < WIRE_NUMBER_MAX ? sequence : WIRE_NUMBER_MAX;
}

enum status
caller_set_reply_key(
    struct caller *caller, const struct encryption_public_key *key)
{
	struct encryption_key_pair pair = {0};
	struct shared_secret shared = {0};
	enum status st;

	/* Honoured a moment ago, so only a retired key is past its time. */
	st = keyring_find(
	    caller->context->keyring, &caller->sealing_key_id, 0, &pair);
	if (st != STATUS_OK)
		return STATUS_STALE;
	st = shared_secret_derive(&pair, key, &shared);
	if (st == STATUS_OK) {
		caller->shared = shared;
		caller->has_shared = true;
	}
	secret_wipe(&pair, sizeof(pair));
	secret_wipe(&shared, sizeof(shared));
	return st;
}

/* ---- The store ---- */

static void
on_worker(struct rpc_server_call *call, bool is_alive, void *argument)
{
	struct caller *caller = argument;

	(void)call;
	if (is_alive)
		caller->then(caller);
}

/* On a thread of the store. */
static void
on_done(struct store_operation *operation)
{
	struct caller *caller = operation->context;
	bool is_woken = false;

	crash_point("store.done");
	is_woken = rpc_server_call_wake(caller->call, on_worker, caller);
	assert(is_woken); /* one operation, and no other wake, at a time */
	(void)is_woken;
}

enum status
caller_try_run(struct caller *caller, struct store_operation *operation,
    void (*then)(struct caller *caller))
{
	enum status st;

	operation->done = on_done;
	operation->context = caller;
	caller->then = then;
	rpc_server_call_hold(caller->call);
	crash_point("store.submit");
	st = store_submit(caller->context->store, operation);
	if (st != STATUS_OK)
		rpc_server_call_release(caller->call);
	return st;
}

void
caller_run(struct caller *caller, struct store_operation *operation,
    void (*then)(struct caller *caller))
{
	enum status st = caller_try_run(caller, operation, then);

	if (st != STATUS_OK)
		caller_not_now(caller, st);
}

/* The number was not claimed and is not the last request: which, then? */
static void
settle_unclaimed(struct caller *caller, const struct store_result *result)
{
	struct sha256_digest last_hash = {0};

	memcpy(last_hash.bytes, result->last_hash, sizeof(last_hash.bytes));
	switch (channel_sequence_judge(result->last_sequence, &last_hash,
	    caller->exchange.sequence, &caller->exchange.request_hash)) {
	case CHANNEL_SEQUENCE_REPLAY:
		caller_out_of_order(caller, false, result->last_sequence + 1);
		break;
	case CHANNEL_SEQUENCE_GAP:
		caller_out_of_order(caller, true, result->last_sequence + 1);
		break;
	case CHANNEL_SEQUENCE_NEXT:
	case CHANNEL_SEQUENCE_REPEAT:
		/* Another request of the account came in between. */
		caller_not_processed(caller, RPC_CODE_UNAVAILABLE,
		    CALLER_RETRY_BUSY_MS,
		    "Another request of this account "
		    "is under way.");
		break;
	}
}

bool
caller_settle(struct caller *caller, const struct store_operation *operation,
    const struct store_result *result)
{
	if (operation->status != STATUS_OK) {
		if (operation->is_in_doubt)
			caller_fail(caller->call, RPC_CODE_UNAVAILABLE,
			    CALLER_RETRY_AWAY_MS, "try again");
		else
			caller_not_now(caller, operation->status);
		return false;
	}
	switch (result->claim) {
	case STORE_CLAIM_CLAIMED:
	case STORE_CLAIM_REPEATED:
		if (result->code == 0)
			return true;
		caller_tell_refusal(
		    caller, (enum rpc_code)result->code, result->message);
		return false;
	case STORE_CLAIM_NONE:
		settle_unclaimed(caller, result);
		return false;
	case STORE_CLAIM_DENIED:
		/* The cache was wrong: the next attempt looks anew. */
		account_cache_forget(
		    caller->context->cache, &caller->sender_key);
		caller_fail(caller->call, RPC_CODE_UNAVAILABLE,
		    CALLER_RETRY_BUSY_MS, "try again");
		return false;
	}
	return false;
}

/* ---- Outcomes ---- */

static void
refused(struct caller *caller)
{
	struct store_refuse *refuse = &caller->own.refuse;

	if (caller_settle(caller, &refuse->operation, &refuse->result)) {
		/*
		 * This very request was done by a server that had other
		 * limits. Nothing true can be said from here.
		 */
		caller_not_now(caller, STATUS_INTERNAL);
	}
}

void
caller_refuse(
    struct caller *caller, enum rpc_code code, const char *format, ...)
{
	struct store_refuse *refuse = &caller->own.refuse;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(
	    caller->refusal, sizeof(caller->refusal), format, arguments);
	va_end(arguments);
	store_operation_clear(&caller->own.account.operation);
	memset(&caller->own, 0, sizeof(caller->own));
	refuse->operation.kind = STORE_KIND_REFUSE;
	caller_number(caller, &refuse->number);
	refuse->code = (uint32_t)code;
	refuse->message = caller->refusal;
	caller_run(caller, &refuse->operation, refused);
}

void
caller_tell_refusal(
    struct caller *caller, enum rpc_code code, const char *message)
{
	struct channel_outcome outcome = {
	    .disposition = PEYK__V1__DISPOSITION__DISPOSITION_REFUSED,
	    .code = (uint32_t)code,
	    .message = message,
	};

	answer(caller, &outcome);
}

void
caller_not_processed(struct caller *caller, enum rpc_code code,
    uint64_t retry_ms, const char *message)
{
	struct channel_outcome outcome = {
	    .disposition = PEYK__V1__DISPOSITION__DISPOSITION_NOT_PROCESSED,
	    .code = (uint32_t)code,
	    .message = message,
	    .retry_after_ms = retry_ms,
	};

	if (caller->has_shared)
		answer(caller, &outcome);
	else
		caller_fail(caller->call, code, retry_ms, "try again");
}

void
caller_not_now(struct caller *caller, enum status st)
{
	switch (st) {
	case STATUS_BUSY:
	case STATUS_NOMEM:
		caller_not_processed(caller, RPC_CODE_RESOURCE_EXHAUSTED,
		    CALLER_RETRY_BUSY_MS, "The server is busy.");
		return;
	case STATUS_UNAVAILABLE:
	case STATUS_CANCELLED:
	case STATUS_TIMEOUT:
		caller_not_processed(caller, RPC_CODE_UNAVAILABLE,
		    CALLER_RETRY_AWAY_MS,
		    "The server's database is not "
		    "available at the moment.");
		return;
	case STATUS_OK:
	case STATUS_INVALID:
	case STATUS_TOO_LARGE:
	case STATUS_FORGED:
	case STATUS_NOT_FOUND:
	case STATUS_EXISTS:
	case STATUS_STALE:
	case STATUS_DENIED:
	case STATUS_IO:
	case STATUS_INTERNAL:
		caller_not_processed(caller, RPC_CODE_UNAVAILABLE,
		    CALLER_RETRY_BROKEN_MS,
		    "The server has a fault; its log "
		    "tells the operator more.");
		return;
	}
}

void
caller_out_of_order(
    struct caller *caller, bool is_gap, uint64_t expected_sequence)
{
	struct channel_outcome outcome = {
	    .disposition = is_gap ? PEYK__V1__DISPOSITION__DISPOSITION_GAP
				  : PEYK__V1__DISPOSITION__DISPOSITION_REPLAY,
	    .code = is_gap ? RPC_CODE_OUT_OF_RANGE : RPC_CODE_ABORTED,
	    .message = is_gap ? "A number before this one is missing."
			      : "This number was used by another request.",
	    .expected_sequence = expected_sequence,
	};

	answer(caller, &outcome);
}

void
caller_deny(struct rpc_server_call *call)
{
	rpc_server_call_fail(
	    call, RPC_CODE_UNAUTHENTICATED, "not authenticated", bytes_empty());
}

void
caller_fail(struct rpc_server_call *call, enum rpc_code code, uint64_t retry_ms,
    const char *message)
{
	struct buf details;

	buf_init(&details, DETAILS_SIZE_MAX);
	if (retry_ms > 0 && rpc_status_details_retry(
				code, message, retry_ms, &details) != STATUS_OK)
		buf_reset(&details);
	rpc_server_call_fail(call, code, message, buf_bytes(&details));
	buf_clear(&details);
}
