#ifndef PEYK_CLIENT_TARGET_H
#define PEYK_CLIENT_TARGET_H

#include <stdbool.h>

#include "base/status.h"
#include "channel/address.h"
#include "client/error.h"

/* channel/address.h as the client needs it: strings, and errors in words. */

/* "[host]:65535" and NUL */
#define TARGET_SIZE (CHANNEL_HOST_MAX + 9)

/* STATUS_INVALID (exit 2) if text is no address. */
MUST_CHECK enum status target_parse(
    const char *text, struct channel_address *out, struct client_error *error);

/* "host:port" or "[v6]:port": what gRPC takes, and people read. */
void target_format(
    const struct channel_address *address, char out[TARGET_SIZE]);

/* "localhost" or a literal loopback address: plaintext is allowed there. */
bool target_is_loopback(const struct channel_address *address);

#endif
