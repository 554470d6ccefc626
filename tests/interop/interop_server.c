/*
 * gRPC's interoperability server, on our library.
 *
 *     interop_server [--port=N] [--use_tls=true --tls_cert_file=PEM
 *                    --tls_key_file=PEM]
 *
 * Listens on 127.0.0.1 (port 0, the default: a free one), prints its port, and
 * serves until its standard input ends.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/testing/test.grpc-c.h"
#include "interop_options.h"

/* What a response may be asked to weigh: some below the 4 MiB that clients
   take by default. */
#define MAX_BODY (4 << 20)

static const uint8_t zeros[MAX_BODY];

static const char echo_header[] = "x-grpc-test-echo-initial";
static const char echo_trailer[] = "x-grpc-test-echo-trailing-bin";

static void
refuse(struct rpc_server_call *call, const char *why)
{
	rpc_server_call_fail(
	    call, RPC_CODE_INVALID_ARGUMENT, why, bytes_empty());
}

static void
echo_metadata(struct rpc_server_call *call)
{
	struct bytes value;

	if (rpc_server_call_metadata(call, echo_header, &value))
		expect_ok(rpc_server_call_add_header(call, echo_header, value));
	if (rpc_server_call_metadata(call, echo_trailer, &value))
		expect_ok(
		    rpc_server_call_add_trailer(call, echo_trailer, value));
}

/* Whether the request travelled as it says it does; otherwise the call was
   refused. */
static bool
is_as_expected(struct rpc_server_call *call,
    const Grpc__Testing__BoolValue *expect_compressed)
{
	if (expect_compressed == NULL ||
	    expect_compressed->value == rpc_server_call_was_compressed(call))
		return true;
	refuse(call, expect_compressed->value ? "the request is not compressed"
					      : "the request is compressed");
	return false;
}

/* Whether the request asks for a certain end of the call, which it now has. */
static bool
is_ended(struct rpc_server_call *call, const Grpc__Testing__EchoStatus *status)
{
	if (status == NULL || status->code == RPC_CODE_OK)
		return false;
	rpc_server_call_fail(
	    call, (enum rpc_code)status->code, status->message, bytes_empty());
	return true;
}

/* ---- Unary ---- */

static void
empty_call(void *service, struct rpc_server_call *call,
    const Grpc__Testing__Empty *request)
{
	(void)service;
	test_service_empty_call_reply(call, request);
}

static void
unary_call(void *service, struct rpc_server_call *call,
    const Grpc__Testing__SimpleRequest *request)
{
	Grpc__Testing__SimpleResponse response =
	    GRPC__TESTING__SIMPLE_RESPONSE__INIT;
	Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;

	(void)service;
	echo_metadata(call);
	if (!is_as_expected(call, request->expect_compressed) ||
	    is_ended(call, request->response_status))
		return;
	if (request->response_size < 0 || request->response_size > MAX_BODY ||
	    request->response_type !=
		GRPC__TESTING__PAYLOAD_TYPE__COMPRESSABLE) {
		refuse(call, "no such response can be had");
		return;
	}
	if (request->response_compressed != NULL)
		rpc_server_call_set_compression(call,
		    request->response_compressed->value ? RPC_COMPRESSION_GZIP
							: RPC_COMPRESSION_NONE);
	payload.body = body_of(zeros, (size_t)request->response_size);
	response.payload = &payload;
	test_service_unary_call_reply(call, &response);
}

/* ---- A stream of requests ---- */

static void
on_input(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	int32_t *total = arg;
	Grpc__Testing__StreamingInputCallResponse response =
	    GRPC__TESTING__STREAMING_INPUT_CALL_RESPONSE__INIT;
	Grpc__Testing__StreamingInputCallRequest *request = NULL;

	if (is_end) {
		response.aggregated_payload_size = *total;
		test_service_streaming_input_call_reply(call, &response);
		return;
	}
	if (test_service_streaming_input_call_request(message, &request) !=
	    STATUS_OK) {
		refuse(call, "the request does not parse");
		return;
	}
	if (is_as_expected(call, request->expect_compressed)) {
		if (request->payload != NULL)
			*total += (int32_t)request->payload->body.len;
		rpc_server_call_receive(call, on_input, total);
	}
	grpc__testing__streaming_input_call_request__free_unpacked(
	    request, NULL);
}

static void
streaming_input_call(void *service, struct rpc_server_call *call)
{
	int32_t *total = expect_memory(calloc(1, sizeof(*total)));

	(void)service;
	rpc_server_call_set_user(call, total, free);
	rpc_server_call_receive(call, on_input, total);
}

/* ---- Streams of responses ---- */

/*
 * Answers one request after the other:
 *
 *     pause -> send -> (next parameter) pause ...
 *        ^                  |
 *        +-- receive <------+-> finish
 */
struct output {
	const Grpc__Testing__StreamingOutputCallRequest *request;
	/* The same, where it is ours: requests stream. NULL otherwise. */
	Grpc__Testing__StreamingOutputCallRequest *owned;
	size_t next; /* of the request's parameters */
};

