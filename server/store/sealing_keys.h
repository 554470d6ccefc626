#ifndef PEYK_SERVER_STORE_SEALING_KEYS_H
#define PEYK_SERVER_STORE_SEALING_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/*
 * The table of sealing keys (docs/protocol.md section 2), which all servers of
 * one database share. Each function connects, does its work in one
 * transaction and disconnects: for start-up and for a slow maintenance thread.
 * Times are Unix times in milliseconds.
 *
 * All return STATUS_UNAVAILABLE when the database is not reachable or goes
 * away, STATUS_INTERNAL when it refuses (the log says why), STATUS_NOMEM.
 */

#define STORE_SEALING_KEYS_MAX ((size_t)64)

struct store_sealing_key {
	uint8_t id[8];
	struct bytes content;   /* the serialized SealingKey that was signed */
	uint8_t signature[64];
	struct bytes wrapped;   /* the private key, wrapped by the caller */
	uint64_t not_before_ms;
	uint64_t not_after_ms;
};

struct store_sealing_keys {
	struct store_sealing_key *keys; /* the one in force last comes first */
	size_t count;
	void *memory;
};

/* Every key that is stored, at most STORE_SEALING_KEYS_MAX of the newest. */
MUST_CHECK enum status store_sealing_keys_list(const char *conninfo,
    struct store_sealing_keys *out);

/* Frees; a zeroed struct is fine. */
void store_sealing_keys_clear(struct store_sealing_keys *keys);

/*
 * A key that comes into force this much later than one that is made now was
 * made by a clock that was wrong. It does not stand for the next one.
 */
#define STORE_SEALING_KEY_AHEAD_MS ((uint64_t)24 * 3600 * 1000)

/*
 * Stores a key unless one is there whose not_before_ms is newer_than_ms or
 * later (but not STORE_SEALING_KEY_AHEAD_MS later than its own); then
 * STATUS_EXISTS. Of several servers that rotate at once, one wins.
 * newer_than_ms: the newest not_before_ms that the caller saw, plus 1; 0 if
 * it saw none.
 */
MUST_CHECK enum status store_sealing_keys_insert(const char *conninfo,
    const struct store_sealing_key *key, uint64_t newer_than_ms);

/* Deletes the keys whose not_after_ms is before the given time. */
MUST_CHECK enum status store_sealing_keys_retire(const char *conninfo,
    uint64_t before_ms);

#endif
