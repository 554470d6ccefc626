#ifndef PEYK_CLIENT_GROUP_EFFECTS_H
#define PEYK_CLIENT_GROUP_EFFECTS_H

#include "base/status.h"
#include "client/session.h"
#include "client/session_request.h"

/*
 * What the requests of client/group_admin.c do to this account when the
 * server has done them. All that is needed besides the reply lies in the
 * request's row of group_updates, which goes with it into the outbox.
 */

/* Why a row of group_updates is there. The numbers are stored. */
enum group_effect {
	GROUP_EFFECT_CREATE = 1, /* name, invited */
	GROUP_EFFECT_ENTER = 2,  /* group, epoch, roster and key */
	GROUP_EFFECT_LEAVE = 3,  /* group, epoch of the statement */
	GROUP_EFFECT_DELETE = 4, /* group, its last epoch */
};

/*
 * Effects of a reply (client/session_request.h), in the transaction that
 * removes the request from the outbox. A reply to a request without a row, such
 * as one that was made by hand (peyk seal), has none.
 */
MUST_CHECK enum status group_effects_apply(
    struct session *session, const struct session_reply *reply);

#endif
