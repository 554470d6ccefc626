#include "tests/integration/store/group_fixture.h"

#include <stdio.h>
#include <string.h>

/* Operations on groups: their verdicts, and what they change. */

enum { USERS = 6 };

static struct store *store;
static const char *conninfo;
static struct user users[USERS]; /* the first is the admin */
static struct user *const admin = &users[0];
static struct user unknown, stale; /* no account; one with another key */
static struct trial trial;

static int
set_up(void **state)
{
	(void)state;
	conninfo = fixture_database();
	store = fixture_store(conninfo, NULL, NULL);
	users_sign_up(store, users, USERS);
	user_init(&unknown, "unknown");
	user_sign_up(store, &stale, "stale");
	fixture_sql(conninfo, "UPDATE signing_keys SET state = 2"
	    " WHERE account_id = %lld", (long long)stale.id);
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

/* Both tables say the same, and every group has its admin. */
static void
assert_tables_agree(void)
{
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
	    " (SELECT * FROM group_members WHERE leave IS NULL) AS m"
	    " FULL JOIN member_groups AS i ON i.group_id = m.group_id AND"
	    " i.member_id = m.member_id"
	    " WHERE m.group_id IS NULL OR i.group_id IS NULL"), 0);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM groups g"
	    " WHERE NOT EXISTS (SELECT FROM group_members m WHERE"
	    " m.group_id = g.id AND m.member_id = g.admin_id"
	    " AND m.leave IS NULL)"), 0);
}

