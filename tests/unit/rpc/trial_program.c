/*
 * Either side of golden.v1.Trial as a program, for tests against gRPC in
 * another language (interop.py).
 *
 *     trial_program serve            prints its port, serves until its
 *                                    standard input ends
 *     trial_program call HOST:PORT   calls every kind of method
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "trial.h"

static int
serve(void)
{
	struct trial trial;

	trial_start(&trial, NULL, NULL);
	printf("%d\n", trial.port);
	fflush(stdout);
	while (getchar() != EOF)
		;
	trial_stop(&trial, 1000);
	return 0;
}

static void
call_echo(const struct rpc_client *client)
{
	const struct rpc_metadata metadata[] = {
	    {"x-ask", BYTES_LITERAL("text")},
	    {"x-ask-bin", BYTES_LITERAL("\0\xff")},
	};
	struct rpc_call_options options = {.timeout_ms = 20000,
	    .wait_for_ready = true,
	    .metadata = metadata,
	    .metadata_count = 2};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply;
	struct rpc_status status = {0};
	struct rpc_client_call *call;
	struct bytes value;

	request.text = (char *)(uintptr_t) "salam";
	assert_ok(trial_echo_start(client, &options, &request, NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, 20000));
	assert_int_equal(rpc_client_call_status(call)->code, RPC_CODE_OK);
	assert_ok(trial_echo_response(call, &reply));
	assert_string_equal(reply->text, "salam");
	golden__v1__echo_reply__free_unpacked(reply, NULL);
	assert_true(rpc_client_call_metadata(call, false, "x-answer", &value));
	assert_bytes(value, BYTES_LITERAL("text"));
	assert_true(
	    rpc_client_call_metadata(call, true, "x-answer-bin", &value));
	assert_bytes(value, BYTES_LITERAL("\0\xff"));
	rpc_client_call_free(call);

	request.code = RPC_CODE_ABORTED;
	request.details.data = (uint8_t *)(uintptr_t) "\x01\x02";
	request.details.len = 2;
	assert_status(trial_echo(client, &options, &request, &reply, &status),
	    STATUS_STALE);
	assert_int_equal(status.code, RPC_CODE_ABORTED);
	assert_string_equal(status.message, "salam");
	assert_bytes(rpc_status_details(&status), BYTES_LITERAL("\x01\x02"));
	assert_status(trial_delete(client, &options, &request, &reply, &status),
	    STATUS_INTERNAL);
	assert_int_equal(status.code, RPC_CODE_UNIMPLEMENTED);
	rpc_status_clear(&status);
}

static void
call_streams(const struct rpc_client *client)
{
	Golden__V1__CountRequest count = GOLDEN__V1__COUNT_REQUEST__INIT;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT, *next;
	struct rpc_client_call *call;

	count.from = 1;
	count.to = 10;
	assert_ok(trial_count_start(client, NULL, &count, NULL, &call));
	for (int i = 1; i <= 10; i++) {
		assert_ok(trial_count_next(call, 20000, &next));
		assert_int_equal(next->value, i);
		golden__v1__number__free_unpacked(next, NULL);
	}
	assert_ok(trial_count_next(call, 20000, &next));
	assert_null(next);
	assert_int_equal(rpc_client_call_status(call)->code, RPC_CODE_OK);
	rpc_client_call_free(call);

	assert_ok(trial_sum_start(client, NULL, NULL, &call));
	for (number.value = 1; number.value <= 10; number.value++) {
		assert_true(trial_sum_send_request(call, &number));
		assert_true(rpc_client_call_wait(call, RPC_WAIT_SENT, 20000));
	}
	rpc_client_call_finish_sending(call);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, 20000));
	assert_ok(trial_sum_response(call, &next));
	assert_int_equal(next->value, 55);
	golden__v1__number__free_unpacked(next, NULL);
	rpc_client_call_free(call);
}

int
main(int argc, char **argv)
{
	struct trial_client client;

	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve();
	if (argc != 3 || strcmp(argv[1], "call") != 0) {
		fputs("usage: trial_program serve | call HOST:PORT\n", stderr);
		return 2;
	}
	trial_connect(&client, argv[2], NULL);
	call_echo(&client.rpc);
	call_streams(&client.rpc);
	trial_disconnect(&client);
	puts("every kind of call was answered");
	return 0;
}
