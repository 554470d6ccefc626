/* rpc/rpc_server.h, server_call.h, client_channel.h, client_call.h */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/status_details.h"
#include "tests/unit/unit.h"
#include "trial.h"

enum { SECONDS = 1000, PATIENCE = 20 * SECONDS };

struct fixture {
	struct trial trial;
	struct trial_client client;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct rpc_server_options options = {
	    .workers = 2, .max_message_bytes = 1 << 20};

	assert_non_null(fixture);
	trial_start(&fixture->trial, &options, NULL);
	trial_connect(&fixture->client, fixture->trial.target, NULL);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	trial_disconnect(&fixture->client);
	trial_stop(&fixture->trial, 2000);
	free(fixture);
	return 0;
}

static Golden__V1__EchoRequest
echo(const char *text)
{
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;

	request.text = (char *)(uintptr_t)text;
	return request;
}

/* Calls Echo and expects that code; gives the reply's text, to be freed. */
static char *
call_echo(struct fixture *fixture, const struct rpc_call_options *options,
    const Golden__V1__EchoRequest *request, enum rpc_code code)
{
	static const struct rpc_call_options patient = {.timeout_ms = PATIENCE};
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_status status = {0};
	char *text = NULL;
	enum status st = trial_echo(&fixture->client.rpc,
	    options != NULL ? options : &patient, request, &reply, &status);

	assert_string_equal(rpc_code_name(status.code), rpc_code_name(code));
	assert_int_equal(st, rpc_code_to_status(code));
	if (st == STATUS_OK) {
		assert_int_equal(reply->padding.len, request->padding);
		text = strdup(reply->text);
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	}
	rpc_status_clear(&status);
	return text;
}

static void
expect_echo(struct fixture *fixture, const Golden__V1__EchoRequest *request)
{
	char *text = call_echo(fixture, NULL, request, RPC_CODE_OK);

	assert_string_equal(text, request->text);
	free(text);
}

static void
test_calls_answer_at_once(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("salam mashti");

	expect_echo(fixture, &request);
	request.padding = 900000;
	expect_echo(fixture, &request);
	request = echo("");
	expect_echo(fixture, &request);
}

static void
test_calls_answer_from_another_thread(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("later");

	request.how = GOLDEN__V1__HOW__HOW_THREAD;
	for (request.delay_ms = 0; request.delay_ms < 20; request.delay_ms++)
		expect_echo(fixture, &request);
	assert_int_equal(fixture->trial.woken, 20);
	assert_int_equal(fixture->trial.woken_dead, 0);
}

static void
test_calls_answer_by_a_timer(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("later");
	uint64_t start = clock_monotonic_ms();

	request.how = GOLDEN__V1__HOW__HOW_TIMER;
	request.delay_ms = 50;
	expect_echo(fixture, &request);
	assert_true(clock_monotonic_ms() - start >= 50);
	/* The state of a call goes with it. */
	trial_wait(&fixture->trial.destroyed, 1);
}

static void
test_calls_that_are_forgotten_end(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("forget");

	request.how = GOLDEN__V1__HOW__HOW_FORGET;
	call_echo(fixture, NULL, &request, RPC_CODE_UNKNOWN);
	request.early_headers = true;
	call_echo(fixture, NULL, &request, RPC_CODE_UNKNOWN);
}

static void
test_calls_that_are_released_end(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("release");

	request.how = GOLDEN__V1__HOW__HOW_RELEASE;
	for (request.delay_ms = 0; request.delay_ms < 10; request.delay_ms++)
		call_echo(fixture, NULL, &request, RPC_CODE_UNKNOWN);
	trial_wait(&fixture->trial.destroyed, 10);
}

static void
test_calls_are_woken_twice(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("twice");

	request.how = GOLDEN__V1__HOW__HOW_WAKE_TWICE;
	for (request.delay_ms = 0; request.delay_ms < 10; request.delay_ms++)
		expect_echo(fixture, &request);
	trial_wait(&fixture->trial.woken, 20);
	trial_wait(&fixture->trial.destroyed, 10);
	/* Answered by the first. */
	assert_int_equal(fixture->trial.woken_dead, 10);
}

