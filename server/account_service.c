#include "server/account_service.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/name.h"
#include "base/random.h"
#include "base/secret.h"
#include "channel/password_proof.h"
#include "channel/sequence.h"
#include "server/caller.h"
#include "server/store/operation.h"
#include "wire/identity.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* ---- SignUp ---- */

struct sign_up {
	const struct account_service *service;
	struct caller *caller;
	struct identity identity;
	struct buf statement; /* the serialized SignedIdentity */
	struct hasher_job job;
	struct store_sign_up operation;
	char refusal[STORE_MESSAGE_MAX + 1];
};

/* Why a sign-up is refused; code is OK if it is not. */
struct refusal {
	enum rpc_code code;
	const char *text;
};

static void
sign_up_free(void *argument)
{
	struct sign_up *work = argument;

	store_operation_clear(&work->operation.operation);
	secret_wipe(&work->job, sizeof(work->job));
	buf_clear(&work->statement);
	free(work);
}

static void
sign_up_reply(struct sign_up *work)
{
	Peyk__V1__SignUpResponse response = PEYK__V1__SIGN_UP_RESPONSE__INIT;

	response.canonical_name = work->identity.canonical_name;
	messenger_sign_up_reply(&work->caller->sealed, &response);
}

static void
sign_up_stored(struct caller *caller)
{
	struct sign_up *work = caller->work;

	crash_point("sign_up.stored");
	if (caller_settle(
		caller, &work->operation.operation, &work->operation.result))
		sign_up_reply(work);
}

static void
sign_up_store(struct sign_up *work)
{
	struct store_sign_up *operation = &work->operation;

	operation->operation.kind = STORE_KIND_SIGN_UP;
	caller_number(work->caller, &operation->number);
	do {
		operation->number.account_id =
		    (int64_t)(random_u64() & INT64_MAX);
	} while (operation->number.account_id == 0);
	memcpy(operation->encryption_key, work->identity.encryption_key.bytes,
	    sizeof(operation->encryption_key));
	operation->name = bytes_from_string(work->identity.canonical_name);
	operation->identity = buf_bytes(&work->statement);
	operation->password_hash = work->job.hash;
	caller_run(work->caller, &operation->operation, sign_up_stored);
}

/*
 * Refuses a stranger, whose key is spent by it: the same request, recorded and
 * sent again, never opens an account when the rules are others.
 */
static void
sign_up_refuse(struct sign_up *work, const struct refusal *refusal)
{
	(void)snprintf(
	    work->refusal, sizeof(work->refusal), "%s", refusal->text);
	work->operation.is_refused = true;
	work->operation.taken_code = (uint32_t)refusal->code;
	work->operation.taken_message = work->refusal;
	sign_up_store(work);
}

static void
sign_up_hashed(struct rpc_server_call *call, bool is_alive, void *argument)
{
	struct sign_up *work = argument;

	(void)call;
	if (!is_alive)
		return;
	crash_point("sign_up.hashed");
	if (work->job.status == STATUS_OK)
		sign_up_store(work);
	else
		caller_not_now(work->caller, work->job.status);
}

/* On a thread of the hasher. */
static void
sign_up_hash_done(struct hasher_job *job)
{
	struct sign_up *work =
	    (struct sign_up *)(void *)((char *)job -
				       offsetof(struct sign_up, job));
	bool is_woken =
	    rpc_server_call_wake(work->caller->call, sign_up_hashed, work);

	assert(is_woken); /* nothing else is under way on this call */
	(void)is_woken;
}

static void
sign_up_hash(struct sign_up *work, const Peyk__V1__SignUpRequest *request)
{
	struct caller *caller = work->caller;
	enum status st;

	memcpy(work->job.proof, request->password_proof.data,
	    sizeof(work->job.proof));
	work->job.done = sign_up_hash_done;
	work->operation.taken_code = RPC_CODE_ALREADY_EXISTS;
	work->operation.taken_message =
	    "This name is taken. Sign up with another one.";
	rpc_server_call_hold(caller->call);
	st = hasher_submit(work->service->hasher, &work->job);
	if (st == STATUS_OK)
		return;
	rpc_server_call_release(caller->call);
	if (st == STATUS_BUSY)
		caller_not_processed(caller, RPC_CODE_RESOURCE_EXHAUSTED,
		    HASHER_RETRY_MS, "Many are signing up at the moment.");
	else
		caller_not_now(caller, st);
}

