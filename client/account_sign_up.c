#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"
#include "channel/password_proof.h"
#include "channel/request.h"
#include "channel/sequence.h"
#include "client/account_core.h"
#include "client/connection.h"
#include "client/session.h"
#include "client/session_request.h"
#include "client/target.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/*
 * Folders of the server's folder that are no account: one that grows, and one
 * that goes. A username's folder never begins with a point.
 */
#define NEW_PREFIX ".new-"
#define OLD_PREFIX ".old-"

/* ---- Folders ---- */

static enum status
sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status st;

	if (fd < 0)
		return STATUS_IO;
	st = fsync(fd) == 0 ? STATUS_OK : STATUS_IO;
	(void)close(fd);
	return st;
}

/* A folder of ours holds files only. What cannot be removed stays. */
static void
remove_folder(const char *folder)
{
	char path[HOME_PATH_MAX];
	struct dirent *entry;
	DIR *listing = opendir(folder);

	if (listing == NULL)
		return;
	while ((entry = readdir(listing)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    home_join(folder, entry->d_name, path) == STATUS_OK)
			(void)unlink(path);
	(void)closedir(listing);
	(void)rmdir(folder);
}

static int
is_leftover(const struct dirent *entry)
{
	return strncmp(entry->d_name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0 ||
	       strncmp(entry->d_name, OLD_PREFIX, strlen(OLD_PREFIX)) == 0;
}

/* Under the server's lock: what killed sign-ups left, which nobody needs. */
static void
remove_leftovers(const char *server_folder)
{
	char path[HOME_PATH_MAX];
	struct dirent **entries = NULL;
	int count = scandir(server_folder, &entries, is_leftover, alphasort);

	for (int i = 0; i < count; i++) {
		if (home_join(server_folder, entries[i]->d_name, path) ==
		    STATUS_OK)
			remove_folder(path);
		free(entries[i]);
	}
	free(entries);
}

/* server_folder "/" prefix and random letters. */
static enum status
temporary_folder(
    const char *server_folder, const char *prefix, char out[HOME_PATH_MAX])
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s%016llx", prefix,
	    (unsigned long long)random_u64());
	return home_join(server_folder, name, out);
}

/* At once: the account is there, or it is not. */
static enum status
discard(const char *server_folder, const char *folder)
{
	char old[HOME_PATH_MAX];
	enum status st;

	if ((st = temporary_folder(server_folder, OLD_PREFIX, old)) !=
	    STATUS_OK)
		return st;
	if (rename(folder, old) != 0)
		return STATUS_IO;
	crash_point("signup.discarded");
	st = sync_folder(server_folder);
	remove_folder(old);
	return st;
}

/* ---- The request ---- */

/* The body of SignUp. Secret: it holds the proof. */
static enum status
append_sign_up(const struct vault *vault, struct bytes password,
    const struct account_sign_up *sign_up, struct buf *out)
{
	Peyk__V1__SignUpRequest request = PEYK__V1__SIGN_UP_REQUEST__INIT;
	Peyk__V1__SignedIdentity *statement = NULL;
	struct channel_password_proof proof = {0};
	uint8_t nonce[WIRE_NONCE_SIZE];
	char *token = NULL;
	enum status st;

	if (sign_up->nonce.size > 0) {
		request.nonce = wire_field(sign_up->nonce);
	} else {
		random_bytes(nonce, sizeof(nonce));
		request.nonce = wire_field(BYTES_OF(nonce));
	}
	if (sign_up->password_proof.size > 0) {
		request.password_proof = wire_field(sign_up->password_proof);
	} else {
		if ((st = channel_password_prove(password,
			 vault_server_key(vault),
			 bytes_from_string(vault_name(vault)), &proof)) !=
		    STATUS_OK)
			goto out;
		request.password_proof = wire_field(BYTES_OF(proof.bytes));
	}
	if ((st = wire_unpack(&peyk__v1__signed_identity__descriptor,
		 vault_statement(vault), WIRE_SIGNED_IDENTITY_MAX,
		 &statement)) != STATUS_OK)
		goto out;
	request.identity = statement;
	if (sign_up->invite != NULL) {
		token = strdup(sign_up->invite);
		if (token == NULL) {
			st = STATUS_NOMEM;
			goto out;
		}
		request.invite_token = token;
	}
	st = wire_pack(&request.base, out);
out:
	free(token);
	wire_free(statement);
	secret_wipe(&proof, sizeof(proof));
	return st;
}

