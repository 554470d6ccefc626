#include "e2ee/direct.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "e2ee/content.h"
#include "gen/peyk/v1/e2ee.pb-c.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define INFO_LABEL "peyk/v1 direct"

_Static_assert(HPKE_ENCAPSULATED_KEY_SIZE + HPKE_OVERHEAD +
    E2EE_PLAINTEXT_MAX <= WIRE_CIPHERTEXT_MAX,
    "the largest content can be sealed");

static bool
is_group_key(const struct e2ee_group_key_letter *letter)
{
	return letter != NULL &&
	    e2ee_content_is_epoch(letter->group_id, letter->epoch);
}

static bool
is_group_farewell(const struct e2ee_group_farewell *farewell)
{
	return farewell != NULL &&
	    e2ee_content_is_epoch(farewell->group_id, farewell->epoch);
}

/* A letter stands outside the count and has no text. */
static bool
is_letter(const struct e2ee_direct_draft *draft)
{
	return draft->sent_at_ms <= WIRE_TIME_MAX_MS && draft->counter == 0 &&
	    draft->previous_hash == NULL && draft->text.size == 0;
}

static enum status
check_draft(const struct e2ee_direct_draft *draft)
{
	bool is_valid = false;

	switch (draft->kind) {
	case E2EE_DIRECT_KIND_TEXT:
		return e2ee_content_check(draft->text, draft->sent_at_ms,
		    draft->counter, draft->previous_hash);
	case E2EE_DIRECT_KIND_GROUP_KEY:
		is_valid = is_letter(draft) && is_group_key(draft->group_key);
		break;
	case E2EE_DIRECT_KIND_GROUP_FAREWELL:
		is_valid = is_letter(draft) &&
		    is_group_farewell(draft->group_farewell);
		break;
	case E2EE_DIRECT_KIND_UNKNOWN:
		break;
	}
	return is_valid ? STATUS_OK : STATUS_INVALID;
}

/* What a draft is packed from: the parts that a content points to. */
struct parts {
	Peyk__V1__SignedIdentity *sender;
	Peyk__V1__GroupKey key;
	Peyk__V1__GroupFarewell farewell;
	struct buf text; /* with a NUL */
};

static enum status
set_text(Peyk__V1__MessageContent *content, struct bytes text,
    struct parts *parts)
{
	const char *string;
	enum status st;

	if ((st = buf_append(&parts->text, text)) != STATUS_OK ||
	    (st = buf_string(&parts->text, &string)) != STATUS_OK)
		return st;
	content->body_case = PEYK__V1__MESSAGE_CONTENT__BODY_TEXT;
	content->text = (char *)(uintptr_t)string;
	return STATUS_OK;
}

static void
set_group_key(Peyk__V1__MessageContent *content,
    const struct e2ee_group_key_letter *letter, struct parts *parts)
{
	Peyk__V1__GroupKey *key = &parts->key;

	key->group_id = letter->group_id;
	key->epoch = letter->epoch;
	key->roster_hash = wire_field(BYTES_OF(letter->roster_hash.bytes));
	key->admin_secret = wire_field(BYTES_OF(letter->admin_secret.bytes));
	key->server_share = wire_field(BYTES_OF(letter->server_share.bytes));
	content->body_case = PEYK__V1__MESSAGE_CONTENT__BODY_GROUP_KEY;
	content->group_key = key;
}

static void
set_group_farewell(Peyk__V1__MessageContent *content,
    const struct e2ee_group_farewell *letter, struct parts *parts)
{
	Peyk__V1__GroupFarewell *farewell = &parts->farewell;

	farewell->group_id = letter->group_id;
	farewell->epoch = letter->epoch;
	farewell->is_deleted = letter->is_deleted;
	content->body_case = PEYK__V1__MESSAGE_CONTENT__BODY_GROUP_FAREWELL;
	content->group_farewell = farewell;
}

static enum status
set_body(Peyk__V1__MessageContent *content,
    const struct e2ee_direct_draft *draft, struct parts *parts)
{
	switch (draft->kind) {
	case E2EE_DIRECT_KIND_TEXT:
		return set_text(content, draft->text, parts);
	case E2EE_DIRECT_KIND_GROUP_KEY:
		set_group_key(content, draft->group_key, parts);
		return STATUS_OK;
	case E2EE_DIRECT_KIND_GROUP_FAREWELL:
		set_group_farewell(content, draft->group_farewell, parts);
		return STATUS_OK;
	case E2EE_DIRECT_KIND_UNKNOWN:
		break;
	}
	return STATUS_INVALID;
}

/* The plaintext: the draft's content, padded and signed. */
static enum status
append_signed(const struct e2ee_direct_draft *draft, struct buf *out,
    struct sha256_digest *hash)
{
	Peyk__V1__MessageContent content = PEYK__V1__MESSAGE_CONTENT__INIT;
	struct parts parts = { .key = PEYK__V1__GROUP_KEY__INIT,
		.farewell = PEYK__V1__GROUP_FAREWELL__INIT };
	enum status st;

