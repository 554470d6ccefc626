#ifndef PEYK_SERVER_STORE_INBOX_H
#define PEYK_SERVER_STORE_INBOX_H

#include <stddef.h>

#include <libpq-fe.h>

#include "base/status.h"
#include "server/store/operation.h"

/*
 * The memory of a fetch's results: the messages point into the rows that libpq
 * received, so that bodies are not copied.
 */
struct inbox {
	PGresult *result;
	size_t count;
	struct store_inbox_message messages[];
};

/*
 * From the rows of STATEMENT_FETCH, which it takes, also when it fails.
 * has_more: rows were left behind. STATUS_NOMEM.
 */
MUST_CHECK enum status inbox_new_take(PGresult *result, bool *has_more,
    struct inbox **out);

/* NULL is fine. */
void inbox_free(struct inbox *inbox);

#endif
