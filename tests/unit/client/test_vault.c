#include "tests/unit/client/folder.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/vault.h"

/* The cheapest that is allowed: thousands of attempts follow. */
static const struct password_cost cheap = {
    .passes = VAULT_PASSES_MIN,
    .memory_size = VAULT_MEMORY_MIN,
};
static const struct signing_public_key server = {.bytes = {7, 8, 9}};
static struct client_error error;

#define PASSWORD "correct horse battery"

static struct vault *
create(const char *path)
{
	struct vault *vault = NULL;

	assert_ok(vault_create(path, BYTES_LITERAL("Client#2"),
	    BYTES_LITERAL(PASSWORD), &server, cheap, &vault, &error));
	return vault;
}

/* Everything but a good file is one error, with one text. */
static void
assert_closed(const char *path, struct bytes password)
{
	struct vault *vault = NULL;

	error = (struct client_error){0};
	assert_status(
	    vault_open(path, password, &vault, &error), STATUS_FORGED);
	assert_null(vault);
	assert_int_equal(error.exit, EXIT_CODE_PASSWORD);
	assert_non_null(strstr(error.text, "password is wrong, or the key "
					   "file"));
}

static void
test_vault_gives_back_what_was_made(void **state)
{
	const char *path = folder_path("back.key");
	struct vault *made = create(path), *vault = NULL;
	struct stat info;

	(void)state;
	assert_ok(vault_open(path, BYTES_LITERAL(PASSWORD), &vault, &error));
	assert_string_equal(vault_name(vault), "Client#2");
	assert_string_equal(vault_canonical(vault), "client#2");
	assert_memory_equal(vault_signing(vault), vault_signing(made),
	    sizeof(struct signing_key_pair));
	assert_memory_equal(vault_encryption(vault), vault_encryption(made),
	    sizeof(struct encryption_key_pair));
	assert_memory_equal(vault_database_key(vault), vault_database_key(made),
	    sizeof(struct database_key));
	assert_memory_equal(vault_server_key(vault), &server, sizeof(server));
	assert_bytes(vault_statement(vault), vault_statement(made));
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	vault_free(vault);
	vault_free(made);
}

static void
test_vault_is_not_made_twice(void **state)
{
	const char *path = folder_path("twice.key");
	struct vault *vault = create(path), *second = NULL;
	struct buf before, after;

	(void)state;
	folder_read(path, &before);
	assert_status(
	    vault_create(path, BYTES_LITERAL("Client#2"),
		BYTES_LITERAL(PASSWORD), &server, cheap, &second, &error),
	    STATUS_EXISTS);
	folder_read(path, &after);
	assert_bytes(buf_bytes(&after), buf_bytes(&before));
	buf_clear(&before);
	buf_clear(&after);
	vault_free(vault);
}

static void
test_vault_refuses_wrong_passwords(void **state)
{
	const char *path = folder_path("wrong.key");
	uint8_t longest[5000];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	vault_free(create(path));
	assert_closed(path, BYTES_LITERAL("correct horse batterz"));
	assert_closed(path, BYTES_LITERAL("Correct horse battery"));
	assert_closed(path, BYTES_LITERAL(PASSWORD " "));
	assert_closed(path, BYTES_LITERAL(PASSWORD "\0"));
	assert_closed(path, BYTES_LITERAL("\xff\xfe"));
	assert_closed(path, bytes_empty());
	assert_closed(path, BYTES_OF(longest));
}

static void
test_vault_takes_a_password_in_any_normal_form(void **state)
{
	const char *path = folder_path("form.key");
	struct vault *vault = NULL;

	(void)state;
	assert_ok(vault_create(path, BYTES_LITERAL("client#2"),
	    BYTES_LITERAL("caf\xc3\xa9 caf\xc3\xa9"), &server, cheap, &vault,
	    &error));
	vault_free(vault);
	vault = NULL;
	assert_ok(vault_open(
	    path, BYTES_LITERAL("cafe\xcc\x81 cafe\xcc\x81"), &vault, &error));
	vault_free(vault);
}

static void
test_vault_refuses_every_flipped_byte(void **state)
{
	const char *path = folder_path("flipped.key");
	struct vault *vault = NULL;
	struct buf content;

	(void)state;
	vault_free(create(path));
	folder_read(path, &content);
	assert_true(content.size > 400);
	for (size_t i = 0; i < content.size; i++) {
		/* Another bit in each byte: upper and lower case, too. */
		content.data[i] ^= (uint8_t)(1 << (i % 8));
		folder_write(path, buf_bytes(&content));
		assert_closed(path, BYTES_LITERAL(PASSWORD));
		content.data[i] ^= (uint8_t)(1 << (i % 8));
	}
	folder_write(path, buf_bytes(&content));
	assert_ok(vault_open(path, BYTES_LITERAL(PASSWORD), &vault, &error));
	vault_free(vault);
	buf_clear(&content);
}

