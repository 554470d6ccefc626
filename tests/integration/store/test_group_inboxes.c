#include "tests/integration/store/group_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/store/batch.h"
#include "server/store/sweep.h"

/* What groups put into inboxes: order, sizes, many members, the sweep. */

enum { USERS = 4, MANY = 999 };

static struct store *store;
static const char *conninfo;
static struct user users[USERS]; /* the first is the admin */
static struct user *const admin = &users[0];
static struct user many[MANY];
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

static int
empty_tables(void **state)
{
	(void)state;
	fixture_sql(conninfo, "TRUNCATE messages, group_bodies");
	return 0;
}

static struct pipeline *
open_pipeline(void)
{
	const struct pipeline_options options = { .conninfo = conninfo,
		.statement_timeout_ms = 60000, .lock_timeout_ms = 60000 };
	struct pipeline *pipeline;

	assert_ok(pipeline_open(&options, &pipeline));
	return pipeline;
}

static int64_t
count_bodies(void)
{
	return fixture_sql(conninfo, "SELECT count(*) FROM group_bodies");
}

/* A group in epoch 1 with the admin and users 1 to count; inboxes empty. */
static void
make_group(struct group *group, size_t count)
{
	group_begin(store, conninfo, group, admin, &users[1], count);
}

static void
fetch(struct store_poll *poll, struct user *user, uint32_t max_bytes)
{
	poll_fill(poll, user, ++user->sequence);
	poll->max_bytes = max_bytes;
	assert_ok(fixture_run(store, &poll->operation));
}

/* --- Fetching ------------------------------------------------------------- */

