#include "channel/sequence.h"

#include "wire/limits.h"

enum channel_sequence
channel_sequence_judge(uint64_t last, const struct sha256_digest *last_hash,
    uint64_t number, const struct sha256_digest *hash)
{
	if (number < last)
		return CHANNEL_SEQUENCE_REPLAY;
	if (number == last)
		return sha256_digest_equal(last_hash, hash) ?
		    CHANNEL_SEQUENCE_REPEAT : CHANNEL_SEQUENCE_REPLAY;
	/* number > last, so the subtraction cannot wrap. */
	if (number - last == 1 && number <= WIRE_NUMBER_MAX)
		return CHANNEL_SEQUENCE_NEXT;
	return CHANNEL_SEQUENCE_GAP;
}

uint64_t
channel_sequence_first(uint64_t random)
{
	return random % WIRE_FIRST_SEQUENCE_END;
}

bool
channel_sequence_is_first(uint64_t number)
{
	return number < WIRE_FIRST_SEQUENCE_END;
}
