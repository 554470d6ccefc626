#include "tests/integration/store/group_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Operations on groups: their verdicts, and what becomes of inboxes. */

enum { USERS = 6 };

static struct store *store;
static const char *conninfo;
static struct user users[USERS]; /* the first is the admin */
static struct user *const admin = &users[0];

static int
set_up(void **state)
{
	(void)state;
	conninfo = fixture_database();
	store = fixture_store(conninfo, NULL, NULL);
	for (int i = 0; i < USERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%d", i);
		user_sign_up(store, &users[i], name);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	store_stop(store);
	store_free(store);
	return 0;
}

/* Nobody has anything left over from the test before. */
static int
empty_inboxes(void **state)
{
	(void)state;
	fixture_sql(conninfo, "DELETE FROM messages");
	return 0;
}

static void
test_a_group_from_birth_to_death(void **state)
{
	struct group group;

	(void)state;
	group_create(store, &group, "team", admin, &users[1], 2);
	group_rotate(store, &group, &users[1], 2);
	assert_string_equal(drain(store, &users[1]), "update:1:u1:roster");
	assert_string_equal(drain(store, &users[2]), "update:1:u2:roster");
	assert_string_equal(drain(store, admin), "");
	assert_int_equal(group_send(store, &group, &users[1], 1,
	    BYTES_LITERAL("hello"), NULL), STORE_SEND_OUTCOME_STORED);
	assert_string_equal(drain(store, admin), "group:1:hello");
	assert_string_equal(drain(store, &users[1]), "");
	assert_string_equal(drain(store, &users[2]), "group:1:hello");
	group_leave(store, &group, &users[2], "bye", STORE_GROUP_VERDICT_DONE);
	assert_string_equal(drain(store, admin), "leave:bye");
	assert_string_equal(drain(store, &users[1]), "leave:bye");
	assert_string_equal(drain(store, &users[2]), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_group_from_birth_to_death,
		    empty_inboxes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
