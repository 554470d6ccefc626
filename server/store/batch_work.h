#ifndef PEYK_SERVER_STORE_BATCH_WORK_H
#define PEYK_SERVER_STORE_BATCH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/store/batch.h"
#include "server/store/bodies.h"
#include "server/store/group_rows.h"
#include "server/store/pipeline.h"
#include "server/store/rows.h"

/*
 * What the stages of a batch share: the operations on their way through them,
 * and what was read. Private to batch*.c.
 */

/* What a change of a group that is allowed does to its members. */
struct group_change {
	int64_t admin_id; /* of an update: the new one */
	size_t come_count, gone_count;
	int64_t ids[]; /* of those who come, then of those who go */
};

/* An operation on its way through the stages. */
struct work {
	struct store_operation *operation;
	const struct store_number *number; /* NULL: STORE_KIND_ACCOUNT */
	struct store_result *result;       /* NULL: it has no number */
	bool is_tried;   /* a claim, or the sign-up of a new key */
	bool is_claimed; /* the number, or the sign-up's key */
	bool has_name;   /* the sign-up's name */
	struct group_change *change; /* NULL: none; freed with the batch */
	uint8_t id[16];              /* of what members get of it */
};

struct batch {
	struct pipeline *pipeline;
	struct work *works; /* by account id */
	size_t count;
	struct batch_mail *mail;

	struct rows keys;     /* STATEMENT_FIND_KEYS */
	struct rows names;    /* STATEMENT_FIND_NAMES */
	struct rows accounts; /* STATEMENT_READ_ACCOUNTS, of the numbered */
	struct rows owners;   /* the same, of known keys */
	struct rows groups;   /* STATEMENT_READ_GROUPS, of updates */
	struct group_rows members; /* of all groups that matter */

	/* What stage 2 holds. */
	bool has_claims, has_owners, has_sign_ups, has_changes;
	bool has_repeats;
	bool is_writing;

	/* Statements of stage 3 whose results hold nothing. */
	enum statement *quiet;
	size_t quiet_count, quiet_capacity;

	/* For the stage after it. */
	struct bodies bodies;
	bool has_lists; /* lists of groups that are not empty */
};

/* --- The steps, in order -------------------------------------------------- */

/* BEGIN, and what the outcomes depend on. batch_read.c */
MUST_CHECK enum database_failure batch_run_read_stage(struct batch *batch);

/* Which numbers are next, and what becomes of messages. batch_read.c */
MUST_CHECK enum database_failure batch_decide(struct batch *batch);

/* Claims; names and keys of sign-ups. batch_claim.c */
MUST_CHECK enum database_failure batch_run_claim_stage(struct batch *batch);

/* Results of everything but fetches. batch_settle.c */
void batch_settle(struct batch *batch);

/* Deliveries, acknowledgements, accounts, fetches, COMMIT. batch_write.c */
MUST_CHECK enum database_failure batch_run_write_stage(struct batch *batch);

/* What the rows of stage 3 point to. After COMMIT. batch_late.c */
MUST_CHECK enum database_failure batch_run_late_stage(struct batch *batch);

/* --- Groups --------------------------------------------------------------- */

/* The groups and members that matter, in stage 1. batch_group.c */
MUST_CHECK enum database_failure batch_send_group_reads(struct batch *batch,
    bool *has_groups, bool *has_members);

/* Signing keys that it names. batch_group.c */
void batch_append_group_keys(const struct work *work,
    struct parameters *parameters);

/*
 * The verdict on an operation on a group. CONFLICT: it changes right now.
 * batch_group.c
 */
MUST_CHECK enum database_failure batch_judge_group(struct batch *batch,
    struct work *work);

/* Whether it changes a group that is there already. batch_group_write.c */
bool batch_is_touching(const struct work *work);

/*
 * In stage 2: the groups that change, if they are as they were read; CONFLICT
 * otherwise. batch_group_write.c
 */
MUST_CHECK enum database_failure batch_send_touch(struct batch *batch);
MUST_CHECK enum database_failure batch_receive_touch(struct batch *batch);

/* In stage 3. batch_group_write.c */
MUST_CHECK enum database_failure batch_send_group_changes(
    struct batch *batch);

/* In stage 3, before COMMIT: how groups stand; lists. batch_group_read.c */
MUST_CHECK enum database_failure batch_send_group_states(
    struct batch *batch);
