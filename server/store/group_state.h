#ifndef PEYK_SERVER_STORE_GROUP_STATE_H
#define PEYK_SERVER_STORE_GROUP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/bytes.h"
#include "base/status.h"

/* How a group stands, as STATEMENT_READ_GROUP found it for one account. */
struct group_state {
	PGresult *result; /* what the bytes point into */
	bool is_there;
	bool is_member;   /* the account; it has not left */
	uint32_t epoch;
	int64_t admin_id;
	struct bytes name;
	struct bytes roster;
	struct bytes next_share;
	struct bytes member_keys; /* one after the other */
	size_t leave_count;
	struct bytes leaves[];
};

/* Takes result, also when it fails with STATUS_NOMEM. */
MUST_CHECK enum status group_state_new_take(PGresult *result,
    struct group_state **out);

/* NULL is fine. */
void group_state_free(struct group_state *state);

#endif
