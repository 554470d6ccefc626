#ifndef RPC_HEALTH_H
#define RPC_HEALTH_H

/*
 * The health service, grpc.health.v1: Check, List and Watch.
 *
 *	rpc_health_new -> rpc_health_register -> rpc_server_start -> ...
 *	-> rpc_health_shutdown -> rpc_server_close -> rpc_server_stop
 *	-> rpc_server_free -> rpc_health_free
 *
 * The name "" is the server as a whole. A service of the server is in the same
 * state as that, unless it was added with a state of its own. To begin with
 * everything is SERVING.
 *
 * rpc_health_add(), rpc_health_set() and rpc_health_shutdown() may be called
 * from any thread, also before the server has started and after it stopped.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct rpc_health;
struct rpc_server;

/* Bytes of a service's name. */
#define RPC_HEALTH_NAME_MAX 255

/*
 * Calls of Watch at once; another one ends in RESOURCE_EXHAUSTED. A client that
 * does not read is told the latest state when it does: each costs what a parked
 * call costs and not more.
 */
#define RPC_HEALTH_WATCHES_MAX 4096

/* Services that List tells; it ends in RESOURCE_EXHAUSTED if there are more. */
#define RPC_HEALTH_LIST_MAX 100

/* STATUS_NOMEM. */
MUST_CHECK enum status rpc_health_new(struct rpc_health **health);

/*
 * Before rpc_server_start(), for one server; other services may be registered
 * later. STATUS_NOMEM, STATUS_EXISTS (the server has a health service).
 */
MUST_CHECK enum status rpc_health_register(
    struct rpc_health *health, struct rpc_server *server);

/*
 * Gives a service a state of its own; it need not be one of the server's.
 * STATUS_EXISTS: it has one. STATUS_INVALID: the name is too long.
 * STATUS_NOMEM.
 */
MUST_CHECK enum status rpc_health_add(
    struct rpc_health *health, const char *service, bool is_serving);

/* SERVING or NOT_SERVING. No-op for a service that was not added, "" aside. */
void rpc_health_set(
    struct rpc_health *health, const char *service, bool is_serving);

/* Everything is NOT_SERVING from here on, whatever is set or added later. */
void rpc_health_shutdown(struct rpc_health *health);

/* After rpc_server_free(). NULL is a no-op. */
void rpc_health_free(struct rpc_health *health);

#endif
