#ifndef PEYK_SERVER_PEER_H
#define PEYK_SERVER_PEER_H

#include "base/status.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "rpc/sealed.h"
#include "server/caller.h"

/*
 * The server's end of the sealed channel: every sealed RPC arrives here, on
 * its worker, and goes on to its handler once it is known who sent it.
 *
 *	envelope --> sealing key --> open, verify --> account --> handler
 *	   |             |                |              |           |
 *	INVALID_     FAILED_         UNAUTHENTICATED (one text)    sealed
 *	ARGUMENT     PRECONDITION                                  outcomes
 *
 * The number is judged by the database alone, in the transaction of the
 * operation (docs/protocol.md sections 5 and 6).
 */
struct peer {
	struct rpc_sealed_server sealed; /* first */
	const struct caller_context *context;
	const struct messenger_sealed_handlers *handlers;
	void *service;
};

/* Plain values; all are borrowed and outlive the server's calls. */
void peer_init(struct peer *peer, const struct caller_context *context,
    const struct messenger_sealed_handlers *handlers, void *service);

#endif
