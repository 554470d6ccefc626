#include "tests/integration/store/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/clock.h"

/* What the store does when the database or the server is in trouble. */

static const char *conninfo;
static struct user alice, bob;

/* The users of each test; its store. */
static struct store *
begin(const struct store_options *options, struct fixture_mail *mail)
{
	struct store *store;

	conninfo = fixture_database();
	store = fixture_store(conninfo, options, mail);
	user_sign_up(store, &alice, "alice");
	user_sign_up(store, &bob, "bob");
	return store;
}

static void
end(struct store *store)
{
	store_stop(store);
	store_free(store);
}

static void
fill(struct store_send *send, struct store_send_message *message,
    struct user *from, const struct user *to)
{
	*message = (struct store_send_message){
		.ciphertext = BYTES_LITERAL("hello") };
	memcpy(message->recipient_key, to->key, 32);
	send_fill(send, from, ++from->sequence, message, 1);
}

static int64_t
stored_count(void)
{
	return fixture_sql(conninfo, "SELECT count(*) FROM messages");
}

/* Until the SQL gives the number. */
static void
wait_for(const char *sql, int64_t expected)
{
	uint64_t give_up = clock_monotonic_ms() + 20000;

	while (fixture_sql(conninfo, "%s", sql) != expected) {
		if (clock_monotonic_ms() > give_up)
			fail_msg("never so: %s is %ld", sql, (long)expected);
		usleep(5000);
	}
}

/* --- The database goes away ----------------------------------------------- */

static void
test_database_away_and_back(void **state)
{
	const struct store_options options = { .retry_ms = 300 };
	struct store *store = begin(&options, NULL);
	struct store_send_message message;
	struct store_send send;
	uint64_t start;

	(void)state;
	fixture_cluster("stop");
	/* The first one tries for a while; the rest are refused at once. */
	fill(&send, &message, &alice, &bob);
	start = clock_monotonic_ms();
	assert_status(fixture_run(store, &send.operation), STATUS_UNAVAILABLE);
	assert_false(send.operation.is_in_doubt);
	assert_true(clock_monotonic_ms() - start < 5000);
	start = clock_monotonic_ms();
	while (store_is_ready(store)) {
		assert_status(fixture_run(store, &send.operation),
		    STATUS_UNAVAILABLE);
		assert_true(clock_monotonic_ms() - start < 5000);
	}
	start = clock_monotonic_ms();
	assert_status(fixture_submit(store, &send.operation),
	    STATUS_UNAVAILABLE);
	assert_true(clock_monotonic_ms() - start < 200);
	/* It comes back without being asked. */
	fixture_cluster("start");
	fixture_wait_ready(store);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_CLAIMED);
	end(store);
}

/* A short interruption is not noticed. */
static void
test_database_restarts(void **state)
{
	const struct store_options options = { .retry_ms = 20000 };
	struct store *store = begin(&options, NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		fixture_cluster(i == 0 ? "stop" : "kill");
		struct store_send_message message;
		struct store_send send;

		fill(&send, &message, &alice, &bob);
		assert_ok(fixture_submit(store, &send.operation));
		fixture_cluster("start");
		fixture_wait(&send.operation);
		assert_ok(send.operation.status);
		assert_int_equal(send.result.claim, STORE_CLAIM_CLAIMED);
	}
	assert_int_equal(stored_count(), 2);
	end(store);
}

/* A primary that became a standby: sessions there are of no use. */
static void
test_database_becomes_read_only(void **state)
{
	const struct store_options options = { .retry_ms = 200 };
	struct store *store = begin(&options, NULL);
	struct store_send_message message;
	struct store_send send;
	const char *name = strstr(conninfo, "test_");

	(void)state;
	fixture_sql(fixture_conninfo(),
	    "ALTER DATABASE %s SET default_transaction_read_only = on", name);
	fixture_sql(conninfo, "SELECT count(pg_terminate_backend(pid)) FROM"
	    " pg_stat_activity WHERE datname = current_database()"
	    " AND pid <> pg_backend_pid()");
	fill(&send, &message, &alice, &bob);
	assert_status(fixture_run(store, &send.operation), STATUS_UNAVAILABLE);
	fixture_sql(fixture_conninfo(),
	    "ALTER DATABASE %s RESET default_transaction_read_only", name);
	fixture_wait_ready(store);
	while (fixture_run(store, &send.operation) == STATUS_UNAVAILABLE)
		usleep(20000);
	assert_ok(send.operation.status);
	assert_int_equal(send.result.claim, STORE_CLAIM_CLAIMED);
	end(store);
}

