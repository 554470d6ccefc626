#include "server/key_rotation.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "server/store/sealing_keys.h"
#include "wire/unpack.h"

/* Less than KEYRING_PUBLISH_DELAY_MS, so that each server reads in time. */
#define REFRESH_INTERVAL_S 60

#define WRAP_INFO "peyk/v1 wrapped sealing key"

struct key_rotation {
	struct key_rotation_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	/* Guarded by mutex: */
	bool is_stopping;
};

/* One key for each content: an iv never meets a key twice. */
static enum status
derive_key(const struct server_wrap_key *wrap_key, struct bytes content,
    struct symmetric_key *out)
{
	return kdf_derive(content, BYTES_OF(wrap_key->bytes),
	    BYTES_LITERAL(WRAP_INFO), out->bytes, sizeof(out->bytes));
}

enum status
key_rotation_wrap(const struct server_wrap_key *wrap_key, struct bytes content,
    const struct encryption_secret_key *secret,
    uint8_t out[KEY_ROTATION_WRAPPED_SIZE])
{
	struct symmetric_key key = {0};
	struct aead_iv iv = {0};
	struct buf wrapped = {0};
	enum status st;

	buf_init(&wrapped, KEY_ROTATION_WRAPPED_SIZE);
	random_bytes(iv.bytes, sizeof(iv.bytes));
	if ((st = derive_key(wrap_key, content, &key)) != STATUS_OK ||
	    (st = buf_append(&wrapped, BYTES_OF(iv.bytes))) != STATUS_OK ||
	    (st = aead_seal(&key, &iv, content, BYTES_OF(secret->bytes),
		 &wrapped)) != STATUS_OK)
		goto out;
	assert(wrapped.size == KEY_ROTATION_WRAPPED_SIZE);
	memcpy(out, wrapped.data, wrapped.size);
out:
	secret_wipe(&key, sizeof(key));
	buf_clear(&wrapped);
	return st;
}

enum status
key_rotation_unwrap(const struct server_wrap_key *wrap_key,
    struct bytes content, struct bytes wrapped,
    struct encryption_secret_key *out)
{
	struct symmetric_key key = {0};
	struct aead_iv iv = {0};
	struct buf secret = {0};
	enum status st = STATUS_FORGED;

	buf_init_secret(&secret, ENCRYPTION_SECRET_KEY_SIZE);
	if (wrapped.size != KEY_ROTATION_WRAPPED_SIZE)
		goto out;
	memcpy(iv.bytes, wrapped.data, sizeof(iv.bytes));
	wrapped.data += sizeof(iv.bytes);
	wrapped.size -= sizeof(iv.bytes);
	if ((st = derive_key(wrap_key, content, &key)) != STATUS_OK ||
	    (st = aead_open(&key, &iv, content, wrapped, &secret)) != STATUS_OK)
		goto out;
	st = encryption_secret_key_import(buf_bytes(&secret), out);
out:
	secret_wipe(&key, sizeof(key));
	buf_wipe(&secret);
	return st;
}

/* A row of the table into a key. STATUS_FORGED: not of this identity. */
static enum status
open_stored(const struct server_identity *identity,
    const struct store_sealing_key *stored, struct keyring_key *out)
{
	Peyk__V1__SignedSealingKey signed_key =
	    PEYK__V1__SIGNED_SEALING_KEY__INIT;
	struct encryption_key_pair pair = {0};
	enum status st;

	signed_key.sealing_key = wire_field(stored->content);
	signed_key.signature = wire_field(BYTES_OF(stored->signature));
	if ((st = channel_sealing_key_verify(&signed_key,
		 &identity->key.public_key, &out->public_key)) != STATUS_OK ||
	    (st = key_rotation_unwrap(&identity->wrap_key, stored->content,
		 stored->wrapped, &out->secret_key)) != STATUS_OK ||
	    (st = encryption_key_pair_from_secret(&out->secret_key, &pair)) !=
		STATUS_OK)
		goto out;
	if (!encryption_public_key_equal(
		&pair.public_key, &out->public_key.key))
		st = STATUS_FORGED;
out:
	secret_wipe(&pair, sizeof(pair));
	return st == STATUS_INVALID ? STATUS_FORGED : st;
}

