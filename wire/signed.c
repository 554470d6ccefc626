#include "wire/signed.h"

#include <stddef.h>

#include "base/secret.h"
#include "crypto/signature.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "wire/unpack.h"

enum status
wire_signed_make(const struct signing_secret_key *key, const char *label,
    struct bytes content, struct buf *out)
{
	Peyk__V1__SignedMessage message = PEYK__V1__SIGNED_MESSAGE__INIT;
	struct signature signature;
	enum status st;

	if ((st = signature_sign(key, label, content, &signature)) !=
	    STATUS_OK)
		return st;
	message.content = wire_field(content);
	message.signature = wire_field(BYTES_OF(signature.bytes));
	return wire_pack(&message.base, out);
}

enum status
wire_signed_parse(struct bytes from, size_t max, struct wire_signed *out)
{
	Peyk__V1__SignedMessage *message = NULL;
	struct signature signature;
	enum status st;

	if ((st = wire_unpack(&peyk__v1__signed_message__descriptor, from,
	    max, &message)) != STATUS_OK ||
	    (st = signature_import(wire_bytes(message->signature),
	    &signature)) != STATUS_OK)
		goto out;
	out->content = wire_bytes(message->content);
	out->signature = signature;
	out->message = message;
	message = NULL; /* now out's */
out:
	wire_free(message);
	return st;
}

enum status
wire_signed_verify(const struct wire_signed *message, const char *label,
    const struct signing_public_key *key)
{
	return signature_verify(key, label, message->content,
	    &message->signature);
}

void
wire_signed_clear(struct wire_signed *message)
{
	wire_free(message->message);
	secret_wipe(message, sizeof(*message));
}
