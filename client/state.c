#include "client/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "client/state_sql.h"
#include "wire/limits.h"

_Static_assert(
    sizeof(((struct outbox_entry *)NULL)->method) == WIRE_METHOD_MAX + 1,
    "the longest method name fits");

/* How often a locked database is tried again. */
#define RETRY_MS 20

/* x'64 hex digits', SQLCipher's form of a key that is none of a password. */
#define RAW_KEY_SIZE (3 + 2 * sizeof(struct database_key))

static bool
is_interrupted(const struct state *state)
{
	return state->interrupt != NULL && *state->interrupt != 0;
}

/* SQLite calls it while another process holds a lock; 0 gives up. */
static int
wait_for_others(void *arg, int count)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	struct state *state = arg;

	if (count == 0)
		state->wait_start_ms = clock_monotonic_ms();
	if (is_interrupted(state)) {
		state->was_interrupted = true;
		return 0;
	}
	if (clock_monotonic_ms() - state->wait_start_ms >= state->wait_ms)
		return 0;
	(void)nanosleep(&pause, NULL);
	return 1;
}

static enum status
run_script(struct state *state, const char *script)
{
	state->was_interrupted = false;
	return state_status(
	    state, sqlite3_exec(state->db, script, NULL, NULL, NULL));
}

static int
set_key(sqlite3 *db, const struct database_key *key)
{
	static const char digits[] = "0123456789abcdef";
	char text[RAW_KEY_SIZE] = "x'";
	size_t at = 2;
	int code;

	for (size_t i = 0; i < sizeof(key->bytes); i++) {
		text[at++] = digits[key->bytes[i] >> 4];
		text[at++] = digits[key->bytes[i] & 15];
	}
	text[at++] = '\'';
	code = sqlite3_key(db, text, (int)at);
	secret_wipe(text, sizeof(text));
	return code;
}

/*
 * Opens a file that exists and gives it its key; reads nothing yet.
 * cipher_compatibility is for SQLCipher 4, which would otherwise expect its
 * own format; 3.4 does not know it and ignores it.
 */
static enum status
open_database(
    struct state *state, const char *path, const struct database_key *key)
{
	int code = sqlite3_open_v2(path, &state->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_PRIVATECACHE,
	    NULL);

	if (code != SQLITE_OK)
		return state->db == NULL ? STATUS_NOMEM
					 : state_status(state, code);
	(void)sqlite3_extended_result_codes(state->db, 1);
	if ((code = sqlite3_busy_handler(state->db, wait_for_others, state)) !=
		SQLITE_OK ||
	    (code = set_key(state->db, key)) != SQLITE_OK)
		return state_status(state, code);
	return run_script(state, "PRAGMA cipher_compatibility = 3;"
				 "PRAGMA cipher_page_size = 4096;"
				 "PRAGMA temp_store = MEMORY;"
				 "PRAGMA secure_delete = ON;"
				 "PRAGMA synchronous = FULL;"
				 "PRAGMA foreign_keys = ON;");
}

