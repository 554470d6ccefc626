#ifndef PEYK_CHANNEL_SEQUENCE_H
#define PEYK_CHANNEL_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/keys.h"

/* The rule of numbers (docs/protocol.md section 6), as pure judgement. */

enum channel_sequence {
	CHANNEL_SEQUENCE_NEXT,   /* the one that comes next: do it */
	CHANNEL_SEQUENCE_REPEAT, /* the last request again: its result again */
	CHANNEL_SEQUENCE_REPLAY, /* used by another request: do nothing */
	CHANNEL_SEQUENCE_GAP,    /* too high: do nothing */
};

/*
 * Judges a request by its number and hash against the last one that was done
 * or refused. After WIRE_NUMBER_MAX nothing is next. The database decides
 * with the same rule in its own statement; this is for everybody else.
 */
enum channel_sequence channel_sequence_judge(uint64_t last,
    const struct sha256_digest *last_hash, uint64_t number,
    const struct sha256_digest *hash);

/* An account's first number, from 64 random bits. */
uint64_t channel_sequence_first(uint64_t random);

/* Whether a SignUp may begin with it. */
bool channel_sequence_is_first(uint64_t number);

#endif