/* The first request of the account, into its outbox. */
static enum status
store_sign_up(struct state *state, const struct vault *vault,
    struct bytes password, const struct account_sign_up *sign_up)
{
	struct channel_request_fields fields = {
	    .sequence = channel_sequence_first(random_u64()),
	    .method = messenger_sign_up_sealed.path,
	    .server_key = vault_server_key(vault),
	};
	struct sha256_digest hash;
	struct buf body, message;
	enum status st;

	buf_init_secret(&body, WIRE_BODY_MAX);
	buf_init_secret(&message, WIRE_ENVELOPE_MAX);
	if ((st = append_sign_up(vault, password, sign_up, &body)) != STATUS_OK)
		goto out;
	fields.body = buf_bytes(&body);
	if ((st = channel_request_sign(vault_signing(vault), &fields, &message,
		 &hash)) != STATUS_OK ||
	    (st = state_begin(state)) != STATUS_OK)
		goto out;
	if ((st = state_outbox_add(state, fields.sequence, fields.method,
		 buf_bytes(&message))) == STATUS_OK &&
	    (st = state_account_set_sequence(state, fields.sequence)) ==
		STATUS_OK)
		st = state_commit(state);
	state_rollback(state);
out:
	buf_wipe(&message);
	buf_wipe(&body);
	return st;
}

enum status
account_apply(struct session *session, const struct session_reply *reply)
{
	char reason[sizeof(((struct state_account *)NULL)->refusal)];

	if (reply->is_done)
		return state_account_set_status(
		    session_state(session), STATE_ACCOUNT_STATUS_ACTIVE, 0, "");
	client_display(
	    bytes_from_string(reply->message), reason, sizeof(reason));
	return state_account_set_status(session_state(session),
	    STATE_ACCOUNT_STATUS_REFUSED, reply->code, reason);
}

/* ---- Step by step ---- */

/* Everything of the account but the server's consent, in folder. */
static enum status
fill_folder(struct account *account, const char *folder, struct bytes name,
    struct bytes password, const struct account_sign_up *sign_up,
    const struct signing_public_key *server_key, struct client_error *error)
{
	const struct password_cost cost = {
	    .passes = VAULT_PASSES,
	    .memory_size = VAULT_MEMORY_SIZE,
	};
	const struct state_options options = account_state_options(account);
	char key_path[HOME_PATH_MAX], state_path[HOME_PATH_MAX];
	struct state *state = NULL;
	enum status st;

	if ((st = home_join(folder, HOME_KEY_FILE, key_path)) != STATUS_OK ||
	    (st = home_join(folder, HOME_STATE_FILE, state_path)) != STATUS_OK)
		return client_error_set_plain(error, st, "make the account");
	if ((st = vault_create(key_path, name, password, server_key, cost,
		 &account->vault, error)) != STATUS_OK)
		return st;
	crash_point("signup.keys");
	if ((st = state_create(state_path, vault_database_key(account->vault),
		 &vault_signing(account->vault)->public_key, &options,
		 &state)) == STATUS_OK)
		st = store_sign_up(state, account->vault, password, sign_up);
	/* Closing moves the log into the file. */
	state_close(state);
	if (st == STATUS_OK)
		st = sync_folder(folder);
	return st == STATUS_OK ? STATUS_OK
			       : client_error_set_plain(
				     error, st, "make the account's database");
}

