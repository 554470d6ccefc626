#include "wire/roster.h"

#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "gen/peyk/v1/group.pb-c.h"
#include "wire/limits.h"
#include "wire/signed.h"
#include "wire/unpack.h"

/* Two hashes, two keys, two numbers and the group's name, with their frames. */
#define ROSTER_HEAD_MAX ((size_t)512)
/* Two keys and the longest name, with their frames. */
#define ROSTER_MEMBER_MAX ((size_t)(2 * 34 + NAME_SIZE_MAX + 3 + 4))

_Static_assert(WIRE_GROUP_MEMBERS_MAX * ROSTER_MEMBER_MAX + ROSTER_HEAD_MAX <=
    WIRE_ROSTER_MAX, "the largest group fits into a roster");
_Static_assert(WIRE_ROSTER_MAX + WIRE_SIGNED_OVERHEAD <=
    WIRE_SIGNED_ROSTER_MAX, "the largest roster can be signed");

/* What an opened roster points into. */
struct memory {
	Peyk__V1__Roster *message;
	struct roster_member members[];
};

bool
roster_name_is_valid(struct bytes name)
{
	size_t count = 0;

	if (name.size == 0 || name.size > WIRE_GROUP_NAME_MAX ||
	    !text_is_utf8(name) || name.data[0] == '@' ||
	    name.data[0] == ' ' || name.data[name.size - 1] == ' ')
		return false;
	for (size_t i = 0; i < name.size; i++) {
		/* It is UTF-8: a lead byte has all that follow it. */
		const uint8_t *at = name.data + i;

		if ((at[0] & 0xc0) == 0x80)
			continue;
		count++;
		/* C0 and DEL, C1, U+2028 and U+2029 */
		if (at[0] < 0x20 || at[0] == 0x7f ||
		    (at[0] == 0xc2 && at[1] < 0xa0) ||
		    (at[0] == 0xe2 && at[1] == 0x80 &&
		    (at[2] == 0xa8 || at[2] == 0xa9)))
			return false;
	}
	return count <= WIRE_GROUP_NAME_LENGTH;
}

/* ---- Members ---- */

