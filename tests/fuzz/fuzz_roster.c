#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/name.h"
#include "people.h"
#include "wire/limits.h"
#include "wire/roster.h"
#include "wire/signed.h"

static struct people people;

/* The first byte of an input: what the rest is. */
enum layer {
	LAYER_ROSTER,         /* a SignedMessage */
	LAYER_ROSTER_CONTENT, /* its content, which client#2 signs */
	LAYER_LEAVE,
	LAYER_LEAVE_CONTENT,
	LAYER_COUNT,
};

static void
check_members(const struct roster *roster)
{
	const struct roster_member *members = roster->members;
	size_t i;

	FUZZ_CHECK(roster->member_count >= 1 &&
	    roster->member_count <= WIRE_GROUP_MEMBERS_MAX);
	for (i = 0; i < roster->member_count; i++) {
		FUZZ_CHECK(name_check(bytes_from_string(members[i].name)) ==
		    NAME_PROBLEM_NONE);
		FUZZ_CHECK(i == 0 || memcmp(&members[i - 1].signing_key,
		    &members[i].signing_key, SIGNING_PUBLIC_KEY_SIZE) < 0);
		FUZZ_CHECK(roster_find(roster, &members[i].signing_key) ==
		    &members[i]);
	}
	FUZZ_CHECK(roster_find(roster, &roster->admin_key) != NULL);
}

/* What was opened can be made: by whoever has the admin's key. */
static void
check_again(const struct roster *roster)
{
	struct sha256_digest hash;
	struct buf made;

	buf_init(&made, WIRE_SIGNED_ROSTER_MAX);
	FUZZ_CHECK(roster_make(roster, &people.sender.signing.secret_key,
	    &made, &hash) == STATUS_OK);
	buf_clear(&made);
}

static void
check_roster(struct bytes from, const struct signing_public_key *signer)
{
	struct roster roster = {0};
	enum status st;

	st = roster_open(from, signer, &people.server.public_key, &roster);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID ||
	    st == STATUS_FORGED || st == STATUS_TOO_LARGE);
	if (st == STATUS_OK) {
		FUZZ_CHECK(roster.group_id > 0 &&
		    roster.group_id <= WIRE_NUMBER_MAX);
		FUZZ_CHECK(roster.epoch > 0);
		FUZZ_CHECK(roster.has_previous == (roster.epoch > 1));
		FUZZ_CHECK(roster_name_is_valid(
		    bytes_from_string(roster.name)));
		check_members(&roster);
		check_again(&roster);
	}
	roster_clear(&roster);
}

static void
check_leave(struct bytes from)
{
	struct leave leave;
	enum status st;

	st = leave_open(from, &leave);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID ||
	    st == STATUS_FORGED || st == STATUS_TOO_LARGE);
	if (st == STATUS_OK)
		FUZZ_CHECK(leave.epoch > 0 && leave.group_id > 0 &&
		    leave.group_id <= WIRE_NUMBER_MAX);
}

static void
sign(const char *label, struct bytes content, struct buf *out)
{
	buf_init(out, 2 * WIRE_SIGNED_ROSTER_MAX);
	FUZZ_CHECK(wire_signed_make(&people.sender.signing.secret_key, label,
	    content, out) == STATUS_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf packed = {0};
	struct bytes rest;

	if (people.sender.name == NULL)
		people_init(&people);
	if (size == 0 || size > WIRE_SIGNED_ROSTER_MAX)
		return 0;
	rest = bytes_make(data + 1, size - 1);
	switch ((enum layer)(data[0] % LAYER_COUNT)) {
	case LAYER_ROSTER:
		check_roster(rest, NULL);
		break;
	case LAYER_ROSTER_CONTENT:
		sign(WIRE_LABEL_ROSTER, rest, &packed);
		check_roster(buf_bytes(&packed),
		    &people.sender.signing.public_key);
		break;
	case LAYER_LEAVE:
		check_leave(rest);
		break;
	case LAYER_LEAVE_CONTENT:
	case LAYER_COUNT:
		sign(WIRE_LABEL_LEAVE, rest, &packed);
		check_leave(buf_bytes(&packed));
		break;
	}
	buf_clear(&packed);
	return 0;
}
