/* Mutual TLS and changing certificates: rpc_server.h, server_call.h */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/interceptor.h"
#include "rpc/server_call.h"
#include "tests/unit/unit.h"
#include "trial.h"

#define PATIENCE 20000

struct pair {
	char *certificate, *key;
};

static struct pair
make_pair(const char *name, long lifetime_s, const struct pair *issuer)
{
	struct pair pair;

	trial_signed_certificate(name, lifetime_s,
	    issuer != NULL ? issuer->certificate : NULL,
	    issuer != NULL ? issuer->key : NULL, &pair.certificate, &pair.key);
	return pair;
}

static void
free_pair(struct pair *pair)
{
	free(pair->certificate);
	free(pair->key);
}

struct fixture {
	struct pair server, authority, client;
	struct rpc_server_interceptor interceptor;
	struct trial trial;
	/* What the server saw of the last caller. */
	pthread_mutex_t mutex;
	char *certificate;
	char names[200];
};

static enum rpc_server_intercept
on_call(struct rpc_server_call *call, void *arg)
{
	struct fixture *fixture = arg;
	struct bytes value;

	pthread_mutex_lock(&fixture->mutex);
	free(fixture->certificate);
	fixture->certificate = NULL;
	fixture->names[0] = '\0';
	if (rpc_server_call_peer_certificate(call, &value))
		fixture->certificate =
		    strndup((const char *)value.data, value.size);
	for (size_t i = 0; rpc_server_call_peer_name(call, i, &value); i++) {
		assert_true(strlen(fixture->names) + value.size + 2 <
			    sizeof(fixture->names));
		strncat(fixture->names, (const char *)value.data, value.size);
		strcat(fixture->names, ";");
	}
	pthread_mutex_unlock(&fixture->mutex);
	return RPC_SERVER_INTERCEPT_CONTINUE;
}

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	pthread_mutex_init(&fixture->mutex, NULL);
	fixture->server = make_pair("server.test", 3600, NULL);
	fixture->authority = make_pair("authority.test", 3600, NULL);
	fixture->client = make_pair("sara.test", 3600, &fixture->authority);
	fixture->interceptor.arg = fixture;
	fixture->interceptor.on_call = on_call;
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	trial_stop(&fixture->trial, 2000);
	free_pair(&fixture->server);
	free_pair(&fixture->authority);
	free_pair(&fixture->client);
	free(fixture->certificate);
	pthread_mutex_destroy(&fixture->mutex);
	free(fixture);
	return 0;
}

static void
start(struct fixture *fixture, const char *client_roots, bool is_required)
{
	struct rpc_server_tls tls = {
	    .certificate_chain = fixture->server.certificate,
	    .private_key = fixture->server.key,
	    .client_roots = client_roots,
	    .is_client_required = is_required,
	};

	trial_open(&fixture->trial, NULL);
	assert_ok(rpc_server_add_interceptor(
	    fixture->trial.server, &fixture->interceptor));
	trial_run(&fixture->trial, &tls);
}

static bool
keep_certificate(void *arg, const char *certificate)
{
	char **seen = arg;

	free(*seen);
	*seen = strdup(certificate);
	return true;
}

static enum rpc_code
call_through(const struct rpc_client *client)
{
	struct rpc_call_options options = {.timeout_ms = PATIENCE};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_status status = {0};
	enum rpc_code code;

	request.text = (char *)(uintptr_t) "secret";
	if (trial_echo(client, &options, &request, &reply, &status) ==
	    STATUS_OK)
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	code = status.code;
	rpc_status_clear(&status);
	return code;
}

/* Over a new connection, as `pair` (may be NULL). `*seen` (may be NULL)
   receives the server's certificate. */
static enum rpc_code
call_as(struct fixture *fixture, const struct pair *pair, char **seen)
{
	char *certificate = NULL;
	struct rpc_channel_tls tls = {
	    .verify = keep_certificate, .verify_arg = &certificate};
	struct trial_client client;
	enum rpc_code code;

	if (pair != NULL) {
		tls.certificate_chain = pair->certificate;
		tls.private_key = pair->key;
	}
	trial_connect(&client, fixture->trial.target, &tls);
	code = call_through(&client.rpc);
	trial_disconnect(&client);
	if (seen != NULL)
		*seen = certificate;
	else
		free(certificate);
	return code;
}

