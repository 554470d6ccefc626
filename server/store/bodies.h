#ifndef PEYK_SERVER_STORE_BODIES_H
#define PEYK_SERVER_STORE_BODIES_H

#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/bytes.h"
#include "base/status.h"

/*
 * What the messages of a batch's fetches share with those of other recipients:
 * looked for once, however many fetch it. A zeroed one is empty.
 */
struct body {
	int64_t group_id;
	uint8_t id[16];
	struct bytes bytes; /* empty until it is found */
};

struct bodies {
	struct body *all;
	size_t count, capacity;
	PGresult **results; /* what bytes point into */
	size_t result_count;
};

void bodies_clear(struct bodies *bodies);

/* STATUS_NOMEM. */
MUST_CHECK enum status bodies_want(struct bodies *bodies, int64_t group_id,
    const uint8_t id[16]);

/* Once all are wanted: by group, then by id, each once. */
void bodies_sort(struct bodies *bodies);

/* The number of those of one group, from one of them on. */
size_t bodies_run(const struct bodies *bodies, size_t first);

/*
 * The rows of STATEMENT_READ_BODIES for that run. Takes result, also when it
 * fails with STATUS_NOMEM.
 */
MUST_CHECK enum status bodies_add_take(struct bodies *bodies,
    int64_t group_id, PGresult *result);

/* Empty if it is not there (any more). */
struct bytes bodies_find(const struct bodies *bodies, int64_t group_id,
    const uint8_t id[16]);

#endif
