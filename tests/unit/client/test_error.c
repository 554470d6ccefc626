#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "client/error.h"

static void
test_error_is_cut_between_characters(void **state)
{
	char text[CLIENT_ERROR_TEXT_SIZE + 16];
	struct client_error error;

	(void)state;
	for (size_t start = 0; start < 4; start++) {
		memset(text, 'x', start);
		for (size_t i = start; i + 2 < sizeof(text); i += 2)
			memcpy(text + i, "\xd8\xb3", 3);
		assert_status(client_error_set(&error, STATUS_DENIED,
				  EXIT_CODE_REFUSED, "%s", text),
		    STATUS_DENIED);
		assert_int_equal(error.exit, EXIT_CODE_REFUSED);
		assert_true(text_is_utf8(bytes_from_string(error.text)));
		assert_true(strlen(error.text) >= CLIENT_ERROR_TEXT_SIZE - 3);
	}
	assert_status(
	    client_error_set(NULL, STATUS_BUSY, EXIT_CODE_FAILED, "x"),
	    STATUS_BUSY);
}

static void
test_error_of_the_system_says_why(void **state)
{
	struct client_error error;

	(void)state;
	errno = ENOSPC;
	assert_status(
	    client_error_set_plain(&error, STATUS_IO, "write the file"),
	    STATUS_IO);
	assert_string_equal(error.text,
	    "Peyk could not write the file: No space left on device.");
	assert_int_equal(error.exit, EXIT_CODE_FAILED);
}

static void
test_error_shows_names_harmlessly(void **state)
{
	char shown[16];

	(void)state;
	client_display(
	    BYTES_LITERAL("a\x1b[2J\nb\xe2\x80\xae"), shown, sizeof(shown));
	assert_string_equal(shown, "a[2J b");
	client_display(
	    BYTES_LITERAL("123456789012345\xd8\xb3"), shown, sizeof(shown));
	assert_string_equal(shown, "123456789012345");
	client_display(bytes_empty(), shown, sizeof(shown));
	assert_string_equal(shown, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_error_is_cut_between_characters),
	    cmocka_unit_test(test_error_of_the_system_says_why),
	    cmocka_unit_test(test_error_shows_names_harmlessly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
