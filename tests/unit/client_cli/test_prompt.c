#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "client/prompt.h"

/* What comes of the text: its password, and the rest that was not read. */
static enum status
read_text(struct bytes text, struct prompt_password **out, char *rest,
    size_t rest_size)
{
	int ends[2];
	enum status st;
	ssize_t got;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], text.data, text.size), text.size);
	(void)close(ends[1]);
	st = prompt_password_read_fd(ends[0], out);
	got = read(ends[0], rest, rest_size - 1);
	rest[got > 0 ? got : 0] = '\0';
	(void)close(ends[0]);
	return st;
}

static void
assert_password(const char *text, const char *expected, const char *rest)
{
	struct prompt_password *password = NULL;
	char left[100];

	assert_ok(
	    read_text(bytes_from_string(text), &password, left, sizeof(left)));
	assert_string_equal(password->text, expected);
	assert_int_equal(password->size, strlen(expected));
	assert_string_equal(left, rest);
	prompt_password_free(password);
}

static void
test_prompt_first_line_of_a_descriptor(void **state)
{
	(void)state;
	assert_password("secret words", "secret words", "");
	assert_password("secret\n", "secret", "");
	assert_password("secret\r\n", "secret", "");
	assert_password("secret \nmessage one\n", "secret ", "message one\n");
	assert_password("\nx", "", "x");
	assert_password("", "", "");
	assert_password("a\rb\n", "a\rb", "");
}

static void
test_prompt_bad_passwords(void **state)
{
	static char text[PROMPT_PASSWORD_SIZE_MAX + 2];
	struct prompt_password *password = NULL;
	char left[4];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_ok(read_text(bytes_make(text, PROMPT_PASSWORD_SIZE_MAX),
	    &password, left, sizeof(left)));
	assert_int_equal(password->size, PROMPT_PASSWORD_SIZE_MAX);
	prompt_password_free(password);
	password = NULL;
	assert_status(read_text(bytes_make(text, PROMPT_PASSWORD_SIZE_MAX + 1),
			  &password, left, sizeof(left)),
	    STATUS_TOO_LARGE);
	assert_status(
	    read_text(BYTES_LITERAL("a\0b\n"), &password, left, sizeof(left)),
	    STATUS_INVALID);
	assert_status(prompt_password_read_fd(-1, &password), STATUS_IO);
	assert_int_equal(errno, EBADF);
	assert_status(prompt_password_read_file("/nonexistent/x", &password),
	    STATUS_NOT_FOUND);
	assert_status(prompt_password_read_file("/", &password), STATUS_IO);
	assert_int_equal(errno, EISDIR);
	assert_null(password);
}

static int
setup(void **state)
{
	(void)state;
	return sodium_init() >= 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_prompt_first_line_of_a_descriptor),
	    cmocka_unit_test(test_prompt_bad_passwords),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
