#include "channel/password_proof.h"

#include <string.h>

#include "base/buf.h"
#include "base/name.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/password.h"

#define SALT_LABEL "peyk/v1 password"

/* NFC makes of a UTF-8 text at most three times its bytes (UAX 15). */
#define NFC_FACTOR 3

_Static_assert(CHANNEL_PASSWORD_MAX * NFC_FACTOR <= PASSWORD_SIZE_MAX,
    "crypto takes every password that is allowed");
_Static_assert(CHANNEL_PASSWORD_PROOF_SIZE ==
    sizeof(((struct password_key *)0)->bytes), "the proof is the key");

enum channel_password_problem
channel_password_check(struct bytes password)
{
	if (password.size < CHANNEL_PASSWORD_MIN)
		return CHANNEL_PASSWORD_PROBLEM_TOO_SHORT;
	if (password.size > CHANNEL_PASSWORD_MAX)
		return CHANNEL_PASSWORD_PROBLEM_TOO_LONG;
	if (memchr(password.data, 0, password.size) != NULL ||
	    !text_is_utf8(password))
		return CHANNEL_PASSWORD_PROBLEM_NOT_UTF8;
	return CHANNEL_PASSWORD_PROBLEM_NONE;
}

const char *
channel_password_problem_text(enum channel_password_problem problem)
{
	switch (problem) {
	case CHANNEL_PASSWORD_PROBLEM_NONE:
		return "";
	case CHANNEL_PASSWORD_PROBLEM_TOO_SHORT:
		return "A password needs at least 8 bytes.";
	case CHANNEL_PASSWORD_PROBLEM_TOO_LONG:
		return "A password can have at most 1024 bytes.";
	case CHANNEL_PASSWORD_PROBLEM_NOT_UTF8:
		return "A password must be text in UTF-8.";
	}
	return "";
}

static enum status
make_salt(const struct signing_public_key *server_key, struct bytes name,
    struct password_salt *out)
{
	struct sha256_digest digest;
	struct bytes parts[3];
	struct buf canonical;
	enum status st;

	buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
	if ((st = name_append_canonical(name, &canonical)) != STATUS_OK)
		goto out;
	parts[0] = BYTES_LITERAL(SALT_LABEL);
	parts[1] = BYTES_OF(server_key->bytes);
	parts[2] = buf_bytes(&canonical);
	if ((st = hash_sha256_parts(parts, 3, &digest)) != STATUS_OK)
		goto out;
	memcpy(out->bytes, digest.bytes, sizeof(out->bytes));
out:
	buf_clear(&canonical);
	return st;
}

enum status
channel_password_prove(struct bytes password,
    const struct signing_public_key *server_key, struct bytes name,
    struct channel_password_proof *out)
{
	static const struct password_cost cost = {
		.passes = CHANNEL_PASSWORD_PASSES,
		.memory_size = CHANNEL_PASSWORD_MEMORY,
	};
	struct password_key key = {0};
	struct password_salt salt;
	struct buf normal;
	enum status st;

	buf_init_secret(&normal, PASSWORD_SIZE_MAX);
	if (channel_password_check(password) !=
	    CHANNEL_PASSWORD_PROBLEM_NONE) {
		st = STATUS_INVALID;
		goto out;
	}
	if ((st = make_salt(server_key, name, &salt)) != STATUS_OK ||
	    (st = text_nfc(password, &normal)) != STATUS_OK ||
	    (st = password_derive(buf_bytes(&normal), &salt, cost, &key)) !=
	    STATUS_OK)
		goto out;
	memcpy(out->bytes, key.bytes, sizeof(out->bytes));
out:
	secret_wipe(&key, sizeof(key));
	buf_clear(&normal);
	return st;
}
