#include "crypto/hpke.h"

#include <assert.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/suite.h"

#define HPKE_KEM_ID 0x0020
#define HPKE_KDF_ID 0x0001
#define HPKE_MODE_BASE 0x00

/* "HPKE" and three ids; the KEM's own, "KEM" and one id, is shorter. */
#define HPKE_SUITE_ID_SIZE 10

/*
 * Room for the longest labelled input: a length, "HPKE-v1", the suite, the
 * label, and an info or exporter context.
 */
#define HPKE_LABELLED_SIZE (2 + 7 + HPKE_SUITE_ID_SIZE + 16 + HPKE_INFO_MAX)

struct suite_id {
	uint8_t bytes[HPKE_SUITE_ID_SIZE];
	size_t size;
};

/* An input of HKDF, joined. Wiped by its user: it may hold secrets. */
struct labelled_input {
	uint8_t bytes[HPKE_LABELLED_SIZE];
	size_t size;
};

static void
input_append(struct labelled_input *input, struct bytes bytes)
{
	assert(bytes.size <= sizeof(input->bytes) - input->size);
	if (bytes.size > 0)
		memcpy(input->bytes + input->size, bytes.data, bytes.size);
	input->size += bytes.size;
}

static void
input_append_u16be(struct labelled_input *input, size_t value)
{
	uint8_t encoded[2] = { (uint8_t)(value >> 8), (uint8_t)value };

	assert(value <= UINT16_MAX);
	input_append(input, BYTES_OF(encoded));
}

static void
input_append_label(struct labelled_input *input,
    const struct suite_id *suite, const char *label)
{
	input_append(input, BYTES_LITERAL("HPKE-v1"));
	input_append(input, bytes_make(suite->bytes, suite->size));
	input_append(input, bytes_from_string(label));
}

/* RFC 9180 section 4: LabeledExtract. */
static enum status
labelled_extract(const struct suite_id *suite, struct bytes salt,
    const char *label, struct bytes ikm, struct kdf_prk *out)
{
	struct labelled_input input = { .size = 0 };
	enum status st;

	input_append_label(&input, suite, label);
	input_append(&input, ikm);
	st = kdf_extract(salt, bytes_make(input.bytes, input.size), out);
	secret_wipe(&input, sizeof(input));
	return st;
}

/* RFC 9180 section 4: LabeledExpand. */
static enum status
labelled_expand(const struct suite_id *suite, const struct kdf_prk *prk,
    const char *label, struct bytes info, uint8_t *out, size_t size)
{
	struct labelled_input input = { .size = 0 };

	input_append_u16be(&input, size);
	input_append_label(&input, suite, label);
	input_append(&input, info);
	return kdf_expand(prk, bytes_make(input.bytes, input.size), out,
	    size);
}

static struct suite_id
suite_id_of_kem(void)
{
	return (struct suite_id){
		.bytes = { 'K', 'E', 'M', HPKE_KEM_ID >> 8,
		    HPKE_KEM_ID & 0xff },
		.size = 5,
	};
}

static struct suite_id
suite_id_of(unsigned suite)
{
	return (struct suite_id){
		.bytes = { 'H', 'P', 'K', 'E', HPKE_KEM_ID >> 8,
		    HPKE_KEM_ID & 0xff, HPKE_KDF_ID >> 8, HPKE_KDF_ID & 0xff,
		    (uint8_t)(suite >> 8), (uint8_t)suite },
		.size = HPKE_SUITE_ID_SIZE,
	};
}

/* RFC 9180 section 4.1: ExtractAndExpand. */
static enum status
kem_shared_secret(const struct shared_secret *dh,
    const struct hpke_encapsulated_key *encapsulated,
    const struct encryption_public_key *recipient,
    struct shared_secret *out)
{
	const struct suite_id suite = suite_id_of_kem();
	uint8_t context[HPKE_ENCAPSULATED_KEY_SIZE +
	    ENCRYPTION_PUBLIC_KEY_SIZE];
	struct kdf_prk prk = { 0 };
	enum status st;

	memcpy(context, encapsulated->bytes, sizeof(encapsulated->bytes));
	memcpy(context + sizeof(encapsulated->bytes), recipient->bytes,
	    sizeof(recipient->bytes));
	if ((st = labelled_extract(&suite, bytes_empty(), "eae_prk",
	    BYTES_OF(dh->bytes), &prk)) != STATUS_OK ||
	    (st = labelled_expand(&suite, &prk, "shared_secret",
	    BYTES_OF(context), out->bytes, sizeof(out->bytes))) != STATUS_OK)
		goto out;
out:
	secret_wipe(&prk, sizeof(prk));
	return st;
}