MUST_CHECK enum database_failure batch_receive_group_states(
    struct batch *batch);

/* The rest of the lists, in the stage after it. batch_group_read.c */
MUST_CHECK enum database_failure batch_send_listed_groups(
    struct batch *batch);
MUST_CHECK enum database_failure batch_receive_listed_groups(
    struct batch *batch);

/* --- Help ----------------------------------------------------------------- */

/* Also empties the operation's results. */
void work_init(struct work *work, struct store_operation *operation);

/* Whether it belongs to an account that is there already. */
bool work_is_numbered(const struct work *work);

/*
 * Once its result is settled: whether what it reads is to be read, and who got
 * something to be told; not after a replay or a refusal.
 */
bool work_is_served(const struct work *work);

/* STATUS_OK or STATUS_NOMEM as a failure. */
enum database_failure batch_status(enum status st);

MUST_CHECK enum database_failure batch_receive_rows(struct batch *batch,
    enum statement statement, struct rows *rows);

/* The account to which a signing key belongs; false if the key is unknown. */
bool batch_find_key(const struct batch *batch, struct bytes key,
    int64_t *account_id, enum key_state *state);

/* What an account's row says of its number and its stored result. */
void batch_read_result(const struct rows *accounts, int row,
    struct store_result *out);
enum store_account_status batch_read_status(const struct rows *accounts,
    int row);
bool batch_has_key(const struct rows *accounts, int row,
    struct bytes signing_key);

/* Whether the number is the account's last one, with the same request. */
bool batch_judge_repeat(struct work *work);

/* Whether a key is an account's current one. */
bool batch_find_current(const struct batch *batch, const uint8_t key[32],
    int64_t *account_id);

/* Sends a statement of stage 3 whose result holds nothing. */
MUST_CHECK enum database_failure batch_send_quiet(struct batch *batch,
    enum statement statement, struct parameters *parameters);

/* The same, unless its arrays are empty. */
MUST_CHECK enum database_failure batch_send_filled(struct batch *batch,
    enum statement statement, struct parameters *parameters);

/* Messages of claimed operations, and mail for their recipients.
   batch_deliver.c */
MUST_CHECK enum database_failure batch_send_deliveries(struct batch *batch);

/* STATUS_NOMEM. */
MUST_CHECK enum status batch_mail_add(struct batch_mail *mail,
    int64_t account_id);

static inline struct store_sign_up *
sign_up_of(const struct work *work)
{
	return (struct store_sign_up *)work->operation;
}

static inline struct store_send *
send_of(const struct work *work)
{
	return (struct store_send *)work->operation;
}

static inline struct store_poll *
poll_of(const struct work *work)
{
	return (struct store_poll *)work->operation;
}

static inline struct store_lookup *
lookup_of(const struct work *work)
{
	return (struct store_lookup *)work->operation;
}

static inline struct store_account *
account_of(const struct work *work)
{
	return (struct store_account *)work->operation;
}

static inline struct store_refuse *
refuse_of(const struct work *work)
{
	return (struct store_refuse *)work->operation;
}

static inline bool
work_is_group(const struct work *work)
{
	return work->operation->kind >= STORE_KIND_GROUP_CREATE;
}

/* Of every operation on a group. */
static inline struct store_group_head *
group_of(const struct work *work)
{
	return (struct store_group_head *)work->operation;
}

static inline struct store_group_create *
group_create_of(const struct work *work)
{
	return (struct store_group_create *)work->operation;
}

static inline struct store_group_update *
group_update_of(const struct work *work)
{
	return (struct store_group_update *)work->operation;
}

static inline struct store_group_leave *
group_leave_of(const struct work *work)
{
	return (struct store_group_leave *)work->operation;
}

static inline struct store_group_delete *
group_delete_of(const struct work *work)
{
	return (struct store_group_delete *)work->operation;
}

static inline struct store_group_read *
group_read_of(const struct work *work)
{
	return (struct store_group_read *)work->operation;
}

static inline struct store_group_list *
group_list_of(const struct work *work)
{
	return (struct store_group_list *)work->operation;
}

static inline struct bytes
work_signing_key(const struct work *work)
{
	return BYTES_OF(work->number->signing_key);
}

#endif
