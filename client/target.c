#include "client/target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

enum status
target_parse(
    const char *text, struct channel_address *out, struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];
	enum status st;

	st = channel_address_parse(bytes_from_string(text), out);
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE) {
		client_display(bytes_from_string(text), shown, sizeof(shown));
		return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "\"%s\" is no server address. Write HOST, HOST:PORT or "
		    "peyk://HOST:PORT#FINGERPRINT.",
		    shown);
	}
	if (st != STATUS_OK)
		return client_error_set_plain(error, st, "read the address");
	return STATUS_OK;
}

void
target_format(const struct channel_address *address, char out[TARGET_SIZE])
{
	(void)snprintf(out, TARGET_SIZE, address->is_ipv6 ? "[%s]:%u" : "%s:%u",
	    address->host, (unsigned)address->port);
}

bool
target_is_loopback(const struct channel_address *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcmp(address->host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, address->host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address->host, &v6) == 1 &&
	       IN6_IS_ADDR_LOOPBACK(&v6);
}
