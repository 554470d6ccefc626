/* rpc/interceptor.h: the server's half */

#include "rpc/interceptor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/server_call.h"
#include "tests/unit/unit.h"
#include "trial.h"

#define PATIENCE 20000

/* What the interceptors of a test saw, one letter each: see note(). */
struct record {
	pthread_mutex_t mutex;
	char text[4000];
	atomic_int ended;
	/* What the second one does to a call. */
	enum rpc_server_intercept answer;
	const struct rpc_server_interceptor *watcher;
	struct rpc_server_call *held;
	atomic_int asked, gone;
	size_t message_max; /* longer ones end their call */
	enum rpc_code last_code;
	uint64_t last_duration_us;
};

static void
note(struct record *record, const char *before, const char *text,
    const char *after)
{
	size_t size = sizeof(record->text);

	pthread_mutex_lock(&record->mutex);
	assert_true(strlen(record->text) + strlen(text) + 10 < size);
	strcat(strcat(strcat(record->text, before), text), after);
	pthread_mutex_unlock(&record->mutex);
}

static void
expect_record(struct record *record, int ended, const char *text)
{
	trial_wait(&record->ended, ended);
	pthread_mutex_lock(&record->mutex);
	assert_string_equal(record->text, text);
	record->text[0] = '\0';
	pthread_mutex_unlock(&record->mutex);
	record->ended = 0;
}

/* ---- The first one writes down ---- */

static enum rpc_server_intercept
watch_call(struct rpc_server_call *call, void *arg)
{
	struct record *record = arg;
	struct bytes path = rpc_server_call_path(call);
	const struct rpc_method *method = rpc_server_call_method(call);
	char text[100];

	snprintf(text, sizeof(text), "%s %.*s", method != NULL ? "call" : "?",
	    (int)path.size, (const char *)path.data);
	note(record, "[", text, "]");
	assert_null(rpc_server_call_slot(call, record->watcher));
	rpc_server_call_set_slot(call, record->watcher, strdup("mine"));
	assert_int_equal(rpc_server_call_request(call).size, 0);
	return RPC_SERVER_INTERCEPT_CONTINUE;
}

static void
watch_message(struct rpc_server_call *call, enum rpc_direction direction,
    struct bytes message, void *arg)
{
	struct record *record = arg;
	char text[40];

	assert_string_equal(
	    rpc_server_call_slot(call, record->watcher), "mine");
	snprintf(text, sizeof(text), "%zu", message.size);
	note(record, direction == RPC_DIRECTION_SENT ? " <" : " >", text, "");
	if (direction == RPC_DIRECTION_RECEIVED &&
	    message.size > record->message_max)
		rpc_server_call_fail(
		    call, RPC_CODE_OUT_OF_RANGE, "too much", bytes_empty());
}

static void
watch_end(struct rpc_server_call *call, enum rpc_code code,
    uint64_t duration_us, void *arg)
{
	struct record *record = arg;
	char *mine = rpc_server_call_slot(call, record->watcher);

	assert_string_equal(mine, "mine");
	free(mine);
	assert_true(rpc_server_call_path(call).size > 0);
	/* Also of a call that gRPC has ended. */
	assert_memory_equal(rpc_server_call_peer(call), "ipv4:127.0.0.1:", 15);
	note(record, " ", rpc_code_name(code), "\n");
	record->last_code = code;
	record->last_duration_us = duration_us;
	trial_bump(&record->ended);
}

/* ---- The second one decides ---- */

static void
ask_cancelled(struct rpc_server_call *call, void *arg)
{
	struct record *record = arg;

	(void)call;
	trial_bump(&record->gone);
}

static enum rpc_server_intercept
ask_call(struct rpc_server_call *call, void *arg)
{
	struct record *record = arg;

	if (record->answer == RPC_SERVER_INTERCEPT_ANSWERED)
		rpc_server_call_fail(call, RPC_CODE_UNAUTHENTICATED,
		    "who are you?", bytes_empty());
	if (record->answer == RPC_SERVER_INTERCEPT_LATER) {
		rpc_server_call_hold(call);
		rpc_server_call_on_cancel(call, ask_cancelled, record);
		record->held = call;
	}
	record->asked++;
	return record->answer;
}

static void
ask_end(struct rpc_server_call *call, enum rpc_code code, uint64_t duration_us,
    void *arg)
{
	(void)call;
	(void)code;
	(void)duration_us;
	note(arg, " ", "asked", "");
}

/* What the thread that knows the answer makes the worker do. */
static void
let_in(struct rpc_server_call *call, bool is_alive, void *arg)
{
	(void)is_alive;
	(void)arg;
	rpc_server_call_proceed(call);
}