	buf_init_secret(&parts.text, WIRE_TEXT_MAX);
	if ((st = check_draft(draft)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__signed_identity__descriptor,
	    draft->sender, WIRE_SIGNED_IDENTITY_MAX, &parts.sender)) !=
	    STATUS_OK ||
	    (st = set_body(&content, draft, &parts)) != STATUS_OK)
		goto out;
	content.sender = parts.sender;
	content.recipient_key =
	    wire_field(BYTES_OF(draft->recipient_signing_key->bytes));
	content.message_id = wire_field(BYTES_OF(draft->id.bytes));
	content.sent_at_ms = draft->sent_at_ms;
	content.counter = draft->counter;
	if (draft->previous_hash != NULL)
		content.previous_hash =
		    wire_field(BYTES_OF(draft->previous_hash->bytes));
	st = e2ee_content_sign(&content.base, &content.padding,
	    WIRE_LABEL_MESSAGE, draft->sender_key, out, hash);
out:
	wire_free(parts.sender);
	buf_clear(&parts.text);
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
	struct sha256_digest hash;
	struct buf plaintext;
	enum status st;

	buf_init_secret(&plaintext, E2EE_PLAINTEXT_MAX);
	if ((st = append_signed(draft, &plaintext, &hash)) == STATUS_OK &&
	    (st = encrypt(draft, ephemeral, buf_bytes(&plaintext), out)) ==
	    STATUS_OK)
		*content_hash = hash;
	buf_clear(&plaintext);
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

static enum status
take_group_key(const Peyk__V1__GroupKey *key,
    struct e2ee_group_key_letter *out)
{
	if (key->admin_secret.len != sizeof(out->admin_secret.bytes) ||
	    key->server_share.len != sizeof(out->server_share.bytes))
		return STATUS_INVALID;
	out->group_id = key->group_id;
	out->epoch = key->epoch;
	memcpy(out->admin_secret.bytes, key->admin_secret.data,
	    sizeof(out->admin_secret.bytes));
	memcpy(out->server_share.bytes, key->server_share.data,
	    sizeof(out->server_share.bytes));
	if (!is_group_key(out))
		return STATUS_INVALID;
	return sha256_digest_import(wire_bytes(key->roster_hash),
	    &out->roster_hash);
}

static enum status
take_group_farewell(const Peyk__V1__GroupFarewell *farewell,
    struct e2ee_group_farewell *out)
{
	out->group_id = farewell->group_id;
	out->epoch = farewell->epoch;
	out->is_deleted = farewell->is_deleted;
	return is_group_farewell(out) ? STATUS_OK : STATUS_INVALID;
}

static enum status
take_body(const Peyk__V1__MessageContent *content, struct e2ee_direct *out)
{
	out->text = "";
	switch (content->body_case) {
	case PEYK__V1__MESSAGE_CONTENT__BODY_TEXT:
		out->kind = E2EE_DIRECT_KIND_TEXT;
		return e2ee_content_take_text(content->text, &out->text,
		    &out->text_size);
	case PEYK__V1__MESSAGE_CONTENT__BODY_GROUP_KEY:
		out->kind = E2EE_DIRECT_KIND_GROUP_KEY;
		return take_group_key(content->group_key, &out->group_key);
	case PEYK__V1__MESSAGE_CONTENT__BODY_GROUP_FAREWELL:
		out->kind = E2EE_DIRECT_KIND_GROUP_FAREWELL;
		return take_group_farewell(content->group_farewell,
		    &out->group_farewell);
	case PEYK__V1__MESSAGE_CONTENT__BODY__NOT_SET:
	case _PEYK__V1__MESSAGE_CONTENT__BODY__CASE_IS_INT_SIZE:
		break;
	}
	out->kind = E2EE_DIRECT_KIND_UNKNOWN;
	return STATUS_OK;
}

/* A letter has no place in the count; a later kind may have one. */
static bool
counter_fits(const struct e2ee_direct *message)
{
	return message->counter == 0 ||
	    (message->kind != E2EE_DIRECT_KIND_GROUP_KEY &&
	    message->kind != E2EE_DIRECT_KIND_GROUP_FAREWELL);
}

/* What the verified content says. */
static enum status
take_fields(const Peyk__V1__MessageContent *content, struct e2ee_direct *out)
{
	enum status st;

	if (content->sent_at_ms > WIRE_TIME_MAX_MS)
		return STATUS_INVALID;
	out->sent_at_ms = content->sent_at_ms;
	out->counter = content->counter;
	if ((st = e2ee_content_take_id(content->message_id, &out->id)) !=
	    STATUS_OK ||
	    (st = take_body(content, out)) != STATUS_OK ||
	    (st = e2ee_content_take_link(content->counter,
	    content->previous_hash, out->kind == E2EE_DIRECT_KIND_TEXT,
	    &out->has_previous_hash, &out->previous_hash)) != STATUS_OK)
		return st;
	return counter_fits(out) ? STATUS_OK : STATUS_INVALID;
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
	secret_wipe(&message, sizeof(message));
	wire_free(content);
	wire_signed_clear(&frame);
	buf_clear(&plaintext);
	return st == STATUS_TOO_LARGE ? STATUS_INVALID : st;
}
