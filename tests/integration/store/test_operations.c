#include "tests/integration/store/fixture.h"

#include <string.h>

#include "base/clock.h"
#include "server/store/batch.h"

/* What each operation does, alone and beside others. */

static struct store *store;
static const char *conninfo;
static struct user alice, bob;

static int
set_up(void **state)
{
	(void)state;
	conninfo = fixture_database();
	store = fixture_store(conninfo, NULL, NULL);
	user_sign_up(store, &alice, "alice");
	user_sign_up(store, &bob, "bob");
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

/* --- Sign-ups and accounts ------------------------------------------------ */

static void
find_account(const uint8_t key[32], struct store_account *account)
{
	memset(account, 0, sizeof(*account));
	account->operation.kind = STORE_KIND_ACCOUNT;
	memcpy(account->signing_key, key, 32);
	assert_ok(fixture_run(store, &account->operation));
}

static void
test_sign_up_opens_an_account(void **state)
{
	struct store_account account;
	struct store_sign_up again;
	struct user unknown;

	(void)state;
	find_account(alice.key, &account);
	assert_int_equal(account.status, STORE_ACCOUNT_STATUS_ACTIVE);
	assert_false(account.is_replaced);
	assert_true(account.account_id == alice.id);
	assert_string_equal(account.username, "alice");
	assert_int_equal(account.encryption_key[31], 7);
	assert_true(account.last.last_sequence == alice.sequence);
	store_operation_clear(&account.operation);
	assert_null(account.username);

	/* The same request again, but with another random id. */
	sign_up_fill(&again, &alice);
	again.number.account_id = 12345;
	assert_ok(fixture_run(store, &again.operation));
	assert_int_equal(again.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(again.result.code, 0);
	assert_int_equal(again.status, STORE_ACCOUNT_STATUS_ACTIVE);
	assert_true(again.account_id == alice.id);

	/* Another request with the known key: the rule of numbers. */
	again.number.request_hash[9] = 1;
	assert_ok(fixture_run(store, &again.operation));
	assert_int_equal(again.result.claim, STORE_CLAIM_NONE);
	assert_true(again.result.last_sequence == alice.sequence);

	user_init(&unknown, "nobody");
	find_account(unknown.key, &account);
	assert_int_equal(account.status, STORE_ACCOUNT_STATUS_NONE);
	store_operation_clear(&account.operation);
}

static void
test_sign_up_with_a_taken_name_spends_the_key(void **state)
{
	struct store_send_message message = { .ciphertext = BYTES_LITERAL("x") };
	struct store_account account;
	struct store_sign_up sign_up;
	struct store_refuse refuse;
	struct store_send send;
	struct user mallory;

	(void)state;
	user_init(&mallory, "alice");
	sign_up_fill(&sign_up, &mallory);
	assert_ok(fixture_run(store, &sign_up.operation));
	assert_int_equal(sign_up.result.claim, STORE_CLAIM_CLAIMED);
	assert_int_equal(sign_up.result.code, 6);
	assert_string_equal(sign_up.result.message, "the name is taken");
	assert_int_equal(sign_up.status, STORE_ACCOUNT_STATUS_REFUSED);

	/* A retry, also after the name became free, gets the same refusal. */
	sign_up.name = BYTES_LITERAL("mallory");
	assert_ok(fixture_run(store, &sign_up.operation));
	assert_int_equal(sign_up.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(sign_up.result.code, 6);
	assert_string_equal(sign_up.result.message, "the name is taken");

	/* A new request with the spent key opens nothing. */
	sign_up.number.request_hash[9] = 1;
	sign_up.number.sequence++;
	assert_ok(fixture_run(store, &sign_up.operation));
	assert_int_equal(sign_up.result.claim, STORE_CLAIM_NONE);
	assert_int_equal(sign_up.status, STORE_ACCOUNT_STATUS_REFUSED);
	memset(&refuse, 0, sizeof(refuse));
	refuse.operation.kind = STORE_KIND_REFUSE;
	user_number(&mallory, mallory.sequence + 1, 0, &refuse.number);
	refuse.code = 3;
	refuse.message = "no";
	assert_ok(fixture_run(store, &refuse.operation));
	assert_int_equal(refuse.result.claim, STORE_CLAIM_DENIED);

	/* To others the key was never an account's. */
	memcpy(message.recipient_key, mallory.key, 32);
	send_fill(&send, &alice, ++alice.sequence, &message, 1);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(message.outcome,
	    STORE_SEND_OUTCOME_UNKNOWN_RECIPIENT);
	find_account(mallory.key, &account);
	assert_int_equal(account.status, STORE_ACCOUNT_STATUS_REFUSED);
	assert_int_equal(account.last.code, 6);
	assert_string_equal(account.last.message, "the name is taken");
	store_operation_clear(&account.operation);
}

/* The service refuses it before anybody looks at the name. */
static void
test_sign_up_that_is_refused_spends_the_key(void **state)
{
	struct store_sign_up sign_up;
	struct user mallory;

	(void)state;
	user_init(&mallory, "refused");
	sign_up_fill(&sign_up, &mallory);
	sign_up.is_refused = true;
	sign_up.taken_code = 7;
	sign_up.taken_message = "registration is closed";
	sign_up.password_hash = NULL;
	sign_up.identity = bytes_empty();
	for (int i = 0; i < 2; i++) {
		assert_ok(fixture_run(store, &sign_up.operation));
		assert_int_equal(sign_up.result.claim, i == 0 ?
		    STORE_CLAIM_CLAIMED : STORE_CLAIM_REPEATED);
		assert_int_equal(sign_up.result.code, 7);
		assert_string_equal(sign_up.result.message,
		    "registration is closed");
		assert_int_equal(sign_up.status, STORE_ACCOUNT_STATUS_REFUSED);
	}
	user_sign_up(store, &mallory, "refused");
}

/* --- Send ----------------------------------------------------------------- */

static void
test_send_stores_each_message(void **state)
{
	struct store_send_message messages[4], repeated[4];
	struct store_send send;
	struct user unknown, gone;
	uint64_t now = clock_wall_ms();

	(void)state;
	user_init(&unknown, "unknown");
	user_sign_up(store, &gone, "gone");
	fixture_sql(conninfo, "UPDATE signing_keys SET state = 2"
	    " WHERE account_id = %lld", (long long)gone.id);
	memset(messages, 0, sizeof(messages));
	memcpy(messages[0].recipient_key, bob.key, 32);
	memcpy(messages[1].recipient_key, unknown.key, 32);
	memcpy(messages[2].recipient_key, gone.key, 32);
	memcpy(messages[3].recipient_key, bob.key, 32);
	for (size_t i = 0; i < 4; i++)
		messages[i].ciphertext = BYTES_LITERAL("sealed");
	memcpy(repeated, messages, sizeof(messages));
	send_fill(&send, &alice, ++alice.sequence, messages, 4);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_CLAIMED);
	assert_int_equal(send.result.code, 0);
	assert_true(send.result.last_sequence == alice.sequence);
	assert_int_equal(messages[0].outcome, STORE_SEND_OUTCOME_STORED);
	assert_int_equal(messages[1].outcome,
	    STORE_SEND_OUTCOME_UNKNOWN_RECIPIENT);
	assert_int_equal(messages[2].outcome,
	    STORE_SEND_OUTCOME_STALE_RECIPIENT);
	assert_int_equal(messages[3].outcome, STORE_SEND_OUTCOME_STORED);
	assert_true(memcmp(messages[0].id, messages[3].id, 16) < 0);
	assert_true(bytes_get_u64be(messages[0].id) >> 16 >= now);

	/* Again: the same outcomes and ids, nothing stored twice. */
	send.messages = repeated;
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_REPEATED);
	assert_memory_equal(repeated, messages, sizeof(messages));
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM messages"
	    " WHERE recipient_id = %lld", (long long)bob.id), 2);
}

