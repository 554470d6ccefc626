/*
 * Either side of golden.v1.Trial as a program, for tests against gRPC in
 * another language (interop.py).
 *
 *     trial_program serve            prints its port, serves until its
 *                                    standard input ends
 *     trial_program call HOST:PORT   calls Echo
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
	struct rpc_call_options options = {
	    .timeout_ms = 20000, .wait_for_ready = true};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply;
	struct rpc_status status = {0};

	request.text = (char *)(uintptr_t) "salam";
	request.details.data = (uint8_t *)(uintptr_t) "\x01\x02";
	request.details.len = 2;
	assert_status(trial_echo(client, &options, &request, &reply, &status),
	    STATUS_STALE);
	assert_int_equal(status.code, RPC_CODE_ABORTED);
	assert_string_equal(status.message, "salam");
	assert_bytes(rpc_status_details(&status), BYTES_LITERAL("\x01\x02"));
	rpc_status_clear(&status);
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
	trial_disconnect(&client);
	puts("the call was answered");
	return 0;
}
