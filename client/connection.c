#include "client/connection.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/random.h"
#include "channel/server_info.h"
#include "client/target.h"
#include "crypto/certificate.h"
#include "gen/peyk/v1/messenger.grpc-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

/* One attempt to ask who the server is. */
#define ASK_TIMEOUT_MS 10000

/* How often a pause looks at the interrupt flag. */
#define PAUSE_STEP_MS 50

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 3000

struct connection {
	struct channel_address address;
	char target[TARGET_SIZE];
	struct rpc_loop *loop;
	struct rpc_channel *channel;
	struct rpc_client client;
	const volatile sig_atomic_t *interrupt;
	bool uses_tls;
	bool is_known;    /* server is filled in */
	bool was_reached; /* an answer came, ever */
	struct session_server server;

	/* The handshakes run on threads of gRPC. */
	pthread_mutex_t mutex;
	bool has_certificate; /* guarded by mutex, as are these: */
	struct sha256_digest certificate;
	bool was_refused;
};

/* Runs in a handshake: accepts the first certificate, and then only that. */
static bool
verify_certificate(void *arg, const char *pem)
{
	struct connection *connection = arg;
	struct sha256_digest digest;
	bool is_accepted;

	if (certificate_fingerprint(bytes_from_string(pem), &digest) !=
	    STATUS_OK)
		return false;
	(void)pthread_mutex_lock(&connection->mutex);
	if (!connection->has_certificate) {
		connection->certificate = digest;
		connection->has_certificate = true;
	}
	is_accepted = sha256_digest_equal(&connection->certificate, &digest);
	if (!is_accepted)
		connection->was_refused = true;
	(void)pthread_mutex_unlock(&connection->mutex);
	return is_accepted;
}

static enum status
check_plaintext(const struct channel_address *address,
    const struct client_options *options, struct client_error *error)
{
	if (!options->uses_plaintext || options->forces_plaintext ||
	    target_is_loopback(address))
		return STATUS_OK;
	return client_error_set(error, STATUS_INVALID, EXIT_CODE_USAGE,
	    "Without TLS, only a server on this machine is talked to. %s is "
	    "another machine.",
	    address->host);
}

enum status
connection_new(const struct channel_address *address,
    const struct client_options *options, struct connection **out,
    struct client_error *error)
{
	struct rpc_channel_tls tls = {.verify = verify_certificate};
	struct rpc_channel_options channel = {
	    .max_message_bytes = WIRE_ENVELOPE_MAX + 1024,
	};
	struct connection *connection = NULL;
	enum status st;

	if ((st = check_plaintext(address, options, error)) != STATUS_OK)
		return st;
	connection = calloc(1, sizeof(*connection));
	if (connection == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	if (pthread_mutex_init(&connection->mutex, NULL) != 0) {
		free(connection);
		connection = NULL;
		st = STATUS_NOMEM;
		goto out;
	}
	connection->address = *address;
	connection->uses_tls = !options->uses_plaintext;
	target_format(address, connection->target);
	if (connection->uses_tls) {
		tls.verify_arg = connection;
		channel.tls = &tls;
	}
	if ((st = rpc_loop_new(&connection->loop)) != STATUS_OK ||
	    (st = rpc_channel_new(connection->target, &channel,
		 &connection->channel)) != STATUS_OK)
		goto out;
	connection->client = (struct rpc_client){
	    .channel = connection->channel,
	    .loop = connection->loop,
	};
	connection_set_interrupt(connection, options->interrupt);
	*out = connection;
	connection = NULL; /* now the caller's */
out:
	connection_free(connection);
	return st == STATUS_OK
		   ? STATUS_OK
		   : client_error_set_plain(error, st, "prepare a connection");
}

void
connection_free(struct connection *connection)
{
	if (connection == NULL)
		return;
	if (connection->channel != NULL)
		rpc_channel_free(connection->channel);
	if (connection->loop != NULL)
		rpc_loop_free(connection->loop);
	(void)pthread_mutex_destroy(&connection->mutex);
	free(connection);
}

void
connection_set_interrupt(
    struct connection *connection, const volatile sig_atomic_t *interrupt)
{
	connection->interrupt = interrupt;
	rpc_loop_set_interrupt(connection->loop, interrupt);
}

const struct session_server *
connection_server(const struct connection *connection)
{
	return connection->is_known ? &connection->server : NULL;
}

const struct rpc_client *
connection_client(struct connection *connection)
{
	rpc_channel_reset_backoff(connection->channel);
	return &connection->client;
}

const char *
connection_target(const struct connection *connection)
{
	return connection->target;
}

/*
 * After a handshake that was refused there is no connection, and the next one
 * may bring any certificate, to be compared before anything is sent.
 */
static void
accept_new_certificate(struct connection *connection)
{
	(void)pthread_mutex_lock(&connection->mutex);
	if (connection->was_refused)
		connection->has_certificate = false;
	connection->was_refused = false;
	(void)pthread_mutex_unlock(&connection->mutex);
}

void
connection_forget(struct connection *connection)
{
	accept_new_certificate(connection);
	connection->is_known = false;
}

bool
connection_was_refused(struct connection *connection)
{
	bool was_refused;

	(void)pthread_mutex_lock(&connection->mutex);
	was_refused = connection->was_refused;
	(void)pthread_mutex_unlock(&connection->mutex);
	return was_refused;
}

/* ---- Waiting ---- */

static bool
is_interrupted(const struct connection *connection)
{
	return connection->interrupt != NULL && *connection->interrupt != 0;
}

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

enum status
connection_pause(
    struct connection *connection, uint64_t ms, struct client_error *error)
{
	uint64_t start_ms = clock_monotonic_ms(), passed_ms;

