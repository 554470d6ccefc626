#include "server/store/message_id.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "base/random.h"

#define VERSION UINT64_C(0x7000)
#define VARIANT (UINT64_C(2) << 62)
#define RANDOM_B_MAX ((UINT64_C(1) << 62) - 1)

/*
 * The layout as two big-endian halves: 48 bits of time, 4 of version, 12 of
 * counter; 2 of variant, 62 of counter.
 */
void
message_id_increment(uint8_t id[16])
{
	uint64_t high = bytes_get_u64be(id);
	uint64_t low = bytes_get_u64be(id + 8) & RANDOM_B_MAX;

	if (low < RANDOM_B_MAX) {
		low++;
	} else {
		uint64_t time = high >> 16;
		uint64_t counter = (high & 0xfff) + 1;

		low = 0;
		if (counter > 0xfff) {
			counter = 0;
			time++;
		}
		high = time << 16 | VERSION | counter;
	}
	bytes_put_u64be(id, high);
	bytes_put_u64be(id + 8, VARIANT | low);
}

void
message_id_next(const uint8_t *previous, uint64_t wall_ms, uint8_t out[16])
{
	if (previous != NULL && bytes_get_u64be(previous) >> 16 >= wall_ms) {
		memmove(out, previous, 16);
		message_id_increment(out);
		return;
	}
	bytes_put_u64be(out,
	    wall_ms << 16 | VERSION | (random_u64() & 0xfff));
	bytes_put_u64be(out + 8, VARIANT | (random_u64() & RANDOM_B_MAX));
}