static enum status
read_version(struct state *state, int *out)
{
	sqlite3_stmt *statement = NULL;
	int code;

	state->was_interrupted = false;
	code = sqlite3_prepare_v2(
	    state->db, "PRAGMA user_version", -1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
		*out = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	return code == SQLITE_ROW ? STATUS_OK : state_status(state, code);
}

/* One transaction, under the write lock: two processes may come at once. */
static enum status
migrate(struct state *state)
{
	char pragma[64];
	int version = 0;
	enum status st;

	if ((st = read_version(state, &version)) != STATUS_OK)
		return st;
	if (version == STATE_SCHEMA_VERSION)
		return STATUS_OK;
	if ((st = state_begin(state)) != STATUS_OK)
		return st;
	st = read_version(state, &version);
	if (st == STATUS_OK && version > STATE_SCHEMA_VERSION)
		st = STATUS_STALE;
	for (int i = version; st == STATUS_OK && i < STATE_SCHEMA_VERSION; i++)
		st = run_script(state, state_migrations[i]);
	if (st == STATUS_OK) {
		(void)snprintf(pragma, sizeof(pragma),
		    "PRAGMA user_version = %d", STATE_SCHEMA_VERSION);
		st = run_script(state, pragma);
	}
	if (st == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	return st;
}

static enum status
new_state(const struct state_options *options,
    const struct signing_public_key *signing_key, struct state **out)
{
	struct state *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return STATUS_NOMEM;
	state->own_key = *signing_key;
	state->wait_ms = options->wait_ms;
	state->interrupt = options->interrupt;
	*out = state;
	return STATUS_OK;
}

static enum status
add_account(struct state *state)
{
	struct sql sql;
	enum status st;

	if ((st = state_begin(state)) != STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_ACCOUNT_ADD);
	sql_bind_bytes(&sql, BYTES_OF(state->own_key.bytes));
	if ((st = sql_run(&sql)) == STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
	return st;
}

/* The file, empty, readable by its owner alone from the first moment. */
static enum status
create_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? STATUS_EXISTS : STATUS_IO;
	(void)close(fd);
	return STATUS_OK;
}

enum status
state_create(const char *path, const struct database_key *key,
    const struct signing_public_key *signing_key,
    const struct state_options *options, struct state **out)
{
	struct state *state = NULL;
	enum status st;

	if ((st = new_state(options, signing_key, &state)) != STATUS_OK ||
	    (st = create_file(path)) != STATUS_OK ||
	    (st = open_database(state, path, key)) != STATUS_OK ||
	    (st = run_script(state, "PRAGMA journal_mode = WAL")) !=
		STATUS_OK ||
	    (st = migrate(state)) != STATUS_OK ||
	    (st = add_account(state)) != STATUS_OK)
		goto out;
	*out = state;
	state = NULL; /* now the caller's */
out:
	state_close(state);
	return st;
}

/* The database of another account under the same key would be a mix-up. */
static enum status
check_owner(struct state *state)
{
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_ACCOUNT_READ);
	st = sql_step(&sql, &has_row);
	if (st == STATUS_OK &&
	    (!has_row || !bytes_equal(sql_bytes(&sql, 0),
			     BYTES_OF(state->own_key.bytes))))
		st = STATUS_FORGED;
	sql_end(&sql);
	return st;
}

enum status
state_open(const char *path, const struct database_key *key,
    const struct signing_public_key *signing_key,
    const struct state_options *options, struct state **out)
{
	struct state *state = NULL;
	enum status st;

	/* SQLite would say no more than that it cannot open it. */
	if (access(path, R_OK | W_OK) != 0)
		return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
	if ((st = new_state(options, signing_key, &state)) != STATUS_OK ||
	    (st = open_database(state, path, key)) != STATUS_OK ||
	    (st = migrate(state)) != STATUS_OK ||
	    (st = check_owner(state)) != STATUS_OK)
		goto out;
	*out = state;
	state = NULL; /* now the caller's */
out:
	state_close(state);
	return st;
}

void
state_close(struct state *state)
{
	if (state == NULL)
		return;
	if (state->db != NULL)
		state_rollback(state);
	for (size_t i = 0; i < STATE_STATEMENT_COUNT; i++)
		(void)sqlite3_finalize(state->prepared[i]);
	(void)sqlite3_close(state->db);
	free(state);
}

void
state_set_interrupt(struct state *state, const volatile sig_atomic_t *interrupt)
{
	state->interrupt = interrupt;
}

static enum status
run_plain(struct state *state, enum state_statement statement)
{
	struct sql sql;

	sql_start(&sql, state, statement);
	return sql_run(&sql);
}

enum status
state_begin(struct state *state)
{
	enum status st;

	assert(!state->in_transaction);
	if ((st = run_plain(state, STATE_BEGIN)) == STATUS_OK)
		state->in_transaction = true;
	return st;
}

enum status
state_commit(struct state *state)
{
	enum status st;

	assert(state->in_transaction);
	if ((st = run_plain(state, STATE_COMMIT)) == STATUS_OK)
		state->in_transaction = false;
	return st;
}

void
state_rollback(struct state *state)
{
	int saved_errno = errno;

	/*
	 * Some errors have rolled back already. If this one fails, closing
	 * the handle does it.
	 */
	if (state->in_transaction && sqlite3_get_autocommit(state->db) == 0)
		(void)sqlite3_exec(state->db, state_statements[STATE_ROLLBACK],
		    NULL, NULL, NULL);
	state->in_transaction = false;
	errno = saved_errno;
}

enum status
state_error(struct client_error *error, enum status st)
{
	switch (st) {
	case STATUS_BUSY:
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "Another peyk is using this account and does not let go "
		    "of it. Wait until it is done, or stop it, and try again.");
	case STATUS_FORGED:
		return client_error_set(error, st, EXIT_CODE_PASSWORD,
		    "The account's database (state.db) is damaged or does "
		    "not belong to its key file. Nothing was changed. Put back "
		    "a copy of the whole folder, if you have one.");
	case STATUS_STALE:
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "The account's database was written by a newer version of "
		    "Peyk. Use that version.");
	case STATUS_OK:
	case STATUS_NOMEM:
	case STATUS_INVALID:
	case STATUS_TOO_LARGE:
	case STATUS_NOT_FOUND:
	case STATUS_EXISTS:
	case STATUS_DENIED:
	case STATUS_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_CANCELLED:
	case STATUS_IO:
	case STATUS_INTERNAL:
		break;
	}
	return client_error_set_plain(error, st, "use the account's database");
}

/* ---- The account's row ---- */

