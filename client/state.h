#ifndef PEYK_CLIENT_STATE_H
#define PEYK_CLIENT_STATE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/vault.h"
#include "crypto/keys.h"

/*
 * state.db: the account's database, encrypted by SQLCipher under the key that
 * the vault holds. docs/client-files.md describes it. Here are the handle,
 * transactions, the account's one row and the outbox; contacts, chains and
 * messages are in state_contacts.h and state_messages.h. Commands use
 * client/contacts.h, history.h and the like instead.
 *
 * A handle belongs to one thread; several handles, here and in other
 * processes, may be open. It runs in WAL mode with synchronous = FULL: what
 * was committed survives a crash of the machine.
 *
 * Possible everywhere: STATUS_BUSY (another process kept the database locked
 * for longer than the handle waits), STATUS_CANCELLED (interrupted while
 * waiting), STATUS_FORGED (wrong key, or damaged: every page is
 * authenticated), STATUS_IO, STATUS_NOMEM, STATUS_INTERNAL.
 */
struct state;

struct state_options {
	uint64_t wait_ms;                       /* for other processes */
	const volatile sig_atomic_t *interrupt; /* may be NULL */
};

enum state_account_status {
	/* A SignUp is in the outbox: the server may or may not have it. */
	STATE_ACCOUNT_STATUS_SIGNING_UP = 0,
	STATE_ACCOUNT_STATUS_ACTIVE = 1,
	/* The server refused the SignUp; the folder is to be removed. */
	STATE_ACCOUNT_STATUS_REFUSED = 2,
};

struct state_account {
	enum state_account_status status;
	uint64_t last_sequence; /* the last number that belongs to a request */
	/* With REFUSED: the gRPC code, and the server's reason, sanitized. */
	uint32_t refusal_code;
	char refusal[512];
};

/*
 * Makes a new database with the account's row. STATUS_EXISTS if there is a
 * file. Close it before the folder is renamed.
 */
MUST_CHECK enum status state_create(const char *path,
    const struct database_key *key,
    const struct signing_public_key *signing_key,
    const struct state_options *options, struct state **out);

/*
 * STATUS_NOT_FOUND: there is no file. STATUS_STALE: a newer Peyk wrote it.
 * Older schemas are brought up to date. STATUS_FORGED also if it belongs to
 * another key pair.
 */
MUST_CHECK enum status state_open(const char *path,
    const struct database_key *key,
    const struct signing_public_key *signing_key,
    const struct state_options *options, struct state **out);

/* Rolls an open transaction back. NULL is a no-op. */
void state_close(struct state *state);

void state_set_interrupt(
    struct state *state, const volatile sig_atomic_t *interrupt);

/*
 * A write transaction; none is open (asserted). Every function that writes
 * needs one (asserted); those that read do not.
 */
MUST_CHECK enum status state_begin(struct state *state);
MUST_CHECK enum status state_commit(struct state *state);
/* No-op when none is open. */
void state_rollback(struct state *state);

/* What went wrong with the database, in words. */
enum status state_error(struct client_error *error, enum status st);

MUST_CHECK enum status state_account_read(
    struct state *state, struct state_account *out);
MUST_CHECK enum status state_account_set_status(struct state *state,
    enum state_account_status status, uint32_t refusal_code,
    const char *refusal);
MUST_CHECK enum status state_account_set_sequence(
    struct state *state, uint64_t last_sequence);

/* ---- The outbox ---- */

/*
 * A request whose number is taken and whose outcome is not known. A poll that
 * is parked at the server stays in the outbox, marked, until its reply comes
 * or a sealed reply to a later request shows that its number was used.
 */
struct outbox_entry {
	uint64_t sequence;
	char method[129]; /* WIRE_METHOD_MAX and NUL */
	bool is_parked;
	struct buf request; /* the SignedMessage */
};

/* No-op on a zeroed one. */
void outbox_entry_clear(struct outbox_entry *entry);

MUST_CHECK enum status state_outbox_add(struct state *state, uint64_t sequence,
    const char *method, struct bytes request);

/* STATUS_NOT_FOUND: it was settled. */
MUST_CHECK enum status state_outbox_read(
    struct state *state, uint64_t sequence, struct outbox_entry *out);

/* The oldest that is not parked. STATUS_NOT_FOUND: there is none. */
MUST_CHECK enum status state_outbox_first(
    struct state *state, uint64_t *sequence);

/* Whether all of from to below are in the outbox. */
MUST_CHECK enum status state_outbox_has_range(
    struct state *state, uint64_t from, uint64_t below, bool *out);

MUST_CHECK enum status state_outbox_park(
    struct state *state, uint64_t sequence);
MUST_CHECK enum status state_outbox_count_parked(
    struct state *state, uint64_t *out);

/*
 * A sealed reply decided the request: removes it and everything parked
 * before it, and what opens their replies (client/state_seals.h).
 */
MUST_CHECK enum status state_outbox_settle(
    struct state *state, uint64_t sequence);

#endif
