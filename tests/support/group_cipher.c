#include "group_cipher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/kdf.h"

#define LABEL "peyk/v1 group key"
#define PLACE_SIZE 56

static void
must(enum status st)
{
	if (st == STATUS_OK)
		return;
	fprintf(stderr, "encrypting to a group: %s\n", status_name(st));
	abort();
}

static void
put_place(uint8_t out[PLACE_SIZE], const struct e2ee_group_place *place)
{
	bytes_put_u64be(out, place->group_id);
	bytes_put_u64be(out + 8, place->epoch);
	memcpy(out + 16, place->sender_key.bytes, 32);
	bytes_put_u64be(out + 48, place->index);
}

void
group_cipher_make(const struct e2ee_group_place *place,
    const struct e2ee_group_message_key *key, struct bytes plaintext,
    struct buf *out)
{
	static const uint8_t random[32] = { 0x77 };
	uint8_t info[sizeof(LABEL) - 1 + PLACE_SIZE], both[44];
	uint8_t *aad = info + sizeof(LABEL) - 1;
	struct symmetric_key cipher_key;
	struct aead_iv iv;

	memcpy(info, LABEL, sizeof(LABEL) - 1);
	put_place(aad, place);
	must(kdf_derive(BYTES_OF(random), BYTES_OF(key->bytes),
	    BYTES_OF(info), both, sizeof(both)));
	memcpy(cipher_key.bytes, both, 32);
	memcpy(iv.bytes, both + 32, 12);
	must(buf_append(out, BYTES_OF(place->sender_key.bytes)));
	must(buf_append_u64be(out, place->index));
	must(buf_append(out, BYTES_OF(random)));
	must(aead_seal(&cipher_key, &iv, bytes_make(aad, PLACE_SIZE),
	    plaintext, out));
}
