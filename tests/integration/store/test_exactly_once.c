#include "tests/integration/store/fixture.h"
#include "tests/integration/store/load.h"

#include <unistd.h>

/* Each message exactly once and in order, whatever happens to PostgreSQL. */

static struct load
load_make(size_t stores, const struct store_options *options)
{
	struct load load = { .store_count = stores, .users = LOAD_USERS_MAX,
		.requests = 60, .conninfo = fixture_database() };

	for (size_t i = 0; i < stores; i++)
		load.stores[i] = fixture_store(load.conninfo, options, NULL);
	return load;
}

static void
load_end(const struct load *load)
{
	assert_int_equal(fixture_sql(load->conninfo,
	    "SELECT count(*) FROM messages"), 0);
	for (size_t i = 0; i < load->store_count; i++) {
		store_stop(load->stores[i]);
		store_free(load->stores[i]);
	}
}

static void
test_one_store(void **state)
{
	struct load load = load_make(1, NULL);

	(void)state;
	load_run(&load);
	load_end(&load);
}

/* The servers have nothing in common but the database. */
static void
test_two_stores(void **state)
{
	struct load load = load_make(2, NULL);

	(void)state;
	load_run(&load);
	load_end(&load);
}

static void
test_every_send_through_two_stores_at_once(void **state)
{
	struct load load = load_make(2, NULL);

	(void)state;
	load.is_doubled = true;
	load_run(&load);
	load_end(&load);
}

/* Small queues and batches: operations are refused and wait for their turn. */
static void
test_small_queue(void **state)
{
	const struct store_options options = { .threads = 1,
		.queue_operations_max = 4, .batch_operations_max = 2 };
	struct load load = load_make(1, &options);

	(void)state;
	load.requests = 20;
	load_run(&load);
	load_end(&load);
}

static void
kill_sessions(const struct load *load, atomic_bool *is_over)
{
	while (!*is_over) {
		fixture_sql(load->conninfo, "SELECT count(pg_terminate_backend("
		    "pid)) FROM pg_stat_activity WHERE datname ="
		    " current_database() AND pid <> pg_backend_pid()");
		usleep(50000);
	}
}

static void
test_sessions_are_killed(void **state)
{
	struct load load = load_make(2, NULL);

	(void)state;
	load.disturb = kill_sessions;
	load_run(&load);
	load_end(&load);
}

/* Bodies that are shared, swept as fast as it goes. */
static void
test_a_group_while_sessions_are_killed(void **state)
{
	const struct store_options options = { .sweep_ms = 1 };
	struct load load = load_make(2, &options);

	(void)state;
	load.is_grouped = true;
	load.requests = 15;
	load.disturb = kill_sessions;
	load_run(&load);
	load_end(&load);
}

static void
cancel_statements(const struct load *load, atomic_bool *is_over)
{
	while (!*is_over) {
		fixture_sql(load->conninfo, "SELECT count(pg_cancel_backend("
		    "pid)) FROM pg_stat_activity WHERE datname ="
		    " current_database() AND pid <> pg_backend_pid()");
		usleep(1000);
	}
}

static void
test_statements_are_cancelled(void **state)
{
	struct load load = load_make(2, NULL);

	(void)state;
	load.disturb = cancel_statements;
	load_run(&load);
	load_end(&load);
}

/* Immediate stops and power failures. */
static void
restart_cluster(const struct load *load, atomic_bool *is_over)
{
	(void)load;
	for (int i = 0; i < 4 && !*is_over; i++) {
		usleep(100000);
		if (i % 2 == 0) {
			fixture_cluster("restart");
		} else {
			fixture_cluster("kill");
			fixture_cluster("start");
		}
	}
}

static void
test_postgresql_dies(void **state)
{
	const struct store_options options = { .retry_ms = 300 };
	struct load load = load_make(2, &options);

	(void)state;
	load.requests = 1000;
	load.users = 8;
	load.disturb = restart_cluster;
	load_run(&load);
	load_end(&load);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_store),
		cmocka_unit_test(test_two_stores),
		cmocka_unit_test(test_every_send_through_two_stores_at_once),
		cmocka_unit_test(test_small_queue),
		cmocka_unit_test(test_sessions_are_killed),
		cmocka_unit_test(test_a_group_while_sessions_are_killed),
		cmocka_unit_test(test_statements_are_cancelled),
		cmocka_unit_test(test_postgresql_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
