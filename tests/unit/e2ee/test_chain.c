#include "tests/unit/unit.h"

#include "e2ee/chain.h"
#include "wire/limits.h"

static const struct sha256_digest hashes[] = { { {0} }, { {1} }, { {2} },
	{ {3} }, { {4} }, { {5} } };

/* The verdict on message n of the sender, which names n - 1. */
static enum e2ee_chain_verdict
receive(struct e2ee_chain *chain, uint64_t n, uint64_t *missing)
{
	const struct e2ee_chain_link link = { .counter = n,
		.previous_hash = n == 1 ? NULL : &hashes[n - 1] };

	return e2ee_chain_receive(chain, &link, &hashes[n], missing);
}

static void
test_chain_counts_from_one(void **state)
{
	struct e2ee_chain chain = {0};
	struct e2ee_chain_link link;

	(void)state;
	assert_ok(e2ee_chain_next(&chain, &link));
	assert_int_equal(link.counter, 1);
	assert_null(link.previous_hash);
	e2ee_chain_advance(&chain, &hashes[1]);
	assert_ok(e2ee_chain_next(&chain, &link));
	assert_int_equal(link.counter, 2);
	assert_true(sha256_digest_equal(link.previous_hash, &hashes[1]));
}

static void
test_chain_ends_at_the_largest_number(void **state)
{
	struct e2ee_chain chain = { .counter = WIRE_NUMBER_MAX - 1 };
	struct e2ee_chain_link link;

	(void)state;
	assert_ok(e2ee_chain_next(&chain, &link));
	e2ee_chain_advance(&chain, &hashes[1]);
	assert_status(e2ee_chain_next(&chain, &link), STATUS_TOO_LARGE);
}

static void
test_chain_rolls_back_to_before_the_refused(void **state)
{
	struct e2ee_chain chain = {0}, before;
	struct e2ee_chain_link first, second;

	(void)state;
	e2ee_chain_advance(&chain, &hashes[1]);
	before = chain;
	assert_ok(e2ee_chain_next(&before, &first));
	e2ee_chain_advance(&chain, &hashes[2]);
	second.counter = 3;
	second.previous_hash = &hashes[2];
	e2ee_chain_advance(&chain, &hashes[3]);
	/* in any order: the earliest wins */
	e2ee_chain_roll_back(&chain, &first);
	assert_memory_equal(&chain, &before, sizeof(chain));
	e2ee_chain_roll_back(&chain, &second);
	assert_memory_equal(&chain, &before, sizeof(chain));
	/* over a link that borrows from the chain itself */
	assert_ok(e2ee_chain_next(&chain, &first));
	e2ee_chain_roll_back(&chain, &first);
	assert_memory_equal(&chain, &before, sizeof(chain));
	/* to the very beginning */
	first = (struct e2ee_chain_link){ .counter = 1 };
	e2ee_chain_roll_back(&chain, &first);
	before = (struct e2ee_chain){0};
	assert_memory_equal(&chain, &before, sizeof(chain));
}

static void
test_chain_judges_what_arrives(void **state)
{
	struct e2ee_chain chain = {0};
	uint64_t missing = 99;

	(void)state;
	assert_int_equal(receive(&chain, 1, &missing), E2EE_CHAIN_EXPECTED);
	assert_int_equal(missing, 0);
	assert_int_equal(receive(&chain, 2, &missing), E2EE_CHAIN_EXPECTED);
	assert_int_equal(receive(&chain, 5, &missing), E2EE_CHAIN_MISSING);
	assert_int_equal(missing, 2);
	/* a late one does not move the chain back */
	assert_int_equal(receive(&chain, 3, &missing), E2EE_CHAIN_EARLIER);
	assert_int_equal(missing, 0);
	assert_int_equal(chain.counter, 5);
	assert_int_equal(receive(&chain, 5, &missing), E2EE_CHAIN_EARLIER);
	/* the sender begins again */
	assert_int_equal(receive(&chain, 1, &missing), E2EE_CHAIN_ANEW);
	assert_int_equal(receive(&chain, 2, &missing), E2EE_CHAIN_EXPECTED);
}

static void
test_chain_first_seen_in_the_middle_misses_all_before(void **state)
{
	struct e2ee_chain chain = {0};
	uint64_t missing = 0;

	(void)state;
	assert_int_equal(receive(&chain, 4, &missing), E2EE_CHAIN_MISSING);
	assert_int_equal(missing, 3);
	assert_int_equal(receive(&chain, 5, &missing), E2EE_CHAIN_EXPECTED);
}

static void
test_chain_notices_another_predecessor(void **state)
{
	const struct e2ee_chain_link link = { .counter = 2,
		.previous_hash = &hashes[5] };
	struct e2ee_chain chain = {0};
	uint64_t missing = 0;

	(void)state;
	assert_int_equal(receive(&chain, 1, &missing), E2EE_CHAIN_EXPECTED);
	assert_int_equal(e2ee_chain_receive(&chain, &link, &hashes[2],
	    &missing), E2EE_CHAIN_FORKED);
	/* and goes on from it */
	assert_int_equal(receive(&chain, 3, &missing), E2EE_CHAIN_EXPECTED);
}

static void
test_chain_never_wraps(void **state)
{
	const struct e2ee_chain_link link = { .counter = WIRE_NUMBER_MAX,
		.previous_hash = &hashes[1] };
	struct e2ee_chain chain = {0};
	uint64_t missing = 0;

	(void)state;
	assert_int_equal(e2ee_chain_receive(&chain, &link, &hashes[2],
	    &missing), E2EE_CHAIN_MISSING);
	assert_true(missing == WIRE_NUMBER_MAX - 1);
	assert_int_equal(e2ee_chain_receive(&chain, &link, &hashes[2],
	    &missing), E2EE_CHAIN_EARLIER);
}

/* What a sender makes is what a recipient expects. */
static void
test_chain_both_ends_agree(void **state)
{
	struct e2ee_chain sender = {0}, recipient = {0};
	struct e2ee_chain_link link;
	struct sha256_digest hash = { {0} };
	uint64_t missing;
	int i;

	(void)state;
	for (i = 0; i < 300; i++) {
		hash.bytes[0] = (uint8_t)i;
		assert_ok(e2ee_chain_next(&sender, &link));
		if (i % 7 == 3) {
			/* the server refused it: it never happened */
			e2ee_chain_advance(&sender, &hash);
			e2ee_chain_roll_back(&sender,
			    &(struct e2ee_chain_link){
			    .counter = link.counter,
			    .previous_hash = &recipient.hash });
			continue;
		}
		assert_int_equal(e2ee_chain_receive(&recipient, &link, &hash,
		    &missing), E2EE_CHAIN_EXPECTED);
		e2ee_chain_advance(&sender, &hash);
		assert_memory_equal(&sender, &recipient, sizeof(sender));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain_counts_from_one),
		cmocka_unit_test(test_chain_ends_at_the_largest_number),
		cmocka_unit_test(test_chain_rolls_back_to_before_the_refused),
		cmocka_unit_test(test_chain_judges_what_arrives),
		cmocka_unit_test(
		    test_chain_first_seen_in_the_middle_misses_all_before),
		cmocka_unit_test(test_chain_notices_another_predecessor),
		cmocka_unit_test(test_chain_never_wraps),
		cmocka_unit_test(test_chain_both_ends_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