static void
expect_server(struct fixture *fixture, const struct pair *pair)
{
	char *seen = NULL;

	assert_int_equal(call_as(fixture, NULL, &seen), RPC_CODE_OK);
	assert_string_equal(seen, pair->certificate);
	free(seen);
}

static void
test_server_tls_requires_clients_to_prove_themselves(void **state)
{
	struct fixture *fixture = *state;
	struct pair stranger = make_pair("sara.test", 3600, NULL);
	struct pair late = make_pair("sara.test", -60, &fixture->authority);

	start(fixture, fixture->authority.certificate, true);
	assert_int_equal(call_as(fixture, &fixture->client, NULL), RPC_CODE_OK);
	assert_string_equal(fixture->certificate, fixture->client.certificate);
	assert_string_equal(fixture->names, "sara.test;");
	assert_int_equal(call_as(fixture, NULL, NULL), RPC_CODE_UNAVAILABLE);
	assert_int_equal(
	    call_as(fixture, &stranger, NULL), RPC_CODE_UNAVAILABLE);
	assert_int_equal(call_as(fixture, &late, NULL), RPC_CODE_UNAVAILABLE);
	trial_wait(&fixture->trial.arrived, 1);
	assert_int_equal(fixture->trial.arrived, 1);
	free_pair(&stranger);
	free_pair(&late);
}

static void
test_server_tls_asks_clients(void **state)
{
	struct fixture *fixture = *state;
	struct pair stranger = make_pair("sara.test", 3600, NULL);

	start(fixture, fixture->authority.certificate, false);
	assert_int_equal(call_as(fixture, &fixture->client, NULL), RPC_CODE_OK);
	assert_string_equal(fixture->names, "sara.test;");
	assert_int_equal(call_as(fixture, NULL, NULL), RPC_CODE_OK);
	assert_null(fixture->certificate);
	assert_string_equal(fixture->names, "");
	assert_int_equal(
	    call_as(fixture, &stranger, NULL), RPC_CODE_UNAVAILABLE);
	free_pair(&stranger);
}

static void
test_server_tls_takes_no_ones_word(void **state)
{
	struct fixture *fixture = *state;

	/* Without roots nothing is asked for, and nothing believed. */
	start(fixture, NULL, false);
	assert_int_equal(call_as(fixture, &fixture->client, NULL), RPC_CODE_OK);
	assert_null(fixture->certificate);
	assert_string_equal(fixture->names, "");
}

static void
test_server_tls_changes_its_certificate(void **state)
{
	struct fixture *fixture = *state;
	struct pair next = make_pair("server.test", 3600, NULL);
	struct rpc_server_tls tls = {next.certificate, next.key, NULL, false};
	char *seen = NULL;
	struct rpc_channel_tls client_tls = {
	    .verify = keep_certificate, .verify_arg = &seen};
	struct trial_client client;

	start(fixture, NULL, false);
	trial_connect(&client, fixture->trial.target, &client_tls);
	assert_int_equal(call_through(&client.rpc), RPC_CODE_OK);
	assert_string_equal(seen, fixture->server.certificate);
	expect_server(fixture, &fixture->server);
	assert_ok(rpc_server_reload_tls(
	    fixture->trial.server, fixture->trial.port, &tls));
	expect_server(fixture, &next);
	/* Who was there stays, without a new handshake. */
	free(seen);
	seen = NULL;
	assert_int_equal(call_through(&client.rpc), RPC_CODE_OK);
	assert_null(seen);
	trial_disconnect(&client);
	/* Again, and twice before anybody comes. */
	tls.certificate_chain = fixture->server.certificate;
	tls.private_key = fixture->server.key;
	assert_ok(rpc_server_reload_tls(fixture->trial.server, 0, &tls));
	expect_server(fixture, &fixture->server);
	assert_ok(rpc_server_reload_tls(fixture->trial.server, 0, &tls));
	tls.certificate_chain = next.certificate;
	tls.private_key = next.key;
	assert_ok(rpc_server_reload_tls(fixture->trial.server, 0, &tls));
	expect_server(fixture, &next);
	free_pair(&next);
}

