#include "e2ee/group_message.h"

#include <string.h>

#include "base/random.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "e2ee/content.h"
#include "gen/peyk/v1/e2ee.pb-c.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define KEY_LABEL "peyk/v1 group key"

/* A ciphertext: sender key, u64(index), random bytes, what is encrypted. */
#define INDEX_AT ((size_t)SIGNING_PUBLIC_KEY_SIZE)
#define RANDOM_AT (INDEX_AT + 8)
#define RANDOM_SIZE ((size_t)32)
#define SEALED_AT (RANDOM_AT + RANDOM_SIZE)

/* u64(group id) || u64(epoch) || sender key || u64(index) */
#define PLACE_SIZE ((size_t)(8 + 8 + SIGNING_PUBLIC_KEY_SIZE + 8))

_Static_assert(SEALED_AT + AEAD_TAG_SIZE + E2EE_PLAINTEXT_MAX <=
    WIRE_CIPHERTEXT_MAX, "the largest content can be encrypted");

/* Key and iv of one message. Secret. */
struct seal_key {
	struct symmetric_key key;
	struct aead_iv iv;
};

static bool
is_place(const struct e2ee_group_place *place)
{
	return e2ee_content_is_epoch(place->group_id, place->epoch) &&
	    place->index <= WIRE_NUMBER_MAX;
}

static void
put_place(uint8_t out[PLACE_SIZE], const struct e2ee_group_place *place)
{
	bytes_put_u64be(out, place->group_id);
	bytes_put_u64be(out + 8, place->epoch);
	memcpy(out + 16, place->sender_key.bytes, SIGNING_PUBLIC_KEY_SIZE);
	bytes_put_u64be(out + 16 + SIGNING_PUBLIC_KEY_SIZE, place->index);
}

static enum status
derive(const struct e2ee_group_message_key *key, struct bytes random,
    const uint8_t place[PLACE_SIZE], struct seal_key *out)
{
	uint8_t info[sizeof(KEY_LABEL) - 1 + PLACE_SIZE];
	uint8_t both[SYMMETRIC_KEY_SIZE + AEAD_IV_SIZE] = {0};
	enum status st;

	memcpy(info, KEY_LABEL, sizeof(KEY_LABEL) - 1);
	memcpy(info + sizeof(KEY_LABEL) - 1, place, PLACE_SIZE);
	st = kdf_derive(random, BYTES_OF(key->bytes), BYTES_OF(info), both,
	    sizeof(both));
	if (st == STATUS_OK) {
		memcpy(out->key.bytes, both, sizeof(out->key.bytes));
		memcpy(out->iv.bytes, both + SYMMETRIC_KEY_SIZE,
		    sizeof(out->iv.bytes));
	}
	secret_wipe(both, sizeof(both));
	return st;
}

/* ---- Sealing ---- */

static enum status
check_draft(const struct e2ee_group_draft *draft)
{
	/* Nobody could read what another key than the named one signs. */
	if (!is_place(&draft->place) ||
	    memcmp(draft->sender_key->bytes + SIGNING_SEED_SIZE,
	    draft->place.sender_key.bytes, SIGNING_PUBLIC_KEY_SIZE) != 0)
		return STATUS_INVALID;
	return e2ee_content_check(draft->text, draft->sent_at_ms,
	    draft->counter, draft->previous_hash);
}

/* The plaintext: the draft's content, padded and signed. */
static enum status
append_signed(const struct e2ee_group_draft *draft, struct buf *out,
    struct sha256_digest *hash)
{
	Peyk__V1__GroupMessageContent content =
	    PEYK__V1__GROUP_MESSAGE_CONTENT__INIT;
	const struct e2ee_group_place *place = &draft->place;
	struct buf text;
	const char *string;
	enum status st;