static void
test_send_judges_the_number(void **state)
{
	struct store_send_message message = { .ciphertext = BYTES_LITERAL("x") };
	struct user copy = alice;
	struct store_send send;
	int64_t before;

	(void)state;
	before = fixture_sql(conninfo, "SELECT count(*) FROM messages");
	memcpy(message.recipient_key, bob.key, 32);
	/* A repeated number with other content. */
	send_fill(&send, &alice, alice.sequence, &message, 1);
	send.number.request_hash[20] = 1;
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_NONE);
	assert_true(send.result.last_sequence == alice.sequence);
	/* A lower one, gaps, and what no bigint holds. */
	const uint64_t wrong[] = { 0, alice.sequence - 1, alice.sequence + 2,
		INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		send_fill(&send, &alice, wrong[i], &message, 1);
		assert_ok(fixture_run(store, &send.operation));
		assert_int_equal(send.result.claim, STORE_CLAIM_NONE);
		assert_true(send.result.last_sequence == alice.sequence);
	}
	/* Another key, an unknown account, one that the operator disabled. */
	copy.key[0] ^= 1;
	send_fill(&send, &copy, alice.sequence + 1, &message, 1);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_DENIED);
	user_init(&copy, "nobody");
	send_fill(&send, &copy, 1, &message, 1);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_DENIED);
	fixture_sql(conninfo, "UPDATE accounts SET status = 2 WHERE id = %lld",
	    (long long)alice.id);
	send_fill(&send, &alice, alice.sequence + 1, &message, 1);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_DENIED);
	fixture_sql(conninfo, "UPDATE accounts SET status = 1 WHERE id = %lld",
	    (long long)alice.id);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM messages"),
	    before);
}

