#include "tests/integration/store/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/clock.h"
#include "base/random.h"
#include "server/store/migrate.h"

#define WAIT_MS 60000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_done = PTHREAD_COND_INITIALIZER;

/* --- PostgreSQL ----------------------------------------------------------- */

const char *
fixture_conninfo(void)
{
	const char *conninfo = getenv("PEYK_TEST_DATABASE");

	if (conninfo == NULL)
		fail_msg("run this under tests/support/postgres.sh run");
	return conninfo;
}

int64_t
fixture_sql(const char *conninfo, const char *format, ...)
{
	char sql[4096];
	va_list arguments;
	PGconn *pg = PQconnectdb(conninfo);
	PGresult *result;
	int64_t value = 0;

	va_start(arguments, format);
	vsnprintf(sql, sizeof(sql), format, arguments);
	va_end(arguments);
	result = PQexec(pg, sql);
	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
	    PQresultStatus(result) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(pg));
	if (PQresultStatus(result) == PGRES_TUPLES_OK &&
	    PQntuples(result) > 0)
		value = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	PQfinish(pg);
	return value;
}

const char *
fixture_empty_database(void)
{
	static char conninfo[512];
	static unsigned count;

	count++;
	fixture_sql(fixture_conninfo(), "CREATE DATABASE test_%d_%u",
	    getpid(), count);
	snprintf(conninfo, sizeof(conninfo), "%s dbname=test_%d_%u",
	    fixture_conninfo(), getpid(), count);
	return conninfo;
}

const char *
fixture_database(void)
{
	const char *conninfo = fixture_empty_database();
	const struct migrate_options options = { .conninfo = conninfo };
	struct buf problem;
	const char *text;

	buf_init(&problem, 1024);
	if (migrate_up(&options, &problem) != STATUS_OK) {
		assert_ok(buf_string(&problem, &text));
		fail_msg("%s", text);
	}
	buf_clear(&problem);
	return conninfo;
}

void
fixture_cluster(const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s %s %s >/dev/null", POSTGRES_SH,
	    command, getenv("PEYK_TEST_POSTGRES"));
	assert_int_equal(system(line), 0);
}

/* --- Stores --------------------------------------------------------------- */

static void
count_mail(void *context, const int64_t *account_ids, size_t count)
{
	struct fixture_mail *mail = context;

	assert_true(count > 0);
	atomic_store(&mail->last, account_ids[count - 1]);
	atomic_fetch_add(&mail->told, count);
}

static void
count_everyone(void *context)
{
	struct fixture_mail *mail = context;

	atomic_fetch_add(&mail->everyone, 1);
}

void
fixture_wait_ready(struct store *store)
{
	uint64_t end = clock_monotonic_ms() + WAIT_MS;

	while (!store_is_ready(store)) {
		if (clock_monotonic_ms() > end)
			fail_msg("the store does not become ready");
		usleep(2000);
	}
}

struct store *
fixture_store(const char *conninfo, const struct store_options *options,
    struct fixture_mail *mail)
{
	static struct fixture_mail unread;
	const struct store_callbacks callbacks = {
		.context = mail != NULL ? mail : &unread,
		.on_mail = count_mail,
		.on_mail_everyone = count_everyone,
	};
	struct store_options copy = { 0 };
	struct store *store;

	if (options != NULL)
		copy = *options;
	copy.conninfo = conninfo;
	assert_ok(store_open(&copy, &callbacks, &store));
	fixture_wait_ready(store);
	return store;
}

/* done itself tells whether it was called: nothing else is left to us. */
static void
set_done(struct store_operation *operation)
{
	pthread_mutex_lock(&mutex);
	assert_true(operation->done == set_done);
	operation->done = NULL;
	pthread_cond_broadcast(&is_done);
	pthread_mutex_unlock(&mutex);
}

enum status
fixture_submit(struct store *store, struct store_operation *operation)
{
	operation->done = set_done;
	return store_submit(store, operation);
}

void
fixture_wait(struct store_operation *operation)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&mutex);
	while (operation->done != NULL) {
		if (pthread_cond_timedwait(&is_done, &mutex, &end) != 0)
			fail_msg("an operation is never done");
	}
	pthread_mutex_unlock(&mutex);
}

enum status
fixture_run(struct store *store, struct store_operation *operation)
{
	enum status st;

	if ((st = fixture_submit(store, operation)) != STATUS_OK)
		return st;
	fixture_wait(operation);
	return operation->status;
}

/* --- Users ---------------------------------------------------------------- */

void
user_init(struct user *user, const char *name)
{
	memset(user, 0, sizeof(*user));
	user->id = (int64_t)(random_u64() >> 1) | 1;
	random_bytes(user->key, sizeof(user->key));
	user->sequence = random_u64() >> 16;
	snprintf(user->name, sizeof(user->name), "%s", name);
}

void
user_number(const struct user *user, uint64_t sequence, uint64_t salt,
    struct store_number *out)
{
	memset(out, 0, sizeof(*out));
	out->account_id = user->id;
	out->sequence = sequence;
	memcpy(out->signing_key, user->key, sizeof(out->signing_key));
	bytes_put_u64be(out->request_hash, sequence);
	bytes_put_u64be(out->request_hash + 8, salt);
}

void
sign_up_fill(struct store_sign_up *sign_up, const struct user *user)
{
	memset(sign_up, 0, sizeof(*sign_up));
	sign_up->operation.kind = STORE_KIND_SIGN_UP;
	user_number(user, user->sequence, 0, &sign_up->number);
	memset(sign_up->encryption_key, 7, sizeof(sign_up->encryption_key));
	sign_up->name = bytes_from_string(user->name);
	sign_up->identity = bytes_from_string(user->name);
	sign_up->password_hash = "$argon2id$v=19$...";
	sign_up->taken_code = 6;
	sign_up->taken_message = "the name is taken";
}

void
user_sign_up(struct store *store, struct user *user, const char *name)
{
	struct store_sign_up sign_up;

	user_init(user, name);
	sign_up_fill(&sign_up, user);
	assert_ok(fixture_run(store, &sign_up.operation));
	assert_int_equal(sign_up.result.claim, STORE_CLAIM_CLAIMED);
	assert_int_equal(sign_up.result.code, 0);
}

void
send_fill(struct store_send *send, const struct user *from,
    uint64_t sequence, struct store_send_message *messages, size_t count)
{
	memset(send, 0, sizeof(*send));
	send->operation.kind = STORE_KIND_SEND;
	user_number(from, sequence, 0, &send->number);
	send->messages = messages;
	send->message_count = count;
}

void
poll_fill(struct store_poll *poll, const struct user *user, uint64_t sequence)
{
	memset(poll, 0, sizeof(*poll));
	poll->operation.kind = STORE_KIND_POLL;
	user_number(user, sequence, 0, &poll->number);
	poll->max_messages = STORE_FETCH_MAX;
	poll->max_bytes = 3 << 20;
}

void
user_send(struct store *store, struct user *from, const struct user *to,
    struct bytes text, uint8_t id[16])
{
	struct store_send_message message = { .ciphertext = text };
	struct store_send send;

	memcpy(message.recipient_key, to->key, sizeof(to->key));
	send_fill(&send, from, ++from->sequence, &message, 1);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_CLAIMED);
	assert_int_equal(message.outcome, STORE_SEND_OUTCOME_STORED);
	if (id != NULL)
		memcpy(id, message.id, 16);
}