static void
test_calls_tell_headers_early(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_call_options options = {
	    .timeout_ms = PATIENCE, .early_headers = true};
	Golden__V1__EchoRequest request = echo("parked");
	struct rpc_client_call *call;
	Golden__V1__EchoReply *reply;

	/* Parked: headers, no end. */
	request.how = GOLDEN__V1__HOW__HOW_PARK;
	request.early_headers = true;
	assert_ok(trial_echo_start(
	    &fixture->client.rpc, &options, &request, NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_HEADERS, PATIENCE));
	assert_true(rpc_client_call_has_headers(call));
	assert_false(rpc_client_call_has_ended(call));
	assert_status(trial_echo_response(call, &reply), STATUS_NOT_FOUND);
	/* Other calls go on meanwhile. */
	request.how = GOLDEN__V1__HOW__HOW_NOW;
	expect_echo(fixture, &request);
	assert_false(rpc_client_call_wait(call, RPC_WAIT_END, 20));
	rpc_client_call_cancel(call);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_int_equal(
	    rpc_client_call_status(call)->code, RPC_CODE_CANCELLED);
	rpc_client_call_free(call);
	trial_wait(&fixture->trial.cancelled, 1);

	/* Answered: headers, then the reply. */
	request.how = GOLDEN__V1__HOW__HOW_TIMER;
	request.delay_ms = 50;
	assert_ok(trial_echo_start(
	    &fixture->client.rpc, &options, &request, NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_HEADERS, PATIENCE));
	assert_false(rpc_client_call_has_ended(call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_ok(trial_echo_response(call, &reply));
	assert_string_equal(reply->text, "parked");
	golden__v1__echo_reply__free_unpacked(reply, NULL);
	rpc_client_call_free(call);

	/*
	 * Refused at once: headers and end come in one frame, but gRPC tells
	 * of them one after the other. So this may look parked for a moment,
	 * and the end follows without anything more from the server.
	 */
	request.early_headers = false;
	request.how = GOLDEN__V1__HOW__HOW_NOW;
	request.code = RPC_CODE_ABORTED;
	for (int i = 0; i < 50; i++) {
		assert_ok(trial_echo_start(
		    &fixture->client.rpc, &options, &request, NULL, &call));
		assert_true(
		    rpc_client_call_wait(call, RPC_WAIT_HEADERS, PATIENCE));
		assert_true(rpc_client_call_has_headers(call) ||
			    rpc_client_call_has_ended(call));
		assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
		assert_int_equal(
		    rpc_client_call_status(call)->code, RPC_CODE_ABORTED);
		rpc_client_call_free(call);
	}
}

static void
test_calls_end_at_their_deadline(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_call_options options = {.timeout_ms = 1000};
	Golden__V1__EchoRequest request = echo("too late");

	/* The connection is there before the time runs. */
	expect_echo(fixture, &request);
	request.how = GOLDEN__V1__HOW__HOW_PARK;
	call_echo(fixture, &options, &request, RPC_CODE_DEADLINE_EXCEEDED);
	/* The server sees it as well. */
	assert_true(fixture->trial.time_left_ms > 0);
	/* gRPC rounds it up on the way. */
	assert_true(fixture->trial.time_left_ms <= 1100);
	trial_wait(&fixture->trial.cancelled, 1);
	trial_wait(&fixture->trial.destroyed, 2);
}

static void
test_calls_carry_metadata(void **state)
{
	struct fixture *fixture = *state;
	const struct rpc_metadata metadata[] = {
	    {"x-ask", BYTES_LITERAL("overwritten by the last")},
	    {"x-ask", BYTES_LITERAL("plain text")},
	    {"x-ask-bin", BYTES_LITERAL("\0\1\xff")},
	};
	const struct rpc_metadata wrong = {"X-Ask", BYTES_LITERAL("a")};
	struct rpc_call_options options = {
	    .timeout_ms = PATIENCE, .metadata = metadata, .metadata_count = 3};
	Golden__V1__EchoRequest request = echo("metadata");
	struct rpc_client_call *call;
	struct bytes value;

	assert_ok(trial_echo_start(
	    &fixture->client.rpc, &options, &request, NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_true(rpc_client_call_metadata(call, false, "x-answer", &value));
	assert_bytes(value, BYTES_LITERAL("plain text"));
	assert_true(
	    rpc_client_call_metadata(call, true, "x-answer-bin", &value));
	assert_bytes(value, BYTES_LITERAL("\0\1\xff"));
	assert_false(rpc_client_call_metadata(call, true, "x-ask", &value));
	rpc_client_call_free(call);
	options.metadata = &wrong;
	options.metadata_count = 1;
	assert_status(trial_echo_start(&fixture->client.rpc, &options, &request,
			  NULL, &call),
	    STATUS_INVALID);
}

static void
test_calls_carry_status_details(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("not now: \xd8\xb3\n\x01%");
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_status status = {0};
	struct buf details;
	uint64_t delay_ms;

	buf_init(&details, 1000);
	assert_ok(rpc_status_details_retry(
	    RPC_CODE_UNAVAILABLE, "later", 1500, &details));
	request.code = RPC_CODE_UNAVAILABLE;
	request.details.data = details.data;
	request.details.len = details.size;
	assert_status(
	    trial_echo(&fixture->client.rpc, NULL, &request, &reply, &status),
	    STATUS_UNAVAILABLE);
	assert_int_equal(status.code, RPC_CODE_UNAVAILABLE);
	assert_string_equal(status.message, request.text);
	assert_bytes(rpc_status_details(&status), buf_bytes(&details));
	assert_ok(rpc_status_details_find_retry(
	    rpc_status_details(&status), &delay_ms));
	assert_int_equal(delay_ms, 1500);
	rpc_status_clear(&status);
	buf_clear(&details);
}

static void
test_calls_to_what_is_not_there_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_method nothing = trial_echo_method;
	Golden__V1__EchoRequest request = echo("nothing");
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_status status = {0};
	struct buf bytes;

	buf_init(&bytes, 100);
	nothing.path = "/golden.v1.Trial/Nothing";
	for (int i = 0; i < 20; i++) {
		assert_status(rpc_client_unary(&fixture->client.rpc, &nothing,
				  NULL, bytes_empty(), &bytes, &status),
		    STATUS_INTERNAL);
		assert_int_equal(status.code, RPC_CODE_UNIMPLEMENTED);
	}
	/* Registered, but without a handler. */
	assert_status(
	    trial_delete(&fixture->client.rpc, NULL, &request, &reply, &status),
	    STATUS_INTERNAL);
	assert_int_equal(status.code, RPC_CODE_UNIMPLEMENTED);
	rpc_status_clear(&status);
	buf_clear(&bytes);
}

static void
test_calls_with_garbage_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_status status = {0};
	struct buf bytes;

	buf_init(&bytes, 100);
	assert_status(
	    rpc_client_unary(&fixture->client.rpc, &trial_echo_method, NULL,
		BYTES_LITERAL("\x0a\xff\xff\xff\xff"), &bytes, &status),
	    STATUS_INTERNAL);
	assert_int_equal(status.code, RPC_CODE_INTERNAL);
	assert_int_equal(fixture->trial.arrived, 0);
	rpc_status_clear(&status);
	buf_clear(&bytes);
}

/* Two bytes of input for each of protobuf-c's structs for unknown fields. */
static void
test_calls_that_swell_when_parsed_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_status status = {0};
	static uint8_t fields[1 << 19];
	struct buf bytes;

	buf_init(&bytes, 100);
	for (size_t i = 0; i < sizeof(fields); i += 2)
		fields[i] = 15 << 3; /* field 15, a varint: zero */
	assert_status(rpc_client_unary(&fixture->client.rpc, &trial_echo_method,
			  NULL, BYTES_OF(fields), &bytes, &status),
	    STATUS_INTERNAL);
	assert_int_equal(status.code, RPC_CODE_INTERNAL);
	assert_int_equal(fixture->trial.arrived, 0);
	rpc_status_clear(&status);
	buf_clear(&bytes);
}

static void
test_calls_that_are_too_long_are_refused(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("long");
	char *text = malloc((1 << 20) + 1);

	assert_non_null(text);
	memset(text, 'a', 1 << 20);
	text[1 << 20] = '\0';
	request.text = text;
	call_echo(fixture, NULL, &request, RPC_CODE_RESOURCE_EXHAUSTED);
	assert_int_equal(fixture->trial.arrived, 0);
	/* Just below the limit it passes. */
	text[(1 << 20) - 100] = '\0';
	expect_echo(fixture, &request);
	/* The client has a limit too. */
	request.text = (char *)(uintptr_t) "short";
	request.padding = 5 << 20;
	call_echo(fixture, NULL, &request, RPC_CODE_RESOURCE_EXHAUSTED);
	free(text);
}

/* ---- Streams ---- */

static void
test_streams_arrive_in_order(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__CountRequest request = GOLDEN__V1__COUNT_REQUEST__INIT;
	struct rpc_client_call *call;
	Golden__V1__Number *number;

	request.from = 1;
	request.to = 500;
	assert_ok(trial_count_start(
	    &fixture->client.rpc, NULL, &request, NULL, &call));
	for (uint32_t i = 1; i <= 500; i++) {
		assert_ok(trial_count_next(call, PATIENCE, &number));
		assert_non_null(number);
		assert_int_equal(number->value, i);
		golden__v1__number__free_unpacked(number, NULL);
	}
	assert_ok(trial_count_next(call, PATIENCE, &number));
	assert_null(number);
	assert_ok(trial_count_next(call, PATIENCE, &number));
	assert_null(number);
	assert_int_equal(rpc_client_call_status(call)->code, RPC_CODE_OK);
	rpc_client_call_free(call);
}

struct watched {
	int headers, messages, ends;
	int64_t sum;
	enum rpc_code code;
};

static void
on_headers(struct rpc_client_call *call, void *arg)
{
	struct watched *watched = arg;

	(void)call;
	assert_int_equal(watched->messages, 0);
	watched->headers++;
}

static void
on_message(struct rpc_client_call *call, struct bytes message, void *arg)
{
	struct watched *watched = arg;
	Golden__V1__Number *number = NULL;

	assert_bytes(rpc_client_call_message(call), message);
	assert_ok(trial_count_response(call, &number));
	watched->messages++;
	watched->sum += number->value;
	golden__v1__number__free_unpacked(number, NULL);
}

static void
on_status(
    struct rpc_client_call *call, const struct rpc_status *status, void *arg)
{
	struct watched *watched = arg;

	watched->ends++;
	watched->code = status->code;
	rpc_client_call_free(call);
}

static void
test_streams_are_told_by_call_backs(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__CountRequest request = GOLDEN__V1__COUNT_REQUEST__INIT;
	struct watched watched = {0};
	const struct rpc_client_call_events events = {
	    .arg = &watched,
	    .on_headers = on_headers,
	    .on_message = on_message,
	    .on_status = on_status,
	};
	struct rpc_client_call *call;

	request.to = 100;
	request.code = RPC_CODE_DATA_LOSS;
	assert_ok(trial_count_start(
	    &fixture->client.rpc, NULL, &request, &events, &call));
	while (watched.ends == 0)
		assert_int_equal(
		    rpc_loop_step(fixture->client.rpc.loop, PATIENCE),
		    RPC_LOOP_EVENT);
	assert_int_equal(watched.headers, 1);
	assert_int_equal(watched.messages, 101);
	assert_int_equal(watched.sum, 5050);
	assert_int_equal(watched.ends, 1);
	assert_int_equal(watched.code, RPC_CODE_DATA_LOSS);
}

static void
test_streams_wait_for_a_slow_reader(void **state)
{
	/* gRPC opens the window of a stream as it finds it useful: what holds
	   for sure is what a channel buffers, 64 MiB. */
	enum { COUNT = 1500, SIZE = 64 * 1024, BOUND = (64 << 20) / SIZE };
	struct fixture *fixture = *state;
	Golden__V1__CountRequest request = GOLDEN__V1__COUNT_REQUEST__INIT;
	struct rpc_client_call *call;
	Golden__V1__Number *number;
	int before;

	request.from = 1;
	request.to = COUNT;
	request.padding = SIZE;
	assert_ok(trial_count_start(
	    &fixture->client.rpc, NULL, &request, NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_MESSAGE, PATIENCE));
	/* The loop turns, nobody reads: the server comes to a stand. */
	do {
		before = fixture->trial.sent;
		(void)rpc_client_call_wait(call, RPC_WAIT_SENT, 0);
		for (int i = 0; i < 20; i++)
			(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	} while (fixture->trial.sent != before);
	assert_in_range(before, 1, BOUND);
	for (uint32_t i = 1; i <= COUNT; i++) {
		assert_ok(trial_count_next(call, PATIENCE, &number));
		assert_non_null(number);
		assert_int_equal(number->value, i);
		assert_int_equal(number->padding.len, SIZE);
		golden__v1__number__free_unpacked(number, NULL);
	}
	assert_ok(trial_count_next(call, PATIENCE, &number));
	assert_null(number);
	rpc_client_call_free(call);
}

static void
test_streams_can_be_left(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__CountRequest request = GOLDEN__V1__COUNT_REQUEST__INIT;
	struct rpc_client_call *call;
	Golden__V1__Number *number;

	request.to = UINT32_MAX - 1;
	request.padding = 10000;
	assert_ok(trial_count_start(
	    &fixture->client.rpc, NULL, &request, NULL, &call));
	assert_ok(trial_count_next(call, PATIENCE, &number));
	golden__v1__number__free_unpacked(number, NULL);
	rpc_client_call_free(call);
	/* The memory returns as the loop goes on. */
	for (int i = 0; i < 20 && fixture->trial.destroyed == 0; i++)
		(void)rpc_loop_step(fixture->client.rpc.loop, 50);
	trial_wait(&fixture->trial.destroyed, 1);
	trial_wait(&fixture->trial.cancelled, 1);
}

static void
test_streams_of_requests_are_summed(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT;
	Golden__V1__Number *sum;
	struct rpc_client_call *call;

	assert_ok(trial_sum_start(&fixture->client.rpc, NULL, NULL, &call));
	for (number.value = 1; number.value <= 100; number.value++) {
		assert_true(trial_sum_send_request(call, &number));
		assert_false(trial_sum_send_request(call, &number));
		assert_true(
		    rpc_client_call_wait(call, RPC_WAIT_SENT, PATIENCE));
	}
	rpc_client_call_finish_sending(call);
	assert_false(trial_sum_send_request(call, &number));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_int_equal(rpc_client_call_status(call)->code, RPC_CODE_OK);
	assert_ok(trial_sum_response(call, &sum));
	assert_int_equal(sum->value, 5050);
	golden__v1__number__free_unpacked(sum, NULL);
	rpc_client_call_free(call);
}

static void
test_streams_go_both_ways(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("");
	Golden__V1__EchoReply *reply;
	struct rpc_client_call *call;
	char text[20];

	assert_ok(trial_talk_start(&fixture->client.rpc, NULL, NULL, &call));
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "word %d", i);
		request.text = text;
		assert_true(
		    rpc_client_call_wait(call, RPC_WAIT_SENT, PATIENCE));
		assert_true(trial_talk_send_request(call, &request));
		assert_ok(trial_talk_next(call, PATIENCE, &reply));
		assert_string_equal(reply->text, text);
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	}
	assert_status(trial_talk_next(call, 10, &reply), STATUS_TIMEOUT);
	rpc_client_call_finish_sending(call);
	assert_ok(trial_talk_next(call, PATIENCE, &reply));
	assert_null(reply);
	assert_int_equal(rpc_client_call_status(call)->code, RPC_CODE_OK);
	rpc_client_call_free(call);
}

