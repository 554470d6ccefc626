#include "client/vault.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"
#include "channel/password_proof.h"
#include "crypto/fernet.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "wire/identity.h"
#include "wire/limits.h"

#define VAULT_FORMAT "peyk identity key"
#define VAULT_VERSION 1
#define VAULT_KDF "argon2id13"

/* The header line, without its newline, is far below. */
#define VAULT_HEADER_MAX 4096

/* What the token holds: a version byte and three keys. */
#define VAULT_SECRETS_VERSION 1
#define VAULT_SECRETS_SIZE                                                     \
	(1 + SIGNING_SEED_SIZE + ENCRYPTION_SECRET_KEY_SIZE +                  \
	    sizeof(struct database_key))

struct vault {
	struct signing_key_pair signing;
	struct encryption_key_pair encryption;
	struct database_key database_key;
	struct identity identity;
	uint8_t statement[WIRE_SIGNED_IDENTITY_MAX];
	size_t statement_size;
};

/* What the header line says. Foreign until the token has opened. */
struct vault_header {
	struct password_salt salt;
	struct password_cost cost;
	struct signing_public_key server_key;
	uint8_t statement[WIRE_SIGNED_IDENTITY_MAX];
	size_t statement_size;
};

enum status
vault_check_password(struct bytes password, struct client_error *error)
{
	enum channel_password_problem problem =
	    channel_password_check(password);

	if (problem == CHANNEL_PASSWORD_PROBLEM_NONE)
		return STATUS_OK;
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE, "%s",
	    channel_password_problem_text(problem));
}

/* ---- The header line ---- */

