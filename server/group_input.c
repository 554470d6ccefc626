#include "server/group_input.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "crypto/hash.h"
#include "wire/unpack.h"

/* The least that HPKE makes: an encapsulated key and a tag. */
#define LETTER_MIN ((size_t)48)

#define UNKNOWN                                                                \
	{                                                                      \
		RPC_CODE_NOT_FOUND, "There is no such group, or you are not "  \
				    "one of its members."                      \
	}
#define NOT_ADMIN                                                              \
	{                                                                      \
		RPC_CODE_PERMISSION_DENIED, "Only the group's admin can do "   \
					    "this."                            \
	}
#define MOVED                                                                  \
	{                                                                      \
		RPC_CODE_ABORTED, "The group has changed meanwhile. Look how " \
				  "it stands now, then try again."             \
	}

const struct store_refusal group_refusals[STORE_GROUP_VERDICT_COUNT] = {
    [STORE_GROUP_VERDICT_UNKNOWN] = UNKNOWN,
    [STORE_GROUP_VERDICT_NOT_ADMIN] = NOT_ADMIN,
    [STORE_GROUP_VERDICT_MOVED] = MOVED,
    [STORE_GROUP_VERDICT_UNFIT] = {RPC_CODE_FAILED_PRECONDITION,
	"The list of members does not fit the group: somebody has left or "
	"joined. Look who is in it now, then try again."},
    [STORE_GROUP_VERDICT_STALE_MEMBER] = {RPC_CODE_FAILED_PRECONDITION,
	"A member's keys are not in use any more. Look the members up again, "
	"and leave out who is gone."},
    [STORE_GROUP_VERDICT_WRONG_ROSTER] = {RPC_CODE_INVALID_ARGUMENT,
	"The list of members changes the group's name or admin. UpdateGroup "
	"is for that."},
    [STORE_GROUP_VERDICT_ADMIN_LEAVES] = {RPC_CODE_FAILED_PRECONDITION,
	"The admin cannot leave. Hand the group over to another member "
	"first, or delete it."},
    [STORE_GROUP_VERDICT_NO_KEY] = {RPC_CODE_FAILED_PRECONDITION,
	"The group has no key yet. Try again when its admin has made the "
	"first one."},
};

const struct store_refusal group_delete_refusals[STORE_GROUP_VERDICT_COUNT] = {
    [STORE_GROUP_VERDICT_UNKNOWN] = UNKNOWN,
    [STORE_GROUP_VERDICT_NOT_ADMIN] = NOT_ADMIN,
    [STORE_GROUP_VERDICT_MOVED] = MOVED,
    [STORE_GROUP_VERDICT_UNFIT] = {RPC_CODE_FAILED_PRECONDITION,
	"A letter is for somebody who is no other member of the group. Look "
	"who is in it now, then try again."},
};

void
group_head(const struct caller *caller, enum store_kind kind, uint64_t group_id,
    const struct store_refusal *refusals, struct store_group_head *out)
{
	out->operation.kind = kind;
	caller_number(caller, &out->number);
	out->group_id = (int64_t)group_id;
	out->refusals = refusals;
}

bool
group_id_check(struct caller *caller, uint64_t group_id)
{
	const struct store_refusal *unknown =
	    &group_refusals[STORE_GROUP_VERDICT_UNKNOWN];

	if (group_id > 0 && group_id <= WIRE_NUMBER_MAX)
		return true;
	caller_refuse(
	    caller, (enum rpc_code)unknown->code, "%s", unknown->message);
	return false;
}

enum status
group_share_make(uint8_t share[STORE_KEY_SIZE], uint8_t hash[STORE_HASH_SIZE])
{
	struct sha256_digest digest;
	enum status st;

	random_bytes(share, STORE_KEY_SIZE);
	st = hash_sha256(bytes_make(share, STORE_KEY_SIZE), &digest);
	if (st == STATUS_OK)
		memcpy(hash, digest.bytes, STORE_HASH_SIZE);
	return st;
}

/* ---- Keys ---- */

static int
compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, STORE_KEY_SIZE);
}

bool
group_keys_copy(struct caller *caller, const ProtobufCBinaryData *keys,
    size_t count, uint8_t (**out)[STORE_KEY_SIZE])
{
	uint8_t(*copies)[STORE_KEY_SIZE] = NULL;

	if (count > GROUP_OTHERS_MAX) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "A group has %zu members at most, its admin among them: "
		    "%zu others are too many.",
		    WIRE_GROUP_MEMBERS_MAX, count);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (keys[i].len == STORE_KEY_SIZE)
			continue;
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "Member %zu of %zu: the key has %zu bytes, not %zu.", i + 1,
		    count, keys[i].len, STORE_KEY_SIZE);
		return false;
	}
	if ((copies = calloc(count + 1, sizeof(*copies))) == NULL) {
		caller_not_now(caller, STATUS_NOMEM);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		memcpy(copies[i], keys[i].data, sizeof(copies[i]));
	qsort(copies, count, sizeof(*copies), compare_keys);
	for (size_t i = 1; i < count; i++) {
		if (compare_keys(copies[i - 1], copies[i]) != 0)
			continue;
		free(copies);
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "A member is named twice. Name each once.");
		return false;
	}
	*out = copies;
	return true;
}

size_t
group_keys_find(const uint8_t (*keys)[STORE_KEY_SIZE], size_t count,
    const uint8_t key[STORE_KEY_SIZE])
{
	const uint8_t(*found)[STORE_KEY_SIZE] = NULL;

	if (count > 0)
		found = bsearch(key, keys, count, sizeof(*keys), compare_keys);
	return found != NULL ? (size_t)(found - keys) : count;
}

/* ---- Letters ---- */

bool
group_letters_check(
    struct caller *caller, Peyk__V1__GroupLetter *const *letters, size_t count)
{
	if (count > GROUP_OTHERS_MAX) {
		caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
		    "There are %zu letters; %zu at most are allowed.", count,
		    GROUP_OTHERS_MAX);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		struct bytes key = wire_bytes(letters[i]->member_key);
		struct bytes ciphertext = wire_bytes(letters[i]->ciphertext);

		if (key.size != STORE_KEY_SIZE) {
			caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
			    "Letter %zu of %zu: the member's key has %zu "
			    "bytes, not %zu.",
			    i + 1, count, key.size, STORE_KEY_SIZE);
			return false;
		}
		if (ciphertext.size < LETTER_MIN ||
		    ciphertext.size > WIRE_LETTER_MAX) {
			caller_refuse(caller, RPC_CODE_INVALID_ARGUMENT,
			    "Letter %zu of %zu: the ciphertext has %zu bytes; "
			    "%zu to %zu are allowed.",
			    i + 1, count, ciphertext.size, LETTER_MIN,
			    WIRE_LETTER_MAX);
			return false;
		}
	}
	return true;
}
