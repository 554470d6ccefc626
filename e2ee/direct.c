#include "e2ee/direct.h"

#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "gen/peyk/v1/e2ee.pb-c.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define INFO_LABEL "peyk/v1 direct"

#define SIGNED_MAX (WIRE_CONTENT_MAX + WIRE_SIGNED_OVERHEAD)

/* Beside the text: the sender, and 128 of keys, numbers and frames. */
_Static_assert(WIRE_TEXT_MAX + WIRE_SIGNED_IDENTITY_MAX + 256 <=
    WIRE_CONTENT_MAX, "the longest text fits into the largest content");
_Static_assert(HPKE_ENCAPSULATED_KEY_SIZE + HPKE_OVERHEAD + SIGNED_MAX <=
    WIRE_CIPHERTEXT_MAX, "the largest content can be sealed");

/* Bytes of the largest padding field. */
static const uint8_t zeros[WIRE_CONTENT_MAX];

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

static enum status
check_draft(const struct e2ee_direct_draft *draft)
{
	if (draft->text.size > WIRE_TEXT_MAX)
		return STATUS_TOO_LARGE;
	if (draft->text.size == 0 ||
	    memchr(draft->text.data, 0, draft->text.size) != NULL ||
	    !text_is_utf8(draft->text) ||
	    draft->sent_at_ms > WIRE_TIME_MAX_MS ||
	    draft->counter == 0 || draft->counter > WIRE_NUMBER_MAX ||
	    (draft->counter == 1) != (draft->previous_hash == NULL))
		return STATUS_INVALID;
	return STATUS_OK;
}

static enum status
append_padded(Peyk__V1__MessageContent *message, struct buf *out)
{
	size_t size =
	    peyk__v1__message_content__get_packed_size(message);

	if (size > WIRE_CONTENT_MAX)
		return STATUS_TOO_LARGE;
	message->padding = wire_field(bytes_make(zeros, padding_of(size)));
	return wire_pack(&message->base, out);
}

static enum status
append_content(const struct e2ee_direct_draft *draft, struct buf *out)
{
	Peyk__V1__MessageContent message = PEYK__V1__MESSAGE_CONTENT__INIT;
	Peyk__V1__SignedIdentity *sender = NULL;
	struct buf text;
	const char *string;
	enum status st;

	buf_init_secret(&text, WIRE_TEXT_MAX);
	if ((st = check_draft(draft)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__signed_identity__descriptor,
	    draft->sender, WIRE_SIGNED_IDENTITY_MAX, &sender)) != STATUS_OK ||
	    (st = buf_append(&text, draft->text)) != STATUS_OK ||
	    (st = buf_string(&text, &string)) != STATUS_OK)
		goto out;
	message.sender = sender;
	message.recipient_key =
	    wire_field(BYTES_OF(draft->recipient_signing_key->bytes));
	message.message_id = wire_field(BYTES_OF(draft->id.bytes));
	message.sent_at_ms = draft->sent_at_ms;
	message.counter = draft->counter;
	if (draft->previous_hash != NULL)
		message.previous_hash =
		    wire_field(BYTES_OF(draft->previous_hash->bytes));
	message.body_case = PEYK__V1__MESSAGE_CONTENT__BODY_TEXT;
	message.text = (char *)(uintptr_t)string;
	st = append_padded(&message, out);
out:
	wire_free(sender);
	buf_clear(&text);
	return st;
}

/* ephemeral: NULL for a fresh one. */
static enum status
encrypt(const struct e2ee_direct_draft *draft,
    const struct encryption_key_pair *ephemeral, struct bytes plaintext,
    struct buf *out)
{
	struct hpke_context context = {0};
	struct hpke_encapsulated_key encapsulated;
	size_t before = out->size;
	enum status st;

	st = ephemeral == NULL ?
	    hpke_sender_init(&context, draft->recipient_encryption_key,
	    BYTES_LITERAL(INFO_LABEL), &encapsulated) :
	    hpke_sender_init_with(&context, draft->recipient_encryption_key,
	    BYTES_LITERAL(INFO_LABEL), ephemeral, &encapsulated);
	if (st != STATUS_OK ||
	    (st = buf_append(out, BYTES_OF(encapsulated.bytes))) != STATUS_OK)
		goto out;
	st = hpke_seal(&context,
	    BYTES_OF(draft->recipient_signing_key->bytes), plaintext, out);
	if (st != STATUS_OK)
		buf_truncate(out, before);
out:
	hpke_clear(&context);
	return st;
}

static enum status
seal(const struct e2ee_direct_draft *draft,
    const struct encryption_key_pair *ephemeral, struct buf *out,
    struct sha256_digest *content_hash)
{
	struct buf content, plaintext;
	struct sha256_digest hash;
	enum status st;

	buf_init_secret(&content, WIRE_CONTENT_MAX);
	buf_init_secret(&plaintext, SIGNED_MAX);
	if ((st = append_content(draft, &content)) != STATUS_OK ||
	    (st = hash_sha256(buf_bytes(&content), &hash)) != STATUS_OK ||
	    (st = wire_signed_make(draft->sender_key, WIRE_LABEL_MESSAGE,
	    buf_bytes(&content), &plaintext)) != STATUS_OK ||
	    (st = encrypt(draft, ephemeral, buf_bytes(&plaintext), out)) !=
	    STATUS_OK)
		goto out;
	*content_hash = hash;
out:
	buf_clear(&plaintext);
	buf_clear(&content);
	return st;
}