static enum status
encode_base64(struct bytes bytes, json_t **out)
{
	struct buf text;
	json_t *value = NULL;
	enum status st;

	buf_init(&text, VAULT_HEADER_MAX);
	if ((st = text_encode(TEXT_ENCODING_BASE64, bytes, &text)) != STATUS_OK)
		goto out;
	value = json_stringn((const char *)text.data, text.size);
	if (value == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	*out = value;
out:
	buf_clear(&text);
	return st;
}

static enum status
header_write(const struct vault_header *header, struct buf *out)
{
	json_t *salt = NULL, *server = NULL, *statement = NULL, *object = NULL;
	char *line = NULL;
	enum status st;

	if ((st = encode_base64(BYTES_OF(header->salt.bytes), &salt)) !=
		STATUS_OK ||
	    (st = encode_base64(BYTES_OF(header->server_key.bytes), &server)) !=
		STATUS_OK ||
	    (st = encode_base64(
		 bytes_make(header->statement, header->statement_size),
		 &statement)) != STATUS_OK)
		goto out;
	object = json_pack("{s:s, s:i, s:s, s:I, s:I, s:O, s:O, s:O}", "format",
	    VAULT_FORMAT, "version", VAULT_VERSION, "kdf", VAULT_KDF, "passes",
	    (json_int_t)header->cost.passes, "memory",
	    (json_int_t)header->cost.memory_size, "salt", salt, "server",
	    server, "identity", statement);
	if (object == NULL ||
	    (line = json_dumps(object, JSON_COMPACT)) == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	st = buf_append_string(out, line);
out:
	free(line);
	json_decref(object);
	json_decref(statement);
	json_decref(server);
	json_decref(salt);
	return st;
}

/* Decodes into at most size bytes; *used of them. */
static enum status
decode_base64(const char *text, uint8_t *out, size_t size, size_t *used)
{
	struct buf decoded;
	enum status st;

	buf_init(&decoded, size);
	st = text_decode(
	    TEXT_ENCODING_BASE64, bytes_from_string(text), &decoded);
	if (st == STATUS_OK && decoded.size > 0)
		memcpy(out, decoded.data, decoded.size);
	if (st == STATUS_OK)
		*used = decoded.size;
	buf_clear(&decoded);
	return st == STATUS_TOO_LARGE ? STATUS_INVALID : st;
}

/* STATUS_INVALID for every header that vault_create() would not write. */
static enum status
header_read(struct bytes line, struct vault_header *out)
{
	struct vault_header header = {0};
	const char *format, *kdf, *salt, *server, *statement;
	json_int_t version, passes, memory;
	size_t salt_size, server_size;
	json_error_t ignored;
	json_t *object;
	enum status st;

	object = json_loadb((const char *)line.data, line.size,
	    JSON_REJECT_DUPLICATES, &ignored);
	if (object == NULL)
		return STATUS_INVALID;
	st = STATUS_INVALID;
	if (json_unpack_ex(object, &ignored, JSON_STRICT,
		"{s:s, s:I, s:s, s:I, s:I, s:s, s:s, s:s}", "format", &format,
		"version", &version, "kdf", &kdf, "passes", &passes, "memory",
		&memory, "salt", &salt, "server", &server, "identity",
		&statement) != 0)
		goto out;
	if (strcmp(format, VAULT_FORMAT) != 0 || version != VAULT_VERSION ||
	    strcmp(kdf, VAULT_KDF) != 0 || passes < VAULT_PASSES_MIN ||
	    passes > VAULT_PASSES_MAX ||
	    memory < (json_int_t)VAULT_MEMORY_MIN ||
	    memory > (json_int_t)VAULT_MEMORY_MAX)
		goto out;
	header.cost.passes = (uint32_t)passes;
	header.cost.memory_size = (size_t)memory;
	if ((st = decode_base64(salt, header.salt.bytes,
		 sizeof(header.salt.bytes), &salt_size)) != STATUS_OK ||
	    (st = decode_base64(server, header.server_key.bytes,
		 sizeof(header.server_key.bytes), &server_size)) != STATUS_OK ||
	    (st = decode_base64(statement, header.statement,
		 sizeof(header.statement), &header.statement_size)) !=
		STATUS_OK)
		goto out;
	if (salt_size != sizeof(header.salt.bytes) ||
	    server_size != sizeof(header.server_key.bytes)) {
		st = STATUS_INVALID;
		goto out;
	}
	*out = header;
out:
	json_decref(object);
	return st;
}

/* ---- The token ---- */

/*
 * The Fernet key: HKDF over the stretched password, with the hash of the
 * header line as info, so that an altered header opens nothing.
 * STATUS_INVALID if the password is not UTF-8.
 */
static enum status
derive_key(struct bytes password, const struct vault_header *header,
    struct bytes line, struct fernet_key *out)
{
	struct password_key stretched = {0};
	struct sha256_digest line_hash;
	struct buf composed;
	enum status st;

	/* NFC makes three bytes of one at most. */
	buf_init_secret(&composed, PASSWORD_SIZE_MAX);
	if ((st = text_nfc(password, &composed)) != STATUS_OK ||
	    (st = hash_sha256(line, &line_hash)) != STATUS_OK ||
	    (st = password_derive(buf_bytes(&composed), &header->salt,
		 header->cost, &stretched)) != STATUS_OK)
		goto out;
	st = kdf_derive(bytes_empty(), BYTES_OF(stretched.bytes),
	    BYTES_OF(line_hash.bytes), out->bytes, sizeof(out->bytes));
out:
	secret_wipe(&stretched, sizeof(stretched));
	buf_wipe(&composed);
	return st;
}

static enum status
seal_secrets(
    const struct vault *vault, const struct fernet_key *key, struct buf *out)
{
	struct signing_seed seed = {0};
	struct buf plain;
	enum status st;

	buf_init_secret(&plain, VAULT_SECRETS_SIZE);
	signing_seed_of(&vault->signing.secret_key, &seed);
	if ((st = buf_append_u8(&plain, VAULT_SECRETS_VERSION)) != STATUS_OK ||
	    (st = buf_append(&plain, BYTES_OF(seed.bytes))) != STATUS_OK ||
	    (st = buf_append(&plain,
		 BYTES_OF(vault->encryption.secret_key.bytes))) != STATUS_OK ||
	    (st = buf_append(&plain, BYTES_OF(vault->database_key.bytes))) !=
		STATUS_OK)
		goto out;
	st = fernet_seal(key, clock_wall_ms() / 1000, buf_bytes(&plain), out);
out:
	buf_wipe(&plain);
	secret_wipe(&seed, sizeof(seed));
	return st;
}

/* Fills the private part of vault. STATUS_FORGED for a wrong key. */
static enum status
open_secrets(
    struct bytes token, const struct fernet_key *key, struct vault *vault)
{
	struct encryption_secret_key encryption = {0};
	struct signing_seed seed = {0};
	struct buf plain;
	const uint8_t *at;
	enum status st;

	buf_init_secret(&plain, VAULT_FILE_SIZE_MAX);
	if ((st = fernet_open(key, token, &plain)) != STATUS_OK)
		goto out;
	if (plain.size != VAULT_SECRETS_SIZE ||
	    plain.data[0] != VAULT_SECRETS_VERSION) {
		st = STATUS_FORGED;
		goto out;
	}
	at = plain.data + 1;
	memcpy(seed.bytes, at, sizeof(seed.bytes));
	at += sizeof(seed.bytes);
	memcpy(encryption.bytes, at, sizeof(encryption.bytes));
	at += sizeof(encryption.bytes);
	memcpy(
	    vault->database_key.bytes, at, sizeof(vault->database_key.bytes));
	if ((st = signing_key_pair_from_seed(&seed, &vault->signing)) !=
	    STATUS_OK)
		goto out;
	st = encryption_key_pair_from_secret(&encryption, &vault->encryption);
out:
	secret_wipe(&seed, sizeof(seed));
	secret_wipe(&encryption, sizeof(encryption));
	buf_wipe(&plain);
	return st;
}

/* Takes the public identity over; it must be that of the private keys. */
static enum status
set_identity(struct vault *vault, struct bytes statement,
    const struct signing_public_key *server_key)
{
	enum status st;

	if (statement.size > sizeof(vault->statement))
		return STATUS_FORGED;
	st = identity_verify_bytes(statement, server_key, &vault->identity);
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		return STATUS_FORGED;
	if (st != STATUS_OK)
		return st;
	if (!signing_public_key_equal(
		&vault->identity.signing_key, &vault->signing.public_key) ||
	    !encryption_public_key_equal(
		&vault->identity.encryption_key, &vault->encryption.public_key))
		return STATUS_FORGED;
	memcpy(vault->statement, statement.data, statement.size);
	vault->statement_size = statement.size;
	return STATUS_OK;
}

/* ---- Making and opening ---- */

/* New keys, and the statement that binds them to the name. */
static enum status
generate(struct bytes name, const struct signing_public_key *server_key,
    struct vault *vault)
{
	struct buf statement;
	enum status st;

	buf_init(&statement, WIRE_SIGNED_IDENTITY_MAX);
	if ((st = signing_key_pair_generate(&vault->signing)) != STATUS_OK ||
	    (st = encryption_key_pair_generate(&vault->encryption)) !=
		STATUS_OK)
		goto out;
	random_bytes(
	    vault->database_key.bytes, sizeof(vault->database_key.bytes));
	if ((st = identity_make(name, &vault->signing,
		 &vault->encryption.public_key, server_key, clock_wall_ms(),
		 &statement)) != STATUS_OK)
		goto out;
	st = set_identity(vault, buf_bytes(&statement), server_key);
out:
	buf_clear(&statement);
	return st;
}

static enum status
write_file(const char *path, const struct vault *vault, struct bytes password,
    struct password_cost cost)
{
	struct vault_header header = {.cost = cost};
	struct fernet_key key = {0};
	struct buf content;
	enum status st;

	buf_init(&content, VAULT_FILE_SIZE_MAX);
	random_bytes(header.salt.bytes, sizeof(header.salt.bytes));
	header.server_key = vault->identity.server_key;
	memcpy(header.statement, vault->statement, vault->statement_size);
	header.statement_size = vault->statement_size;
	if ((st = header_write(&header, &content)) != STATUS_OK ||
	    (st = derive_key(password, &header, buf_bytes(&content), &key)) !=
		STATUS_OK ||
	    (st = buf_append_u8(&content, '\n')) != STATUS_OK ||
	    (st = seal_secrets(vault, &key, &content)) != STATUS_OK ||
	    (st = buf_append_u8(&content, '\n')) != STATUS_OK)
		goto out;
	st = file_create_atomic(path, buf_bytes(&content), 0600);
out:
	secret_wipe(&key, sizeof(key));
	buf_clear(&content);
	return st;
}

enum status
vault_create(const char *path, struct bytes name, struct bytes password,
    const struct signing_public_key *server_key, struct password_cost cost,
    struct vault **out, struct client_error *error)
{
	struct vault *vault = NULL;
	enum status st;

	assert(cost.passes >= VAULT_PASSES_MIN &&
	       cost.passes <= VAULT_PASSES_MAX &&
	       cost.memory_size >= VAULT_MEMORY_MIN &&
	       cost.memory_size <= VAULT_MEMORY_MAX);
	if (name_check(name) != NAME_PROBLEM_NONE)
		return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "%s", name_problem_text(name_check(name)));
	if ((st = vault_check_password(password, error)) != STATUS_OK)
		return st;
	vault = secret_new(sizeof(*vault));
	if (vault == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	if ((st = generate(name, server_key, vault)) != STATUS_OK ||
	    (st = write_file(path, vault, password, cost)) != STATUS_OK)
		goto out;
	*out = vault;
	vault = NULL; /* now the caller's */
out:
	vault_free(vault);
	if (st == STATUS_EXISTS)
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "There is a key file at %s already.", path);
	if (st != STATUS_OK)
		return client_error_set_plain(error, st, "make the key file");
	return STATUS_OK;
}

/* The one text for a wrong password and for every kind of damage. */
static enum status
not_opened(const char *path, struct client_error *error)
{
	return client_error_set(error, STATUS_FORGED, EXIT_CODE_PASSWORD,
	    "The password is wrong, or the key file %s is damaged. Nothing "
	    "was changed. Try again; if the password is right, put a copy of "
	    "the file back.",
	    path);
}

/* Reads the file. Its errors are final. */
static enum status
read_file(const char *path, struct buf *content, struct client_error *error)
{
	enum status st = file_read_private(path, content);

	switch (st) {
	case STATUS_OK:
		return STATUS_OK;
	case STATUS_NOT_FOUND:
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "There is no key file at %s.", path);
	case STATUS_DENIED:
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "The key file %s belongs to another user or can be read "
		    "by others. Make it yours alone: chmod 600 '%s'",
		    path, path);
	case STATUS_INVALID:
	case STATUS_TOO_LARGE:
		return not_opened(path, error);
	case STATUS_NOMEM:
	case STATUS_FORGED:
	case STATUS_EXISTS:
	case STATUS_STALE:
	case STATUS_BUSY:
	case STATUS_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_CANCELLED:
	case STATUS_IO:
	case STATUS_INTERNAL:
		break;
	}
	return client_error_set_plain(error, st, "read the key file");
}

