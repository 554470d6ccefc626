/* rpc_server_call_set_corked(), rpc_client_call_set_corked() */

#include <stdlib.h>

#include "tests/unit/unit.h"
#include "trial.h"

enum { PATIENCE = 20000 };

struct fixture {
	struct trial trial;
	struct trial_client client;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	trial_start(&fixture->trial, NULL, NULL);
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

/* A stream of numbers, each of which the server has corked. */
static struct rpc_client_call *
start_count(struct fixture *fixture, uint32_t count, uint32_t padding)
{
	const struct rpc_metadata corked = {
	    .key = TRIAL_CORKED_KEY, .value = BYTES_LITERAL("1")};
	const struct rpc_call_options options = {.timeout_ms = 2 * PATIENCE,
	    .metadata = &corked,
	    .metadata_count = 1};
	Golden__V1__CountRequest request = GOLDEN__V1__COUNT_REQUEST__INIT;
	struct rpc_client_call *call;

	request.from = 1;
	request.to = count;
	request.padding = padding;
	assert_ok(trial_count_start(
	    &fixture->client.rpc, &options, &request, NULL, &call));
	return call;
}

static void
expect_numbers(struct rpc_client_call *call, uint32_t count)
{
	Golden__V1__Number *number;

	for (uint32_t i = 1; i <= count; i++) {
		assert_ok(trial_count_next(call, PATIENCE, &number));
		assert_non_null(number);
		assert_int_equal(number->value, i);
		golden__v1__number__free_unpacked(number, NULL);
	}
	assert_ok(trial_count_next(call, PATIENCE, &number));
	assert_null(number);
	assert_int_equal(rpc_client_call_status(call)->code, RPC_CODE_OK);
	rpc_client_call_free(call);
}

/* The first travels with the headers, the last with the end. */
static void
test_corked_messages_arrive(void **state)
{
	struct fixture *fixture = *state;

	expect_numbers(start_count(fixture, 1, 0), 1);
	expect_numbers(start_count(fixture, 2, 0), 2);
	expect_numbers(start_count(fixture, 5000, 100), 5000);
}

static void
test_corked_messages_wait_for_a_slow_reader(void **state)
{
	enum { COUNT = 20000, SIZE = 1000 };
	struct fixture *fixture = *state;
	struct rpc_client_call *call = start_count(fixture, COUNT, SIZE);
	int before;

	assert_true(rpc_client_call_wait(call, RPC_WAIT_MESSAGE, PATIENCE));
	do {
		before = fixture->trial.sent;
		for (int i = 0; i < 20; i++)
			(void)rpc_loop_step(fixture->client.rpc.loop, 10);
	} while (fixture->trial.sent != before);
	assert_true(before < COUNT / 2);
	expect_numbers(call, COUNT);
}

static void
test_corked_requests_are_summed(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT;
	Golden__V1__Number *sum;
	struct rpc_client_call *call;

	assert_ok(trial_sum_start(&fixture->client.rpc, NULL, NULL, &call));
	rpc_client_call_set_corked(call, true);
	for (number.value = 1; number.value <= 100; number.value++) {
		assert_true(trial_sum_send_request(call, &number));
		assert_true(
		    rpc_client_call_wait(call, RPC_WAIT_SENT, PATIENCE));
	}
	rpc_client_call_finish_sending(call);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_ok(trial_sum_response(call, &sum));
	assert_int_equal(sum->value, 5050);
	golden__v1__number__free_unpacked(sum, NULL);
	rpc_client_call_free(call);
}

/* The stream stays open: nothing but the last message sends the others. */
static void
test_an_uncorked_request_takes_the_others_along(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply;
	struct rpc_client_call *call;

	assert_ok(trial_talk_start(&fixture->client.rpc, NULL, NULL, &call));
	request.text = (char *)(uintptr_t)"word";
	for (int i = 1; i <= 10; i++) {
		rpc_client_call_set_corked(call, i < 10);
		assert_true(trial_talk_send_request(call, &request));
		assert_true(
		    rpc_client_call_wait(call, RPC_WAIT_SENT, PATIENCE));
	}
	for (int i = 1; i <= 10; i++) {
		assert_ok(trial_talk_next(call, PATIENCE, &reply));
		assert_non_null(reply);
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	}
	rpc_client_call_finish_sending(call);
	assert_ok(trial_talk_next(call, PATIENCE, &reply));
	assert_null(reply);
	rpc_client_call_free(call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_corked_messages_arrive),
	    TEST(test_corked_messages_wait_for_a_slow_reader),
	    TEST(test_corked_requests_are_summed),
	    TEST(test_an_uncorked_request_takes_the_others_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
