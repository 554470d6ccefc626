/*
 * A server of golden.v1.Trial for hostile clients (hostile_client.py).
 *
 *     target_program [NAME=NUMBER ...]
 *
 * The names are those of struct rpc_server_options. Prints its port, serves
 * until its standard input ends, stops, and prints how many calls ended with
 * which code: "arrived 7", "OK 4", "INTERNAL 3".
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/interceptor.h"
#include "rpc/server_call.h"
#include "tests/unit/unit.h"
#include "trial.h"

#define CODES 17

struct counts {
	atomic_ulong arrived, ended[CODES];
};

static enum rpc_server_intercept
on_call(struct rpc_server_call *call, void *arg)
{
	struct counts *counts = arg;

	(void)call;
	counts->arrived++;
	return RPC_SERVER_INTERCEPT_CONTINUE;
}

static void
on_end(struct rpc_server_call *call, enum rpc_code code, uint64_t duration_us,
    void *arg)
{
	struct counts *counts = arg;

	(void)call;
	(void)duration_us;
	counts->ended[code]++;
}

static bool
set_option(struct rpc_server_options *options, const char *argument)
{
	const char *value = strchr(argument, '=');
	size_t size;
	unsigned long number;

	if (value == NULL)
		return false;
	size = (size_t)(value - argument);
	number = strtoul(value + 1, NULL, 10);
#define OPTION(name)                                                           \
	if (size == strlen(#name) && memcmp(argument, #name, size) == 0) {     \
		options->name = (__typeof__(options->name))number;             \
		return true;                                                   \
	}
	OPTION(workers)
	OPTION(max_message_bytes)
	OPTION(max_buffer_bytes)
	OPTION(max_metadata_bytes)
	OPTION(max_partial_requests)
	OPTION(request_timeout_ms)
	OPTION(max_unsent_bytes)
	OPTION(answer_timeout_ms)
	OPTION(max_waiting_streams)
	OPTION(stream_timeout_ms)
	OPTION(refuse_compression)
	OPTION(max_streams)
	OPTION(handshake_timeout_ms)
	return false;
}

int
main(int argc, char **argv)
{
	struct rpc_server_options options = {0};
	struct counts counts = {0};
	struct rpc_server_interceptor interceptor = {
	    .arg = &counts, .on_call = on_call, .on_end = on_end};
	struct trial trial;

	for (int i = 1; i < argc; i++) {
		if (!set_option(&options, argv[i])) {
			fprintf(stderr, "no such option: %s\n", argv[i]);
			return 2;
		}
	}
	trial_open(&trial, &options);
	assert_ok(rpc_server_add_interceptor(trial.server, &interceptor));
	trial_run(&trial, NULL);
	printf("%d\n", trial.port);
	fflush(stdout);
	while (getchar() != EOF)
		;
	trial_stop(&trial, 1000);
	printf("arrived %lu\n", counts.arrived);
	for (int code = 0; code < CODES; code++)
		if (counts.ended[code] > 0)
			printf("%s %lu\n", rpc_code_name((enum rpc_code)code),
			    counts.ended[code]);
	return 0;
}