/* --- Commits in doubt ----------------------------------------------------- */

static void
set_standby(const char *name)
{
	fixture_sql(conninfo, "ALTER SYSTEM SET synchronous_standby_names ="
	    " '%s'", name);
	fixture_sql(conninfo, "SELECT pg_reload_conf()");
	usleep(100000);
}

#define WAITING_SQL \
	"SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" \
	" AND datname = current_database()"

/*
 * A commit that waits for its standby, and whose wait is cut short. What it
 * wrote is there, but may be gone after a failover: nobody may be told that
 * it is done before the standby has it.
 */
static void
commit_in_doubt(const char *how)
{
	struct store *store = begin(NULL, NULL);
	struct store_send_message message;
	struct store_send send;

	set_standby("nobody");
	fill(&send, &message, &alice, &bob);
	assert_ok(fixture_submit(store, &send.operation));
	for (int i = 0; i < 3; i++) {
		wait_for(WAITING_SQL, 1);
		assert_non_null(send.operation.done);
		fixture_sql(conninfo, "SELECT count(%s(pid)) FROM"
		    " pg_stat_activity WHERE wait_event = 'SyncRep'", how);
		usleep(20000);
	}
	wait_for(WAITING_SQL, 1);
	assert_int_equal(stored_count(), 1);
	assert_non_null(send.operation.done);
	set_standby("");
	fixture_wait(&send.operation);
	assert_ok(send.operation.status);
	assert_int_equal(send.result.claim, STORE_CLAIM_CLAIMED);
	assert_int_equal(message.outcome, STORE_SEND_OUTCOME_STORED);
	assert_false(send.operation.is_in_doubt);
	assert_int_equal(stored_count(), 1);
	end(store);
}

static void
test_commit_whose_wait_is_cancelled(void **state)
{
	(void)state;
	commit_in_doubt("pg_cancel_backend");
}

static void
test_commit_whose_session_is_killed(void **state)
{
	(void)state;
	commit_in_doubt("pg_terminate_backend");
}

/* The time for repeats is over while it is still in doubt. */
static void
test_commit_stays_in_doubt(void **state)
{
	const struct store_options options = { .retry_ms = 1 };
	struct store *store = begin(&options, NULL);
	struct store_send_message message;
	struct store_send send;

	(void)state;
	set_standby("nobody");
	fill(&send, &message, &alice, &bob);
	assert_ok(fixture_submit(store, &send.operation));
	wait_for(WAITING_SQL, 1);
	fixture_sql(conninfo, "SELECT count(pg_cancel_backend(pid)) FROM"
	    " pg_stat_activity WHERE wait_event = 'SyncRep'");
	fixture_wait(&send.operation);
	assert_status(send.operation.status, STATUS_UNAVAILABLE);
	assert_true(send.operation.is_in_doubt);
	set_standby("");
	/* The client's retry. */
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(message.outcome, STORE_SEND_OUTCOME_STORED);
	assert_int_equal(stored_count(), 1);
	end(store);
}

/* --- Killed between two steps --------------------------------------------- */

static void
die_sending(const char *point, const struct store_send *template)
{
	struct store_send_message message = *template->messages;
	struct store_send send = *template;
	struct store *store;

	setenv("PEYK_CRASH_POINT", point, 1);
	store = fixture_store(conninfo, NULL, NULL);
	send.messages = &message;
	(void)fixture_run(store, &send.operation);
	usleep(200000);
	_exit(0);
}

