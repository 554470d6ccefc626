#include "channel/server_info.h"

#include <string.h>

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/signature.h"
#include "wire/signed.h"
#include "wire/unpack.h"

void
channel_server_info_set_limits(struct channel_server_info *info)
{
	info->text_bytes = (uint32_t)WIRE_TEXT_MAX;
	info->ciphertext_bytes = (uint32_t)WIRE_CIPHERTEXT_MAX;
	info->messages_per_send = (uint32_t)WIRE_MESSAGES_PER_SEND;
	info->body_bytes = (uint32_t)WIRE_BODY_MAX;
	info->messages_per_poll = (uint32_t)WIRE_MESSAGES_PER_POLL;
	info->poll_wait_ms = WIRE_POLL_WAIT_MAX_MS;
	info->names_per_lookup = (uint32_t)WIRE_NAMES_PER_LOOKUP;
	info->members_per_group = (uint32_t)WIRE_GROUP_MEMBERS_MAX;
}

/* One entry of ServerInfo.sealing_keys, over memory of its own. */
struct signed_key {
	Peyk__V1__SignedSealingKey message;
	struct signature signature;
	struct buf content;
};

static enum status
sign_key(const struct channel_sealing_key *key,
    const struct signing_secret_key *server_key, struct signed_key *out)
{
	enum status st;

	buf_init(&out->content, CHANNEL_SEALING_KEY_CONTENT_MAX);
	if ((st = channel_sealing_key_append(key, &out->content)) !=
	    STATUS_OK ||
	    (st = channel_sealing_key_sign(key, server_key,
	    &out->signature)) != STATUS_OK)
		return st;
	peyk__v1__signed_sealing_key__init(&out->message);
	out->message.sealing_key = wire_field(buf_bytes(&out->content));
	out->message.signature = wire_field(BYTES_OF(out->signature.bytes));
	return STATUS_OK;
}

static void
set_limits(const struct channel_server_info *info, Peyk__V1__Limits *out)
{
	out->text_bytes = info->text_bytes;
	out->ciphertext_bytes = info->ciphertext_bytes;
	out->messages_per_send = info->messages_per_send;
	out->body_bytes = info->body_bytes;
	out->messages_per_poll = info->messages_per_poll;
	out->poll_wait_ms = info->poll_wait_ms;
	out->names_per_lookup = info->names_per_lookup;
	out->members_per_group = info->members_per_group;
}

static enum status
append_signed(const Peyk__V1__ServerInfo *message,
    const struct signing_secret_key *server_key, struct buf *out)
{
	Peyk__V1__GetServerInfoResponse response =
	    PEYK__V1__GET_SERVER_INFO_RESPONSE__INIT;
	struct signature signature;
	struct buf content;
	enum status st;

	buf_init(&content, WIRE_SERVER_INFO_MAX);
	if ((st = wire_pack(&message->base, &content)) != STATUS_OK ||
	    (st = signature_sign(server_key, WIRE_LABEL_SERVER_INFO,
	    buf_bytes(&content), &signature)) != STATUS_OK)
		goto out;
	response.info = wire_field(buf_bytes(&content));
	response.signature = wire_field(BYTES_OF(signature.bytes));
	st = wire_pack(&response.base, out);
out:
	buf_clear(&content);
	return st;
}

enum status
channel_server_info_make(const struct channel_server_info *info,
    const struct signing_key_pair *identity, struct buf *out)
{
	Peyk__V1__ServerInfo message = PEYK__V1__SERVER_INFO__INIT;
	Peyk__V1__Limits limits = PEYK__V1__LIMITS__INIT;
	struct signed_key keys[WIRE_SEALING_KEYS_MAX] = {0};
	Peyk__V1__SignedSealingKey *list[WIRE_SEALING_KEYS_MAX];
	size_t i;
	enum status st;

	if (info->sealing_key_count > WIRE_SEALING_KEYS_MAX) {
		st = STATUS_TOO_LARGE;
		goto out;
	}
	for (i = 0; i < info->sealing_key_count; i++) {
		if ((st = sign_key(&info->sealing_keys[i],
		    &identity->secret_key, &keys[i])) != STATUS_OK)
			goto out;
		list[i] = &keys[i].message;
	}
	set_limits(info, &limits);
	message.identity_key =
	    wire_field(BYTES_OF(identity->public_key.bytes));
	message.n_sealing_keys = info->sealing_key_count;
	message.sealing_keys = list;
	if (info->has_tls_certificate)
		message.tls_certificate_sha256 =
		    wire_field(BYTES_OF(info->tls_certificate.bytes));
	message.limits = &limits;
	message.version = (char *)(uintptr_t)info->version;
	message.registration = info->registration;
	message.time_ms = info->time_ms;
	st = append_signed(&message, &identity->secret_key, out);
out:
	for (i = 0; i < WIRE_SEALING_KEYS_MAX; i++)
		buf_clear(&keys[i].content);
	return st;
}

/* What the server allows, if told, but never more than we make or take. */
static uint32_t
lower(uint32_t theirs, uint32_t ours)
{
	return theirs > 0 && theirs < ours ? theirs : ours;
}

