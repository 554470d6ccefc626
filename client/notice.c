#include "client/notice.h"

const char *
notice_kind_name(enum notice_kind kind)
{
	switch (kind) {
	case NOTICE_SERVER_PINNED:
		return "server_pinned";
	case NOTICE_CONTACT_PINNED:
		return "contact_pinned";
	case NOTICE_CONTACT_CHANGED:
		return "contact_changed";
	case NOTICE_UNFINISHED_SENT:
		return "unfinished_sent";
	case NOTICE_UNFINISHED_REFUSED:
		return "unfinished_refused";
	case NOTICE_SEALED_FINISHED:
		return "sealed_finished";
	case NOTICE_SET_ASIDE:
		return "set_aside";
	case NOTICE_GROUP_KEY_OWED:
		return "group_key_owed";
	case NOTICE_OTHERS_WAITING:
		return "others_waiting";
	case NOTICE_RETRYING:
		return "retrying";
	case NOTICE_RECONNECTED:
		return "reconnected";
	}
	return "unknown";
}
