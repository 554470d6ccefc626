#ifndef PEYK_CLIENT_BY_HAND_H
#define PEYK_CLIENT_BY_HAND_H

#include <stdbool.h>

#include "base/buf.h"
#include "client/application.h"
#include "client/exit_code.h"
#include "rpc/sealed.h"

/* What `peyk seal` and `peyk open` have in common. */

#define BY_HAND_SERVICE "peyk.v1.Messenger"
/* The one method that is not sealed. */
#define BY_HAND_CLEAR_METHOD "GetServerInfo"

/*
 * Which method is meant: "Send", "Messenger/Send", "peyk.v1.Messenger/Send",
 * with a slash before it, or with a point in its place. *out is NULL for
 * GetServerInfo. Says so itself when there is none such (exit 2).
 */
MUST_CHECK enum exit_code by_hand_find_method(
    const struct application *application, const char *name,
    const struct rpc_sealed_method **out);

/*
 * Appends standard input, to its end. Says so itself when it is longer than
 * the limit of out, or to be the password as well (exit 2), or cannot be read.
 */
MUST_CHECK enum exit_code by_hand_read_input(
    const struct application *application, struct buf *out);

#endif