static void
test_fetch_counts_shared_bodies(void **state)
{
	static uint8_t large[100000];
	struct group group;
	struct store_poll poll;

	(void)state;
	make_group(&group, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(group_send(store, &group, admin, 1,
		    BYTES_OF(large), NULL), STORE_SEND_OUTCOME_STORED);

	const struct {
		uint32_t max_bytes;
		size_t count;
	} cases[] = {
		{ 1, 1 }, { sizeof(large), 1 }, { 2 * sizeof(large) - 1, 1 },
		{ 2 * sizeof(large), 2 }, { 3 * sizeof(large), 3 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fetch(&poll, &users[1], cases[i].max_bytes);
		assert_int_equal(poll.message_count, cases[i].count);
		assert_int_equal(poll.has_more, cases[i].count < 3);
		assert_bytes(poll.messages[0].ciphertext, BYTES_OF(large));
		assert_true(poll.messages[0].group_id == group.id);
		assert_int_equal(poll.messages[0].epoch, 1);
		store_operation_clear(&poll.operation);
	}
}

static void
test_fetch_the_largest_update(void **state)
{
	static uint8_t roster[STORE_ROSTER_MAX], letter[STORE_LETTER_MAX];
	struct group group;
	struct store_poll poll;

	(void)state;
	make_group(&group, 1);
	memset(roster, 'r', sizeof(roster));
	memset(letter, 'l', sizeof(letter));
	trial_fill(&trial, &group, &users[1], 1);
	trial.update.roster = BYTES_OF(roster);
	trial.members[1].letter = BYTES_OF(letter);
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_int_equal(group_send(store, &group, admin, 2,
	    BYTES_LITERAL("x"), NULL), STORE_SEND_OUTCOME_STORED);
	fetch(&poll, &users[1], 1);
	assert_int_equal(poll.message_count, 1);
	assert_true(poll.has_more);
	assert_bytes(poll.messages[0].roster, BYTES_OF(roster));
	assert_bytes(poll.messages[0].ciphertext, BYTES_OF(letter));
	assert_int_equal(poll.messages[0].epoch, 2);
	store_operation_clear(&poll.operation);
	fetch(&poll, &users[1], sizeof(roster) + sizeof(letter));
	assert_int_equal(poll.message_count, 1);
	store_operation_clear(&poll.operation);
	fetch(&poll, &users[1], sizeof(roster) + sizeof(letter) + 1);
	assert_int_equal(poll.message_count, 2);
	assert_bytes(poll.messages[1].ciphertext, BYTES_LITERAL("x"));
	assert_int_equal(poll.messages[1].roster.size, 0);
	store_operation_clear(&poll.operation);
}

/* Of two groups and from user to user, in the order of their ids. */
static void
test_fetch_keeps_the_order(void **state)
{
	struct group first, second;
	struct store_poll poll;
	char text[2] = "a";

	(void)state;
	make_group(&first, 3);
	make_group(&second, 2);
	for (int i = 0; i < 9; i++, text[0]++) {
		struct bytes bytes = bytes_from_string(text);

		if (i % 3 == 2)
			user_send(store, admin, &users[1], bytes, NULL);
		else
			group_send(store, i % 3 == 0 ? &first : &second, admin,
			    1, bytes, NULL);
	}
	fetch(&poll, &users[1], 3 << 20);
	for (size_t i = 1; i < poll.message_count; i++)
		assert_true(memcmp(poll.messages[i - 1].id,
		    poll.messages[i].id, 16) < 0);
	store_operation_clear(&poll.operation);
	assert_string_equal(drain(store, &users[1]), "group:1:a group:1:b c"
	    " group:1:d group:1:e f group:1:g group:1:h i");
	assert_string_equal(drain(store, &users[3]),
	    "group:1:a group:1:d group:1:g");
}

/* Fetched by many in one transaction; each has a copy of its own. */
static void
test_fetch_in_one_batch(void **state)
{
	struct store_operation *operations[3];
	struct pipeline *pipeline = open_pipeline();
	struct batch_mail mail = { 0 };
	struct store_poll polls[3];
	struct group group;

	(void)state;
	make_group(&group, 3);
	for (int i = 0; i < 2; i++)
		group_send(store, &group, admin, 1, BYTES_LITERAL("hello"),
		    NULL);
	for (int i = 0; i < 3; i++) {
		poll_fill(&polls[i], &users[1 + i], ++users[1 + i].sequence);
		operations[i] = &polls[i].operation;
	}
	assert_int_equal(batch_run(pipeline, operations, 3, &mail),
	    DATABASE_FAILURE_NONE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(polls[i].message_count, 2);
		assert_bytes(polls[i].messages[0].ciphertext,
		    BYTES_LITERAL("hello"));
		assert_bytes(polls[i].messages[1].ciphertext,
		    BYTES_LITERAL("hello"));
		store_operation_clear(&polls[i].operation);
	}
	batch_mail_clear(&mail);
	pipeline_close(pipeline);
}

/* A body that has gone between pointer and look: so has its message. */
static void
test_fetch_without_its_body(void **state)
{
	struct group group;
	struct store_poll poll;
	uint8_t id[16];
	char text[33];

	(void)state;
	make_group(&group, 1);
	group_send(store, &group, admin, 1, BYTES_LITERAL("a"), NULL);
	group_send(store, &group, admin, 1, BYTES_LITERAL("b"), id);
	group_send(store, &group, admin, 1, BYTES_LITERAL("c"), NULL);
	for (size_t i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	fixture_sql(conninfo, "DELETE FROM group_bodies WHERE id = '%s'", text);
	fetch(&poll, &users[1], 3 << 20);
	assert_int_equal(poll.message_count, 2);
	assert_bytes(poll.messages[0].ciphertext, BYTES_LITERAL("a"));
	assert_bytes(poll.messages[1].ciphertext, BYTES_LITERAL("c"));
	store_operation_clear(&poll.operation);
}

/* --- Everybody is told ---------------------------------------------------- */

static void
test_mail_for_all_who_got_something(void **state)
{
	struct pipeline *pipeline = open_pipeline();
	struct store_send_message message = { .epoch = 1,
		.ciphertext = BYTES_LITERAL("x") };
	struct store_operation *operation;
	struct batch_mail mail = { 0 };
	struct store_send send;
	struct group group;

	(void)state;
	make_group(&group, 2);
	message.group_id = group.id;
	send_fill(&send, admin, ++admin->sequence, &message, 1);
	operation = &send.operation;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(batch_run(pipeline, &operation, 1, &mail),
		    DATABASE_FAILURE_NONE);
		assert_int_equal(send.result.claim, i == 0 ?
		    STORE_CLAIM_CLAIMED : STORE_CLAIM_REPEATED);
		assert_int_equal(mail.count, 2);
	}
	/* An update: those who stay, who comes, and who goes with a letter. */
	trial_fill(&trial, &group, &users[1], 1);
	trial_remove(&trial, &users[2], "farewell");
	trial_add(&trial, &users[3]);
	trial.update.member_count = trial.member_count;
	head_fill(&trial.update.head, STORE_KIND_GROUP_UPDATE, admin,
	    group.id);
	operation = &trial.update.head.operation;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(batch_run(pipeline, &operation, 1, &mail),
		    DATABASE_FAILURE_NONE);
		assert_int_equal(trial.update.head.result.code, 0);
		assert_int_equal(mail.count, 3);
	}
	batch_mail_clear(&mail);
	pipeline_close(pipeline);
}

/* --- The sweep ------------------------------------------------------------ */

static int
sweep_all(struct pipeline *pipeline)
{
	struct sweep sweep = { 0 };
	bool is_over = false;
	int steps = 0;

	for (; !is_over; steps++)
		assert_int_equal(sweep_step(&sweep, pipeline, 0, &is_over),
		    DATABASE_FAILURE_NONE);
	assert_int_equal(sweep.group_id, 0);
	return steps;
}

static void
test_sweep_leaves_what_is_pointed_to(void **state)
{
	struct pipeline *pipeline = open_pipeline();
	struct group group, other;

	(void)state;
	make_group(&group, 2);
	make_group(&other, 2);
	assert_int_equal(sweep_all(pipeline), 1);
	for (int i = 0; i < 3; i++) {
		group_send(store, &group, admin, 1, BYTES_LITERAL("a"), NULL);
		group_send(store, &other, admin, 1, BYTES_LITERAL("b"), NULL);
	}
	group_rotate(store, &group, &users[1], 2);
	assert_int_equal(count_bodies(), 7);
	sweep_all(pipeline);
	assert_int_equal(count_bodies(), 7);
	drain(store, &users[1]);
	sweep_all(pipeline);
	assert_int_equal(count_bodies(), 7);
	fixture_sql(conninfo, "DELETE FROM messages WHERE group_id = %lld",
	    (long long)other.id);
	sweep_all(pipeline);
	assert_int_equal(count_bodies(), 4);
	assert_string_equal(drain(store, &users[2]),
	    "group:1:a group:1:a group:1:a update:2:u2:roster");
	sweep_all(pipeline);
	assert_int_equal(count_bodies(), 0);
	pipeline_close(pipeline);
}

/* Every third body of several chunks, in few and in many groups. */
static void
test_sweep_goes_on_from_chunk_to_chunk(void **state)
{
	const int divisors[] = { 1, 7, 100000 };
	struct pipeline *pipeline = open_pipeline();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		empty_tables(NULL);
		fixture_sql(conninfo, "INSERT INTO group_bodies"
		    " SELECT n %% %d + 1, gen_random_uuid(), 'x'"
		    " FROM generate_series(1, %d) AS n", divisors[i],
		    3 * SWEEP_CHUNK);
		fixture_sql(conninfo, "INSERT INTO messages SELECT"
		    " row_number() OVER () %% 3 + 1, id, 1, '', now(), 2,"
		    " group_id, 1, 1 FROM group_bodies");
		fixture_sql(conninfo,
		    "DELETE FROM messages WHERE recipient_id = 1");
		assert_int_equal(sweep_all(pipeline), 4);
		assert_int_equal(count_bodies(), 2 * SWEEP_CHUNK);
		assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
		    " messages NATURAL JOIN (SELECT id FROM group_bodies)"
		    " AS b"), 2 * SWEEP_CHUNK);
	}
	pipeline_close(pipeline);
}

