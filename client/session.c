#include "client/session.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "client/session_core.h"

/* How often a wait for the lock looks at the interrupt flag. */
#define LOCK_STEP_MS 100

enum status
session_open(const struct account *account, struct session **out,
    struct client_error *error)
{
	const struct client_options *options = account_options(account);
	const struct vault *vault = account_vault(account);
	struct session *session = NULL;
	struct state_options state_options;
	char path[HOME_PATH_MAX];
	enum status st;

	if ((st = home_join(account_folder(account), HOME_STATE_FILE, path)) !=
	    STATUS_OK)
		return client_error_set_plain(error, st, "find the account");
	session = calloc(1, sizeof(*session));
	if (session == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "open the account");
	session->account = account;
	session->lock = -1;
	session->interrupt = options->interrupt;
	state_options = (struct state_options){
	    .wait_ms = session_lock_wait_ms(session),
	    .interrupt = options->interrupt,
	};
	st = state_open(path, vault_database_key(vault),
	    &vault_signing(vault)->public_key, &state_options, &session->state);
	if (st == STATUS_NOT_FOUND)
		st = client_error_set(error, STATUS_STALE, EXIT_CODE_FAILED,
		    "The account's database %s is gone. Without it this "
		    "device does not know what was sent. Put back a copy of "
		    "the whole folder.",
		    path);
	else if (st != STATUS_OK)
		st = state_error(error, st);
	if (st != STATUS_OK ||
	    (st = connection_new(account_address(account), options,
		 &session->connection, error)) != STATUS_OK)
		goto out;
	*out = session;
	session = NULL; /* now the caller's */
out:
	session_close(session);
	return st;
}

void
session_close(struct session *session)
{
	if (session == NULL)
		return;
	connection_free(session->connection);
	state_close(session->state);
	session_unlock(session);
	free(session);
}

void
session_set_interrupt(
    struct session *session, const volatile sig_atomic_t *flag)
{
	session->interrupt = flag;
	state_set_interrupt(session->state, flag);
	connection_set_interrupt(session->connection, flag);
}

const struct account *
session_account(const struct session *session)
{
	return session->account;
}

struct state *
session_state(struct session *session)
{
	return session->state;
}

const struct session_server *
session_server(const struct session *session)
{
	return connection_server(session->connection);
}

enum status
session_connect(struct session *session, struct client_error *error)
{
	return connection_learn(session->connection,
	    vault_server_key(account_vault(session->account)),
	    clock_monotonic_ms() + session_timeout_ms(session), error);
}

/* ---- What the modules share ---- */

struct session_tally *
session_tally(struct session *session)
{
	return &session->tally;
}

uint64_t
session_others_told(struct session *session, uint64_t count)
{
	uint64_t told = session->others_told;

	session->others_told = count;
	return told;
}

uint64_t *
session_owing_until_ms(struct session *session)
{
	return &session->owing_until_ms;
}

uint64_t
session_timeout_ms(const struct session *session)
{
	uint64_t ms = account_options(session->account)->timeout_ms;

	return ms > 0 ? ms : ACCOUNT_TIMEOUT_MS_DEFAULT;
}

uint64_t
session_lock_wait_ms(const struct session *session)
{
	uint64_t ms = account_options(session->account)->lock_wait_ms;

	return ms > 0 ? ms : ACCOUNT_LOCK_WAIT_MS_DEFAULT;
}

enum status
session_pause(struct session *session, uint64_t ms, struct client_error *error)
{
	return connection_pause(session->connection, ms, error);
}

bool
session_is_interrupted(const struct session *session)
{
	return session->interrupt != NULL && *session->interrupt != 0;
}

void
session_notice(struct session *session, enum notice_kind kind, const char *name,
    unsigned long count, const char *text)
{
	const struct client_options *options =
	    account_options(session->account);
	const struct notice notice = {
	    .kind = kind,
	    .name = name,
	    .count = count,
	    .text = text,
	};

	assert(session->lock < 0);
	if (options->notice != NULL)
		options->notice(options->notice_arg, &notice);
}

/* ---- The account's lock ---- */

enum status
session_lock(struct session *session, struct client_error *error)
{
	char path[HOME_PATH_MAX];
	uint64_t start_ms = clock_monotonic_ms();
	enum status st;

	assert(session->lock < 0);
	st = home_join(account_folder(session->account), HOME_LOCK_FILE, path);
	if (st != STATUS_OK)
		return client_error_set_plain(error, st, "lock the account");
	do {
		if (session_is_interrupted(session))
			return client_error_set_plain(
			    error, STATUS_CANCELLED, "wait");
		st = file_lock(path, LOCK_STEP_MS, &session->lock);
	} while (st == STATUS_BUSY && clock_monotonic_ms() - start_ms <
					  session_lock_wait_ms(session));
	if (st == STATUS_BUSY)
		return state_error(error, st);
	if (st != STATUS_OK)
		return client_error_set_plain(error, st, "lock the account");
	return STATUS_OK;
}

void
session_unlock(struct session *session)
{
	file_unlock(session->lock);
	session->lock = -1;
}
