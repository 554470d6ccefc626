#ifndef RPC_METHOD_H
#define RPC_METHOD_H

/* What generated code says about one method of a service. */

#include <protobuf-c/protobuf-c.h>

/* On which side messages stream. */
enum rpc_method_kind {
	RPC_METHOD_UNARY,
	RPC_METHOD_SERVER_STREAMING,
	RPC_METHOD_CLIENT_STREAMING,
	RPC_METHOD_BIDI_STREAMING,
};

/* One method, a constant of generated code. */
struct rpc_method {
	const char *path;    /* "/package.Service/Method" */
	const char *service; /* "package.Service" */
	const char *name;    /* "Method" */
	enum rpc_method_kind kind;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
};

#endif
