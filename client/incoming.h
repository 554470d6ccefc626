#ifndef PEYK_CLIENT_INCOMING_H
#define PEYK_CLIENT_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "client/error.h"
#include "client/history.h"
#include "client/session.h"

/*
 * Receiving (docs/protocol.md sections 9 and 11).
 *
 * A message is decrypted, verified and stored in the history, once, before it
 * is acknowledged. To be displayed exactly once, it is then taken, printed,
 * and marked:
 *
 *	incoming_receive()   takes: no other running peyk takes it too
 *	the caller prints and flushes
 *	incoming_shown()     marks
 *
 * A process that dies in between gives what it took back: the next one takes
 * it again. So a message may be displayed twice after a crash, but is never
 * skipped; its id tells. In the history it stands once.
 */

/* Messages that one call returns at most. */
#define INCOMING_BATCH_MAX 256

struct incoming_query {
	/* Only messages of this name, in any spelling; empty: of everyone.
	   The others are stored all the same, are told by
	   NOTICE_OTHERS_WAITING, and wait for who asks for them. */
	struct bytes peer;
	/* How long to wait for a message when there is none. 0: not at all;
	   UINT64_MAX: for ever (until interrupted). */
	uint64_t wait_ms;
	size_t limit; /* 0: INCOMING_BATCH_MAX */
};

/*
 * Returns messages in the order in which they were stored: those that were
 * stored but never shown, or else what the server has. An empty list means
 * that there is none, and that everything stored is acknowledged: to fetch
 * all, call it until then.
 *
 * While several processes wait, one of them polls; the others see what it
 * stored. What cannot be read is set aside (NOTICE_SET_ASIDE). Failures of
 * session.h. While it waits, a server that is away is not an error before
 * timeout_ms have passed without one answer.
 */
MUST_CHECK enum status incoming_receive(struct session *session,
    const struct incoming_query *query, struct message_list *out,
    struct client_error *error);

/*
 * Fetches what the server has, without waiting, and works it off; what is to be
 * displayed waits for incoming_receive(). Until end_ms (clock_monotonic_ms()).
 * For group_send(), which needs a group's next key. Failures of session.h.
 */
MUST_CHECK enum status incoming_fetch(
    struct session *session, uint64_t end_ms, struct client_error *error);

/* Marks them as shown. */
MUST_CHECK enum status incoming_shown(struct session *session,
    const struct message_list *messages, struct client_error *error);

/* Instead: gives them back, to be taken again. */
MUST_CHECK enum status incoming_unshown(struct session *session,
    const struct message_list *messages, struct client_error *error);

#endif
