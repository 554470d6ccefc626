#ifndef PEYK_CLIENT_CONNECTION_H
#define PEYK_CLIENT_CONNECTION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "channel/address.h"
#include "client/account.h"
#include "client/error.h"
#include "client/session.h"
#include "crypto/keys.h"
#include "rpc/client_channel.h"

/*
 * A connection to a server, and who that server is (docs/protocol.md section
 * 2). One thread at a time.
 *
 * The certificate of the first handshake is accepted whatever it is, and
 * nothing but GetServerInfo goes through; it is then compared with what the
 * identity key has signed, and from there on no other one is accepted.
 */
struct connection;

/*
 * Connects to nothing yet. options are borrowed. STATUS_INVALID (exit 2):
 * plaintext to a server that is not on loopback and without force.
 */
MUST_CHECK enum status connection_new(const struct channel_address *address,
    const struct client_options *options, struct connection **out,
    struct client_error *error);

/* NULL is a no-op. */
void connection_free(struct connection *connection);

void connection_set_interrupt(
    struct connection *connection, const volatile sig_atomic_t *interrupt);

/*
 * Learns who the server is, unless that is known: asks until it answers, or
 * until deadline_ms (clock_monotonic_ms()). A server that was never reached
 * is given up after a third of the time, but not before CONNECTION_FIRST_MS:
 * it may be starting, or not be there at all. pinned: the identity key that it
 * must have; NULL: whichever the address names, or any.
 *
 * STATUS_STALE (exit 5): another identity, or another certificate than the
 * server's. STATUS_UNAVAILABLE, STATUS_TIMEOUT (exit 3), STATUS_CANCELLED.
 */
MUST_CHECK enum status connection_learn(struct connection *connection,
    const struct signing_public_key *pinned, uint64_t deadline_ms,
    struct client_error *error);

#define CONNECTION_FIRST_MS 5000

/* Forgets it, so that connection_learn() asks again. */
void connection_forget(struct connection *connection);

/*
 * Whether a handshake was refused since because the certificate is another
 * one: then it is time to forget and learn.
 */
bool connection_was_refused(struct connection *connection);

/* Borrowed; NULL before connection_learn(). */
const struct session_server *connection_server(
    const struct connection *connection);

/* Borrowed. gRPC then tries to connect now, not at the end of its pause. */
const struct rpc_client *connection_client(struct connection *connection);

/* "host:port" */
const char *connection_target(const struct connection *connection);

/*
 * Waits; STATUS_CANCELLED (with error filled in) when interrupted.
 */
MUST_CHECK enum status connection_pause(
    struct connection *connection, uint64_t ms, struct client_error *error);

/* How long to wait before attempt number n (from 1), with some chance. */
uint64_t connection_backoff_ms(unsigned attempt);

/* The one error for a server that does not answer. */
enum status connection_unreachable(const struct connection *connection,
    enum status st, struct client_error *error);

#endif
