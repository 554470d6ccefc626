/* Compression as the server sees it: rpc_server.h, server_call.h */

#include <stdlib.h>
#include <string.h>

#include "rpc/interceptor.h"
#include "rpc/server_call.h"
#include "tests/unit/unit.h"
#include "trial.h"

#define PATIENCE 20000

/* Does to a call what its metadata asks for, and looks at its request. */
struct fixture {
	struct rpc_server_interceptor interceptor;
	struct trial trial;
	struct trial_client client;
	atomic_bool was_compressed;
	atomic_int ended;
};

static enum rpc_server_intercept
on_call(struct rpc_server_call *call, void *arg)
{
	struct bytes how;

	(void)arg;
	if (rpc_server_call_metadata(call, "x-compression", &how))
		rpc_server_call_set_compression(
		    call, (enum rpc_compression)(how.data[0] - '0'));
	if (rpc_server_call_metadata(call, "x-plain", &how))
		rpc_server_call_set_compress(call, false);
	return RPC_SERVER_INTERCEPT_CONTINUE;
}

static void
on_end(struct rpc_server_call *call, enum rpc_code code, uint64_t duration_us,
    void *arg)
{
	struct fixture *fixture = arg;

	(void)code;
	(void)duration_us;
	fixture->was_compressed = rpc_server_call_was_compressed(call);
	trial_bump(&fixture->ended);
}

static void
start(struct fixture *fixture, const struct rpc_server_options *options)
{
	memset(fixture, 0, sizeof(*fixture));
	fixture->interceptor.arg = fixture;
	fixture->interceptor.on_call = on_call;
	fixture->interceptor.on_end = on_end;
	trial_open(&fixture->trial, options);
	assert_ok(rpc_server_add_interceptor(
	    fixture->trial.server, &fixture->interceptor));
	trial_run(&fixture->trial, NULL);
	trial_connect(&fixture->client, fixture->trial.target, NULL);
}

static void
stop(struct fixture *fixture)
{
	trial_disconnect(&fixture->client);
	trial_stop(&fixture->trial, 2000);
}

struct outcome {
	enum rpc_code code;
	bool is_compressed;
};