static void
keep_out(struct rpc_server_call *call, bool is_alive, void *arg)
{
	(void)is_alive;
	(void)arg;
	rpc_server_call_fail(
	    call, RPC_CODE_PERMISSION_DENIED, "no", bytes_empty());
}

struct fixture {
	struct record record;
	struct rpc_server_interceptor watcher, asker, silent;
	struct trial trial;
	struct trial_client client;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct rpc_server_options options = {.workers = 2};

	assert_non_null(fixture);
	pthread_mutex_init(&fixture->record.mutex, NULL);
	fixture->watcher = (struct rpc_server_interceptor){
	    &fixture->record, watch_call, watch_message, watch_end};
	fixture->asker = (struct rpc_server_interceptor){
	    &fixture->record, ask_call, NULL, ask_end};
	fixture->record.watcher = &fixture->watcher;
	fixture->record.message_max = SIZE_MAX;
	trial_open(&fixture->trial, &options);
	assert_ok(rpc_server_add_interceptor(
	    fixture->trial.server, &fixture->watcher));
	assert_ok(
	    rpc_server_add_interceptor(fixture->trial.server, &fixture->asker));
	/* One without any call back. */
	assert_ok(rpc_server_add_interceptor(
	    fixture->trial.server, &fixture->silent));
	assert_status(
	    rpc_server_add_interceptor(fixture->trial.server, &fixture->asker),
	    STATUS_EXISTS);
	trial_run(&fixture->trial, NULL);
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
	pthread_mutex_destroy(&fixture->record.mutex);
	free(fixture);
	return 0;
}

static void
call_echo(struct fixture *fixture, const char *text, enum rpc_code code)
{
	struct rpc_call_options options = {.timeout_ms = PATIENCE};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_status status = {0};

	request.text = (char *)(uintptr_t)text;
	(void)!trial_echo(
	    &fixture->client.rpc, &options, &request, &reply, &status);
	assert_string_equal(rpc_code_name(status.code), rpc_code_name(code));
	if (reply != NULL)
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	rpc_status_clear(&status);
}

/* Starts an Echo; the caller ends it. */
static struct rpc_client_call *
start_echo(struct fixture *fixture, int64_t timeout_ms, Golden__V1__How how)
{
	struct rpc_call_options options = {.timeout_ms = timeout_ms};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	struct rpc_client_call *call = NULL;

	request.text = (char *)(uintptr_t) "salam";
	request.how = how;
	assert_ok(trial_echo_start(
	    &fixture->client.rpc, &options, &request, NULL, &call));
	return call;
}

static enum rpc_code
end_echo(struct rpc_client_call *call)
{
	enum rpc_code code;

	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	code = rpc_client_call_status(call)->code;
	rpc_client_call_free(call);
	return code;
}

static void
test_server_interceptors_see_calls(void **state)
{
	struct fixture *fixture = *state;

	call_echo(fixture, "salam", RPC_CODE_OK);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] >7 <7 asked OK\n");
	assert_true(fixture->record.last_duration_us > 0);
	assert_true(fixture->record.last_duration_us < PATIENCE * 1000);
}

/* gRPC itself ends it; who it came from is still known (watch_end). */
static void
test_server_interceptors_see_what_is_too_long(void **state)
{
	struct fixture *fixture = *state;
	const size_t size = (size_t)5 << 20;
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, 'x', size);
	text[size] = '\0';
	call_echo(fixture, text, RPC_CODE_RESOURCE_EXHAUSTED);
	free(text);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] asked CANCELLED\n");
}

static void
test_server_interceptors_see_streams(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__CountRequest request = GOLDEN__V1__COUNT_REQUEST__INIT;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT;
	Golden__V1__Number *sum = NULL;
	struct rpc_client_call *call = NULL;

	request.from = 1;
	request.to = 2;
	request.code = RPC_CODE_ABORTED;
	assert_ok(trial_count_start(
	    &fixture->client.rpc, NULL, &request, NULL, &call));
	assert_int_equal(end_echo(call), RPC_CODE_ABORTED);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Count] >6 <2 <2 asked ABORTED\n");

	assert_ok(trial_sum_start(&fixture->client.rpc, NULL, NULL, &call));
	number.value = 300;
	assert_true(rpc_client_call_send_message(call, &number.base));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_SENT, PATIENCE));
	rpc_client_call_finish_sending(call);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_ok(trial_sum_response(call, &sum));
	assert_int_equal(sum->value, 300);
	golden__v1__number__free_unpacked(sum, NULL);
	rpc_client_call_free(call);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Sum] >3 <3 asked OK\n");
}

