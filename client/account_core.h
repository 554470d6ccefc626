#ifndef PEYK_CLIENT_ACCOUNT_CORE_H
#define PEYK_CLIENT_ACCOUNT_CORE_H

#include <stdbool.h>
#include <unistd.h>

#include "client/account.h"
#include "client/home.h"
#include "client/state.h"
#include "client/vault.h"

/* The inside of an account: for account.c and account_sign_up.c only. */
struct account {
	struct client_options options;
	struct channel_address address;
	char home[HOME_PATH_MAX];
	char folder[HOME_PATH_MAX];
	struct vault *vault;
};

/* Without address, folder and vault. */
MUST_CHECK enum status account_new(const struct client_options *options,
    struct account **out, struct client_error *error);

struct state_options account_state_options(const struct account *account);

static inline bool
account_has(const char *path)
{
	return access(path, F_OK) == 0;
}

#endif