static int
compare_keys(const struct signing_public_key *a,
    const struct signing_public_key *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int
compare_members(const void *a, const void *b)
{
	const struct roster_member *left = a, *right = b;

	return compare_keys(&left->signing_key, &right->signing_key);
}

void
roster_sort(struct roster_member *members, size_t count)
{
	if (count > 0)
		qsort(members, count, sizeof(*members), compare_members);
}

const struct roster_member *
roster_find(const struct roster *roster,
    const struct signing_public_key *signing_key)
{
	struct roster_member sought = { .signing_key = *signing_key };

	if (roster->member_count == 0)
		return NULL;
	return bsearch(&sought, roster->members, roster->member_count,
	    sizeof(sought), compare_members);
}

static int
compare_names(const void *a, const void *b)
{
	const struct bytes *left = a, *right = b;

	return bytes_compare(*left, *right);
}

/* Fills names, whose bytes lie in out, with the canonical forms. */
static enum status
make_canonical(const struct roster *roster, struct bytes *names,
    struct buf *out)
{
	size_t count = roster->member_count, i, start = 0;
	enum status st;

	for (i = 0; i < count; i++) {
		st = name_append_canonical(
		    bytes_from_string(roster->members[i].name), out);
		if (st != STATUS_OK)
			return st == STATUS_TOO_LARGE ? STATUS_INVALID : st;
		names[i].size = out->size - start;
		start = out->size;
	}
	/* Only now does the memory no longer move. */
	for (i = 0, start = 0; i < count; i++) {
		names[i].data = out->data + start;
		start += names[i].size;
	}
	return STATUS_OK;
}

/* Names are allowed, and none stands twice in whatever spelling. */
static enum status
check_names(const struct roster *roster)
{
	size_t count = roster->member_count, i;
	struct bytes *names;
	struct buf canonical;
	enum status st;

	buf_init(&canonical, count * NAME_CANONICAL_SIZE_MAX);
	if ((names = calloc(count, sizeof(*names))) == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	if ((st = make_canonical(roster, names, &canonical)) != STATUS_OK)
		goto out;
	qsort(names, count, sizeof(*names), compare_names);
	for (i = 1; i < count; i++) {
		if (bytes_equal(names[i - 1], names[i])) {
			st = STATUS_INVALID;
			goto out;
		}
	}
out:
	free(names);
	buf_clear(&canonical);
	return st;
}

static enum status
check_rules(const struct roster *roster)
{
	if (roster->group_id == 0 || roster->group_id > WIRE_NUMBER_MAX ||
	    roster->epoch == 0 ||
	    roster->has_previous != (roster->epoch > 1) ||
	    !roster_name_is_valid(bytes_from_string(roster->name)) ||
	    roster->member_count == 0 ||
	    roster->member_count > WIRE_GROUP_MEMBERS_MAX)
		return STATUS_INVALID;
	for (size_t i = 1; i < roster->member_count; i++) {
		if (compare_keys(&roster->members[i - 1].signing_key,
		    &roster->members[i].signing_key) >= 0)
			return STATUS_INVALID;
	}
	if (roster_find(roster, &roster->admin_key) == NULL)
		return STATUS_INVALID;
	return check_names(roster);
}

/* ---- Making ---- */

static enum status
pack_roster(const struct roster *roster, struct buf *out)
{
	Peyk__V1__Roster message = PEYK__V1__ROSTER__INIT;
	size_t count = roster->member_count, i;
	Peyk__V1__RosterMember *members = calloc(count, sizeof(*members));
	Peyk__V1__RosterMember **pointers = calloc(count, sizeof(*pointers));
	enum status st = STATUS_NOMEM;

	if (members == NULL || pointers == NULL)
		goto out;
	for (i = 0; i < count; i++) {
		const struct roster_member *member = &roster->members[i];

		peyk__v1__roster_member__init(&members[i]);
		/* Only packed: protobuf-c's type lacks the const. */
		members[i].username = (char *)(uintptr_t)member->name;
		members[i].signing_key =
		    wire_field(BYTES_OF(member->signing_key.bytes));
		members[i].encryption_key =
		    wire_field(BYTES_OF(member->encryption_key.bytes));
		pointers[i] = &members[i];
	}
	message.group_id = roster->group_id;
	message.epoch = roster->epoch;
	if (roster->has_previous)
		message.previous_hash =
		    wire_field(BYTES_OF(roster->previous_hash.bytes));
	message.server_key = wire_field(BYTES_OF(roster->server_key.bytes));
	message.name = (char *)(uintptr_t)roster->name;
	message.admin_key = wire_field(BYTES_OF(roster->admin_key.bytes));
	message.n_members = count;
	message.members = pointers;
	message.key_commitment =
	    wire_field(BYTES_OF(roster->key_commitment.bytes));
	st = wire_pack(&message.base, out);
out:
	free(members);
	free(pointers);
	return st;
}

enum status
roster_make(const struct roster *roster,
    const struct signing_secret_key *admin_key, struct buf *out,
    struct sha256_digest *hash)
{
	struct sha256_digest digest;
	struct buf content;
	enum status st;

	buf_init(&content, WIRE_ROSTER_MAX);
	if ((st = check_rules(roster)) != STATUS_OK ||
	    (st = pack_roster(roster, &content)) != STATUS_OK ||
	    (st = hash_sha256(buf_bytes(&content), &digest)) != STATUS_OK ||
	    (st = wire_signed_make(admin_key, WIRE_LABEL_ROSTER,
	    buf_bytes(&content), out)) != STATUS_OK)
		goto out;
	*hash = digest;
out:
	buf_clear(&content);
	return st;
}

/* ---- Opening ---- */

static enum status
import_member(const Peyk__V1__RosterMember *message,
    struct roster_member *out)
{
	enum status st;

	out->name = message->username;
	if ((st = signing_public_key_import(wire_bytes(message->signing_key),
	    &out->signing_key)) != STATUS_OK)
		return st;
	return encryption_public_key_import(
	    wire_bytes(message->encryption_key), &out->encryption_key);
}

/* Of the fields only their sizes are checked. Takes message in any case. */
static enum status
import_roster_take(Peyk__V1__Roster *message, struct roster *out)
{
	struct memory *memory = NULL;
	size_t count = message->n_members;
	enum status st;

	/* Before there is memory for so many. */
	if (count > WIRE_GROUP_MEMBERS_MAX) {
		wire_free(message);
		return STATUS_INVALID;
	}
	memory = calloc(1, sizeof(*memory) + count * sizeof(*memory->members));
	if (memory == NULL) {
		wire_free(message);
		return STATUS_NOMEM;
	}
	memory->message = message;
	out->message = memory;
	out->members = memory->members;
	out->member_count = count;
	for (size_t i = 0; i < count; i++) {
		if ((st = import_member(message->members[i],
		    &memory->members[i])) != STATUS_OK)
			return st;
	}
	out->group_id = message->group_id;
	out->epoch = message->epoch;
	out->name = message->name;
	out->has_previous = message->previous_hash.len > 0;
	if (out->has_previous &&
	    (st = sha256_digest_import(wire_bytes(message->previous_hash),
	    &out->previous_hash)) != STATUS_OK)
		return st;
	if ((st = signing_public_key_import(wire_bytes(message->server_key),
	    &out->server_key)) != STATUS_OK ||
	    (st = signing_public_key_import(wire_bytes(message->admin_key),
	    &out->admin_key)) != STATUS_OK)
		return st;
	return sha256_digest_import(wire_bytes(message->key_commitment),
	    &out->key_commitment);
}

static enum status
open_roster(struct bytes from, const struct signing_public_key *signer,
    bool is_verified, const struct signing_public_key *server_key,
    struct roster *out)
{
	struct wire_signed frame = {0};
	struct roster roster = {0};
	Peyk__V1__Roster *message = NULL;
	enum status st;

	if ((st = wire_signed_parse(from, WIRE_SIGNED_ROSTER_MAX, &frame)) !=
	    STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__roster__descriptor, frame.content,
	    WIRE_ROSTER_MAX, &message)) != STATUS_OK ||
	    (st = import_roster_take(message, &roster)) != STATUS_OK)
		goto out;
	if (!is_verified &&
	    (st = wire_signed_verify(&frame, WIRE_LABEL_ROSTER,
	    signer != NULL ? signer : &roster.admin_key)) != STATUS_OK)
		goto out;
	if (!signing_public_key_equal(&roster.server_key, server_key)) {
		st = STATUS_FORGED;
		goto out;
	}
	if ((st = check_rules(&roster)) != STATUS_OK ||
	    (st = hash_sha256(frame.content, &roster.hash)) != STATUS_OK)
		goto out;
	*out = roster;
	memset(&roster, 0, sizeof(roster)); /* now the caller's */
out:
	roster_clear(&roster);
	wire_signed_clear(&frame);
	return st;
}