static void
test_server_interceptors_see_what_nobody_serves(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_method unknown = trial_echo_method;
	struct rpc_status status = {0};
	struct buf reply;

	buf_init(&reply, 100);
	unknown.path = "/no.Such/Method";
	(void)!rpc_client_unary(&fixture->client.rpc, &unknown, NULL,
	    bytes_empty(), &reply, &status);
	assert_int_equal(status.code, RPC_CODE_UNIMPLEMENTED);
	rpc_status_clear(&status);
	expect_record(
	    &fixture->record, 1, "[? /no.Such/Method] asked UNIMPLEMENTED\n");
	/* No handler; a request that does not parse. */
	unknown.path = trial_echo_method.path;
	(void)!rpc_client_unary(&fixture->client.rpc, &unknown, NULL,
	    BYTES_LITERAL("\xff"), &reply, &status);
	assert_int_equal(status.code, RPC_CODE_INTERNAL);
	rpc_status_clear(&status);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] >1 asked INTERNAL\n");
	buf_clear(&reply);
}

static void
test_server_interceptors_answer(void **state)
{
	struct fixture *fixture = *state;

	fixture->record.answer = RPC_SERVER_INTERCEPT_ANSWERED;
	call_echo(fixture, "salam", RPC_CODE_UNAUTHENTICATED);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] asked UNAUTHENTICATED\n");
	assert_int_equal(fixture->trial.arrived, 0);
}

static void
test_server_interceptors_end_a_call_at_its_message(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT;
	struct rpc_client_call *call = NULL;

	fixture->record.message_max = 6;
	call_echo(fixture, "salam", RPC_CODE_OUT_OF_RANGE);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] >7 asked OUT_OF_RANGE\n");
	assert_int_equal(fixture->trial.arrived, 0);
	fixture->record.message_max = 2;
	assert_ok(trial_sum_start(&fixture->client.rpc, NULL, NULL, &call));
	number.value = 5;
	assert_ok(rpc_client_call_write(call, PATIENCE, &number.base));
	number.value = 300;
	assert_ok(rpc_client_call_write(call, PATIENCE, &number.base));
	assert_int_equal(end_echo(call), RPC_CODE_OUT_OF_RANGE);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Sum] >2 >3 asked OUT_OF_RANGE\n");
}

static void
test_server_interceptors_that_forget_a_call(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	fixture->record.answer = RPC_SERVER_INTERCEPT_LATER;
	call = start_echo(fixture, PATIENCE, GOLDEN__V1__HOW__HOW_NOW);
	while (fixture->record.asked == 0)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	rpc_server_call_release(fixture->record.held);
	/* It still has its on_cancel: whoever waits, waits until then. */
	rpc_client_call_cancel(call);
	assert_int_equal(end_echo(call), RPC_CODE_CANCELLED);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] asked CANCELLED\n");
	assert_int_equal(fixture->record.gone, 1);
}

static void
test_server_interceptors_go_on_later(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	fixture->record.answer = RPC_SERVER_INTERCEPT_LATER;
	for (int i = 1; i <= 10; i++) {
		call = start_echo(fixture, PATIENCE, GOLDEN__V1__HOW__HOW_NOW);
		while (fixture->record.asked < i)
			(void)rpc_loop_step(fixture->client.rpc.loop, 10);
		assert_int_equal(fixture->trial.arrived, i - 1);
		assert_true(
		    rpc_server_call_wake(fixture->record.held, let_in, NULL));
		assert_int_equal(end_echo(call), RPC_CODE_OK);
		expect_record(&fixture->record, 1,
		    "[call /golden.v1.Trial/Echo] >9 <7 asked OK\n");
	}
	/* A stream of requests waits as well. */
	assert_ok(trial_sum_start(&fixture->client.rpc, NULL, NULL, &call));
	while (fixture->record.asked < 11)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	rpc_client_call_finish_sending(call);
	assert_true(rpc_server_call_wake(fixture->record.held, let_in, NULL));
	assert_int_equal(end_echo(call), RPC_CODE_OK);
	expect_record(
	    &fixture->record, 1, "[call /golden.v1.Trial/Sum] <0 asked OK\n");
	assert_int_equal(fixture->record.gone, 0);
}