enum status
state_account_read(struct state *state, struct state_account *out)
{
	struct state_account account = {0};
	struct bytes refusal;
	struct sql sql;
	bool has_row = false;
	enum status st;
	int64_t status;

	sql_start(&sql, state, STATE_ACCOUNT_READ);
	if ((st = sql_step(&sql, &has_row)) != STATUS_OK)
		goto out;
	status = has_row ? sql_i64(&sql, 1) : -1;
	if (status < STATE_ACCOUNT_STATUS_SIGNING_UP ||
	    status > STATE_ACCOUNT_STATUS_REFUSED) {
		st = STATUS_FORGED;
		goto out;
	}
	account.status = (enum state_account_status)status;
	account.last_sequence = sql_u64(&sql, 2);
	account.refusal_code = (uint32_t)sql_u64(&sql, 3);
	refusal = sql_bytes(&sql, 4);
	if (refusal.size >= sizeof(account.refusal)) {
		st = STATUS_FORGED;
		goto out;
	}
	if (refusal.size > 0)
		memcpy(account.refusal, refusal.data, refusal.size);
	*out = account;
out:
	sql_end(&sql);
	return st;
}

enum status
state_account_set_status(struct state *state, enum state_account_status status,
    uint32_t refusal_code, const char *refusal)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_ACCOUNT_SET_STATUS);
	sql_bind_u64(&sql, status);
	sql_bind_u64(&sql, refusal_code);
	sql_bind_text(&sql, refusal);
	return sql_run(&sql);
}

enum status
state_account_set_sequence(struct state *state, uint64_t last_sequence)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_ACCOUNT_SET_SEQUENCE);
	sql_bind_u64(&sql, last_sequence);
	return sql_run(&sql);
}

/* ---- The outbox ---- */

void
outbox_entry_clear(struct outbox_entry *entry)
{
	buf_clear(&entry->request);
	*entry = (struct outbox_entry){0};
}

enum status
state_outbox_add(struct state *state, uint64_t sequence, const char *method,
    struct bytes request)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_OUTBOX_ADD);
	sql_bind_u64(&sql, sequence);
	sql_bind_text(&sql, method);
	sql_bind_bytes(&sql, request);
	return sql_run(&sql);
}

enum status
state_outbox_read(
    struct state *state, uint64_t sequence, struct outbox_entry *out)
{
	struct outbox_entry entry = {.sequence = sequence};
	struct bytes method;
	struct sql sql;
	bool has_row = false;
	enum status st;

	buf_init(&entry.request, WIRE_ENVELOPE_MAX);
	sql_start(&sql, state, STATE_OUTBOX_READ);
	sql_bind_u64(&sql, sequence);
	if ((st = sql_step(&sql, &has_row)) != STATUS_OK)
		goto out;
	if (!has_row) {
		st = STATUS_NOT_FOUND;
		goto out;
	}
	method = sql_bytes(&sql, 0);
	if (method.size >= sizeof(entry.method)) {
		st = STATUS_FORGED;
		goto out;
	}
	if (method.size > 0)
		memcpy(entry.method, method.data, method.size);
	entry.is_parked = sql_i64(&sql, 1) != 0;
	if ((st = buf_append(&entry.request, sql_bytes(&sql, 2))) != STATUS_OK)
		goto out;
	*out = entry;
	entry = (struct outbox_entry){0}; /* now the caller's */
out:
	sql_end(&sql);
	outbox_entry_clear(&entry);
	return st;
}

enum status
state_outbox_first(struct state *state, uint64_t *sequence)
{
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_OUTBOX_FIRST);
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK) {
		if (has_row)
			*sequence = sql_u64(&sql, 0);
		else
			st = STATUS_NOT_FOUND;
	}
	sql_end(&sql);
	return st;
}

enum status
state_outbox_has_range(
    struct state *state, uint64_t from, uint64_t below, bool *out)
{
	struct sql sql;
	uint64_t count;
	enum status st;

	sql_start(&sql, state, STATE_OUTBOX_COUNT_RANGE);
	sql_bind_u64(&sql, from);
	sql_bind_u64(&sql, below);
	if ((st = sql_number(&sql, &count)) == STATUS_OK)
		*out = from <= below && count == below - from;
	return st;
}

enum status
state_outbox_park(struct state *state, uint64_t sequence)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_OUTBOX_PARK);
	sql_bind_u64(&sql, sequence);
	return sql_run(&sql);
}

enum status
state_outbox_count_parked(struct state *state, uint64_t *out)
{
	struct sql sql;

	sql_start(&sql, state, STATE_OUTBOX_COUNT_PARKED);
	return sql_number(&sql, out);
}

enum status
state_outbox_settle(struct state *state, uint64_t sequence)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_OUTBOX_SETTLE);
	sql_bind_u64(&sql, sequence);
	if ((st = sql_run(&sql)) != STATUS_OK)
		return st;
	return run_plain(state, STATE_SEAL_SETTLE);
}