/* What key, nonce and exporter secret come from, besides the secret. */
struct schedule_context {
	uint8_t bytes[1 + 2 * SHA256_SIZE];
};

static enum status
schedule_context_init(struct schedule_context *context,
    const struct suite_id *suite, struct bytes info)
{
	struct kdf_prk psk_id_hash, info_hash;
	enum status st;

	if ((st = labelled_extract(suite, bytes_empty(), "psk_id_hash",
	    bytes_empty(), &psk_id_hash)) != STATUS_OK ||
	    (st = labelled_extract(suite, bytes_empty(), "info_hash", info,
	    &info_hash)) != STATUS_OK)
		return st;
	context->bytes[0] = HPKE_MODE_BASE;
	memcpy(context->bytes + 1, psk_id_hash.bytes, SHA256_SIZE);
	memcpy(context->bytes + 1 + SHA256_SIZE, info_hash.bytes,
	    SHA256_SIZE);
	return STATUS_OK;
}

/* RFC 9180 section 5.1: KeySchedule, without a PSK. */
static enum status
key_schedule(enum suite suite, bool is_sender,
    const struct shared_secret *shared, struct bytes info,
    struct hpke_context *out)
{
	const struct suite_id id = suite_id_of(suite);
	struct hpke_context context = {
		.suite = (uint16_t)suite,
		.is_sender = is_sender,
	};
	size_t key_size = suite == SUITE_AES_128_GCM ?
	    16 : sizeof(context.key.bytes);
	struct schedule_context schedule;
	struct kdf_prk secret = { 0 };
	enum status st;

	if ((st = schedule_context_init(&schedule, &id, info)) != STATUS_OK ||
	    (st = labelled_extract(&id, BYTES_OF(shared->bytes), "secret",
	    bytes_empty(), &secret)) != STATUS_OK ||
	    (st = labelled_expand(&id, &secret, "key",
	    BYTES_OF(schedule.bytes), context.key.bytes,
	    key_size)) != STATUS_OK ||
	    (st = labelled_expand(&id, &secret, "base_nonce",
	    BYTES_OF(schedule.bytes), context.base_iv.bytes,
	    sizeof(context.base_iv.bytes))) != STATUS_OK ||
	    (st = labelled_expand(&id, &secret, "exp",
	    BYTES_OF(schedule.bytes), context.exporter_secret.bytes,
	    sizeof(context.exporter_secret.bytes))) != STATUS_OK)
		goto out;
	*out = context;
out:
	secret_wipe(&secret, sizeof(secret));
	secret_wipe(&context, sizeof(context));
	return st;
}

enum status
hpke_encapsulated_key_import(struct bytes bytes,
    struct hpke_encapsulated_key *out)
{
	if (bytes.size != sizeof(out->bytes))
		return STATUS_INVALID;
	memcpy(out->bytes, bytes.data, sizeof(out->bytes));
	return STATUS_OK;
}

enum status
suite_sender_init(enum suite suite, struct hpke_context *context,
    const struct encryption_public_key *recipient,
    const struct encryption_key_pair *ephemeral, struct bytes info,
    struct hpke_encapsulated_key *encapsulated)
{
	struct hpke_encapsulated_key own;
	struct shared_secret dh = { 0 }, shared = { 0 };
	enum status st;

	if (info.size > HPKE_INFO_MAX)
		return STATUS_TOO_LARGE;
	memcpy(own.bytes, ephemeral->public_key.bytes, sizeof(own.bytes));
	if ((st = shared_secret_derive(ephemeral, recipient,
	    &dh)) != STATUS_OK ||
	    (st = kem_shared_secret(&dh, &own, recipient,
	    &shared)) != STATUS_OK ||
	    (st = key_schedule(suite, true, &shared, info,
	    context)) != STATUS_OK)
		goto out;
	*encapsulated = own;
out:
	secret_wipe(&dh, sizeof(dh));
	secret_wipe(&shared, sizeof(shared));
	return st;
}

enum status
suite_receiver_init(enum suite suite, struct hpke_context *context,
    const struct encryption_key_pair *recipient,
    const struct hpke_encapsulated_key *encapsulated, struct bytes info)
{
	struct encryption_public_key ephemeral;
	struct shared_secret dh = { 0 }, shared = { 0 };
	enum status st;

	if (info.size > HPKE_INFO_MAX)
		return STATUS_TOO_LARGE;
	memcpy(ephemeral.bytes, encapsulated->bytes, sizeof(ephemeral.bytes));
	if ((st = shared_secret_derive(recipient, &ephemeral,
	    &dh)) != STATUS_OK ||
	    (st = kem_shared_secret(&dh, encapsulated,
	    &recipient->public_key, &shared)) != STATUS_OK ||
	    (st = key_schedule(suite, false, &shared, info,
	    context)) != STATUS_OK)
		goto out;
out:
	secret_wipe(&dh, sizeof(dh));
	secret_wipe(&shared, sizeof(shared));
	return st;
}

