#include "e2ee/group_key.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "e2ee/digits.h"
#include "wire/limits.h"

/* What the keys of docs/protocol.md section 13 are derived for. */
#define COMMITMENT_LABEL "peyk/v1 key commitment"
#define CHAIN_LABEL "peyk/v1 sender chain"
#define MESSAGE_KEY_LABEL "peyk/v1 message key"
#define NEXT_CHAIN_LABEL "peyk/v1 next chain"
#define SAFETY_LABEL "peyk/v1 group safety number"

#define SAFETY_GROUPS 12

/* u64(group id) || u64(epoch) */
#define EPOCH_SIZE ((size_t)16)

_Static_assert(E2EE_DIGITS_LENGTH(SAFETY_GROUPS) ==
    E2EE_GROUP_SAFETY_NUMBER_LENGTH, "12 groups of 5 digits");
_Static_assert(SAFETY_GROUPS * E2EE_DIGITS_GROUP_SIZE <= SHA512_SIZE,
    "one hash is enough for them");
_Static_assert(E2EE_GROUP_CHAIN_SIZE == SHA256_SIZE,
    "a chain's key is what HKDF-Expand starts from");

static void
put_epoch(uint8_t out[EPOCH_SIZE], uint64_t group_id, uint32_t epoch)
{
	bytes_put_u64be(out, group_id);
	bytes_put_u64be(out + 8, epoch);
}

/* HKDF-Expand from 32 bytes that are no kdf_prk in name. */
static enum status
expand(const uint8_t from[SHA256_SIZE], struct bytes info,
    uint8_t out[SHA256_SIZE])
{
	uint8_t result[SHA256_SIZE] = {0};
	struct kdf_prk prk = {0};
	enum status st;

	memcpy(prk.bytes, from, sizeof(prk.bytes));
	st = kdf_expand(&prk, info, result, sizeof(result));
	if (st == STATUS_OK)
		memcpy(out, result, sizeof(result));
	secret_wipe(&prk, sizeof(prk));
	secret_wipe(result, sizeof(result));
	return st;
}

enum status
e2ee_group_secret_make(const struct e2ee_group_share *server_share,
    const struct e2ee_group_share *admin_secret,
    struct e2ee_group_secret *out)
{
	struct kdf_prk prk = {0};
	enum status st;

	st = kdf_extract(BYTES_OF(server_share->bytes),
	    BYTES_OF(admin_secret->bytes), &prk);
	if (st == STATUS_OK)
		memcpy(out->bytes, prk.bytes, sizeof(out->bytes));
	secret_wipe(&prk, sizeof(prk));
	return st;
}

enum status
e2ee_group_commitment(const struct e2ee_group_secret *secret,
    uint64_t group_id, uint32_t epoch, struct sha256_digest *out)
{
	uint8_t info[sizeof(COMMITMENT_LABEL) - 1 + EPOCH_SIZE];

	memcpy(info, COMMITMENT_LABEL, sizeof(COMMITMENT_LABEL) - 1);
	put_epoch(info + sizeof(COMMITMENT_LABEL) - 1, group_id, epoch);
	return expand(secret->bytes, BYTES_OF(info), out->bytes);
}

enum status
e2ee_group_chain_init(const struct e2ee_group_secret *secret,
    uint64_t group_id, uint32_t epoch,
    const struct signing_public_key *sender_key, struct e2ee_group_chain *out)
{
	uint8_t info[sizeof(CHAIN_LABEL) - 1 + EPOCH_SIZE +
	    SIGNING_PUBLIC_KEY_SIZE];
	uint8_t *at = info + sizeof(CHAIN_LABEL) - 1;
	enum status st;

	memcpy(info, CHAIN_LABEL, sizeof(CHAIN_LABEL) - 1);
	put_epoch(at, group_id, epoch);
	memcpy(at + EPOCH_SIZE, sender_key->bytes, SIGNING_PUBLIC_KEY_SIZE);
	st = expand(secret->bytes, BYTES_OF(info), out->key);
	if (st == STATUS_OK)
		out->index = 0;
	return st;
}

enum status
e2ee_group_chain_step(struct e2ee_group_chain *chain,
    struct e2ee_group_message_key *out)
{
	struct e2ee_group_message_key key = {0};
	enum status st;

	if (chain->index >= WIRE_NUMBER_MAX)
		return STATUS_TOO_LARGE;
	if ((st = expand(chain->key, BYTES_LITERAL(MESSAGE_KEY_LABEL),
	    key.bytes)) == STATUS_OK &&
	    (st = expand(chain->key, BYTES_LITERAL(NEXT_CHAIN_LABEL),
	    chain->key)) == STATUS_OK) {
		chain->index++;
		*out = key;
	}
	secret_wipe(&key, sizeof(key));
	return st;
}

enum status
e2ee_group_safety_number(uint64_t group_id, uint32_t epoch,
    const struct sha256_digest *roster_hash,
    char out[E2EE_GROUP_SAFETY_NUMBER_LENGTH + 1])
{
	uint8_t numbers[EPOCH_SIZE];
	const struct bytes parts[] = {
		/* with the NUL that ends it */
		bytes_make(SAFETY_LABEL, sizeof(SAFETY_LABEL)),
		BYTES_OF(numbers),
		BYTES_OF(roster_hash->bytes),
	};
	struct sha512_digest hash;
	enum status st;

	put_epoch(numbers, group_id, epoch);
	st = hash_sha512_parts(parts, sizeof(parts) / sizeof(parts[0]),
	    &hash);
	if (st == STATUS_OK)
		e2ee_digits_write(hash.bytes, SAFETY_GROUPS, out);
	return st;
}