/* What is new may be there before what points to it. */
static void
test_sweep_passes_over_what_is_new(void **state)
{
	struct pipeline *pipeline = open_pipeline();
	struct sweep sweep = { 0 };
	bool is_over = false;

	(void)state;
	fixture_sql(conninfo, "INSERT INTO group_bodies SELECT 1,"
	    " gen_random_uuid(), 'x', now() - n * interval '1 hour'"
	    " FROM generate_series(0, 9) AS n");
	assert_int_equal(sweep_step(&sweep, pipeline, 16200000, &is_over),
	    DATABASE_FAILURE_NONE);
	assert_true(is_over);
	assert_int_equal(count_bodies(), 5);
	sweep_all(pipeline);
	assert_int_equal(count_bodies(), 0);
	pipeline_close(pipeline);
}

/* The store does it by itself, beside its work. */
static void
test_sweep_runs_by_itself(void **state)
{
	const struct store_options options = { .sweep_ms = 20 };
	struct store *sweeping = fixture_store(conninfo, &options, NULL);
	uint64_t end = clock_monotonic_ms() + 60000;
	struct group group;

	(void)state;
	make_group(&group, 2);
	for (int i = 0; i < 20; i++) {
		group_send(sweeping, &group, admin, 1, BYTES_LITERAL("a"),
		    NULL);
		drain(sweeping, &users[1]);
	}
	assert_int_equal(count_bodies(), 20);
	drain(sweeping, &users[2]);
	while (count_bodies() > 0) {
		if (clock_monotonic_ms() > end)
			fail_msg("nobody sweeps");
		usleep(2000);
	}
	store_stop(sweeping);
	store_free(sweeping);
}