/* ---- Cancelling ---- */

struct canceller {
	struct trial *trial;
	struct rpc_client_call *call;
};

static void *
cancel_when_arrived(void *arg)
{
	struct canceller *canceller = arg;

	trial_wait(&canceller->trial->arrived, 1);
	rpc_client_call_cancel(canceller->call);
	return NULL;
}

static void
test_calls_are_cancelled_from_another_thread(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("parked");
	struct rpc_client_call *call;
	struct canceller canceller;
	pthread_t thread;

	request.how = GOLDEN__V1__HOW__HOW_PARK;
	assert_ok(trial_echo_start(
	    &fixture->client.rpc, NULL, &request, NULL, &call));
	canceller = (struct canceller){&fixture->trial, call};
	assert_int_equal(
	    pthread_create(&thread, NULL, cancel_when_arrived, &canceller), 0);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_int_equal(
	    rpc_client_call_status(call)->code, RPC_CODE_CANCELLED);
	pthread_join(thread, NULL);
	rpc_client_call_free(call);
	trial_wait(&fixture->trial.cancelled, 1);
}

static void
test_calls_are_cancelled_by_an_interrupt(void **state)
{
	struct fixture *fixture = *state;
	struct trial_interrupt interrupt;
	Golden__V1__EchoRequest request = echo("parked");

	request.how = GOLDEN__V1__HOW__HOW_PARK;
	rpc_loop_set_interrupt(fixture->client.rpc.loop, &trial_is_interrupted);
	trial_interrupt_start(&interrupt);
	call_echo(fixture, NULL, &request, RPC_CODE_CANCELLED);
	trial_interrupt_end(&interrupt);
	request.how = GOLDEN__V1__HOW__HOW_NOW;
	expect_echo(fixture, &request);
}