/* The server dies anywhere; the client repeats its request at another one. */
static void
test_server_killed_between_steps(void **state)
{
	static const struct {
		const char *point;
		bool is_committed;
	} cases[] = {
		{ "store.read", false },
		{ "store.claimed", false },
		{ "store.committed", true },
		{ "store.answered", true },
	};
	struct store *store = begin(NULL, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store_send_message message;
		struct store_send send;
		int wait_status;
		pid_t child;

		fill(&send, &message, &alice, &bob);
		assert_true((child = fork()) >= 0);
		if (child == 0)
			die_sending(cases[i].point, &send);
		assert_int_equal(waitpid(child, &wait_status, 0), child);
#if defined(PEYK_CRASH_POINTS) && PEYK_CRASH_POINTS
		assert_true(WIFSIGNALED(wait_status));
		assert_int_equal(WTERMSIG(wait_status), SIGKILL);
		assert_ok(fixture_run(store, &send.operation));
		assert_int_equal(send.result.claim, cases[i].is_committed ?
		    STORE_CLAIM_REPEATED : STORE_CLAIM_CLAIMED);
#else
		assert_ok(fixture_run(store, &send.operation));
#endif
		assert_int_equal(message.outcome, STORE_SEND_OUTCOME_STORED);
		assert_int_equal(stored_count(), (int64_t)i + 1);
	}
	/* COMMIT is on its way: either may have happened. */
	for (int i = 0; i < 5; i++) {
		struct store_send_message message;
		struct store_send send;
		pid_t child;

		fill(&send, &message, &alice, &bob);
		assert_true((child = fork()) >= 0);
		if (child == 0)
			die_sending("store.committing", &send);
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_ok(fixture_run(store, &send.operation));
		assert_int_equal(message.outcome, STORE_SEND_OUTCOME_STORED);
		assert_int_equal(stored_count(), 5 + i);
	}
	end(store);
}

/* --- Locks, full queues, the end ------------------------------------------ */

/* Holds an account's row until it is closed. */
static PGconn *
lock_account(const struct user *user)
{
	PGconn *pg = PQconnectdb(conninfo);
	char sql[128];

	snprintf(sql, sizeof(sql), "BEGIN; SELECT FROM accounts WHERE id = %lld"
	    " FOR UPDATE", (long long)user->id);
	PQclear(PQexec(pg, sql));
	assert_int_equal(PQtransactionStatus(pg), PQTRANS_INTRANS);
	return pg;
}

/* Somebody's transaction hangs: only those whom it concerns wait. */
static void
test_locked_account_does_not_stop_others(void **state)
{
	const struct store_options options = { .threads = 1,
		.lock_timeout_ms = 100, .retry_ms = 400 };
	struct store *store = begin(&options, NULL);
	struct store_send_message messages[9];
	struct store_send sends[9];
	struct user users[8];
	PGconn *lock;

	(void)state;
	for (int i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%d", i);
		user_sign_up(store, &users[i], name);
	}
	lock = lock_account(&alice);
	fill(&sends[8], &messages[8], &alice, &bob);
	assert_ok(fixture_submit(store, &sends[8].operation));
	for (int i = 0; i < 8; i++) {
		fill(&sends[i], &messages[i], &users[i], &bob);
		assert_ok(fixture_submit(store, &sends[i].operation));
	}
	for (int i = 0; i < 8; i++) {
		fixture_wait(&sends[i].operation);
		assert_ok(sends[i].operation.status);
	}
	fixture_wait(&sends[8].operation);
	assert_status(sends[8].operation.status, STATUS_UNAVAILABLE);
	assert_false(sends[8].operation.is_in_doubt);
	assert_true(store_is_ready(store));
	PQfinish(lock);
	assert_ok(fixture_run(store, &sends[8].operation));
	assert_int_equal(sends[8].result.claim, STORE_CLAIM_CLAIMED);
	end(store);
}

