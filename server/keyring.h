#ifndef PEYK_SERVER_KEYRING_H
#define PEYK_SERVER_KEYRING_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "channel/sealing_key.h"
#include "crypto/keys.h"
#include "wire/limits.h"

/*
 * The sealing keys that this process holds, by id. Any thread, one mutex; the
 * private halves lie in locked memory. Times are Unix milliseconds, passed in.
 *
 *	made     not_before          +15 days       not_after        +1 day
 *	 |-----------|-------------------|---------------|--------------|
 *	 known to    published: clients  the next one    no longer      wiped
 *	 all servers seal to it          is made         published
 */

#define KEYRING_LIFETIME_MS ((uint64_t)30 * 24 * 3600 * 1000)

/* When the next key is made: long before clients would be left without. */
#define KEYRING_RENEW_AFTER_MS (KEYRING_LIFETIME_MS / 2)

/*
 * From making to publishing. The servers read the table every minute, so by
 * then each of them can open what is sealed to the key.
 */
#define KEYRING_PUBLISH_DELAY_MS ((uint64_t)3 * 60 * 1000)

/* How long requests to a key that is over are still opened. */
#define KEYRING_GRACE_MS ((uint64_t)24 * 3600 * 1000)

/* By the schedule there are three at most; more would be the clock's fault. */
#define KEYRING_KEYS_MAX ((size_t)16)

/* Secret. */
struct keyring_key {
	struct channel_sealing_key public_key;
	struct encryption_secret_key secret_key;
};

struct keyring;

/* An empty one. STATUS_NOMEM. */
MUST_CHECK enum status keyring_new(struct keyring **out);

/* Wipes it. NULL is a no-op. */
void keyring_free(struct keyring *keyring);

/*
 * Replaces all keys by copies of these; past KEYRING_KEYS_MAX the ones that
 * came into force first are left out. They need no order.
 */
void keyring_replace(
    struct keyring *keyring, const struct keyring_key *keys, size_t count);

/*
 * The key pair of an id; the caller wipes *out. STATUS_NOT_FOUND: there is
 * none, or its grace is over.
 */
MUST_CHECK enum status keyring_find(struct keyring *keyring,
    const struct channel_key_id *id, uint64_t now_ms,
    struct encryption_key_pair *out);

/*
 * The keys to tell clients of, the newest first; returns how many. 0: requests
 * cannot be sealed now.
 */
size_t keyring_published(struct keyring *keyring, uint64_t now_ms,
    struct channel_sealing_key out[WIRE_SEALING_KEYS_MAX]);

#endif
