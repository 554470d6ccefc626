#ifndef PEYK_TESTS_STORE_FIXTURE_H
#define PEYK_TESTS_STORE_FIXTURE_H

#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "server/store/store.h"

/*
 * What the tests of the store share. They run under postgres.sh, which starts
 * a cluster of their own and names it in the environment.
 */

/* The connection string of the cluster's first database. */
const char *fixture_conninfo(void);

/*
 * A fresh database with the current schema; connection string, static until
 * the next call. Earlier ones stay.
 */
const char *fixture_database(void);

/* The same without a schema. */
const char *fixture_empty_database(void);

/* Runs SQL and gives the first field as a number (0 if there is none). */
int64_t fixture_sql(const char *conninfo, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* postgres.sh start|stop|restart|kill on the cluster. */
void fixture_cluster(const char *command);

/* Mail that the callbacks of a store told of. */
struct fixture_mail {
	atomic_ulong told;     /* accounts in on_mail */
	atomic_long last;      /* the last of them */
	atomic_ulong everyone; /* calls of on_mail_everyone */
};

/* Opens a store and waits until it is ready. options may be NULL. */
struct store *fixture_store(const char *conninfo,
    const struct store_options *options, struct fixture_mail *mail);

void fixture_wait_ready(struct store *store);

/* Submits an operation of any kind and waits until it is done. */
enum status fixture_run(struct store *store,
    struct store_operation *operation);

/* Submits; fixture_wait() waits for it. */
enum status fixture_submit(struct store *store,
    struct store_operation *operation);
void fixture_wait(struct store_operation *operation);

/* An account as its owner sees it. */
struct user {
	int64_t id;
	uint8_t key[32];
	char name[32];
	uint64_t sequence; /* of its last request */
};

/* Random keys and first number; sign-up is the caller's. */
void user_init(struct user *user, const char *name);
void user_sign_up(struct store *store, struct user *user, const char *name);

/* The number; the hash is made from salt. */
void user_number(const struct user *user, uint64_t sequence, uint64_t salt,
    struct store_number *out);

/* Fills in an operation; the content is the recipient's business. */
void sign_up_fill(struct store_sign_up *sign_up, const struct user *user);
void send_fill(struct store_send *send, const struct user *from,
    uint64_t sequence, struct store_send_message *messages, size_t count);
void poll_fill(struct store_poll *poll, const struct user *user,
    uint64_t sequence);

/* One message with the next number; asserts that it was stored. */
void user_send(struct store *store, struct user *from, const struct user *to,
    struct bytes text, uint8_t id[16]);

#endif
