#include "crypto/password.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/secret.h"

_Static_assert(PASSWORD_SALT_SIZE == crypto_pwhash_argon2id_SALTBYTES &&
    PASSWORD_HASH_SIZE == crypto_pwhash_argon2id_STRBYTES &&
    PASSWORD_PASSES_MIN == crypto_pwhash_argon2id_OPSLIMIT_MIN &&
    PASSWORD_MEMORY_MIN == crypto_pwhash_argon2id_MEMLIMIT_MIN,
    "libsodium's sizes are those of the protocol");

static enum status
check_input(struct bytes password, struct password_cost cost)
{
	if (cost.passes < PASSWORD_PASSES_MIN ||
	    cost.passes > PASSWORD_PASSES_MAX ||
	    cost.memory_size < PASSWORD_MEMORY_MIN ||
	    cost.memory_size > PASSWORD_MEMORY_MAX)
		return STATUS_INVALID;
	if (password.size > PASSWORD_SIZE_MAX)
		return STATUS_TOO_LARGE;
	return STATUS_OK;
}

/* libsodium wants no NULL, not even for an empty password. */
static const char *
text_of(struct bytes password)
{
	return password.size > 0 ? (const char *)password.data : "";
}

enum status
password_derive(struct bytes password, const struct password_salt *salt,
    struct password_cost cost, struct password_key *out)
{
	struct password_key key = { 0 };
	enum status st;

	if ((st = check_input(password, cost)) != STATUS_OK)
		return st;
	/* With input in bounds, memory is all that can be missing. */
	if (crypto_pwhash(key.bytes, sizeof(key.bytes), text_of(password),
	    password.size, salt->bytes, cost.passes, cost.memory_size,
	    crypto_pwhash_ALG_ARGON2ID13) != 0)
		st = STATUS_NOMEM;
	else
		*out = key;
	secret_wipe(&key, sizeof(key));
	return st;
}

enum status
password_hash(struct bytes password, struct password_cost cost,
    char out[PASSWORD_HASH_SIZE])
{
	char hash[PASSWORD_HASH_SIZE];
	enum status st;

	if ((st = check_input(password, cost)) != STATUS_OK)
		return st;
	if (crypto_pwhash_str_alg(hash, text_of(password), password.size,
	    cost.passes, cost.memory_size,
	    crypto_pwhash_ALG_ARGON2ID13) != 0)
		return STATUS_NOMEM;
	memcpy(out, hash, sizeof(hash));
	return STATUS_OK;
}

enum status
password_verify(const char *hash, struct bytes password)
{
	if (password.size > PASSWORD_SIZE_MAX ||
	    strlen(hash) >= PASSWORD_HASH_SIZE)
		return STATUS_FORGED;
	errno = 0;
	if (crypto_pwhash_argon2id_str_verify(hash, text_of(password),
	    password.size) == 0)
		return STATUS_OK;
	/* Want of memory must not look like a wrong password. */
	return errno == ENOMEM ? STATUS_NOMEM : STATUS_FORGED;
}