/* Splits the content: header line, newline, token, newline, and no more. */
static bool
split(struct bytes content, struct bytes *line, struct bytes *token)
{
	const uint8_t *end;

	if (content.size == 0)
		return false;
	end = memchr(content.data, '\n', content.size);
	if (end == NULL || content.data[content.size - 1] != '\n' ||
	    end == content.data + content.size - 1)
		return false;
	*line = bytes_make(content.data, (size_t)(end - content.data));
	*token = bytes_make(end + 1, content.size - line->size - 2);
	return line->size <= VAULT_HEADER_MAX;
}

/* STATUS_FORGED for everything that does not open. */
static enum status
open_content(struct bytes content, struct bytes password, struct vault **out)
{
	struct vault_header header = {0};
	struct fernet_key key = {0};
	struct bytes line, token;
	struct vault *vault = NULL;
	enum status st;

	if (!split(content, &line, &token))
		return STATUS_FORGED;
	vault = secret_new(sizeof(*vault));
	if (vault == NULL)
		return STATUS_NOMEM;
	if ((st = header_read(line, &header)) != STATUS_OK ||
	    (st = derive_key(password, &header, line, &key)) != STATUS_OK ||
	    (st = open_secrets(token, &key, vault)) != STATUS_OK ||
	    (st = set_identity(vault,
		 bytes_make(header.statement, header.statement_size),
		 &header.server_key)) != STATUS_OK)
		goto out;
	*out = vault;
	vault = NULL; /* now the caller's */
out:
	vault_free(vault);
	secret_wipe(&key, sizeof(key));
	return st == STATUS_INVALID || st == STATUS_TOO_LARGE ? STATUS_FORGED
							      : st;
}

