#ifndef PEYK_SERVER_STORE_STATEMENT_H
#define PEYK_SERVER_STORE_STATEMENT_H

/*
 * Every statement of the batching pipeline, prepared when a connection opens.
 * Values go in and come out in binary. Those of sealing_keys.c, migrate.c and
 * mail_notifier.c stand there.
 *
 * Rules that keep them portable to Citus: each is addressed by its table's
 * distribution column (= $n or = ANY($n)), but for the sweep's, which look at
 * everybody's; none joins tables of different
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

	STATEMENT_READ_GROUPS,    /* ids */
	STATEMENT_READ_MEMBERS,   /* groups */
	STATEMENT_TOUCH_GROUPS,   /* ids, versions; those that still have it */
	STATEMENT_INSERT_GROUP,   /* id, name, admin, share, its hash, keys */
	STATEMENT_UPDATE_GROUP,   /* see batch_group_write.c */
	STATEMENT_DELETE_GROUP,   /* id */
	STATEMENT_ADD_MEMBERS,    /* group, members */
	STATEMENT_REMOVE_MEMBERS, /* group, members */
	STATEMENT_SET_LEAVE,      /* group, member, leave */
	STATEMENT_INDEX_MEMBERS,  /* group, members: in member_groups */
	STATEMENT_UNINDEX_MEMBERS, /* group, members */
	STATEMENT_STORE_BODIES,   /* groups, ids, bodies */
	STATEMENT_DELIVER_SHARED, /* see batch_group_write.c */
	STATEMENT_READ_GROUP,     /* id, member */
	STATEMENT_LIST_GROUPS,    /* member, above which, most groups */
	STATEMENT_READ_BODIES,    /* group, ids */

	STATEMENT_SWEEP_LOOK,     /* above group and id, most bodies, least age */
	STATEMENT_SWEEP_PROBE,    /* id; a row if it is still pointed to */
	STATEMENT_SWEEP_DELETE,   /* group, ids */
};

#define STATEMENT_COUNT (STATEMENT_SWEEP_DELETE + 1)

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

/* Columns of STATEMENT_FETCH. */
enum fetch_column {
	FETCH_COLUMN_ID,
	FETCH_COLUMN_BODY,
	FETCH_COLUMN_CREATED_AT,
	FETCH_COLUMN_TOTAL,
	FETCH_COLUMN_KIND,
	FETCH_COLUMN_GROUP_ID,
	FETCH_COLUMN_EPOCH,
	FETCH_COLUMN_SHARED_SIZE,
};

/* Columns of STATEMENT_READ_GROUPS. */
enum group_column {
	GROUP_COLUMN_ID,
	GROUP_COLUMN_VERSION,
	GROUP_COLUMN_EPOCH,
	GROUP_COLUMN_ADMIN_ID,
	GROUP_COLUMN_NAME,
	GROUP_COLUMN_SHARE_HASH,
	GROUP_COLUMN_ROSTER_HASH, /* empty in epoch 0 */
};

/* Columns of STATEMENT_READ_MEMBERS. */
enum member_column {
	MEMBER_COLUMN_GROUP_ID,
	MEMBER_COLUMN_MEMBER_ID,
	MEMBER_COLUMN_VERSION, /* of the group, as are the next two */
	MEMBER_COLUMN_EPOCH,
	MEMBER_COLUMN_ADMIN_ID,
	MEMBER_COLUMN_HAS_LEFT,
};

/* Columns of STATEMENT_READ_GROUP: one row of each kind but leaves. */
enum read_column {
	READ_COLUMN_KIND, /* enum read_row */
	READ_COLUMN_EPOCH,
	READ_COLUMN_ADMIN_ID,
	READ_COLUMN_NAME,
	READ_COLUMN_ROSTER,      /* or a leave */
	READ_COLUMN_SHARE,
	READ_COLUMN_MEMBER_KEYS, /* empty but in epoch 0 */
};

enum read_row {
	READ_ROW_GROUP,
	READ_ROW_MEMBER, /* the member is in it */
	READ_ROW_LEAVE,
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

/* messages.kind */
enum message_kind {
	MESSAGE_KIND_DIRECT = 1,
	MESSAGE_KIND_GROUP = 2,
	MESSAGE_KIND_UPDATE = 3,
	MESSAGE_KIND_LEAVE = 4,
};

/* signing_keys.state */
enum key_state {
	KEY_STATE_CURRENT = 1,
	KEY_STATE_STALE = 2,
	KEY_STATE_SPENT = 3,
};

#endif
