#ifndef PEYK_SERVER_HASHER_H
#define PEYK_SERVER_HASHER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "crypto/password.h"

/*
 * Hashes password proofs on threads of its own, so that the workers go on
 * serving: a hash takes some 20 ms and HASHER_COST.memory_size bytes. Both the
 * threads and the queue are bounded, so that nobody stops the server, or fills
 * its memory, by signing up.
 */

/* The proof is stretched already (docs/protocol.md section 7): modest. */
#define HASHER_COST                                                            \
	((struct password_cost){.passes = 2, .memory_size = (size_t)19 << 20})

#define HASHER_THREADS_MAX 8

/* With one thread the last in the queue waits a little over a second. */
#define HASHER_QUEUE_MAX 64

#define HASHER_PROOF_SIZE 32

/* What to tell those who find the queue full. */
#define HASHER_RETRY_MS 2000

/* Owned by the caller, who keeps it until done() is called. Zero it first. */
struct hasher_job {
	uint8_t proof[HASHER_PROOF_SIZE]; /* wiped before done() is called */
	/* On a thread of the hasher, or of hasher_stop(); must be quick. */
	void (*done)(struct hasher_job *job);

	/* STATUS_OK, STATUS_NOMEM; STATUS_CANCELLED: the hasher stops. */
	enum status status;
	char hash[PASSWORD_HASH_SIZE]; /* a PHC string */

	struct hasher_job *next; /* the hasher's */
};

struct hasher;

/* threads: 1 to HASHER_THREADS_MAX. STATUS_UNAVAILABLE: no thread. */
MUST_CHECK enum status hasher_start(
    unsigned threads, struct password_cost cost, struct hasher **out);

/*
 * Queues a job; any thread. STATUS_BUSY: the queue is full; STATUS_CANCELLED:
 * it stops. Then done() is not called.
 */
MUST_CHECK enum status hasher_submit(
    struct hasher *hasher, struct hasher_job *job);

/*
 * Lets the running hashes end, cancels those that are queued, joins the
 * threads. Every done() has returned. Later jobs are refused.
 */
void hasher_stop(struct hasher *hasher);

/* Only after hasher_stop(). NULL is a no-op. */
void hasher_free(struct hasher *hasher);

#endif