static void
test_server_tls_keeps_its_certificate(void **state)
{
	struct fixture *fixture = *state;
	struct pair other = make_pair("server.test", 3600, NULL);
	struct pair late = make_pair("server.test", -60, NULL);
	struct rpc_server_tls tls = {
	    other.certificate, fixture->server.key, NULL, false};
	struct rpc_server *server = fixture->trial.server;

	start(fixture, NULL, false);
	server = fixture->trial.server;
	/* No pair; no PEM; expired; roots that were not there before. */
	assert_status(rpc_server_reload_tls(server, 0, &tls), STATUS_INVALID);
	tls.private_key = "no PEM";
	assert_status(rpc_server_reload_tls(server, 0, &tls), STATUS_INVALID);
	tls.certificate_chain = late.certificate;
	tls.private_key = late.key;
	assert_status(rpc_server_reload_tls(server, 0, &tls), STATUS_STALE);
	tls.certificate_chain = other.certificate;
	tls.private_key = other.key;
	assert_status(rpc_server_reload_tls(server, 1, &tls), STATUS_NOT_FOUND);
	tls.client_roots = fixture->authority.certificate;
	assert_status(rpc_server_reload_tls(server, 0, &tls), STATUS_INVALID);
	expect_server(fixture, &fixture->server);
	free_pair(&other);
	free_pair(&late);
}

static void
test_server_tls_changes_its_authorities(void **state)
{
	struct fixture *fixture = *state;
	struct pair authority = make_pair("another.test", 3600, NULL);
	struct pair client = make_pair("babak.test", 3600, &authority);
	struct rpc_server_tls tls = {fixture->server.certificate,
	    fixture->server.key, authority.certificate, true};

	start(fixture, fixture->authority.certificate, true);
	assert_int_equal(call_as(fixture, &client, NULL), RPC_CODE_UNAVAILABLE);
	assert_ok(rpc_server_reload_tls(fixture->trial.server, 0, &tls));
	assert_int_equal(call_as(fixture, &client, NULL), RPC_CODE_OK);
	assert_string_equal(fixture->names, "babak.test;");
	assert_int_equal(
	    call_as(fixture, &fixture->client, NULL), RPC_CODE_UNAVAILABLE);
	free_pair(&authority);
	free_pair(&client);
}

static void
test_server_tls_is_checked(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_server_tls tls = {
	    fixture->server.certificate, fixture->server.key, NULL, false};
	int64_t now = (int64_t)time(NULL), expires = 0;

	assert_ok(rpc_server_tls_check(&tls, now, &expires));
	assert_in_range(expires, now + 3500, now + 3700);
	assert_ok(rpc_server_tls_check(&tls, expires, NULL));
	assert_status(
	    rpc_server_tls_check(&tls, expires + 1, NULL), STATUS_STALE);
	expires = 0;
	assert_status(
	    rpc_server_tls_check(&tls, now - 7200, &expires), STATUS_STALE);
	assert_in_range(expires, now + 3500, now + 3700);
	tls.is_client_required = true; /* of whom? */
	assert_status(rpc_server_tls_check(&tls, now, NULL), STATUS_INVALID);
	tls.client_roots = "no PEM";
	assert_status(rpc_server_tls_check(&tls, now, NULL), STATUS_INVALID);
	tls.client_roots = fixture->authority.certificate;
	assert_ok(rpc_server_tls_check(&tls, now, NULL));
	/* For the teardown. */
	start(fixture, NULL, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_server_tls_requires_clients_to_prove_themselves),
	    TEST(test_server_tls_asks_clients),
	    TEST(test_server_tls_takes_no_ones_word),
	    TEST(test_server_tls_changes_its_certificate),
	    TEST(test_server_tls_keeps_its_certificate),
	    TEST(test_server_tls_changes_its_authorities),
	    TEST(test_server_tls_is_checked),
	};
	struct rpc_loop *loop;
	int failed;

	/* Keeps gRPC itself up between the tests. */
	if (rpc_loop_new(&loop) != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rpc_loop_free(loop);
	return failed;
}