static void
test_full_queue_and_stop(void **state)
{
	const struct store_options options = { .threads = 1,
		.queue_operations_max = 4, .lock_timeout_ms = 20000,
		.statement_timeout_ms = 20000 };
	struct store *store = begin(&options, NULL);
	struct store_poll polls[5];
	struct store_send_message message;
	struct store_send send;
	PGconn *lock = lock_account(&alice);

	(void)state;
	fill(&send, &message, &alice, &bob);
	assert_ok(fixture_submit(store, &send.operation));
	wait_for("SELECT count(*) FROM pg_stat_activity WHERE"
	    " wait_event_type = 'Lock' AND datname = current_database()", 1);
	/* Five of one account: each goes into a batch of its own. */
	for (int i = 0; i < 5; i++) {
		poll_fill(&polls[i], &bob, bob.sequence + 1 + (uint64_t)i);
		assert_status(fixture_submit(store, &polls[i].operation),
		    i < 4 ? STATUS_OK : STATUS_BUSY);
	}
	PQfinish(lock);
	/* What is queued is done, in order; nothing new is taken. */
	store_stop(store);
	assert_null(send.operation.done);
	assert_ok(send.operation.status);
	for (int i = 0; i < 4; i++) {
		assert_null(polls[i].operation.done);
		assert_ok(polls[i].operation.status);
		assert_int_equal(polls[i].result.claim, STORE_CLAIM_CLAIMED);
		store_operation_clear(&polls[i].operation);
	}
	assert_status(fixture_submit(store, &polls[4].operation),
	    STATUS_UNAVAILABLE);
	store_free(store);
}

/*
 * What goes to so many that a batch holds no more of it waits for the next one;
 * what is small and behind it does not. Whose numbers were claimed in one
 * transaction tells.
 */
static void
test_what_fans_out_does_not_hold_up_others(void **state)
{
	enum { HEAVY = 3 };
	static struct store_send_message messages[HEAVY][STORE_SEND_GROUPS_MAX];
	const struct store_options options = { .threads = 1,
		.lock_timeout_ms = 20000, .statement_timeout_ms = 20000 };
	struct store *store = begin(&options, NULL);
	struct user users[HEAVY];
	struct store_send_message message;
	struct store_send send, heavy[HEAVY];
	struct store_poll poll;
	PGconn *lock;

	(void)state;
	for (int i = 0; i < HEAVY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "heavy%d", i);
		user_sign_up(store, &users[i], name);
	}
	lock = lock_account(&alice);
	fill(&send, &message, &alice, &bob);
	assert_ok(fixture_submit(store, &send.operation));
	wait_for("SELECT count(*) FROM pg_stat_activity WHERE"
	    " wait_event_type = 'Lock' AND datname = current_database()", 1);
	for (int i = 0; i < HEAVY; i++) {
		for (size_t k = 0; k < STORE_SEND_GROUPS_MAX; k++)
			messages[i][k] = (struct store_send_message){
				.group_id = 1, .epoch = 1,
				.ciphertext = BYTES_LITERAL("x") };
		send_fill(&heavy[i], &users[i], ++users[i].sequence,
		    messages[i], STORE_SEND_GROUPS_MAX);
		assert_ok(fixture_submit(store, &heavy[i].operation));
	}
	poll_fill(&poll, &bob, ++bob.sequence);
	assert_ok(fixture_submit(store, &poll.operation));
	PQfinish(lock);
	for (int i = 0; i < HEAVY; i++) {
		fixture_wait(&heavy[i].operation);
		assert_ok(heavy[i].operation.status);
		assert_int_equal(messages[i][0].outcome,
		    STORE_SEND_OUTCOME_UNKNOWN_GROUP);
	}
	fixture_wait(&poll.operation);
	assert_ok(poll.operation.status);
	store_operation_clear(&poll.operation);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(DISTINCT"
	    " xmin::text) FROM accounts WHERE username LIKE 'heavy%%'"), HEAVY);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(DISTINCT"
	    " xmin::text) FROM accounts WHERE username IN ('heavy0', 'bob')"),
	    1);
	end(store);
}

