#include "server/message_service.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/random.h"
#include "base/uuid.h"
#include "server/caller.h"
#include "server/store/operation.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* The least that HPKE makes: an encapsulated key and a tag. */
#define CIPHERTEXT_MIN ((size_t)48)

/* ---- Send ---- */

struct send {
	struct caller *caller;
	struct store_send operation;
};

static void
send_free(void *argument)
{
	struct send *work = argument;

	store_operation_clear(&work->operation.operation);
	free(work->operation.messages);
	free(work);
}

static void
send_reply(struct send *work)
{
	Peyk__V1__SendResponse response = PEYK__V1__SEND_RESPONSE__INIT;
	size_t count = work->operation.message_count;
	Peyk__V1__SendResult *results = calloc(count, sizeof(*results));
	Peyk__V1__SendResult **pointers = calloc(count, sizeof(*pointers));
	char(*ids)[UUID_TEXT_SIZE] = calloc(count, sizeof(*ids));

	if (results == NULL || pointers == NULL || ids == NULL) {
		/* It is stored; the same request again gets this reply. */
		caller_fail(work->caller->call, RPC_CODE_UNAVAILABLE,
		    CALLER_RETRY_BUSY_MS, "try again");
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		struct store_send_message *message =
		    &work->operation.messages[i];

		peyk__v1__send_result__init(&results[i]);
		/* The numbers of the two enums are the same. */
		results[i].outcome = (Peyk__V1__SendOutcome)message->outcome;
		if (message->outcome == STORE_SEND_OUTCOME_STORED) {
			uuid_format(message->id, ids[i]);
			results[i].id = ids[i];
		}
		pointers[i] = &results[i];
	}
	response.n_results = count;
	response.results = pointers;
	messenger_send_reply(&work->caller->sealed, &response);
out:
	free(ids);
	free(results);
	free(pointers);
}

static void
send_done(struct caller *caller)
{
	struct send *work = caller->work;

	if (caller_settle(
		caller, &work->operation.operation, &work->operation.result))
		send_reply(work);
}

/* Whether it is for one recipient, or for an epoch of one group. */
static bool
send_is_addressed(const Peyk__V1__OutgoingMessage *message)
{
	if (message->group_id == 0)
		return message->recipient_key.len == STORE_KEY_SIZE &&
		       message->epoch == 0;
	return message->group_id <= WIRE_NUMBER_MAX && message->epoch > 0 &&
	       message->recipient_key.len == 0;
}

/* False: it has refused the request. number: from 1. */
static bool
send_check_message(struct caller *caller,
    const Peyk__V1__OutgoingMessage *message, size_t number, size_t count)
{
	if (!send_is_addressed(message)) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "Message %zu of %zu is neither for a recipient, whose key "
		    "has %zu bytes (here: %zu), nor for a group with its "
		    "epoch.",
		    number, count, STORE_KEY_SIZE, message->recipient_key.len);
		return false;
	}
	if (message->ciphertext.len < CIPHERTEXT_MIN ||
	    message->ciphertext.len > WIRE_CIPHERTEXT_MAX) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "Message %zu of %zu: the ciphertext has %zu bytes; %zu to "
		    "%zu are allowed.",
		    number, count, message->ciphertext.len, CIPHERTEXT_MIN,
		    WIRE_CIPHERTEXT_MAX);
		return false;
	}
	return true;
}

/* True if every limit is kept. Else it has refused the request. */
static bool
send_check(struct caller *caller, const Peyk__V1__SendRequest *request)
{
	size_t count = request->n_messages, to_groups = 0;

	if (count == 0 || count > WIRE_MESSAGES_PER_SEND) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "A Send takes 1 to %zu messages, not %zu.",
		    WIRE_MESSAGES_PER_SEND, count);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!send_check_message(
			caller, request->messages[i], i + 1, count))
			return false;
		to_groups += request->messages[i]->group_id != 0;
	}
	if (to_groups > WIRE_GROUP_MESSAGES_PER_SEND) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "A Send takes %zu messages to groups at most, not %zu.",
		    WIRE_GROUP_MESSAGES_PER_SEND, to_groups);
		return false;
	}
	return true;
}

