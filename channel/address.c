#include "channel/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define SCHEME "peyk://"
#define SCHEME_LENGTH (sizeof(SCHEME) - 1)

/* The longest label of a DNS name (RFC 1035 section 2.3.4). */
#define LABEL_MAX 63

/* Digits of a port. */
#define PORT_DIGITS_MAX 5

/* Where byte is first, or text.size. */
static size_t
find(struct bytes text, char byte)
{
	const uint8_t *at = NULL;

	if (text.size > 0)
		at = memchr(text.data, byte, text.size);
	return at == NULL ? text.size : (size_t)(at - text.data);
}

static struct bytes
head(struct bytes text, size_t size)
{
	return bytes_make(text.data, size);
}

static struct bytes
tail(struct bytes text, size_t from)
{
	return bytes_make(text.data + from, text.size - from);
}

static enum status
parse_fingerprint(struct bytes text, struct sha256_digest *out)
{
	struct buf digest;
	enum status st;

	if (text.size != 2 * sizeof(out->bytes))
		return STATUS_INVALID;
	buf_init(&digest, sizeof(out->bytes));
	if ((st = text_decode(TEXT_ENCODING_HEX, text, &digest)) == STATUS_OK)
		st = sha256_digest_import(buf_bytes(&digest), out);
	buf_clear(&digest);
	return st;
}

static enum status
parse_port(struct bytes text, uint16_t *out)
{
	uint32_t port = 0;
	size_t i;

	if (text.size == 0 || text.size > PORT_DIGITS_MAX)
		return STATUS_INVALID;
	for (i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return STATUS_INVALID;
		port = port * 10 + (uint32_t)(text.data[i] - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return STATUS_INVALID;
	*out = (uint16_t)port;
	return STATUS_OK;
}

/* ASCII only, whatever the locale. */
static bool
is_host_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '_';
}

/* A DNS name or an IPv4 address: labels of letters, digits, "-" and "_". */
static enum status
parse_name(struct bytes text, struct channel_address *out)
{
	size_t i, label = 0;
	uint8_t c;

	if (text.size == 0 || text.size > CHANNEL_HOST_MAX)
		return STATUS_INVALID;
	for (i = 0; i < text.size; i++) {
		c = text.data[i];
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		if (c == '.' ? label == 0 : !is_host_letter(c))
			return STATUS_INVALID;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return STATUS_INVALID;
		out->host[i] = (char)c;
	}
	out->host[text.size] = '\0';
	return label > 0 ? STATUS_OK : STATUS_INVALID;
}

static enum status
parse_ipv6(struct bytes text, struct channel_address *out)
{
	struct in6_addr address;
	char copy[INET6_ADDRSTRLEN];

	if (text.size == 0 || text.size >= sizeof(copy) ||
	    find(text, '\0') != text.size)
		return STATUS_INVALID;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	if (inet_pton(AF_INET6, copy, &address) != 1 ||
	    inet_ntop(AF_INET6, &address, out->host, sizeof(out->host)) ==
	    NULL)
		return STATUS_INVALID;
	out->is_ipv6 = true;
	return STATUS_OK;
}

static enum status
parse_host_and_port(struct bytes text, struct channel_address *out)
{
	size_t end;
	enum status st;

	if (text.size > 0 && text.data[0] == '[') {
		text = tail(text, 1);
		end = find(text, ']');
		if (end == text.size)
			return STATUS_INVALID;
		st = parse_ipv6(head(text, end), out);
		text = tail(text, end + 1);
	} else {
		end = find(text, ':');
		st = parse_name(head(text, end), out);
		text = tail(text, end);
	}
	if (st != STATUS_OK)
		return st;
	out->port = CHANNEL_PORT_DEFAULT;
	if (text.size == 0)
		return STATUS_OK;
	if (text.data[0] != ':')
		return STATUS_INVALID;
	return parse_port(tail(text, 1), &out->port);
}

enum status
channel_address_parse(struct bytes text, struct channel_address *out)
{
	struct channel_address address = {0};
	size_t end;
	enum status st;

	if (text.size == 0 || text.size > CHANNEL_ADDRESS_MAX)
		return STATUS_INVALID;
	if (text.size >= SCHEME_LENGTH &&
	    strncasecmp((const char *)text.data, SCHEME, SCHEME_LENGTH) ==
	    0) {
		text = tail(text, SCHEME_LENGTH);
		end = find(text, '#');
		if (end < text.size) {
			if ((st = parse_fingerprint(tail(text, end + 1),
			    &address.fingerprint)) != STATUS_OK)
				return st;
			address.has_fingerprint = true;
		}
		text = head(text, end);
	}
	if ((st = parse_host_and_port(text, &address)) != STATUS_OK)
		return st;
	*out = address;
	return STATUS_OK;
}

enum status
channel_address_append_target(const struct channel_address *address,
    struct buf *out)
{
	return buf_append_format(out, address->is_ipv6 ? "[%s]:%u" : "%s:%u",
	    address->host, (unsigned int)address->port);
}

enum status
channel_address_append_url(const struct channel_address *address,
    struct buf *out)
{
	size_t before = out->size;
	enum status st;

	if ((st = buf_append_string(out, SCHEME)) != STATUS_OK ||
	    (st = channel_address_append_target(address, out)) != STATUS_OK)
		goto out;
	if (address->has_fingerprint &&
	    (st = buf_append_string(out, "#")) == STATUS_OK)
		st = text_encode(TEXT_ENCODING_HEX,
		    BYTES_OF(address->fingerprint.bytes), out);
out:
	if (st != STATUS_OK)
		buf_truncate(out, before);
	return st;
}
