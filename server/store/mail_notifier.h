#ifndef PEYK_SERVER_STORE_MAIL_NOTIFIER_H
#define PEYK_SERVER_STORE_MAIL_NOTIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "server/store/store.h"

/*
 * Tells the other servers of a database that messages were committed, and
 * hears it from them: NOTIFY and LISTEN on one connection of its own, on one
 * thread. NOTIFY in the transactions that store would serialise their commits.
 *
 * It helps, no more: while the connection is away posts wait (and merge into
 * “everyone”), and when it is back everyone is told to look.
 */
struct mail_notifier;

/* Accounts in one notification; beyond it says “everyone”. */
#define MAIL_NOTIFIER_IDS_MAX ((size_t)400)

/* Starts the thread; strings and callbacks are copied. */
MUST_CHECK enum status mail_notifier_start(const char *conninfo,
    const struct store_callbacks *callbacks, struct mail_notifier **out);

/* Tells the other servers; any thread; does not block. */
void mail_notifier_post(struct mail_notifier *notifier,
    const int64_t *account_ids, size_t count);

/* Joins the thread and frees; posts are sent if that is possible at once. */
void mail_notifier_stop(struct mail_notifier *notifier);

/*
 * The payload: 16 hex digits that name the sending server, a colon, and the
 * accounts in hex with commas between, or "*" for everyone. At most 7,900
 * bytes, which PostgreSQL's limit of 8,000 allows.
 */
MUST_CHECK enum status mail_payload_encode(uint64_t server_id,
    const int64_t *account_ids, size_t count, bool is_everyone,
    struct buf *out);

/* What a payload says. *count is 0 for everyone. STATUS_INVALID. */
MUST_CHECK enum status mail_payload_decode(struct bytes payload,
    uint64_t *server_id, int64_t account_ids[MAIL_NOTIFIER_IDS_MAX],
    size_t *count);

#endif
