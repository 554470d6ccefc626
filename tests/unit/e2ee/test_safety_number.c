#include "tests/unit/unit.h"

#include <ctype.h>
#include <string.h>

#include "e2ee/safety_number.h"
#include "people.h"

static struct people people;
static struct identity sender, recipient;

static void
number(const struct identity *a, const struct identity *b, char *out)
{
	assert_ok(e2ee_safety_number(a, b, out));
}

static void
test_safety_number_is_the_same_on_both_sides(void **state)
{
	char one[E2EE_SAFETY_NUMBER_LENGTH + 1];
	char other[E2EE_SAFETY_NUMBER_LENGTH + 1];
	size_t i;

	(void)state;
	number(&sender, &recipient, one);
	number(&recipient, &sender, other);
	assert_string_equal(one, other);
	assert_int_equal(strlen(one), 71);
	for (i = 0; i < strlen(one); i++)
		assert_true(i % 6 == 5 ? one[i] == ' ' : isdigit(one[i]));
	/* the halves are in order */
	assert_true(strncmp(one, one + 36, 35) <= 0);
}

static void
test_safety_number_of_oneself(void **state)
{
	char text[E2EE_SAFETY_NUMBER_LENGTH + 1];

	(void)state;
	number(&sender, &sender, text);
	assert_memory_equal(text, text + 36, 35);
}

static void
test_safety_number_changes_with_each_field(void **state)
{
	char honest[E2EE_SAFETY_NUMBER_LENGTH + 1];
	char text[E2EE_SAFETY_NUMBER_LENGTH + 1];
	struct identity changed;

	(void)state;
	number(&sender, &recipient, honest);
	changed = recipient;
	changed.signing_key.bytes[0] ^= 1;
	number(&sender, &changed, text);
	assert_string_not_equal(text, honest);
	changed = recipient;
	changed.encryption_key.bytes[31] ^= 1;
	number(&sender, &changed, text);
	assert_string_not_equal(text, honest);
	changed = recipient;
	changed.server_key.bytes[0] ^= 1;
	number(&sender, &changed, text);
	assert_string_not_equal(text, honest);
	changed = recipient;
	strcpy(changed.canonical_name, "client#4");
	number(&sender, &changed, text);
	assert_string_not_equal(text, honest);
	/* but not with the spelling or the time */
	changed = recipient;
	strcpy(changed.name, "CLIENT#3");
	changed.created_at_ms++;
	number(&sender, &changed, text);
	assert_string_equal(text, honest);
}

static int
setup(void **state)
{
	(void)state;
	people_init(&people);
	if (identity_verify_bytes(buf_bytes(&people.sender.statement),
	    &people.server.public_key, &sender) != STATUS_OK ||
	    identity_verify_bytes(buf_bytes(&people.recipient.statement),
	    &people.server.public_key, &recipient) != STATUS_OK)
		return -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	people_clear(&people);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_safety_number_is_the_same_on_both_sides),
		cmocka_unit_test(test_safety_number_of_oneself),
		cmocka_unit_test(test_safety_number_changes_with_each_field),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
