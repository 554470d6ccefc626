#include "tests/integration/store/group_fixture.h"

#include <stdio.h>
#include <stdlib.h>
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
	for (int i = 0; i < USERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%d", i);
		user_sign_up(store, &users[i], name);
	}
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
	group_create(store, group, "team", admin, &users[1], count);
	group_rotate(store, group, &users[1], count);
	fixture_sql(conninfo, "DELETE FROM messages");
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
	assert_int_equal(fixture_sql(conninfo, "SELECT epoch FROM"
	    " group_members WHERE group_id = %lld AND member_id = %lld",
	    (long long)group.id, (long long)users[3].id), 2);

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
	group_leave(store, &group, &users[3], "me too",
	    STORE_GROUP_VERDICT_DONE);
	assert_string_equal(drain(store, &users[2]), "");
	assert_string_equal(drain(store, admin), "group:1:hi leave:me too");

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
	    "INSERT INTO group_members SELECT n, %lld, 0"
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
		GROUP_TEST(test_send_to_groups_and_users),
		GROUP_TEST(test_send_without_recipients),
		GROUP_TEST(test_read_tells_how_a_group_stands),
		GROUP_TEST(test_list),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
