/* How calls of a server end when more than one of its sides has a say. */

#include "rpc/server_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/interceptor.h"
#include "tests/unit/unit.h"
#include "trial.h"

#define PATIENCE 20000

/* Sent again and again, until the client takes no more. */
#define MUCH ((size_t)1 << 20)

struct fixture {
	struct rpc_server *server;
	struct rpc_server_interceptor interceptor;
	struct trial_client client;
	/* What the handler of Talk does. */
	atomic_bool sends_much;
	/* What the interceptor does. */
	atomic_bool refuses_messages, has_timer, waits;
	struct rpc_server_call *_Atomic waiting;
	/* What happened. */
	atomic_int arrived, called, cancelled, closed, ended;
	atomic_int sent_late; /* on_sent ran although the call was answered */
	_Atomic enum rpc_code code; /* of the call that ended last */
};

/* ---- The handler: a stream that has something parked ---- */

struct talk {
	struct fixture *fixture;
	bool is_answered;
	uint8_t much[MUCH];
};

static void
talk_sent(struct rpc_server_call *call, bool is_alive, void *arg)
{
	struct talk *talk = arg;

	if (talk->is_answered)
		talk->fixture->sent_late++;
	else if (is_alive)
		(void)rpc_server_call_send(
		    call, bytes_make(talk->much, MUCH), talk_sent, talk);
}

static void
talk_message(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	(void)message;
	(void)is_end;
	(void)arg;
	rpc_server_call_fail(
	    call, RPC_CODE_ABORTED, "nobody sends one", bytes_empty());
}

/* Lets go, as one that does not ask how the call ended. */
static void
talk_cancelled(struct rpc_server_call *call, void *arg)
{
	struct talk *talk = arg;
	struct fixture *fixture = talk->fixture;

	talk->is_answered = true;
	rpc_server_call_finish(call);
	trial_bump(&fixture->cancelled);
}

static void
handle_talk(void *service, struct rpc_server_call *call)
{
	struct fixture *fixture = service;
	struct talk *talk = calloc(1, sizeof(*talk));

	assert_non_null(talk);
	talk->fixture = fixture;
	rpc_server_call_set_user(call, talk, free);
	rpc_server_call_on_cancel(call, talk_cancelled, talk);
	if (fixture->sends_much)
		talk_sent(call, true, talk);
	assert_true(rpc_server_call_receive(call, talk_message, talk));
	trial_bump(&fixture->arrived);
}

static void
park_cancelled(struct rpc_server_call *call, void *arg)
{
	struct fixture *fixture = arg;

	(void)call;
	trial_bump(&fixture->cancelled);
}

static void
handle_echo(void *service, struct rpc_server_call *call,
    const Golden__V1__EchoRequest *request)
{
	struct fixture *fixture = service;

	(void)request;
	rpc_server_call_on_cancel(call, park_cancelled, fixture);
	trial_bump(&fixture->arrived);
}

static const struct trial_handlers handlers = {
    .echo = handle_echo,
    .talk = handle_talk,
};

/* ---- The interceptor ---- */

static void
on_timer(struct rpc_server_call *call, void *arg)
{
	(void)arg;
	assert_true(rpc_server_call_is_alive(call));
	rpc_server_call_fail(
	    call, RPC_CODE_PERMISSION_DENIED, "too slow", bytes_empty());
}

static void
on_close(struct rpc_server_call *call, void *arg)
{
	struct fixture *fixture = arg;

	(void)call;
	trial_bump(&fixture->closed);
}

static enum rpc_server_intercept
on_call(struct rpc_server_call *call, void *arg)
{
	struct fixture *fixture = arg;
	enum rpc_server_intercept result = RPC_SERVER_INTERCEPT_CONTINUE;

	if (fixture->has_timer)
		rpc_server_call_set_timer(call, 10, on_timer, NULL);
	if (fixture->waits) {
		rpc_server_call_hold(call);
		rpc_server_call_on_close(call, on_close, fixture);
		fixture->waiting = call;
		result = RPC_SERVER_INTERCEPT_LATER;
	}
	trial_bump(&fixture->called);
	return result;
}

static void
on_message(struct rpc_server_call *call, enum rpc_direction direction,
    struct bytes message, void *arg)
{
	struct fixture *fixture = arg;

	(void)message;
	if (fixture->refuses_messages && direction == RPC_DIRECTION_RECEIVED)
		rpc_server_call_fail(call, RPC_CODE_PERMISSION_DENIED,
		    "not this", bytes_empty());
}

static void
on_end(struct rpc_server_call *call, enum rpc_code code, uint64_t duration_us,
    void *arg)
{
	struct fixture *fixture = arg;

	(void)call;
	(void)duration_us;
	fixture->code = code;
	trial_bump(&fixture->ended);
}

static void
go_on(struct rpc_server_call *call, bool is_alive, void *arg)
{
	(void)is_alive;
	(void)arg;
	rpc_server_call_proceed(call);
}