/* Makes a key and stores it, unless another server was faster. */
static enum status
make_key(const struct key_rotation_options *options, uint64_t not_before_ms,
    uint64_t newer_than_ms)
{
	struct channel_sealing_key public_key = {
	    .not_before_ms = not_before_ms,
	    .not_after_ms = not_before_ms + KEYRING_LIFETIME_MS,
	};
	struct encryption_key_pair pair = {0};
	struct store_sealing_key stored = {0};
	struct signature signature = {0};
	uint8_t wrapped[KEY_ROTATION_WRAPPED_SIZE] = {0};
	struct buf content = {0};
	enum status st;

	buf_init(&content, CHANNEL_SEALING_KEY_CONTENT_MAX);
	if ((st = encryption_key_pair_generate(&pair)) != STATUS_OK)
		goto out;
	random_bytes(public_key.id.bytes, sizeof(public_key.id.bytes));
	public_key.key = pair.public_key;
	if ((st = channel_sealing_key_append(&public_key, &content)) !=
		STATUS_OK ||
	    (st = channel_sealing_key_sign(&public_key,
		 &options->identity->key.secret_key, &signature)) !=
		STATUS_OK ||
	    (st = key_rotation_wrap(&options->identity->wrap_key,
		 buf_bytes(&content), &pair.secret_key, wrapped)) != STATUS_OK)
		goto out;
	memcpy(stored.id, public_key.id.bytes, sizeof(stored.id));
	memcpy(stored.signature, signature.bytes, sizeof(stored.signature));
	stored.content = buf_bytes(&content);
	stored.wrapped = BYTES_OF(wrapped);
	stored.not_before_ms = public_key.not_before_ms;
	stored.not_after_ms = public_key.not_after_ms;
	st = store_sealing_keys_insert(
	    options->conninfo, &stored, newer_than_ms);
	crash_point("sealing_key.stored");
	if (st == STATUS_EXISTS)
		st = STATUS_OK;
	else if (st == STATUS_OK)
		log_event(LOG_LEVEL_INFO, "sealing_key_made",
		    log_u64("in_force_ms", not_before_ms));
out:
	secret_wipe(&pair, sizeof(pair));
	buf_clear(&content);
	return st;
}

/* Opens the rows into keys, which has room; *foreign: rows of others. */
static enum status
open_all(const struct server_identity *identity,
    const struct store_sealing_keys *stored, struct keyring_key *keys,
    size_t *count, size_t *foreign)
{
	for (size_t i = 0; i < stored->count; i++) {
		enum status st =
		    open_stored(identity, &stored->keys[i], &keys[*count]);

		if (st == STATUS_FORGED)
			++*foreign;
		else if (st != STATUS_OK)
			return st;
		else
			++*count;
	}
	return STATUS_OK;
}

static void
fill(const struct key_rotation_options *options, const struct keyring_key *keys,
    size_t count)
{
	struct channel_key_id ids[STORE_SEALING_KEYS_MAX] = {0};

	keyring_replace(options->keyring, keys, count);
	for (size_t i = 0; i < count; i++)
		ids[i] = keys[i].public_key.id;
	if (options->cache != NULL)
		account_cache_keep_sealing_keys(options->cache, ids, count);
}

