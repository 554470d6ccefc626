#ifndef PEYK_TESTS_GROUP_CIPHER_H
#define PEYK_TESTS_GROUP_CIPHER_H

#include "base/buf.h"
#include "base/bytes.h"
#include "e2ee/group_message.h"

/*
 * Encrypts any plaintext to a group in any place, as whoever has the key can
 * (docs/protocol.md section 13): appends the ciphertext. A failure ends the
 * program.
 */
void group_cipher_make(const struct e2ee_group_place *place,
    const struct e2ee_group_message_key *key, struct bytes plaintext,
    struct buf *out);

#endif
