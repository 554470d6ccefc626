#include "base/secret.h"

#include <sodium.h>

bool
secret_equal(const void *a, const void *b, size_t size)
{
	return size == 0 || sodium_memcmp(a, b, size) == 0;
}

void *
secret_new(size_t size)
{
	void *memory = sodium_malloc(size);

	if (memory != NULL)
		secret_wipe(memory, size);
	return memory;
}

void
secret_free(void *memory)
{
	sodium_free(memory);
}
