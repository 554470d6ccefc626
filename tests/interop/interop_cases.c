#include "interop_cases.h"

#include <string.h>

const uint8_t case_zeros[RESPONSE_BODY];

void
expect_code(const struct rpc_status *status, enum rpc_code code)
{
	expect(status->code == code, "%s, got %s: %s", rpc_code_name(code),
	    rpc_code_name(status->code),
	    status->message == NULL ? "" : status->message);
}

void
expect_body(const Grpc__Testing__Payload *payload, size_t size)
{
	expect(payload != NULL, "a payload");
	expect(payload->type == GRPC__TESTING__PAYLOAD_TYPE__COMPRESSABLE,
	    "a compressable payload, got type %d", (int)payload->type);
	expect(payload->body.len == size, "a body of %zu bytes, got %zu", size,
	    payload->body.len);
	expect(size == 0 || memcmp(payload->body.data, case_zeros, size) == 0,
	    "nothing but zeros");
}

void
expect_end(struct rpc_client_call *call, enum rpc_code code)
{
	expect(rpc_client_call_wait(call, RPC_WAIT_END, CASE_TIMEOUT_MS),
	    "the call to end");
	expect_code(rpc_client_call_status(call), code);
	rpc_client_call_free(call);
}

/* ---- Unary ---- */

struct rpc_client_call *
large_call(const struct rpc_client *client,
    const struct rpc_call_options *options,
    const Grpc__Testing__SimpleRequest *like, enum rpc_code code)
{
	Grpc__Testing__SimpleRequest request = *like;
	Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;
	Grpc__Testing__SimpleResponse *response;
	struct rpc_call_options timed = *options;
	struct rpc_client_call *call;

	timed.timeout_ms = CASE_TIMEOUT_MS;
	payload.body = body_of(case_zeros, REQUEST_BODY);
	request.payload = &payload;
	request.response_size = RESPONSE_BODY;
	expect_ok(test_service_unary_call_start(
	    client, &timed, &request, NULL, &call));
	expect(rpc_client_call_wait(call, RPC_WAIT_END, 2 * CASE_TIMEOUT_MS),
	    "the call to end");
	expect_code(rpc_client_call_status(call), code);
	if (code != RPC_CODE_OK)
		return call;
	expect_ok(test_service_unary_call_response(call, &response));
	expect_body(response->payload, RESPONSE_BODY);
	grpc__testing__simple_response__free_unpacked(response, NULL);
	return call;
}

void
case_empty_unary(const struct rpc_client *client)
{
	Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT, *response;
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS};
	struct rpc_client_call *call;

	expect_ok(test_service_empty_call_start(
	    client, &options, &request, NULL, &call));
	expect(rpc_client_call_wait(call, RPC_WAIT_END, 2 * CASE_TIMEOUT_MS),
	    "the call to end");
	expect_code(rpc_client_call_status(call), RPC_CODE_OK);
	expect(rpc_client_call_has_message(call), "a response");
	expect(rpc_client_call_message(call).size == 0,
	    "a response of no bytes, got %zu",
	    rpc_client_call_message(call).size);
	expect_ok(test_service_empty_call_response(call, &response));
	grpc__testing__empty__free_unpacked(response, NULL);
	rpc_client_call_free(call);
}

void
case_large_unary(const struct rpc_client *client)
{
	Grpc__Testing__SimpleRequest like = GRPC__TESTING__SIMPLE_REQUEST__INIT;
	struct rpc_call_options options = {0};

	rpc_client_call_free(large_call(client, &options, &like, RPC_CODE_OK));
}

/* ---- Status ---- */

static void
expect_text(const struct rpc_status *status, const char *text)
{
	expect(status->message != NULL && strcmp(status->message, text) == 0,
	    "the text \"%s\", got \"%s\"", text,
	    status->message == NULL ? "" : status->message);
}

static void
unary_status(const struct rpc_client *client, const char *text)
{
	Grpc__Testing__EchoStatus wanted = GRPC__TESTING__ECHO_STATUS__INIT;
	Grpc__Testing__SimpleRequest request =
	    GRPC__TESTING__SIMPLE_REQUEST__INIT;
	Grpc__Testing__SimpleResponse *response;
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS};
	struct rpc_status status = {0};

	wanted.code = RPC_CODE_UNKNOWN;
	wanted.message = (char *)(uintptr_t)text;
	request.response_status = &wanted;
	expect(test_service_unary_call(
		   client, &options, &request, &response, &status) != STATUS_OK,
	    "the call to fail");
	expect_code(&status, RPC_CODE_UNKNOWN);
	expect_text(&status, text);
	rpc_status_clear(&status);
}

