#ifndef PEYK_BASE_RANDOM_H
#define PEYK_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Random numbers fit for keys, from the kernel through libsodium. They cannot
 * fail: without a source of randomness the process aborts. Any thread.
 */

void random_bytes(void *out, size_t size);

/* Uniform over all 64 bits. */
uint64_t random_u64(void);

/* Uniform in 0 to bound - 1, without bias; 0 for a bound of 0 or 1. */
uint32_t random_below(uint32_t bound);

#endif