enum status
hpke_sender_init(struct hpke_context *context,
    const struct encryption_public_key *recipient, struct bytes info,
    struct hpke_encapsulated_key *encapsulated)
{
	struct encryption_key_pair ephemeral = { 0 };
	enum status st;

	if ((st = encryption_key_pair_generate(&ephemeral)) == STATUS_OK)
		st = suite_sender_init(SUITE_AES_256_GCM, context, recipient,
		    &ephemeral, info, encapsulated);
	secret_wipe(&ephemeral, sizeof(ephemeral));
	return st;
}

enum status
hpke_sender_init_with(struct hpke_context *context,
    const struct encryption_public_key *recipient, struct bytes info,
    const struct encryption_key_pair *ephemeral,
    struct hpke_encapsulated_key *encapsulated)
{
	return suite_sender_init(SUITE_AES_256_GCM, context, recipient,
	    ephemeral, info, encapsulated);
}

enum status
hpke_receiver_init(struct hpke_context *context,
    const struct encryption_key_pair *recipient,
    const struct hpke_encapsulated_key *encapsulated, struct bytes info)
{
	return suite_receiver_init(SUITE_AES_256_GCM, context, recipient,
	    encapsulated, info);
}

/* RFC 9180 section 5.2: ComputeNonce. */
static struct aead_iv
context_iv(const struct hpke_context *context)
{
	struct aead_iv iv = context->base_iv;
	uint8_t sequence[8];

	bytes_put_u64be(sequence, context->sequence);
	for (size_t i = 0; i < sizeof(sequence); i++)
		iv.bytes[AEAD_IV_SIZE - sizeof(sequence) + i] ^= sequence[i];
	return iv;
}

enum status
hpke_seal(struct hpke_context *context, struct bytes aad,
    struct bytes plaintext, struct buf *out)
{
	const struct aead_iv iv = context_iv(context);
	enum status st;

	assert(context->is_sender);
	if (context->sequence == UINT64_MAX)
		return STATUS_TOO_LARGE;
	st = suite_seal((enum suite)context->suite, &context->key, &iv, aad,
	    plaintext, out);
	if (st == STATUS_OK)
		context->sequence++;
	return st;
}

enum status
hpke_open(struct hpke_context *context, struct bytes aad,
    struct bytes ciphertext, struct buf *out)
{
	const struct aead_iv iv = context_iv(context);
	enum status st;

	assert(context->suite != 0 && !context->is_sender);
	if (context->sequence == UINT64_MAX)
		return STATUS_TOO_LARGE;
	st = suite_open((enum suite)context->suite, &context->key, &iv, aad,
	    ciphertext, out);
	if (st == STATUS_OK)
		context->sequence++;
	return st;
}

enum status
hpke_export(const struct hpke_context *context,
    struct bytes exporter_context, uint8_t *out, size_t size)
{
	const struct suite_id id = suite_id_of(context->suite);

	assert(context->suite != 0);
	if (exporter_context.size > HPKE_INFO_MAX || size > KDF_OUTPUT_MAX)
		return STATUS_TOO_LARGE;
	return labelled_expand(&id, &context->exporter_secret, "sec",
	    exporter_context, out, size);
}

void
hpke_clear(struct hpke_context *context)
{
	secret_wipe(context, sizeof(*context));
}

enum status
hpke_seal_once(const struct encryption_public_key *recipient,
    struct bytes info, struct bytes aad, struct bytes plaintext,
    struct hpke_encapsulated_key *encapsulated, struct buf *out)
{
	struct hpke_context context = { 0 };
	struct hpke_encapsulated_key own;
	enum status st;

	if ((st = hpke_sender_init(&context, recipient, info,
	    &own)) != STATUS_OK ||
	    (st = hpke_seal(&context, aad, plaintext, out)) != STATUS_OK)
		goto out;
	*encapsulated = own;
out:
	hpke_clear(&context);
	return st;
}

enum status
hpke_open_once(const struct encryption_key_pair *recipient,
    const struct hpke_encapsulated_key *encapsulated, struct bytes info,
    struct bytes aad, struct bytes ciphertext, struct buf *out)
{
	struct hpke_context context = { 0 };
	enum status st;

	if ((st = hpke_receiver_init(&context, recipient, encapsulated,
	    info)) == STATUS_OK)
		st = hpke_open(&context, aad, ciphertext, out);
	hpke_clear(&context);
	return st;
}
