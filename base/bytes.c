#include "base/bytes.h"

#include <string.h>

struct bytes
bytes_from_string(const char *string)
{
	if (string == NULL)
		return bytes_empty();
	return bytes_make(string, strlen(string));
}

bool
bytes_equal(struct bytes a, struct bytes b)
{
	/* memcmp() wants no NULL, not even for no bytes at all. */
	return a.size == b.size &&
	    (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int
bytes_compare(struct bytes a, struct bytes b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common == 0 ? 0 : memcmp(a.data, b.data, common);

	if (order != 0)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}

void
bytes_put_u64be(uint8_t out[8], uint64_t value)
{
	bytes_put_u32be(out, (uint32_t)(value >> 32));
	bytes_put_u32be(out + 4, (uint32_t)value);
}

uint64_t
bytes_get_u64be(const uint8_t in[8])
{
	return (uint64_t)bytes_get_u32be(in) << 32 | bytes_get_u32be(in + 4);
}

void
bytes_put_u32be(uint8_t out[4], uint32_t value)
{
	out[0] = (uint8_t)(value >> 24);
	out[1] = (uint8_t)(value >> 16);
	out[2] = (uint8_t)(value >> 8);
	out[3] = (uint8_t)value;
}

uint32_t
bytes_get_u32be(const uint8_t in[4])
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 |
	    (uint32_t)in[2] << 8 | (uint32_t)in[3];
}