/* A clock that goes back does not disturb the order. */
static void
test_send_ids_rise_from_request_to_request(void **state)
{
	uint8_t first[16], second[16];

	(void)state;
	user_send(store, &alice, &bob, BYTES_LITERAL("1"), first);
	fixture_sql(conninfo, "UPDATE accounts SET last_message_id ="
	    " 'f1000000-0000-7fff-bfff-ffffffffffff' WHERE id = %lld",
	    (long long)alice.id);
	user_send(store, &alice, &bob, BYTES_LITERAL("2"), first);
	user_send(store, &alice, &bob, BYTES_LITERAL("3"), second);
	assert_int_equal(first[0], 0xf1);
	assert_true(memcmp(first, second, 16) < 0);
	/* Messages from the far future would come last for ever. */
	fixture_sql(conninfo, "UPDATE accounts SET last_message_id = NULL;"
	    "DELETE FROM messages");
}

/* --- Poll ----------------------------------------------------------------- */

static void
assert_texts(const struct store_poll *poll, const char *expected)
{
	assert_int_equal(poll->message_count, strlen(expected));
	for (size_t i = 0; i < poll->message_count; i++)
		assert_bytes(poll->messages[i].ciphertext,
		    bytes_make(&expected[i], 1));
}

static void
test_poll_fetches_and_acknowledges_by_id(void **state)
{
	uint8_t ids[6][16], acks[3][16];
	uint64_t now = clock_wall_ms();
	struct store_poll poll;
	struct user carol;

	(void)state;
	user_sign_up(store, &carol, "carol");
	for (size_t i = 0; i < 6; i++)
		user_send(store, &alice, &carol, bytes_make(&"abcdef"[i], 1),
		    ids[i]);
	poll_fill(&poll, &carol, ++carol.sequence);
	poll.max_messages = 4;
	assert_ok(fixture_run(store, &poll.operation));
	assert_int_equal(poll.result.claim, STORE_CLAIM_CLAIMED);
	assert_texts(&poll, "abcd");
	assert_true(poll.has_more);
	assert_memory_equal(poll.messages[2].id, ids[2], 16);
	assert_true(poll.messages[0].stored_at_ms + 60000 > now &&
	    poll.messages[0].stored_at_ms < now + 60000);
	store_operation_clear(&poll.operation);

	/* b, d, and one that is not there; in no order, one twice. */
	memcpy(acks[0], ids[3], 16);
	memset(acks[1], 9, 16);
	memcpy(acks[2], ids[1], 16);
	poll_fill(&poll, &carol, ++carol.sequence);
	poll.acks = (const uint8_t(*)[16])acks;
	poll.ack_count = 3;
	assert_ok(fixture_run(store, &poll.operation));
	assert_texts(&poll, "acef");
	assert_false(poll.has_more);
	store_operation_clear(&poll.operation);

	/* Repeated: applied again, fetched afresh. */
	user_send(store, &alice, &carol, BYTES_LITERAL("g"), NULL);
	assert_ok(fixture_run(store, &poll.operation));
	assert_int_equal(poll.result.claim, STORE_CLAIM_REPEATED);
	assert_texts(&poll, "acefg");
	store_operation_clear(&poll.operation);

	/* Out of order: nothing is deleted or told. */
	memcpy(acks[0], ids[0], 16);
	poll.number.sequence += 2;
	assert_ok(fixture_run(store, &poll.operation));
	assert_int_equal(poll.result.claim, STORE_CLAIM_NONE);
	assert_int_equal(poll.message_count, 0);
	/* A fetch takes no number; another's message stays. */
	poll.operation.kind = STORE_KIND_FETCH;
	assert_ok(fixture_run(store, &poll.operation));
	assert_texts(&poll, "acefg");
	store_operation_clear(&poll.operation);
	poll_fill(&poll, &bob, ++bob.sequence);
	poll.acks = (const uint8_t(*)[16])acks;
	poll.ack_count = 1;
	assert_ok(fixture_run(store, &poll.operation));
	store_operation_clear(&poll.operation);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM messages"
	    " WHERE recipient_id = %lld", (long long)carol.id), 5);
}

