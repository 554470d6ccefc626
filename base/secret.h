#ifndef PEYK_BASE_SECRET_H
#define PEYK_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Memory that holds secrets. All functions are safe in any thread. */

/* Zeroes memory; no compiler leaves it out. NULL with size 0 is fine. */
void secret_wipe(void *memory, size_t size);

/* Compares in time that depends on size alone. */
bool secret_equal(const void *a, const void *b, size_t size);

/*
 * Zeroed memory that is locked (where RLIMIT_MEMLOCK allows), left out of
 * core dumps and between guard pages. NULL when there is none. It costs some
 * pages and system calls: for keys that live long, not for each message.
 * Needs process_harden() or crypto_init() before.
 */
void *secret_new(size_t size);

/* Wipes and frees what secret_new() gave. NULL is a no-op. */
void secret_free(void *memory);

#endif
