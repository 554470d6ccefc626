#include "base/uuid.h"

#include <stdbool.h>
#include <string.h>

/* Whether a hyphen stands before the byte of this index. */
static bool
is_group_start(size_t index)
{
	return index == 4 || index == 6 || index == 8 || index == 10;
}

void
uuid_format(const uint8_t id[UUID_SIZE], char out[UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (is_group_start(i))
			*out++ = '-';
		*out++ = digits[id[i] >> 4];
		*out++ = digits[id[i] & 15];
	}
	*out = '\0';
}

/* The value of a lower-case hex digit; 16 if it is none. */
static unsigned
digit_value(uint8_t digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - (unsigned)'0';
	if (digit >= 'a' && digit <= 'f')
		return digit - (unsigned)'a' + 10;
	return 16;
}

enum status
uuid_parse(struct bytes text, uint8_t out[UUID_SIZE])
{
	uint8_t id[UUID_SIZE];
	size_t at = 0;

	if (text.size != UUID_TEXT_LENGTH)
		return STATUS_INVALID;
	for (size_t i = 0; i < UUID_SIZE; i++) {
		unsigned high, low;

		if (is_group_start(i) && text.data[at++] != '-')
			return STATUS_INVALID;
		high = digit_value(text.data[at++]);
		low = digit_value(text.data[at++]);
		if (high > 15 || low > 15)
			return STATUS_INVALID;
		id[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(out, id, sizeof(id));
	return STATUS_OK;
}