static void
test_poll_keeps_within_its_bytes(void **state)
{
	static uint8_t large[STORE_CIPHERTEXT_MAX];
	struct store_poll poll;
	struct user dora;

	(void)state;
	user_sign_up(store, &dora, "dora");
	poll_fill(&poll, &dora, ++dora.sequence);
	assert_ok(fixture_run(store, &poll.operation));
	assert_int_equal(poll.message_count, 0);
	assert_false(poll.has_more);
	store_operation_clear(&poll.operation);
	for (int i = 0; i < 3; i++)
		user_send(store, &alice, &dora, BYTES_OF(large), NULL);

	const struct {
		uint32_t max_bytes;
		size_t count;
	} cases[] = {
		{ 1, 1 }, { sizeof(large), 1 }, { 2 * sizeof(large) - 1, 1 },
		{ 2 * sizeof(large), 2 }, { 3 * sizeof(large), 3 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		poll_fill(&poll, &dora, ++dora.sequence);
		poll.max_bytes = cases[i].max_bytes;
		assert_ok(fixture_run(store, &poll.operation));
		assert_int_equal(poll.message_count, cases[i].count);
		assert_int_equal(poll.has_more, cases[i].count < 3);
		assert_int_equal(poll.messages[0].ciphertext.size,
		    sizeof(large));
		store_operation_clear(&poll.operation);
	}
}

/* --- Look-ups and refusals ------------------------------------------------ */

static void
test_lookup_finds_identities(void **state)
{
	struct store_lookup_name names[4];
	struct store_lookup lookup;

	(void)state;
	memset(names, 0, sizeof(names));
	names[0].canonical = BYTES_LITERAL("bob");
	names[1].canonical = BYTES_LITERAL("nobody");
	names[2].canonical = BYTES_LITERAL("alice");
	names[3].canonical = BYTES_LITERAL("bob");
	memset(&lookup, 0, sizeof(lookup));
	lookup.operation.kind = STORE_KIND_LOOKUP;
	user_number(&alice, ++alice.sequence, 0, &lookup.number);
	lookup.names = names;
	lookup.name_count = 4;
	for (int i = 0; i < 2; i++) {
		assert_ok(fixture_run(store, &lookup.operation));
		assert_int_equal(lookup.result.claim, i == 0 ?
		    STORE_CLAIM_CLAIMED : STORE_CLAIM_REPEATED);
		assert_bytes(names[0].identity, BYTES_LITERAL("bob"));
		assert_false(names[1].is_found);
		assert_bytes(names[2].identity, BYTES_LITERAL("alice"));
		assert_bytes(names[3].identity, BYTES_LITERAL("bob"));
		store_operation_clear(&lookup.operation);
	}
	lookup.number.sequence += 7;
	assert_ok(fixture_run(store, &lookup.operation));
	assert_int_equal(lookup.result.claim, STORE_CLAIM_NONE);
	assert_false(names[0].is_found);
	store_operation_clear(&lookup.operation);
}

static void
test_refuse_stores_the_refusal(void **state)
{
	struct store_send_message message = { .ciphertext = BYTES_LITERAL("x") };
	struct store_refuse refuse;
	struct store_send send;

	(void)state;
	memset(&refuse, 0, sizeof(refuse));
	refuse.operation.kind = STORE_KIND_REFUSE;
	user_number(&alice, ++alice.sequence, 0, &refuse.number);
	refuse.code = 3;
	refuse.message = "too many messages";
	assert_ok(fixture_run(store, &refuse.operation));
	assert_int_equal(refuse.result.claim, STORE_CLAIM_CLAIMED);
	assert_int_equal(refuse.result.code, 3);
	assert_ok(fixture_run(store, &refuse.operation));
	assert_int_equal(refuse.result.claim, STORE_CLAIM_REPEATED);
	assert_string_equal(refuse.result.message, "too many messages");
	/* The same content as a Send: it stays refused. */
	send_fill(&send, &alice, alice.sequence, &message, 1);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_REPEATED);
	assert_int_equal(send.result.code, 3);
	assert_int_equal(message.outcome, 0);
}

