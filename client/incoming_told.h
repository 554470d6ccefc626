#ifndef PEYK_CLIENT_INCOMING_TOLD_H
#define PEYK_CLIENT_INCOMING_TOLD_H

#include "base/status.h"
#include "client/error.h"
#include "client/session.h"

/* What receiving tells besides the messages that were asked for. */

/* NOTICE_SET_ASIDE, once for each reason, of what was not told of yet. */
MUST_CHECK enum status incoming_tell_set_aside(
    struct session *session, struct client_error *error);

/*
 * NOTICE_OTHERS_WAITING: more messages of other conversations are waiting than
 * when it was told of last. NULL: all were asked for.
 */
MUST_CHECK enum status incoming_tell_others(struct session *session,
    const char *conversation, struct client_error *error);

#endif