	buf_init_secret(&text, WIRE_TEXT_MAX);
	if ((st = check_draft(draft)) != STATUS_OK ||
	    (st = buf_append(&text, draft->text)) != STATUS_OK ||
	    (st = buf_string(&text, &string)) != STATUS_OK)
		goto out;
	content.group_id = place->group_id;
	content.epoch = place->epoch;
	content.roster_hash = wire_field(BYTES_OF(draft->roster_hash->bytes));
	content.sender_key = wire_field(BYTES_OF(place->sender_key.bytes));
	content.index = place->index;
	content.message_id = wire_field(BYTES_OF(draft->id.bytes));
	content.sent_at_ms = draft->sent_at_ms;
	content.counter = draft->counter;
	if (draft->previous_hash != NULL)
		content.previous_hash =
		    wire_field(BYTES_OF(draft->previous_hash->bytes));
	content.body_case = PEYK__V1__GROUP_MESSAGE_CONTENT__BODY_TEXT;
	content.text = (char *)(uintptr_t)string;
	st = e2ee_content_sign(&content.base, &content.padding,
	    WIRE_LABEL_GROUP_MESSAGE, draft->sender_key, out, hash);
out:
	buf_clear(&text);
	return st;
}

static enum status
encrypt(const struct e2ee_group_place *place,
    const struct e2ee_group_message_key *key, struct bytes random,
    struct bytes plaintext, struct buf *out)
{
	uint8_t aad[PLACE_SIZE];
	struct seal_key derived = {0};
	size_t before = out->size;
	enum status st;

	put_place(aad, place);
	if ((st = derive(key, random, aad, &derived)) != STATUS_OK ||
	    (st = buf_append(out, BYTES_OF(place->sender_key.bytes))) !=
	    STATUS_OK ||
	    (st = buf_append_u64be(out, place->index)) != STATUS_OK ||
	    (st = buf_append(out, random)) != STATUS_OK ||
	    (st = aead_seal(&derived.key, &derived.iv, BYTES_OF(aad),
	    plaintext, out)) != STATUS_OK)
		buf_truncate(out, before);
	secret_wipe(&derived, sizeof(derived));
	return st;
}

enum status
e2ee_group_message_seal_with(const struct e2ee_group_draft *draft,
    const struct e2ee_group_message_key *key, const uint8_t random[32],
    struct buf *out, struct sha256_digest *content_hash)
{
	struct sha256_digest hash;
	struct buf plaintext;
	enum status st;

	buf_init_secret(&plaintext, E2EE_PLAINTEXT_MAX);
	if ((st = append_signed(draft, &plaintext, &hash)) == STATUS_OK &&
	    (st = encrypt(&draft->place, key, bytes_make(random, RANDOM_SIZE),
	    buf_bytes(&plaintext), out)) == STATUS_OK)
		*content_hash = hash;
	buf_clear(&plaintext);
	return st;
}

enum status
e2ee_group_message_seal(const struct e2ee_group_draft *draft,
    const struct e2ee_group_message_key *key, struct buf *out,
    struct sha256_digest *content_hash)
{
	uint8_t random[RANDOM_SIZE];

	random_bytes(random, sizeof(random));
	return e2ee_group_message_seal_with(draft, key, random, out,
	    content_hash);
}

/* ---- Opening ---- */

enum status
e2ee_group_message_peek(struct bytes ciphertext,
    struct e2ee_group_place *place)
{
	uint64_t index;

	if (ciphertext.size < SEALED_AT + AEAD_TAG_SIZE ||
	    ciphertext.size > WIRE_CIPHERTEXT_MAX)
		return STATUS_INVALID;
	if ((index = bytes_get_u64be(ciphertext.data + INDEX_AT)) >
	    WIRE_NUMBER_MAX)
		return STATUS_INVALID;
	memcpy(place->sender_key.bytes, ciphertext.data,
	    sizeof(place->sender_key.bytes));
	place->index = index;
	return STATUS_OK;
}

void
e2ee_group_message_clear(struct e2ee_group_message *message)
{
	wire_free(message->content);
	secret_wipe(message, sizeof(*message));
}

