#ifndef PEYK_SERVER_STORE_SEND_RESULT_H
#define PEYK_SERVER_STORE_SEND_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "server/store/operation.h"

/*
 * What is stored as the result of a Send: one byte of format (1), one byte for
 * each outcome, and the id of the first stored message, if there is one. The
 * ids of the others follow by message_id_increment().
 */
#define SEND_RESULT_MAX (1 + STORE_SEND_MAX + STORE_ID_SIZE)

/*
 * Sets the ids of the stored messages, counting up from first_id, and last_id
 * to the last of them; encodes the result. Returns its size. last_id stays
 * untouched if nothing is stored.
 */
size_t send_result_assign(struct store_send_message *messages, size_t count,
    const uint8_t first_id[16], uint8_t last_id[16],
    uint8_t out[SEND_RESULT_MAX]);

/* Sets outcomes and ids; STATUS_INVALID if it is no result for count. */
MUST_CHECK enum status send_result_decode(struct bytes result,
    struct store_send_message *messages, size_t count);

#endif
