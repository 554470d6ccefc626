#include "e2ee/safety_number.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "e2ee/digits.h"

#define LABEL "peyk/v1 safety number"

/*
 * As Signal: each guess at a key with a like number costs an attacker 5200
 * hashes, some 12 bits more than the 30 digits.
 */
#define ITERATIONS 5200

#define HALF_GROUPS 6
#define HALF_LENGTH E2EE_DIGITS_LENGTH(HALF_GROUPS)

_Static_assert(2 * HALF_LENGTH + 1 == E2EE_SAFETY_NUMBER_LENGTH,
    "two halves and a space");

static enum status
iterate(const struct identity *identity, struct sha512_digest *out)
{
	struct sha512_digest hash;
	/* h_0 as it is, and behind it what each step appends */
	struct bytes first[] = {
		/* with the NULs that end them */
		bytes_make(LABEL, sizeof(LABEL)),
		bytes_make(identity->canonical_name,
		    strlen(identity->canonical_name) + 1),
		BYTES_OF(identity->signing_key.bytes),
		BYTES_OF(identity->encryption_key.bytes),
		BYTES_OF(identity->server_key.bytes),
		BYTES_OF(identity->signing_key.bytes),
	};
	struct bytes next[] = {
		BYTES_OF(hash.bytes),
		BYTES_OF(identity->signing_key.bytes),
	};
	unsigned int i;
	enum status st;

	st = hash_sha512_parts(first, sizeof(first) / sizeof(first[0]),
	    &hash);
	for (i = 1; st == STATUS_OK && i < ITERATIONS; i++)
		st = hash_sha512_parts(next, 2, &hash);
	if (st == STATUS_OK)
		*out = hash;
	return st;
}

static enum status
write_half(const struct identity *identity, char out[HALF_LENGTH + 1])
{
	struct sha512_digest hash;
	enum status st;

	if ((st = iterate(identity, &hash)) == STATUS_OK)
		e2ee_digits_write(hash.bytes, HALF_GROUPS, out);
	return st;
}

enum status
e2ee_safety_number(const struct identity *a, const struct identity *b,
    char out[E2EE_SAFETY_NUMBER_LENGTH + 1])
{
	char first[HALF_LENGTH + 1], second[HALF_LENGTH + 1];
	bool is_ordered;
	enum status st;

	if ((st = write_half(a, first)) != STATUS_OK ||
	    (st = write_half(b, second)) != STATUS_OK)
		return st;
	is_ordered = strcmp(first, second) <= 0;
	(void)snprintf(out, E2EE_SAFETY_NUMBER_LENGTH + 1, "%s %s",
	    is_ordered ? first : second, is_ordered ? second : first);
	return STATUS_OK;
}