	while (!is_interrupted(connection)) {
		passed_ms = clock_monotonic_ms() - start_ms;
		if (passed_ms >= ms)
			return STATUS_OK;
		/* gRPC connects again only while somebody waits with it. */
		(void)rpc_loop_step(connection->loop,
		    (int64_t)smaller(ms - passed_ms, PAUSE_STEP_MS));
	}
	return client_error_set_plain(error, STATUS_CANCELLED, "wait");
}

uint64_t
connection_backoff_ms(unsigned attempt)
{
	uint64_t ms = BACKOFF_FIRST_MS;

	while (attempt-- > 1 && ms < BACKOFF_LAST_MS)
		ms *= 2;
	if (ms > BACKOFF_LAST_MS)
		ms = BACKOFF_LAST_MS;
	/* Clients that lost a server together do not come back together. */
	return ms - ms / 4 + random_below((uint32_t)(ms / 2));
}

enum status
connection_unreachable(const struct connection *connection, enum status st,
    struct client_error *error)
{
	if (st == STATUS_TIMEOUT)
		return client_error_set(error, st, EXIT_CODE_UNREACHABLE,
		    "The server %s did not answer in time. Try again later; "
		    "--timeout waits longer.",
		    connection->target);
	return client_error_set(error, STATUS_UNAVAILABLE,
	    EXIT_CODE_UNREACHABLE,
	    "The server %s cannot be reached. Is it running, and is the "
	    "address right? Try again later.",
	    connection->target);
}

/* ---- Who the server is ---- */

static void
format_digest(const struct sha256_digest *digest,
    char out[CHANNEL_FINGERPRINT_LENGTH + 1])
{
	static const char digits[] = "0123456789abcdef";

	_Static_assert(2 * sizeof(digest->bytes) == CHANNEL_FINGERPRINT_LENGTH,
	    "a fingerprint is a digest in hex");
	for (size_t i = 0; i < sizeof(digest->bytes); i++) {
		out[2 * i] = digits[digest->bytes[i] >> 4];
		out[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	out[CHANNEL_FINGERPRINT_LENGTH] = '\0';
}

static enum status
other_server(const struct connection *connection, const char *expected,
    const char *found, struct client_error *error)
{
	return client_error_set(error, STATUS_STALE, EXIT_CODE_KEY_CHANGED,
	    "WARNING: %s is not the server that it should be. Expected is the "
	    "fingerprint\n  %s\nbut the server there has\n  %s\nSomebody may "
	    "be pretending to be your server. Nothing was sent. Ask whoever "
	    "runs the server; if the address is wrong, correct it.",
	    connection->target, expected, found);
}

/* The identity against the address's fingerprint and the pin. */
static enum status
check_identity(const struct connection *connection,
    const struct session_server *server,
    const struct signing_public_key *pinned, struct client_error *error)
{
	char expected[CHANNEL_FINGERPRINT_LENGTH + 1];
	enum status st = STATUS_OK;

	if (connection->address.has_fingerprint) {
		st = channel_fingerprint_check(&connection->address.fingerprint,
		    &server->info.identity_key);
		if (st == STATUS_FORGED) {
			format_digest(
			    &connection->address.fingerprint, expected);
			return other_server(
			    connection, expected, server->fingerprint, error);
		}
	}
	if (st == STATUS_OK && pinned != NULL &&
	    !signing_public_key_equal(pinned, &server->info.identity_key)) {
		if ((st = channel_fingerprint(pinned, expected)) == STATUS_OK)
			return other_server(
			    connection, expected, server->fingerprint, error);
	}
	return st == STATUS_OK ? STATUS_OK
			       : client_error_set_plain(
				     error, st, "check the server's identity");
}

/* The certificate of the handshake against the one that is signed. */
static enum status
check_certificate(struct connection *connection,
    const struct session_server *server, struct client_error *error)
{
	bool is_same;

	if (!connection->uses_tls)
		return STATUS_OK;
	(void)pthread_mutex_lock(&connection->mutex);
	is_same = connection->has_certificate &&
		  server->info.has_tls_certificate &&
		  sha256_digest_equal(
		      &connection->certificate, &server->info.tls_certificate);
	(void)pthread_mutex_unlock(&connection->mutex);
	if (is_same)
		return STATUS_OK;
	return client_error_set(error, STATUS_STALE, EXIT_CODE_KEY_CHANGED,
	    "WARNING: the TLS certificate of %s is not the one that the "
	    "server has signed: somebody stands between you and the server, "
	    "or a proxy ends the TLS connection. Nothing was sent. Try "
	    "another network, or ask whoever runs the server.",
	    connection->target);
}

/* One question. */
static enum status
ask(struct connection *connection, uint64_t timeout_ms,
    struct session_server *out)
{
	const Peyk__V1__GetServerInfoRequest request =
	    PEYK__V1__GET_SERVER_INFO_REQUEST__INIT;
	const struct rpc_call_options options = {
	    .timeout_ms = (int64_t)timeout_ms,
	};
	Peyk__V1__GetServerInfoResponse *response = NULL;
	struct session_server server = {0};
	struct rpc_status status = {0};
	enum status st;

	st = messenger_get_server_info(connection_client(connection), &options,
	    &request, &response, &status);
	if (is_interrupted(connection)) {
		st = STATUS_CANCELLED;
		goto out;
	}
	if (st != STATUS_OK && status.code == RPC_CODE_UNIMPLEMENTED)
		st = STATUS_INVALID;
	if (st != STATUS_OK)
		goto out;
	if ((st = channel_server_info_verify(response, &server.info)) !=
		STATUS_OK ||
	    (st = channel_fingerprint(
		 &server.info.identity_key, server.fingerprint)) != STATUS_OK)
		goto out;
	*out = server;
out:
	if (response != NULL)
		peyk__v1__get_server_info_response__free_unpacked(
		    response, NULL);
	rpc_status_clear(&status);
	return st;
}

/* Whether another question may get an answer. */
static bool
is_worth_repeating(enum status st)
{
	switch (st) {
	case STATUS_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_BUSY:
	case STATUS_CANCELLED: /* the server stopped while it was asked */
		return true;
	case STATUS_OK:
	case STATUS_NOMEM:
	case STATUS_INVALID:
	case STATUS_TOO_LARGE:
	case STATUS_FORGED:
	case STATUS_NOT_FOUND:
	case STATUS_EXISTS:
	case STATUS_STALE:
	case STATUS_DENIED:
	case STATUS_IO:
	case STATUS_INTERNAL:
		break;
	}
	return false;
}

/* Asks until there is an answer or the time is over. */
static enum status
ask_until(struct connection *connection, uint64_t deadline_ms,
    struct session_server *out, struct client_error *error)
{
	uint64_t start_ms = clock_monotonic_ms(), now_ms = start_ms;
	uint64_t first_ms =
	    deadline_ms > start_ms ? (deadline_ms - start_ms) / 3 : 0;
	enum status st, waited;

	if (first_ms < CONNECTION_FIRST_MS)
		first_ms = CONNECTION_FIRST_MS;

	for (unsigned attempt = 1;; attempt++) {
		st = ask(connection,
		    now_ms < deadline_ms
			? smaller(deadline_ms - now_ms, ASK_TIMEOUT_MS)
			: 1,
		    out);
		if (is_interrupted(connection))
			return client_error_set_plain(
			    error, STATUS_CANCELLED, "connect");
		if (st == STATUS_OK)
			return STATUS_OK;
		if (st == STATUS_NOMEM)
			return client_error_set_plain(error, st, "connect");
		if (!is_worth_repeating(st))
			return client_error_set(error, STATUS_UNAVAILABLE,
			    EXIT_CODE_UNREACHABLE,
			    "What answers at %s is not a Peyk server that this "
			    "version understands. Check the address.",
			    connection->target);
		accept_new_certificate(connection);
		if ((waited = connection_pause(connection,
			 connection_backoff_ms(attempt), error)) != STATUS_OK)
			return waited;
		now_ms = clock_monotonic_ms();
		if (now_ms >= deadline_ms ||
		    (!connection->was_reached && now_ms - start_ms >= first_ms))
			return connection_unreachable(connection, st, error);
	}
}

enum status
connection_learn(struct connection *connection,
    const struct signing_public_key *pinned, uint64_t deadline_ms,
    struct client_error *error)
{
	struct session_server server;
	enum status st;

	if (connection->is_known)
		return STATUS_OK;
	if ((st = ask_until(connection, deadline_ms, &server, error)) !=
		STATUS_OK ||
	    (st = check_identity(connection, &server, pinned, error)) !=
		STATUS_OK ||
	    (st = check_certificate(connection, &server, error)) != STATUS_OK)
		return st;
	connection->server = server;
	connection->is_known = true;
	connection->was_reached = true;
	return STATUS_OK;
}
