#ifndef PEYK_CLIENT_GROUP_WORK_H
#define PEYK_CLIENT_GROUP_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "client/session.h"
#include "client/state_group_queue.h"
#include "client/state_groups.h"
#include "client/state_messages.h"
#include "wire/identity.h"
#include "wire/roster.h"

/*
 * What a run of group_inbox_process() knows, for group_inbox.c, group_news.c
 * and group_reading.c. Items of one group tend to follow each other, and a
 * roster may be long: the group and the epoch that were looked at last are
 * kept, until group_work_forget().
 */
struct group_work {
	struct session *session;
	struct state *state;
	bool is_complete;      /* the last poll left nothing at the server */
	bool may_skip_rosters; /* those that are missing will not come */
	bool has_entered;      /* something changed that others wait for */
	bool has_waiting;      /* something waits */
	/* Keys that were made in this transaction: a bound on how long it may
	   keep the database from others. */
	size_t keys_made;

	/* Authors to be looked up, and those that were; canonical names. */
	struct state_names unknown;
	struct state_names answered;

	/* Private. */
	bool has_group;
	uint64_t group_id;
	struct state_group group;
	bool has_epoch;
	uint64_t epoch_group_id;
	uint32_t epoch_number;
	struct state_group_epoch epoch;
	struct roster roster;
};

/* What becomes of an item. */
struct group_verdict {
	enum {
		GROUP_VERDICT_DONE,  /* it is worked off, or of no use */
		GROUP_VERDICT_WAITS, /* for an epoch, or for a look-up */
		GROUP_VERDICT_ASIDE, /* it cannot be read: the user is told */
	} kind;
	const char *reason; /* ASIDE: a word for us */
};

#define GROUP_DONE ((struct group_verdict){.kind = GROUP_VERDICT_DONE})
#define GROUP_WAITS ((struct group_verdict){.kind = GROUP_VERDICT_WAITS})
#define GROUP_ASIDE(why)                                                       \
	((struct group_verdict){.kind = GROUP_VERDICT_ASIDE, .reason = (why)})

/* Reasons that the user is told in words of their own. */
#define GROUP_REASON_CONFLICT "group: not the pinned key"
#define GROUP_REASON_UPDATE "group: update"
#define GROUP_REASON_MESSAGE "group: message"

/* Frees everything. */
void group_work_clear(struct group_work *work);

/* The database was changed, or rolled back: what is kept may be old. */
void group_work_forget(struct group_work *work);

/* Borrowed until group_work_forget(). *out is NULL where there is none. */
MUST_CHECK enum status group_work_group(
    struct group_work *work, uint64_t group_id, const struct state_group **out);

/* With its roster. STATUS_NOT_FOUND: never entered, or pruned. */
MUST_CHECK enum status group_work_epoch(struct group_work *work,
    uint64_t group_id, uint32_t epoch, const struct state_group_epoch **out,
    const struct roster **roster);

/* Whether the group took us in, or does again, with an epoch. */
bool group_work_is_join(const struct state_group *group, uint32_t epoch);

/*
 * Whether an epoch that takes us in may still come: not everything was
 * fetched, or an update waits, such as for the look-up of its author.
 */
MUST_CHECK enum status group_work_may_join(
    struct group_work *work, uint64_t group_id, bool *out);

/*
 * Whether an author is who it says, by what is pinned. Notes it for a look-up
 * and says GROUP_WAITS where nothing is known yet; GROUP_DONE: it is.
 */
MUST_CHECK enum status group_work_judge(struct group_work *work,
    const struct identity *author, struct group_verdict *out);

#endif
