#ifndef PEYK_CLIENT_STATE_ACKS_H
#define PEYK_CLIENT_STATE_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "base/uuid.h"
#include "client/state.h"

/*
 * Acknowledgements, and what was set aside, in state.db; errors as in
 * client/state.h.
 */

#define STATE_INBOX_ID_SIZE UUID_SIZE

/*
 * Set-aside ciphertexts that are kept, so that nobody can fill the disk with
 * them: 32 MiB. The oldest go first.
 */
#define STATE_SET_ASIDE_MAX 256

/* ---- Acknowledgements ---- */

/* Remembers that a message is safely stored. Repeats are fine. */
MUST_CHECK enum status state_ack_add(
    struct state *state, const uint8_t inbox_id[STATE_INBOX_ID_SIZE]);

/*
 * Puts up to limit of them into the poll of this number: 16 bytes each,
 * joined, appended to out.
 */
MUST_CHECK enum status state_ack_assign(
    struct state *state, uint64_t sequence, size_t limit, struct buf *out);
/* Whether one waits for it to be acknowledged: the server may repeat it. */
MUST_CHECK enum status state_ack_has(struct state *state,
    const uint8_t inbox_id[STATE_INBOX_ID_SIZE], bool *out);
MUST_CHECK enum status state_ack_count(struct state *state, uint64_t *out);

/* The polls up to this number were done: their acknowledgements with them. */
MUST_CHECK enum status state_ack_settle(struct state *state, uint64_t sequence);
/* The poll of this number was refused: they are open again. */
MUST_CHECK enum status state_ack_reopen(struct state *state, uint64_t sequence);

/*
 * The reply of this poll is taken. *is_next false: that of a later one was
 * before, so that what this one has is here already, or comes again.
 */
MUST_CHECK enum status state_poll_take(
    struct state *state, uint64_t sequence, bool *is_next);

/* ---- What cannot be read ---- */

/*
 * Repeats change nothing. What is longer than any message is kept without
 * its ciphertext. reason: a word for us.
 */
MUST_CHECK enum status state_set_aside(struct state *state,
    const uint8_t inbox_id[STATE_INBOX_ID_SIZE], struct bytes ciphertext,
    uint64_t stored_at_ms, const char *reason);

/*
 * How many the user was not told of yet (reason: for this one; NULL: for any);
 * and marks them as told.
 */
MUST_CHECK enum status state_set_aside_count_untold(
    struct state *state, const char *reason, uint64_t *out);
MUST_CHECK enum status state_set_aside_mark_told(struct state *state);

#endif
