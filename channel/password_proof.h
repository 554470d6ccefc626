#ifndef PEYK_CHANNEL_PASSWORD_PROOF_H
#define PEYK_CHANNEL_PASSWORD_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/* What proves a password to the server (docs/protocol.md section 7). */

#define CHANNEL_PASSWORD_MIN 8    /* bytes: what can be guessed by hand */
#define CHANNEL_PASSWORD_MAX 1024 /* bytes: any passphrase; bounds the NFC */
#define CHANNEL_PASSWORD_PROOF_SIZE 32

/* Argon2id: constants of the protocol's version (RFC 9106 section 4). */
#define CHANNEL_PASSWORD_PASSES 3
#define CHANNEL_PASSWORD_MEMORY ((size_t)64 << 20)

enum channel_password_problem {
	CHANNEL_PASSWORD_PROBLEM_NONE,
	CHANNEL_PASSWORD_PROBLEM_TOO_SHORT,
	CHANNEL_PASSWORD_PROBLEM_TOO_LONG,
	CHANNEL_PASSWORD_PROBLEM_NOT_UTF8, /* or a NUL in it */
};

/* The first rule that the password breaks. */
enum channel_password_problem channel_password_check(struct bytes password);

/* A sentence for a person. Static; "" for no problem. */
const char *channel_password_problem_text(
    enum channel_password_problem problem);

/* Secret: whoever has it can prove the password at this server. */
struct channel_password_proof {
	uint8_t bytes[CHANNEL_PASSWORD_PROOF_SIZE];
};

/*
 * Slow on purpose (about 0.1 s), and takes 64 MiB meanwhile. name: in any
 * spelling. The caller wipes password and *out. STATUS_INVALID if password
 * or name break their rules; STATUS_NOMEM.
 */
MUST_CHECK enum status channel_password_prove(struct bytes password,
    const struct signing_public_key *server_key, struct bytes name,
    struct channel_password_proof *out);

#endif
