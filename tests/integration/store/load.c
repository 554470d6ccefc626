#include "tests/integration/store/load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/store/fixture.h"

#define MESSAGES_MAX 3
#define POLL_MESSAGES 16
#define GROUP_ID 4711
#define CHECK(claim) check((claim), #claim, __LINE__)

static void
check(bool is_so, const char *claim, int line)
{
	if (is_so)
		return;
	fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, line, claim);
	abort();
}

/* A message's text. */
struct note {
	uint32_t sender;
	uint32_t number; /* from this sender to this recipient, from 1 */
	bool is_to_group; /* then the recipient is the group */
};

struct driver {
	const struct load *load;
	struct driver *all;
	uint32_t index;
	struct user user;
	pthread_t thread;
	unsigned random;
	uint32_t sent[LOAD_USERS_MAX]; /* to each */
	uint32_t seen[LOAD_USERS_MAX]; /* from each */
	uint32_t group_sent, group_seen[LOAD_USERS_MAX];
	uint8_t acks[POLL_MESSAGES][16];
	size_t ack_count;
	size_t turn;
};

static struct store *
next_store(struct driver *driver)
{
	const struct load *load = driver->load;

	return load->stores[driver->turn++ % load->store_count];
}

/* Until the database has answered. */
static void
insist(struct driver *driver, struct store_operation *operation)
{
	for (int attempt = 0;; attempt++) {
		enum status st = fixture_run(next_store(driver), operation);

		if (st == STATUS_OK)
			return;
		CHECK(st == STATUS_UNAVAILABLE || st == STATUS_BUSY);
		CHECK(attempt < 10000);
		usleep(10000);
	}
}

static void
expect_answer(const struct store_result *result, uint64_t sequence)
{
	CHECK(result->claim == STORE_CLAIM_CLAIMED ||
	    result->claim == STORE_CLAIM_REPEATED);
	CHECK(result->code == 0);
	CHECK(result->last_sequence == sequence);
}

/* The same request through both servers at once: one of them repeats. */
static void
send_doubled(struct driver *driver, struct store_send *send)
{
	struct store_send_message messages[MESSAGES_MAX];
	struct store_send twin = *send;
	enum status first, second;

	memcpy(messages, send->messages, send->message_count *
	    sizeof(messages[0]));
	twin.messages = messages;
	first = fixture_submit(driver->load->stores[0], &send->operation);
	second = fixture_submit(driver->load->stores[1], &twin.operation);
	if (first == STATUS_OK)
		fixture_wait(&send->operation);
	if (second == STATUS_OK)
		fixture_wait(&twin.operation);
	if (first != STATUS_OK || second != STATUS_OK ||
	    send->operation.status != STATUS_OK ||
	    twin.operation.status != STATUS_OK) {
		insist(driver, &send->operation);
		return;
	}
	expect_answer(&twin.result, send->number.sequence);
	CHECK(send->result.claim != twin.result.claim);
	for (size_t i = 0; i < send->message_count; i++) {
		CHECK(messages[i].outcome == send->messages[i].outcome);
		CHECK(memcmp(messages[i].id, send->messages[i].id, 16) == 0);
	}
}

static void
send_some(struct driver *driver)
{
	struct store_send_message messages[MESSAGES_MAX];
	struct note notes[MESSAGES_MAX];
	struct store_send send;
	size_t count = 1 + (size_t)rand_r(&driver->random) % MESSAGES_MAX;

	memset(messages, 0, sizeof(messages));
	for (size_t i = 0; i < count; i++) {
		size_t to = (size_t)rand_r(&driver->random) %
		    driver->load->users;

		memset(&notes[i], 0, sizeof(notes[i]));
		notes[i].sender = driver->index;
		notes[i].is_to_group = driver->load->is_grouped && i % 2 == 0;
		notes[i].number = notes[i].is_to_group ?
		    ++driver->group_sent : ++driver->sent[to];
		if (notes[i].is_to_group) {
			messages[i].group_id = GROUP_ID;
			messages[i].epoch = 1;
		} else {
			memcpy(messages[i].recipient_key,
			    driver->all[to].user.key, 32);
		}
		messages[i].ciphertext =
		    bytes_make(&notes[i], sizeof(notes[i]));
	}
	send_fill(&send, &driver->user, ++driver->user.sequence, messages,
	    count);
	if (driver->load->is_doubled)
		send_doubled(driver, &send);
	else
		insist(driver, &send.operation);
	expect_answer(&send.result, driver->user.sequence);
	for (size_t i = 0; i < count; i++) {
		CHECK(messages[i].outcome == STORE_SEND_OUTCOME_STORED);
		CHECK(i == 0 ||
		    memcmp(messages[i - 1].id, messages[i].id, 16) < 0);
	}
}

