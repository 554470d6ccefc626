#ifndef PEYK_CRYPTO_SUITE_H
#define PEYK_CRYPTO_SUITE_H

#include <stdint.h>

#include "crypto/aead.h"
#include "crypto/hpke.h"

/*
 * The AEADs of RFC 9180 by their ids, and HPKE with a chosen one and a given
 * ephemeral key. Private to this folder and to its tests: RFC 9180 has
 * vectors for all three, Peyk uses SUITE_AES_256_GCM alone. Errors as in
 * aead.h and hpke.h.
 */
enum suite {
	SUITE_AES_128_GCM = 0x0001, /* takes the first 16 bytes of the key */
	SUITE_AES_256_GCM = 0x0002,
	SUITE_CHACHA20_POLY1305 = 0x0003,
};

MUST_CHECK enum status suite_seal(enum suite suite,
    const struct symmetric_key *key, const struct aead_iv *iv,
    struct bytes aad, struct bytes plaintext, struct buf *out);

MUST_CHECK enum status suite_open(enum suite suite,
    const struct symmetric_key *key, const struct aead_iv *iv,
    struct bytes aad, struct bytes ciphertext, struct buf *out);

MUST_CHECK enum status suite_sender_init(enum suite suite,
    struct hpke_context *context,
    const struct encryption_public_key *recipient,
    const struct encryption_key_pair *ephemeral, struct bytes info,
    struct hpke_encapsulated_key *encapsulated);

MUST_CHECK enum status suite_receiver_init(enum suite suite,
    struct hpke_context *context,
    const struct encryption_key_pair *recipient,
    const struct hpke_encapsulated_key *encapsulated, struct bytes info);

#endif
