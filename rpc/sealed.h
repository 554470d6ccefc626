#ifndef RPC_SEALED_H
#define RPC_SEALED_H

/*
 * Sealed methods: the message on the wire is an envelope, and what it carries
 * is named by a method option (generator parameter `sealed_option`). Generated
 * code packs and unpacks what is inside; who makes and opens envelopes is a
 * peer behind the structs below, of which this folder knows nothing more.
 * Embed them as first members of your own.
 */

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "rpc/method.h"

struct rpc_server_call;

/* One constant for each sealed method, in generated code. */
struct rpc_sealed_method {
	/* The method on the wire: its request and response are envelopes. */
	const struct rpc_method *method;
	const char *path; /* "/peyk.v1.Messenger/Send" */
	const char *name; /* "Send" */
	unsigned index;   /* among the service's sealed methods, from 0 */
	/* What the envelopes hold. */
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
};

/* ---- Client ---- */

/* Who makes the requests' envelopes and opens those of the replies. */
struct rpc_sealed_client {
	/*
	 * Seals `body`, calls `method`, opens the reply and replaces `reply`
	 * with the body inside it. Its result is that of the generated
	 * function; `reply` counts on STATUS_OK only.
	 */
	enum status (*call)(struct rpc_sealed_client *peer,
	    const struct rpc_sealed_method *method, struct bytes body,
	    struct buf *reply);
};

/* What the generated client functions do. The response is the caller's. */
MUST_CHECK enum status rpc_sealed_client_call(struct rpc_sealed_client *peer,
    const struct rpc_sealed_method *method, const ProtobufCMessage *request,
    ProtobufCMessage **response);

/* ---- Server ---- */

/*
 * Every sealed RPC of a service arrives here, on the call's worker. `request`
 * is the serialized envelope and lives until the call is answered. The peer
 * opens it, now or later, and then calls the generated dispatch function with
 * a caller of its own making, or answers the call with a failure.
 */
struct rpc_sealed_server {
	void (*open)(struct rpc_sealed_server *peer,
	    struct rpc_server_call *call,
	    const struct rpc_sealed_method *method, struct bytes request);
};

/*
 * Who asks, and how to answer: made by the peer for one request, zero but for
 * the two functions. Handlers get it as the peer made it.
 */
struct rpc_sealed_caller {
	/* Seals `body` and answers the call. The caller may be gone after. */
	void (*reply)(struct rpc_sealed_caller *caller, struct bytes body);
	/* Instead, when the reply cannot even be packed: STATUS_NOMEM. */
	void (*fail)(struct rpc_sealed_caller *caller, enum status status);
	/* Set by dispatch. The request is freed by the generated reply
	   function, or by rpc_sealed_caller_clear(). */
	const struct rpc_sealed_method *method;
	ProtobufCMessage *request;
};

/* For who answers without a generated reply function: frees the request. */
void rpc_sealed_caller_clear(struct rpc_sealed_caller *caller);

/* What the generated reply functions do: pack, free the request, reply. */
void rpc_sealed_caller_reply(
    struct rpc_sealed_caller *caller, const ProtobufCMessage *response);

/*
 * What the generated dispatch functions begin with: unpacks `body` into
 * caller->request. STATUS_INVALID: it does not parse, or would take more than
 * 8 times its size and 64 KiB; STATUS_NOMEM.
 */
MUST_CHECK enum status rpc_sealed_caller_unpack(
    struct rpc_sealed_caller *caller, const struct rpc_sealed_method *method,
    struct bytes body);

#endif
