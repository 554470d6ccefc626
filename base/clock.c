#include "base/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t
clock_read_us(clockid_t clock)
{
	struct timespec now;
	int result = clock_gettime(clock, &now);

	/* Fails only for a clock that Linux does not have. */
	assert(result == 0);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
clock_wall_ms(void)
{
	return clock_read_us(CLOCK_REALTIME) / 1000;
}

uint64_t
clock_monotonic_ms(void)
{
	return clock_read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t
clock_monotonic_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}
