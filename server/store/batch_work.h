#ifndef PEYK_SERVER_STORE_BATCH_WORK_H
#define PEYK_SERVER_STORE_BATCH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/store/batch.h"
#include "server/store/pipeline.h"
#include "server/store/rows.h"

/*
 * What the stages of a batch share: the operations on their way through them,
 * and what was read. Private to batch*.c.
 */

/* An operation on its way through the stages. */
struct work {
	struct store_operation *operation;
	const struct store_number *number; /* NULL: STORE_KIND_ACCOUNT */
	struct store_result *result;       /* NULL: it has no number */
	bool is_tried;   /* a claim, or the sign-up of a new key */
	bool is_claimed; /* the number, or the sign-up's key */
	bool has_name;   /* the sign-up's name */
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

	bool has_claims, has_owners, has_sign_ups; /* what stage 2 holds */
	bool has_repeats;
	bool is_writing;
};

/* --- The steps, in order -------------------------------------------------- */

/* BEGIN, and what the outcomes depend on. batch_read.c */
MUST_CHECK enum database_failure batch_run_read_stage(struct batch *batch);

/* Which numbers are next, and what becomes of messages. batch_read.c */
void batch_decide(struct batch *batch);

/* Claims; names and keys of sign-ups. batch_claim.c */
MUST_CHECK enum database_failure batch_run_claim_stage(struct batch *batch);

/* Results of everything but fetches. batch_settle.c */
void batch_settle(struct batch *batch);

/* Deliveries, acknowledgements, accounts, fetches, COMMIT. batch_write.c */
MUST_CHECK enum database_failure batch_run_write_stage(struct batch *batch);

/* --- Help ----------------------------------------------------------------- */

/* Also empties the operation's results. */
void work_init(struct work *work, struct store_operation *operation);

/* Whether it belongs to an account that is there already. */
bool work_is_numbered(const struct work *work);

/* Whether what it reads is to be read: not after a replay or a refusal. */
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

/* Of every operation on a group. */
static inline struct store_group_head *
group_of(const struct work *work)
{
	return (struct store_group_head *)work->operation;
}

static inline struct bytes
work_signing_key(const struct work *work)
{
	return BYTES_OF(work->number->signing_key);
}

#endif
