#ifndef RPC_REFLECTION_ANSWER_H
#define RPC_REFLECTION_ANSWER_H

/* What reflection answers to one request, from bytes to a message. No I/O. */

#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "gen/grpc/reflection/v1/reflection.pb-c.h"
#include "rpc/descriptor_index.h"

/* What there is to tell. Read only. */
struct rpc_reflection_source {
	const struct rpc_descriptor_index *index;
	const char *const *services; /* full names */
	size_t service_count;
};

/* `response` points into the rest, and into the source. */
struct rpc_reflection_answer {
	Grpc__Reflection__V1__ServerReflectionResponse response;
	Grpc__Reflection__V1__ServerReflectionRequest *request;
	Grpc__Reflection__V1__FileDescriptorResponse files;
	Grpc__Reflection__V1__ExtensionNumberResponse numbers;
	Grpc__Reflection__V1__ListServiceResponse list;
	Grpc__Reflection__V1__ErrorResponse error;
	ProtobufCBinaryData *file_data;
	Grpc__Reflection__V1__ServiceResponse *services;
	Grpc__Reflection__V1__ServiceResponse **service_list;
};

/*
 * `request` is a serialized ServerReflectionRequest of v1 or of v1alpha, which
 * are the same on the wire; so is the response. What cannot be found is told in
 * it. STATUS_INVALID: the request does not parse (or memory ran out, see
 * rpc_stub_unpack()); STATUS_NOMEM. Clear it in any case.
 */
MUST_CHECK enum status rpc_reflection_answer_init(
    struct rpc_reflection_answer *answer,
    const struct rpc_reflection_source *source, struct bytes request);

void rpc_reflection_answer_clear(struct rpc_reflection_answer *answer);

#endif
