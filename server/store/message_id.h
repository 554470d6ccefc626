#ifndef PEYK_SERVER_STORE_MESSAGE_ID_H
#define PEYK_SERVER_STORE_MESSAGE_ID_H

#include <stdint.h>

/*
 * Ids of messages: UUIDv7 (RFC 9562 section 5.7), whose 74 bits after the time
 * are random in the first id of a millisecond and count up from there, so that
 * the order of one sender's ids is the order of its messages.
 */

/*
 * The next id at the given time. It is above previous (NULL: there is none),
 * also where the clock has gone back or another server's is ahead.
 */
void message_id_next(const uint8_t *previous, uint64_t wall_ms,
    uint8_t out[16]);

/* The id that counts one up. */
void message_id_increment(uint8_t id[16]);

#endif