static void
test_group_from_birth_to_death(void **state)
{
	struct store_group_delete end;
	struct store_group_member letters[2] = { 0 };
	struct group group;

	(void)state;
	group_create(store, &group, "team", admin, &users[1], 3);
	group_rotate(store, &group, &users[1], 3);
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
	drain(store, &users[3]);
	memset(&end, 0, sizeof(end));
	head_fill(&end.head, STORE_KIND_GROUP_DELETE, admin, group.id);
	end.epoch = 1;
	end.letters = letters;
	end.letter_count = 1;
	memcpy(letters[0].signing_key, users[3].key, 32);
	letters[0].letter = BYTES_LITERAL("farewell");
	assert_ok(fixture_run(store, &end.head.operation));
	assert_verdict(&end.head, STORE_GROUP_VERDICT_DONE);
	assert_string_equal(drain(store, &users[1]), "");
	assert_string_equal(drain(store, &users[3]), "farewell");
	assert_int_equal(fixture_sql(conninfo, "SELECT"
	    " (SELECT count(*) FROM groups WHERE id = %lld) +"
	    " (SELECT count(*) FROM group_members WHERE group_id = %lld)",
	    (long long)group.id, (long long)group.id), 0);
	assert_tables_agree();
	/* Again: as it was stored. */
	assert_ok(fixture_run(store, &end.head.operation));
	assert_int_equal(end.head.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(end.head.result.code, 0);
	assert_string_equal(drain(store, &users[3]), "");
}

/* --- Creating ------------------------------------------------------------- */

static void
create_fill(struct store_group_create *create, uint8_t (*keys)[32],
    const struct user *member)
{
	memset(create, 0, sizeof(*create));
	head_fill(&create->head, STORE_KIND_GROUP_CREATE, admin, 4711);
	create->name = BYTES_LITERAL("new");
	memset(create->next_share, 5, 32);
	memset(create->next_share_hash, 6, 32);
	memcpy(keys[0], users[1].key, 32);
	memcpy(keys[1], member->key, 32);
	create->member_keys = (const uint8_t(*)[32])keys;
	create->member_count = 2;
}

static void
test_create_stores_its_result(void **state)
{
	struct store_group_create create;
	uint8_t keys[2][32], zeros[32] = { 0 }, share[32];

	(void)state;
	memset(share, 5, sizeof(share));
	create_fill(&create, keys, &users[2]);
	assert_ok(fixture_run(store, &create.head.operation));
	assert_verdict(&create.head, STORE_GROUP_VERDICT_DONE);
	assert_memory_equal(create.current_share, share, 32);
	assert_tables_agree();
	/* Another id and share, as a server would draw them anew. */
	create.head.group_id = 4712;
	memset(create.next_share, 9, 32);
	assert_ok(fixture_run(store, &create.head.operation));
	assert_int_equal(create.head.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(create.head.group_id, 4711);
	assert_memory_equal(create.current_share, share, 32);
	assert_int_equal(fixture_sql(conninfo,
	    "SELECT count(*) FROM groups WHERE id = 4712"), 0);
	/* A number that is not next says nothing. */
	create.head.number.sequence += 5;
	assert_ok(fixture_run(store, &create.head.operation));
	assert_int_equal(create.head.result.claim, STORE_CLAIM_NONE);
	assert_memory_equal(create.current_share, zeros, 32);
}

static void
test_create_wants_current_keys(void **state)
{
	const struct user *const wrong[] = { &unknown, &stale };
	struct store_group_create create;
	uint8_t keys[2][32];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		create_fill(&create, keys, wrong[i]);
		create.head.group_id = 4800;
		assert_ok(fixture_run(store, &create.head.operation));
		assert_verdict(&create.head,
		    STORE_GROUP_VERDICT_STALE_MEMBER);
		/* It stays refused. */
		memcpy(keys[1], users[2].key, 32);
		assert_ok(fixture_run(store, &create.head.operation));
		assert_int_equal(create.head.result.claim,
		    STORE_CLAIM_REPEATED);
		assert_int_equal(create.head.result.code,
		    refusal_code(STORE_GROUP_VERDICT_STALE_MEMBER));
		assert_string_equal(create.head.result.message,
		    "stale member");
	}
	assert_int_equal(fixture_sql(conninfo,
	    "SELECT count(*) FROM groups WHERE id = 4800"), 0);
	assert_tables_agree();
}

/* --- Updates -------------------------------------------------------------- */

/* A refused update changes nothing and tells nobody. */
static void
assert_refused(struct group *group, enum store_group_verdict verdict)
{
	int64_t before = fixture_sql(conninfo,
	    "SELECT version FROM groups WHERE id = %lld",
	    (long long)group->id);

	trial_run(store, &trial, group, verdict);
	assert_int_equal(fixture_sql(conninfo,
	    "SELECT version FROM groups WHERE id = %lld",
	    (long long)group->id), before);
	assert_int_equal(fixture_sql(conninfo,
	    "SELECT count(*) FROM messages"), 0);
}

static void
test_update_wants_its_admin_and_state(void **state)
{
	struct group group, other;

	(void)state;
	make_group(&group, 3);
	other = group;
	other.id = 12345;
	trial_fill(&trial, &group, &users[1], 3);
	trial_run(store, &trial, &other, STORE_GROUP_VERDICT_UNKNOWN);
	other = group;
	other.admin = &users[4]; /* no member */
	trial_run(store, &trial, &other, STORE_GROUP_VERDICT_UNKNOWN);
	other.admin = &users[2];
	trial_run(store, &trial, &other, STORE_GROUP_VERDICT_NOT_ADMIN);
	trial.update.epoch++;
	assert_refused(&group, STORE_GROUP_VERDICT_MOVED);
	trial.update.epoch -= 2;
	assert_refused(&group, STORE_GROUP_VERDICT_MOVED);
	trial.update.epoch++;
	trial.update.share_hash[7] ^= 1;
	assert_refused(&group, STORE_GROUP_VERDICT_MOVED);
	trial.update.share_hash[7] ^= 1;
	trial.update.previous_hash[31] ^= 1;
	assert_refused(&group, STORE_GROUP_VERDICT_MOVED);
	trial.update.previous_hash[31] ^= 1;
	trial.update.name = BYTES_LITERAL("Team");
	assert_refused(&group, STORE_GROUP_VERDICT_WRONG_ROSTER);
	trial.update.name = BYTES_LITERAL("team");
	memcpy(trial.update.admin_key, users[1].key, 32);
	assert_refused(&group, STORE_GROUP_VERDICT_WRONG_ROSTER);
	memcpy(trial.update.admin_key, admin->key, 32);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	/* Once. */
	fixture_sql(conninfo, "DELETE FROM messages");
	assert_refused(&group, STORE_GROUP_VERDICT_MOVED);
}

static void
test_update_wants_the_members_that_are_there(void **state)
{
	struct group group;

	(void)state;
	make_group(&group, 3);
	/* One is missing; one is too many. */
	trial_fill(&trial, &group, &users[1], 2);
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	trial_fill(&trial, &group, &users[1], 4);
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	/* Whoever comes must not be there, whoever goes must. */
	trial_fill(&trial, &group, &users[1], 2);
	trial_add(&trial, &users[3]);
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	trial_fill(&trial, &group, &users[1], 3);
	trial_remove(&trial, &users[4], "x");
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	trial_fill(&trial, &group, &users[1], 3);
	trial_remove(&trial, &unknown, "x");
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	/* Whoever goes does not stay, nor is it replaced without a word. */
	trial_fill(&trial, &group, &users[1], 3);
	trial_remove(&trial, &users[3], "x");
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	trial_fill(&trial, &group, &users[1], 2);
	trial_add(&trial, &users[4]);
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	/* Named twice; named, but not in the roster. */
	trial_fill(&trial, &group, &users[1], 3);
	trial_add(&trial, &users[4]);
	memcpy(trial.added[1], users[4].key, 32);
	trial.update.added_count = 2;
	trial.members[trial.member_count++] = trial.members[4];
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	trial_fill(&trial, &group, &users[1], 4);
	memcpy(trial.added[0], users[5].key, 32);
	trial.update.added_count = 1;
	assert_refused(&group, STORE_GROUP_VERDICT_UNFIT);
	/* Keys that are nobody's. */
	trial_fill(&trial, &group, &users[1], 3);
	trial_add(&trial, &unknown);
	assert_refused(&group, STORE_GROUP_VERDICT_STALE_MEMBER);
	trial_fill(&trial, &group, &users[1], 3);
	trial_add(&trial, &stale);
	assert_refused(&group, STORE_GROUP_VERDICT_STALE_MEMBER);
	group_rotate(store, &group, &users[1], 3);
	assert_tables_agree();
}

static void
test_update_adds_and_removes(void **state)
{
	struct group group;
	struct user key_lost;

	(void)state;
	make_group(&group, 2);
	user_sign_up(store, &key_lost, "key lost");
	trial_fill(&trial, &group, &users[1], 2);
	trial_add(&trial, &users[3]);
	trial_add(&trial, &key_lost);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_tables_agree();
	assert_string_equal(drain(store, &users[1]), "update:2:u1:roster");
	assert_string_equal(drain(store, &users[3]), "update:2:u3:roster");

	/* One goes with a letter, one without, one whose key is replaced. */
	fixture_sql(conninfo, "DELETE FROM messages");
	fixture_sql(conninfo, "UPDATE signing_keys SET state = 2"
	    " WHERE account_id = %lld", (long long)key_lost.id);
	trial_fill(&trial, &group, &users[1], 1);
	trial_remove(&trial, &users[2], "farewell");
	trial_remove(&trial, &users[3], NULL);
	trial_remove(&trial, &key_lost, "farewell");
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_tables_agree();
	assert_string_equal(drain(store, &users[1]), "update:3:u1:roster");
	assert_string_equal(drain(store, &users[2]), "farewell");
	assert_string_equal(drain(store, &users[3]), "");
	assert_string_equal(drain(store, &key_lost), "");
	assert_int_equal(group_send(store, &group, &users[2], 3,
	    BYTES_LITERAL("I am still here"), NULL),
	    STORE_SEND_OUTCOME_UNKNOWN_GROUP);

	/* A new name, and another admin, who alone decides from then on. */
	trial_fill(&trial, &group, &users[1], 1);
	trial.update.name = BYTES_LITERAL("crew");
	trial.update.may_rename = true;
	memcpy(trial.update.admin_key, users[1].key, 32);
	trial.update.may_hand_over = true;
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_false(trial.update.is_admin);
	assert_ok(fixture_run(store, &trial.update.head.operation));
	assert_int_equal(trial.update.head.result.claim, STORE_CLAIM_REPEATED);
	assert_false(trial.update.is_admin);
	snprintf(group.name, sizeof(group.name), "crew");
	trial_fill(&trial, &group, &users[1], 1);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_NOT_ADMIN);
	group.admin = &users[1];
	trial_fill(&trial, &group, admin, 1);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	group_leave(store, &group, admin, "bye", STORE_GROUP_VERDICT_DONE);
	assert_tables_agree();
}

