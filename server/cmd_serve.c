#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "channel/server_info.h"
#include "rpc/health.h"
#include "rpc/reflection.h"
#include "rpc/rpc_server.h"
#include "server/accept_guard.h"
#include "server/command.h"
#include "server/key_rotation.h"
#include "server/peer.h"
#include "server/services.h"
#include "server/store/migrate.h"
#include "server/store/store.h"
#include "server/tls_files.h"

/* How long calls may go on after a stop: a batch and its repeats. */
#define STOP_GRACE_MS 10000

/* One hash takes a core for 20 ms: never more of them than cores. */
#define HASHER_THREADS 2

/* How often is looked for what the log should tell. */
#define REPORT_INTERVAL_S 10

/* Everything that serves, in the order in which it starts. */
struct serving {
	const struct options *options;
	struct server_identity *identity;
	struct tls_files tls;
	bool has_tls;
	bool has_certificate; /* its own, or that of a proxy in front of it */
	struct keyring *keyring;
	struct account_cache *cache;
	struct waiters *waiters;
	struct hasher *hasher;
	struct store *store;
	struct key_rotation *rotation;
	struct caller_context context;
	struct services services;
	struct peer peer;
	struct rpc_health *health;
	struct rpc_reflection *reflection;
	struct rpc_server *rpc;
	int port;
	uint64_t connections_max;
	struct buf problem;
};

static enum command_exit
no_memory(void)
{
	return command_fail(COMMAND_EXIT_FAILED, "There is not enough memory, "
						 "or a library failed.");
}

/* ---- Checks ---- */

static enum command_exit
check_plaintext(const struct options *options)
{
	if (options->plaintext != OPTIONS_PLAINTEXT_LOOPBACK ||
	    options_host_is_loopback(options->listen_host))
		return COMMAND_EXIT_DONE;
	return command_fail(COMMAND_EXIT_USAGE,
	    "--plaintext serves without "
	    "TLS, so only on loopback, not on %s. Use --listen "
	    "127.0.0.1:8022, or --plaintext=anywhere if something in front "
	    "of it does TLS, whose certificate --tls-certificate names.",
	    options->listen_host);
}

static enum command_exit
check_schema(struct serving *serving)
{
	struct migrate_options migrate = {
	    .conninfo = serving->options->database,
	};
	enum migrate_schema schema = MIGRATE_SCHEMA_CURRENT;
	enum status st;

	if ((st = migrate_check(&migrate, &schema, &serving->problem)) !=
	    STATUS_OK)
		return command_fail_database(st, &serving->problem);
	switch (schema) {
	case MIGRATE_SCHEMA_CURRENT:
		return COMMAND_EXIT_DONE;
	case MIGRATE_SCHEMA_OLDER:
		return command_fail(COMMAND_EXIT_FAILED,
		    "The database's "
		    "schema is missing or older than this peykd needs. Run "
		    "`peykd migrate up`, or serve with --migrate.");
	case MIGRATE_SCHEMA_NEWER:
		break;
	}
	return command_fail(COMMAND_EXIT_FAILED,
	    "The database's schema is "
	    "newer than this peykd knows. Update peykd, or name another "
	    "--database.");
}

/* ---- Starting ---- */

static enum command_exit
load_files(struct serving *serving)
{
	const struct options *options = serving->options;
	char *path = command_path(options, SERVER_IDENTITY_FILE);
	enum status st = STATUS_NOMEM;

	if (path != NULL)
		st = server_identity_load(
		    path, &serving->identity, &serving->problem);
	free(path);
	if (st == STATUS_OK && options->plaintext == OPTIONS_PLAINTEXT_NO) {
		st = tls_files_load(options, &serving->tls, &serving->problem);
		serving->has_tls = st == STATUS_OK;
	} else if (st == STATUS_OK && options->tls_certificate != NULL) {
		st = tls_files_load_proxy(
		    options, &serving->tls, &serving->problem);
	}
	serving->has_certificate =
	    st == STATUS_OK && serving->tls.certificate_text != NULL;
	if (st != STATUS_OK)
		return command_fail_with(
		    COMMAND_EXIT_FAILED, &serving->problem);
	return COMMAND_EXIT_DONE;
}