/* What concerns groups fills only its own part of the queue. */
static void
test_groups_leave_room_in_the_queue(void **state)
{
	enum { MOST = 2048 };
	static struct store_group_read reads[MOST + 1];
	const struct store_options options = { .threads = 1,
		.lock_timeout_ms = 60000, .statement_timeout_ms = 60000 };
	struct store *store = begin(&options, NULL);
	struct store_send_message message;
	struct store_send send;
	struct store_poll poll;
	struct user nobody;
	PGconn *lock = lock_account(&alice);

	(void)state;
	fill(&send, &message, &alice, &bob);
	assert_ok(fixture_submit(store, &send.operation));
	wait_for("SELECT count(*) FROM pg_stat_activity WHERE"
	    " wait_event_type = 'Lock' AND datname = current_database()", 1);
	for (int i = 0; i <= MOST; i++) {
		struct store_group_head *head = &reads[i].head;

		user_init(&nobody, "nobody");
		head->operation.kind = STORE_KIND_GROUP_READ;
		user_number(&nobody, nobody.sequence, 0, &head->number);
		head->group_id = 1;
		assert_status(fixture_submit(store, &head->operation),
		    i < MOST ? STATUS_OK : STATUS_BUSY);
	}
	poll_fill(&poll, &bob, ++bob.sequence);
	assert_ok(fixture_submit(store, &poll.operation));
	PQfinish(lock);
	fixture_wait(&poll.operation);
	assert_ok(poll.operation.status);
	store_operation_clear(&poll.operation);
	for (int i = 0; i < MOST; i++) {
		fixture_wait(&reads[i].head.operation);
		assert_ok(reads[i].head.operation.status);
		assert_int_equal(reads[i].head.result.claim,
		    STORE_CLAIM_DENIED);
	}
	end(store);
}

static void
test_stop_without_a_database(void **state)
{
	const struct store_options options = { .conninfo =
	    "host=/nowhere dbname=x" };
	struct fixture_mail mail = { 0 };
	const struct store_callbacks callbacks = { .context = &mail };
	struct store_poll poll;
	struct store *store;

	(void)state;
	assert_ok(store_open(&options, &callbacks, &store));
	user_init(&alice, "alice");
	poll_fill(&poll, &alice, 1);
	assert_status(fixture_submit(store, &poll.operation),
	    STATUS_UNAVAILABLE);
	usleep(100000);
	assert_false(store_is_ready(store));
	end(store);

	const struct store_options wrong = { .conninfo = "hots=x" };
	assert_status(store_open(&wrong, &callbacks, &store), STATUS_INVALID);
}

/* --- Telling the recipients ----------------------------------------------- */

static void
wait_for_count(atomic_ulong *count, unsigned long at_least)
{
	uint64_t give_up = clock_monotonic_ms() + 20000;

	while (atomic_load(count) < at_least) {
		if (clock_monotonic_ms() > give_up)
			fail_msg("told %lu times, not %lu",
			    atomic_load(count), at_least);
		usleep(2000);
	}
}

static void
test_mail_is_told_here_and_elsewhere(void **state)
{
	static struct fixture_mail here, there;
	struct store *store = begin(NULL, &here);
	struct store *other = fixture_store(conninfo, NULL, &there);
	struct store_send_message message;
	struct store_send send;
	unsigned long everyone;

	(void)state;
	/* On connecting, each looks once for everyone. */
	wait_for_count(&here.everyone, 1);
	wait_for_count(&there.everyone, 1);
	user_send(store, &alice, &bob, BYTES_LITERAL("salam"), NULL);
	wait_for_count(&here.told, 1);
	wait_for_count(&there.told, 1);
	assert_true(atomic_load(&there.last) == bob.id);
	/* A repeat tells again: the first server may have died before. */
	fill(&send, &message, &alice, &bob);
	assert_ok(fixture_run(store, &send.operation));
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_REPEATED);
	wait_for_count(&here.told, 3);
	wait_for_count(&there.told, 2);
	usleep(100000);
	assert_int_equal(atomic_load(&here.told), 3); /* not of its own */
	/* A lost connection: something may have been missed. */
	everyone = atomic_load(&there.everyone);
	fixture_sql(conninfo, "SELECT count(pg_terminate_backend(pid)) FROM"
	    " pg_stat_activity WHERE datname = current_database()"
	    " AND (query LIKE '%%LISTEN%%' OR query LIKE '%%pg_notify%%')"
	    " AND pid <> pg_backend_pid()");
	wait_for_count(&there.everyone, everyone + 1);
	/* What others send that is no payload of ours. */
	everyone = atomic_load(&there.everyone);
	fixture_sql(conninfo, "SELECT pg_notify('peyk_mail', 'nonsense')");
	wait_for_count(&there.everyone, everyone + 1);
	end(other);
	end(store);
}

