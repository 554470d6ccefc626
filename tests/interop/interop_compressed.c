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
	struct rpc_call_options compressed = {
	    .compression = RPC_COMPRESSION_GZIP};

	/* Whether the server looks at all. */
	like.expect_compressed = &yes;
	rpc_client_call_free(
	    large_call(client, &plain, &like, RPC_CODE_INVALID_ARGUMENT));
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

static void
input_send(struct rpc_client_call *call, size_t body,
    Grpc__Testing__BoolValue *expect_compressed)
{
	Grpc__Testing__StreamingInputCallRequest request =
	    GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
	Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;

	payload.body = body_of(case_zeros, body);
	request.payload = &payload;
	request.expect_compressed = expect_compressed;
	expect(rpc_client_call_wait(call, RPC_WAIT_SENT, CASE_TIMEOUT_MS),
	    "to send the request before");
	expect(test_service_streaming_input_call_send_request(call, &request),
	    "to send");
}

void
case_client_compressed_streaming(const struct rpc_client *client)
{
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS};
	Grpc__Testing__StreamingInputCallResponse *response;
	struct rpc_client_call *call;

	/* Whether the server looks at all. */
	expect_ok(test_service_streaming_input_call_start(
	    client, &options, NULL, &call));
	input_send(call, 27182, &yes);
	rpc_client_call_finish_sending(call);
	expect_end(call, RPC_CODE_INVALID_ARGUMENT);

	options.compression = RPC_COMPRESSION_GZIP;
	expect_ok(test_service_streaming_input_call_start(
	    client, &options, NULL, &call));
	input_send(call, 27182, &yes);
	rpc_client_call_set_compress(call, false);
	input_send(call, 45904, &no);
	rpc_client_call_finish_sending(call);
	expect(rpc_client_call_wait(call, RPC_WAIT_END, 2 * CASE_TIMEOUT_MS),
	    "the call to end");
	expect_code(rpc_client_call_status(call), RPC_CODE_OK);
	expect_ok(test_service_streaming_input_call_response(call, &response));
	expect(response->aggregated_payload_size == 73086,
	    "73086 bytes in all, got %d",
	    (int)response->aggregated_payload_size);
	grpc__testing__streaming_input_call_response__free_unpacked(
	    response, NULL);
	rpc_client_call_free(call);
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
