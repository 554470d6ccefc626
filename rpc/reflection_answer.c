#include "rpc/reflection_answer.h"

#include <stdlib.h>
#include <string.h>

#include "rpc/grpc_status.h"
#include "rpc/stub.h"

static void
answer_error(
    struct rpc_reflection_answer *answer, enum rpc_code code, const char *text)
{
	answer->error.error_code = (int32_t)code;
	answer->error.error_message = (char *)(uintptr_t)text;
	answer->response.message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
	answer->response.error_response = &answer->error;
}

/* `found` is how looking for the file ended. */
static enum status
answer_file(struct rpc_reflection_answer *answer,
    const struct rpc_reflection_source *source, enum status found, size_t file,
    const char *missing)
{
	struct bytes *files = NULL;
	size_t count = 0;
	enum status st;

	if (found == STATUS_NOT_FOUND) {
		answer_error(answer, RPC_CODE_NOT_FOUND, missing);
		return STATUS_OK;
	}
	if ((st = rpc_descriptor_index_closure(
		 source->index, file, &files, &count)) != STATUS_OK)
		return st;
	answer->file_data = calloc(count, sizeof(*answer->file_data));
	if (answer->file_data == NULL) {
		free(files);
		return STATUS_NOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		answer->file_data[i].data = (uint8_t *)(uintptr_t)files[i].data;
		answer->file_data[i].len = files[i].size;
	}
	free(files);
	answer->files.file_descriptor_proto = answer->file_data;
	answer->files.n_file_descriptor_proto = count;
	answer->response.message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
	answer->response.file_descriptor_response = &answer->files;
	return STATUS_OK;
}

static void
answer_numbers(struct rpc_reflection_answer *answer,
    const struct rpc_reflection_source *source, char *type)
{
	const int32_t *numbers = NULL;
	size_t count = 0;

	if (rpc_descriptor_index_numbers(
		source->index, type, &numbers, &count) != STATUS_OK) {
		answer_error(
		    answer, RPC_CODE_NOT_FOUND, "there is no such message");
		return;
	}
	answer->numbers.base_type_name = type;
	answer->numbers.extension_number = (int32_t *)(uintptr_t)numbers;
	answer->numbers.n_extension_number = count;
	answer->response.message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
	answer->response.all_extension_numbers_response = &answer->numbers;
}

static enum status
answer_list(struct rpc_reflection_answer *answer,
    const struct rpc_reflection_source *source)
{
	size_t count = source->service_count;

	answer->services = calloc(count + 1, sizeof(*answer->services));
	answer->service_list =
	    calloc(count + 1, sizeof(Grpc__Reflection__V1__ServiceResponse *));
	if (answer->services == NULL || answer->service_list == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < count; i++) {
		grpc__reflection__v1__service_response__init(
		    &answer->services[i]);
		answer->services[i].name =
		    (char *)(uintptr_t)source->services[i];
		answer->service_list[i] = &answer->services[i];
	}
	answer->list.service = answer->service_list;
	answer->list.n_service = count;
	answer->response.message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
	answer->response.list_services_response = &answer->list;
	return STATUS_OK;
}

static enum status
answer_request(struct rpc_reflection_answer *answer,
    const struct rpc_reflection_source *source)
{
	Grpc__Reflection__V1__ServerReflectionRequest *request =
	    answer->request;
	const Grpc__Reflection__V1__ExtensionRequest *extension;
	enum status found;
	size_t file = 0;

	switch (request->message_request_case) {
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
		found = rpc_descriptor_index_file(
		    source->index, request->file_by_filename, &file);
		return answer_file(
		    answer, source, found, file, "there is no such file");
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
		found = rpc_descriptor_index_symbol(
		    source->index, request->file_containing_symbol, &file);
		return answer_file(
		    answer, source, found, file, "there is no such symbol");
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
		extension = request->file_containing_extension;
		found = rpc_descriptor_index_extension(source->index,
		    extension->containing_type, extension->extension_number,
		    &file);
		return answer_file(
		    answer, source, found, file, "there is no such extension");
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
		answer_numbers(
		    answer, source, request->all_extension_numbers_of_type);
		return STATUS_OK;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
		return answer_list(answer, source);
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST__NOT_SET:
	case _GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST__CASE_IS_INT_SIZE:
		break;
	}
	answer_error(answer, RPC_CODE_INVALID_ARGUMENT,
	    "the request asks for nothing that this server knows");
	return STATUS_OK;
}

enum status
rpc_reflection_answer_init(struct rpc_reflection_answer *answer,
    const struct rpc_reflection_source *source, struct bytes request)
{
	ProtobufCMessage *unpacked = NULL;
	enum status st;

	memset(answer, 0, sizeof(*answer));
	grpc__reflection__v1__server_reflection_response__init(
	    &answer->response);
	grpc__reflection__v1__file_descriptor_response__init(&answer->files);
	grpc__reflection__v1__extension_number_response__init(&answer->numbers);
	grpc__reflection__v1__list_service_response__init(&answer->list);
	grpc__reflection__v1__error_response__init(&answer->error);
	if ((st = rpc_stub_unpack_within(
		 &grpc__reflection__v1__server_reflection_request__descriptor,
		 request, RPC_STUB_UNPACK_FACTOR_FLAT, &unpacked)) != STATUS_OK)
		return st;
	answer->request =
	    (Grpc__Reflection__V1__ServerReflectionRequest *)unpacked;
	answer->response.original_request = answer->request;
	answer->response.valid_host = answer->request->host;
	return answer_request(answer, source);
}

void
rpc_reflection_answer_clear(struct rpc_reflection_answer *answer)
{
	if (answer->request != NULL)
		protobuf_c_message_free_unpacked(&answer->request->base, NULL);
	free(answer->file_data);
	free(answer->services);
	free(answer->service_list);
	memset(answer, 0, sizeof(*answer));
}
