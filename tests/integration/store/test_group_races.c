#include "tests/integration/store/group_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/clock.h"

/* Changes of one group at the same time, through two servers. */

enum { USERS = 8, ROUNDS = 25 };

static struct store *stores[2];
static const char *conninfo;
static struct user users[USERS]; /* the first is the admin */
static struct user *const admin = &users[0];
static struct trial trial, twin;

static int
set_up(void **state)
{
	(void)state;
	conninfo = fixture_database();
	stores[0] = fixture_store(conninfo, NULL, NULL);
	stores[1] = fixture_store(conninfo, NULL, NULL);
	users_sign_up(stores[0], users, USERS);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		store_stop(stores[i]);
		store_free(stores[i]);
	}
	return 0;
}

static int
empty_inboxes(void **state)
{
	(void)state;
	fixture_sql(conninfo, "DELETE FROM messages");
	return 0;
}

/* Both at once; each is answered. */
static void
run_both(struct store_operation *first, struct store_operation *second)
{
	assert_ok(fixture_submit(stores[0], first));
	assert_ok(fixture_submit(stores[1], second));
	fixture_wait(first);
	fixture_wait(second);
	assert_ok(first->status);
	assert_ok(second->status);
}

static void
leave_fill(struct store_group_leave *leave, struct user *user,
    const struct group *group)
{
	memset(leave, 0, sizeof(*leave));
	head_fill(&leave->head, STORE_KIND_GROUP_LEAVE, user, group->id);
	leave->epoch = group->epoch;
	leave->leave = BYTES_LITERAL("bye");
}

static void
trial_head(struct trial *out, const struct group *group)
{
	out->update.member_count = out->member_count;
	head_fill(&out->update.head, STORE_KIND_GROUP_UPDATE, group->admin,
	    group->id);
}

/* A group in epoch 1 with the admin and users 1 to count; inboxes empty. */
static void
make_group(struct group *group, size_t count)
{
	group_begin(stores[0], conninfo, group, admin, &users[1], count);
}

/* --- One transaction after the other -------------------------------------- */

static void
wait_until_somebody_waits(void)
{
	uint64_t end = clock_monotonic_ms() + 60000;

	while (fixture_sql(conninfo, "SELECT count(*) FROM pg_stat_activity"
	    " WHERE datname = current_database()"
	    " AND wait_event_type = 'Lock'") == 0) {
		if (clock_monotonic_ms() > end)
			fail_msg("nobody waits for the group");
		usleep(1000);
	}
}

/* $1 is the group. */
static void
exec_sql(PGconn *pg, const char *sql, const char *group_id)
{
	PGresult *result = PQexecParams(pg, sql, group_id != NULL, NULL,
	    &group_id, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(pg));
	PQclear(result);
}

/*
 * While another transaction has changed the group, whoever decided upon the
 * state before waits, then decides anew.
 */
static void
run_behind(struct store_operation *operation, const char *change,
    int64_t group_id)
{
	PGconn *pg = PQconnectdb(conninfo);
	char id[32];

	snprintf(id, sizeof(id), "%lld", (long long)group_id);
	exec_sql(pg, "BEGIN", NULL);
	exec_sql(pg, change, id);
	assert_ok(fixture_submit(stores[0], operation));
	wait_until_somebody_waits();
	exec_sql(pg, "COMMIT", NULL);
	fixture_wait(operation);
	assert_ok(operation->status);
	PQfinish(pg);
}

static void
test_a_change_in_between_is_seen(void **state)
{
	struct store_group_leave leave;
	struct group group;

	(void)state;
	make_group(&group, 2);
	/* It was of no matter: the second attempt is done. */
	leave_fill(&leave, &users[1], &group);
	run_behind(&leave.head.operation, "UPDATE groups SET version ="
	    " version + 1 WHERE id = $1", group.id);
	assert_verdict(&leave.head, STORE_GROUP_VERDICT_DONE);
	/* It was another epoch. */
	leave_fill(&leave, &users[2], &group);
	run_behind(&leave.head.operation, "UPDATE groups SET version ="
	    " version + 1, epoch = 9 WHERE id = $1", group.id);
	assert_verdict(&leave.head, STORE_GROUP_VERDICT_MOVED);
	group.epoch = 9;
	/* A member less, and then the group itself. */
	trial_fill(&trial, &group, &users[2], 1);
	trial_head(&trial, &group);
	run_behind(&trial.update.head.operation, "WITH g AS (UPDATE groups SET"
	    " version = version + 1 WHERE id = $1 RETURNING id)"
	    " UPDATE group_members m SET leave = 'x' FROM g"
	    " WHERE m.group_id = g.id AND m.member_id <> (SELECT admin_id"
	    " FROM groups WHERE id = g.id)", group.id);
	assert_verdict(&trial.update.head, STORE_GROUP_VERDICT_UNFIT);
	trial_fill(&trial, &group, NULL, 0);
	trial_head(&trial, &group);
	run_behind(&trial.update.head.operation, "WITH g AS (DELETE FROM"
	    " groups WHERE id = $1 RETURNING id) DELETE FROM group_members"
	    " USING g WHERE group_id = g.id", group.id);
	assert_verdict(&trial.update.head, STORE_GROUP_VERDICT_UNKNOWN);
	fixture_sql(conninfo, "DELETE FROM member_groups");
}

