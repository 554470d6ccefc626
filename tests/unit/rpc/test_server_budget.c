/* rpc/server_budget.h */

#include "rpc/server_budget.h"

#include "tests/unit/unit.h"

static void
test_budget_ends_what_is_too_old(void **state)
{
	struct rpc_budget budget = {
	    .weight_max = 100, .patience_ms = 10, .time_max_ms = 1000};
	struct rpc_budget_entry a = {0}, b = {0};

	(void)state;
	assert_false(rpc_budget_needs_time(&budget));
	rpc_budget_add(&budget, &a, 1, 5000);
	rpc_budget_add(&budget, &b, 1, 5500);
	assert_true(rpc_budget_needs_time(&budget));
	assert_null(rpc_budget_take_late(&budget, 5999));
	assert_ptr_equal(rpc_budget_take_late(&budget, 6000), &a);
	assert_null(rpc_budget_take_late(&budget, 6499));
	assert_ptr_equal(rpc_budget_take_late(&budget, 9000), &b);
	assert_null(rpc_budget_take_late(&budget, 9000));
	assert_int_equal(budget.weight, 0);
	assert_false(rpc_budget_needs_time(&budget));
}

static void
test_budget_ends_the_oldest_of_too_many(void **state)
{
	struct rpc_budget budget = {.weight_max = 3,
	    .patience_ms = 10,
	    .time_max_ms = RPC_BUDGET_NEVER};
	struct rpc_budget_entry entries[5] = {{0}};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		rpc_budget_add(&budget, &entries[i], 1, 100 + i);
	/* As many as may be, for ever. */
	assert_false(rpc_budget_needs_time(&budget));
	assert_null(rpc_budget_take_late(&budget, 1000000000));
	rpc_budget_add(&budget, &entries[3], 1, 103);
	rpc_budget_add(&budget, &entries[4], 1, 104);
	assert_true(rpc_budget_needs_time(&budget));
	assert_null(rpc_budget_take_late(&budget, 109));
	assert_ptr_equal(rpc_budget_take_late(&budget, 111), &entries[0]);
	assert_ptr_equal(rpc_budget_take_late(&budget, 111), &entries[1]);
	assert_null(rpc_budget_take_late(&budget, 1000000000));
	assert_int_equal(budget.weight, 3);
}

static void
test_budget_weighs(void **state)
{
	struct rpc_budget budget = {.weight_max = 100,
	    .patience_ms = 0,
	    .time_max_ms = RPC_BUDGET_NEVER};
	struct rpc_budget_entry a = {0}, b = {0};

	(void)state;
	/* An empty one takes anything. */
	assert_false(rpc_budget_would_exceed(&budget, 1000));
	rpc_budget_add(&budget, &a, 60, 1);
	assert_false(rpc_budget_would_exceed(&budget, 40));
	assert_true(rpc_budget_would_exceed(&budget, 41));
	rpc_budget_add(&budget, &b, 60, 1);
	assert_ptr_equal(rpc_budget_take_late(&budget, 1), &a);
	assert_null(rpc_budget_take_late(&budget, 1));
}

static void
test_budget_entries_leave_from_anywhere(void **state)
{
	struct rpc_budget budget = {
	    .weight_max = 100, .time_max_ms = 1, .patience_ms = 1};
	struct rpc_budget_entry entries[4] = {{0}};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		rpc_budget_add(&budget, &entries[i], i + 1, 0);
	rpc_budget_remove(&entries[1]);
	rpc_budget_remove(&entries[1]);
	rpc_budget_remove(&entries[3]);
	rpc_budget_remove(&entries[0]);
	assert_int_equal(budget.weight, 3);
	rpc_budget_add(&budget, &entries[3], 7, 0);
	assert_ptr_equal(rpc_budget_take_late(&budget, 5), &entries[2]);
	assert_ptr_equal(rpc_budget_take_late(&budget, 5), &entries[3]);
	assert_null(budget.first);
	assert_null(budget.last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_budget_ends_what_is_too_old),
	    cmocka_unit_test(test_budget_ends_the_oldest_of_too_many),
	    cmocka_unit_test(test_budget_weighs),
	    cmocka_unit_test(test_budget_entries_leave_from_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
