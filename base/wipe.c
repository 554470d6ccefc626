/* Apart from secret.c, so that who only wipes needs no libsodium. */
#include "base/secret.h"

#include <string.h>

void
secret_wipe(void *memory, size_t size)
{
	if (size > 0)
		explicit_bzero(memory, size);
}