/* ---- Stopping ---- */

/* Starts so many calls that park, and waits until they have arrived. */
static void
park(struct fixture *fixture, const Golden__V1__EchoRequest *request,
    struct rpc_client_call **calls, int count)
{
	int before = fixture->trial.arrived;

	for (int i = 0; i < count; i++)
		assert_ok(trial_echo_start(
		    &fixture->client.rpc, NULL, request, NULL, &calls[i]));
	while (fixture->trial.arrived < before + count)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
}

static void
expect_end(struct rpc_client_call **calls, int count, enum rpc_code code)
{
	for (int i = 0; i < count; i++) {
		assert_true(
		    rpc_client_call_wait(calls[i], RPC_WAIT_END, PATIENCE));
		if (rpc_client_call_status(calls[i])->code != code)
			print_error("%d: %s\n", i,
			    rpc_client_call_status(calls[i])->message);
		assert_string_equal(
		    rpc_code_name(rpc_client_call_status(calls[i])->code),
		    rpc_code_name(code));
		rpc_client_call_free(calls[i]);
	}
}

static void
test_calls_are_woken_after_the_client_left(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("left");
	struct rpc_client_call *calls[2];

	request.how = GOLDEN__V1__HOW__HOW_THREAD;
	trial_hold_back(&fixture->trial, 0);
	/* Not watched: not known to be dead, and answering is harmless. */
	park(fixture, &request, &calls[0], 1);
	/* Watched. */
	request.padding = 1;
	park(fixture, &request, &calls[1], 1);
	for (int i = 0; i < 2; i++)
		rpc_client_call_cancel(calls[i]);
	expect_end(calls, 2, RPC_CODE_CANCELLED);
	trial_wait(&fixture->trial.cancelled, 1);
	trial_let_go(&fixture->trial);
	trial_wait(&fixture->trial.woken, 2);
	assert_int_equal(fixture->trial.woken_dead, 1);
	trial_wait(&fixture->trial.destroyed, 2);
}