/* ---- Tests ---- */

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct rpc_server_options options = {.refuse_compression = true};
	char target[64];
	int port;

	assert_non_null(fixture);
	fixture->interceptor = (struct rpc_server_interceptor){
	    fixture, on_call, on_message, on_end};
	assert_ok(rpc_server_new(&options, &fixture->server));
	assert_ok(trial_register(fixture->server, &handlers, fixture));
	assert_ok(
	    rpc_server_add_interceptor(fixture->server, &fixture->interceptor));
	assert_ok(
	    rpc_server_add_port(fixture->server, "127.0.0.1:0", NULL, &port));
	assert_ok(rpc_server_start(fixture->server));
	snprintf(target, sizeof(target), "127.0.0.1:%d", port);
	trial_connect(&fixture->client, target, NULL);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	trial_disconnect(&fixture->client);
	rpc_server_stop(fixture->server, 2000);
	rpc_server_free(fixture->server);
	free(fixture);
	return 0;
}

static struct rpc_client_call *
start_talk(struct fixture *fixture, enum rpc_compression compression)
{
	struct rpc_call_options options = {
	    .timeout_ms = PATIENCE,
	    .receive_on_demand = true,
	    .compression = compression,
	};
	struct rpc_client_call *call = NULL;

	assert_ok(
	    trial_talk_start(&fixture->client.rpc, &options, NULL, &call));
	return call;
}

static void
step_until(struct fixture *fixture, atomic_int *counter, int value)
{
	for (int i = 0; i < PATIENCE / 10 && *counter < value; i++)
		(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	assert_true(*counter >= value);
}

static void
send_text(struct rpc_client_call *call)
{
	/* A text of 200 letters, so that it shrinks. */
	uint8_t message[203] = {0x0a, 0xc8, 0x01};

	memset(message + 3, 'a', 200);
	assert_true(
	    rpc_client_call_send(call, bytes_make(message, sizeof(message))));
}

static void
end_with(struct rpc_client_call *call, enum rpc_code code)
{
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_string_equal(rpc_code_name(rpc_client_call_status(call)->code),
	    rpc_code_name(code));
	rpc_client_call_free(call);
}

/* The runtime refuses a call, and its handler answers it all the same. */
static void
test_server_endings_first_answer_counts(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	for (int i = 1; i <= 2; i++) {
		fixture->sends_much = i == 2;
		call = start_talk(fixture, RPC_COMPRESSION_GZIP);
		step_until(fixture, &fixture->arrived, i);
		send_text(call);
		step_until(fixture, &fixture->cancelled, i);
		end_with(call, RPC_CODE_UNIMPLEMENTED);
		trial_wait(&fixture->ended, i);
		assert_string_equal(rpc_code_name(fixture->code),
		    rpc_code_name(RPC_CODE_UNIMPLEMENTED));
	}
}

/* An answer to a dead call, while its message is still on its way. */
static void
test_server_endings_free_once_nothing_runs(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	fixture->sends_much = true;
	for (int i = 1; i <= 20; i++) {
		call = start_talk(fixture, RPC_COMPRESSION_DEFAULT);
		step_until(fixture, &fixture->arrived, i);
		rpc_client_call_cancel(call);
		end_with(call, RPC_CODE_CANCELLED);
		trial_wait(&fixture->cancelled, i);
		trial_wait(&fixture->ended, i);
	}
	assert_int_equal(fixture->sent_late, 0);
}

static void
test_server_endings_handler_hears_of_refused_message(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_client_call *call;

	fixture->refuses_messages = true;
	call = start_talk(fixture, RPC_COMPRESSION_DEFAULT);
	send_text(call);
	end_with(call, RPC_CODE_PERMISSION_DENIED);
	trial_wait(&fixture->cancelled, 1);
	trial_wait(&fixture->ended, 1);
	assert_string_equal(rpc_code_name(fixture->code),
	    rpc_code_name(RPC_CODE_PERMISSION_DENIED));
}

/* An interceptor's timer, while the request is still being waited for. */
static void
test_server_endings_before_the_request(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_method silent = trial_echo_method;
	struct rpc_call_options options = {.timeout_ms = PATIENCE};
	struct rpc_client_call *call = NULL;

	silent.kind = RPC_METHOD_CLIENT_STREAMING;
	fixture->has_timer = true;
	assert_ok(rpc_client_call_start(&fixture->client.rpc, &silent, &options,
	    bytes_empty(), NULL, &call));
	end_with(call, RPC_CODE_PERMISSION_DENIED);
	trial_wait(&fixture->ended, 1);
	assert_int_equal(fixture->arrived, 0);
}

/* What an interceptor has waited with goes before the handler waits. */
static void
test_server_endings_interceptor_is_done(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_call_options options = {.timeout_ms = PATIENCE};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	struct rpc_client_call *call = NULL;

	fixture->waits = true;
	assert_ok(trial_echo_start(
	    &fixture->client.rpc, &options, &request, NULL, &call));
	step_until(fixture, &fixture->called, 1);
	assert_true(rpc_server_call_wake(fixture->waiting, go_on, NULL));
	step_until(fixture, &fixture->arrived, 1);
	rpc_server_stop(fixture->server, 0);
	assert_int_equal(fixture->cancelled, 1);
	assert_int_equal(fixture->closed, 0);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	rpc_client_call_free(call);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_server_endings_first_answer_counts, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_server_endings_free_once_nothing_runs, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_server_endings_handler_hears_of_refused_message, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_server_endings_before_the_request, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_server_endings_interceptor_is_done, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
