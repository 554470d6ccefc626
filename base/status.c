#include "base/status.h"

const char *
status_name(enum status st)
{
	switch (st) {
	case STATUS_OK:
		return "ok";
	case STATUS_NOMEM:
		return "no_memory";
	case STATUS_INVALID:
		return "invalid";
	case STATUS_TOO_LARGE:
		return "too_large";
	case STATUS_FORGED:
		return "forged";
	case STATUS_NOT_FOUND:
		return "not_found";
	case STATUS_EXISTS:
		return "exists";
	case STATUS_STALE:
		return "stale";
	case STATUS_DENIED:
		return "denied";
	case STATUS_BUSY:
		return "busy";
	case STATUS_UNAVAILABLE:
		return "unavailable";
	case STATUS_TIMEOUT:
		return "timeout";
	case STATUS_CANCELLED:
		return "cancelled";
	case STATUS_IO:
		return "io";
	case STATUS_INTERNAL:
		return "internal";
	}
	return "unknown";
}
