#ifndef PEYK_CLIENT_STATE_SQL_H
#define PEYK_CLIENT_STATE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQLITE_HAS_CODEC 1
#include <sqlcipher/sqlite3.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/history.h"
#include "client/state.h"
#include "crypto/keys.h"

/*
 * The one catalogue of SQL (client/state_schema.c, state_statements.c), and how
 * a statement is run. For client/state*.c only.
 */

/* PRAGMA user_version of the newest schema. */
#define STATE_SCHEMA_VERSION 3

/* One for each step from version i to i + 1 (client/state_schema.c). */
extern const char *const state_migrations[STATE_SCHEMA_VERSION];

enum state_statement {
	STATE_BEGIN,
	STATE_COMMIT,
	STATE_ROLLBACK,
	STATE_ACCOUNT_ADD,
	STATE_ACCOUNT_READ,
	STATE_ACCOUNT_SET_STATUS,
	STATE_ACCOUNT_SET_SEQUENCE,
	STATE_OUTBOX_ADD,
	STATE_OUTBOX_READ,
	STATE_OUTBOX_FIRST,
	STATE_OUTBOX_COUNT_RANGE,
	STATE_OUTBOX_PARK,
	STATE_OUTBOX_COUNT_PARKED,
	STATE_OUTBOX_SETTLE,
	STATE_SEAL_ADD,
	STATE_SEAL_PRUNE,
	STATE_SEAL_LIST,
	STATE_SEAL_COUNT,
	STATE_SEAL_SETTLE,
	STATE_CONTACT_READ,
	STATE_CONTACT_LIST,
	STATE_CONTACT_PIN,
	STATE_CONTACT_SET_CHANGED,
	STATE_CONTACT_SET_VERIFIED,
	STATE_SEND_CHAIN_READ,
	STATE_SEND_CHAIN_WRITE,
	STATE_RECEIVE_CHAIN_READ,
	STATE_RECEIVE_CHAIN_WRITE,
	STATE_OUTGOING_DELETE_REFUSED,
	STATE_OUTGOING_ADD,
	STATE_OUTGOING_READ,
	STATE_OUTGOING_SETTLE,
	STATE_PENDING_LIST,
	STATE_INCOMING_IS_KNOWN,
	STATE_INCOMING_ADD,
	STATE_INCOMING_UNCHECKED,
	STATE_INCOMING_JUDGE,
	STATE_INCOMING_TAKERS,
	STATE_INCOMING_GIVE_BACK,
	STATE_INCOMING_TAKE,
	STATE_INCOMING_TAKEN,
	STATE_INCOMING_SET_SHOWN,
	STATE_INCOMING_COUNT_WAITING,
	STATE_INCOMING_LAST_WAITING,
	STATE_MESSAGE_LIST_FIRST,
	STATE_MESSAGE_LIST_LAST,
	STATE_ACK_ADD,
	STATE_ACK_PICK,
	STATE_ACK_ASSIGN,
	STATE_ACK_HAS,
	STATE_ACK_COUNT,
	STATE_ACK_SETTLE,
	STATE_ACK_REOPEN,
	STATE_POLL_TAKE,
	STATE_SET_ASIDE_ADD,
	STATE_SET_ASIDE_PRUNE,
	STATE_SET_ASIDE_COUNT_UNTOLD,
	STATE_SET_ASIDE_MARK_TOLD,
	STATE_GROUP_READ,
	STATE_GROUP_LIST,
	STATE_GROUP_ADD,
	STATE_GROUP_CREATED,
	STATE_GROUP_ADD_ENTERED,
	STATE_GROUP_ENTER,
	STATE_GROUP_ENTER_PAST,
	STATE_GROUP_SET_GONE,
	STATE_GROUP_SET_FORKED,
	STATE_GROUP_SET_REFUSED,
	STATE_GROUP_EPOCH_READ,
	STATE_GROUP_EPOCH_ADD,
	STATE_GROUP_EPOCH_END,
	STATE_GROUP_CHAINS_PRUNE,
	STATE_GROUP_SKIPPED_PRUNE,
	STATE_GROUP_EPOCHS_PRUNE,
	STATE_GROUP_EPOCHS_COUNT_ENDED,
	STATE_GROUP_CHAIN_READ,
	STATE_GROUP_CHAIN_WRITE,
	STATE_GROUP_SKIPPED_READ,
	STATE_GROUP_SKIPPED_ADD,
	STATE_GROUP_SKIPPED_REMOVE,
	STATE_GROUP_SKIPPED_TRIM,
	STATE_GROUP_COUNTER_READ,
	STATE_GROUP_COUNTER_WRITE,
	STATE_GROUP_COUNTERS_FORGET,
	STATE_GROUP_LEAVE_ADD,
	STATE_GROUP_LEAVE_HAS,
	STATE_GROUP_LEAVES_FORGET,
	STATE_GROUP_LEAVE_LIST,
	STATE_GROUPS_OWING,
	STATE_GROUP_UPDATE_ADD,
	STATE_GROUP_UPDATE_READ,
	STATE_GROUP_UPDATE_REMOVE,
	STATE_GROUP_UPDATE_COUNT,
	STATE_GROUP_OUTGOING_ADD,
	STATE_GROUP_OUTGOING_WAITING,
	STATE_GROUPS_SENDING,
	STATE_GROUP_OUTGOING_ASSIGN,
	STATE_GROUP_PENDING_LIST,
	STATE_GROUP_OUTGOING_RELEASE,
	STATE_GROUP_OUTGOING_REFUSE,
	STATE_GROUP_ITEM_ADD,
	STATE_GROUP_ITEM_LIST,
	STATE_GROUP_ITEM_READ,
	STATE_GROUP_ITEM_REMOVE,
	STATE_GROUP_ITEM_COUNT,
	STATE_GROUP_ITEM_LOWEST_UPDATE,
	STATE_GROUP_ITEM_HAS_UPDATE,
	STATE_STATEMENT_COUNT,
};

