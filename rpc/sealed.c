#include "rpc/sealed.h"

#include <stdlib.h>

#include "rpc/stub.h"

/* Bounds what a message of ours packs to; envelopes have limits of their own.
 */
#define MAX_BODY_BYTES ((size_t)1 << 30)

enum status
rpc_sealed_client_call(struct rpc_sealed_client *peer,
    const struct rpc_sealed_method *method, const ProtobufCMessage *request,
    ProtobufCMessage **response)
{
	struct buf body, reply;
	enum status st;

	buf_init_secret(&body, MAX_BODY_BYTES);
	buf_init_secret(&reply, MAX_BODY_BYTES);
	if ((st = rpc_stub_pack(request, &body)) != STATUS_OK ||
	    (st = peer->call(peer, method, buf_bytes(&body), &reply)) !=
		STATUS_OK)
		goto out;
	st = rpc_stub_unpack_within(method->response, buf_bytes(&reply),
	    RPC_STUB_UNPACK_FACTOR_FLAT, response);
out:
	buf_clear(&body);
	buf_clear(&reply);
	return st;
}

void
rpc_sealed_caller_clear(struct rpc_sealed_caller *caller)
{
	if (caller->request != NULL)
		protobuf_c_message_free_unpacked(caller->request, NULL);
	caller->request = NULL;
}

void
rpc_sealed_caller_reply(
    struct rpc_sealed_caller *caller, const ProtobufCMessage *response)
{
	struct buf body;
	enum status st;

	buf_init_secret(&body, MAX_BODY_BYTES);
	st = rpc_stub_pack(response, &body);
	/* Only now: the response may point into the request. */
	rpc_sealed_caller_clear(caller);
	if (st == STATUS_OK)
		caller->reply(caller, buf_bytes(&body));
	else
		caller->fail(caller, st);
	buf_clear(&body);
}

enum status
rpc_sealed_caller_unpack(struct rpc_sealed_caller *caller,
    const struct rpc_sealed_method *method, struct bytes body)
{
	rpc_sealed_caller_clear(caller);
	caller->method = method;
	return rpc_stub_unpack_within(method->request, body,
	    RPC_STUB_UNPACK_FACTOR_FLAT, &caller->request);
}