static enum command_exit
prepare_database(struct serving *serving)
{
	enum command_exit code = COMMAND_EXIT_DONE;

	/* The steps go to the log: standard output is for the address. */
	if (serving->options->migrate)
		code = command_migrate_up(serving->options, stderr);
	if (code == COMMAND_EXIT_DONE)
		code = check_schema(serving);
	return code;
}

/* Callbacks of the store, on its threads. */
static void
on_mail(void *context, const int64_t *account_ids, size_t count)
{
	struct serving *serving = context;

	waiters_wake(serving->waiters, account_ids, count);
}

static void
on_mail_everyone(void *context)
{
	struct serving *serving = context;

	waiters_wake_all(serving->waiters);
}

static void
on_database(void *context, bool is_ready)
{
	struct serving *serving = context;

	rpc_health_set(serving->health, "", is_ready);
}

static enum command_exit
start_keys(struct serving *serving)
{
	struct key_rotation_options rotation = {
	    .conninfo = serving->options->database,
	    .identity = serving->identity,
	};

	if (keyring_new(&serving->keyring) != STATUS_OK ||
	    account_cache_new(ACCOUNT_CACHE_SIZE, &serving->cache) != STATUS_OK)
		return no_memory();
	rotation.keyring = serving->keyring;
	rotation.cache = serving->cache;
	if (key_rotation_refresh(
		&rotation, clock_wall_ms(), &serving->problem) != STATUS_OK)
		return command_fail_with(
		    COMMAND_EXIT_FAILED, &serving->problem);
	if (key_rotation_start(&rotation, &serving->rotation) != STATUS_OK)
		return no_memory();
	return COMMAND_EXIT_DONE;
}

static enum command_exit
start_store(struct serving *serving)
{
	struct store_options options = {
	    .conninfo = serving->options->database,
	};
	struct store_callbacks callbacks = {
	    .on_mail = on_mail,
	    .on_mail_everyone = on_mail_everyone,
	    .on_ready = on_database,
	    .context = serving,
	};
	enum status st;

	if (rpc_health_new(&serving->health) != STATUS_OK ||
	    waiters_new(&serving->waiters) != STATUS_OK ||
	    hasher_start(HASHER_THREADS, HASHER_COST, &serving->hasher) !=
		STATUS_OK)
		return no_memory();
	/* Until the database is there. */
	rpc_health_set(serving->health, "", false);
	st = store_open(&options, &callbacks, &serving->store);
	if (st == STATUS_INVALID)
		return command_fail(COMMAND_EXIT_USAGE,
		    "--database is no "
		    "libpq connection string such as \"host=/run/postgresql "
		    "dbname=peyk\".");
	if (st != STATUS_OK)
		return no_memory();
	return COMMAND_EXIT_DONE;
}

static enum command_exit
make_services(struct serving *serving)
{
	struct info_service_options info = {
	    .identity = serving->identity,
	    .keyring = serving->keyring,
	    .has_tls_certificate = serving->has_certificate,
	    .is_registration_open = serving->options->is_registration_open,
	};

	info.tls_certificate = serving->tls.fingerprint;
	if (info_service_new(&info, &serving->services.info) != STATUS_OK)
		return no_memory();
	serving->services.account = (struct account_service){
	    .hasher = serving->hasher,
	    .is_registration_open = serving->options->is_registration_open,
	};
	serving->services.waiters = serving->waiters;
	serving->context = (struct caller_context){
	    .store = serving->store,
	    .keyring = serving->keyring,
	    .cache = serving->cache,
	    .identity = serving->identity,
	};
	peer_init(&serving->peer, &serving->context, &services_sealed,
	    &serving->services);
	return COMMAND_EXIT_DONE;
}

static unsigned
worker_count(const struct options *options)
{
	long processors = 0;

	if (options->workers > 0)
		return options->workers;
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	if (processors < 1)
		return 1;
	return processors < OPTIONS_WORKERS_MAX ? (unsigned)processors
						: OPTIONS_WORKERS_MAX;
}

/* "HOST:PORT" with the brackets of IPv6. NULL: no memory. */
static char *
join_address(const char *host, int port)
{
	bool is_ipv6 = strchr(host, ':') != NULL;
	char *address = NULL;

	if (asprintf(&address, "%s%s%s:%d", is_ipv6 ? "[" : "", host,
		is_ipv6 ? "]" : "", port) < 0)
		return NULL;
	return address;
}