/* --- Batches -------------------------------------------------------------- */

static struct pipeline *
open_pipeline(void)
{
	const struct pipeline_options options = { .conninfo = conninfo,
		.statement_timeout_ms = 5000, .lock_timeout_ms = 2000 };
	struct pipeline *pipeline;

	assert_ok(pipeline_open(&options, &pipeline));
	return pipeline;
}

/* All kinds of trouble in one transaction, with good ones between. */
static void
test_batch_judges_each_operation(void **state)
{
	enum { GOOD = 6 };
	struct store_send_message messages[GOOD + 4];
	struct store_send sends[GOOD + 4];
	struct store_operation *operations[GOOD + 7];
	struct store_sign_up new_name, old_name;
	struct batch_mail mail = { 0 };
	struct pipeline *pipeline = open_pipeline();
	struct user users[GOOD + 4], first, second;
	struct store_poll poll;

	(void)state;
	for (int i = 0; i < GOOD + 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "batch%d", i);
		user_sign_up(store, &users[i], name);
		messages[i] = (struct store_send_message){
			.ciphertext = BYTES_LITERAL("z") };
		memcpy(messages[i].recipient_key,
		    i % 2 == 0 ? bob.key : alice.key, 32);
		send_fill(&sends[i], &users[i], users[i].sequence + 1,
		    &messages[i], 1);
		operations[i] = &sends[i].operation;
	}
	sends[GOOD].number.sequence--;             /* replay */
	sends[GOOD].number.request_hash[15] = 1;
	sends[GOOD + 1].number.sequence += 5;      /* gap */
	sends[GOOD + 2].number.signing_key[0] ^= 1;
	sends[GOOD + 3].number.account_id = 4711;
	user_init(&first, "fresh name");
	user_init(&second, "alice");
	sign_up_fill(&new_name, &first);
	sign_up_fill(&old_name, &second);
	poll_fill(&poll, &bob, ++bob.sequence);
	operations[GOOD + 4] = &new_name.operation;
	operations[GOOD + 5] = &old_name.operation;
	operations[GOOD + 6] = &poll.operation;

	assert_int_equal(batch_run(pipeline, operations, GOOD + 7, &mail),
	    DATABASE_FAILURE_NONE);
	for (int i = 0; i < GOOD; i++) {
		assert_int_equal(sends[i].result.claim, STORE_CLAIM_CLAIMED);
		assert_int_equal(messages[i].outcome,
		    STORE_SEND_OUTCOME_STORED);
	}
	assert_int_equal(sends[GOOD].result.claim, STORE_CLAIM_NONE);
	assert_int_equal(sends[GOOD + 1].result.claim, STORE_CLAIM_NONE);
	assert_int_equal(sends[GOOD + 2].result.claim, STORE_CLAIM_DENIED);
	assert_int_equal(sends[GOOD + 3].result.claim, STORE_CLAIM_DENIED);
	assert_int_equal(new_name.result.code, 0);
	assert_int_equal(old_name.result.code, 6);
	assert_int_equal(mail.count, 2);
	/* What was delivered in the same batch is fetched. */
	assert_bytes(poll.messages[poll.message_count - 1].ciphertext,
	    BYTES_LITERAL("z"));
	store_operation_clear(&poll.operation);
	batch_mail_clear(&mail);
	pipeline_close(pipeline);
}

