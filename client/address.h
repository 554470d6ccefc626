#ifndef PEYK_CLIENT_ADDRESS_H
#define PEYK_CLIENT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "client/error.h"
#include "crypto/keys.h"

/*
 * Where a server is (docs/protocol.md section 2): "host", "host:port",
 * "peyk://host:port", "peyk://host:port#FINGERPRINT". A literal IPv6 address
 * stands in brackets.
 */

#define ADDRESS_PORT_DEFAULT 8022
#define ADDRESS_HOST_MAX 253 /* bytes: the longest DNS name */

/* "[host]:65535" and NUL */
#define ADDRESS_TEXT_SIZE (ADDRESS_HOST_MAX + 9)

struct server_address {
	char host[ADDRESS_HOST_MAX + 1]; /* lower case, without brackets */
	uint16_t port;
	bool has_fingerprint;
	struct sha256_digest fingerprint; /* of the server's identity key */
};

/* STATUS_INVALID (exit 2) if text is no address. */
MUST_CHECK enum status address_parse(const char *text,
    struct server_address *out, struct client_error *error);

/* "host:port", or "[v6]:port": what gRPC takes, and people read. */
void address_format(const struct server_address *address,
    char out[ADDRESS_TEXT_SIZE]);

/* "localhost" or a literal loopback address: plaintext is allowed there. */
bool address_is_loopback(const struct server_address *address);

/* 64 lower-case hex digits and NUL. */
#define ADDRESS_FINGERPRINT_SIZE 65

/* SHA-256 of an identity key, as text. */
MUST_CHECK enum status address_fingerprint_of(
    const struct signing_public_key *identity_key,
    char out[ADDRESS_FINGERPRINT_SIZE]);

#endif
