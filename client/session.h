#ifndef PEYK_CLIENT_SESSION_H
#define PEYK_CLIENT_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "channel/server_info.h"
#include "client/account.h"
#include "client/error.h"
#include "client/state.h"
#include "crypto/keys.h"

/*
 * One user of an account: a handle on its database and a connection to its
 * server. A session belongs to one thread; several sessions of one account,
 * in this process or in others, take turns by themselves:
 *
 * - a request is numbered and stored in the outbox before it leaves, under
 *   the account's lock, and is repeated until a sealed reply decides; the
 *   reply's effects and the removal from the outbox are one transaction;
 * - the lock is given up between attempts, and while a poll is parked at the
 *   server; whoever takes it next first finishes what is in the outbox. So
 *   each request is decided once, whichever process learns of it.
 *
 * Common failures of everything that talks to the server:
 *	STATUS_UNAVAILABLE, STATUS_TIMEOUT  exit 3; nothing is lost: what was
 *	                        begun is finished by the next command
 *	STATUS_STALE            exit 5: another server, or another certificate;
 *	                        exit 1: this is an old or copied state
 *	STATUS_DENIED           exit 6: refused by the server
 *	STATUS_BUSY             exit 1: another peyk uses this account
 *	STATUS_CANCELLED        exit 1: interrupted
 *	STATUS_FORGED           exit 4: the database is damaged
 *	STATUS_NOMEM, STATUS_IO, STATUS_INTERNAL
 */
struct session;

/*
 * Opens the database; connects to nothing yet. The account outlives it.
 * STATUS_FORGED, STATUS_STALE, STATUS_BUSY as account_open().
 */
MUST_CHECK enum status session_open(const struct account *account,
    struct session **out, struct client_error *error);

/* NULL is a no-op. A poll that is parked is given up. */
void session_close(struct session *session);

/* In place of the account's own. NULL: none. */
void session_set_interrupt(
    struct session *session, const volatile sig_atomic_t *flag);

const struct account *session_account(const struct session *session);

/* For what reads and writes local data only (client/history.h and others). */
struct state *session_state(struct session *session);

/*
 * Connects and checks who the server is, now rather than with the first
 * request. Common failures.
 */
MUST_CHECK enum status session_connect(
    struct session *session, struct client_error *error);

/* Verified; the fields are those of channel/server_info.h. */
struct session_server {
	struct channel_server_info info;
	char fingerprint[CHANNEL_FINGERPRINT_LENGTH + 1];
};

/* Borrowed; NULL before session_connect() or a first request. */
const struct session_server *session_server(const struct session *session);

/*
 * Finishes what an earlier run left in the outbox; every request does it by
 * itself. Common failures. Does not connect when there is nothing.
 */
MUST_CHECK enum status session_resolve(
    struct session *session, struct client_error *error);

#endif
