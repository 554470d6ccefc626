#include "channel/reply.h"

#include <string.h>

#include "base/random.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "wire/limits.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define KEY_LABEL "peyk/v1 reply key"
#define IV_LABEL "peyk/v1 reply iv"

/* Beside the body: the reason, the method, a hash, numbers, their frames. */
#define CONTENT_MAX (WIRE_BODY_MAX + (size_t)2048)

_Static_assert(CONTENT_MAX + WIRE_SIGNED_OVERHEAD + AEAD_TAG_SIZE <=
    WIRE_ENVELOPE_MAX, "the largest body can be sealed");

/* What one reply is encrypted with. Secret. */
struct reply_key {
	struct symmetric_key key;
	struct aead_iv iv;
};

void
channel_sealed_response_clear(struct channel_sealed_response *sealed)
{
	buf_clear(&sealed->ciphertext);
	*sealed = (struct channel_sealed_response){0};
}

void
channel_sealed_response_view(const struct channel_sealed_response *sealed,
    Peyk__V1__SealedResponse *view)
{
	peyk__v1__sealed_response__init(view);
	view->nonce = wire_field(BYTES_OF(sealed->nonce));
	view->ciphertext = wire_field(buf_bytes(&sealed->ciphertext));
}

void
channel_reply_clear(struct channel_reply *reply)
{
	wire_free(reply->content);
	secret_wipe(reply, sizeof(*reply));
}

/* docs/protocol.md section 4: the extracted key is the static secret. */
static enum status
derive(const struct channel_exchange *exchange, const uint8_t *nonce,
    const struct shared_secret *shared, struct reply_key *out)
{
	uint8_t salt[CHANNEL_REPLY_SECRET_SIZE + CHANNEL_REPLY_NONCE_SIZE];
	struct kdf_prk prk = {0};
	enum status st;

	memcpy(salt, exchange->reply_secret, CHANNEL_REPLY_SECRET_SIZE);
	memcpy(salt + CHANNEL_REPLY_SECRET_SIZE, nonce,
	    CHANNEL_REPLY_NONCE_SIZE);
	if ((st = kdf_extract(BYTES_OF(salt), BYTES_OF(shared->bytes),
	    &prk)) != STATUS_OK ||
	    (st = kdf_expand(&prk, BYTES_LITERAL(KEY_LABEL), out->key.bytes,
	    sizeof(out->key.bytes))) != STATUS_OK ||
	    (st = kdf_expand(&prk, BYTES_LITERAL(IV_LABEL), out->iv.bytes,
	    sizeof(out->iv.bytes))) != STATUS_OK)
		goto out;
out:
	secret_wipe(&prk, sizeof(prk));
	secret_wipe(salt, sizeof(salt));
	return st;
}

/* Whether the code is one of the disposition's (section 5). */
static bool
is_consistent(Peyk__V1__Disposition disposition, uint32_t code)
{
	/* Not our enum: a peer may send any number. */
	switch ((int)disposition) {
	case PEYK__V1__DISPOSITION__DISPOSITION_DONE:
		return code == CHANNEL_CODE_OK;
	case PEYK__V1__DISPOSITION__DISPOSITION_REFUSED:
		return code != CHANNEL_CODE_OK && code <= CHANNEL_CODE_MAX;
	case PEYK__V1__DISPOSITION__DISPOSITION_REPLAY:
		return code == CHANNEL_CODE_ABORTED;
	case PEYK__V1__DISPOSITION__DISPOSITION_GAP:
		return code == CHANNEL_CODE_OUT_OF_RANGE;
	case PEYK__V1__DISPOSITION__DISPOSITION_NOT_PROCESSED:
		return code == CHANNEL_CODE_UNAVAILABLE ||
		    code == CHANNEL_CODE_RESOURCE_EXHAUSTED;
	default:
		return false;
	}
}

static enum status
append_content(const struct channel_exchange *exchange,
    const struct channel_outcome *outcome, struct buf *out)
{
	Peyk__V1__ResponseContent message = PEYK__V1__RESPONSE_CONTENT__INIT;

	if (!is_consistent(outcome->disposition, outcome->code))
		return STATUS_INVALID;
	if (outcome->message != NULL) {
		if (strlen(outcome->message) > WIRE_REASON_MAX)
			return STATUS_TOO_LARGE;
		message.message = (char *)(uintptr_t)outcome->message;
	}
	if (outcome->body.size > WIRE_BODY_MAX)
		return STATUS_TOO_LARGE;
	message.sequence = exchange->sequence;
	message.method = (char *)(uintptr_t)exchange->method;
	message.request_hash =
	    wire_field(BYTES_OF(exchange->request_hash.bytes));
	message.disposition = outcome->disposition;
	message.code = outcome->code;
	message.body = wire_field(outcome->body);
	message.expected_sequence = outcome->expected_sequence;
	message.retry_after_ms = outcome->retry_after_ms;
	message.final = true;
	return wire_pack(&message.base, out);
}

enum status
channel_reply_seal_with(const struct channel_exchange *exchange,
    const struct shared_secret *shared,
    const struct signing_secret_key *server_key,
    const struct channel_outcome *outcome,
    const uint8_t nonce[CHANNEL_REPLY_NONCE_SIZE],
    struct channel_sealed_response *sealed)
{
	struct channel_sealed_response parts = {0};
	struct reply_key key = {0};
	struct buf content, plaintext;
	enum status st;

