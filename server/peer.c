#include "server/peer.h"

#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/secret.h"
#include "wire/unpack.h"

/* Unknown senders may only sign up. */
static bool
is_for_strangers(const struct caller *caller)
{
	return caller->sealed.method == &messenger_sign_up_sealed;
}

/* A body that does not parse: the number is used, if there is an account. */
static void
refuse_body(struct caller *caller)
{
	if (caller->account_status == STORE_ACCOUNT_STATUS_ACTIVE)
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "The request's body is malformed.");
	else
		caller_fail(caller->call, RPC_CODE_INVALID_ARGUMENT, 0,
		    "malformed request");
}

/*
 * Parses the body within bounds first: what the generated dispatch unpacks
 * with has none (wire/unpack.h).
 */
static void
dispatch(struct caller *caller)
{
	const struct rpc_sealed_method *method = caller->sealed.method;
	const struct peer *peer = caller->peer;
	struct channel_request request = caller->request;
	void *probe = NULL;
	enum status st;

	/* The handler may be done with the caller before it returns. */
	memset(&caller->request, 0, sizeof(caller->request));
	st = wire_unpack(method->request, request.body, WIRE_BODY_MAX, &probe);
	wire_free(probe);
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE) {
		refuse_body(caller);
		goto out;
	}
	if (st != STATUS_OK) {
		caller_not_now(caller, st);
		goto out;
	}
	crash_point("request.dispatch");
	st = messenger_dispatch(peer->handlers, peer->service, method,
	    &caller->sealed, request.body);
	/* It parsed above, so it is for want of memory that it does not now. */
	if (st == STATUS_NOT_FOUND)
		caller_fail(
		    caller->call, RPC_CODE_UNIMPLEMENTED, 0, "not implemented");
	else if (st != STATUS_OK)
		caller_not_now(caller, STATUS_NOMEM);
out:
	channel_request_clear(&request);
}

/* From here on every outcome is sealed. */
static void
welcome(struct caller *caller, const struct account_cache_entry *found)
{
	struct account_cache_entry entry = *found;

	caller->account_id = entry.account_id;
	caller->account_status = STORE_ACCOUNT_STATUS_ACTIVE;
	if (entry.has_shared) {
		caller->shared = entry.shared;
		caller->has_shared = true;
	} else if (caller_set_reply_key(caller, &entry.encryption_key) ==
		   STATUS_OK) {
		entry.has_shared = true;
		entry.shared = caller->shared;
		account_cache_put(caller->context->cache, &caller->sender_key,
		    &caller->sealing_key_id, &entry);
	} else {
		/* The sealing key was retired a moment ago. */
		caller_fail(caller->call, RPC_CODE_FAILED_PRECONDITION, 0,
		    "sealing key changed");
		goto out;
	}
	dispatch(caller);
out:
	secret_wipe(&entry, sizeof(entry));
}

/* A known sender, whom the operator has shut out for now. */
static void
turn_away(struct caller *caller, const struct encryption_public_key *key)
{
	if (caller_set_reply_key(caller, key) != STATUS_OK) {
		caller_deny(caller->call);
		return;
	}
	caller_not_processed(caller, RPC_CODE_UNAVAILABLE,
	    CALLER_RETRY_BROKEN_MS,
	    "This account was disabled by the server's operator.");
}

/* Whether the sender is known or not, the handler judges. */
static void
dispatch_stranger(
    struct caller *caller, const struct encryption_public_key *key)
{
	caller->account_status = caller->own.account.status;
	caller->account_id = caller->own.account.account_id;
	caller->last = caller->own.account.last;
	/* The handler takes the key in the body; this is for a bad body. */
	if (caller->account_status == STORE_ACCOUNT_STATUS_ACTIVE &&
	    caller_set_reply_key(caller, key) != STATUS_OK) {
		caller_fail(caller->call, RPC_CODE_FAILED_PRECONDITION, 0,
		    "sealing key changed");
		return;
	}
	dispatch(caller);
}