/* Many fetches at once share the messages that fit into a batch. */
static void
test_batch_shares_what_is_fetched(void **state)
{
	enum { FETCHES = 256, EACH = 65, FIT = 64 };
	static struct store_poll fetches[FETCHES];
	struct store_operation *operations[FETCHES];
	struct batch_mail mail = { 0 };
	struct pipeline *pipeline = open_pipeline();

	(void)state;
	fixture_sql(conninfo, "INSERT INTO messages SELECT n, gen_random_uuid(),"
	    " 1, 'x' FROM generate_series(1, %d) AS n, generate_series(1, %d)",
	    FETCHES, EACH);
	for (int i = 0; i < FETCHES; i++) {
		fetches[i].operation.kind = STORE_KIND_FETCH;
		fetches[i].number.account_id = i + 1;
		fetches[i].max_messages = STORE_FETCH_MAX;
		fetches[i].max_bytes = 1000;
		operations[i] = &fetches[i].operation;
	}
	assert_int_equal(batch_run(pipeline, operations, FETCHES, &mail),
	    DATABASE_FAILURE_NONE);
	for (int i = 0; i < FETCHES; i++) {
		assert_int_equal(fetches[i].message_count, FIT);
		assert_true(fetches[i].has_more);
		store_operation_clear(&fetches[i].operation);
	}
	assert_int_equal(batch_run(pipeline, operations, 1, &mail),
	    DATABASE_FAILURE_NONE);
	assert_int_equal(fetches[0].message_count, EACH);
	assert_false(fetches[0].has_more);
	store_operation_clear(&fetches[0].operation);
	batch_mail_clear(&mail);
	pipeline_close(pipeline);
}

