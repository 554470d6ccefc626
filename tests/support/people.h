#ifndef PEYK_TESTS_PEOPLE_H
#define PEYK_TESTS_PEOPLE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "crypto/keys.h"

/*
 * A server and two people with fixed keys, for tests, vectors and fuzz
 * targets: each seed and secret is one byte, repeated. Whatever fails here
 * ends the program.
 */

#define PEOPLE_NOW_MS ((uint64_t)1767225600000) /* 2026-01-01 */

struct person {
	const char *name;
	struct signing_key_pair signing;
	struct encryption_key_pair encryption;
	struct buf statement; /* SignedIdentity, made at PEOPLE_NOW_MS */
};

struct people {
	struct signing_key_pair server;
	struct encryption_key_pair sealing;
	struct person sender;    /* "client#2" */
	struct person recipient; /* "client#3" */
	struct person other;     /* a name in Persian */
};

/* Starts crypto as well. */
void people_init(struct people *people);
void people_clear(struct people *people);

/* Key pairs from one repeated byte. */
struct signing_key_pair people_signing_key(uint8_t byte);
struct encryption_key_pair people_encryption_key(uint8_t byte);

#endif
