#ifndef PEYK_CLIENT_GROUP_LEAVES_H
#define PEYK_CLIENT_GROUP_LEAVES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/session.h"
#include "wire/roster.h"

/*
 * Inside a transaction: a member has left. roster: of the epoch that is
 * entered. statement: the signed Leave, which leave_open() has verified as
 * *leave. *counts: it is of this epoch and this roster (docs/protocol.md section
 * 13); it is remembered then, and told in the history, once. Otherwise nothing
 * is done. Nobody leaves by it who is the admin, or oneself.
 */
MUST_CHECK enum status group_leaves_take(struct session *session,
    const struct roster *roster, struct bytes statement,
    const struct leave *leave, uint64_t stored_at_ms, bool *counts);

#endif
