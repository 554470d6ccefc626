#ifndef PEYK_CLIENT_ACCOUNT_H
#define PEYK_CLIENT_ACCOUNT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "channel/address.h"
#include "client/error.h"
#include "client/home.h"
#include "client/notice.h"
#include "client/vault.h"

/*
 * An account on this device: its folder, its server and its keys. Immutable
 * once open; several sessions, each in a thread of its own, may share one
 * (client/session.h).
 */
struct account;

#define ACCOUNT_TIMEOUT_MS_DEFAULT 30000
#define ACCOUNT_LOCK_WAIT_MS_DEFAULT 10000

/* Borrowed for as long as the account and its sessions live. */
struct client_options {
	const char *home;   /* --home or PEYK_HOME; NULL: the default */
	const char *server; /* --server; NULL: the one where the name is */
	/* Without TLS. Refused unless the server is on loopback, or forced. */
	bool uses_plaintext;
	bool forces_plaintext;
	/*
	 * How long one request is repeated while the server cannot be reached
	 * or cannot answer; 0: the default. What a poll waits comes on top.
	 */
	uint64_t timeout_ms;
	/* How long to wait for another peyk of this account; 0: the default. */
	uint64_t lock_wait_ms;
	/*
	 * When it becomes non-zero, whatever waits ends with STATUS_CANCELLED
	 * (within about 100 ms). May be NULL. A session may have another:
	 * session_set_interrupt().
	 */
	const volatile sig_atomic_t *interrupt;
	/* May be NULL. */
	void (*notice)(void *arg, const struct notice *notice);
	void *notice_arg;
};

/*
 * Opens an account that was signed up on this device. Takes about 0.2 s of
 * CPU (Argon2id); reaches no server.
 *
 * Without options->server the name must exist at one server only.
 * STATUS_INVALID (exit 2): name or address; several servers.
 * STATUS_NOT_FOUND (exit 1): no such account here; the text says which are,
 * and how to sign up. STATUS_FORGED (exit 4): wrong password, damaged files.
 * STATUS_STALE (exit 1): its database is gone, or the sign-up was never
 * finished (the text says which). STATUS_BUSY: another peyk does not let go.
 */
MUST_CHECK enum status account_open(const struct client_options *options,
    struct bytes name, struct bytes password, struct account **out,
    struct client_error *error);

/*
 * Signs up: makes keys, proves the password, opens the account at the server
 * options->server (needed here). invite may be NULL.
 *
 * Keys, first number and request are on the disk before the request leaves.
 * Killed or cut off at any moment, the same call with the same password goes
 * on where it was: the name is neither lost nor taken twice. A refusal (the
 * name is taken, registration is closed) removes what was made.
 *
 * STATUS_EXISTS (exit 6: taken at the server; exit 1: on this device
 * already), STATUS_INVALID (exit 2: name, password, address), STATUS_DENIED
 * (exit 6: refused otherwise), STATUS_FORGED (exit 4: an unfinished sign-up
 * here has another password), STATUS_UNAVAILABLE or STATUS_TIMEOUT (exit 3:
 * run it again), STATUS_STALE (exit 5: another server than the fingerprint
 * says), STATUS_BUSY.
 */
MUST_CHECK enum status account_sign_up(const struct client_options *options,
    struct bytes name, struct bytes password, const char *invite,
    struct account **out, struct client_error *error);

/* What an account is opened with. Empty, or NULL: filled in, or none. */
struct account_sign_up {
	struct bytes nonce;
	struct bytes password_proof;
	const char *invite;
};

/*
 * The same up to the request, which stays in the outbox for
 * session_seal_again(); account_sign_up() finishes it as well. Besides,
 * STATUS_EXISTS (exit 1): a sign-up of this name is under way.
 */
MUST_CHECK enum status account_prepare_sign_up(
    const struct client_options *options, struct bytes name,
    struct bytes password, const struct account_sign_up *sign_up,
    struct account **out, struct client_error *error);

/* As account_open(), also if the sign-up was not finished. */
MUST_CHECK enum status account_open_unfinished(
    const struct client_options *options, struct bytes name,
    struct bytes password, struct account **out, struct client_error *error);

/*
 * If the server refused the account, removes its folder: STATUS_EXISTS or
 * STATUS_DENIED (exit 6) with its reason. No session is open.
 */
MUST_CHECK enum status account_discard_refused(
    const struct account *account, struct client_error *error);

/* Every session is closed. Wipes the keys. NULL is a no-op. */
void account_free(struct account *account);

/* Borrowed. */
const struct vault *account_vault(const struct account *account);
const char *account_folder(const struct account *account);
const struct channel_address *account_address(const struct account *account);
const struct client_options *account_options(const struct account *account);

#endif