static void
test_update_repeated_tells_the_share_again(void **state)
{
	struct group group;

	(void)state;
	make_group(&group, 1);
	trial_fill(&trial, &group, &users[1], 1);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_true(trial.update.is_admin);
	assert_memory_equal(trial.update.current_share, group.next_share, 32);
	memset(trial.update.next_share, 1, 32);
	assert_ok(fixture_run(store, &trial.update.head.operation));
	assert_int_equal(trial.update.head.result.claim, STORE_CLAIM_REPEATED);
	assert_true(trial.update.is_admin);
	assert_memory_equal(trial.update.current_share, group.next_share, 32);
	assert_string_equal(drain(store, &users[1]), "update:2:u1:roster");
}

/* --- Leaving -------------------------------------------------------------- */

static void
test_leave(void **state)
{
	struct store_group_leave leave;
	struct group group, other;

	(void)state;
	group_create(store, &group, "team", admin, &users[1], 3);
	group_leave(store, &group, &users[1], "x", STORE_GROUP_VERDICT_NO_KEY);
	group_rotate(store, &group, &users[1], 3);
	fixture_sql(conninfo, "DELETE FROM messages");
	group_leave(store, &group, admin, "x",
	    STORE_GROUP_VERDICT_ADMIN_LEAVES);
	group_leave(store, &group, &users[4], "x",
	    STORE_GROUP_VERDICT_UNKNOWN);
	other = group;
	other.id = 12345;
	group_leave(store, &other, &users[1], "x",
	    STORE_GROUP_VERDICT_UNKNOWN);
	other = group;
	other.epoch++;
	group_leave(store, &other, &users[1], "x", STORE_GROUP_VERDICT_MOVED);

	memset(&leave, 0, sizeof(leave));
	head_fill(&leave.head, STORE_KIND_GROUP_LEAVE, &users[2], group.id);
	leave.epoch = 1;
	leave.leave = BYTES_LITERAL("bye");
	for (int i = 0; i < 2; i++) {
		assert_ok(fixture_run(store, &leave.head.operation));
		assert_int_equal(leave.head.result.claim, i == 0 ?
		    STORE_CLAIM_CLAIMED : STORE_CLAIM_REPEATED);
		assert_int_equal(leave.head.result.code, 0);
	}
	assert_tables_agree();
	group_leave(store, &group, &users[2], "x",
	    STORE_GROUP_VERDICT_UNKNOWN);
	assert_string_equal(drain(store, admin), "leave:bye");
	assert_string_equal(drain(store, &users[1]), "leave:bye");

	/* From now on it neither gets nor sends anything. */
	assert_int_equal(group_send(store, &group, &users[2], 1,
	    BYTES_LITERAL("x"), NULL), STORE_SEND_OUTCOME_UNKNOWN_GROUP);
	assert_int_equal(group_send(store, &group, &users[1], 1,
	    BYTES_LITERAL("hi"), NULL), STORE_SEND_OUTCOME_STORED);
	assert_string_equal(drain(store, admin), "group:1:hi");
	group_leave(store, &group, &users[3], "me too",
	    STORE_GROUP_VERDICT_DONE);
	assert_string_equal(drain(store, &users[2]), "");
	assert_string_equal(drain(store, admin), "leave:me too");

	/* Those who left are none in the next epoch; one comes back. */
	trial_fill(&trial, &group, &users[1], 3);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_UNFIT);
	trial_fill(&trial, &group, &users[1], 1);
	trial_add(&trial, &users[2]);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_tables_agree();
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
	    " group_members WHERE group_id = %lld", (long long)group.id), 3);
	assert_string_equal(drain(store, &users[2]), "update:2:u2:roster");
	assert_string_equal(drain(store, &users[3]), "leave:bye group:1:hi");
	assert_int_equal(group_send(store, &group, &users[2], 2,
	    BYTES_LITERAL("again"), NULL), STORE_SEND_OUTCOME_STORED);
}