/* Echo of `size` zeros, both ways. */
static struct outcome
call_echo(struct fixture *fixture, enum rpc_compression sent,
    const struct rpc_metadata *metadata, size_t size)
{
	struct rpc_call_options options = {.timeout_ms = PATIENCE,
	    .compression = sent,
	    .metadata = metadata,
	    .metadata_count = metadata != NULL ? 1 : 0};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_client_call *call = NULL;
	struct outcome outcome = {0};
	int ended = fixture->ended;

	request.text = malloc(size + 1);
	assert_non_null(request.text);
	memset(request.text, 'a', size);
	request.text[size] = '\0';
	assert_ok(trial_echo_start(
	    &fixture->client.rpc, &options, &request, NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	outcome.code = rpc_client_call_status(call)->code;
	outcome.is_compressed = rpc_client_call_was_compressed(call);
	if (outcome.code == RPC_CODE_OK) {
		assert_ok(trial_echo_response(call, &reply));
		assert_string_equal(reply->text, request.text);
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	}
	rpc_client_call_free(call);
	free(request.text);
	trial_wait(&fixture->ended, ended + 1);
	return outcome;
}

static void
test_server_compression_of_requests(void **state)
{
	struct rpc_server_options options = {.max_message_bytes = 100000};
	struct fixture fixture;

	(void)state;
	start(&fixture, &options);
	for (int how = RPC_COMPRESSION_NONE; how <= RPC_COMPRESSION_GZIP;
	     how++) {
		struct outcome outcome =
		    call_echo(&fixture, (enum rpc_compression)how, NULL, 50000);

		assert_int_equal(outcome.code, RPC_CODE_OK);
		assert_int_equal(
		    fixture.was_compressed, how != RPC_COMPRESSION_NONE);
		assert_false(outcome.is_compressed);
		/* Small on the way, and too long all the same. */
		outcome = call_echo(
		    &fixture, (enum rpc_compression)how, NULL, 100000);
		assert_int_equal(outcome.code, RPC_CODE_RESOURCE_EXHAUSTED);
	}
	stop(&fixture);
}

static void
test_server_compression_of_answers(void **state)
{
	struct rpc_server_options options = {
	    .compression = RPC_COMPRESSION_GZIP};
	struct rpc_metadata none = {"x-compression", BYTES_LITERAL("1")};
	struct rpc_metadata deflate = {"x-compression", BYTES_LITERAL("2")};
	struct rpc_metadata gzip = {"x-compression", BYTES_LITERAL("3")};
	struct rpc_metadata plain = {"x-plain", BYTES_LITERAL("1")};
	struct fixture fixture;

	(void)state;
	start(&fixture, &options);
	assert_true(call_echo(&fixture, RPC_COMPRESSION_NONE, NULL, 5000)
			.is_compressed);
	assert_false(call_echo(&fixture, RPC_COMPRESSION_NONE, &none, 5000)
			 .is_compressed);
	assert_true(call_echo(&fixture, RPC_COMPRESSION_NONE, &deflate, 5000)
			.is_compressed);
	assert_false(call_echo(&fixture, RPC_COMPRESSION_NONE, &plain, 5000)
			 .is_compressed);
	stop(&fixture);

	start(&fixture, NULL);
	assert_false(call_echo(&fixture, RPC_COMPRESSION_GZIP, NULL, 5000)
			 .is_compressed);
	assert_true(call_echo(&fixture, RPC_COMPRESSION_NONE, &gzip, 5000)
			.is_compressed);
	stop(&fixture);
}

static void
test_server_compression_of_streams(void **state)
{
	struct rpc_server_options options = {
	    .compression = RPC_COMPRESSION_DEFLATE};
	struct rpc_call_options call_options = {
	    .timeout_ms = PATIENCE, .compression = RPC_COMPRESSION_GZIP};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_client_call *call = NULL;
	struct fixture fixture;
	char text[2001];

	(void)state;
	memset(text, 'x', 2000);
	text[2000] = '\0';
	request.text = text;
	start(&fixture, &options);
	assert_ok(
	    trial_talk_start(&fixture.client.rpc, &call_options, NULL, &call));
	for (int i = 0; i < 3; i++) {
		assert_ok(rpc_client_call_write(call, PATIENCE, &request.base));
		assert_ok(rpc_client_call_next(
		    call, PATIENCE, (ProtobufCMessage **)&reply));
		assert_non_null(reply);
		assert_string_equal(reply->text, text);
		assert_true(rpc_client_call_was_compressed(call));
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	}
	rpc_client_call_finish_sending(call);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	rpc_client_call_free(call);
	trial_wait(&fixture.ended, 1);
	assert_true(fixture.was_compressed);
	stop(&fixture);
}

static void
test_server_compression_can_be_refused(void **state)
{
	struct rpc_server_options options = {.refuse_compression = true};
	struct rpc_metadata gzip = {"x-compression", BYTES_LITERAL("3")};
	struct rpc_server *server = NULL;
	struct outcome outcome;
	struct fixture fixture;

	(void)state;
	start(&fixture, &options);
	for (int how = RPC_COMPRESSION_DEFLATE; how <= RPC_COMPRESSION_GZIP;
	     how++) {
		outcome =
		    call_echo(&fixture, (enum rpc_compression)how, NULL, 5000);
		assert_int_equal(outcome.code, RPC_CODE_UNIMPLEMENTED);
	}
	assert_int_equal(fixture.trial.arrived, 0);
	/* What is said to be compressed, and is not, is all right. */
	outcome = call_echo(&fixture, RPC_COMPRESSION_NONE, &gzip, 5000);
	assert_int_equal(outcome.code, RPC_CODE_OK);
	assert_false(outcome.is_compressed);
	stop(&fixture);

	options.compression = RPC_COMPRESSION_GZIP;
	assert_status(rpc_server_new(&options, &server), STATUS_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_server_compression_of_requests),
	    cmocka_unit_test(test_server_compression_of_answers),
	    cmocka_unit_test(test_server_compression_of_streams),
	    cmocka_unit_test(test_server_compression_can_be_refused),
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