static void
test_server_stops_with_parked_calls(void **state)
{
	enum { COUNT = 200 };
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("parked");
	struct rpc_client_call *calls[COUNT];
	uint64_t start;

	request.how = GOLDEN__V1__HOW__HOW_PARK;
	park(fixture, &request, calls, COUNT);
	start = clock_monotonic_ms();
	rpc_server_stop(fixture->trial.server, 100);
	assert_true(clock_monotonic_ms() - start >= 90);
	assert_true(clock_monotonic_ms() - start < 5000);
	assert_int_equal(fixture->trial.cancelled, COUNT);
	assert_int_equal(fixture->trial.destroyed, COUNT);
	expect_end(calls, COUNT, RPC_CODE_UNAVAILABLE);
}

static void
test_server_stops_with_calls_that_only_wait_for_a_timer(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("parked");
	struct rpc_client_call *calls[10];

	request.how = GOLDEN__V1__HOW__HOW_TIMER;
	request.delay_ms = 60 * SECONDS;
	park(fixture, &request, calls, 10);
	rpc_server_stop(fixture->trial.server, 0);
	assert_int_equal(fixture->trial.destroyed, 10);
	expect_end(calls, 10, RPC_CODE_UNAVAILABLE);
}

static void *
stop_server(void *server)
{
	rpc_server_stop(server, PATIENCE);
	return NULL;
}