/* Asks who the server is, and whether it takes anybody. */
static enum status
meet_server(const struct account *account, struct signing_public_key *key,
    struct client_error *error)
{
	struct connection *connection = NULL;
	const struct session_server *server;
	struct notice notice = {.kind = NOTICE_SERVER_PINNED};
	char text[256];
	enum status st;

	if ((st = connection_new(&account->address, &account->options,
		 &connection, error)) != STATUS_OK ||
	    (st = connection_learn(connection, NULL,
		 clock_monotonic_ms() + (account->options.timeout_ms > 0
						? account->options.timeout_ms
						: ACCOUNT_TIMEOUT_MS_DEFAULT),
		 error)) != STATUS_OK)
		goto out;
	server = connection_server(connection);
	*key = server->info.identity_key;
	if (account->address.has_fingerprint || account->options.notice == NULL)
		goto out;
	(void)snprintf(text, sizeof(text),
	    "First contact with the server %s. Its fingerprint is\n  %s\n"
	    "Compare it with what the server's owner tells you.",
	    connection_target(connection), server->fingerprint);
	notice.fingerprint = server->fingerprint;
	notice.text = text;
	account->options.notice(account->options.notice_arg, &notice);
out:
	connection_free(connection);
	return st;
}

/* Makes the account's folder, complete, under its final name. */
static enum status
make_account(struct account *account, const char *server_folder,
    struct bytes name, struct bytes password,
    const struct account_sign_up *sign_up, struct client_error *error)
{
	struct signing_public_key server_key;
	char folder[HOME_PATH_MAX] = "";
	enum status st;

	if ((st = meet_server(account, &server_key, error)) != STATUS_OK)
		return st;
	if ((st = temporary_folder(server_folder, NEW_PREFIX, folder)) !=
		STATUS_OK ||
	    (st = file_make_folder(folder)) != STATUS_OK)
		return client_error_set_plain(
		    error, st, "make the account's folder");
	if ((st = fill_folder(account, folder, name, password, sign_up,
		 &server_key, error)) != STATUS_OK)
		goto out;
	crash_point("signup.database");
	if (rename(folder, account->folder) != 0) {
		st = client_error_set_plain(
		    error, STATUS_IO, "make the account's folder");
		goto out;
	}
	crash_point("signup.renamed");
	if ((st = sync_folder(server_folder)) != STATUS_OK)
		st = client_error_set_plain(
		    error, st, "make the account's folder");
out:
	if (st != STATUS_OK)
		remove_folder(folder);
	return st;
}

static enum status
exists_already(const struct account *account, struct client_error *error)
{
	char shown[CLIENT_DISPLAY_SIZE];

	client_display(bytes_from_string(vault_name(account->vault)), shown,
	    sizeof(shown));
	return client_error_set(error, STATUS_EXISTS, EXIT_CODE_FAILED,
	    "%s is signed up on this device already. It is ready to use.",
	    shown);
}

/* Removes the folder of an account that the server refused, and says why. */
static enum status
remove_refused(const char *server_folder, const char *folder,
    const struct state_account *row, struct client_error *error)
{
	enum status st;

	if ((st = discard(server_folder, folder)) != STATUS_OK)
		return client_error_set_plain(
		    error, st, "remove the account's folder");
	return client_error_set(error,
	    row->refusal_code == RPC_CODE_ALREADY_EXISTS ? STATUS_EXISTS
							 : STATUS_DENIED,
	    EXIT_CODE_REFUSED,
	    row->refusal_code == RPC_CODE_ALREADY_EXISTS
		? "The server refused: %s Choose another name."
		: "The server refused the sign-up: %s",
	    row->refusal);
}

/* How far the sign-up is; with resolves, after it was brought to its end. */
static enum status
read_progress(const struct account *account, bool resolves,
    struct state_account *out, struct client_error *error)
{
	struct session *session = NULL;
	enum status st;

