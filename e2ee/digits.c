#include "e2ee/digits.h"

static void
write_group(const uint8_t *bytes, char *out)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < E2EE_DIGITS_GROUP_SIZE; i++)
		number = number << 8 | bytes[i];
	for (i = E2EE_DIGITS_GROUP_SIZE; i > 0; i--) {
		out[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
}

void
e2ee_digits_write(const uint8_t *hash, size_t groups, char *out)
{
	size_t i;

	for (i = 0; i < groups; i++) {
		if (i > 0)
			*out++ = ' ';
		write_group(hash + i * E2EE_DIGITS_GROUP_SIZE, out);
		out += E2EE_DIGITS_GROUP_SIZE;
	}
	*out = '\0';
}
