#include "server/account_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/secret.h"

struct secret_slot {
	bool is_used;
	struct channel_key_id sealing_key_id;
	struct shared_secret shared;
};

struct account {
	struct signing_public_key signing_key;
	int64_t account_id;
	struct encryption_public_key encryption_key;
	struct secret_slot secrets[ACCOUNT_CACHE_SECRETS];
	unsigned next_secret;          /* the slot that is overwritten next */
	struct account *chain;         /* in its bucket, or free */
	struct account *newer, *older; /* by last use */
};

struct account_cache {
	pthread_mutex_t mutex;
	uint64_t hash_key;
	size_t bucket_mask;
	/* Guarded by mutex: */
	struct account **buckets;
	struct account *accounts; /* locked memory */
	struct account *free;
	struct account *newest, *oldest;
};

static void
lock(struct account_cache *cache)
{
	int failed = pthread_mutex_lock(&cache->mutex);

	assert(failed == 0);
	(void)failed;
}

static void
unlock(struct account_cache *cache)
{
	int failed = pthread_mutex_unlock(&cache->mutex);

	assert(failed == 0);
	(void)failed;
}

/* Keyed, so that nobody can choose keys that fall into one bucket. */
static struct account **
bucket_of(struct account_cache *cache, const struct signing_public_key *key)
{
	uint64_t hash = cache->hash_key;

	for (size_t i = 0; i < sizeof(key->bytes); i += 8) {
		hash ^= bytes_get_u64be(&key->bytes[i]);
		hash *= 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio, odd */
		hash ^= hash >> 32;
		hash += cache->hash_key;
	}
	return &cache->buckets[hash & cache->bucket_mask];
}

static struct account *
find(struct account_cache *cache, const struct signing_public_key *key)
{
	struct account *account = *bucket_of(cache, key);

	while (account != NULL && memcmp(account->signing_key.bytes, key->bytes,
				      sizeof(key->bytes)) != 0)
		account = account->chain;
	return account;
}

static void
unlink_use(struct account_cache *cache, struct account *account)
{
	if (account->newer != NULL)
		account->newer->older = account->older;
	else
		cache->newest = account->older;
	if (account->older != NULL)
		account->older->newer = account->newer;
	else
		cache->oldest = account->newer;
	account->newer = NULL;
	account->older = NULL;
}

static void
link_use(struct account_cache *cache, struct account *account)
{
	account->newer = NULL;
	account->older = cache->newest;
	if (cache->newest != NULL)
		cache->newest->newer = account;
	else
		cache->oldest = account;
	cache->newest = account;
}

/* Wipes an account and puts it among the free ones. */
static void
drop(struct account_cache *cache, struct account *account)
{
	struct account **link = bucket_of(cache, &account->signing_key);

	while (*link != account)
		link = &(*link)->chain;
	*link = account->chain;
	unlink_use(cache, account);
	secret_wipe(account, sizeof(*account));
	account->chain = cache->free;
	cache->free = account;
}

static struct account *
insert(struct account_cache *cache, const struct signing_public_key *key)
{
	struct account **bucket = bucket_of(cache, key);
	struct account *account = NULL;

	if (cache->free == NULL)
		drop(cache, cache->oldest);
	account = cache->free;
	cache->free = account->chain;
	account->signing_key = *key;
	account->chain = *bucket;
	*bucket = account;
	link_use(cache, account);
	return account;
}

static struct secret_slot *
find_secret(struct account *account, const struct channel_key_id *id)
{
	for (size_t i = 0; i < ACCOUNT_CACHE_SECRETS; i++) {
		if (account->secrets[i].is_used &&
		    channel_key_id_equal(
			&account->secrets[i].sealing_key_id, id))
			return &account->secrets[i];
	}
	return NULL;
}