enum status
vault_open(const char *path, struct bytes password, struct vault **out,
    struct client_error *error)
{
	struct buf content;
	enum status st;

	buf_init(&content, VAULT_FILE_SIZE_MAX);
	if ((st = read_file(path, &content, error)) != STATUS_OK)
		goto out;
	st = open_content(buf_bytes(&content), password, out);
	if (st == STATUS_FORGED)
		st = not_opened(path, error);
	else if (st != STATUS_OK)
		st = client_error_set_plain(error, st, "open the key file");
out:
	buf_clear(&content);
	return st;
}

void
vault_free(struct vault *vault)
{
	secret_free(vault);
}

const char *
vault_name(const struct vault *vault)
{
	return vault->identity.name;
}

const char *
vault_canonical(const struct vault *vault)
{
	return vault->identity.canonical_name;
}

const struct signing_key_pair *
vault_signing(const struct vault *vault)
{
	return &vault->signing;
}

const struct encryption_key_pair *
vault_encryption(const struct vault *vault)
{
	return &vault->encryption;
}

const struct database_key *
vault_database_key(const struct vault *vault)
{
	return &vault->database_key;
}

const struct signing_public_key *
vault_server_key(const struct vault *vault)
{
	return &vault->identity.server_key;
}

const struct identity *
vault_identity(const struct vault *vault)
{
	return &vault->identity;
}

struct bytes
vault_statement(const struct vault *vault)
{
	return bytes_make(vault->statement, vault->statement_size);
}

enum status
vault_peek_name(const char *path, struct buf *out)
{
	struct vault_header header = {0};
	struct identity identity;
	struct bytes line, token;
	struct buf content;
	enum status st;

	buf_init(&content, VAULT_FILE_SIZE_MAX);
	if ((st = file_read_private(path, &content)) != STATUS_OK)
		goto out;
	if (!split(buf_bytes(&content), &line, &token)) {
		st = STATUS_INVALID;
		goto out;
	}
	if ((st = header_read(line, &header)) != STATUS_OK)
		goto out;
	st = identity_verify_bytes(
	    bytes_make(header.statement, header.statement_size),
	    &header.server_key, &identity);
	if (st != STATUS_OK) {
		if (st != STATUS_NOMEM && st != STATUS_INTERNAL)
			st = STATUS_INVALID;
		goto out;
	}
	st = buf_append_string(out, identity.name);
out:
	buf_clear(&content);
	return st;
}
