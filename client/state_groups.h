#ifndef PEYK_CLIENT_STATE_GROUPS_H
#define PEYK_CLIENT_STATE_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/groups.h"
#include "client/state.h"
#include "crypto/keys.h"
#include "e2ee/group_key.h"

/*
 * Groups in state.db; errors as in client/state.h. For client/groups.c and
 * group_*.c; commands use those.
 *
 *	groups          how each stands
 *	group_epochs    the roster of the current epoch, and of ended ones for
 *	                as long as their messages may come late
 *	group_leaves    who has left since the epoch began
 *	group_updates   what goes with a request about a group in the outbox
 *
 * Their keys are in client/state_group_keys.h, messages to them in
 * state_group_outgoing.h, what arrived for them in state_group_queue.h.
 */

/* ---- Groups ---- */

struct state_group {
	uint64_t id;
	char *name;
	enum group_status status;
	bool is_admin;
	bool is_forked;
	uint32_t epoch; /* 0: none was entered */
	/* Of the epoch, if it is not 0. */
	bool has_key; /* false: the admin's letter held another key */
	struct sha256_digest roster_hash;
	uint8_t *roster; /* the SignedMessage, serialized; NULL in epoch 0 */
	size_t roster_size;
	/* LEFT, REMOVED, DELETED: the first epoch that is not ours. */
	uint32_t gone_epoch;
	/* The server has refused messages of this epoch: it has ended. */
	uint32_t refused_epoch;
	/* CREATING: canonical names of the members to be, one a line. */
	char *invited;
	uint64_t waiting; /* messages in group_queue */
};

/* No-op on a zeroed one. */
void state_group_clear(struct state_group *group);

struct state_group_list {
	struct state_group *items; /* by name, then id */
	size_t count;
};

void state_group_list_clear(struct state_group_list *list);

/* STATUS_NOT_FOUND. */
MUST_CHECK enum status state_group_read(
    struct state *state, uint64_t id, struct state_group *out);
MUST_CHECK enum status state_groups_list(
    struct state *state, struct state_group_list *out);

/*
 * A new group of ours: CREATING, in epoch 0; creation: the number of the
 * CreateGroup. One that is there is left as it is. Groups of others begin with
 * state_group_enter().
 */
MUST_CHECK enum status state_group_add(struct state *state, uint64_t id,
    const char *name, const char *invited, uint64_t creation);

/* The group that the request of this number made. STATUS_NOT_FOUND. */
MUST_CHECK enum status state_group_created(
    struct state *state, uint64_t creation, uint64_t *id);

/* All borrowed. */
struct state_group_entry {
	uint64_t id;
	const char *name;
	bool is_admin;
	uint32_t epoch;
	const struct sha256_digest *roster_hash;
	struct bytes roster;
	bool has_key;
	/* Who has left reads on: the group stays LEFT, and the epoch is one that
	   has ended. */
	bool is_past;
	uint64_t now_ms; /* when the epoch before it ends */
};

/*
 * ACTIVE in this epoch, whatever it was before (unless is_past): adds the group
 * if need be, and the epoch, ends the one before, forgets leaves. For
 * client/group_epoch.c, which does what else belongs to it.
 */
MUST_CHECK enum status state_group_enter(
    struct state *state, const struct state_group_entry *entry);

/* LEFT, REMOVED or DELETED: ends the current epoch, too. */
MUST_CHECK enum status state_group_set_gone(struct state *state, uint64_t id,
    enum group_status status, uint32_t gone_epoch, uint64_t now_ms);

MUST_CHECK enum status state_group_set_forked(
    struct state *state, uint64_t id);
MUST_CHECK enum status state_group_set_refused_epoch(
    struct state *state, uint64_t id, uint32_t epoch);

/* ---- Epochs ---- */

struct state_group_epoch {
	bool has_key;
	struct sha256_digest roster_hash;
	uint8_t *roster;
	size_t roster_size;
};

void state_group_epoch_clear(struct state_group_epoch *epoch);

/* STATUS_NOT_FOUND: never entered, or pruned. */
MUST_CHECK enum status state_group_epoch_read(struct state *state,
    uint64_t id, uint32_t epoch, struct state_group_epoch *out);

/* Forgets the keys, and all but the last roster, of what ended before. */
MUST_CHECK enum status state_group_epochs_prune(
    struct state *state, uint64_t ended_before_ms);

/* Whether that would change something: a look without the write lock. */
MUST_CHECK enum status state_group_epochs_have_ended(
    struct state *state, uint64_t before_ms, bool *out);

/* ---- Leaves ---- */

/* A member that has left since the epoch began. Repeats change nothing. */
MUST_CHECK enum status state_group_leave_add(struct state *state, uint64_t id,
    const struct signing_public_key *member, struct bytes leave);
MUST_CHECK enum status state_group_leave_has(struct state *state, uint64_t id,
    const struct signing_public_key *member, bool *out);

/* Who has left. free() *out. */
MUST_CHECK enum status state_group_leaves_list(struct state *state,
    uint64_t id, struct signing_public_key **out, size_t *count);

/*
 * Groups where the admin, we, owes a key: CREATING, or ACTIVE with somebody who
 * has left; and no group_updates row of the group is under way. free() *out.
 */
MUST_CHECK enum status state_groups_owing(
    struct state *state, uint64_t **out, size_t *count);

/* ---- What goes with a request in the outbox ---- */

/*
 * The effects of a reply depend on nothing but the database: what they need
 * besides the reply. Meaning and use are client/group_admin.c's. All borrowed
 * in state_group_update_add(); owned in what is read.
 */
struct state_group_update {
	uint64_t sequence;  /* of the request */
	uint64_t group_id;  /* 0: CreateGroup, not known yet */
	uint32_t epoch;     /* 0: none */
	uint32_t purpose;   /* the caller's number */
	const char *name;   /* "" */
	const char *invited; /* "" */
	struct bytes roster; /* the signed roster; empty */
	bool has_key;
	struct e2ee_group_share admin_secret;
	struct e2ee_group_share server_share;
	void *memory; /* private */
};

/* Wipes and frees. No-op on a zeroed one. */
void state_group_update_clear(struct state_group_update *update);

MUST_CHECK enum status state_group_update_add(
    struct state *state, const struct state_group_update *update);
/* STATUS_NOT_FOUND: such as a request that was made by hand. */
MUST_CHECK enum status state_group_update_read(struct state *state,
    uint64_t sequence, struct state_group_update *out);
MUST_CHECK enum status state_group_update_remove(
    struct state *state, uint64_t sequence);
/* Whether a request about this group is under way. */
MUST_CHECK enum status state_group_update_has(
    struct state *state, uint64_t group_id, bool *out);

#endif
