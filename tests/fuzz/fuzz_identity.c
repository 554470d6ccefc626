#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "people.h"
#include "wire/identity.h"
#include "wire/limits.h"
#include "wire/signed.h"

static struct people people;

static void
check(struct bytes statement)
{
	struct identity identity;
	bool is_named = false;

	if (identity_verify_bytes(statement, &people.server.public_key,
	    &identity) != STATUS_OK)
		return;
	FUZZ_CHECK(name_check(bytes_from_string(identity.name)) ==
	    NAME_PROBLEM_NONE);
	FUZZ_CHECK(identity_is_named(&identity,
	    bytes_from_string(identity.name), &is_named) == STATUS_OK);
	FUZZ_CHECK(is_named);
	FUZZ_CHECK(identity.created_at_ms <= WIRE_TIME_MAX_MS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf packed;

	if (people.sender.name == NULL)
		people_init(&people);
	if (size == 0 || size > WIRE_IDENTITY_MAX)
		return 0;
	if (data[0] % 2 == FUZZ_LAYER_ENVELOPE) {
		check(bytes_make(data + 1, size - 1));
		return 0;
	}
	/* The content; SignedIdentity has the layout of SignedMessage. */
	buf_init(&packed, WIRE_SIGNED_IDENTITY_MAX);
	FUZZ_CHECK(wire_signed_make(&people.sender.signing.secret_key,
	    WIRE_LABEL_IDENTITY, bytes_make(data + 1, size - 1), &packed) ==
	    STATUS_OK);
	check(buf_bytes(&packed));
	buf_clear(&packed);
	return 0;
}
