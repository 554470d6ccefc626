#include "tests/unit/unit.h"

#include "tests/unit/e2ee/sealed.h"

#include "crypto/hpke.h"
#include "wire/signed.h"
#include "wire/unpack.h"

struct people people;

int
sealed_setup(void **state)
{
	(void)state;
	people_init(&people);
	return 0;
}

int
sealed_teardown(void **state)
{
	(void)state;
	people_clear(&people);
	return 0;
}

enum status
sealed_open_as(const struct person *person, struct bytes ciphertext,
    struct e2ee_direct *out)
{
	return e2ee_direct_open(ciphertext, &person->encryption,
	    &person->signing.public_key, &people.server.public_key, out);
}

enum status
sealed_check(struct bytes ciphertext)
{
	struct e2ee_direct message = {0};
	enum status st;

	st = sealed_open_as(&people.recipient, ciphertext, &message);
	if (st != STATUS_OK)
		assert_null(message.content);
	e2ee_direct_clear(&message);
	return st;
}

void
sealed_encrypt(struct bytes plaintext, const struct person *to,
    struct buf *out)
{
	struct hpke_encapsulated_key encapsulated;
	struct buf ciphertext;

	buf_init(out, WIRE_CIPHERTEXT_MAX + 100);
	buf_init(&ciphertext, WIRE_CIPHERTEXT_MAX + 100);
	assert_ok(hpke_seal_once(&to->encryption.public_key,
	    BYTES_LITERAL("peyk/v1 direct"),
	    BYTES_OF(to->signing.public_key.bytes), plaintext, &encapsulated,
	    &ciphertext));
	assert_ok(buf_append(out, BYTES_OF(encapsulated.bytes)));
	assert_ok(buf_append(out, buf_bytes(&ciphertext)));
	buf_clear(&ciphertext);
}

Peyk__V1__MessageContent
sealed_honest(Peyk__V1__SignedIdentity **sender)
{
	Peyk__V1__MessageContent content = PEYK__V1__MESSAGE_CONTENT__INIT;

	assert_ok(wire_unpack(&peyk__v1__signed_identity__descriptor,
	    buf_bytes(&people.sender.statement), WIRE_SIGNED_IDENTITY_MAX,
	    sender));
	content.sender = *sender;
	content.recipient_key =
	    wire_field(BYTES_OF(people.recipient.signing.public_key.bytes));
	content.message_id = wire_field(BYTES_LITERAL("0123456789abcdef"));
	content.sent_at_ms = PEOPLE_NOW_MS;
	content.counter = 1;
	content.body_case = PEYK__V1__MESSAGE_CONTENT__BODY_TEXT;
	content.text = (char *)(uintptr_t)"salam";
	return content;
}

enum status
sealed_open(const Peyk__V1__MessageContent *content, const char *label,
    const struct signing_secret_key *key, struct e2ee_direct *out)
{
	struct buf packed, plaintext, ciphertext;
	enum status st;

	buf_init(&packed, WIRE_CIPHERTEXT_MAX);
	buf_init(&plaintext, WIRE_CIPHERTEXT_MAX);
	assert_ok(wire_pack(&content->base, &packed));
	assert_ok(wire_signed_make(key, label, buf_bytes(&packed),
	    &plaintext));
	sealed_encrypt(buf_bytes(&plaintext), &people.recipient, &ciphertext);
	if (out == NULL)
		st = sealed_check(buf_bytes(&ciphertext));
	else
		st = sealed_open_as(&people.recipient, buf_bytes(&ciphertext),
		    out);
	buf_clear(&ciphertext);
	buf_clear(&plaintext);
	buf_clear(&packed);
	return st;
}