void
message_service_send(
    struct rpc_sealed_caller *sealed, const Peyk__V1__SendRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct store_send_message *messages = NULL;
	struct send *work = NULL;

	if (!send_check(caller, request))
		return;
	work = calloc(1, sizeof(*work));
	messages = calloc(request->n_messages, sizeof(*messages));
	if (work == NULL || messages == NULL) {
		free(work);
		free(messages);
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	for (size_t i = 0; i < request->n_messages; i++) {
		const Peyk__V1__OutgoingMessage *message = request->messages[i];

		if (message->group_id == 0)
			memcpy(messages[i].recipient_key,
			    message->recipient_key.data,
			    sizeof(messages[i].recipient_key));
		messages[i].group_id = (int64_t)message->group_id;
		messages[i].epoch = message->epoch;
		/* Lives until the answer, as the request does. */
		messages[i].ciphertext = wire_bytes(message->ciphertext);
	}
	work->caller = caller;
	work->operation.operation.kind = STORE_KIND_SEND;
	caller_number(caller, &work->operation.number);
	work->operation.messages = messages;
	work->operation.message_count = request->n_messages;
	caller_attach(caller, work, send_free);
	caller_run(caller, &work->operation.operation, send_done);
}

/* ---- Poll ---- */

/*
 *	CLAIMING --> answered
 *	   |
 *	   v    nothing there
 *	PARKED <------------ LOOKING --> answered
 *	   |                  ^   |
 *	   +------------------+   v busy, away
 *	      woken           ^  RESTING
 *	                      +----+
 */
enum poll_state {
	POLL_STATE_CLAIMING, /* the first operation is under way */
	POLL_STATE_PARKED,   /* registered as sleeping, or just woken */
	POLL_STATE_LOOKING,  /* an operation is under way */
	POLL_STATE_RESTING,  /* the store could not; the timer runs */
};

/* How long a woken poll rests when the store is busy: apart from others. */
#define POLL_REST_MIN_MS 100
#define POLL_REST_SPREAD_MS 900

struct poll {
	struct caller *caller;
	struct waiters *waiters;
	struct waiter waiter;
	enum poll_state state;
	bool may_wait;
	bool is_over;         /* its time ended while it looked */
	uint64_t deadline_ms; /* clock_monotonic_ms() */
	uint8_t (*acks)[WIRE_INBOX_ID_SIZE];
	struct store_poll operation;
};

static void poll_park(struct poll *work);
static void poll_look(struct poll *work);

static void
poll_free(void *argument)
{
	struct poll *work = argument;
	bool was_asleep = waiters_remove(work->waiters, &work->waiter);

	assert(!was_asleep); /* a sleeper holds the call, so it cannot go */
	(void)was_asleep;
	store_operation_clear(&work->operation.operation);
	free(work->acks);
	free(work);
}

/* Answers with what was fetched, be it nothing. */
static void
poll_reply(struct poll *work)
{
	Peyk__V1__PollResponse response = PEYK__V1__POLL_RESPONSE__INIT;
	const struct store_poll *fetched = &work->operation;
	size_t count = fetched->message_count;
	Peyk__V1__InboxMessage *messages = NULL, **pointers = NULL;
	char(*ids)[UUID_TEXT_SIZE] = NULL;

	if (count > 0) {
		messages = calloc(count, sizeof(*messages));
		pointers = calloc(count, sizeof(*pointers));
		ids = calloc(count, sizeof(*ids));
		if (messages == NULL || pointers == NULL || ids == NULL) {
			/* Nothing is lost: they stay until acknowledged. */
			caller_fail(work->caller->call, RPC_CODE_UNAVAILABLE,
			    CALLER_RETRY_BUSY_MS, "try again");
			goto out;
		}
	}
	for (size_t i = 0; i < count; i++) {
		const struct store_inbox_message *from = &fetched->messages[i];

		peyk__v1__inbox_message__init(&messages[i]);
		uuid_format(from->id, ids[i]);
		messages[i].id = ids[i];
		messages[i].ciphertext = wire_field(from->ciphertext);
		messages[i].stored_at_ms = from->stored_at_ms;
		messages[i].group_id = (uint64_t)from->group_id;
		messages[i].epoch = from->epoch;
		messages[i].roster = wire_field(from->roster);
		messages[i].leave = wire_field(from->leave);
		pointers[i] = &messages[i];
	}
	response.n_messages = count;
	response.messages = pointers;
	response.more = fetched->has_more;
	messenger_poll_reply(&work->caller->sealed, &response);
out:
	free(ids);
	free(messages);
	free(pointers);
}

/* Answers a parked poll with nothing. */
static void
poll_end(struct poll *work)
{
	if (waiters_remove(work->waiters, &work->waiter))
		rpc_server_call_release(work->caller->call);
	store_operation_clear(&work->operation.operation);
	work->operation.messages = NULL;
	work->operation.message_count = 0;
	work->operation.has_more = false;
	poll_reply(work);
}

static void
poll_time(struct rpc_server_call *call, void *argument)
{
	struct poll *work = argument;
	bool is_over = clock_monotonic_ms() >= work->deadline_ms;

	(void)call;
	switch (work->state) {
	case POLL_STATE_PARKED:
		/* Woken or not: what has arrived comes with the next poll. */
		poll_end(work);
		return;
	case POLL_STATE_LOOKING:
		work->is_over = is_over;
		return;
	case POLL_STATE_RESTING:
		if (is_over)
			poll_end(work);
		else
			poll_look(work);
		return;
	case POLL_STATE_CLAIMING:
		break;
	}
	assert(false);
}

static void
poll_set_timer(struct poll *work, uint64_t most_ms)
{
	uint64_t now = clock_monotonic_ms(), left = 0;

	if (work->deadline_ms > now)
		left = work->deadline_ms - now;
	if (left > most_ms)
		left = most_ms;
	rpc_server_call_set_timer(
	    work->caller->call, (int64_t)left, poll_time, work);
}

static void
poll_woken(struct rpc_server_call *call, bool is_alive, void *argument)
{
	(void)call;
	if (is_alive)
		poll_look(argument);
}

/* In any thread, under the mutex of the waiters. */
static void
poll_wake(struct waiter *waiter)
{
	struct poll *work =
	    (struct poll *)(void *)((char *)waiter -
				    offsetof(struct poll, waiter));
	bool is_woken =
	    rpc_server_call_wake(work->caller->call, poll_woken, work);

	assert(is_woken); /* a sleeping poll has no other wake under way */
	(void)is_woken;
}

static void
poll_cancelled(struct rpc_server_call *call, void *argument)
{
	struct poll *work = argument;

	if (waiters_remove(work->waiters, &work->waiter))
		rpc_server_call_release(call);
}

static void
poll_fetched(struct caller *caller)
{
	struct poll *work = caller->work;
	bool is_done = work->operation.operation.status == STATUS_OK;

	if (is_done && work->operation.message_count > 0) {
		poll_reply(work);
	} else if (work->is_over) {
		poll_end(work);
	} else if (is_done) {
		poll_park(work);
	} else {
		work->state = POLL_STATE_RESTING;
		poll_set_timer(
		    work, POLL_REST_MIN_MS + random_below(POLL_REST_SPREAD_MS));
	}
}

/* Looks into the inbox, or ends if that is why it was woken. */
static void
poll_look(struct poll *work)
{
	struct store_poll *operation = &work->operation;

	switch (waiters_look(work->waiters, &work->waiter)) {
	case WAITER_REASON_REPLACED:
	case WAITER_REASON_STOPPING:
		poll_end(work);
		return;
	case WAITER_REASON_NONE:
	case WAITER_REASON_MAIL:
		break;
	}
	store_operation_clear(&operation->operation);
	operation->operation.kind = STORE_KIND_FETCH;
	operation->ack_count = 0;
	work->state = POLL_STATE_LOOKING;
	if (caller_try_run(work->caller, &operation->operation, poll_fetched) !=
	    STATUS_OK) {
		work->state = POLL_STATE_RESTING;
		poll_set_timer(
		    work, POLL_REST_MIN_MS + random_below(POLL_REST_SPREAD_MS));
	}
}

/* The inbox was empty: sleeps, unless something happened since. */
static void
poll_park(struct poll *work)
{
	struct rpc_server_call *call = work->caller->call;

	if (work->state == POLL_STATE_CLAIMING) {
		rpc_server_call_on_cancel(call, poll_cancelled, work);
		rpc_server_call_send_headers(call);
		/* It may stay for a minute, beside thousands of others. */
		rpc_sealed_caller_clear(&work->caller->sealed);
		free(work->acks);
		work->acks = NULL;
		work->operation.acks = NULL;
		work->operation.ack_count = 0;
		crash_point("poll.parked");
	}
	store_operation_clear(&work->operation.operation);
	work->state = POLL_STATE_PARKED;
	poll_set_timer(work, WIRE_POLL_WAIT_MAX_MS);
	rpc_server_call_hold(call);
	if (waiters_sleep(work->waiters, &work->waiter))
		return; /* the hold is the waker's now */
	rpc_server_call_release(call);
	poll_look(work);
}

static void
poll_claimed(struct caller *caller)
{
	struct poll *work = caller->work;
	const struct store_result *result = &work->operation.result;

	crash_point("poll.claimed");
	if (!caller_settle(caller, &work->operation.operation, result))
		return;
	if (result->claim == STORE_CLAIM_CLAIMED)
		waiters_replace(work->waiters, caller->account_id,
		    caller->exchange.sequence);
	/* A repeated poll never waits: the client has it twice already. */
	if (work->operation.message_count > 0 || !work->may_wait ||
	    result->claim != STORE_CLAIM_CLAIMED)
		poll_reply(work);
	else
		poll_park(work);
}

/* True if every limit is kept. Else it has refused the request. */
static bool
poll_check(struct caller *caller, const Peyk__V1__PollRequest *request)
{
	uint8_t id[UUID_SIZE];

	if (request->n_acks > WIRE_MESSAGES_PER_POLL) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "A Poll takes %zu acknowledgements at most, not %zu.",
		    WIRE_MESSAGES_PER_POLL, request->n_acks);
		return false;
	}
	for (size_t i = 0; i < request->n_acks; i++) {
		if (uuid_parse(bytes_from_string(request->acks[i]), id) ==
		    STATUS_OK)
			continue;
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "Acknowledgement %zu of %zu is not the id of a message: "
		    "%zu characters in lower case, such as "
		    "0192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e90.",
		    i + 1, request->n_acks, UUID_TEXT_LENGTH);
		return false;
	}
	if (request->max_messages > WIRE_MESSAGES_PER_POLL) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "max_messages is %u; %zu at most is allowed.",
		    request->max_messages, WIRE_MESSAGES_PER_POLL);
		return false;
	}
	if (request->wait_ms > WIRE_POLL_WAIT_MAX_MS) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "wait_ms is %u; %u at most is allowed.", request->wait_ms,
		    WIRE_POLL_WAIT_MAX_MS);
		return false;
	}
	return true;
}

