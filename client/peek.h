#ifndef PEYK_CLIENT_PEEK_H
#define PEYK_CLIENT_PEEK_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/session.h"

/*
 * What the messages of a Poll's reply say, without any effect: they stay as
 * new as they were. payload is the reply in JSON, body the same as bytes; each
 * of its messages gets "opened": an object with id, from, text, sent_at and
 * author (docs/client.md), or null. STATUS_INVALID: the two do not fit.
 * Failures of client/state.h.
 */
MUST_CHECK enum status peek_add_messages(
    struct session *session, struct bytes body, json_t *payload);

#endif
