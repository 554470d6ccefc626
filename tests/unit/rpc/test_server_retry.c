/* rpc_server_call_fail_retry() */

#include <stdlib.h>

#include "rpc/interceptor.h"
#include "rpc/server_call.h"
#include "rpc/status_details.h"
#include "tests/unit/unit.h"
#include "trial.h"

static enum rpc_server_intercept
refuse(struct rpc_server_call *call, void *arg)
{
	const uint64_t *delay_ms = arg;

	rpc_server_call_fail_retry(
	    call, RPC_CODE_UNAVAILABLE, "not now", *delay_ms);
	return RPC_SERVER_INTERCEPT_ANSWERED;
}

static void
expect_hint(uint64_t delay_ms, enum rpc_retry expected)
{
	struct rpc_server_interceptor interceptor = {
	    .arg = &delay_ms, .on_call = refuse};
	struct rpc_call_options options = {.timeout_ms = 20000};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_status status = {0};
	struct trial_client client;
	struct trial trial;
	uint64_t told_ms = 0;

	request.text = (char *)(uintptr_t) "salam";
	trial_open(&trial, NULL);
	assert_ok(rpc_server_add_interceptor(trial.server, &interceptor));
	trial_run(&trial, NULL);
	trial_connect(&client, trial.target, NULL);
	assert_status(
	    trial_echo(&client.rpc, &options, &request, &reply, &status),
	    STATUS_UNAVAILABLE);
	assert_int_equal(status.code, RPC_CODE_UNAVAILABLE);
	assert_string_equal(status.message, "not now");
	assert_int_equal(rpc_status_retry(&status, &told_ms), expected);
	assert_true(status.has_pushback);
	if (expected == RPC_RETRY_AFTER) {
		assert_int_equal(told_ms, delay_ms);
		/* Both hints say the same. */
		assert_ok(rpc_status_details_find_retry(
		    bytes_make(status.details, status.details_size), &told_ms));
		assert_int_equal(told_ms, delay_ms);
	} else {
		assert_true(status.pushback_ms < 0);
		assert_int_equal(status.details_size, 0);
	}
	rpc_status_clear(&status);
	trial_disconnect(&client);
	trial_stop(&trial, 2000);
}

static void
test_server_retry_tells_when(void **state)
{
	(void)state;
	expect_hint(1500, RPC_RETRY_AFTER);
	expect_hint(0, RPC_RETRY_AFTER);
}

static void
test_server_retry_tells_not_to(void **state)
{
	(void)state;
	expect_hint(RPC_SERVER_NO_RETRY, RPC_RETRY_NEVER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_server_retry_tells_when),
	    cmocka_unit_test(test_server_retry_tells_not_to),
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
