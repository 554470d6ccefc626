#ifndef PEYK_SERVER_STORE_BATCH_H
#define PEYK_SERVER_STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/store/pipeline.h"
#include "server/store/operation.h"

/* Accounts for which messages were stored, each once. */
struct batch_mail {
	int64_t *account_ids;
	size_t count;
	size_t capacity;
};

void batch_mail_clear(struct batch_mail *mail);

/*
 * Runs operations as one transaction of three round trips:
 *
 *	1  BEGIN, what the outcomes depend on: keys, accounts, names, groups
 *	2  claim the numbers that are next; names and keys of sign-ups; lock the
 *	   groups that change
 *	3  deliver, acknowledge, fetch; accounts of sign-ups; COMMIT
 *
 * and, if what was fetched is shared with other recipients, a fourth for that.
 *
 * At most one operation of an account may be among them (fetches aside), and at
 * most one that changes a group; they are sorted here.
 *
 * DATABASE_FAILURE_NONE: committed; results are set, except in operations with
 * is_deferred: another transaction came first with their account, name or key,
 * and they did nothing; run them again. mail has the recipients.
 *
 * Otherwise nothing is committed, or, where is_in_doubt was set in the
 * operations, perhaps all is; operations hold no results. After
 * DATABASE_FAILURE_LOST close the connection; after others it can be used.
 */
MUST_CHECK enum database_failure batch_run(struct pipeline *pipeline,
    struct store_operation **operations, size_t count,
    struct batch_mail *mail);

#endif