/* --- A thousand members --------------------------------------------------- */

static void
sign_up_many(void)
{
	fixture_sql(conninfo, "INSERT INTO accounts SELECT 1000000 + n,"
	    " 'many' || n, 1, k, k, '', 1, 1, k, 0, '', ''"
	    " FROM generate_series(0, %d) AS n, lateral (SELECT"
	    " decode(lpad(to_hex(n + 1), 64, '0'), 'hex') AS k) AS keys",
	    MANY - 1);
	fixture_sql(conninfo, "INSERT INTO signing_keys SELECT signing_key,"
	    " id, 1 FROM accounts WHERE username LIKE 'many%%'");
	for (uint64_t i = 0; i < MANY; i++) {
		user_init(&many[i], "many");
		many[i].id = (int64_t)(1000000 + i);
		many[i].sequence = 1;
		memset(many[i].key, 0, 32);
		bytes_put_u64be(many[i].key + 24, i + 1);
	}
}

static int
compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void
tell_times(const char *what, uint64_t *times_us, size_t count)
{
	qsort(times_us, count, sizeof(*times_us), compare_times);
	print_message("%s: %.1f to %.1f ms, half of them within %.1f\n", what,
	    (double)times_us[0] / 1000, (double)times_us[count - 1] / 1000,
	    (double)times_us[count / 2] / 1000);
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
update_many(struct group *group)
{
	static uint8_t roster[100000], letter[1200];

	trial_fill(&trial, group, many, MANY);
	trial.update.roster = BYTES_OF(roster);
	for (size_t i = 1; i <= MANY; i++)
		trial.members[i].letter = BYTES_OF(letter);
	trial_run(store, &trial, group, STORE_GROUP_VERDICT_DONE);
}

/* As many messages as one Send may have, each to all of them. */
static void
send_most(const struct group *group, struct user *from, uint32_t epoch)
{
	static struct store_send_message messages[STORE_SEND_GROUPS_MAX];
	uint64_t begin_us = now_us(), time_us;
	struct store_send send;

	fixture_sql(conninfo, "TRUNCATE messages");
	for (size_t i = 0; i < STORE_SEND_GROUPS_MAX; i++) {
		messages[i].group_id = group->id;
		messages[i].epoch = epoch;
		messages[i].ciphertext = BYTES_LITERAL("x");
	}
	send_fill(&send, from, ++from->sequence, messages,
	    STORE_SEND_GROUPS_MAX);
	assert_ok(fixture_run(store, &send.operation));
	time_us = now_us() - begin_us;
	tell_times("the largest Send to 1,000 members", &time_us, 1);
	for (size_t i = 0; i < STORE_SEND_GROUPS_MAX; i++)
		assert_int_equal(messages[i].outcome,
		    STORE_SEND_OUTCOME_STORED);
	assert_int_equal(fixture_sql(conninfo,
	    "SELECT count(*) FROM messages"),
	    STORE_SEND_GROUPS_MAX * (MANY - 1));
}

/* The times are for docs/performance.md; nothing depends on them. */
static void
test_a_thousand_members(void **state)
{
	enum { UPDATES = 5, SENDS = 25 };
	static uint8_t text[700];
	uint64_t times_us[SENDS], begin_us;
	struct store_group_read read;
	struct group group;

	(void)state;
	sign_up_many();
	group_create(store, &group, "crowd", admin, many, MANY);
	for (int i = 0; i < UPDATES; i++) {
		begin_us = now_us();
		update_many(&group);
		times_us[i] = now_us() - begin_us;
	}
	tell_times("update for 1,000 members", times_us, UPDATES);
	assert_int_equal(count_bodies(), UPDATES);
	for (int i = 0; i < SENDS; i++) {
		begin_us = now_us();
		assert_int_equal(group_send(store, &group, &many[i], UPDATES,
		    BYTES_OF(text), NULL), STORE_SEND_OUTCOME_STORED);
		times_us[i] = now_us() - begin_us;
	}
	tell_times("message to 1,000 members", times_us, SENDS);
	assert_int_equal(fixture_sql(conninfo,
	    "SELECT count(*) FROM messages"), (UPDATES + SENDS) * MANY);
	assert_int_equal(count_bodies(), UPDATES + SENDS);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM messages"
	    " WHERE recipient_id = %lld", (long long)many[998].id),
	    UPDATES + SENDS);
	group_leave(store, &group, &many[0], "bye", STORE_GROUP_VERDICT_DONE);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM messages"
	    " WHERE kind = 4"), MANY);
	send_most(&group, &many[1], UPDATES);
	/* All but ten go at once. */
	trial_fill(&trial, &group, &many[1], 10);
	for (size_t i = 11; i < MANY; i++)
		trial_remove(&trial, &many[i], "farewell");
	trial_run(store, &trial, &group, STORE_GROUP_VERDICT_DONE);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
	    " group_members WHERE group_id = %lld", (long long)group.id), 11);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
	    " member_groups WHERE group_id = %lld", (long long)group.id), 11);
	memset(&read, 0, sizeof(read));
	head_fill(&read.head, STORE_KIND_GROUP_READ, &many[5], group.id);
	assert_ok(fixture_run(store, &read.head.operation));
	assert_verdict(&read.head, STORE_GROUP_VERDICT_DONE);
	assert_int_equal(read.epoch, UPDATES + 1);
	store_operation_clear(&read.head.operation);
}

#define INBOX_TEST(f) cmocka_unit_test_setup(f, empty_tables)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		INBOX_TEST(test_fetch_counts_shared_bodies),
		INBOX_TEST(test_fetch_the_largest_update),
		INBOX_TEST(test_fetch_keeps_the_order),
		INBOX_TEST(test_fetch_in_one_batch),
		INBOX_TEST(test_fetch_without_its_body),
		INBOX_TEST(test_mail_for_all_who_got_something),
		INBOX_TEST(test_sweep_leaves_what_is_pointed_to),
		INBOX_TEST(test_sweep_goes_on_from_chunk_to_chunk),
		INBOX_TEST(test_sweep_passes_over_what_is_new),
		INBOX_TEST(test_sweep_runs_by_itself),
		INBOX_TEST(test_a_thousand_members),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