static enum status
decrypt(struct bytes ciphertext, const struct e2ee_group_place *place,
    const struct e2ee_group_message_key *key, struct buf *out)
{
	struct e2ee_group_place claimed = *place;
	struct seal_key derived = {0};
	uint8_t aad[PLACE_SIZE];
	enum status st;

	if (!is_place(place))
		return STATUS_INVALID;
	if ((st = e2ee_group_message_peek(ciphertext, &claimed)) != STATUS_OK)
		return st;
	/* aad is made from place: what stands in front has to be the same */
	if (claimed.index != place->index || !signing_public_key_equal(
	    &claimed.sender_key, &place->sender_key))
		return STATUS_FORGED;
	put_place(aad, place);
	st = derive(key, bytes_make(ciphertext.data + RANDOM_AT, RANDOM_SIZE),
	    aad, &derived);
	if (st == STATUS_OK)
		st = aead_open(&derived.key, &derived.iv, BYTES_OF(aad),
		    bytes_make(ciphertext.data + SEALED_AT,
		    ciphertext.size - SEALED_AT), out);
	secret_wipe(&derived, sizeof(derived));
	return st;
}

/* Signature, then place: in this order (section 13). */
static enum status
verify(const Peyk__V1__GroupMessageContent *content,
    const struct wire_signed *frame, const struct e2ee_group_place *place)
{
	enum status st;

	if ((st = wire_signed_verify(frame, WIRE_LABEL_GROUP_MESSAGE,
	    &place->sender_key)) != STATUS_OK)
		return st;
	return content->group_id == place->group_id &&
	    content->epoch == place->epoch &&
	    content->index == place->index &&
	    bytes_equal(wire_bytes(content->sender_key),
	    BYTES_OF(place->sender_key.bytes)) ? STATUS_OK : STATUS_FORGED;
}

static enum status
take_body(const Peyk__V1__GroupMessageContent *content,
    struct e2ee_group_message *out)
{
	out->text = "";
	switch (content->body_case) {
	case PEYK__V1__GROUP_MESSAGE_CONTENT__BODY_TEXT:
		out->kind = E2EE_DIRECT_KIND_TEXT;
		return e2ee_content_take_text(content->text, &out->text,
		    &out->text_size);
	case PEYK__V1__GROUP_MESSAGE_CONTENT__BODY__NOT_SET:
	case _PEYK__V1__GROUP_MESSAGE_CONTENT__BODY__CASE_IS_INT_SIZE:
		break;
	}
	out->kind = E2EE_DIRECT_KIND_UNKNOWN;
	return STATUS_OK;
}

/* What the verified content says. */
static enum status
take_fields(const Peyk__V1__GroupMessageContent *content,
    struct e2ee_group_message *out)
{
	enum status st;

	if (content->sent_at_ms > WIRE_TIME_MAX_MS)
		return STATUS_INVALID;
	out->sent_at_ms = content->sent_at_ms;
	out->counter = content->counter;
	if ((st = e2ee_content_take_id(content->message_id, &out->id)) !=
	    STATUS_OK ||
	    (st = sha256_digest_import(wire_bytes(content->roster_hash),
	    &out->roster_hash)) != STATUS_OK ||
	    (st = take_body(content, out)) != STATUS_OK)
		return st;
	return e2ee_content_take_link(content->counter,
	    content->previous_hash, out->kind == E2EE_DIRECT_KIND_TEXT,
	    &out->has_previous_hash, &out->previous_hash);
}

enum status
e2ee_group_message_open(struct bytes ciphertext,
    const struct e2ee_group_place *place,
    const struct e2ee_group_message_key *key, struct e2ee_group_message *out)
{
	Peyk__V1__GroupMessageContent *content = NULL;
	struct e2ee_group_message message = {0};
	struct wire_signed frame = {0};
	struct buf plaintext;
	enum status st;

	buf_init_secret(&plaintext, WIRE_CIPHERTEXT_MAX);
	if ((st = decrypt(ciphertext, place, key, &plaintext)) != STATUS_OK ||
	    (st = wire_signed_parse(buf_bytes(&plaintext),
	    WIRE_CIPHERTEXT_MAX, &frame)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__group_message_content__descriptor,
	    frame.content, WIRE_CIPHERTEXT_MAX, &content)) != STATUS_OK ||
	    (st = verify(content, &frame, place)) != STATUS_OK ||
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
	return st;
}