static void
output_destroy(void *user)
{
	struct output *output = user;

	grpc__testing__streaming_output_call_request__free_unpacked(
	    output->owned, NULL);
	free(output);
}

static void output_step(struct rpc_server_call *call, struct output *output);

static void
on_output_sent(struct rpc_server_call *call, bool is_alive, void *arg)
{
	if (is_alive)
		output_step(call, arg);
	else /* nobody hears it; the call is let go of */
		rpc_server_call_finish(call);
}

static void
output_send(struct rpc_server_call *call, void *arg)
{
	struct output *output = arg;
	const Grpc__Testing__ResponseParameters *parameters =
	    output->request->response_parameters[output->next];
	Grpc__Testing__StreamingOutputCallResponse response =
	    GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
	Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;

	if (parameters->size < 0 || parameters->size > MAX_BODY) {
		refuse(call, "no such response can be had");
		return;
	}
	output->next++;
	rpc_server_call_set_compress(call,
	    parameters->compressed != NULL && parameters->compressed->value);
	payload.body = body_of(zeros, (size_t)parameters->size);
	response.payload = &payload;
	test_service_streaming_output_call_send(
	    call, &response, on_output_sent, output);
}

/* The next response, or `false` where the request has had all. */
static bool
output_pause(struct rpc_server_call *call, struct output *output)
{
	int32_t pause_us;

	if (output->request == NULL ||
	    output->next == output->request->n_response_parameters)
		return false;
	pause_us =
	    output->request->response_parameters[output->next]->interval_us;
	if (pause_us > 0)
		rpc_server_call_set_timer(
		    call, (pause_us + 999) / 1000, output_send, output);
	else
		output_send(call, output);
	return true;
}

static void
on_output_request(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	struct output *output = arg;

	if (is_end) {
		rpc_server_call_finish(call);
		return;
	}
	grpc__testing__streaming_output_call_request__free_unpacked(
	    output->owned, NULL);
	output->owned = NULL;
	output->request = NULL;
	output->next = 0;
	if (test_service_full_duplex_call_request(message, &output->owned) !=
	    STATUS_OK) {
		refuse(call, "the request does not parse");
		return;
	}
	output->request = output->owned;
	if (!is_ended(call, output->request->response_status))
		output_step(call, output);
}

static void
output_step(struct rpc_server_call *call, struct output *output)
{
	if (output_pause(call, output))
		return;
	if (rpc_server_call_method(call) ==
	    &test_service_streaming_output_call_method)
		rpc_server_call_finish(call);
	else
		rpc_server_call_receive(call, on_output_request, output);
}

/* Compression is of the call, and each message may be left out of it. */
static struct output *
output_new(struct rpc_server_call *call)
{
	struct output *output = expect_memory(calloc(1, sizeof(*output)));

	rpc_server_call_set_user(call, output, output_destroy);
	rpc_server_call_set_compression(call, RPC_COMPRESSION_GZIP);
	echo_metadata(call);
	return output;
}

static void
streaming_output_call(void *service, struct rpc_server_call *call,
    const Grpc__Testing__StreamingOutputCallRequest *request)
{
	struct output *output;

	(void)service;
	if (is_ended(call, request->response_status))
		return;
	output = output_new(call);
	output->request = request;
	output_step(call, output);
}

static void
full_duplex_call(void *service, struct rpc_server_call *call)
{
	(void)service;
	output_step(call, output_new(call));
}

/* ---- The program ---- */

static const struct test_service_handlers handlers = {
    .empty_call = empty_call,
    .unary_call = unary_call,
    .streaming_output_call = streaming_output_call,
    .streaming_input_call = streaming_input_call,
    .full_duplex_call = full_duplex_call,
};

int
main(int argc, char **argv)
{
	const char *port_text = "0", *use_tls = "false";
	const char *certificate_file = NULL, *key_file = NULL;
	const struct option options[] = {
	    {"port", &port_text},
	    {"use_tls", &use_tls},
	    {"tls_cert_file", &certificate_file},
	    {"tls_key_file", &key_file},
	    {NULL, NULL},
	};
	struct rpc_server_tls tls = {0};
	struct rpc_server *server;
	char address[64], *certificate = NULL, *key = NULL;
	bool has_tls;
	int port = 0;

	options_parse(options, argc, argv);
	has_tls = option_is_true(use_tls);
	if (has_tls) {
		tls.certificate_chain = certificate =
		    file_text(certificate_file);
		tls.private_key = key = file_text(key_file);
	}
	snprintf(address, sizeof(address), "127.0.0.1:%s", port_text);
	expect_ok(rpc_server_new(NULL, &server));
	expect_ok(test_service_register(server, &handlers, NULL));
	expect_ok(
	    rpc_server_add_port(server, address, has_tls ? &tls : NULL, &port));
	expect_ok(rpc_server_start(server));
	printf("%d\n", port);
	fflush(stdout);
	while (getchar() != EOF)
		;
	rpc_server_stop(server, 1000);
	rpc_server_free(server);
	free(certificate);
	free(key);
	return 0;
}