/* All that came last time is acknowledged, so nothing comes twice. */
static size_t
poll_some(struct driver *driver)
{
	struct store_poll poll;
	size_t count;

	poll_fill(&poll, &driver->user, ++driver->user.sequence);
	poll.max_messages = POLL_MESSAGES;
	poll.acks = (const uint8_t(*)[16])driver->acks;
	poll.ack_count = driver->ack_count;
	insist(driver, &poll.operation);
	expect_answer(&poll.result, driver->user.sequence);
	count = poll.message_count;
	for (size_t i = 0; i < count; i++) {
		struct note note;

		CHECK(poll.messages[i].ciphertext.size == sizeof(note));
		memcpy(&note, poll.messages[i].ciphertext.data, sizeof(note));
		CHECK(note.sender < driver->load->users);
		CHECK(note.is_to_group == (poll.messages[i].group_id != 0));
		CHECK(note.number == (note.is_to_group ?
		    ++driver->group_seen[note.sender] :
		    ++driver->seen[note.sender]));
		memcpy(driver->acks[i], poll.messages[i].id, 16);
	}
	driver->ack_count = count;
	store_operation_clear(&poll.operation);
	return count;
}

static void *
drive(void *context)
{
	struct driver *driver = context;

	for (size_t i = 0; i < driver->load->requests; i++) {
		if (rand_r(&driver->random) % 4 == 0)
			(void)poll_some(driver);
		else
			send_some(driver);
	}
	return NULL;
}

struct disturbance {
	const struct load *load;
	atomic_bool is_over;
	pthread_t thread;
};

static void *
disturb(void *context)
{
	struct disturbance *disturbance = context;

	disturbance->load->disturb(disturbance->load, &disturbance->is_over);
	return NULL;
}

static void
finish_and_compare(struct driver *drivers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		while (poll_some(&drivers[i]) > 0)
			continue;
	}
	for (size_t from = 0; from < count; from++) {
		for (size_t to = 0; to < count; to++) {
			CHECK(drivers[from].sent[to] ==
			    drivers[to].seen[from]);
			CHECK(drivers[to].group_seen[from] ==
			    (from == to ? 0 : drivers[from].group_sent));
		}
	}
}

static void
make_group(const struct load *load)
{
	fixture_sql(load->conninfo, "INSERT INTO groups SELECT %d, 1, 1, 'all',"
	    " id, k, k, k, k FROM accounts,"
	    " lateral (SELECT sha256('') AS k) AS hashes LIMIT 1;"
	    "INSERT INTO group_members SELECT %d, id FROM accounts",
	    GROUP_ID, GROUP_ID);
}

void
load_run(const struct load *load)
{
	struct driver *drivers = calloc(load->users, sizeof(*drivers));
	struct disturbance disturbance = { .load = load };

	CHECK(drivers != NULL && load->users <= LOAD_USERS_MAX);
	for (size_t i = 0; i < load->users; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user %zu", i);
		drivers[i] = (struct driver){ .load = load, .all = drivers,
			.index = (uint32_t)i, .random = (unsigned)i };
		user_sign_up(load->stores[0], &drivers[i].user, name);
	}
	if (load->is_grouped)
		make_group(load);
	if (load->disturb != NULL)
		CHECK(pthread_create(&disturbance.thread, NULL, disturb,
		    &disturbance) == 0);
	for (size_t i = 0; i < load->users; i++)
		CHECK(pthread_create(&drivers[i].thread, NULL, drive,
		    &drivers[i]) == 0);
	for (size_t i = 0; i < load->users; i++)
		pthread_join(drivers[i].thread, NULL);
	disturbance.is_over = true;
	if (load->disturb != NULL)
		pthread_join(disturbance.thread, NULL);
	finish_and_compare(drivers, load->users);
	free(drivers);
}
