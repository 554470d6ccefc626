#ifndef PEYK_CLIENT_VAULT_H
#define PEYK_CLIENT_VAULT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "crypto/keys.h"
#include "crypto/password.h"
#include "wire/identity.h"

/*
 * identity.key: the private keys of an account and the key of its database,
 * encrypted under the password (docs/client-files.md gives the bytes).
 *
 * An open vault is one secret_new() allocation and never changes: any thread
 * may read it.
 */

/* What a new key file costs to open: about 0.2 s and 64 MiB. */
#define VAULT_PASSES 3
#define VAULT_MEMORY_SIZE ((size_t)64 << 20)

/* What a header may ask for: less guards nothing, more stops the device. */
#define VAULT_PASSES_MIN 1
#define VAULT_PASSES_MAX 16
#define VAULT_MEMORY_MIN ((size_t)8 << 20)
#define VAULT_MEMORY_MAX ((size_t)1 << 30)

/* A key file is about 1 KiB. */
#define VAULT_FILE_SIZE_MAX 16384

/* The key of state.db. Secret. */
struct database_key {
	uint8_t bytes[32];
};

struct vault;

/*
 * Whether the password may be one: STATUS_INVALID (exit 2) with what is wrong
 * with it. For new passwords; opening takes any and finds it wrong.
 */
MUST_CHECK enum status vault_check_password(
    struct bytes password, struct client_error *error);

/*
 * Makes new keys, signs the identity that binds them to name at the server,
 * and writes the key file: atomic, synced, mode 0600. cost: normally
 * {VAULT_PASSES, VAULT_MEMORY_SIZE}; within the bounds above (asserted).
 * STATUS_INVALID (name or password), STATUS_EXISTS if path exists,
 * STATUS_NOMEM, STATUS_IO.
 */
MUST_CHECK enum status vault_create(const char *path, struct bytes name,
    struct bytes password, const struct signing_public_key *server_key,
    struct password_cost cost, struct vault **out, struct client_error *error);

/*
 * Opens a key file. STATUS_FORGED (exit 4) for a wrong password and for a
 * file that is cut, altered or none: one text. STATUS_NOT_FOUND: no such
 * file. STATUS_DENIED: others may read it. Changes nothing.
 */
MUST_CHECK enum status vault_open(const char *path, struct bytes password,
    struct vault **out, struct client_error *error);

/* Wipes it. NULL is a no-op. */
void vault_free(struct vault *vault);

/* All borrowed from the vault. */
const char *vault_name(const struct vault *vault); /* as its owner spells it */
const char *vault_canonical(const struct vault *vault);
const struct signing_key_pair *vault_signing(const struct vault *vault);
const struct encryption_key_pair *vault_encryption(const struct vault *vault);
const struct database_key *vault_database_key(const struct vault *vault);
const struct signing_public_key *vault_server_key(const struct vault *vault);
const struct identity *vault_identity(const struct vault *vault);
/* The SignedIdentity, serialized: what others get to see. */
struct bytes vault_statement(const struct vault *vault);

/*
 * The username that a key file tells in clear, appended to out; nobody
 * vouches for it before the password does. STATUS_INVALID if it is no key
 * file; those of file_read_private().
 */
MUST_CHECK enum status vault_peek_name(const char *path, struct buf *out);

#endif
