#include "interop_cases.h"

static Grpc__Testing__BoolValue yes = {
    PROTOBUF_C_MESSAGE_INIT(&grpc__testing__bool_value__descriptor), true};
static Grpc__Testing__BoolValue no = {
    PROTOBUF_C_MESSAGE_INIT(&grpc__testing__bool_value__descriptor), false};

/* ---- Unary ---- */

void
case_client_compressed_unary(const struct rpc_client *client)
{
	Grpc__Testing__SimpleRequest like = GRPC__TESTING__SIMPLE_REQUEST__INIT;
	struct rpc_call_options plain = {0};

	/* Whether the server looks at all. */
	like.expect_compressed = &yes;
	rpc_client_call_free(
	    large_call(client, &plain, &like, RPC_CODE_INVALID_ARGUMENT));
	case_client_compressed_unary_noprobe(client);
}

void
case_client_compressed_unary_noprobe(const struct rpc_client *client)
{
	Grpc__Testing__SimpleRequest like = GRPC__TESTING__SIMPLE_REQUEST__INIT;
	struct rpc_call_options plain = {0};
	struct rpc_call_options compressed = {
	    .compression = RPC_COMPRESSION_GZIP};

	like.expect_compressed = &yes;
	rpc_client_call_free(
	    large_call(client, &compressed, &like, RPC_CODE_OK));
	like.expect_compressed = &no;
	rpc_client_call_free(large_call(client, &plain, &like, RPC_CODE_OK));
}

void
case_server_compressed_unary(const struct rpc_client *client)
{
	Grpc__Testing__SimpleRequest like = GRPC__TESTING__SIMPLE_REQUEST__INIT;
	struct rpc_call_options options = {0};
	struct rpc_client_call *call;

	like.response_compressed = &yes;
	call = large_call(client, &options, &like, RPC_CODE_OK);
	expect(rpc_client_call_was_compressed(call), "a compressed response");
	rpc_client_call_free(call);
	like.response_compressed = &no;
	call = large_call(client, &options, &like, RPC_CODE_OK);
	expect(!rpc_client_call_was_compressed(call),
	    "a response that is not compressed");
	rpc_client_call_free(call);
}

/* ---- Streams ---- */

void
case_client_compressed_streaming(const struct rpc_client *client)
{
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS};
	struct rpc_client_call *call;

	/* Whether the server looks at all. */
	expect_ok(test_service_streaming_input_call_start(
	    client, &options, NULL, &call));
	input_send(call, 27182, &yes);
	rpc_client_call_finish_sending(call);
	expect_end(call, RPC_CODE_INVALID_ARGUMENT);
	case_client_compressed_streaming_noprobe(client);
}

void
case_client_compressed_streaming_noprobe(const struct rpc_client *client)
{
	struct rpc_call_options options = {
	    .timeout_ms = CASE_TIMEOUT_MS, .compression = RPC_COMPRESSION_GZIP};
	struct rpc_client_call *call;

	expect_ok(test_service_streaming_input_call_start(
	    client, &options, NULL, &call));
	input_send(call, 27182, &yes);
	rpc_client_call_set_compress(call, false);
	input_send(call, 45904, &no);
	input_expect(call, 73086);
}

void
case_server_compressed_streaming(const struct rpc_client *client)
{
	static const int32_t sizes[] = {31415, 92653};
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS};
	Grpc__Testing__StreamingOutputCallRequest request =
	    GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
	Grpc__Testing__ResponseParameters parameters[2], *list[2];
	struct rpc_client_call *call;

	for (size_t i = 0; i < 2; i++) {
		grpc__testing__response_parameters__init(&parameters[i]);
		parameters[i].size = sizes[i];
		parameters[i].compressed = i == 0 ? &yes : &no;
		list[i] = &parameters[i];
	}
	request.response_parameters = list;
	request.n_response_parameters = 2;
	expect_ok(test_service_streaming_output_call_start(
	    client, &options, &request, NULL, &call));
	for (size_t i = 0; i < 2; i++) {
		duplex_expect(call, (size_t)sizes[i]);
		expect(rpc_client_call_was_compressed(call) == (i == 0),
		    "response %zu %s", i + 1,
		    i == 0 ? "compressed" : "not compressed");
	}
	duplex_expect_end(call, RPC_CODE_OK);
}
