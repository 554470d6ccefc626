#include "server/store/mail_notifier.h"

#include <inttypes.h>

#define SERVER_DIGITS 16
#define PAYLOAD_MAX ((size_t)7900)

enum status
mail_payload_encode(uint64_t server_id, const int64_t *account_ids,
    size_t count, bool is_everyone, struct buf *out)
{
	enum status st;

	if ((st = buf_append_format(out, "%016" PRIx64 ":", server_id)) !=
	    STATUS_OK)
		return st;
	if (is_everyone)
		return buf_append_string(out, "*");
	for (size_t i = 0; i < count; i++) {
		if ((st = buf_append_format(out, "%s%" PRIx64,
			 i == 0 ? "" : ",", (uint64_t)account_ids[i])) !=
		    STATUS_OK)
			return st;
	}
	return STATUS_OK;
}

/* Takes 1 to 16 hex digits off the front. */
static enum status
take_hex(struct bytes *text, uint64_t *out)
{
	uint64_t value = 0;
	size_t digits = 0;

	for (; digits < text->size && digits < 16; digits++) {
		uint8_t c = text->data[digits];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	if (digits == 0)
		return STATUS_INVALID;
	text->data += digits;
	text->size -= digits;
	*out = value;
	return STATUS_OK;
}

static bool
take_char(struct bytes *text, char c)
{
	if (text->size == 0 || text->data[0] != (uint8_t)c)
		return false;
	text->data++;
	text->size--;
	return true;
}

enum status
mail_payload_decode(struct bytes payload, uint64_t *server_id,
    int64_t account_ids[MAIL_NOTIFIER_IDS_MAX], size_t *count)
{
	uint64_t server, id;
	size_t found = 0;

	if (payload.size > PAYLOAD_MAX || payload.size <= SERVER_DIGITS ||
	    payload.data[SERVER_DIGITS] != ':' ||
	    take_hex(&payload, &server) != STATUS_OK ||
	    !take_char(&payload, ':'))
		return STATUS_INVALID;
	if (take_char(&payload, '*')) {
		if (payload.size != 0)
			return STATUS_INVALID;
	} else {
		do {
			if (found == MAIL_NOTIFIER_IDS_MAX ||
			    take_hex(&payload, &id) != STATUS_OK)
				return STATUS_INVALID;
			account_ids[found++] = (int64_t)id;
		} while (take_char(&payload, ','));
		if (payload.size != 0)
			return STATUS_INVALID;
	}
	*server_id = server;
	*count = found;
	return STATUS_OK;
}
