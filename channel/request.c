#include "channel/request.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/hash.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "wire/signed.h"
#include "wire/unpack.h"

#define INFO_LABEL "peyk/v1 request"
#define EXPORT_LABEL "peyk/v1 reply"

/* Beside the body: two keys, the method, a number, and their frames. */
#define CONTENT_MAX (WIRE_BODY_MAX + (size_t)512)

_Static_assert(CONTENT_MAX + WIRE_SIGNED_OVERHEAD + HPKE_OVERHEAD <=
    WIRE_ENVELOPE_MAX, "the largest body can be sealed");

/* "peyk/v1 request" || 0x00 || key id */
struct info {
	uint8_t bytes[sizeof(INFO_LABEL) + WIRE_KEY_ID_SIZE];
};

static struct info
make_info(const struct channel_key_id *id)
{
	struct info info;

	memcpy(info.bytes, INFO_LABEL, sizeof(INFO_LABEL));
	memcpy(info.bytes + sizeof(INFO_LABEL), id->bytes, sizeof(id->bytes));
	return info;
}

/* Of what a peer sealed, only our own failures are told apart. */
static enum status
forged_unless_ours(enum status st)
{
	if (st == STATUS_OK || st == STATUS_NOMEM || st == STATUS_INTERNAL)
		return st;
	return STATUS_FORGED;
}

void
channel_exchange_clear(struct channel_exchange *exchange)
{
	secret_wipe(exchange, sizeof(*exchange));
}

void
channel_request_clear(struct channel_request *request)
{
	wire_free(request->content);
	secret_wipe(request, sizeof(*request));
}

void
channel_sealed_request_clear(struct channel_sealed_request *sealed)
{
	buf_clear(&sealed->ciphertext);
	*sealed = (struct channel_sealed_request){0};
}

void
channel_sealed_request_view(const struct channel_sealed_request *sealed,
    Peyk__V1__SealedRequest *view)
{
	peyk__v1__sealed_request__init(view);
	view->key_id = wire_field(BYTES_OF(sealed->key_id.bytes));
	view->encapsulated_key =
	    wire_field(BYTES_OF(sealed->encapsulated_key.bytes));
	view->ciphertext = wire_field(buf_bytes(&sealed->ciphertext));
}

enum status
channel_request_sign(const struct signing_key_pair *sender,
    const struct channel_request_fields *fields, struct buf *out,
    struct sha256_digest *hash)
{
	Peyk__V1__RequestContent message = PEYK__V1__REQUEST_CONTENT__INIT;
	struct sha256_digest digest;
	struct buf content;
	enum status st;

	buf_init_secret(&content, CONTENT_MAX);
	if (fields->body.size > WIRE_BODY_MAX ||
	    strlen(fields->method) > WIRE_METHOD_MAX ||
	    fields->sequence > WIRE_NUMBER_MAX) {
		st = STATUS_TOO_LARGE;
		goto out;
	}
	message.sender_key = wire_field(BYTES_OF(sender->public_key.bytes));
	message.sequence = fields->sequence;
	message.method = (char *)(uintptr_t)fields->method;
	message.server_key = wire_field(BYTES_OF(fields->server_key->bytes));
	message.body = wire_field(fields->body);
	if ((st = wire_pack(&message.base, &content)) != STATUS_OK ||
	    (st = hash_sha256(buf_bytes(&content), &digest)) != STATUS_OK ||
	    (st = wire_signed_make(&sender->secret_key, WIRE_LABEL_REQUEST,
	    buf_bytes(&content), out)) != STATUS_OK)
		goto out;
	*hash = digest;
out:
	buf_clear(&content);
	return st;
}

/* Everything but the sender's key, once the signature is verified. */
static enum status
take_fields(const Peyk__V1__RequestContent *content,
    struct channel_request *out)
{
	size_t method_size = strlen(content->method);

	if (method_size > WIRE_METHOD_MAX ||
	    content->sequence > WIRE_NUMBER_MAX)
		return STATUS_INVALID;
	memcpy(out->method, content->method, method_size + 1);
	out->sequence = content->sequence;
	out->body = wire_bytes(content->body);
	return signing_public_key_import(wire_bytes(content->server_key),
	    &out->server_key);
}

enum status
channel_request_parse(struct bytes signed_message,
    struct channel_request *out)
{
	struct wire_signed frame = {0};
	Peyk__V1__RequestContent *content = NULL;
	struct channel_request request = {0};
	enum status st;

	if ((st = wire_signed_parse(signed_message, WIRE_ENVELOPE_MAX,
	    &frame)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__request_content__descriptor,
	    frame.content, WIRE_ENVELOPE_MAX, &content)) != STATUS_OK ||
	    (st = signing_public_key_import(wire_bytes(content->sender_key),
	    &request.sender_key)) != STATUS_OK ||
	    (st = wire_signed_verify(&frame, WIRE_LABEL_REQUEST,
	    &request.sender_key)) != STATUS_OK ||
	    (st = take_fields(content, &request)) != STATUS_OK ||
	    (st = hash_sha256(frame.content, &request.hash)) != STATUS_OK)
		goto out;
	request.content = content;
	content = NULL; /* now the request's */
	*out = request;
out:
	wire_free(content);
	wire_signed_clear(&frame);
	return st;
}

static void
set_exchange(const struct channel_request *request,
    const struct encryption_public_key *sealing_key,
    struct channel_exchange *out)
{
	out->sealing_key = *sealing_key;
	out->request_hash = request->hash;
	out->sequence = request->sequence;
	memcpy(out->method, request->method, sizeof(out->method));
}

