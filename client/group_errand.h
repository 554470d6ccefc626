#ifndef PEYK_CLIENT_GROUP_ERRAND_H
#define PEYK_CLIENT_GROUP_ERRAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/session.h"
#include "client/state_groups.h"
#include "rpc/sealed.h"

/*
 * A request about a group on its way to its outcome: made for one state of the
 * group, and void in another. All borrowed.
 */
struct group_errand {
	const struct rpc_sealed_method *method;
	struct bytes body;
	/* What its effects need (client/group_effects.h), but the sequence. */
	struct state_group_update row;
	/* Where it was refused or void: the gRPC code, or ABORTED. */
	uint32_t code;
};

/* How often a request is made anew for what a group has become meanwhile. */
#define GROUP_ERRAND_ATTEMPTS 5

/*
 * Sends it. *is_done false with STATUS_OK: the group is another than the one
 * that it was made for; look, and make it anew. STATUS_DENIED (exit 6): refused
 * for good, in words. Failures of session.h.
 */
MUST_CHECK enum status group_errand_run(struct session *session,
    struct group_errand *errand, bool *is_done, struct client_error *error);

/* After GROUP_ERRAND_ATTEMPTS: STATUS_BUSY (exit 1). */
enum status group_errand_give_up(struct client_error *error);

#endif