/* --- Races ---------------------------------------------------------------- */

static void
test_update_against_leave(void **state)
{
	struct store_group_leave leave;
	struct group group;

	(void)state;
	make_group(&group, 2);
	for (int i = 0; i < ROUNDS; i++) {
		bool has_left;

		trial_fill(&trial, &group, &users[1], 2);
		trial_head(&trial, &group);
		leave_fill(&leave, &users[2], &group);
		run_both(&trial.update.head.operation, &leave.head.operation);
		has_left = leave.head.verdict == STORE_GROUP_VERDICT_DONE;
		assert_verdict(&leave.head, has_left ?
		    STORE_GROUP_VERDICT_DONE : STORE_GROUP_VERDICT_MOVED);
		assert_verdict(&trial.update.head, has_left ?
		    STORE_GROUP_VERDICT_UNFIT : STORE_GROUP_VERDICT_DONE);
		assert_string_equal(drain(stores[0], admin),
		    has_left ? "leave:bye" : "");
		drain(stores[0], &users[1]);
		drain(stores[0], &users[2]);
		/* As before: a new epoch with all of them. */
		if (!has_left) {
			group.epoch++;
			memcpy(group.share_hash, trial.update.next_share_hash,
			    32);
			memcpy(group.roster_hash, trial.update.roster_hash, 32);
			continue;
		}
		trial_fill(&trial, &group, &users[1], 1);
		trial_add(&trial, &users[2]);
		trial_run(stores[0], &trial, &group, STORE_GROUP_VERDICT_DONE);
		drain(stores[0], &users[1]);
		drain(stores[0], &users[2]);
	}
}

/* The same request through both servers: one result. */
static void
test_update_against_itself(void **state)
{
	struct group group;

	(void)state;
	make_group(&group, 2);
	for (int i = 0; i < ROUNDS; i++) {
		char expected[64];
		struct trial *claimed;

		trial_fill(&trial, &group, &users[1], 2);
		trial_head(&trial, &group);
		/* But for what each server draws for itself. */
		twin = trial;
		twin.update.members = twin.members;
		memset(twin.update.next_share, i, 32);
		memset(twin.update.next_share_hash, i, 32);
		run_both(&trial.update.head.operation,
		    &twin.update.head.operation);
		claimed = trial.update.head.result.claim ==
		    STORE_CLAIM_CLAIMED ? &trial : &twin;
		assert_verdict(&claimed->update.head,
		    STORE_GROUP_VERDICT_DONE);
		assert_int_equal(trial.update.head.result.claim +
		    twin.update.head.result.claim,
		    STORE_CLAIM_CLAIMED + STORE_CLAIM_REPEATED);
		assert_true(trial.update.is_admin && twin.update.is_admin);
		assert_memory_equal(trial.update.current_share,
		    claimed->update.next_share, 32);
		assert_memory_equal(twin.update.current_share,
		    claimed->update.next_share, 32);
		group.epoch++;
		memcpy(group.share_hash, claimed->update.next_share_hash, 32);
		memcpy(group.roster_hash, claimed->update.roster_hash, 32);
		snprintf(expected, sizeof(expected), "update:%u:u1:roster",
		    group.epoch);
		assert_string_equal(drain(stores[0], &users[1]), expected);
		drain(stores[0], &users[2]);
	}
}

