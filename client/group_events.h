#ifndef PEYK_CLIENT_GROUP_EVENTS_H
#define PEYK_CLIENT_GROUP_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/history.h"
#include "client/session.h"
#include "crypto/keys.h"
#include "wire/identity.h"
#include "wire/roster.h"

/* What happened to groups, as rows of the history; and who a member is. */

/* All borrowed. */
struct group_happening {
	uint64_t group_id;
	uint32_t epoch;
	enum group_event event;
	/* Whose doing it is; NULL: nobody but the server says it, and the row
	   has no name and no key. */
	const struct roster_member *author;
	struct bytes text;                  /* names, one a line */
	/* Of the roster that shows it: with epoch and event it makes the id. */
	const struct sha256_digest *roster_hash;
	uint64_t stored_at_ms;
	bool is_shown; /* as our own doing is */
};

/*
 * Inside a transaction. The id is the first 16 bytes of SHA-256(roster hash ||
 * u64(epoch) || u64(event)); a row that is there already stays as it is.
 */
MUST_CHECK enum status group_events_add(
    struct session *session, const struct group_happening *happening);

/* What a member's own statement would say, as far as a roster tells it. */
MUST_CHECK enum status group_events_identify(struct session *session,
    const struct roster_member *member, struct identity *out);

/* What is pinned to a member's name: contacts_judge_author() for members. */
MUST_CHECK enum status group_events_judge(struct session *session,
    const struct roster_member *member, enum message_author *out);

#endif
