#include "server/keyring.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/secret.h"

struct keyring {
	pthread_mutex_t mutex;
	/* Guarded by mutex: */
	size_t count;
	struct keyring_key keys[KEYRING_KEYS_MAX]; /* the newest first */
};

static void
lock(struct keyring *keyring)
{
	int failed = pthread_mutex_lock(&keyring->mutex);

	assert(failed == 0);
	(void)failed;
}

static void
unlock(struct keyring *keyring)
{
	int failed = pthread_mutex_unlock(&keyring->mutex);

	assert(failed == 0);
	(void)failed;
}

enum status
keyring_new(struct keyring **out)
{
	struct keyring *keyring = secret_new(sizeof(*keyring));

	if (keyring == NULL)
		return STATUS_NOMEM;
	if (pthread_mutex_init(&keyring->mutex, NULL) != 0) {
		secret_free(keyring);
		return STATUS_INTERNAL;
	}
	*out = keyring;
	return STATUS_OK;
}

void
keyring_free(struct keyring *keyring)
{
	if (keyring == NULL)
		return;
	(void)pthread_mutex_destroy(&keyring->mutex);
	secret_free(keyring);
}

/* Puts a key where it belongs; the oldest falls off a full ring. */
static void
insert(struct keyring *keyring, const struct keyring_key *key)
{
	uint64_t begin = key->public_key.not_before_ms;
	size_t at = keyring->count;

	while (at > 0 && keyring->keys[at - 1].public_key.not_before_ms < begin)
		at--;
	if (at == KEYRING_KEYS_MAX)
		return;
	if (keyring->count < KEYRING_KEYS_MAX)
		keyring->count++;
	for (size_t i = keyring->count - 1; i > at; i--)
		keyring->keys[i] = keyring->keys[i - 1];
	keyring->keys[at] = *key;
}

void
keyring_replace(
    struct keyring *keyring, const struct keyring_key *keys, size_t count)
{
	lock(keyring);
	secret_wipe(keyring->keys, sizeof(keyring->keys));
	keyring->count = 0;
	for (size_t i = 0; i < count; i++)
		insert(keyring, &keys[i]);
	unlock(keyring);
}

enum status
keyring_find(struct keyring *keyring, const struct channel_key_id *id,
    uint64_t now_ms, struct encryption_key_pair *out)
{
	enum status st = STATUS_NOT_FOUND;

	lock(keyring);
	for (size_t i = 0; i < keyring->count; i++) {
		const struct keyring_key *key = &keyring->keys[i];

		if (!channel_key_id_equal(&key->public_key.id, id))
			continue;
		if (now_ms >= key->public_key.not_after_ms &&
		    now_ms - key->public_key.not_after_ms > KEYRING_GRACE_MS)
			break;
		out->public_key = key->public_key.key;
		out->secret_key = key->secret_key;
		st = STATUS_OK;
		break;
	}
	unlock(keyring);
	return st;
}

size_t
keyring_published(struct keyring *keyring, uint64_t now_ms,
    struct channel_sealing_key out[WIRE_SEALING_KEYS_MAX])
{
	size_t count = 0;

	lock(keyring);
	for (size_t i = 0; i < keyring->count; i++) {
		const struct channel_sealing_key *key =
		    &keyring->keys[i].public_key;

		if (key->not_before_ms <= now_ms &&
		    key->not_after_ms > now_ms && count < WIRE_SEALING_KEYS_MAX)
			out[count++] = *key;
	}
	unlock(keyring);
	return count;
}