enum status
roster_open(struct bytes from, const struct signing_public_key *signer,
    const struct signing_public_key *server_key, struct roster *out)
{
	return open_roster(from, signer, false, server_key, out);
}

enum status
roster_reopen(struct bytes from, const struct signing_public_key *server_key,
    struct roster *out)
{
	return open_roster(from, NULL, true, server_key, out);
}

void
roster_clear(struct roster *roster)
{
	struct memory *memory = roster->message;

	if (memory != NULL)
		wire_free(memory->message);
	free(memory);
	memset(roster, 0, sizeof(*roster));
}

/* ---- Leaves ---- */

static bool
leave_is_valid(const struct leave *leave)
{
	return leave->group_id > 0 && leave->group_id <= WIRE_NUMBER_MAX &&
	    leave->epoch > 0;
}

enum status
leave_make(const struct leave *leave,
    const struct signing_secret_key *member_key, struct buf *out)
{
	Peyk__V1__Leave message = PEYK__V1__LEAVE__INIT;
	struct buf content;
	enum status st;

	if (!leave_is_valid(leave))
		return STATUS_INVALID;
	buf_init(&content, WIRE_SIGNED_LEAVE_MAX);
	message.group_id = leave->group_id;
	message.epoch = leave->epoch;
	message.roster_hash = wire_field(BYTES_OF(leave->roster_hash.bytes));
	message.member_key = wire_field(BYTES_OF(leave->member_key.bytes));
	if ((st = wire_pack(&message.base, &content)) == STATUS_OK)
		st = wire_signed_make(member_key, WIRE_LABEL_LEAVE,
		    buf_bytes(&content), out);
	buf_clear(&content);
	return st;
}

enum status
leave_open(struct bytes from, struct leave *out)
{
	struct wire_signed frame = {0};
	struct leave leave = {0};
	Peyk__V1__Leave *message = NULL;
	enum status st;

	if ((st = wire_signed_parse(from, WIRE_SIGNED_LEAVE_MAX, &frame)) !=
	    STATUS_OK ||
	    (st = wire_unpack(&peyk__v1__leave__descriptor, frame.content,
	    WIRE_SIGNED_LEAVE_MAX, &message)) != STATUS_OK ||
	    (st = sha256_digest_import(wire_bytes(message->roster_hash),
	    &leave.roster_hash)) != STATUS_OK ||
	    (st = signing_public_key_import(wire_bytes(message->member_key),
	    &leave.member_key)) != STATUS_OK ||
	    (st = wire_signed_verify(&frame, WIRE_LABEL_LEAVE,
	    &leave.member_key)) != STATUS_OK)
		goto out;
	leave.group_id = message->group_id;
	leave.epoch = message->epoch;
	if (!leave_is_valid(&leave)) {
		st = STATUS_INVALID;
		goto out;
	}
	*out = leave;
out:
	wire_free(message);
	wire_signed_clear(&frame);
	return st;
}
