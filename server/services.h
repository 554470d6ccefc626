#ifndef PEYK_SERVER_SERVICES_H
#define PEYK_SERVER_SERVICES_H

#include "gen/peyk/v1/messenger.grpc-c.h"
#include "server/account_service.h"
#include "server/info_service.h"
#include "server/waiters.h"

/* The tables of handlers, and what all of them share. */

/* Passed to every handler. Read only; what it points to outlives the calls. */
struct services {
	struct account_service account;
	struct info_service *info;
	struct waiters *waiters;
};

extern const struct messenger_handlers services_plain;
extern const struct messenger_sealed_handlers services_sealed;

#endif