static void
duplex_status(const struct rpc_client *client, const char *text)
{
	Grpc__Testing__EchoStatus wanted = GRPC__TESTING__ECHO_STATUS__INIT;
	Grpc__Testing__StreamingOutputCallRequest request =
	    GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS};
	struct rpc_client_call *call;

	wanted.code = RPC_CODE_UNKNOWN;
	wanted.message = (char *)(uintptr_t)text;
	request.response_status = &wanted;
	expect_ok(
	    test_service_full_duplex_call_start(client, &options, NULL, &call));
	expect_ok(test_service_full_duplex_call_write(
	    call, CASE_TIMEOUT_MS, &request));
	rpc_client_call_finish_sending(call);
	expect(rpc_client_call_wait(call, RPC_WAIT_END, 2 * CASE_TIMEOUT_MS),
	    "the call to end");
	expect_text(rpc_client_call_status(call), text);
	duplex_expect_end(call, RPC_CODE_UNKNOWN);
}

void
case_status_code_and_message(const struct rpc_client *client)
{
	unary_status(client, "test status message");
	duplex_status(client, "test status message");
}

void
case_special_status_message(const struct rpc_client *client)
{
	unary_status(client, "\t\ntest with whitespace\r\nand Unicode BMP "
			     "\xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n");
}

void
case_unimplemented_method(const struct rpc_client *client)
{
	Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT, *response;
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS};
	struct rpc_status status = {0};

	expect(test_service_unimplemented_call(
		   client, &options, &request, &response, &status) != STATUS_OK,
	    "the call to fail");
	expect_code(&status, RPC_CODE_UNIMPLEMENTED);
	rpc_status_clear(&status);
}

void
case_unimplemented_service(const struct rpc_client *client)
{
	Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT, *response;
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS};
	struct rpc_status status = {0};

	expect(unimplemented_service_unimplemented_call(
		   client, &options, &request, &response, &status) != STATUS_OK,
	    "the call to fail");
	expect_code(&status, RPC_CODE_UNIMPLEMENTED);
	rpc_status_clear(&status);
}

/* ---- Metadata ---- */

static const char echo_header[] = "x-grpc-test-echo-initial";
static const char echo_trailer[] = "x-grpc-test-echo-trailing-bin";
static const char header[] = "test_initial_metadata_value";
static const uint8_t trailer[] = {0xab, 0xab, 0xab};

static void
expect_value(const struct rpc_client_call *call, bool is_trailer,
    const char *key, struct bytes wanted)
{
	struct bytes value;

	expect(
	    rpc_client_call_metadata(call, is_trailer, key, &value), "%s", key);
	expect(bytes_equal(value, wanted),
	    "%s to be what was sent, got %zu other bytes", key, value.size);
}

static void
expect_metadata(const struct rpc_client_call *call)
{
	expect_value(call, false, echo_header, bytes_from_string(header));
	expect_value(call, true, echo_trailer, BYTES_OF(trailer));
}

void
case_custom_metadata(const struct rpc_client *client)
{
	Grpc__Testing__SimpleRequest like = GRPC__TESTING__SIMPLE_REQUEST__INIT;
	const struct rpc_metadata metadata[] = {
	    {echo_header, bytes_from_string(header)},
	    {echo_trailer, BYTES_OF(trailer)},
	};
	struct rpc_call_options options = {.timeout_ms = CASE_TIMEOUT_MS,
	    .metadata = metadata,
	    .metadata_count = 2};
	struct rpc_client_call *call;

	call = large_call(client, &options, &like, RPC_CODE_OK);
	expect_metadata(call);
	rpc_client_call_free(call);

	expect_ok(
	    test_service_full_duplex_call_start(client, &options, NULL, &call));
	duplex_send(call, REQUEST_BODY, RESPONSE_BODY);
	rpc_client_call_finish_sending(call);
	duplex_expect(call, RESPONSE_BODY);
	expect(rpc_client_call_wait(call, RPC_WAIT_END, 2 * CASE_TIMEOUT_MS),
	    "the call to end");
	expect_metadata(call);
	duplex_expect_end(call, RPC_CODE_OK);
}