	if ((st = session_open(account, &session, error)) != STATUS_OK)
		return st;
	st = state_account_read(session_state(session), out);
	if (st == STATUS_OK && resolves &&
	    out->status == STATE_ACCOUNT_STATUS_SIGNING_UP) {
		if ((st = session_resolve(session, error)) != STATUS_OK)
			goto out;
		st = state_account_read(session_state(session), out);
	}
	if (st != STATUS_OK)
		st = state_error(error, st);
out:
	session_close(session);
	return st;
}

/* Brings the SignUp in the outbox to its end. */
static enum status
finish_sign_up(struct account *account, const char *server_folder, bool is_new,
    struct client_error *error)
{
	struct state_account row = {0};
	enum status st;

	if (!is_new) {
		if ((st = read_progress(account, false, &row, error)) !=
		    STATUS_OK)
			return st;
		if (row.status == STATE_ACCOUNT_STATUS_ACTIVE)
			return exists_already(account, error);
	}
	if ((st = read_progress(account, true, &row, error)) != STATUS_OK)
		return st;
	if (row.status == STATE_ACCOUNT_STATUS_REFUSED)
		return remove_refused(
		    server_folder, account->folder, &row, error);
	return STATUS_OK;
}

/* Opens the vault if the account is there; *is_there tells. */
static enum status
open_started(struct account *account, struct bytes password, bool *is_there,
    struct client_error *error)
{
	char key_path[HOME_PATH_MAX], state_path[HOME_PATH_MAX];
	enum status st;

	*is_there = false;
	if ((st = home_join(account->folder, HOME_KEY_FILE, key_path)) !=
		STATUS_OK ||
	    (st = home_join(account->folder, HOME_STATE_FILE, state_path)) !=
		STATUS_OK)
		return client_error_set_plain(error, st, "find the account");
	if (account_has(key_path)) {
		*is_there = true;
		return vault_open(key_path, password, &account->vault, error);
	}
	/* Its key file may come back: nothing here is removed. */
	if (account_has(state_path))
		return client_error_set(error, STATUS_STALE, EXIT_CODE_FAILED,
		    "The folder %s holds a database without its key file. Put "
		    "the key file back, or move the folder away.",
		    account->folder);
	return STATUS_OK;
}

/* Under the server's lock. */
static enum status
sign_up_locked(struct account *account, const char *server_folder,
    struct bytes name, struct bytes password,
    const struct account_sign_up *sign_up, struct client_error *error)
{
	bool is_there;
	enum status st;

	remove_leftovers(server_folder);
	if ((st = open_started(account, password, &is_there, error)) ==
		STATUS_OK &&
	    !is_there)
		st = make_account(
		    account, server_folder, name, password, sign_up, error);
	if (st != STATUS_OK)
		return st;
	return finish_sign_up(account, server_folder, !is_there, error);
}

/* The same for a request that is left in the outbox. */
static enum status
prepare_locked(struct account *account, const char *server_folder,
    struct bytes name, struct bytes password,
    const struct account_sign_up *sign_up, struct client_error *error)
{
	struct state_account row = {0};
	char shown[CLIENT_DISPLAY_SIZE];
	bool is_there;
	enum status st;

	remove_leftovers(server_folder);
	if ((st = open_started(account, password, &is_there, error)) !=
	    STATUS_OK)
		return st;
	if (!is_there)
		return make_account(
		    account, server_folder, name, password, sign_up, error);
	if ((st = read_progress(account, false, &row, error)) != STATUS_OK)
		return st;
	switch (row.status) {
	case STATE_ACCOUNT_STATUS_ACTIVE:
		return exists_already(account, error);
	case STATE_ACCOUNT_STATUS_REFUSED:
		return remove_refused(
		    server_folder, account->folder, &row, error);
	case STATE_ACCOUNT_STATUS_SIGNING_UP:
		break;
	}
	client_display(bytes_from_string(vault_name(account->vault)), shown,
	    sizeof(shown));
	return client_error_set(error, STATUS_EXISTS, EXIT_CODE_FAILED,
	    "The sign-up of %s is under way. peyk seal SignUp --again prints "
	    "its request once more; peyk signup sends it and finishes it.",
	    shown);
}

