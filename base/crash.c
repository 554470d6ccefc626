#include "base/crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
crash_point(const char *name)
{
	static atomic_ulong passes;
	const char *wanted = getenv("PEYK_CRASH_POINT");
	size_t length = strlen(name);
	unsigned long pass = 1;

	if (wanted == NULL || strncmp(wanted, name, length) != 0)
		return;
	if (wanted[length] == ':')
		pass = strtoul(wanted + length + 1, NULL, 10);
	else if (wanted[length] != '\0')
		return;
	if (atomic_fetch_add(&passes, 1) + 1 != pass)
		return;
	(void)kill(getpid(), SIGKILL);
	for (;;)
		pause();
}
