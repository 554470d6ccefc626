#ifndef PEYK_SERVER_STORE_OPERATION_LOAD_H
#define PEYK_SERVER_STORE_OPERATION_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "server/store/operation.h"

/* What an operation means for the queue, and for the batch that takes it. */

/* The bytes that its inputs hold, and some more; asserts their limits. */
size_t operation_bytes(const struct store_operation *operation);

/* How many times it reads, or writes to, the members of a group. */
size_t operation_fan_out(const struct store_operation *operation);

/*
 * What a batch may hold but once: the account; for a sign-up, which has none
 * yet, its key. 0: it does not matter. That two keys may look alike only costs
 * one of them a turn.
 */
int64_t operation_subject(const struct store_operation *operation);

/* The group that it changes, of which a batch may hold but one; 0: none. */
int64_t operation_changed_group(const struct store_operation *operation);

#endif
