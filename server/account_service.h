#ifndef PEYK_SERVER_ACCOUNT_SERVICE_H
#define PEYK_SERVER_ACCOUNT_SERVICE_H

#include <stdbool.h>

#include "gen/peyk/v1/messenger.grpc-c.h"
#include "server/hasher.h"

/*
 * Opening accounts and looking up keys (docs/protocol.md sections 6 to 8).
 * Handlers of sealed RPCs: they run on the call's worker.
 */

/* Read only, so any thread. */
struct account_service {
	struct hasher *hasher;
	bool is_registration_open;
};

void account_service_sign_up(const struct account_service *service,
    struct rpc_sealed_caller *caller, const Peyk__V1__SignUpRequest *request);

void account_service_get_public_key(struct rpc_sealed_caller *caller,
    const Peyk__V1__GetPublicKeyRequest *request);

#endif