/* Peyk's clients do not look at its dates; others do. */
static void
warn_of_dates(const struct rpc_server_tls *tls)
{
	int64_t expires = 0;

	if (rpc_server_tls_check(tls, (int64_t)(clock_wall_ms() / 1000),
		&expires) == STATUS_STALE)
		log_event(LOG_LEVEL_WARNING, "tls_certificate_not_valid_now",
		    log_i64("expires", expires));
}

static enum command_exit
add_port(struct serving *serving)
{
	const struct options *options = serving->options;
	struct rpc_server_tls tls = {
	    .certificate_chain = serving->tls.certificate_text,
	    .private_key = serving->tls.key_text,
	};
	char *address =
	    join_address(options->listen_host, options->listen_port);
	enum command_exit code = COMMAND_EXIT_DONE;
	enum status st;

	if (address == NULL)
		return no_memory();
	if (serving->has_tls)
		warn_of_dates(&tls);
	st = rpc_server_add_port(serving->rpc, address,
	    serving->has_tls ? &tls : NULL, &serving->port);
	if (st == STATUS_UNAVAILABLE)
		code = command_fail(COMMAND_EXIT_FAILED,
		    "Cannot listen on "
		    "%s: the port is in use, or the address is not this "
		    "machine's. --listen names another.",
		    address);
	else if (st == STATUS_INVALID)
		code = command_fail(COMMAND_EXIT_FAILED,
		    "The TLS certificate "
		    "and its key do not belong together, or are damaged. "
		    "--tls-certificate and --tls-key name others.");
	else if (st != STATUS_OK)
		code = no_memory();
	free(address);
	return code;
}

static enum status
register_reflection(struct serving *serving)
{
	static const struct rpc_descriptors *const files[] = {
	    &peyk_v1_messenger_descriptors};
	enum status st;

	if (serving->options->is_reflection_off)
		return STATUS_OK;
	if ((st = rpc_reflection_new(files, 1, &serving->reflection)) !=
	    STATUS_OK)
		return st;
	return rpc_reflection_register(serving->reflection, serving->rpc);
}

static enum command_exit
start_rpc(struct serving *serving)
{
	struct rpc_server_options options = {
	    .workers = worker_count(serving->options),
	    .max_message_bytes = WIRE_ENVELOPE_MAX,
	    /* Of all that is in the clear, nothing is a long list. */
	    .max_unpack_factor = 8,
	    /* What is sealed does not shrink. */
	    .refuse_compression = true,
	    /* Reflection alone has streams of requests: a few people's. */
	    .max_waiting_streams = 64,
	};
	enum command_exit code;

	if (accept_guard_start(&serving->connections_max) != STATUS_OK)
		return command_fail(COMMAND_EXIT_FAILED,
		    "No more files can be opened. Raise the limit of open "
		    "files (ulimit -n, LimitNOFILE=).");
	if (rpc_server_new(&options, &serving->rpc) != STATUS_OK ||
	    messenger_register_sealed(serving->rpc, &services_plain,
		&serving->services, &serving->peer.sealed) != STATUS_OK ||
	    rpc_health_register(serving->health, serving->rpc) != STATUS_OK ||
	    register_reflection(serving) != STATUS_OK)
		return no_memory();
	if ((code = add_port(serving)) != COMMAND_EXIT_DONE)
		return code;
	if (rpc_server_start(serving->rpc) != STATUS_OK)
		return no_memory();
	return COMMAND_EXIT_DONE;
}

/*
 * The address alone on a line of standard output, which scripts wait for; the
 * log has it too.
 */
static enum command_exit
announce(const struct serving *serving)
{
	const struct options *options = serving->options;
	const char *host = options->listen_host;
	char fingerprint[CHANNEL_FINGERPRINT_LENGTH + 1] = "";
	char *address = NULL, *url = NULL;
	enum command_exit code = COMMAND_EXIT_DONE;

	if (options->advertise != NULL)
		host = options->advertise;
	else if (options_host_is_wildcard(host))
		host = "localhost";
	address = join_address(host, serving->port);
	if (address == NULL ||
	    channel_fingerprint(
		&serving->identity->key.public_key, fingerprint) != STATUS_OK ||
	    asprintf(&url, "peyk://%s#%s", address, fingerprint) < 0) {
		url = NULL;
		code = no_memory();
		goto out;
	}
	log_event(LOG_LEVEL_INFO, "serving", log_text("address", url),
	    log_text("listen", options->listen),
	    log_bool("tls", serving->has_tls),
	    log_u64("workers", rpc_server_workers(serving->rpc)),
	    log_u64("connections_max", serving->connections_max),
	    log_text("version", PEYK_VERSION));
	printf("%s\n", url);
	(void)fflush(stdout);
out:
	free(address);
	free(url);
	return code;
}

