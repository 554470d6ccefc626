#include "tests/unit/client/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/home.h"
#include "client/target.h"
#include "client/vault.h"

static struct client_error error;
static char path[HOME_PATH_MAX];

static void
test_home_is_where_the_user_says(void **state)
{
	(void)state;
	assert_int_equal(setenv("HOME", "/home/hassan", 1), 0);
	assert_int_equal(setenv("XDG_DATA_HOME", "/data", 1), 0);
	assert_ok(home_path("/here", path, &error));
	assert_string_equal(path, "/here");
	assert_ok(home_path(NULL, path, &error));
	assert_string_equal(path, "/data/peyk");
	assert_ok(home_path("", path, &error));
	assert_string_equal(path, "/data/peyk");
	assert_int_equal(setenv("XDG_DATA_HOME", "relative", 1), 0);
	assert_ok(home_path(NULL, path, &error));
	assert_string_equal(path, "/home/hassan/.local/share/peyk");
}

static void
assert_account(const char *server, const char *name, const char *expected)
{
	struct channel_address address;

	assert_ok(target_parse(server, &address, &error));
	assert_ok(home_account_path(
	    "/h", &address, bytes_from_string(name), path, &error));
	assert_string_equal(path, expected);
}

static void
test_home_names_cannot_leave_it(void **state)
{
	struct channel_address address;

	(void)state;
	assert_account("localhost", "Client#2", "/h/localhost%3A8022/client#2");
	assert_account("[::1]:1", "..", "/h/%5B%3A%3A1%5D%3A1/%2E.");
	assert_account("h", "../x", "/h/h%3A8022/%2E.%2Fx");
	assert_account("h", ".new-1", "/h/h%3A8022/%2Enew-1");
	assert_account("h", "\xd8\xb3\xd8\xa7\xd8\xb1\xd8\xa7",
	    "/h/h%3A8022/\xd8\xb3\xd8\xa7\xd8\xb1\xd8\xa7");
	assert_ok(target_parse("h", &address, &error));
	assert_status(home_account_path("/h", &address,
			  BYTES_LITERAL("two words"), path, &error),
	    STATUS_INVALID);
	assert_int_equal(error.exit, EXIT_CODE_USAGE);
}

static void
make_account(const char *server, const char *folder, struct bytes name)
{
	const struct password_cost cheap = {
	    .passes = VAULT_PASSES_MIN,
	    .memory_size = VAULT_MEMORY_MIN,
	};
	const struct signing_public_key key = {.bytes = {1}};
	struct vault *vault = NULL;
	char parent[HOME_PATH_MAX], home[HOME_PATH_MAX];

	(void)snprintf(home, sizeof(home), "%s", folder_path("home"));
	assert_ok(home_join(home, server, parent));
	assert_ok(home_join(parent, folder, path));
	assert_ok(file_make_folder(path));
	assert_ok(home_join(path, HOME_KEY_FILE, parent));
	assert_ok(vault_create(parent, name, BYTES_LITERAL("password"), &key,
	    cheap, &vault, &error));
	vault_free(vault);
}

static void
test_home_lists_its_accounts(void **state)
{
	struct home_accounts accounts = {0};
	struct channel_address address;

	(void)state;
	assert_ok(home_list(folder_path("no home"), NULL, &accounts, &error));
	assert_int_equal(accounts.count, 0);
	make_account("b%3A1", "client#2", BYTES_LITERAL("Client#2"));
	make_account("b%3A1", ".new-77", BYTES_LITERAL("unfinished"));
	make_account("a%3A1", "client#3", BYTES_LITERAL("client#3"));
	assert_ok(home_list(folder_path("home"), NULL, &accounts, &error));
	assert_int_equal(accounts.count, 2);
	assert_string_equal(accounts.items[0].server, "a:1");
	assert_string_equal(accounts.items[0].name, "client#3");
	assert_string_equal(accounts.items[1].server, "b:1");
	assert_string_equal(accounts.items[1].name, "Client#2");
	home_accounts_clear(&accounts);
	assert_ok(target_parse("b:1", &address, &error));
	assert_ok(home_list(folder_path("home"), &address, &accounts, &error));
	assert_int_equal(accounts.count, 1);
	home_accounts_clear(&accounts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_home_is_where_the_user_says),
	    cmocka_unit_test(test_home_names_cannot_leave_it),
	    cmocka_unit_test(test_home_lists_its_accounts),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
