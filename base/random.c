#include "base/random.h"

#include <sodium.h>

void
random_bytes(void *out, size_t size)
{
	if (size > 0)
		randombytes_buf(out, size);
}

uint64_t
random_u64(void)
{
	uint64_t value;

	randombytes_buf(&value, sizeof(value));
	return value;
}

uint32_t
random_below(uint32_t bound)
{
	return randombytes_uniform(bound);
}
