#include "tests/integration/store/group_fixture.h"

#include <string.h>

/* Messages to groups, how groups stand, and lists of them. */

enum { USERS = 5 };

static struct store *store;
static const char *conninfo;
static struct user users[USERS]; /* the first is the admin */
static struct user *const admin = &users[0];
static struct trial trial;

static int
set_up(void **state)
{
	(void)state;
	conninfo = fixture_database();
	store = fixture_store(conninfo, NULL, NULL);
	users_sign_up(store, users, USERS);
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

/* A group in epoch 1 with the admin and users 1 to count; inboxes empty. */
static void
make_group(struct group *group, size_t count)
{
	group_begin(store, conninfo, group, admin, &users[1], count);
}

/* --- Sending -------------------------------------------------------------- */

static void
test_send_to_groups_and_users(void **state)
{
	struct store_send_message messages[6], repeated[6];
	struct group group, young, foreign;
	struct store_send send;

	(void)state;
	make_group(&group, 2);
	group_create(store, &young, "young", admin, &users[1], 1);
	foreign = group;
	foreign.id ^= 2;
	memset(messages, 0, sizeof(messages));
	for (size_t i = 0; i < 6; i++)
		messages[i].ciphertext = bytes_make(&"abcdef"[i], 1);
	messages[0].group_id = group.id;
	messages[0].epoch = 1;
	memcpy(messages[1].recipient_key, users[2].key, 32);
	messages[2].group_id = foreign.id;
	messages[2].epoch = 1;
	messages[3].group_id = group.id;
	messages[3].epoch = 2;
	messages[4].group_id = young.id;
	messages[5].group_id = group.id;
	messages[5].epoch = 1;
	memcpy(repeated, messages, sizeof(messages));
	send_fill(&send, admin, ++admin->sequence, messages, 6);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(messages[0].outcome, STORE_SEND_OUTCOME_STORED);
	assert_int_equal(messages[1].outcome, STORE_SEND_OUTCOME_STORED);
	assert_int_equal(messages[2].outcome,
	    STORE_SEND_OUTCOME_UNKNOWN_GROUP);
	assert_int_equal(messages[3].outcome, STORE_SEND_OUTCOME_STALE_EPOCH);
	assert_int_equal(messages[4].outcome, STORE_SEND_OUTCOME_STALE_EPOCH);
	assert_int_equal(messages[5].outcome, STORE_SEND_OUTCOME_STORED);
	assert_true(memcmp(messages[0].id, messages[1].id, 16) < 0);
	assert_true(memcmp(messages[1].id, messages[5].id, 16) < 0);
	/* One id and one body for all who get it. */
	assert_int_equal(fixture_sql(conninfo, "SELECT count(DISTINCT id)"
	    " FROM messages WHERE group_id = %lld", (long long)group.id), 2);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
	    " group_bodies WHERE group_id = %lld AND octet_length(body) = 1",
	    (long long)group.id), 2);

	send.messages = repeated;
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_REPEATED);
	assert_memory_equal(repeated, messages, sizeof(messages));
	assert_string_equal(drain(store, &users[1]), "group:1:a group:1:f");
	assert_string_equal(drain(store, &users[2]), "group:1:a b group:1:f");
	/* An update, and whatever its sender sends next. */
	group_rotate(store, &group, &users[1], 2);
	assert_int_equal(group_send(store, &group, admin, 1,
	    BYTES_LITERAL("old"), NULL), STORE_SEND_OUTCOME_STALE_EPOCH);
	assert_int_equal(group_send(store, &group, admin, 2,
	    BYTES_LITERAL("new"), NULL), STORE_SEND_OUTCOME_STORED);
	assert_string_equal(drain(store, &users[1]),
	    "update:2:u1:roster group:2:new");
}