/* ephemeral: NULL for a fresh one. */
static enum status
seal(struct bytes signed_message, const struct channel_sealing_key *key,
    const struct encryption_key_pair *ephemeral,
    struct channel_sealed_request *sealed, struct channel_exchange *exchange)
{
	struct channel_request request = {0};
	struct hpke_context context = {0};
	struct channel_exchange result = {0};
	struct channel_sealed_request parts = { .key_id = key->id };
	struct info info = make_info(&key->id);
	enum status st;

	buf_init(&parts.ciphertext, WIRE_ENVELOPE_MAX);
	if ((st = channel_request_parse(signed_message, &request)) !=
	    STATUS_OK)
		goto out;
	st = ephemeral == NULL ?
	    hpke_sender_init(&context, &key->key, BYTES_OF(info.bytes),
	    &parts.encapsulated_key) :
	    hpke_sender_init_with(&context, &key->key, BYTES_OF(info.bytes),
	    ephemeral, &parts.encapsulated_key);
	if (st != STATUS_OK ||
	    (st = hpke_seal(&context, bytes_from_string(request.method),
	    signed_message, &parts.ciphertext)) != STATUS_OK ||
	    (st = hpke_export(&context, BYTES_LITERAL(EXPORT_LABEL),
	    result.reply_secret, sizeof(result.reply_secret))) != STATUS_OK)
		goto out;
	set_exchange(&request, &key->key, &result);
	*exchange = result;
	*sealed = parts;
	parts = (struct channel_sealed_request){0}; /* now the caller's */
out:
	channel_sealed_request_clear(&parts);
	channel_exchange_clear(&result);
	hpke_clear(&context);
	channel_request_clear(&request);
	return st;
}

enum status
channel_request_seal(struct bytes signed_message,
    const struct channel_sealing_key *key,
    struct channel_sealed_request *sealed, struct channel_exchange *exchange)
{
	return seal(signed_message, key, NULL, sealed, exchange);
}

enum status
channel_request_seal_with(struct bytes signed_message,
    const struct channel_sealing_key *key,
    const struct encryption_key_pair *ephemeral,
    struct channel_sealed_request *sealed, struct channel_exchange *exchange)
{
	return seal(signed_message, key, ephemeral, sealed, exchange);
}

static enum status
check_envelope(const Peyk__V1__SealedRequest *envelope,
    struct channel_key_id *id, struct hpke_encapsulated_key *encapsulated)
{
	enum status st;

	if (envelope->ciphertext.len < HPKE_OVERHEAD ||
	    envelope->ciphertext.len > WIRE_ENVELOPE_MAX)
		return STATUS_INVALID;
	if ((st = channel_key_id_import(wire_bytes(envelope->key_id), id)) !=
	    STATUS_OK)
		return st;
	return hpke_encapsulated_key_import(
	    wire_bytes(envelope->encapsulated_key), encapsulated);
}

enum status
channel_request_key_id(const Peyk__V1__SealedRequest *envelope,
    struct channel_key_id *out)
{
	struct hpke_encapsulated_key encapsulated;
	struct channel_key_id id;
	enum status st;

	if ((st = check_envelope(envelope, &id, &encapsulated)) == STATUS_OK)
		*out = id;
	return st;
}

/* What the sealing key opens: verified, but for whom is not yet looked at. */
static enum status
decrypt(const Peyk__V1__SealedRequest *envelope, const char *method,
    const struct channel_key_id *id,
    const struct hpke_encapsulated_key *encapsulated,
    const struct encryption_key_pair *sealing_key,
    struct channel_request *request, uint8_t *reply_secret)
{
	struct hpke_context context = {0};
	struct info info = make_info(id);
	struct buf plaintext;
	enum status st;

	buf_init_secret(&plaintext, WIRE_ENVELOPE_MAX);
	if ((st = hpke_receiver_init(&context, sealing_key, encapsulated,
	    BYTES_OF(info.bytes))) != STATUS_OK ||
	    (st = hpke_open(&context, bytes_from_string(method),
	    wire_bytes(envelope->ciphertext), &plaintext)) != STATUS_OK ||
	    (st = hpke_export(&context, BYTES_LITERAL(EXPORT_LABEL),
	    reply_secret, CHANNEL_REPLY_SECRET_SIZE)) != STATUS_OK)
		goto out;
	st = channel_request_parse(buf_bytes(&plaintext), request);
out:
	hpke_clear(&context);
	buf_clear(&plaintext);
	return forged_unless_ours(st);
}

enum status
channel_request_open(const Peyk__V1__SealedRequest *envelope,
    const char *method, const struct encryption_key_pair *sealing_key,
    const struct signing_public_key *server_key,
    struct channel_request *request, struct channel_exchange *exchange)
{
	struct hpke_encapsulated_key encapsulated;
	struct channel_request opened = {0};
	struct channel_exchange result = {0};
	struct channel_key_id id;
	enum status st;

	if ((st = check_envelope(envelope, &id, &encapsulated)) !=
	    STATUS_OK ||
	    (st = decrypt(envelope, method, &id, &encapsulated, sealing_key,
	    &opened, result.reply_secret)) != STATUS_OK)
		goto out;
	if (strcmp(opened.method, method) != 0 ||
	    !signing_public_key_equal(&opened.server_key, server_key)) {
		st = STATUS_FORGED;
		goto out;
	}
	set_exchange(&opened, &sealing_key->public_key, &result);
	*exchange = result;
	*request = opened;
	opened = (struct channel_request){0}; /* now the caller's */
out:
	channel_request_clear(&opened);
	channel_exchange_clear(&result);
	return st;
}
