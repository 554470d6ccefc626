#ifndef PEYK_SERVER_STORE_STATEMENT_H
#define PEYK_SERVER_STORE_STATEMENT_H

/*
 * Every statement of the batching pipeline, prepared when a connection opens.
 * Values go in and come out in binary. Those of sealing_keys.c, migrate.c and
 * mail_notifier.c stand there.
 *
 * Rules that keep them portable to Citus: each is addressed by its table's
 * distribution column (= $n or = ANY($n)); none joins tables of different
 * owners, locks rows by SELECT, uses LATERAL, sets a column from an element of
 * an array, or depends on what a data-modifying CTE sees.
 *
 * Arrays are sorted by the table's key, and rows are found by its index, so
 * that batches of several servers lock rows in one order.
 */
enum statement {
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_WAIT,           /* lifts statement_timeout, for COMMIT */
	STATEMENT_CONFIRM,        /* makes COMMIT wait for the standby */
	STATEMENT_FIND_KEYS,      /* signing keys */
	STATEMENT_FIND_NAMES,     /* names */
	STATEMENT_READ_ACCOUNTS,  /* ids */
	STATEMENT_CLAIM,          /* see enum claim_parameter in batch.c */
	STATEMENT_INSERT_NAMES,   /* names, account ids, identities */
	STATEMENT_INSERT_KEYS,    /* signing keys, account ids */
	STATEMENT_INSERT_ACCOUNTS,
	STATEMENT_DELETE_NAMES,   /* names, account ids */
	STATEMENT_SPEND_KEYS,     /* signing keys */
	STATEMENT_DELIVER,        /* recipients, ids, senders, bodies */
	STATEMENT_ACKNOWLEDGE,    /* recipient, ids */
	STATEMENT_FETCH,          /* recipient, most messages, most bytes */
};

#define STATEMENT_COUNT (STATEMENT_FETCH + 1)

struct statement_text {
	const char *name;
	const char *sql;
	const char *types; /* of its parameters, as parameters_init() wants */
};

const struct statement_text *statement_text(enum statement statement);

/* Settings of every connection that runs them: several commands. */
extern const char *const statement_settings;

/* Columns of STATEMENT_READ_ACCOUNTS. */
enum account_column {
	ACCOUNT_COLUMN_ID,
	ACCOUNT_COLUMN_STATUS,
	ACCOUNT_COLUMN_SIGNING_KEY,
	ACCOUNT_COLUMN_ENCRYPTION_KEY,
	ACCOUNT_COLUMN_USERNAME,
	ACCOUNT_COLUMN_LAST_SEQ,
	ACCOUNT_COLUMN_LAST_HASH,
	ACCOUNT_COLUMN_LAST_CODE,
	ACCOUNT_COLUMN_LAST_MESSAGE,
	ACCOUNT_COLUMN_LAST_RESULT,
	ACCOUNT_COLUMN_LAST_MESSAGE_ID,
};

/* Parameters of STATEMENT_CLAIM and STATEMENT_INSERT_ACCOUNTS. */
enum claim_parameter {
	CLAIM_PARAMETER_ID,
	CLAIM_PARAMETER_SIGNING_KEY,
	CLAIM_PARAMETER_SEQ,
	CLAIM_PARAMETER_HASH,
	CLAIM_PARAMETER_CODE,
	CLAIM_PARAMETER_MESSAGE,
	CLAIM_PARAMETER_RESULT,
	CLAIM_PARAMETER_MESSAGE_ID, /* NULL: as it is */
};

enum insert_parameter {
	INSERT_PARAMETER_ID,
	INSERT_PARAMETER_USERNAME,
	INSERT_PARAMETER_STATUS,
	INSERT_PARAMETER_SIGNING_KEY,
	INSERT_PARAMETER_ENCRYPTION_KEY,
	INSERT_PARAMETER_PASSWORD_HASH,
	INSERT_PARAMETER_SEQ,
	INSERT_PARAMETER_HASH,
	INSERT_PARAMETER_CODE,
	INSERT_PARAMETER_MESSAGE,
};

/* signing_keys.state */
enum key_state {
	KEY_STATE_CURRENT = 1,
	KEY_STATE_STALE = 2,
	KEY_STATE_SPENT = 3,
};

#endif
