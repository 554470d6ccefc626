#ifndef PEYK_TESTS_SEALED_H
#define PEYK_TESTS_SEALED_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "e2ee/direct.h"
#include "gen/peyk/v1/e2ee.pb-c.h"
#include "people.h"

/*
 * Direct messages with any content, as a hostile sender could seal them:
 * client#2 writes to client#3.
 */

extern struct people people;

/* For cmocka: of people. */
int sealed_setup(void **state);
int sealed_teardown(void **state);

enum status sealed_open_as(const struct person *person,
    struct bytes ciphertext, struct e2ee_direct *out);

/* Opens as client#3; what comes out is nothing if it fails. */
enum status sealed_check(struct bytes ciphertext);

/* Encrypts any plaintext to somebody, as anyone may. out: initialised here. */
void sealed_encrypt(struct bytes plaintext, const struct person *to,
    struct buf *out);

/* A content to change; *sender is its, for wire_free(). */
Peyk__V1__MessageContent sealed_honest(Peyk__V1__SignedIdentity **sender);

/* Signs, encrypts and opens it as client#3. out: NULL, if only whether. */
enum status sealed_open(const Peyk__V1__MessageContent *content,
    const char *label, const struct signing_secret_key *key,
    struct e2ee_direct *out);

#endif
