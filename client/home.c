#include "client/home.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/name.h"
#include "client/target.h"
#include "client/vault.h"

enum status
home_join(const char *folder, const char *file, char out[HOME_PATH_MAX])
{
	int size = snprintf(out, HOME_PATH_MAX, "%s/%s", folder, file);

	if (size < 0)
		return STATUS_INTERNAL;
	return size < HOME_PATH_MAX ? STATUS_OK : STATUS_TOO_LARGE;
}

static enum status
too_long(struct client_error *error)
{
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "The path of Peyk's folder is too long. Choose a shorter one with "
	    "--home.");
}

/* The user's home folder: HOME, or what the system knows. */
static const char *
user_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (home != NULL && home[0] == '/')
		return home;
	/* One thread at the start of a command; the result is copied. */
	user = getpwuid(getuid());
	return user != NULL && user->pw_dir != NULL && user->pw_dir[0] == '/'
		   ? user->pw_dir
		   : NULL;
}

enum status
home_path(
    const char *option, char out[HOME_PATH_MAX], struct client_error *error)
{
	const char *data = getenv("XDG_DATA_HOME");
	const char *home;
	int size;

	if (option != NULL && option[0] != '\0') {
		size = snprintf(out, HOME_PATH_MAX, "%s", option);
	} else if (data != NULL && data[0] == '/') {
		/* A relative one is to be ignored, says its specification. */
		size = snprintf(out, HOME_PATH_MAX, "%s/peyk", data);
	} else {
		if ((home = user_home()) == NULL)
			return client_error_set(error, STATUS_INVALID,
			    EXIT_CODE_USAGE,
			    "There is no home folder for Peyk's files. Name "
			    "one with --home or PEYK_HOME.");
		size =
		    snprintf(out, HOME_PATH_MAX, "%s/.local/share/peyk", home);
	}
	if (size < 0)
		return client_error_set_plain(
		    error, STATUS_INTERNAL, "find its folder");
	return size < HOME_PATH_MAX ? STATUS_OK : too_long(error);
}

/* out = folder "/" name as a component of a path. */
static enum status
join_encoded(const char *folder, struct bytes name, char out[HOME_PATH_MAX],
    struct client_error *error)
{
	struct buf component;
	const char *text;
	enum status st;

	buf_init(&component, NAME_PATH_SIZE_MAX);
	if ((st = name_append_path(name, &component)) != STATUS_OK ||
	    (st = buf_string(&component, &text)) != STATUS_OK) {
		st = client_error_set_plain(error, st, "find its folder");
		goto out;
	}
	if ((st = home_join(folder, text, out)) == STATUS_TOO_LARGE)
		st = too_long(error);
	else if (st != STATUS_OK)
		st = client_error_set_plain(error, st, "find its folder");
out:
	buf_clear(&component);
	return st;
}

enum status
home_server_path(const char *home, const struct channel_address *address,
    char out[HOME_PATH_MAX], struct client_error *error)
{
	char target[TARGET_SIZE];

	target_format(address, target);
	return join_encoded(home, bytes_from_string(target), out, error);
}

enum status
home_account_path(const char *home, const struct channel_address *address,
    struct bytes name, char out[HOME_PATH_MAX], struct client_error *error)
{
	char server[HOME_PATH_MAX];
	char shown[CLIENT_DISPLAY_SIZE];
	struct buf canonical;
	enum name_problem problem;
	enum status st;

	buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
	if ((problem = name_check(name)) != NAME_PROBLEM_NONE) {
		client_display(name, shown, sizeof(shown));
		st = client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
		    "\"%s\" cannot be a username. %s", shown,
		    name_problem_text(problem));
		goto out;
	}
	if ((st = name_append_canonical(name, &canonical)) != STATUS_OK) {
		st = client_error_set_plain(error, st, "read the username");
		goto out;
	}
	if ((st = home_server_path(home, address, server, error)) != STATUS_OK)
		goto out;
	st = join_encoded(server, buf_bytes(&canonical), out, error);
out:
	buf_clear(&canonical);
	return st;
}

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