static void
test_mail_for_many_is_told_to_everyone(void **state)
{
	static struct fixture_mail here, there;
	static struct store_send_message messages[2][STORE_SEND_MAX];
	struct store *store = begin(NULL, &here);
	struct store *other = fixture_store(conninfo, NULL, &there);
	struct store_send sends[2];
	unsigned long everyone;
	PGconn *lock;

	(void)state;
	/* Keys of accounts that exist on paper alone. */
	fixture_sql(conninfo, "INSERT INTO signing_keys SELECT"
	    " decode(lpad(to_hex(n), 64, '0'), 'hex'), n, 1"
	    " FROM generate_series(1, 512) AS n");
	wait_for_count(&there.everyone, 1);
	everyone = atomic_load(&there.everyone);
	/* Held back until both are queued, so that one batch has them. */
	lock = lock_account(&bob);
	for (unsigned k = 0; k < 2; k++) {
		memset(messages[k], 0, sizeof(messages[k]));
		for (unsigned i = 0; i < STORE_SEND_MAX; i++) {
			unsigned n = 1 + k * 256 + i;

			messages[k][i].recipient_key[31] = (uint8_t)n;
			messages[k][i].recipient_key[30] = (uint8_t)(n >> 8);
			messages[k][i].ciphertext = BYTES_LITERAL("x");
		}
	}
	send_fill(&sends[0], &alice, ++alice.sequence, messages[0],
	    STORE_SEND_MAX);
	send_fill(&sends[1], &bob, ++bob.sequence, messages[1],
	    STORE_SEND_MAX);
	assert_ok(fixture_submit(store, &sends[0].operation));
	assert_ok(fixture_submit(store, &sends[1].operation));
	usleep(50000);
	PQfinish(lock);
	for (int k = 0; k < 2; k++) {
		fixture_wait(&sends[k].operation);
		assert_ok(sends[k].operation.status);
	}
	wait_for_count(&here.told, 512);
	/* By name in two notifications, or as everyone in one. */
	if (atomic_load(&there.everyone) == everyone)
		usleep(300000);
	assert_true(atomic_load(&there.told) == 512 ||
	    atomic_load(&there.everyone) > everyone);
	end(other);
	end(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_database_away_and_back),
		cmocka_unit_test(test_database_restarts),
		cmocka_unit_test(test_database_becomes_read_only),
		cmocka_unit_test(test_commit_whose_wait_is_cancelled),
		cmocka_unit_test(test_commit_whose_session_is_killed),
		cmocka_unit_test(test_commit_stays_in_doubt),
		cmocka_unit_test(test_server_killed_between_steps),
		cmocka_unit_test(test_locked_account_does_not_stop_others),
		cmocka_unit_test(test_full_queue_and_stop),
		cmocka_unit_test(test_what_fans_out_does_not_hold_up_others),
		cmocka_unit_test(test_groups_leave_room_in_the_queue),
		cmocka_unit_test(test_stop_without_a_database),
		cmocka_unit_test(test_mail_is_told_here_and_elsewhere),
		cmocka_unit_test(test_mail_for_many_is_told_to_everyone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