/* Removed although it has left, before the admin knew. */
static void
test_removing_who_has_left(void **state)
{
	struct group group;

	(void)state;
	make_group(&group, 2);
	group_leave(store, &group, &users[2], "bye", STORE_GROUP_VERDICT_DONE);
	trial_fill(&trial, &group, &users[1], 1);
	trial_remove(&trial, &users[2], "farewell");
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_tables_agree();
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
	    " group_members WHERE group_id = %lld", (long long)group.id), 2);
}

/* --- Deleting ------------------------------------------------------------- */

static void
run_delete(struct user *user, int64_t group_id, uint32_t epoch,
    const struct user *letter, enum store_group_verdict verdict)
{
	struct store_group_member letters[1] = { 0 };
	struct store_group_delete end;

	memset(&end, 0, sizeof(end));
	head_fill(&end.head, STORE_KIND_GROUP_DELETE, user, group_id);
	end.epoch = epoch;
	end.letters = letters;
	end.letter_count = letter != NULL;
	if (letter != NULL)
		memcpy(letters[0].signing_key, letter->key, 32);
	letters[0].letter = BYTES_LITERAL("farewell");
	assert_ok(fixture_run(store, &end.head.operation));
	assert_verdict(&end.head, verdict);
}

static void
test_delete_verdicts(void **state)
{
	struct group group, young;

	(void)state;
	make_group(&group, 3);
	group_leave(store, &group, &users[3], "bye", STORE_GROUP_VERDICT_DONE);
	run_delete(admin, 12345, 1, NULL, STORE_GROUP_VERDICT_UNKNOWN);
	run_delete(&users[3], group.id, 1, NULL, STORE_GROUP_VERDICT_UNKNOWN);
	run_delete(&users[4], group.id, 1, NULL, STORE_GROUP_VERDICT_UNKNOWN);
	run_delete(&users[1], group.id, 1, NULL,
	    STORE_GROUP_VERDICT_NOT_ADMIN);
	run_delete(admin, group.id, 2, NULL, STORE_GROUP_VERDICT_MOVED);
	run_delete(admin, group.id, 0, NULL, STORE_GROUP_VERDICT_MOVED);
	run_delete(admin, group.id, 1, &users[4], STORE_GROUP_VERDICT_UNFIT);
	run_delete(admin, group.id, 1, &users[3], STORE_GROUP_VERDICT_UNFIT);
	run_delete(admin, group.id, 1, &unknown, STORE_GROUP_VERDICT_UNFIT);
	run_delete(admin, group.id, 1, admin, STORE_GROUP_VERDICT_UNFIT);
	fixture_sql(conninfo, "DELETE FROM messages");
	assert_int_equal(group_send(store, &group, &users[1], 1,
	    BYTES_LITERAL("late"), NULL), STORE_SEND_OUTCOME_STORED);
	run_delete(admin, group.id, 1, &users[2], STORE_GROUP_VERDICT_DONE);
	run_delete(admin, group.id, 1, NULL, STORE_GROUP_VERDICT_UNKNOWN);
	assert_int_equal(group_send(store, &group, &users[1], 1,
	    BYTES_LITERAL("x"), NULL), STORE_SEND_OUTCOME_UNKNOWN_GROUP);
	/* What was sent before still arrives. */
	assert_string_equal(drain(store, &users[2]), "group:1:late farewell");
	/* One without a key ends, too. */
	group_create(store, &young, "young", admin, &users[1], 2);
	run_delete(admin, young.id, 0, NULL, STORE_GROUP_VERDICT_DONE);
	assert_tables_agree();
}

#define GROUP_TEST(f) cmocka_unit_test_setup(f, empty_inboxes)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GROUP_TEST(test_group_from_birth_to_death),
		GROUP_TEST(test_create_stores_its_result),
		GROUP_TEST(test_create_wants_current_keys),
		GROUP_TEST(test_update_wants_its_admin_and_state),
		GROUP_TEST(test_update_wants_the_members_that_are_there),
		GROUP_TEST(test_update_adds_and_removes),
		GROUP_TEST(test_update_repeated_tells_the_share_again),
		GROUP_TEST(test_leave),
		GROUP_TEST(test_removing_who_has_left),
		GROUP_TEST(test_delete_verdicts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
