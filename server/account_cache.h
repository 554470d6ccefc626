#ifndef PEYK_SERVER_ACCOUNT_CACHE_H
#define PEYK_SERVER_ACCOUNT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "channel/sealing_key.h"
#include "crypto/keys.h"

/*
 * Active accounts by their signing key: saves the look-up, and the X25519 that
 * every reply's key needs (docs/protocol.md section 4). Bounded; the account
 * that was not used for the longest time goes first. Any thread, one mutex.
 *
 * It is no authority: every claim compares the account's key in the database.
 * An entry that a claim has disproved is forgotten.
 */

/* Each takes about 250 bytes of locked memory. */
#define ACCOUNT_CACHE_SIZE 32768

/* The sealing keys in use at once: the newest and the one before. */
#define ACCOUNT_CACHE_SECRETS 2

struct account_cache;

/* What is known of an account. Secret. */
struct account_cache_entry {
	int64_t account_id;
	struct encryption_public_key encryption_key;
	bool has_shared;
	struct shared_secret shared; /* for the sealing key asked for */
};

/* capacity: accounts, at least 1. STATUS_NOMEM. */
MUST_CHECK enum status account_cache_new(
    size_t capacity, struct account_cache **out);

/* Wipes it. NULL is a no-op. */
void account_cache_free(struct account_cache *cache);

/* Copies what is known of the key's account to *out; false: nothing. */
bool account_cache_find(struct account_cache *cache,
    const struct signing_public_key *signing_key,
    const struct channel_key_id *sealing_key_id,
    struct account_cache_entry *out);

/*
 * Remembers an account, in place of what was known of the key. With
 * entry->has_shared, its shared secret for that sealing key too.
 */
void account_cache_put(struct account_cache *cache,
    const struct signing_public_key *signing_key,
    const struct channel_key_id *sealing_key_id,
    const struct account_cache_entry *entry);

/* Wipes what is known of the key. */
void account_cache_forget(
    struct account_cache *cache, const struct signing_public_key *signing_key);

/* Wipes the secrets of all sealing keys but these. */
void account_cache_keep_sealing_keys(struct account_cache *cache,
    const struct channel_key_id *ids, size_t count);

#endif