/* A message is of one epoch or refused; everybody gets it or nobody. */
static void
test_send_against_update(void **state)
{
	struct store_send_message message;
	struct store_send send;
	struct group group;

	(void)state;
	make_group(&group, 2);
	for (int i = 0; i < ROUNDS; i++) {
		char expected[64], refused[64];
		bool is_stored;

		trial_fill(&trial, &group, &users[1], 2);
		trial_head(&trial, &group);
		memset(&message, 0, sizeof(message));
		message.group_id = group.id;
		message.epoch = group.epoch;
		message.ciphertext = BYTES_LITERAL("text");
		send_fill(&send, &users[1], ++users[1].sequence, &message, 1);
		run_both(&trial.update.head.operation, &send.operation);
		assert_verdict(&trial.update.head, STORE_GROUP_VERDICT_DONE);
		is_stored = message.outcome == STORE_SEND_OUTCOME_STORED;
		if (!is_stored)
			assert_int_equal(message.outcome,
			    STORE_SEND_OUTCOME_STALE_EPOCH);
		snprintf(expected, sizeof(expected), "group:%u:text",
		    group.epoch);
		assert_string_equal(drain(stores[0], admin),
		    is_stored ? expected : "");
		snprintf(refused, sizeof(refused), "update:%u:u2:roster",
		    group.epoch + 1);
		if (is_stored)
			assert_non_null(strstr(drain(stores[0], &users[2]),
			    expected));
		else
			assert_string_equal(drain(stores[0], &users[2]),
			    refused);
		drain(stores[0], &users[1]);
		group.epoch++;
		memcpy(group.share_hash, trial.update.next_share_hash, 32);
		memcpy(group.roster_hash, trial.update.roster_hash, 32);
	}
}

/* All members but the admin leave at once, through both servers. */
static void
test_all_leave_at_once(void **state)
{
	struct store_group_leave leaves[USERS];
	struct group group;

	(void)state;
	for (int round = 0; round < 5; round++) {
		make_group(&group, USERS - 1);
		for (int i = 1; i < USERS; i++) {
			leave_fill(&leaves[i], &users[i], &group);
			assert_ok(fixture_submit(stores[i % 2],
			    &leaves[i].head.operation));
		}
		for (int i = 1; i < USERS; i++) {
			fixture_wait(&leaves[i].head.operation);
			assert_ok(leaves[i].head.operation.status);
			assert_verdict(&leaves[i].head,
			    STORE_GROUP_VERDICT_DONE);
		}
		/* The first tells seven others, the next one six, … */
		assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
		    " messages WHERE kind = 4 AND group_id = %lld",
		    (long long)group.id), USERS * (USERS - 1) / 2);
		group_rotate(stores[0], &group, NULL, 0);
		assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
		    " group_members WHERE group_id = %lld",
		    (long long)group.id), 1);
	}
}

/* --- Many changes --------------------------------------------------------- */

enum { GROUPS = 4, CHANGES = 40 };

static struct group groups[GROUPS];

/* Not cmocka's: on a thread. */
static void
check(bool is_so, int line)
{
	if (is_so)
		return;
	fprintf(stderr, "%s:%d: not so\n", __FILE__, line);
	abort();
}

#define CHECK(claim) check((claim), __LINE__)

struct driver {
	struct user *user;
	unsigned random;
	struct group *own; /* of which it is the admin; NULL: none */
	struct trial trial;
	unsigned long done, refused;
};

/* Whether the group let itself be changed. */
static bool
drive_trial(struct driver *driver)
{
	struct store_group_update *update = &driver->trial.update;
	struct group *own = driver->own;

	update->member_count = driver->trial.member_count;
	head_fill(&update->head, STORE_KIND_GROUP_UPDATE, driver->user,
	    own->id);
	CHECK(fixture_run(stores[driver->random % 2],
	    &update->head.operation) == STATUS_OK);
	if (update->head.verdict == STORE_GROUP_VERDICT_UNFIT) {
		driver->refused++;
		return false;
	}
	CHECK(update->head.verdict == STORE_GROUP_VERDICT_DONE);
	own->epoch++;
	memcpy(own->share_hash, update->next_share_hash, 32);
	memcpy(own->roster_hash, update->roster_hash, 32);
	driver->done++;
	return true;
}

static bool
has_left(const struct store_group_read *read, const struct user *user)
{
	for (size_t i = 0; i < read->leave_count; i++) {
		if (bytes_equal(read->leaves[i],
			bytes_from_string(user->name)))
			return true;
	}
	return false;
}