/* The client reads meanwhile: a server waits a second for it to hang up. */
static void
test_server_lets_calls_finish(void **state)
{
	enum { COUNT = 50 };
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("parked");
	struct rpc_client_call *calls[COUNT];
	pthread_t thread;

	request.how = GOLDEN__V1__HOW__HOW_THREAD;
	trial_hold_back(&fixture->trial, 0);
	park(fixture, &request, calls, COUNT);
	rpc_server_close(fixture->trial.server);
	assert_int_equal(
	    pthread_create(&thread, NULL, stop_server, fixture->trial.server),
	    0);
	trial_let_go(&fixture->trial);
	expect_end(calls, COUNT, RPC_CODE_OK);
	pthread_join(thread, NULL);
	assert_int_equal(fixture->trial.woken, COUNT);
	assert_int_equal(fixture->trial.destroyed, COUNT);
}

static void
test_server_waits_for_who_holds_calls(void **state)
{
	enum { COUNT = 20 };
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("parked");
	struct rpc_client_call *calls[COUNT];

	request.how = GOLDEN__V1__HOW__HOW_THREAD;
	request.padding = 1;
	trial_hold_back(&fixture->trial, COUNT);
	park(fixture, &request, calls, COUNT);
	/* Cancelled at once, and woken all the same. */
	rpc_server_stop(fixture->trial.server, 0);
	assert_int_equal(fixture->trial.woken, COUNT);
	assert_int_equal(fixture->trial.woken_dead, COUNT);
	assert_int_equal(fixture->trial.destroyed, COUNT);
	expect_end(calls, COUNT, RPC_CODE_UNAVAILABLE);
}