/* The database has said whose key it is. */
static void
identified(struct caller *caller)
{
	struct store_account *account = &caller->own.account;
	struct account_cache_entry entry = {
	    .account_id = account->account_id,
	};

	if (account->operation.status != STATUS_OK) {
		caller_not_now(caller, account->operation.status);
		return;
	}
	memcpy(entry.encryption_key.bytes, account->encryption_key,
	    sizeof(entry.encryption_key.bytes));
	if (is_for_strangers(caller)) {
		dispatch_stranger(caller, &entry.encryption_key);
		return;
	}
	if (account->is_replaced) {
		caller_deny(caller->call);
		return;
	}
	switch (account->status) {
	case STORE_ACCOUNT_STATUS_ACTIVE:
		welcome(caller, &entry);
		return;
	case STORE_ACCOUNT_STATUS_DISABLED:
		turn_away(caller, &entry.encryption_key);
		return;
	case STORE_ACCOUNT_STATUS_NONE:
	case STORE_ACCOUNT_STATUS_DELETED:
	case STORE_ACCOUNT_STATUS_REFUSED:
		caller_deny(caller->call);
		return;
	}
}

static void
identify(struct caller *caller)
{
	struct store_account *account = &caller->own.account;
	struct account_cache_entry entry = {0};

	if (!is_for_strangers(caller) &&
	    account_cache_find(caller->context->cache, &caller->sender_key,
		&caller->sealing_key_id, &entry)) {
		welcome(caller, &entry);
		secret_wipe(&entry, sizeof(entry));
		return;
	}
	account->operation.kind = STORE_KIND_ACCOUNT;
	memcpy(account->signing_key, caller->sender_key.bytes,
	    sizeof(account->signing_key));
	caller_run(caller, &account->operation, identified);
}

/* Opens the envelope into a new caller. Else it has answered. */
static struct caller *
open_envelope(const struct peer *peer, struct rpc_server_call *call,
    const struct rpc_sealed_method *method,
    const Peyk__V1__SealedRequest *envelope)
{
	struct encryption_key_pair sealing_key = {0};
	struct channel_key_id key_id = {0};
	struct caller *caller = NULL;
	enum status st;

	if (channel_request_key_id(envelope, &key_id) != STATUS_OK) {
		caller_fail(
		    call, RPC_CODE_INVALID_ARGUMENT, 0, "malformed request");
		return NULL;
	}
	if (keyring_find(peer->context->keyring, &key_id, clock_wall_ms(),
		&sealing_key) != STATUS_OK) {
		caller_fail(call, RPC_CODE_FAILED_PRECONDITION, 0,
		    "sealing key changed");
		return NULL;
	}
	if ((caller = caller_new(peer->context, call)) == NULL) {
		secret_wipe(&sealing_key, sizeof(sealing_key));
		caller_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    CALLER_RETRY_BUSY_MS, "try again");
		return NULL;
	}
	st = channel_request_open(envelope, method->path, &sealing_key,
	    &peer->context->identity->key.public_key, &caller->request,
	    &caller->exchange);
	secret_wipe(&sealing_key, sizeof(sealing_key));
	if (st == STATUS_OK) {
		caller->peer = peer;
		caller->sealed.method = method;
		caller->sealing_key_id = key_id;
		caller->sender_key = caller->request.sender_key;
		return caller;
	}
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		caller_fail(
		    call, RPC_CODE_INVALID_ARGUMENT, 0, "malformed request");
	else if (st == STATUS_FORGED)
		caller_deny(call);
	else
		caller_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    CALLER_RETRY_BUSY_MS, "try again");
	return NULL;
}

static void
peer_open(struct rpc_sealed_server *sealed, struct rpc_server_call *call,
    const struct rpc_sealed_method *method, struct bytes request)
{
	const struct peer *peer = (const struct peer *)sealed;
	Peyk__V1__SealedRequest *envelope = NULL;
	struct caller *caller = NULL;
	enum status st;

	st = wire_unpack(&peyk__v1__sealed_request__descriptor, request,
	    WIRE_ENVELOPE_MAX, &envelope);
	if (st == STATUS_NOMEM)
		caller_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    CALLER_RETRY_BUSY_MS, "try again");
	else if (st != STATUS_OK)
		caller_fail(
		    call, RPC_CODE_INVALID_ARGUMENT, 0, "malformed request");
	else
		caller = open_envelope(peer, call, method, envelope);
	/* Before a wait: they may be large, and are no longer needed. */
	wire_free(envelope);
	if (caller != NULL) {
		rpc_server_call_drop_request(call);
		crash_point("request.opened");
		identify(caller);
	}
}

void
peer_init(struct peer *peer, const struct caller_context *context,
    const struct messenger_sealed_handlers *handlers, void *service)
{
	*peer = (struct peer){
	    .sealed = {.open = peer_open},
	    .context = context,
	    .handlers = handlers,
	    .service = service,
	};
}