/*
 * Finds the key that the reply is sealed with, before anything is judged: so
 * more leniently than wire_unpack(), for what is wrong with the rest can then
 * be told. STATUS_INVALID: the body names no key.
 */
static enum status
find_reply_key(
    const Peyk__V1__SignUpRequest *request, struct encryption_public_key *out)
{
	Peyk__V1__Identity *identity = NULL;
	struct bytes statement = bytes_empty();
	enum status st = STATUS_INVALID;

	if (request->identity != NULL)
		statement = wire_bytes(request->identity->identity);
	if (statement.size == 0 || statement.size > WIRE_IDENTITY_MAX)
		return STATUS_INVALID;
	identity =
	    peyk__v1__identity__unpack(NULL, statement.size, statement.data);
	if (identity != NULL)
		st = encryption_public_key_import(
		    wire_bytes(identity->encryption_key), out);
	peyk__v1__identity__free_unpacked(identity, NULL);
	return st;
}

/* The name's own problem, where it is that. */
static struct refusal
judge_name(const Peyk__V1__SignUpRequest *request)
{
	struct refusal refusal = {
	    RPC_CODE_INVALID_ARGUMENT, "The signed identity is malformed."};
	Peyk__V1__Identity *identity = NULL;
	enum name_problem problem = NAME_PROBLEM_NONE;

	if (wire_unpack(&peyk__v1__identity__descriptor,
		wire_bytes(request->identity->identity), WIRE_IDENTITY_MAX,
		&identity) == STATUS_OK)
		problem = name_check(bytes_from_string(identity->username));
	if (problem != NAME_PROBLEM_NONE)
		refusal.text = name_problem_text(problem);
	wire_free(identity);
	return refusal;
}

/* Fills work->identity. STATUS_NOMEM, STATUS_INTERNAL: nothing was judged. */
static enum status
judge(struct sign_up *work, const Peyk__V1__SignUpRequest *request,
    struct refusal *out)
{
	const struct caller *caller = work->caller;
	enum status st = identity_verify(request->identity,
	    &caller->context->identity->key.public_key, &work->identity);

	out->code = RPC_CODE_INVALID_ARGUMENT;
	if (st == STATUS_NOMEM || st == STATUS_INTERNAL)
		return st;
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		*out = judge_name(request);
	else if (st != STATUS_OK)
		out->text = "The identity is not signed by its own key, or "
			    "is for another server.";
	else if (!signing_public_key_equal(
		     &work->identity.signing_key, &caller->sender_key))
		out->text = "The identity's key is not the sender's.";
	else if (!channel_sequence_is_first(caller->exchange.sequence))
		out->text = "The first number must be below 2^48.";
	else if (request->nonce.len != WIRE_NONCE_SIZE)
		out->text = "The nonce must have 32 bytes.";
	else if (request->password_proof.len != CHANNEL_PASSWORD_PROOF_SIZE)
		out->text = "The password proof must have 32 bytes.";
	else if (strlen(request->invite_token) > WIRE_INVITE_TOKEN_MAX)
		out->text = "The invite token is longer than 256 bytes.";
	else if (!work->service->is_registration_open)
		*out = (struct refusal){RPC_CODE_PERMISSION_DENIED,
		    "This server takes no new accounts at the moment. Ask "
		    "its operator."};
	else
		out->code = RPC_CODE_OK;
	return STATUS_OK;
}

