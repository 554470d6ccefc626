#include "crypto/signature.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/raw.h"

/* Most requests are signed without an allocation. */
#define SIGNATURE_STACK_SIZE 4096

/*
 * label || 0x00 || content in one piece, as Ed25519 wants it (it reads it
 * twice): in room, if it fits, or else in memory that labelled_clear() frees.
 */
struct labelled {
	uint8_t room[SIGNATURE_STACK_SIZE];
	uint8_t *data;
	size_t size;
};

static enum status
labelled_init(struct labelled *labelled, const char *label,
    struct bytes content)
{
	size_t label_size = strlen(label) + 1;

	labelled->data = NULL;
	labelled->size = 0;
	if (content.size > SIGNATURE_CONTENT_MAX)
		return STATUS_TOO_LARGE;
	labelled->size = label_size + content.size;
	labelled->data = labelled->size <= sizeof(labelled->room) ?
	    labelled->room : malloc(labelled->size);
	if (labelled->data == NULL)
		return STATUS_NOMEM;
	memcpy(labelled->data, label, label_size);
	if (content.size > 0)
		memcpy(labelled->data + label_size, content.data,
		    content.size);
	return STATUS_OK;
}

static void
labelled_clear(struct labelled *labelled)
{
	if (labelled->data == NULL)
		return;
	secret_wipe(labelled->data, labelled->size);
	if (labelled->data != labelled->room)
		free(labelled->data);
}

enum status
raw_sign(const struct signing_secret_key *key, struct bytes message,
    struct signature *out)
{
	struct signature signature;

	if (crypto_sign_detached(signature.bytes, NULL, message.data,
	    message.size, key->bytes) != 0)
		return STATUS_INTERNAL;
	*out = signature;
	return STATUS_OK;
}

enum status
raw_verify(const struct signing_public_key *key, struct bytes message,
    const struct signature *signature)
{
	if (crypto_sign_verify_detached(signature->bytes, message.data,
	    message.size, key->bytes) != 0)
		return STATUS_FORGED;
	return STATUS_OK;
}

enum status
signature_sign(const struct signing_secret_key *key, const char *label,
    struct bytes content, struct signature *out)
{
	struct labelled labelled;
	enum status st;

	st = labelled_init(&labelled, label, content);
	if (st == STATUS_OK)
		st = raw_sign(key, bytes_make(labelled.data, labelled.size),
		    out);
	labelled_clear(&labelled);
	return st;
}

enum status
signature_verify(const struct signing_public_key *key, const char *label,
    struct bytes content, const struct signature *signature)
{
	struct labelled labelled;
	enum status st;

	st = labelled_init(&labelled, label, content);
	if (st == STATUS_TOO_LARGE)
		st = STATUS_FORGED; /* nobody can have signed it */
	if (st == STATUS_OK)
		st = raw_verify(key,
		    bytes_make(labelled.data, labelled.size), signature);
	labelled_clear(&labelled);
	return st;
}