static void
test_server_refuses_a_second_one_on_its_port(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_server *second;
	int port = 4711;

	assert_ok(rpc_server_new(NULL, &second));
	assert_status(
	    rpc_server_add_port(second, fixture->trial.target, NULL, &port),
	    STATUS_UNAVAILABLE);
	assert_int_equal(port, 4711);
	/* Never started, with a port. */
	assert_ok(rpc_server_add_port(second, "127.0.0.1:0", NULL, &port));
	assert_int_not_equal(port, 4711);
	rpc_server_free(second);
}

static void
test_calls_without_a_server_end_at_once(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("nobody");
	uint64_t start;

	rpc_server_stop(fixture->trial.server, 0);
	start = clock_monotonic_ms();
	call_echo(fixture, NULL, &request, RPC_CODE_UNAVAILABLE);
	assert_true(clock_monotonic_ms() - start < 5000);
}

static void
test_calls_many_at_once(void **state)
{
	enum { COUNT = 2000 };
	struct fixture *fixture = *state;
	struct rpc_client_call **calls = calloc(COUNT, sizeof(*calls));
	Golden__V1__EchoRequest request = echo("one of many");

	assert_non_null(calls);
	for (int i = 0; i < COUNT; i++) {
		request.how = (Golden__V1__How)(1 + i % 3);
		request.delay_ms = (uint32_t)(i % 50);
		if (request.how == GOLDEN__V1__HOW__HOW_THREAD && i % 20 != 1)
			request.how = GOLDEN__V1__HOW__HOW_TIMER;
		assert_ok(trial_echo_start(
		    &fixture->client.rpc, NULL, &request, NULL, &calls[i]));
	}
	expect_end(calls, COUNT, RPC_CODE_OK);
	free(calls);
	trial_wait(&fixture->trial.destroyed, COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_calls_answer_at_once),
	    TEST(test_calls_answer_from_another_thread),
	    TEST(test_calls_answer_by_a_timer),
	    TEST(test_calls_that_are_forgotten_end),
	    TEST(test_calls_that_are_released_end),
	    TEST(test_calls_are_woken_twice),
	    TEST(test_calls_tell_headers_early),
	    TEST(test_calls_end_at_their_deadline),
	    TEST(test_calls_carry_metadata),
	    TEST(test_calls_carry_status_details),
	    TEST(test_calls_to_what_is_not_there_are_refused),
	    TEST(test_calls_with_garbage_are_refused),
	    TEST(test_calls_that_swell_when_parsed_are_refused),
	    TEST(test_calls_that_are_too_long_are_refused),
	    TEST(test_streams_arrive_in_order),
	    TEST(test_streams_are_told_by_call_backs),
	    TEST(test_streams_wait_for_a_slow_reader),
	    TEST(test_streams_can_be_left),
	    TEST(test_streams_of_requests_are_summed),
	    TEST(test_streams_go_both_ways),
	    TEST(test_calls_are_cancelled_from_another_thread),
	    TEST(test_calls_are_cancelled_by_an_interrupt),
	    TEST(test_calls_are_woken_after_the_client_left),
	    TEST(test_server_stops_with_parked_calls),
	    TEST(test_server_stops_with_calls_that_only_wait_for_a_timer),
	    TEST(test_server_lets_calls_finish),
	    TEST(test_server_waits_for_who_holds_calls),
	    TEST(test_server_refuses_a_second_one_on_its_port),
	    TEST(test_calls_without_a_server_end_at_once),
	    TEST(test_calls_many_at_once),
	};
	struct rpc_loop *loop;
	int failed;

	/* Keeps gRPC itself up between the tests. */
	if (rpc_loop_new(&loop) != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rpc_loop_free(loop);
	return failed;
}
