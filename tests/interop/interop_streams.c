#include "interop_cases.h"

/* The sizes that all streams use, there and back. */
static const size_t request_sizes[] = {27182, 8, 1828, 45904};
static const int32_t response_sizes[] = {31415, 9, 2653, 58979};

static const struct rpc_call_options timed = {.timeout_ms = CASE_TIMEOUT_MS};

void
duplex_send(struct rpc_client_call *call, size_t body, int32_t response)
{
	Grpc__Testing__StreamingOutputCallRequest request =
	    GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
	Grpc__Testing__ResponseParameters parameters =
	    GRPC__TESTING__RESPONSE_PARAMETERS__INIT;
	Grpc__Testing__ResponseParameters *list[] = {&parameters};
	Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;

	parameters.size = response;
	request.response_parameters = list;
	request.n_response_parameters = response < 0 ? 0 : 1;
	payload.body = body_of(case_zeros, body);
	request.payload = &payload;
	expect_ok(test_service_full_duplex_call_write(
	    call, CASE_TIMEOUT_MS, &request));
}

void
input_send(struct rpc_client_call *call, size_t body,
    Grpc__Testing__BoolValue *expect_compressed)
{
	Grpc__Testing__StreamingInputCallRequest request =
	    GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
	Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;

	payload.body = body_of(case_zeros, body);
	request.payload = &payload;
	request.expect_compressed = expect_compressed;
	expect_ok(test_service_streaming_input_call_write(
	    call, CASE_TIMEOUT_MS, &request));
}

void
input_expect(struct rpc_client_call *call, int32_t total)
{
	Grpc__Testing__StreamingInputCallResponse *response;
	struct rpc_status status = {0};

	if (test_service_streaming_input_call_finish(
		call, &response, &status) != STATUS_OK) {
		expect_code(&status, RPC_CODE_OK);
		return;
	}
	expect(response->aggregated_payload_size == total,
	    "%d bytes in all, got %d", (int)total,
	    (int)response->aggregated_payload_size);
	grpc__testing__streaming_input_call_response__free_unpacked(
	    response, NULL);
	rpc_status_clear(&status);
	rpc_client_call_free(call);
}

void
duplex_expect(struct rpc_client_call *call, size_t size)
{
	Grpc__Testing__StreamingOutputCallResponse *response;

	expect_ok(test_service_full_duplex_call_next(
	    call, CASE_TIMEOUT_MS, &response));
	if (response == NULL)
		expect_code(rpc_client_call_status(call), RPC_CODE_OK);
	expect(response != NULL, "one more response");
	expect_body(response->payload, size);
	grpc__testing__streaming_output_call_response__free_unpacked(
	    response, NULL);
}

void
duplex_expect_end(struct rpc_client_call *call, enum rpc_code code)
{
	Grpc__Testing__StreamingOutputCallResponse *response;

	expect_ok(test_service_full_duplex_call_next(
	    call, CASE_TIMEOUT_MS, &response));
	expect(response == NULL, "no further response");
	expect_end(call, code);
}

/* ---- One way ---- */

void
case_client_streaming(const struct rpc_client *client)
{
	struct rpc_client_call *call;

	expect_ok(test_service_streaming_input_call_start(
	    client, &timed, NULL, &call));
	for (size_t i = 0; i < 4; i++)
		input_send(call, request_sizes[i], NULL);
	input_expect(call, 74922);
}

void
case_server_streaming(const struct rpc_client *client)
{
	Grpc__Testing__StreamingOutputCallRequest request =
	    GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
	Grpc__Testing__StreamingOutputCallResponse *response;
	Grpc__Testing__ResponseParameters parameters[4], *list[4];
	struct rpc_client_call *call;

	for (size_t i = 0; i < 4; i++) {
		grpc__testing__response_parameters__init(&parameters[i]);
		parameters[i].size = response_sizes[i];
		list[i] = &parameters[i];
	}
	request.response_parameters = list;
	request.n_response_parameters = 4;
	expect_ok(test_service_streaming_output_call_start(
	    client, &timed, &request, NULL, &call));
	for (size_t i = 0; i < 4; i++) {
		expect_ok(test_service_streaming_output_call_next(
		    call, CASE_TIMEOUT_MS, &response));
		expect(response != NULL, "four responses, got %zu", i);
		expect_body(response->payload, (size_t)response_sizes[i]);
		grpc__testing__streaming_output_call_response__free_unpacked(
		    response, NULL);
	}
	expect_ok(test_service_streaming_output_call_next(
	    call, CASE_TIMEOUT_MS, &response));
	expect(response == NULL, "four responses, got more");
	expect_end(call, RPC_CODE_OK);
}

/* ---- Both ways ---- */

void
case_ping_pong(const struct rpc_client *client)
{
	struct rpc_client_call *call;

	expect_ok(
	    test_service_full_duplex_call_start(client, &timed, NULL, &call));
	for (size_t i = 0; i < 4; i++) {
		duplex_send(call, request_sizes[i], response_sizes[i]);
		duplex_expect(call, (size_t)response_sizes[i]);
	}
	rpc_client_call_finish_sending(call);
	duplex_expect_end(call, RPC_CODE_OK);
}

void
case_empty_stream(const struct rpc_client *client)
{
	struct rpc_client_call *call;

	expect_ok(
	    test_service_full_duplex_call_start(client, &timed, NULL, &call));
	rpc_client_call_finish_sending(call);
	duplex_expect_end(call, RPC_CODE_OK);
}

/*
 * ---- Calls that are given up ----
 *
 * After a call that is answered: without a connection they would end before
 * the server hears of them.
 */

void
case_cancel_after_begin(const struct rpc_client *client)
{
	struct rpc_client_call *call;

	case_empty_unary(client);
	expect_ok(test_service_streaming_input_call_start(
	    client, &timed, NULL, &call));
	rpc_client_call_cancel(call);
	expect_end(call, RPC_CODE_CANCELLED);
}

void
case_cancel_after_first_response(const struct rpc_client *client)
{
	struct rpc_client_call *call;

	expect_ok(
	    test_service_full_duplex_call_start(client, &timed, NULL, &call));
	duplex_send(call, request_sizes[0], response_sizes[0]);
	duplex_expect(call, (size_t)response_sizes[0]);
	rpc_client_call_cancel(call);
	expect_end(call, RPC_CODE_CANCELLED);
}

void
case_timeout_on_sleeping_server(const struct rpc_client *client)
{
	Grpc__Testing__StreamingOutputCallRequest request =
	    GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
	Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;
	struct rpc_call_options options = {.timeout_ms = 1};
	struct rpc_client_call *call;

	case_empty_unary(client);
	payload.body = body_of(case_zeros, request_sizes[0]);
	request.payload = &payload;
	expect_ok(
	    test_service_full_duplex_call_start(client, &options, NULL, &call));
	/* The time may be over before it is sent: either will do. */
	(void)test_service_full_duplex_call_send_request(call, &request);
	expect_end(call, RPC_CODE_DEADLINE_EXCEEDED);
}
