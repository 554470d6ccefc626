#ifndef PEYK_SERVER_STORE_INBOX_H
#define PEYK_SERVER_STORE_INBOX_H

#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/status.h"
#include "server/store/bodies.h"
#include "server/store/operation.h"

/*
 * The memory of a fetch's results: the messages point into the rows that libpq
 * received, so that bodies are not copied; but for those that are shared with
 * other recipients, whose fetches may end later.
 */
struct inbox {
	PGresult *result;
	uint8_t *shared;
	size_t count;
	struct store_inbox_message messages[];
};

/*
 * From the rows of STATEMENT_FETCH, which it takes, also when it fails.
 * has_more: rows were left behind. STATUS_NOMEM.
 */
MUST_CHECK enum status inbox_new_take(PGresult *result, bool *has_more,
    struct inbox **out);

/* The shared bodies that its messages point to. STATUS_NOMEM. */
MUST_CHECK enum status inbox_want_bodies(const struct inbox *inbox,
    struct bodies *bodies);

/*
 * Once they are found; once. A message whose body is gone is left out: it has
 * been acknowledged meanwhile. STATUS_NOMEM.
 */
MUST_CHECK enum status inbox_add_bodies(struct inbox *inbox,
    const struct bodies *bodies);

/* NULL is fine. */
void inbox_free(struct inbox *inbox);

#endif