static enum status
poll_prepare(struct poll *work, const Peyk__V1__PollRequest *request)
{
	struct store_poll *operation = &work->operation;

	if (request->n_acks > 0) {
		work->acks = calloc(request->n_acks, sizeof(*work->acks));
		if (work->acks == NULL)
			return STATUS_NOMEM;
	}
	for (size_t i = 0; i < request->n_acks; i++) {
		enum status st = uuid_parse(
		    bytes_from_string(request->acks[i]), work->acks[i]);

		assert(st == STATUS_OK); /* poll_check() has read it */
		(void)st;
	}
	operation->operation.kind = STORE_KIND_POLL;
	caller_number(work->caller, &operation->number);
	operation->acks = (const uint8_t(*)[WIRE_INBOX_ID_SIZE])work->acks;
	operation->ack_count = request->n_acks;
	operation->max_messages =
	    request->max_messages > 0
		? request->max_messages
		: (uint32_t)WIRE_MESSAGES_PER_POLL_DEFAULT;
	operation->max_bytes = (uint32_t)WIRE_POLL_REPLY_MAX;
	if (request->wait_ms == 0)
		return STATUS_OK;
	/* Before the first look, so that nothing arrives in between. */
	work->may_wait = true;
	work->deadline_ms = clock_monotonic_ms() + request->wait_ms;
	work->waiter.account_id = work->caller->account_id;
	work->waiter.sequence = work->caller->exchange.sequence;
	work->waiter.wake = poll_wake;
	return waiters_add(work->waiters, &work->waiter);
}

void
message_service_poll(struct waiters *waiters, struct rpc_sealed_caller *sealed,
    const Peyk__V1__PollRequest *request)
{
	struct caller *caller = caller_of(sealed);
	struct poll *work = NULL;
	enum status st;

	if (!poll_check(caller, request))
		return;
	if ((work = calloc(1, sizeof(*work))) == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return;
	}
	work->caller = caller;
	work->waiters = waiters;
	caller_attach(caller, work, poll_free);
	if ((st = poll_prepare(work, request)) != STATUS_OK) {
		caller_not_now(caller, st);
		return;
	}
	caller_run(caller, &work->operation.operation, poll_claimed);
}
