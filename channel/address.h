#ifndef PEYK_CHANNEL_ADDRESS_H
#define PEYK_CHANNEL_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

/*
 * Where a server is (docs/protocol.md section 2): "host", "host:port",
 * "peyk://host:port", "peyk://host:port#FINGERPRINT". An IPv6 address stands
 * in brackets, without a zone: "[::1]:8022". Names are ASCII. No I/O, nothing
 * is looked up.
 */

#define CHANNEL_PORT_DEFAULT 8022

/* A DNS name has at most 253 characters, an IPv6 address fewer. */
#define CHANNEL_HOST_MAX 253

/* Longest address that is looked at: scheme, host, port, fingerprint. */
#define CHANNEL_ADDRESS_MAX 512

struct channel_address {
	char host[CHANNEL_HOST_MAX + 1]; /* lower case, no brackets;
					    * IPv6 in its shortest form */
	uint16_t port;                   /* never 0 */
	bool is_ipv6;
	bool has_fingerprint;
	struct sha256_digest fingerprint; /* of the identity key */
};

/*
 * STATUS_INVALID for anything else: another scheme, a path, a user, a port
 * out of 1 to 65535, a fingerprint that is not 64 hexadecimal digits.
 */
MUST_CHECK enum status channel_address_parse(struct bytes text,
    struct channel_address *out);

/* Appends "host:port", with the brackets of IPv6: what gRPC takes. */
MUST_CHECK enum status channel_address_append_target(
    const struct channel_address *address, struct buf *out);

/* Appends "peyk://host:port", and "#fingerprint" if there is one. */
MUST_CHECK enum status channel_address_append_url(
    const struct channel_address *address, struct buf *out);

#endif