static void
test_vault_refuses_every_cut(void **state)
{
	const char *path = folder_path("cut.key");
	struct buf content;

	(void)state;
	vault_free(create(path));
	folder_read(path, &content);
	for (size_t size = 0; size < content.size; size++) {
		folder_write(path, bytes_make(content.data, size));
		assert_closed(path, BYTES_LITERAL(PASSWORD));
	}
	assert_ok(buf_append_u8(&content, '\n'));
	folder_write(path, buf_bytes(&content));
	assert_closed(path, BYTES_LITERAL(PASSWORD));
	buf_clear(&content);
}

/* Replaces text of the header. */
static void
assert_header_refused(const char *path, const char *from, const char *to)
{
	struct buf content, changed;
	const char *text, *at;

	folder_read(path, &content);
	assert_ok(buf_string(&content, &text));
	at = strstr(text, from);
	assert_non_null(at);
	buf_init(&changed, 1 << 20);
	assert_ok(buf_append(&changed, bytes_make(text, (size_t)(at - text))));
	assert_ok(buf_append_string(&changed, to));
	assert_ok(buf_append_string(&changed, at + strlen(from)));
	folder_write(folder_path("header.key"), buf_bytes(&changed));
	assert_closed(folder_path("header.key"), BYTES_LITERAL(PASSWORD));
	buf_clear(&content);
	buf_clear(&changed);
}

static void
test_vault_refuses_costs_out_of_bounds(void **state)
{
	char path[256];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", folder_path("cost.key"));
	vault_free(create(path));
	/* None of these may even be tried: it would take hours or memory. */
	assert_header_refused(path, "\"passes\":1,", "\"passes\":4000000000,");
	assert_header_refused(path, "\"passes\":1,", "\"passes\":0,");
	assert_header_refused(path, "\"passes\":1,", "\"passes\":-1,");
	assert_header_refused(
	    path, "\"memory\":8388608", "\"memory\":1099511627776");
	assert_header_refused(path, "\"memory\":8388608", "\"memory\":8192");
	assert_header_refused(path, "\"version\":1", "\"version\":2");
	assert_header_refused(path, "{\"format\"", "{\"more\":1,\"format\"");
	assert_header_refused(path, "{\"format\"", "{\"passes\":1,\"format\"");
}

static void
test_vault_refuses_other_files(void **state)
{
	const char *path = folder_path("open.key");
	struct vault *vault = NULL;

	(void)state;
	assert_status(vault_open(folder_path("none.key"),
			  BYTES_LITERAL(PASSWORD), &vault, &error),
	    STATUS_NOT_FOUND);
	vault_free(create(path));
	assert_int_equal(chmod(path, 0644), 0);
	assert_status(vault_open(path, BYTES_LITERAL(PASSWORD), &vault, &error),
	    STATUS_DENIED);
	assert_non_null(strstr(error.text, "chmod 600"));
	folder_write(folder_path("empty.key"), bytes_empty());
	assert_closed(folder_path("empty.key"), BYTES_LITERAL(PASSWORD));
}

static void
test_vault_checks_new_passwords(void **state)
{
	struct vault *vault = NULL;

	(void)state;
	assert_status(
	    vault_create(folder_path("short.key"), BYTES_LITERAL("client#2"),
		BYTES_LITERAL("short"), &server, cheap, &vault, &error),
	    STATUS_INVALID);
	assert_int_equal(error.exit, EXIT_CODE_USAGE);
	assert_status(
	    vault_create(folder_path("short.key"), BYTES_LITERAL("two words"),
		BYTES_LITERAL(PASSWORD), &server, cheap, &vault, &error),
	    STATUS_INVALID);
	assert_int_equal(error.exit, EXIT_CODE_USAGE);
}

static void
test_vault_tells_its_name_in_clear(void **state)
{
	const char *path = folder_path("peek.key");
	struct buf name;

	(void)state;
	vault_free(create(path));
	buf_init(&name, 256);
	assert_ok(vault_peek_name(path, &name));
	assert_bytes(buf_bytes(&name), BYTES_LITERAL("Client#2"));
	folder_write(path, BYTES_LITERAL("{}\nx\n"));
	assert_status(vault_peek_name(path, &name), STATUS_INVALID);
	buf_clear(&name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vault_gives_back_what_was_made),
	    cmocka_unit_test(test_vault_is_not_made_twice),
	    cmocka_unit_test(test_vault_refuses_wrong_passwords),
	    cmocka_unit_test(test_vault_takes_a_password_in_any_normal_form),
	    cmocka_unit_test(test_vault_refuses_every_flipped_byte),
	    cmocka_unit_test(test_vault_refuses_every_cut),
	    cmocka_unit_test(test_vault_refuses_costs_out_of_bounds),
	    cmocka_unit_test(test_vault_refuses_other_files),
	    cmocka_unit_test(test_vault_checks_new_passwords),
	    cmocka_unit_test(test_vault_tells_its_name_in_clear),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