extern const char *const state_statements[STATE_STATEMENT_COUNT];

struct state {
	sqlite3 *db;
	sqlite3_stmt *prepared[STATE_STATEMENT_COUNT];
	struct signing_public_key own_key;
	bool in_transaction;
	/* For the busy handler. */
	uint64_t wait_ms;
	uint64_t wait_start_ms;
	const volatile sig_atomic_t *interrupt;
	bool was_interrupted;
};

/* What a result code of SQLite means; for STATUS_IO it sets errno. */
enum status state_status(struct state *state, int code);

/*
 * One run of a statement. Binding goes from the first parameter on; the first
 * error sticks and comes out of sql_run() or sql_step():
 *
 *	sql_start(&sql, state, STATE_ACK_ADD);
 *	sql_bind_bytes(&sql, id);
 *	return sql_run(&sql);
 *
 * What is bound lives until the run has ended: by sql_run(), or by sql_end()
 * after sql_step().
 */
struct sql {
	struct state *state;
	sqlite3_stmt *statement;
	int code;
	int bound;
};

void sql_start(
    struct sql *sql, struct state *state, enum state_statement statement);
void sql_bind_u64(struct sql *sql, uint64_t value); /* up to INT64_MAX */
void sql_bind_i64(struct sql *sql, int64_t value);
void sql_bind_bytes(struct sql *sql, struct bytes bytes);
void sql_bind_text(struct sql *sql, const char *text); /* NULL: null */
void sql_bind_text_bytes(struct sql *sql, struct bytes text);

/* Runs a statement that returns no rows, to its end. */
MUST_CHECK enum status sql_run(struct sql *sql);

/* The next row, or *has_row false. sql_end() follows either way. */
MUST_CHECK enum status sql_step(struct sql *sql, bool *has_row);
void sql_end(struct sql *sql);

/* One row with one number; 0 without a row. Ends the run. */
MUST_CHECK enum status sql_number(struct sql *sql, uint64_t *out);

/* All rows of one column of numbers; free() *out. Ends the run. */
MUST_CHECK enum status sql_numbers(
    struct sql *sql, uint64_t **out, size_t *count);

/* All rows of MESSAGE_COLUMNS (state_messages.c); ends the run. */
MUST_CHECK enum status state_messages_read(
    struct sql *sql, struct message_list *out);

/* Columns of the current row, from 0. A wrong size is STATUS_FORGED. */
uint64_t sql_u64(const struct sql *sql, int column);
int64_t sql_i64(const struct sql *sql, int column);
bool sql_is_null(const struct sql *sql, int column);
/* Borrowed until the next step. */
struct bytes sql_bytes(const struct sql *sql, int column);
MUST_CHECK enum status sql_copy(
    const struct sql *sql, int column, uint8_t *out, size_t size);
/* free() *out; it ends in a NUL. */
MUST_CHECK enum status sql_copy_text(
    const struct sql *sql, int column, char **out, size_t *size);

#endif
