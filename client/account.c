#include "client/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/account_core.h"
#include "client/session.h"
#include "client/state.h"
#include "client/target.h"

void
account_free(struct account *account)
{
	if (account == NULL)
		return;
	vault_free(account->vault);
	free(account);
}

const struct vault *
account_vault(const struct account *account)
{
	return account->vault;
}

const char *
account_folder(const struct account *account)
{
	return account->folder;
}

const struct channel_address *
account_address(const struct account *account)
{
	return &account->address;
}

const struct client_options *
account_options(const struct account *account)
{
	return &account->options;
}

enum status
account_new(const struct client_options *options, struct account **out,
    struct client_error *error)
{
	struct account *account = calloc(1, sizeof(*account));
	enum status st;

	if (account == NULL)
		return client_error_set_plain(
		    error, STATUS_NOMEM, "open the account");
	account->options = *options;
	if ((st = home_path(options->home, account->home, error)) !=
	    STATUS_OK) {
		free(account);
		return st;
	}
	*out = account;
	return STATUS_OK;
}

struct state_options
account_state_options(const struct account *account)
{
	return (struct state_options){
	    .wait_ms = account->options.lock_wait_ms > 0
			   ? account->options.lock_wait_ms
			   : ACCOUNT_LOCK_WAIT_MS_DEFAULT,
	    .interrupt = account->options.interrupt,
	};
}

/* ---- Opening ---- */

/* The servers at which a name is known here, for a sentence. */
static enum status
choose_server(const struct account *account, struct bytes name,
    struct channel_address *out, struct client_error *error)
{
	struct home_accounts accounts = {0};
	struct channel_address address;
	char path[HOME_PATH_MAX];
	char shown[CLIENT_DISPLAY_SIZE];
	char servers[512] = "";
	size_t found = 0, used = 0;
	enum status st;

	if ((st = home_list(account->home, NULL, &accounts, error)) !=
	    STATUS_OK)
		return st;
	for (size_t i = 0; i < accounts.count; i++) {
		if (target_parse(accounts.items[i].server, &address, NULL) !=
			STATUS_OK ||
		    home_account_path(account->home, &address, name, path,
			NULL) != STATUS_OK ||
		    strcmp(path, accounts.items[i].folder) != 0)
			continue;
		*out = address;
		found++;
		used += (size_t)snprintf(servers + used, sizeof(servers) - used,
		    "%s%s", found > 1 ? ", " : "", accounts.items[i].server);
		if (used >= sizeof(servers))
			used = sizeof(servers) - 1;
	}
	home_accounts_clear(&accounts);
	if (found == 1)
		return STATUS_OK;
	client_display(name, shown, sizeof(shown));
	if (found == 0)
		return client_error_set(error, STATUS_NOT_FOUND,
		    EXIT_CODE_FAILED,
		    "There is no account %s on this device. Sign up first: "
		    "peyk signup '%s' --server HOST:PORT",
		    shown, shown);
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "%s has accounts at several servers (%s). Say which with "
	    "--server.",
	    shown, servers);
}

static enum status
find_folder(
    struct account *account, struct bytes name, struct client_error *error)
{
	enum status st;

	if (account->options.server != NULL &&
	    account->options.server[0] != '\0') {
		if ((st = target_parse(account->options.server,
			 &account->address, error)) != STATUS_OK)
			return st;
	} else {
		/* A wrong name is a clearer error than one not found. */
		const struct channel_address any = {.host = "x", .port = 1};

		if ((st = home_account_path(account->home, &any, name,
			 account->folder, error)) != STATUS_OK ||
		    (st = choose_server(
			 account, name, &account->address, error)) != STATUS_OK)
			return st;
	}
	return home_account_path(
	    account->home, &account->address, name, account->folder, error);
}

static enum status
not_here(const struct account *account, struct bytes name,
    struct client_error *error)
{
	char target[TARGET_SIZE];
	char shown[CLIENT_DISPLAY_SIZE];

	target_format(&account->address, target);
	client_display(name, shown, sizeof(shown));
	return client_error_set(error, STATUS_NOT_FOUND, EXIT_CODE_FAILED,
	    "There is no account %s for the server %s on this device. Sign up "
	    "first: peyk signup '%s' --server %s",
	    shown, target, shown, target);
}

/* Whether the sign-up was finished, read from the account's database. */
static enum status
check_active(const struct account *account, struct client_error *error)
{
	const struct state_options options = account_state_options(account);
	char path[HOME_PATH_MAX];
	char shown[CLIENT_DISPLAY_SIZE];
	struct state_account row;
	struct state *state = NULL;
	enum status st;

	if ((st = home_join(account->folder, HOME_STATE_FILE, path)) !=
	    STATUS_OK)
		return client_error_set_plain(error, st, "find the account");
	st = state_open(path, vault_database_key(account->vault),
	    &vault_signing(account->vault)->public_key, &options, &state);
	if (st == STATUS_NOT_FOUND)
		return client_error_set(error, STATUS_STALE, EXIT_CODE_FAILED,
		    "The account's database %s is gone. Without it this "
		    "device does not know what was sent. Put back a copy of "
		    "the whole folder.",
		    path);
	if (st == STATUS_OK)
		st = state_account_read(state, &row);
	state_close(state);
	if (st != STATUS_OK)
		return state_error(error, st);
	if (row.status == STATE_ACCOUNT_STATUS_ACTIVE)
		return STATUS_OK;
	client_display(bytes_from_string(vault_name(account->vault)), shown,
	    sizeof(shown));
	return client_error_set(error, STATUS_STALE, EXIT_CODE_FAILED,
	    "The sign-up of %s was not finished. Run it again with the same "
	    "password: peyk signup '%s'",
	    shown, shown);
}

static enum status
open_account(const struct client_options *options, struct bytes name,
    struct bytes password, bool is_active, struct account **out,
    struct client_error *error)
{
	struct account *account = NULL;
	char path[HOME_PATH_MAX];
	enum status st;

	if ((st = account_new(options, &account, error)) != STATUS_OK ||
	    (st = find_folder(account, name, error)) != STATUS_OK)
		goto out;
	if ((st = home_join(account->folder, HOME_KEY_FILE, path)) !=
	    STATUS_OK) {
		st = client_error_set_plain(error, st, "find the account");
		goto out;
	}
	if (!account_has(path)) {
		st = not_here(account, name, error);
		goto out;
	}
	if ((st = vault_open(path, password, &account->vault, error)) !=
		STATUS_OK ||
	    (is_active && (st = check_active(account, error)) != STATUS_OK))
		goto out;
	*out = account;
	account = NULL; /* now the caller's */
out:
	account_free(account);
	return st;
}

enum status
account_open(const struct client_options *options, struct bytes name,
    struct bytes password, struct account **out, struct client_error *error)
{
	return open_account(options, name, password, true, out, error);
}

enum status
account_open_unfinished(const struct client_options *options, struct bytes name,
    struct bytes password, struct account **out, struct client_error *error)
{
	return open_account(options, name, password, false, out, error);
}
