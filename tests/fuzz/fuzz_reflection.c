/* A client's request to server reflection, against the messenger's files. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "gen/peyk/v1/messenger.grpc-c.h"
#include "rpc/reflection_answer.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_message;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_message;

static const char *const services[] = {
    "grpc.reflection.v1.ServerReflection", "peyk.v1.Messenger"};

static struct rpc_reflection_source source = {
    .services = services, .service_count = 2};

static struct bytes
pack(const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *data = malloc(size > 0 ? size : 1);

	FUZZ_CHECK(data != NULL);
	FUZZ_CHECK(protobuf_c_message_pack(message, data) == size);
	return bytes_make(data, size);
}

/* What was asked comes back, and an answer of one kind with it. */
static void
check_response(const response_message *response, const request_message *asked)
{
	struct bytes echo = pack(&response->original_request->base);
	struct bytes request = pack(&asked->base);

	FUZZ_CHECK(bytes_equal(echo, request));
	FUZZ_CHECK(strcmp(response->valid_host, asked->host) == 0);
	free((void *)(uintptr_t)echo.data);
	free((void *)(uintptr_t)request.data);
	switch (response->message_response_case) {
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE:
		FUZZ_CHECK(response->error_response->error_code == 3 ||
			   response->error_response->error_code == 5);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE:
		FUZZ_CHECK(response->file_descriptor_response
			       ->n_file_descriptor_proto > 0);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE:
		FUZZ_CHECK(response->list_services_response->n_service == 2);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE:
		break;
	default:
		FUZZ_CHECK(false); /* an answer of no kind */
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rpc_descriptors *const files[] = {
	    &peyk_v1_messenger_descriptors};
	static struct rpc_descriptor_index *index;
	struct rpc_reflection_answer answer;
	enum status st;

	if (index == NULL)
		FUZZ_CHECK(
		    rpc_descriptor_index_new(files, 1, &index) == STATUS_OK);
	source.index = index;
	st = rpc_reflection_answer_init(
	    &answer, &source, bytes_make(data, size));
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	if (st == STATUS_OK) {
		struct bytes packed = pack(&answer.response.base);
		response_message *response =
		    grpc__reflection__v1__server_reflection_response__unpack(
			NULL, packed.size, packed.data);

		FUZZ_CHECK(response != NULL);
		check_response(response, answer.request);
		grpc__reflection__v1__server_reflection_response__free_unpacked(
		    response, NULL);
		free((void *)(uintptr_t)packed.data);
	}
	rpc_reflection_answer_clear(&answer);
	return 0;
}
