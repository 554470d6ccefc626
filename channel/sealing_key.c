#include "channel/sealing_key.h"

#include <string.h>

#include "crypto/signature.h"
#include "wire/signed.h"
#include "wire/unpack.h"

enum status
channel_key_id_import(struct bytes bytes, struct channel_key_id *out)
{
	if (bytes.size != sizeof(out->bytes))
		return STATUS_INVALID;
	memcpy(out->bytes, bytes.data, sizeof(out->bytes));
	return STATUS_OK;
}

bool
channel_key_id_equal(const struct channel_key_id *a,
    const struct channel_key_id *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

enum status
channel_sealing_key_append(const struct channel_sealing_key *key,
    struct buf *out)
{
	Peyk__V1__SealingKey message = PEYK__V1__SEALING_KEY__INIT;

	message.id = wire_field(BYTES_OF(key->id.bytes));
	message.key = wire_field(BYTES_OF(key->key.bytes));
	message.not_before_ms = key->not_before_ms;
	message.not_after_ms = key->not_after_ms;
	return wire_pack(&message.base, out);
}

enum status
channel_sealing_key_sign(const struct channel_sealing_key *key,
    const struct signing_secret_key *server_key, struct signature *out)
{
	struct buf content;
	enum status st;

	buf_init(&content, CHANNEL_SEALING_KEY_CONTENT_MAX);
	if ((st = channel_sealing_key_append(key, &content)) == STATUS_OK)
		st = signature_sign(server_key, WIRE_LABEL_SEALING_KEY,
		    buf_bytes(&content), out);
	buf_clear(&content);
	return st;
}

enum status
channel_sealing_key_check(const struct channel_sealing_key *key,
    const struct signature *signature,
    const struct signing_public_key *server_key)
{
	struct buf content;
	enum status st;

	buf_init(&content, CHANNEL_SEALING_KEY_CONTENT_MAX);
	if ((st = channel_sealing_key_append(key, &content)) == STATUS_OK)
		st = signature_verify(server_key, WIRE_LABEL_SEALING_KEY,
		    buf_bytes(&content), signature);
	buf_clear(&content);
	return st;
}

enum status
channel_sealing_key_verify(const Peyk__V1__SignedSealingKey *signed_key,
    const struct signing_public_key *server_key,
    struct channel_sealing_key *out)
{
	Peyk__V1__SealingKey *message = NULL;
	struct channel_sealing_key key = {0};
	struct bytes content = wire_bytes(signed_key->sealing_key);
	struct signature signature;
	enum status st;

	if ((st = signature_import(wire_bytes(signed_key->signature),
	    &signature)) != STATUS_OK ||
	    (st = signature_verify(server_key, WIRE_LABEL_SEALING_KEY,
	    content, &signature)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__sealing_key__descriptor, content,
	    WIRE_SERVER_INFO_MAX, &message)) != STATUS_OK ||
	    (st = channel_key_id_import(wire_bytes(message->id), &key.id)) !=
	    STATUS_OK ||
	    (st = encryption_public_key_import(wire_bytes(message->key),
	    &key.key)) != STATUS_OK)
		goto out;
	key.not_before_ms = message->not_before_ms;
	key.not_after_ms = message->not_after_ms;
	*out = key;
out:
	wire_free(message);
	return st;
}

bool
channel_sealing_key_is_in_force(const struct channel_sealing_key *key,
    uint64_t now_ms)
{
	/* Differences, as a sum with a foreign time could wrap. */
	if (now_ms < key->not_before_ms &&
	    key->not_before_ms - now_ms > WIRE_CLOCK_TOLERANCE_MS)
		return false;
	if (now_ms > key->not_after_ms &&
	    now_ms - key->not_after_ms > WIRE_CLOCK_TOLERANCE_MS)
		return false;
	return true;
}
