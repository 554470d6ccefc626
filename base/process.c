#include "base/process.h"

#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum status
process_harden(void)
{
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };

	(void)umask(077);
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    sodium_init() < 0)
		return STATUS_INTERNAL;
	return STATUS_OK;
}
