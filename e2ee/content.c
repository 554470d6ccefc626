#include "e2ee/content.h"

#include <string.h>

#include "base/text.h"
#include "crypto/hash.h"
#include "wire/signed.h"

/* Bytes of the largest padding field. */
static const uint8_t zeros[WIRE_CONTENT_MAX];

/* Beside the text: the sender, and 256 of keys, numbers and frames. */
_Static_assert(WIRE_TEXT_MAX + WIRE_SIGNED_IDENTITY_MAX + 256 <=
    WIRE_CONTENT_MAX, "the longest text fits into the largest content");

bool
e2ee_content_is_epoch(uint64_t group_id, uint32_t epoch)
{
	return group_id > 0 && group_id <= WIRE_NUMBER_MAX && epoch > 0;
}

enum status
e2ee_content_check(struct bytes text, uint64_t sent_at_ms, uint64_t counter,
    const struct sha256_digest *previous_hash)
{
	if (text.size > WIRE_TEXT_MAX)
		return STATUS_TOO_LARGE;
	if (text.size == 0 || memchr(text.data, 0, text.size) != NULL ||
	    !text_is_utf8(text) || sent_at_ms > WIRE_TIME_MAX_MS ||
	    counter == 0 || counter > WIRE_NUMBER_MAX ||
	    (counter == 1) != (previous_hash == NULL))
		return STATUS_INVALID;
	return STATUS_OK;
}

/* Bytes of a protobuf field of number 1 to 15 that holds size bytes. */
static size_t
field_size(size_t size)
{
	size_t prefix = 1, rest;

	if (size == 0)
		return 0; /* proto3 leaves it out */
	for (rest = size; rest >= 0x80; rest >>= 7)
		prefix++;
	return 1 + prefix + size;
}

/*
 * The longest padding with which content of this size does not pass its power
 * of two: one or two bytes short of it where the field's prefix does not let
 * it fit exactly (docs/protocol.md section 9).
 */
static size_t
padding_of(size_t size)
{
	size_t padded = WIRE_CONTENT_MIN, room, padding;

	while (padded < size)
		padded *= 2;
	room = padded - size;
	padding = room;
	while (field_size(padding) > room)
		padding--;
	return padding;
}

enum status
e2ee_content_sign(const ProtobufCMessage *content,
    ProtobufCBinaryData *padding, const char *label,
    const struct signing_secret_key *key, struct buf *out,
    struct sha256_digest *hash)
{
	size_t size = protobuf_c_message_get_packed_size(content);
	struct sha256_digest digest;
	struct buf packed;
	enum status st;

	if (size > WIRE_CONTENT_MAX)
		return STATUS_TOO_LARGE;
	buf_init_secret(&packed, WIRE_CONTENT_MAX);
	*padding = wire_field(bytes_make(zeros, padding_of(size)));
	if ((st = wire_pack(content, &packed)) != STATUS_OK ||
	    (st = hash_sha256(buf_bytes(&packed), &digest)) != STATUS_OK ||
	    (st = wire_signed_make(key, label, buf_bytes(&packed), out)) !=
	    STATUS_OK)
		goto out;
	*hash = digest;
out:
	buf_clear(&packed);
	return st;
}

enum status
e2ee_content_take_id(ProtobufCBinaryData field, struct e2ee_message_id *out)
{
	if (field.len != sizeof(out->bytes))
		return STATUS_INVALID;
	memcpy(out->bytes, field.data, sizeof(out->bytes));
	return STATUS_OK;
}

enum status
e2ee_content_take_link(uint64_t counter, ProtobufCBinaryData field,
    bool is_counted, bool *has_previous_hash,
    struct sha256_digest *previous_hash)
{
	bool has_hash = field.len > 0;
	enum status st;

	if (counter > WIRE_NUMBER_MAX || has_hash != (counter > 1) ||
	    (counter == 0 && is_counted))
		return STATUS_INVALID;
	if (has_hash && (st = sha256_digest_import(wire_bytes(field),
	    previous_hash)) != STATUS_OK)
		return st;
	*has_previous_hash = has_hash;
	return STATUS_OK;
}

enum status
e2ee_content_take_text(const char *text, const char **out, size_t *size)
{
	size_t length = strlen(text);

	if (length == 0 || length > WIRE_TEXT_MAX)
		return STATUS_INVALID;
	*out = text;
	*size = length;
	return STATUS_OK;
}