/* The ordinary rule of numbers, for a key that is known. */
static void
sign_up_again(struct sign_up *work)
{
	struct caller *caller = work->caller;
	const struct store_result *last = &caller->last;
	struct sha256_digest last_hash = {0};

	memcpy(last_hash.bytes, last->last_hash, sizeof(last_hash.bytes));
	switch (channel_sequence_judge(last->last_sequence, &last_hash,
	    caller->exchange.sequence, &caller->exchange.request_hash)) {
	case CHANNEL_SEQUENCE_REPEAT:
		if (last->code == 0)
			sign_up_reply(work);
		else
			caller_tell_refusal(
			    caller, (enum rpc_code)last->code, last->message);
		return;
	case CHANNEL_SEQUENCE_REPLAY:
		caller_out_of_order(caller, false, last->last_sequence + 1);
		return;
	case CHANNEL_SEQUENCE_GAP:
		caller_out_of_order(caller, true, last->last_sequence + 1);
		return;
	case CHANNEL_SEQUENCE_NEXT:
		break;
	}
	if (caller->account_status == STORE_ACCOUNT_STATUS_ACTIVE)
		caller_refuse(caller, RPC_CODE_FAILED_PRECONDITION,
		    "This key has an account already.");
	else
		/* The key is spent for good, so this is true for ever. */
		caller_tell_refusal(caller, RPC_CODE_FAILED_PRECONDITION,
		    "This key was used before. Sign up with a new one.");
}

static enum status
sign_up_new(const struct account_service *service, struct caller *caller,
    const Peyk__V1__SignUpRequest *request, struct sign_up **out)
{
	struct sign_up *work = calloc(1, sizeof(*work));
	enum status st;

	if (work == NULL)
		return STATUS_NOMEM;
	work->service = service;
	work->caller = caller;
	buf_init(&work->statement, WIRE_SIGNED_IDENTITY_MAX);
	caller_attach(caller, work, sign_up_free);
	st = wire_pack(&request->identity->base, &work->statement);
	*out = work;
	/* Unknown fields may make it longer than any that is good. */
	return st == STATUS_TOO_LARGE ? STATUS_OK : st;
}

void
account_service_sign_up(const struct account_service *service,
    struct rpc_sealed_caller *sealed, const Peyk__V1__SignUpRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct encryption_public_key key = {0};
	struct refusal refusal = {0};
	struct sign_up *work = NULL;
	enum status st;

	if ((st = find_reply_key(request, &key)) == STATUS_OK)
		st = caller_set_reply_key(caller, &key);
	if (st == STATUS_INVALID || st == STATUS_FORGED) {
		/* Nobody to seal a reply for, unless the key is known. */
		if (caller->account_status == STORE_ACCOUNT_STATUS_ACTIVE)
			caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
			    "The signed identity is malformed.");
		else
			caller_fail(caller->call, RPC_CODE_INVALID_ARGUMENT, 0,
			    "malformed request");
		return;
	}
	if (st == STATUS_STALE) {
		caller_fail(caller->call, RPC_CODE_FAILED_PRECONDITION, 0,
		    "sealing key changed");
		return;
	}
	if (st != STATUS_OK ||
	    (st = sign_up_new(service, caller, request, &work)) != STATUS_OK ||
	    (st = judge(work, request, &refusal)) != STATUS_OK) {
		caller_not_now(caller, st);
		return;
	}
	if (caller->account_status != STORE_ACCOUNT_STATUS_NONE)
		sign_up_again(work);
	else if (refusal.code != RPC_CODE_OK)
		sign_up_refuse(work, &refusal);
	else
		sign_up_hash(work, request);
}

/* ---- GetPublicKey ---- */

struct look_up {
	struct caller *caller;
	size_t count;
	struct buf *canonical;           /* one for each name */
	struct store_lookup_name *names; /* only those that are valid */
	size_t *positions;               /* of names[], in the request */
	struct store_lookup operation;
};

static void
look_up_free(void *argument)
{
	struct look_up *work = argument;

	store_operation_clear(&work->operation.operation);
	if (work->canonical != NULL) {
		for (size_t i = 0; i < work->count; i++)
			buf_clear(&work->canonical[i]);
	}
	free(work->canonical);
	free(work->names);
	free(work->positions);
	free(work);
}