static enum command_exit
start(struct serving *serving)
{
	enum command_exit code;

	if ((code = load_files(serving)) != COMMAND_EXIT_DONE ||
	    (code = prepare_database(serving)) != COMMAND_EXIT_DONE ||
	    (code = start_keys(serving)) != COMMAND_EXIT_DONE ||
	    (code = start_store(serving)) != COMMAND_EXIT_DONE ||
	    (code = make_services(serving)) != COMMAND_EXIT_DONE ||
	    (code = start_rpc(serving)) != COMMAND_EXIT_DONE)
		return code;
	return announce(serving);
}

/* ---- Serving ---- */

/* Until a signal says to stop: its number. */
static int
wait_for_signal(const struct serving *serving, const sigset_t *signals)
{
	const struct timespec interval = {.tv_sec = REPORT_INTERVAL_S};
	uint64_t told = 0;

	for (;;) {
		int number = sigtimedwait(signals, NULL, &interval);
		uint64_t refused = accept_guard_refused();

		if (refused != told)
			log_event(LOG_LEVEL_WARNING, "connections_refused",
			    log_u64("count", refused - told),
			    log_u64(
				"connections_max", serving->connections_max));
		told = refused;
		if (number > 0)
			return number;
	}
}

/* ---- Stopping ---- */

/*
 * Before any thread, so that wait_for_signal() alone receives them. SIGHUP
 * would end the process anyway, so it ends it in order; except under nohup.
 */
static void
set_up_signals(sigset_t *signals)
{
	struct sigaction hangup = {0};

	/* A log that nobody reads any more is no reason to end. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(signals);
	(void)sigaddset(signals, SIGTERM);
	(void)sigaddset(signals, SIGINT);
	if (sigaction(SIGHUP, NULL, &hangup) == 0 &&
	    hangup.sa_handler != SIG_IGN)
		(void)sigaddset(signals, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* From here on a further signal ends the process in the ordinary way. */
static void
let_signals_kill(const sigset_t *signals)
{
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

/*
 * Whoever watches is told; no new calls; parked polls are answered; what is under way ends, with the
 * database still there for it; then the threads behind.
 */
static void
stop(struct serving *serving)
{
	if (serving->rpc != NULL) {
		rpc_health_shutdown(serving->health);
		rpc_server_close(serving->rpc);
		waiters_stop(serving->waiters);
		rpc_server_stop(serving->rpc, STOP_GRACE_MS);
	}
	key_rotation_stop(serving->rotation);
	if (serving->hasher != NULL)
		hasher_stop(serving->hasher);
	if (serving->store != NULL)
		store_stop(serving->store);
	rpc_server_free(serving->rpc);
	rpc_reflection_free(serving->reflection);
	rpc_health_free(serving->health);
	info_service_free(serving->services.info);
	store_free(serving->store);
	hasher_free(serving->hasher);
	waiters_free(serving->waiters);
	account_cache_free(serving->cache);
	keyring_free(serving->keyring);
	tls_files_clear(&serving->tls);
	server_identity_free(serving->identity);
	buf_clear(&serving->problem);
}

enum command_exit
cmd_serve(const struct options *options)
{
	struct serving serving = {.options = options};
	enum command_exit code;
	sigset_t signals;
	int number = 0;

	set_up_signals(&signals);
	buf_init(&serving.problem, COMMAND_PROBLEM_MAX);
	if ((code = check_plaintext(options)) == COMMAND_EXIT_DONE)
		code = start(&serving);
	if (code == COMMAND_EXIT_DONE) {
		number = wait_for_signal(&serving, &signals);
		log_event(LOG_LEVEL_INFO, "stopping", log_i64("signal", number),
		    log_u64("waiting", waiters_count(serving.waiters)));
	}
	let_signals_kill(&signals);
	stop(&serving);
	if (code == COMMAND_EXIT_DONE)
		log_event(LOG_LEVEL_INFO, "stopped");
	return code;
}