enum status
account_cache_new(size_t capacity, struct account_cache **out)
{
	struct account_cache *cache = calloc(1, sizeof(*cache));
	size_t buckets = 1;

	assert(capacity >= 1);
	if (cache == NULL)
		return STATUS_NOMEM;
	if (pthread_mutex_init(&cache->mutex, NULL) != 0) {
		free(cache);
		return STATUS_INTERNAL;
	}
	while (buckets < capacity)
		buckets *= 2;
	cache->hash_key = random_u64();
	cache->bucket_mask = buckets - 1;
	cache->buckets = calloc(buckets, sizeof(*cache->buckets));
	cache->accounts = secret_new(capacity * sizeof(*cache->accounts));
	if (cache->buckets == NULL || cache->accounts == NULL) {
		account_cache_free(cache);
		return STATUS_NOMEM;
	}
	for (size_t i = capacity; i-- > 0;) {
		cache->accounts[i].chain = cache->free;
		cache->free = &cache->accounts[i];
	}
	*out = cache;
	return STATUS_OK;
}

void
account_cache_free(struct account_cache *cache)
{
	if (cache == NULL)
		return;
	secret_free(cache->accounts);
	free(cache->buckets);
	(void)pthread_mutex_destroy(&cache->mutex);
	free(cache);
}

bool
account_cache_find(struct account_cache *cache,
    const struct signing_public_key *signing_key,
    const struct channel_key_id *sealing_key_id,
    struct account_cache_entry *out)
{
	struct account *account = NULL;
	struct secret_slot *slot = NULL;

	lock(cache);
	if ((account = find(cache, signing_key)) != NULL) {
		unlink_use(cache, account);
		link_use(cache, account);
		out->account_id = account->account_id;
		out->encryption_key = account->encryption_key;
		slot = find_secret(account, sealing_key_id);
		out->has_shared = slot != NULL;
		if (slot != NULL)
			out->shared = slot->shared;
	}
	unlock(cache);
	return account != NULL;
}

void
account_cache_put(struct account_cache *cache,
    const struct signing_public_key *signing_key,
    const struct channel_key_id *sealing_key_id,
    const struct account_cache_entry *entry)
{
	struct account *account = NULL;
	struct secret_slot *slot = NULL;

	lock(cache);
	account = find(cache, signing_key);
	if (account != NULL &&
	    (account->account_id != entry->account_id ||
		!encryption_public_key_equal(
		    &account->encryption_key, &entry->encryption_key))) {
		drop(cache, account);
		account = NULL;
	}
	if (account == NULL)
		account = insert(cache, signing_key);
	account->account_id = entry->account_id;
	account->encryption_key = entry->encryption_key;
	if (entry->has_shared) {
		slot = find_secret(account, sealing_key_id);
		if (slot == NULL) {
			slot = &account->secrets[account->next_secret];
			account->next_secret =
			    (account->next_secret + 1) % ACCOUNT_CACHE_SECRETS;
		}
		slot->is_used = true;
		slot->sealing_key_id = *sealing_key_id;
		slot->shared = entry->shared;
	}
	unlock(cache);
}

void
account_cache_forget(
    struct account_cache *cache, const struct signing_public_key *signing_key)
{
	struct account *account = NULL;

	lock(cache);
	if ((account = find(cache, signing_key)) != NULL)
		drop(cache, account);
	unlock(cache);
}

static bool
is_among(const struct channel_key_id *id, const struct channel_key_id *ids,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (channel_key_id_equal(&ids[i], id))
			return true;
	}
	return false;
}

void
account_cache_keep_sealing_keys(
    struct account_cache *cache, const struct channel_key_id *ids, size_t count)
{
	struct account *account = NULL;

	lock(cache);
	for (account = cache->newest; account != NULL;
	     account = account->older) {
		for (size_t i = 0; i < ACCOUNT_CACHE_SECRETS; i++) {
			struct secret_slot *slot = &account->secrets[i];

			if (slot->is_used &&
			    !is_among(&slot->sealing_key_id, ids, count))
				secret_wipe(slot, sizeof(*slot));
		}
	}
	unlock(cache);
}
