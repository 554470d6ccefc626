#ifndef PEYK_TESTS_INTEROP_CASES_H
#define PEYK_TESTS_INTEROP_CASES_H

/*
 * gRPC's interoperability cases. Each does what gRPC's
 * doc/interop-test-descriptions.md says under its name and ends the program
 * with 1 when something is not as that asks.
 */

#include "grpc/testing/test.grpc-c.h"
#include "interop_options.h"

/* No call takes so long, not even on a busy machine. */
#define CASE_TIMEOUT_MS 60000

/* The body that most unary cases send, and the one they get. */
#define REQUEST_BODY 271828
#define RESPONSE_BODY 314159

/* As many zeros as any case sends. */
extern const uint8_t case_zeros[RESPONSE_BODY];

typedef void interop_case(const struct rpc_client *client);

interop_case case_empty_unary, case_large_unary, case_status_code_and_message,
    case_special_status_message, case_unimplemented_method,
    case_unimplemented_service, case_custom_metadata;
interop_case case_client_streaming, case_server_streaming, case_ping_pong,
    case_empty_stream, case_cancel_after_begin,
    case_cancel_after_first_response, case_timeout_on_sleeping_server;
interop_case case_client_compressed_unary, case_server_compressed_unary,
    case_client_compressed_streaming, case_server_compressed_streaming;
/* The same for servers that do not look whether requests are compressed. */
interop_case case_client_compressed_unary_noprobe,
    case_client_compressed_streaming_noprobe;

/* ---- What they share ---- */

void expect_code(const struct rpc_status *status, enum rpc_code code);

/* That a payload is there with a body of that many zeros. */
void expect_body(const Grpc__Testing__Payload *payload, size_t size);

/* The call is over and ended so; frees it. */
void expect_end(struct rpc_client_call *call, enum rpc_code code);

/* A large request, run to its end. With RPC_CODE_OK, the response is as large
   as was asked for. The call is still to be freed. */
struct rpc_client_call *large_call(const struct rpc_client *client,
    const struct rpc_call_options *options,
    const Grpc__Testing__SimpleRequest *like, enum rpc_code code);

/* Sends a request of a FullDuplexCall: a body of `body` bytes that asks for
   one of `response`; none when negative. */
void duplex_send(struct rpc_client_call *call, size_t body, int32_t response);

/* The next response of a stream has a body of that size. */
void duplex_expect(struct rpc_client_call *call, size_t size);
/* There are no more; ends as expect_end(). */
void duplex_expect_end(struct rpc_client_call *call, enum rpc_code code);

/* Sends a request of a StreamingInputCall. */
void input_send(struct rpc_client_call *call, size_t body,
    Grpc__Testing__BoolValue *expect_compressed);
/* Half-closes one; it ends well and has counted `total` bytes. Frees it. */
void input_expect(struct rpc_client_call *call, int32_t total);

#endif
