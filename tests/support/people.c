#include "people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "wire/identity.h"
#include "wire/limits.h"

static void
must(enum status st, const char *what)
{
	if (st == STATUS_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, status_name(st));
	abort();
}

struct signing_key_pair
people_signing_key(uint8_t byte)
{
	struct signing_seed seed;
	struct signing_key_pair pair;

	memset(&seed, byte, sizeof(seed));
	must(signing_key_pair_from_seed(&seed, &pair), "signing key");
	return pair;
}

struct encryption_key_pair
people_encryption_key(uint8_t byte)
{
	struct encryption_secret_key secret;
	struct encryption_key_pair pair;

	memset(&secret, byte, sizeof(secret));
	must(encryption_key_pair_from_secret(&secret, &pair), "key");
	return pair;
}

static void
init_person(struct person *person, const char *name, uint8_t byte,
    const struct signing_public_key *server_key)
{
	person->name = name;
	person->signing = people_signing_key(byte);
	person->encryption = people_encryption_key((uint8_t)(byte + 1));
	buf_init(&person->statement, WIRE_SIGNED_IDENTITY_MAX);
	must(identity_make(bytes_from_string(name), &person->signing,
	    &person->encryption.public_key, server_key, PEOPLE_NOW_MS,
	    &person->statement), "identity");
}

void
people_init(struct people *people)
{
	must(crypto_init(), "crypto");
	people->server = people_signing_key(0x10);
	people->sealing = people_encryption_key(0x20);
	init_person(&people->sender, "client#2", 0x30,
	    &people->server.public_key);
	init_person(&people->recipient, "client#3", 0x40,
	    &people->server.public_key);
	init_person(&people->other,
	    "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85", 0x50,
	    &people->server.public_key);
}

void
people_clear(struct people *people)
{
	buf_clear(&people->sender.statement);
	buf_clear(&people->recipient.statement);
	buf_clear(&people->other.statement);
}