/* Undoes the %XX of a folder's name, for display. Always a valid string. */
static void
decode_component(const char *component, char *out, size_t size)
{
	char decoded[NAME_PATH_SIZE_MAX + 16];
	size_t used = 0;
	const char *at = component;

	while (*at != '\0' && used < sizeof(decoded) - 1) {
		int high = at[0] == '%' ? hex_value(at[1]) : -1;
		int low = high >= 0 ? hex_value(at[2]) : -1;

		if (low >= 0) {
			decoded[used++] = (char)(high << 4 | low);
			at += 3;
		} else {
			decoded[used++] = *at++;
		}
	}
	client_display(bytes_make(decoded, used), out, size);
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void
home_accounts_clear(struct home_accounts *accounts)
{
	for (size_t i = 0; i < accounts->count; i++) {
		free(accounts->items[i].server);
		free(accounts->items[i].name);
		free(accounts->items[i].folder);
	}
	free(accounts->items);
	*accounts = (struct home_accounts){0};
}

/* Adds the account of a folder, if there is a key file in it. */
static enum status
add_account(
    struct home_accounts *accounts, const char *server, const char *folder)
{
	char path[HOME_PATH_MAX];
	char shown[CLIENT_DISPLAY_SIZE];
	struct home_account account = {0};
	struct home_account *items;
	struct buf name;
	enum status st = STATUS_OK;

	buf_init(&name, NAME_SIZE_MAX);
	if (home_join(folder, HOME_KEY_FILE, path) != STATUS_OK ||
	    vault_peek_name(path, &name) != STATUS_OK)
		goto out;
	client_display(buf_bytes(&name), shown, sizeof(shown));
	account.server = strdup(server);
	account.name = strdup(shown);
	account.folder = strdup(folder);
	items =
	    reallocarray(accounts->items, accounts->count + 1, sizeof(*items));
	if (items != NULL)
		accounts->items = items;
	if (items == NULL || account.server == NULL || account.name == NULL ||
	    account.folder == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	accounts->items[accounts->count++] = account;
	account = (struct home_account){0};
out:
	free(account.server);
	free(account.name);
	free(account.folder);
	buf_clear(&name);
	return st;
}

/* The accounts in one HOME/SERVER. A folder that is not there has none. */
static enum status
list_server(
    struct home_accounts *accounts, const char *server, const char *folder)
{
	char path[HOME_PATH_MAX];
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_visible, alphasort);
	enum status st = STATUS_OK;

	if (count < 0)
		return errno == ENOMEM ? STATUS_NOMEM : STATUS_OK;
	for (int i = 0; i < count; i++) {
		if (st == STATUS_OK && accounts->count < HOME_ACCOUNTS_MAX &&
		    home_join(folder, entries[i]->d_name, path) == STATUS_OK)
			st = add_account(accounts, server, path);
		free(entries[i]);
	}
	free(entries);
	return st;
}

enum status
home_list(const char *home, const struct channel_address *address,
    struct home_accounts *out, struct client_error *error)
{
	struct home_accounts accounts = {0};
	char path[HOME_PATH_MAX];
	char server[CLIENT_DISPLAY_SIZE];
	struct dirent **entries = NULL;
	int count = 0;
	enum status st;

	if (address != NULL) {
		if ((st = home_server_path(home, address, path, error)) !=
		    STATUS_OK)
			goto out;
		target_format(address, server);
		st = list_server(&accounts, server, path);
	} else {
		st = STATUS_OK;
		count = scandir(home, &entries, is_visible, alphasort);
		if (count < 0 && errno != ENOENT)
			st = errno == ENOMEM ? STATUS_NOMEM : STATUS_IO;
		for (int i = 0; i < count && st == STATUS_OK; i++) {
			if (home_join(home, entries[i]->d_name, path) !=
			    STATUS_OK)
				continue;
			decode_component(
			    entries[i]->d_name, server, sizeof(server));
			st = list_server(&accounts, server, path);
		}
	}
	if (st != STATUS_OK) {
		st = client_error_set_plain(error, st, "list the accounts");
		goto out;
	}
	*out = accounts;
	accounts = (struct home_accounts){0};
out:
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	home_accounts_clear(&accounts);
	return st;
}