/* Two at once for one name and one key: one of each wins. */
static void
test_batch_with_rivals(void **state)
{
	struct store_sign_up sign_ups[4];
	struct store_operation *operations[4];
	struct batch_mail mail = { 0 };
	struct pipeline *pipeline = open_pipeline();
	struct user users[3];
	int won = 0, taken = 0;

	(void)state;
	user_init(&users[0], "rival");
	user_init(&users[1], "rival");
	user_init(&users[2], "third");
	for (int i = 0; i < 3; i++)
		sign_up_fill(&sign_ups[i], &users[i]);
	/* The third one's key with another content, name and account. */
	sign_up_fill(&sign_ups[3], &users[2]);
	sign_ups[3].number.account_id ^= 2;
	sign_ups[3].number.request_hash[30] = 1;
	sign_ups[3].name = BYTES_LITERAL("fourth");
	for (int i = 0; i < 4; i++)
		operations[i] = &sign_ups[i].operation;
	assert_int_equal(batch_run(pipeline, operations, 4, &mail),
	    DATABASE_FAILURE_NONE);
	for (int i = 0; i < 2; i++) {
		won += sign_ups[i].result.code == 0;
		taken += sign_ups[i].result.code == 6;
	}
	assert_int_equal(won, 1);
	assert_int_equal(taken, 1);
	assert_true(sign_ups[2].operation.is_deferred !=
	    sign_ups[3].operation.is_deferred);
	/* The name of the one that lost its key stays free. */
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM usernames"
	    " WHERE username IN ('third', 'fourth')"), 1);
	assert_int_equal(fixture_sql(conninfo, "SELECT count(*) FROM usernames"
	    " u LEFT JOIN accounts a ON a.id = u.account_id"
	    " WHERE a.id IS NULL OR a.username <> u.username"), 0);
	batch_mail_clear(&mail);
	pipeline_close(pipeline);
}

/* What the database refuses (here: no UTF-8) fails alone. */
static void
test_one_bad_operation_fails_alone(void **state)
{
	enum { COUNT = 20 };
	struct store_send_message messages[COUNT];
	struct store_send sends[COUNT];
	struct store_sign_up bad;
	struct user users[COUNT], mallory;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		char name[16];

		snprintf(name, sizeof(name), "neighbour%d", i);
		user_sign_up(store, &users[i], name);
		messages[i] = (struct store_send_message){
			.ciphertext = BYTES_LITERAL("y") };
		memcpy(messages[i].recipient_key, bob.key, 32);
	}
	user_init(&mallory, "\xff\xfe");
	for (int round = 0; round < 5; round++) {
		sign_up_fill(&bad, &mallory);
		for (int i = 0; i < COUNT; i++) {
			send_fill(&sends[i], &users[i], ++users[i].sequence,
			    &messages[i], 1);
			assert_ok(fixture_submit(store, &sends[i].operation));
			if (i == COUNT / 2)
				assert_ok(fixture_submit(store,
				    &bad.operation));
		}
		fixture_wait(&bad.operation);
		assert_status(bad.operation.status, STATUS_INTERNAL);
		for (int i = 0; i < COUNT; i++) {
			fixture_wait(&sends[i].operation);
			assert_ok(sends[i].operation.status);
			assert_int_equal(sends[i].result.claim,
			    STORE_CLAIM_CLAIMED);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign_up_opens_an_account),
		cmocka_unit_test(test_sign_up_with_a_taken_name_spends_the_key),
		cmocka_unit_test(test_sign_up_that_is_refused_spends_the_key),
		cmocka_unit_test(test_send_stores_each_message),
		cmocka_unit_test(test_send_judges_the_number),
		cmocka_unit_test(test_send_ids_rise_from_request_to_request),
		cmocka_unit_test(test_poll_fetches_and_acknowledges_by_id),
		cmocka_unit_test(test_poll_keeps_within_its_bytes),
		cmocka_unit_test(test_lookup_finds_identities),
		cmocka_unit_test(test_refuse_stores_the_refusal),
		cmocka_unit_test(test_batch_judges_each_operation),
		cmocka_unit_test(test_batch_shares_what_is_fetched),
		cmocka_unit_test(test_batch_with_rivals),
		cmocka_unit_test(test_one_bad_operation_fails_alone),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