static enum status
make_server_folder(const char *folder, struct client_error *error)
{
	enum status st = file_make_folder(folder);

	if (st == STATUS_DENIED)
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "The folder %s belongs to another user, or others may "
		    "write to it. Make it yours alone: chmod 700 '%s'",
		    folder, folder);
	if (st == STATUS_INVALID)
		return client_error_set(error, st, EXIT_CODE_FAILED,
		    "%s is in the way: it is no folder.", folder);
	return st == STATUS_OK
		   ? STATUS_OK
		   : client_error_set_plain(error, st, "make its folder");
}

/* What account_sign_up() and account_prepare_sign_up() have in common. */
static enum status
start(const struct client_options *options, struct bytes name,
    struct bytes password, const struct account_sign_up *sign_up,
    enum status (*run)(struct account *account, const char *server_folder,
	struct bytes name, struct bytes password,
	const struct account_sign_up *sign_up, struct client_error *error),
    struct account **out, struct client_error *error)
{
	struct account *account = NULL;
	char server_folder[HOME_PATH_MAX], lock_path[HOME_PATH_MAX];
	int lock = -1;
	enum status st;

	if ((st = account_new(options, &account, error)) != STATUS_OK ||
	    (st = target_parse(options->server != NULL ? options->server : "",
		 &account->address, error)) != STATUS_OK ||
	    (st = home_account_path(account->home, &account->address, name,
		 account->folder, error)) != STATUS_OK ||
	    (st = home_server_path(account->home, &account->address,
		 server_folder, error)) != STATUS_OK ||
	    (st = vault_check_password(password, error)) != STATUS_OK ||
	    (st = make_server_folder(server_folder, error)) != STATUS_OK)
		goto out;
	if ((st = home_join(server_folder, HOME_SERVER_LOCK_FILE, lock_path)) !=
		STATUS_OK ||
	    (st = file_lock(lock_path, account_state_options(account).wait_ms,
		 &lock)) != STATUS_OK) {
		st = st == STATUS_BUSY
			 ? client_error_set(error, st, EXIT_CODE_FAILED,
			       "Another peyk is signing up at this server. "
			       "Wait until it "
			       "is done, and try again.")
			 : client_error_set_plain(error, st, "lock its folder");
		goto out;
	}
	if ((st = run(account, server_folder, name, password, sign_up,
		 error)) != STATUS_OK)
		goto out;
	*out = account;
	account = NULL; /* now the caller's */
out:
	file_unlock(lock);
	account_free(account);
	return st;
}

enum status
account_sign_up(const struct client_options *options, struct bytes name,
    struct bytes password, const char *invite, struct account **out,
    struct client_error *error)
{
	const struct account_sign_up sign_up = {.invite = invite};

	return start(
	    options, name, password, &sign_up, sign_up_locked, out, error);
}

enum status
account_prepare_sign_up(const struct client_options *options, struct bytes name,
    struct bytes password, const struct account_sign_up *sign_up,
    struct account **out, struct client_error *error)
{
	return start(
	    options, name, password, sign_up, prepare_locked, out, error);
}

enum status
account_discard_refused(
    const struct account *account, struct client_error *error)
{
	char server_folder[HOME_PATH_MAX], lock_path[HOME_PATH_MAX];
	struct state_account row = {0};
	int lock = -1;
	enum status st;

	if ((st = home_server_path(account->home, &account->address,
		 server_folder, error)) != STATUS_OK)
		return st;
	if ((st = home_join(server_folder, HOME_SERVER_LOCK_FILE, lock_path)) !=
		STATUS_OK ||
	    (st = file_lock(lock_path, account_state_options(account).wait_ms,
		 &lock)) != STATUS_OK)
		return client_error_set_plain(error, st, "lock its folder");
	st = read_progress(account, false, &row, error);
	if (st == STATUS_OK && row.status == STATE_ACCOUNT_STATUS_REFUSED)
		st =
		    remove_refused(server_folder, account->folder, &row, error);
	file_unlock(lock);
	return st;
}