enum status
e2ee_direct_seal(const struct e2ee_direct_draft *draft, struct buf *out,
    struct sha256_digest *content_hash)
{
	return seal(draft, NULL, out, content_hash);
}

enum status
e2ee_direct_seal_with(const struct e2ee_direct_draft *draft,
    const struct encryption_key_pair *ephemeral, struct buf *out,
    struct sha256_digest *content_hash)
{
	return seal(draft, ephemeral, out, content_hash);
}

void
e2ee_direct_clear(struct e2ee_direct *message)
{
	wire_free(message->content);
	secret_wipe(message, sizeof(*message));
}

static enum status
decrypt(struct bytes ciphertext, const struct encryption_key_pair *own,
    const struct signing_public_key *own_signing_key, struct buf *out)
{
	struct hpke_encapsulated_key encapsulated;
	size_t at = HPKE_ENCAPSULATED_KEY_SIZE;
	enum status st;

	if (ciphertext.size < at + HPKE_OVERHEAD ||
	    ciphertext.size > WIRE_CIPHERTEXT_MAX)
		return STATUS_INVALID;
	if ((st = hpke_encapsulated_key_import(
	    bytes_make(ciphertext.data, at), &encapsulated)) != STATUS_OK)
		return st;
	return hpke_open_once(own, &encapsulated, BYTES_LITERAL(INFO_LABEL),
	    BYTES_OF(own_signing_key->bytes),
	    bytes_make(ciphertext.data + at, ciphertext.size - at), out);
}

/* Counter and previous hash; a later kind may stand outside the chain. */
static enum status
take_link(const Peyk__V1__MessageContent *content, struct e2ee_direct *out)
{
	bool has_hash = content->previous_hash.len > 0;

	if (content->counter > WIRE_NUMBER_MAX ||
	    has_hash != (content->counter > 1) ||
	    (content->counter == 0 && out->kind == E2EE_DIRECT_KIND_TEXT))
		return STATUS_INVALID;
	out->counter = content->counter;
	out->has_previous_hash = has_hash;
	if (!has_hash)
		return STATUS_OK;
	return sha256_digest_import(wire_bytes(content->previous_hash),
	    &out->previous_hash);
}

static enum status
take_body(const Peyk__V1__MessageContent *content, struct e2ee_direct *out)
{
	if (content->body_case != PEYK__V1__MESSAGE_CONTENT__BODY_TEXT) {
		out->kind = E2EE_DIRECT_KIND_UNKNOWN;
		out->text = "";
		return STATUS_OK;
	}
	out->kind = E2EE_DIRECT_KIND_TEXT;
	out->text = content->text;
	out->text_size = strlen(content->text);
	if (out->text_size == 0 || out->text_size > WIRE_TEXT_MAX)
		return STATUS_INVALID;
	return STATUS_OK;
}

/* What the verified content says. */
static enum status
take_fields(const Peyk__V1__MessageContent *content, struct e2ee_direct *out)
{
	enum status st;

	if (content->message_id.len != sizeof(out->id.bytes) ||
	    content->sent_at_ms > WIRE_TIME_MAX_MS)
		return STATUS_INVALID;
	memcpy(out->id.bytes, content->message_id.data,
	    sizeof(out->id.bytes));
	out->sent_at_ms = content->sent_at_ms;
	if ((st = take_body(content, out)) != STATUS_OK)
		return st;
	return take_link(content, out);
}

/* Sender, signature, recipient: in this order (section 9). */
static enum status
verify(const Peyk__V1__MessageContent *content,
    const struct wire_signed *frame,
    const struct signing_public_key *own_signing_key,
    const struct signing_public_key *server_key, struct identity *sender)
{
	enum status st;

	if ((st = identity_verify(content->sender, server_key, sender)) !=
	    STATUS_OK ||
	    (st = wire_signed_verify(frame, WIRE_LABEL_MESSAGE,
	    &sender->signing_key)) != STATUS_OK)
		return st;
	return bytes_equal(wire_bytes(content->recipient_key),
	    BYTES_OF(own_signing_key->bytes)) ? STATUS_OK : STATUS_FORGED;
}

enum status
e2ee_direct_open(struct bytes ciphertext,
    const struct encryption_key_pair *own,
    const struct signing_public_key *own_signing_key,
    const struct signing_public_key *server_key, struct e2ee_direct *out)
{
	struct wire_signed frame = {0};
	Peyk__V1__MessageContent *content = NULL;
	struct e2ee_direct message = {0};
	struct buf plaintext;
	enum status st;

	buf_init_secret(&plaintext, WIRE_CIPHERTEXT_MAX);
	if ((st = decrypt(ciphertext, own, own_signing_key, &plaintext)) !=
	    STATUS_OK ||
	    (st = wire_signed_parse(buf_bytes(&plaintext),
	    WIRE_CIPHERTEXT_MAX, &frame)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__message_content__descriptor,
	    frame.content, WIRE_CIPHERTEXT_MAX, &content)) != STATUS_OK ||
	    (st = verify(content, &frame, own_signing_key, server_key,
	    &message.sender)) != STATUS_OK ||
	    (st = take_fields(content, &message)) != STATUS_OK ||
	    (st = hash_sha256(frame.content, &message.content_hash)) !=
	    STATUS_OK)
		goto out;
	message.content = content;
	content = NULL; /* now the message's */
	*out = message;
out:
	wire_free(content);
	wire_signed_clear(&frame);
	buf_clear(&plaintext);
	return st == STATUS_TOO_LARGE ? STATUS_INVALID : st;
}