/* What the interceptor watched, the handler watches after it, or forgets. */
static void
test_server_interceptors_hand_the_client_over(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	fixture->record.answer = RPC_SERVER_INTERCEPT_LATER;
	call = start_echo(fixture, PATIENCE, GOLDEN__V1__HOW__HOW_PARK);
	while (fixture->record.asked < 1)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	assert_true(rpc_server_call_wake(fixture->record.held, let_in, NULL));
	while (fixture->trial.arrived < 1)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	rpc_client_call_cancel(call);
	assert_int_equal(end_echo(call), RPC_CODE_CANCELLED);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] >9 asked CANCELLED\n");
	assert_int_equal(fixture->trial.cancelled, 1);
	assert_int_equal(fixture->record.gone, 0);

	call = start_echo(fixture, PATIENCE, GOLDEN__V1__HOW__HOW_FORGET);
	while (fixture->record.asked < 2)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	assert_true(rpc_server_call_wake(fixture->record.held, let_in, NULL));
	assert_int_equal(end_echo(call), RPC_CODE_UNKNOWN);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] >9 asked UNKNOWN\n");
}

static void
test_server_interceptors_refuse_later(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	fixture->record.answer = RPC_SERVER_INTERCEPT_LATER;
	call = start_echo(fixture, PATIENCE, GOLDEN__V1__HOW__HOW_NOW);
	while (fixture->record.asked == 0)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	assert_true(rpc_server_call_wake(fixture->record.held, keep_out, NULL));
	assert_int_equal(end_echo(call), RPC_CODE_PERMISSION_DENIED);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] asked PERMISSION_DENIED\n");
	assert_int_equal(fixture->trial.arrived, 0);
}

static void
test_server_interceptors_hear_of_clients_that_leave(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	/* While the interceptor thinks. */
	fixture->record.answer = RPC_SERVER_INTERCEPT_LATER;
	call = start_echo(fixture, PATIENCE, GOLDEN__V1__HOW__HOW_NOW);
	while (fixture->record.asked == 0)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	rpc_client_call_cancel(call);
	assert_int_equal(end_echo(call), RPC_CODE_CANCELLED);
	trial_wait(&fixture->record.gone, 1);
	assert_true(rpc_server_call_wake(fixture->record.held, let_in, NULL));
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] asked CANCELLED\n");
	assert_int_equal(fixture->trial.arrived, 0);

	/* While the handler does. */
	fixture->record.answer = RPC_SERVER_INTERCEPT_CONTINUE;
	call = start_echo(fixture, PATIENCE, GOLDEN__V1__HOW__HOW_PARK);
	while (fixture->trial.arrived == 0)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	rpc_client_call_cancel(call);
	assert_int_equal(end_echo(call), RPC_CODE_CANCELLED);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] >9 asked CANCELLED\n");

	/* And when its time is over. */
	call = start_echo(fixture, 300, GOLDEN__V1__HOW__HOW_PARK);
	assert_int_equal(end_echo(call), RPC_CODE_DEADLINE_EXCEEDED);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] >9 asked DEADLINE_EXCEEDED\n");
}

static void
test_server_interceptors_hear_of_a_stop(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	call = start_echo(fixture, PATIENCE, GOLDEN__V1__HOW__HOW_PARK);
	while (fixture->trial.arrived == 0)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	rpc_server_stop(fixture->trial.server, 0);
	expect_record(&fixture->record, 1,
	    "[call /golden.v1.Trial/Echo] >9 asked CANCELLED\n");
	(void)end_echo(call);
}

static void
test_server_interceptors_are_limited(void **state)
{
	static struct rpc_server_interceptor
	    many[RPC_SERVER_MAX_INTERCEPTORS + 1];
	struct rpc_server *server;

	(void)state;
	assert_ok(rpc_server_new(NULL, &server));
	for (int i = 0; i < RPC_SERVER_MAX_INTERCEPTORS; i++)
		assert_ok(rpc_server_add_interceptor(server, &many[i]));
	assert_status(rpc_server_add_interceptor(
			  server, &many[RPC_SERVER_MAX_INTERCEPTORS]),
	    STATUS_TOO_LARGE);
	rpc_server_free(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_server_interceptors_see_calls),
	    TEST(test_server_interceptors_see_streams),
	    TEST(test_server_interceptors_see_what_is_too_long),
	    TEST(test_server_interceptors_see_what_nobody_serves),
	    TEST(test_server_interceptors_answer),
	    TEST(test_server_interceptors_end_a_call_at_its_message),
	    TEST(test_server_interceptors_that_forget_a_call),
	    TEST(test_server_interceptors_go_on_later),
	    TEST(test_server_interceptors_hand_the_client_over),
	    TEST(test_server_interceptors_refuse_later),
	    TEST(test_server_interceptors_hear_of_clients_that_leave),
	    TEST(test_server_interceptors_hear_of_a_stop),
	    cmocka_unit_test(test_server_interceptors_are_limited),
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
