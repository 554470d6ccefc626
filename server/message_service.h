#ifndef PEYK_SERVER_MESSAGE_SERVICE_H
#define PEYK_SERVER_MESSAGE_SERVICE_H

#include "gen/peyk/v1/messenger.grpc-c.h"
#include "server/waiters.h"

/*
 * Handing over and fetching messages (docs/protocol.md sections 10 and 11).
 * Handlers of sealed RPCs: they run on the call's worker.
 */

void message_service_send(
    struct rpc_sealed_caller *caller, const Peyk__V1__SendRequest *request);

/*
 * A poll that finds nothing and may wait is parked: its headers go out, no
 * thread is held, and it ends when something arrives, its time is over, a
 * newer poll of the account replaces it, the client goes, or the server stops.
 */
void message_service_poll(struct waiters *waiters,
    struct rpc_sealed_caller *caller, const Peyk__V1__PollRequest *request);

#endif