/* Takes those back who have left. */
static void
drive_update(struct driver *driver)
{
	struct store_group_read read;
	struct trial *own = &driver->trial;

	trial_fill(own, driver->own, &users[GROUPS], GROUPS);
	if (drive_trial(driver))
		return;
	memset(&read, 0, sizeof(read));
	head_fill(&read.head, STORE_KIND_GROUP_READ, driver->user,
	    driver->own->id);
	CHECK(fixture_run(stores[0], &read.head.operation) == STATUS_OK);
	CHECK(read.leave_count > 0);
	trial_fill(own, driver->own, &users[GROUPS], GROUPS);
	for (int i = GROUPS; i < USERS; i++) {
		if (has_left(&read, &users[i]))
			memcpy(own->added[own->update.added_count++],
			    users[i].key, 32);
	}
	store_operation_clear(&read.head.operation);
	(void)drive_trial(driver);
}

/* In the epoch that the group has, as far as a glance tells. */
static void
drive_leave(struct driver *driver, int64_t group_id, uint32_t epoch)
{
	struct store_group_leave leave;

	memset(&leave, 0, sizeof(leave));
	head_fill(&leave.head, STORE_KIND_GROUP_LEAVE, driver->user, group_id);
	leave.epoch = epoch;
	leave.leave = bytes_from_string(driver->user->name);
	CHECK(fixture_run(stores[driver->random % 2],
	    &leave.head.operation) == STATUS_OK);
	CHECK(leave.head.verdict == STORE_GROUP_VERDICT_DONE ||
	    leave.head.verdict == STORE_GROUP_VERDICT_MOVED);
	if (leave.head.verdict == STORE_GROUP_VERDICT_DONE)
		driver->done++;
	else
		driver->refused++;
}

static void
drive_member(struct driver *driver)
{
	struct store_group_list list;
	struct store_group_entry entry = { 0 };

	memset(&list, 0, sizeof(list));
	head_fill(&list.head, STORE_KIND_GROUP_LIST, driver->user, 0);
	CHECK(fixture_run(stores[0], &list.head.operation) == STATUS_OK);
	if (list.entry_count > 0)
		entry = list.entries[driver->random % list.entry_count];
	store_operation_clear(&list.head.operation);
	if (entry.group_id != 0)
		drive_leave(driver, entry.group_id, entry.epoch);
}

static void *
drive(void *context)
{
	struct driver *driver = context;

	for (int i = 0; i < CHANGES; i++) {
		driver->random = (unsigned)rand_r(&driver->random);
		if (driver->own != NULL)
			drive_update(driver);
		else
			drive_member(driver);
	}
	return NULL;
}

/*
 * Half of the users change groups of their own, the other half leaves them and
 * is taken back: nothing is refused by the database, and all agrees at the end.
 */
static void
test_many_changes_at_once(void **state)
{
	struct driver *drivers = calloc(USERS, sizeof(*drivers));
	pthread_t threads[USERS];
	unsigned long done = 0, refused = 0;

	(void)state;
	assert_non_null(drivers);
	for (int i = 0; i < GROUPS; i++) {
		group_create(stores[0], &groups[i], "g", &users[i],
		    &users[GROUPS], GROUPS);
		group_rotate(stores[0], &groups[i], &users[GROUPS], GROUPS);
	}
	for (int i = 0; i < USERS; i++) {
		drivers[i].user = &users[i];
		drivers[i].random = (unsigned)i + 1;
		drivers[i].own = i < GROUPS ? &groups[i] : NULL;
		assert_int_equal(pthread_create(&threads[i], NULL, drive,
		    &drivers[i]), 0);
	}
	for (int i = 0; i < USERS; i++) {
		pthread_join(threads[i], NULL);
		done += drivers[i].done;
		refused += drivers[i].refused;
	}
	print_message("%lu changes, %lu refusals\n", done, refused);
	assert_true(done > 0 && refused > 0);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM"
	    " (SELECT * FROM group_members WHERE leave IS NULL) AS m"
	    " FULL JOIN member_groups AS i ON i.group_id = m.group_id AND"
	    " i.member_id = m.member_id"
	    " WHERE m.group_id IS NULL OR i.group_id IS NULL"), 0);
	for (int i = 0; i < GROUPS; i++)
		assert_int_equal(fixture_sql(conninfo, "SELECT epoch FROM"
		    " groups WHERE id = %lld", (long long)groups[i].id),
		    groups[i].epoch);
	free(drivers);
}

#define RACE_TEST(f) cmocka_unit_test_setup(f, empty_inboxes)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RACE_TEST(test_a_change_in_between_is_seen),
		RACE_TEST(test_update_against_leave),
		RACE_TEST(test_update_against_itself),
		RACE_TEST(test_send_against_update),
		RACE_TEST(test_all_leave_at_once),
		RACE_TEST(test_many_changes_at_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
