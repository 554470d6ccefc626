#include "wire/identity.h"

#include <string.h>

#include "crypto/signature.h"
#include "wire/limits.h"
#include "wire/signed.h"
#include "wire/unpack.h"

_Static_assert(NAME_SIZE_MAX + 128 <= WIRE_IDENTITY_MAX,
    "the longest name fits into an identity");
_Static_assert(WIRE_IDENTITY_MAX + WIRE_SIGNED_OVERHEAD <=
    WIRE_SIGNED_IDENTITY_MAX, "the largest identity can be signed");

/* Copies text and its NUL; size is the array's. */
static enum status
copy_text(char *out, size_t size, struct bytes text)
{
	if (text.size >= size)
		return STATUS_INVALID;
	if (text.size > 0)
		memcpy(out, text.data, text.size);
	out[text.size] = '\0';
	return STATUS_OK;
}

static enum status
set_name(struct identity *identity, struct bytes name)
{
	struct buf canonical;
	enum status st;

	buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
	if ((st = name_append_canonical(name, &canonical)) == STATUS_OK &&
	    (st = copy_text(identity->name, sizeof(identity->name), name)) ==
	    STATUS_OK)
		st = copy_text(identity->canonical_name,
		    sizeof(identity->canonical_name), buf_bytes(&canonical));
	buf_clear(&canonical);
	/* One that is too long for us is just as little a name. */
	return st == STATUS_TOO_LARGE ? STATUS_INVALID : st;
}

enum status
identity_make(struct bytes name, const struct signing_key_pair *signing_key,
    const struct encryption_public_key *encryption_key,
    const struct signing_public_key *server_key, uint64_t created_at_ms,
    struct buf *out)
{
	Peyk__V1__Identity message = PEYK__V1__IDENTITY__INIT;
	Peyk__V1__SignedIdentity statement =
	    PEYK__V1__SIGNED_IDENTITY__INIT;
	struct identity identity;
	struct signature signature;
	struct buf content;
	enum status st;

	buf_init(&content, WIRE_IDENTITY_MAX);
	if (created_at_ms > WIRE_TIME_MAX_MS) {
		st = STATUS_INVALID;
		goto out;
	}
	if ((st = set_name(&identity, name)) != STATUS_OK)
		goto out;
	message.username = identity.name;
	message.signing_key =
	    wire_field(BYTES_OF(signing_key->public_key.bytes));
	message.encryption_key = wire_field(BYTES_OF(encryption_key->bytes));
	message.server_key = wire_field(BYTES_OF(server_key->bytes));
	message.created_at_ms = created_at_ms;
	if ((st = wire_pack(&message.base, &content)) != STATUS_OK ||
	    (st = signature_sign(&signing_key->secret_key,
	    WIRE_LABEL_IDENTITY, buf_bytes(&content), &signature)) !=
	    STATUS_OK)
		goto out;
	statement.identity = wire_field(buf_bytes(&content));
	statement.signature = wire_field(BYTES_OF(signature.bytes));
	st = wire_pack(&statement.base, out);
out:
	buf_clear(&content);
	return st;
}

static enum status
import_keys(const Peyk__V1__Identity *message, struct identity *out)
{
	enum status st;

	if ((st = signing_public_key_import(wire_bytes(message->signing_key),
	    &out->signing_key)) != STATUS_OK ||
	    (st = encryption_public_key_import(
	    wire_bytes(message->encryption_key), &out->encryption_key)) !=
	    STATUS_OK)
		return st;
	return signing_public_key_import(wire_bytes(message->server_key),
	    &out->server_key);
}

enum status
identity_verify(const Peyk__V1__SignedIdentity *statement,
    const struct signing_public_key *server_key, struct identity *out)
{
	Peyk__V1__Identity *message = NULL;
	struct identity identity = {0};
	struct signature signature;
	enum status st;

	if (statement == NULL)
		return STATUS_INVALID;
	if ((st = signature_import(wire_bytes(statement->signature),
	    &signature)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__identity__descriptor,
	    wire_bytes(statement->identity), WIRE_IDENTITY_MAX, &message)) !=
	    STATUS_OK ||
	    (st = import_keys(message, &identity)) != STATUS_OK ||
	    (st = signature_verify(&identity.signing_key, WIRE_LABEL_IDENTITY,
	    wire_bytes(statement->identity), &signature)) != STATUS_OK)
		goto out;
	if (!signing_public_key_equal(&identity.server_key, server_key)) {
		st = STATUS_FORGED;
		goto out;
	}
	if (message->created_at_ms > WIRE_TIME_MAX_MS) {
		st = STATUS_INVALID;
		goto out;
	}
	identity.created_at_ms = message->created_at_ms;
	if ((st = set_name(&identity,
	    bytes_from_string(message->username))) != STATUS_OK)
		goto out;
	*out = identity;
out:
	wire_free(message);
	return st;
}

enum status
identity_verify_bytes(struct bytes statement,
    const struct signing_public_key *server_key, struct identity *out)
{
	Peyk__V1__SignedIdentity *message = NULL;
	enum status st;

	if ((st = wire_unpack(&peyk__v1__signed_identity__descriptor,
	    statement, WIRE_SIGNED_IDENTITY_MAX, &message)) != STATUS_OK)
		return st;
	st = identity_verify(message, server_key, out);
	wire_free(message);
	return st;
}

enum status
identity_is_named(const struct identity *identity, struct bytes name,
    bool *out)
{
	struct buf canonical;
	enum status st;

	buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
	st = name_append_canonical(name, &canonical);
	if (st == STATUS_OK)
		*out = bytes_equal(buf_bytes(&canonical),
		    bytes_from_string(identity->canonical_name));
	buf_clear(&canonical);
	return st;
}

bool
identity_is_same(const struct identity *a, const struct identity *b)
{
	return strcmp(a->canonical_name, b->canonical_name) == 0 &&
	    signing_public_key_equal(&a->signing_key, &b->signing_key) &&
	    encryption_public_key_equal(&a->encryption_key,
	    &b->encryption_key) &&
	    signing_public_key_equal(&a->server_key, &b->server_key);
}
