#ifndef PEYK_SERVER_INFO_SERVICE_H
#define PEYK_SERVER_INFO_SERVICE_H

#include <stdbool.h>

#include "base/status.h"
#include "crypto/keys.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "server/keyring.h"
#include "server/server_identity.h"

/* GetServerInfo (docs/protocol.md section 2): the one RPC in the clear. */

/* How long one signed answer serves everybody: anyone may ask, for nothing. */
#define INFO_SERVICE_AGE_MAX_MS 1000

struct info_service_options {
	const struct server_identity *identity; /* borrowed */
	struct keyring *keyring;                /* borrowed */
	bool has_tls_certificate;
	struct sha256_digest tls_certificate;
	bool is_registration_open;
};

/* Any thread, one mutex. */
struct info_service;

MUST_CHECK enum status info_service_new(
    const struct info_service_options *options, struct info_service **out);

/* NULL is a no-op. */
void info_service_free(struct info_service *service);

/* The handler. */
void info_service_get(
    struct info_service *service, struct rpc_server_call *call);

#endif