/* One reading of the table. *is_due: a key has to be made, and when. */
static enum status
read_keys(const struct key_rotation_options *options, uint64_t now_ms,
    bool *is_due, uint64_t *not_before_ms, uint64_t *newer_than_ms)
{
	struct store_sealing_keys stored = {0};
	struct keyring_key *keys = NULL;
	size_t count = 0, foreign = 0;
	uint64_t newest = 0, last = 0;
	enum status st;

	if ((st = store_sealing_keys_list(options->conninfo, &stored)) !=
	    STATUS_OK)
		return st;
	keys = secret_new((stored.count + 1) * sizeof(*keys));
	if (keys == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	st = open_all(options->identity, &stored, keys, &count, &foreign);
	if (st != STATUS_OK)
		goto out;
	if (foreign > 0 && count == 0) {
		st = STATUS_DENIED;
		goto out;
	}
	fill(options, keys, count);
	for (size_t i = 0; i < stored.count; i++) {
		const struct store_sealing_key *key = &stored.keys[i];

		/* Waiting for it would leave clients without a key. */
		if (key->not_before_ms > now_ms + STORE_SEALING_KEY_AHEAD_MS)
			continue;
		if (key->not_before_ms >= newest)
			newest = key->not_before_ms + 1;
		if (key->not_after_ms > last)
			last = key->not_after_ms;
	}
	*newer_than_ms = newest;
	*is_due = newest == 0 || now_ms >= newest + KEYRING_RENEW_AFTER_MS;
	/* Without any key clients are lost: then other servers do not count. */
	*not_before_ms =
	    now_ms < last ? now_ms + KEYRING_PUBLISH_DELAY_MS : now_ms;
out:
	secret_free(keys);
	store_sealing_keys_clear(&stored);
	return st;
}

static void
explain(enum status st, struct buf *problem)
{
	const char *text = "The sealing keys cannot be prepared: a library "
			   "failed. The log says more.";
	enum status appended;

	if (problem == NULL)
		return;
	if (st == STATUS_UNAVAILABLE)
		text = "The database is not reachable. Check that PostgreSQL "
		       "runs and that --database is right.";
	else if (st == STATUS_DENIED)
		text = "The sealing keys in the database belong to another "
		       "server identity. Copy " SERVER_IDENTITY_FILE
		       " from the server that uses this database into the "
		       "folder of --data, or name another --database.";
	else if (st == STATUS_NOMEM)
		text = "There is not enough memory.";
	buf_reset(problem);
	appended = buf_append_string(problem, text);
	(void)appended; /* a sentence that does not fit changes nothing */
}

enum status
key_rotation_refresh(const struct key_rotation_options *options,
    uint64_t now_ms, struct buf *problem)
{
	uint64_t not_before_ms = 0, newer_than_ms = 0;
	bool is_due = false;
	enum status st;

	if ((st = read_keys(options, now_ms, &is_due, &not_before_ms,
		 &newer_than_ms)) != STATUS_OK)
		goto out;
	if (is_due) {
		if ((st = make_key(options, not_before_ms, newer_than_ms)) !=
			STATUS_OK ||
		    (st = read_keys(options, now_ms, &is_due, &not_before_ms,
			 &newer_than_ms)) != STATUS_OK)
			goto out;
	}
	if (now_ms > KEYRING_GRACE_MS)
		st = store_sealing_keys_retire(
		    options->conninfo, now_ms - KEYRING_GRACE_MS);
out:
	if (st != STATUS_OK)
		explain(st, problem);
	return st;
}

static void *
rotation_run(void *argument)
{
	struct key_rotation *rotation = argument;
	bool is_over = false, has_failed = false;

	while (!is_over) {
		struct timespec until = {0};
		enum status st;
		int waited = 0;

		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += REFRESH_INTERVAL_S;
		(void)pthread_mutex_lock(&rotation->mutex);
		while (!rotation->is_stopping && waited != ETIMEDOUT)
			waited = pthread_cond_timedwait(
			    &rotation->wake, &rotation->mutex, &until);
		is_over = rotation->is_stopping;
		(void)pthread_mutex_unlock(&rotation->mutex);
		if (is_over)
			break;
		st = key_rotation_refresh(
		    &rotation->options, clock_wall_ms(), NULL);
		/* Once for each trouble: the keys last for weeks. */
		if (st != STATUS_OK && !has_failed)
			log_event(LOG_LEVEL_WARNING, "sealing_keys_not_read",
			    log_status(st));
		has_failed = st != STATUS_OK;
	}
	return NULL;
}

static bool
init_wake(pthread_cond_t *wake)
{
	pthread_condattr_t attributes;
	bool is_ready = false;

	if (pthread_condattr_init(&attributes) != 0)
		return false;
	is_ready =
	    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
	    pthread_cond_init(wake, &attributes) == 0;
	(void)pthread_condattr_destroy(&attributes);
	return is_ready;
}

enum status
key_rotation_start(
    const struct key_rotation_options *options, struct key_rotation **out)
{
	struct key_rotation *rotation = calloc(1, sizeof(*rotation));
	bool has_wake = false, has_mutex = false;

	if (rotation == NULL)
		return STATUS_NOMEM;
	rotation->options = *options;
	has_wake = init_wake(&rotation->wake);
	has_mutex = pthread_mutex_init(&rotation->mutex, NULL) == 0;
	if (has_wake && has_mutex &&
	    pthread_create(&rotation->thread, NULL, rotation_run, rotation) ==
		0) {
		*out = rotation;
		return STATUS_OK;
	}
	if (has_wake)
		(void)pthread_cond_destroy(&rotation->wake);
	if (has_mutex)
		(void)pthread_mutex_destroy(&rotation->mutex);
	free(rotation);
	return STATUS_UNAVAILABLE;
}

void
key_rotation_stop(struct key_rotation *rotation)
{
	if (rotation == NULL)
		return;
	(void)pthread_mutex_lock(&rotation->mutex);
	rotation->is_stopping = true;
	(void)pthread_cond_signal(&rotation->wake);
	(void)pthread_mutex_unlock(&rotation->mutex);
	(void)pthread_join(rotation->thread, NULL);
	(void)pthread_mutex_destroy(&rotation->mutex);
	(void)pthread_cond_destroy(&rotation->wake);
	free(rotation);
}
