#ifndef PEYK_BASE_CLOCK_H
#define PEYK_BASE_CLOCK_H

#include <stdint.h>

/* The clocks. channel and e2ee take times as arguments instead. Any thread. */

/* Milliseconds since 1970-01-01 UTC. May jump when the clock is set. */
uint64_t clock_wall_ms(void);

/* Milliseconds and microseconds since some start; they never go back. */
uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);

#endif