/* Whoever is alone in a group sends to nobody. */
static void
test_send_without_recipients(void **state)
{
	struct group group;

	(void)state;
	group_create(store, &group, "alone", admin, NULL, 0);
	group_rotate(store, &group, NULL, 0);
	assert_int_equal(group_send(store, &group, admin, 1,
	    BYTES_LITERAL("x"), NULL), STORE_SEND_OUTCOME_STORED);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
	    " group_bodies WHERE group_id = %lld", (long long)group.id), 0);
	assert_string_equal(drain(store, admin), "");
}

/* --- Reading -------------------------------------------------------------- */

static void
read_group(struct store_group_read *read, struct user *user, int64_t group_id,
    enum store_group_verdict verdict)
{
	memset(read, 0, sizeof(*read));
	head_fill(&read->head, STORE_KIND_GROUP_READ, user, group_id);
	assert_ok(fixture_run(store, &read->head.operation));
	assert_verdict(&read->head, verdict);
}

static void
test_read_tells_how_a_group_stands(void **state)
{
	struct store_group_read read;
	struct group group;

	(void)state;
	group_create(store, &group, "team", admin, &users[1], 3);
	read_group(&read, admin, group.id, STORE_GROUP_VERDICT_DONE);
	assert_int_equal(read.epoch, 0);
	assert_bytes(read.name, BYTES_LITERAL("team"));
	assert_int_equal(read.roster.size, 0);
	assert_int_equal(read.leave_count, 0);
	assert_true(read.is_admin);
	assert_memory_equal(read.next_share, group.next_share, 32);
	assert_int_equal(read.member_count, 3);
	assert_memory_equal(read.member_keys[2], users[3].key, 32);
	store_operation_clear(&read.head.operation);
	assert_null(read.member_keys);
	read_group(&read, &users[1], group.id, STORE_GROUP_VERDICT_DONE);
	assert_false(read.is_admin);
	assert_int_equal(read.member_count, 0);
	store_operation_clear(&read.head.operation);

	group_rotate(store, &group, &users[1], 3);
	group_leave(store, &group, &users[2], "two", STORE_GROUP_VERDICT_DONE);
	group_leave(store, &group, &users[3], "three",
	    STORE_GROUP_VERDICT_DONE);
	read_group(&read, admin, group.id, STORE_GROUP_VERDICT_DONE);
	assert_int_equal(read.epoch, 1);
	assert_bytes(read.roster, BYTES_LITERAL("roster"));
	assert_int_equal(read.leave_count, 2);
	assert_int_equal(read.leaves[0].size + read.leaves[1].size, 8);
	assert_int_equal(read.member_count, 0);
	assert_memory_equal(read.next_share, group.next_share, 32);
	store_operation_clear(&read.head.operation);
	read_group(&read, &users[3], group.id, STORE_GROUP_VERDICT_UNKNOWN);
	read_group(&read, &users[4], group.id, STORE_GROUP_VERDICT_UNKNOWN);
	read_group(&read, &users[1], 12345, STORE_GROUP_VERDICT_UNKNOWN);

	/* Repeated: made afresh, and nothing for who is out by now. */
	read_group(&read, &users[1], group.id, STORE_GROUP_VERDICT_DONE);
	store_operation_clear(&read.head.operation);
	group_rotate(store, &group, &users[1], 1);
	assert_ok(fixture_run(store, &read.head.operation));
	assert_int_equal(read.head.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(read.head.verdict, STORE_GROUP_VERDICT_DONE);
	assert_int_equal(read.epoch, 2);
	assert_int_equal(read.leave_count, 0);
	store_operation_clear(&read.head.operation);
	group_rotate(store, &group, &users[1], 1);
	trial_fill(&trial, &group, NULL, 0);
	trial_remove(&trial, &users[1], NULL);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_ok(fixture_run(store, &read.head.operation));
	assert_int_equal(read.head.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(read.head.result.code, 0);
	assert_int_equal(read.head.verdict, STORE_GROUP_VERDICT_UNKNOWN);
	assert_int_equal(read.roster.size, 0);
	store_operation_clear(&read.head.operation);
}

static void
list_groups(struct store_group_list *list, struct user *user, int64_t above)
{
	memset(list, 0, sizeof(*list));
	head_fill(&list->head, STORE_KIND_GROUP_LIST, user, above);
	assert_ok(fixture_run(store, &list->head.operation));
	assert_verdict(&list->head, STORE_GROUP_VERDICT_DONE);
}

static void
test_list(void **state)
{
	struct group groups[3];
	struct store_group_list list;
	struct user eve;
	long long id;

	(void)state;
	user_sign_up(store, &eve, "eve");
	list_groups(&list, &eve, 0);
	assert_int_equal(list.entry_count, 0);
	assert_false(list.has_more);
	store_operation_clear(&list.head.operation);
	group_create(store, &groups[0], "hers", &eve, users, 1);
	group_create(store, &groups[1], "ours", admin, &eve, 1);
	group_rotate(store, &groups[1], &eve, 1);
	group_create(store, &groups[2], "left", admin, &eve, 1);
	group_rotate(store, &groups[2], &eve, 1);
	group_leave(store, &groups[2], &eve, "bye", STORE_GROUP_VERDICT_DONE);
	list_groups(&list, &eve, 0);
	assert_int_equal(list.entry_count, 2);
	assert_true(list.entries[0].group_id < list.entries[1].group_id);
	for (size_t i = 0; i < 2; i++) {
		bool is_hers = list.entries[i].group_id == groups[0].id;

		assert_int_equal(list.entries[i].is_admin, is_hers);
		assert_int_equal(list.entries[i].epoch, !is_hers);
		assert_bytes(list.entries[i].name, is_hers ?
		    BYTES_LITERAL("hers") : BYTES_LITERAL("ours"));
	}
	id = (long long)list.entries[0].group_id;
	store_operation_clear(&list.head.operation);
	assert_null(list.entries);
	list_groups(&list, &eve, id);
	assert_int_equal(list.entry_count, 1);
	store_operation_clear(&list.head.operation);

	/* As many as fit, and one more. */
	fixture_sql(conninfo, "INSERT INTO groups SELECT n, 1, 0, 'many', %lld,"
	    " k, k FROM generate_series(1, 1023) AS n,"
	    " lateral (SELECT sha256(int8send(n)) AS k) AS keys;"
	    "INSERT INTO group_members SELECT n, %lld"
	    " FROM generate_series(1, 1023) AS n;"
	    "INSERT INTO member_groups SELECT %lld, n"
	    " FROM generate_series(1, 1023) AS n", (long long)eve.id,
	    (long long)eve.id, (long long)eve.id);
	list_groups(&list, &eve, 0);
	assert_int_equal(list.entry_count, STORE_GROUP_LIST_MAX);
	assert_true(list.has_more);
	assert_int_equal(list.entries[1022].group_id, 1023);
	id = (long long)list.entries[1023].group_id;
	store_operation_clear(&list.head.operation);
	list_groups(&list, &eve, id);
	assert_int_equal(list.entry_count, 1);
	assert_false(list.has_more);
	store_operation_clear(&list.head.operation);
	list_groups(&list, &eve, 1);
	assert_int_equal(list.entry_count, STORE_GROUP_LIST_MAX);
	assert_false(list.has_more);
	/* Repeated, without one that is gone by now. */
	fixture_sql(conninfo, "DELETE FROM groups WHERE id = 2");
	store_operation_clear(&list.head.operation);
	assert_ok(fixture_run(store, &list.head.operation));
	assert_int_equal(list.head.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(list.entry_count, STORE_GROUP_LIST_MAX - 1);
	assert_int_equal(list.entries[0].group_id, 3);
	store_operation_clear(&list.head.operation);
	fixture_sql(conninfo, "DELETE FROM groups WHERE id < 1024;"
	    "DELETE FROM group_members WHERE group_id < 1024;"
	    "DELETE FROM member_groups WHERE group_id < 1024");
}

#define READ_TEST(f) cmocka_unit_test_setup(f, empty_inboxes)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		READ_TEST(test_send_to_groups_and_users),
		READ_TEST(test_send_without_recipients),
		READ_TEST(test_read_tells_how_a_group_stands),
		READ_TEST(test_list),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
