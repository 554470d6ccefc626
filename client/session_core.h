#ifndef PEYK_CLIENT_SESSION_CORE_H
#define PEYK_CLIENT_SESSION_CORE_H

#include <signal.h>
#include <stdbool.h>

#include "client/connection.h"
#include "client/session_request.h"
#include "rpc/sealed.h"

/* The inside of a session: for session*.c and settling.c only. */
struct session {
	struct rpc_sealed_client peer; /* first: generated stubs see this */
	struct client_error *peer_error;
	const struct account *account;
	struct state *state;
	struct connection *connection;
	const volatile sig_atomic_t *interrupt;
	int lock;             /* the account's lock; -1: not held */
	bool is_quiet;        /* retrying was told */
	bool has_recovered;   /* since then; told when unlocked */
	uint64_t others_told; /* messages of others that wait, as told last */
	uint64_t owing_until_ms;
	struct session_tally tally;
	/* Of requests that an earlier run had left; told when unlocked. */
	struct session_tally unfinished;
	/* The same of one that `peyk seal` had printed: a text; "": none. */
	char sealed_finished[1024];
};

MUST_CHECK enum status session_lock(
    struct session *session, struct client_error *error);
/* No-op when it is not held. */
void session_unlock(struct session *session);

/*
 * Takes the next number for a request, signs it and adds it to the outbox, in
 * a transaction and under the lock. STATUS_TOO_LARGE (exit 2): its body.
 */
MUST_CHECK enum status session_number_request(struct session *session,
    const struct session_request *request, uint64_t *sequence,
    struct client_error *error);

#endif
