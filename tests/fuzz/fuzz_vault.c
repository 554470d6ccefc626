#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "client/vault.h"
#include "crypto/crypto.h"
#include "crypto/fernet.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "tests/fuzz/scratch_file.h"

static const char password[] = "a password";

/* What password_derive() makes here of any password. */
static const struct password_key stretched = {{0x5e}};

enum status __wrap_password_derive(struct bytes given,
    const struct password_salt *salt, struct password_cost cost,
    struct password_key *out);

/*
 * Stands before the real one, which takes a second: no header gets here that
 * asks for less than what guards, or for more than the device has.
 */
enum status
__wrap_password_derive(struct bytes given, const struct password_salt *salt,
    struct password_cost cost, struct password_key *out)
{
	(void)salt;
	FUZZ_CHECK(bytes_equal(given, bytes_from_string(password)));
	FUZZ_CHECK(cost.passes >= VAULT_PASSES_MIN);
	FUZZ_CHECK(cost.passes <= VAULT_PASSES_MAX);
	FUZZ_CHECK(cost.memory_size >= VAULT_MEMORY_MIN);
	FUZZ_CHECK(cost.memory_size <= VAULT_MEMORY_MAX);
	*out = stretched;
	return STATUS_OK;
}

/* What opens belongs together, and is what the header told in clear. */
static void
check_vault(const struct vault *vault, const char *path)
{
	const struct identity *identity = vault_identity(vault);
	struct signing_seed seed;
	struct signing_key_pair pair;
	struct identity again;
	struct buf name;

	signing_seed_of(&vault_signing(vault)->secret_key, &seed);
	FUZZ_CHECK(signing_key_pair_from_seed(&seed, &pair) == STATUS_OK);
	FUZZ_CHECK(signing_public_key_equal(&pair.public_key,
	    &identity->signing_key));
	FUZZ_CHECK(encryption_public_key_equal(
	    &vault_encryption(vault)->public_key, &identity->encryption_key));
	FUZZ_CHECK(identity_verify_bytes(vault_statement(vault),
	    vault_server_key(vault), &again) == STATUS_OK);
	FUZZ_CHECK(identity_is_same(&again, identity));
	FUZZ_CHECK(strcmp(vault_canonical(vault),
	    identity->canonical_name) == 0);
	buf_init(&name, NAME_SIZE_MAX);
	FUZZ_CHECK(vault_peek_name(path, &name) == STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&name),
	    bytes_from_string(vault_name(vault))));
	buf_clear(&name);
}

static void
check(struct bytes content)
{
	const char *path = scratch_file_write(content);
	struct client_error error = {0};
	struct vault *vault = NULL;
	struct buf name;
	enum status st;

	st = vault_open(path, bytes_from_string(password), &vault, &error);
	if (st == STATUS_OK) {
		check_vault(vault, path);
		vault_free(vault);
		return;
	}
	/* One error for all that may be wrong with it. */
	FUZZ_CHECK(st == STATUS_FORGED && vault == NULL);
	FUZZ_CHECK(error.exit == EXIT_CODE_PASSWORD);
	buf_init(&name, NAME_SIZE_MAX);
	st = vault_peek_name(path, &name);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	FUZZ_CHECK((st == STATUS_OK) == (name.size > 0));
	buf_clear(&name);
}

/* The header line, and what the token holds, which is made here. */
static void
check_secrets(struct bytes rest)
{
	const uint8_t *end = rest.size == 0 ? NULL :
	    memchr(rest.data, '\n', rest.size);
	struct sha256_digest line_hash;
	struct fernet_key key;
	struct bytes line, secrets;
	struct buf content;

	if (end == NULL)
		return;
	line = bytes_make(rest.data, (size_t)(end - rest.data));
	secrets = bytes_make(end + 1, rest.size - line.size - 1);
	buf_init(&content, VAULT_FILE_SIZE_MAX);
	FUZZ_CHECK(hash_sha256(line, &line_hash) == STATUS_OK);
	FUZZ_CHECK(kdf_derive(bytes_empty(), BYTES_OF(stretched.bytes),
	    BYTES_OF(line_hash.bytes), key.bytes, sizeof(key.bytes)) ==
	    STATUS_OK);
	FUZZ_CHECK(buf_append(&content, line) == STATUS_OK);
	FUZZ_CHECK(buf_append_u8(&content, '\n') == STATUS_OK);
	FUZZ_CHECK(fernet_seal(&key, 1767225600, secrets,
	    &content) == STATUS_OK);
	FUZZ_CHECK(buf_append_u8(&content, '\n') == STATUS_OK);
	check(buf_bytes(&content));
	buf_clear(&content);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;

	FUZZ_CHECK(crypto_init() == STATUS_OK);
	if (size == 0 || size > VAULT_FILE_SIZE_MAX / 2)
		return 0;
	rest = size == 1 ? bytes_empty() : bytes_make(data + 1, size - 1);
	if (data[0] % 2 == FUZZ_LAYER_ENVELOPE)
		check(rest);
	else
		check_secrets(rest);
	return 0;
}