/* Fills entries[at]; the statement is the caller's to free. */
static enum status
look_up_statement(
    const struct store_lookup_name *name, Peyk__V1__KeyEntry *entry)
{
	if (!name->is_found)
		return STATUS_OK;
	return wire_unpack(&peyk__v1__signed_identity__descriptor,
	    name->identity, STORE_IDENTITY_MAX, &entry->identity);
}

static void
look_up_reply(struct look_up *work)
{
	const Peyk__V1__GetPublicKeyRequest *request =
	    (const Peyk__V1__GetPublicKeyRequest *)work->caller->sealed.request;
	Peyk__V1__GetPublicKeyResponse response =
	    PEYK__V1__GET_PUBLIC_KEY_RESPONSE__INIT;
	Peyk__V1__KeyEntry *entries = calloc(work->count, sizeof(*entries));
	Peyk__V1__KeyEntry **pointers = calloc(work->count, sizeof(*pointers));
	size_t count = work->count;
	enum status st = STATUS_OK;

	if (entries == NULL || pointers == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		peyk__v1__key_entry__init(&entries[i]);
		entries[i].name = request->names[i];
		pointers[i] = &entries[i];
	}
	for (size_t i = 0; i < work->operation.name_count; i++) {
		if ((st = look_up_statement(&work->names[i],
			 &entries[work->positions[i]])) != STATUS_OK)
			goto out;
	}
	response.n_entries = count;
	response.entries = pointers;
	messenger_get_public_key_reply(&work->caller->sealed, &response);
out:
	/* A read is answered afresh, so asking again is enough. */
	if (st != STATUS_OK)
		caller_fail(work->caller->call, RPC_CODE_UNAVAILABLE,
		    CALLER_RETRY_BUSY_MS, "try again");
	for (size_t i = 0; entries != NULL && i < count; i++)
		wire_free(entries[i].identity);
	free(entries);
	free(pointers);
}

static void
look_up_done(struct caller *caller)
{
	struct look_up *work = caller->work;

	if (caller_settle(
		caller, &work->operation.operation, &work->operation.result))
		look_up_reply(work);
}

/* A name that is not allowed is nobody's: it is not asked for. */
static enum status
look_up_prepare(
    struct look_up *work, const Peyk__V1__GetPublicKeyRequest *request)
{
	size_t count = 0;

	work->canonical = calloc(work->count, sizeof(*work->canonical));
	work->names = calloc(work->count, sizeof(*work->names));
	work->positions = calloc(work->count, sizeof(*work->positions));
	if (work->canonical == NULL || work->names == NULL ||
	    work->positions == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < work->count; i++) {
		struct bytes name = bytes_from_string(request->names[i]);
		enum status st;

		buf_init(&work->canonical[i], NAME_CANONICAL_SIZE_MAX);
		st = name_append_canonical(name, &work->canonical[i]);
		if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
			continue;
		if (st != STATUS_OK)
			return st;
		work->names[count].canonical = buf_bytes(&work->canonical[i]);
		work->positions[count] = i;
		count++;
	}
	work->operation.operation.kind = STORE_KIND_LOOKUP;
	caller_number(work->caller, &work->operation.number);
	work->operation.names = work->names;
	work->operation.name_count = count;
	return STATUS_OK;
}

void
account_service_get_public_key(struct rpc_sealed_caller *sealed,
    const Peyk__V1__GetPublicKeyRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct look_up *work = NULL;
	enum status st;

	if (request->n_names == 0 || request->n_names > WIRE_NAMES_PER_LOOKUP) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "A look-up takes 1 to %zu names, not %zu.",
		    WIRE_NAMES_PER_LOOKUP, request->n_names);
		return;
	}
	if ((work = calloc(1, sizeof(*work))) == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	work->caller = caller;
	work->count = request->n_names;
	caller_attach(caller, work, look_up_free);
	if ((st = look_up_prepare(work, request)) != STATUS_OK) {
		caller_not_now(caller, st);
		return;
	}
	caller_run(caller, &work->operation.operation, look_up_done);
}