static void
take_limits(const Peyk__V1__Limits *limits, struct channel_server_info *out)
{
	channel_server_info_set_limits(out);
	if (limits == NULL)
		return;
	out->text_bytes = lower(limits->text_bytes, out->text_bytes);
	out->ciphertext_bytes = lower(limits->ciphertext_bytes,
	    out->ciphertext_bytes);
	out->messages_per_send = lower(limits->messages_per_send,
	    out->messages_per_send);
	out->body_bytes = lower(limits->body_bytes, out->body_bytes);
	out->messages_per_poll = lower(limits->messages_per_poll,
	    out->messages_per_poll);
	out->poll_wait_ms = lower(limits->poll_wait_ms, out->poll_wait_ms);
	out->names_per_lookup = lower(limits->names_per_lookup,
	    out->names_per_lookup);
	out->members_per_group = lower(limits->members_per_group,
	    out->members_per_group);
}

static enum status
take_sealing_keys(const Peyk__V1__ServerInfo *message,
    struct channel_server_info *out)
{
	size_t i;
	enum status st;

	for (i = 0; i < message->n_sealing_keys &&
	    out->sealing_key_count < WIRE_SEALING_KEYS_MAX; i++) {
		st = channel_sealing_key_verify(message->sealing_keys[i],
		    &out->identity_key,
		    &out->sealing_keys[out->sealing_key_count]);
		if (st == STATUS_OK)
			out->sealing_key_count++;
		else if (st == STATUS_NOMEM || st == STATUS_INTERNAL)
			return st;
	}
	return STATUS_OK;
}

static enum status
take_rest(const Peyk__V1__ServerInfo *message,
    struct channel_server_info *out)
{
	struct bytes certificate =
	    wire_bytes(message->tls_certificate_sha256);
	size_t size = strlen(message->version);
	enum status st;

	if (size > WIRE_VERSION_MAX || message->time_ms > WIRE_TIME_MAX_MS)
		return STATUS_INVALID;
	memcpy(out->version, message->version, size + 1);
	out->time_ms = message->time_ms;
	out->registration = message->registration;
	out->has_tls_certificate = certificate.size > 0;
	if (out->has_tls_certificate &&
	    (st = sha256_digest_import(certificate, &out->tls_certificate)) !=
	    STATUS_OK)
		return st;
	take_limits(message->limits, out);
	return take_sealing_keys(message, out);
}

enum status
channel_server_info_verify(const Peyk__V1__GetServerInfoResponse *response,
    struct channel_server_info *out)
{
	Peyk__V1__ServerInfo *message = NULL;
	struct channel_server_info info = {0};
	struct bytes content = wire_bytes(response->info);
	struct signature signature;
	enum status st;

	if ((st = signature_import(wire_bytes(response->signature),
	    &signature)) != STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__server_info__descriptor, content,
	    WIRE_SERVER_INFO_MAX, &message)) != STATUS_OK ||
	    (st = signing_public_key_import(
	    wire_bytes(message->identity_key), &info.identity_key)) !=
	    STATUS_OK ||
	    (st = signature_verify(&info.identity_key, WIRE_LABEL_SERVER_INFO,
	    content, &signature)) != STATUS_OK ||
	    (st = take_rest(message, &info)) != STATUS_OK)
		goto out;
	*out = info;
out:
	wire_free(message);
	return st;
}

enum status
channel_server_info_verify_bytes(struct bytes response,
    struct channel_server_info *out)
{
	Peyk__V1__GetServerInfoResponse *message = NULL;
	enum status st;

	if ((st = wire_unpack(&peyk__v1__get_server_info_response__descriptor,
	    response, WIRE_SERVER_INFO_MAX, &message)) != STATUS_OK)
		return st;
	st = channel_server_info_verify(message, out);
	wire_free(message);
	return st;
}

const struct channel_sealing_key *
channel_server_info_sealing_key(const struct channel_server_info *info,
    uint64_t now_ms)
{
	size_t i;

	for (i = 0; i < info->sealing_key_count; i++)
		if (channel_sealing_key_is_in_force(&info->sealing_keys[i],
		    now_ms))
			return &info->sealing_keys[i];
	return NULL;
}

enum status
channel_fingerprint(const struct signing_public_key *identity_key,
    char out[CHANNEL_FINGERPRINT_LENGTH + 1])
{
	struct sha256_digest digest;
	struct buf text;
	enum status st;

	buf_init(&text, CHANNEL_FINGERPRINT_LENGTH);
	if ((st = hash_sha256(BYTES_OF(identity_key->bytes), &digest)) !=
	    STATUS_OK ||
	    (st = text_encode(TEXT_ENCODING_HEX, BYTES_OF(digest.bytes),
	    &text)) != STATUS_OK)
		goto out;
	memcpy(out, text.data, CHANNEL_FINGERPRINT_LENGTH);
	out[CHANNEL_FINGERPRINT_LENGTH] = '\0';
out:
	buf_clear(&text);
	return st;
}

enum status
channel_fingerprint_check(const struct sha256_digest *fingerprint,
    const struct signing_public_key *identity_key)
{
	struct sha256_digest digest;
	enum status st;

	if ((st = hash_sha256(BYTES_OF(identity_key->bytes), &digest)) !=
	    STATUS_OK)
		return st;
	return sha256_digest_equal(&digest, fingerprint) ? STATUS_OK :
	    STATUS_FORGED;
}