	buf_init_secret(&content, CONTENT_MAX);
	buf_init_secret(&plaintext, CONTENT_MAX + WIRE_SIGNED_OVERHEAD);
	buf_init(&parts.ciphertext, WIRE_ENVELOPE_MAX);
	memcpy(parts.nonce, nonce, sizeof(parts.nonce));
	if ((st = append_content(exchange, outcome, &content)) != STATUS_OK ||
	    (st = wire_signed_make(server_key, WIRE_LABEL_REPLY,
	    buf_bytes(&content), &plaintext)) != STATUS_OK ||
	    (st = derive(exchange, nonce, shared, &key)) != STATUS_OK ||
	    (st = aead_seal(&key.key, &key.iv,
	    bytes_from_string(exchange->method), buf_bytes(&plaintext),
	    &parts.ciphertext)) != STATUS_OK)
		goto out;
	*sealed = parts;
	parts = (struct channel_sealed_response){0}; /* now the caller's */
out:
	channel_sealed_response_clear(&parts);
	buf_clear(&plaintext);
	buf_clear(&content);
	secret_wipe(&key, sizeof(key));
	return st;
}

enum status
channel_reply_seal(const struct channel_exchange *exchange,
    const struct shared_secret *shared,
    const struct signing_secret_key *server_key,
    const struct channel_outcome *outcome,
    struct channel_sealed_response *sealed)
{
	uint8_t nonce[CHANNEL_REPLY_NONCE_SIZE];

	random_bytes(nonce, sizeof(nonce));
	return channel_reply_seal_with(exchange, shared, server_key, outcome,
	    nonce, sealed);
}

/* Whether a verified content answers this request of a unary call. */
static bool
is_answer(const Peyk__V1__ResponseContent *content,
    const struct channel_exchange *exchange)
{
	return content->sequence == exchange->sequence &&
	    strcmp(content->method, exchange->method) == 0 &&
	    bytes_equal(wire_bytes(content->request_hash),
	    BYTES_OF(exchange->request_hash.bytes)) &&
	    content->index == 0 && content->final &&
	    is_consistent(content->disposition, content->code) &&
	    strlen(content->message) <= WIRE_REASON_MAX;
}

static enum status
take_outcome(struct bytes plaintext, const struct channel_exchange *exchange,
    const struct signing_public_key *server_key, struct channel_reply *out)
{
	struct wire_signed frame = {0};
	Peyk__V1__ResponseContent *content = NULL;
	enum status st;

	if ((st = wire_signed_parse(plaintext, WIRE_ENVELOPE_MAX, &frame)) !=
	    STATUS_OK ||
	    (st = wire_signed_verify(&frame, WIRE_LABEL_REPLY, server_key)) !=
	    STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__response_content__descriptor,
	    frame.content, WIRE_ENVELOPE_MAX, &content)) != STATUS_OK)
		goto out;
	if (!is_answer(content, exchange)) {
		st = STATUS_FORGED;
		goto out;
	}
	out->outcome = (struct channel_outcome){
		.disposition = content->disposition,
		.code = content->code,
		.message = content->message,
		.body = wire_bytes(content->body),
		.expected_sequence = content->expected_sequence,
		.retry_after_ms =
		    content->retry_after_ms < WIRE_RETRY_AFTER_MAX_MS ?
		    content->retry_after_ms : WIRE_RETRY_AFTER_MAX_MS,
	};
	out->content = content;
	content = NULL; /* now the reply's */
out:
	wire_free(content);
	wire_signed_clear(&frame);
	return st;
}

enum status
channel_reply_open(const struct channel_exchange *exchange,
    const struct encryption_key_pair *own,
    const struct signing_public_key *server_key,
    const Peyk__V1__SealedResponse *envelope, struct channel_reply *out)
{
	struct shared_secret shared = {0};
	struct reply_key key = {0};
	struct buf plaintext;
	enum status st;

	buf_init_secret(&plaintext, WIRE_ENVELOPE_MAX);
	if (envelope->nonce.len != CHANNEL_REPLY_NONCE_SIZE ||
	    envelope->ciphertext.len > WIRE_ENVELOPE_MAX) {
		st = STATUS_FORGED;
		goto out;
	}
	if ((st = shared_secret_derive(own, &exchange->sealing_key,
	    &shared)) != STATUS_OK ||
	    (st = derive(exchange, envelope->nonce.data, &shared, &key)) !=
	    STATUS_OK ||
	    (st = aead_open(&key.key, &key.iv,
	    bytes_from_string(exchange->method),
	    wire_bytes(envelope->ciphertext), &plaintext)) != STATUS_OK)
		goto out;
	st = take_outcome(buf_bytes(&plaintext), exchange, server_key, out);
out:
	buf_clear(&plaintext);
	secret_wipe(&key, sizeof(key));
	secret_wipe(&shared, sizeof(shared));
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		return STATUS_FORGED;
	return st;
}

enum status
channel_reply_open_bytes(const struct channel_exchange *exchange,
    const struct encryption_key_pair *own,
    const struct signing_public_key *server_key, struct bytes envelope,
    struct channel_reply *out)
{
	Peyk__V1__SealedResponse *message = NULL;
	enum status st;

	if ((st = wire_unpack(&peyk__v1__sealed_response__descriptor,
	    envelope, WIRE_ENVELOPE_MAX, &message)) != STATUS_OK)
		return st == STATUS_NOMEM ? st : STATUS_FORGED;
	st = channel_reply_open(exchange, own, server_key, message, out);
	wire_free(message);
	return st;
}
