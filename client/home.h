#ifndef PEYK_CLIENT_HOME_H
#define PEYK_CLIENT_HOME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "channel/address.h"
#include "client/error.h"

/*
 * Where things lie on this device (docs/client-files.md):
 *
 *	HOME/SERVER/USER/identity.key   keys, encrypted under the password
 *	                 state.db       everything else, encrypted
 *	                 lock           held during a request
 *	                 poll.lock      held by who waits for messages
 *	HOME/SERVER/.lock               held during a sign-up
 *
 * HOME is the option, or $PEYK_HOME (the caller passes it as the option), or
 * $XDG_DATA_HOME/peyk, or ~/.local/share/peyk. SERVER is "host:port" and USER
 * the canonical name, both as name_append_path() writes them. All folders
 * have mode 0700.
 */

#define HOME_PATH_MAX 4096 /* bytes with NUL, as PATH_MAX */

#define HOME_KEY_FILE "identity.key"
#define HOME_STATE_FILE "state.db"
#define HOME_LOCK_FILE "lock"
#define HOME_POLL_LOCK_FILE "poll.lock"
#define HOME_SERVER_LOCK_FILE ".lock"

/* Most accounts that home_list() returns. */
#define HOME_ACCOUNTS_MAX 4096

/*
 * HOME itself. option may be NULL. STATUS_INVALID (exit 2) if there is no
 * home folder to be found or the path is too long. Creates nothing.
 */
MUST_CHECK enum status home_path(
    const char *option, char out[HOME_PATH_MAX], struct client_error *error);

/* HOME/SERVER. Creates nothing. */
MUST_CHECK enum status home_server_path(const char *home,
    const struct channel_address *address, char out[HOME_PATH_MAX],
    struct client_error *error);

/*
 * HOME/SERVER/USER for a name in any spelling. STATUS_INVALID (exit 2) if the
 * name is not allowed. Creates nothing.
 */
MUST_CHECK enum status home_account_path(const char *home,
    const struct channel_address *address, struct bytes name,
    char out[HOME_PATH_MAX], struct client_error *error);

/* out = folder "/" file. STATUS_TOO_LARGE if it does not fit. */
MUST_CHECK enum status home_join(
    const char *folder, const char *file, char out[HOME_PATH_MAX]);

/* One account that has a key file on this device. */
struct home_account {
	char *server; /* "host:port" */
	char *name;   /* as its key file tells it, unverified; sanitized */
	char *folder;
};

struct home_accounts {
	struct home_account *items; /* by server, then by name */
	size_t count;
};

/*
 * The accounts on this device; no password is needed, and nothing of what the
 * key files say in clear is verified. address may be NULL: all servers. What
 * cannot be read is left out. No HOME gives none. STATUS_NOMEM, STATUS_IO.
 */
MUST_CHECK enum status home_list(const char *home,
    const struct channel_address *address, struct home_accounts *out,
    struct client_error *error);

void home_accounts_clear(struct home_accounts *accounts);

#endif
