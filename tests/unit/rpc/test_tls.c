/* TLS: rpc_server_add_port(), struct rpc_channel_tls */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "trial.h"

struct fixture {
	struct trial trial;
	char *certificate, *key;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct rpc_server_tls tls = {0};

	assert_non_null(fixture);
	trial_certificate("peyk.test", &fixture->certificate, &fixture->key);
	tls.certificate_chain = fixture->certificate;
	tls.private_key = fixture->key;
	trial_start(&fixture->trial, NULL, &tls);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	trial_stop(&fixture->trial, 2000);
	free(fixture->certificate);
	free(fixture->key);
	free(fixture);
	return 0;
}

/* Calls Echo through a new channel and tells how it ended. */
static enum rpc_code
call_with(struct fixture *fixture, const struct rpc_channel_tls *tls)
{
	struct rpc_call_options options = {.timeout_ms = 20000};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply = NULL;
	struct rpc_status status = {0};
	struct trial_client client;
	enum rpc_code code;

	request.text = (char *)(uintptr_t) "secret";
	trial_connect(&client, fixture->trial.target, tls);
	if (trial_echo(&client.rpc, &options, &request, &reply, &status) ==
	    STATUS_OK) {
		assert_string_equal(reply->text, "secret");
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	}
	code = status.code;
	rpc_status_clear(&status);
	trial_disconnect(&client);
	return code;
}

struct check {
	const char *expected;
	bool answer;
	atomic_int asked;
};

static bool
verify(void *arg, const char *certificate)
{
	struct check *check = arg;

	check->asked++;
	assert_string_equal(certificate, check->expected);
	return check->answer;
}

static void
test_tls_application_accepts_a_certificate(void **state)
{
	struct fixture *fixture = *state;
	struct check check = {fixture->certificate, true, 0};
	struct rpc_channel_tls tls = {.verify = verify, .verify_arg = &check};

	/* Self-signed, and for another name than 127.0.0.1. */
	assert_int_equal(call_with(fixture, &tls), RPC_CODE_OK);
	assert_int_equal(check.asked, 1);
	tls.server_name = "another.name";
	assert_int_equal(call_with(fixture, &tls), RPC_CODE_OK);
	assert_int_equal(check.asked, 2);
}

static void
test_tls_application_refuses_a_certificate(void **state)
{
	struct fixture *fixture = *state;
	struct check check = {fixture->certificate, false, 0};
	struct rpc_channel_tls tls = {.verify = verify, .verify_arg = &check};

	assert_int_equal(call_with(fixture, &tls), RPC_CODE_UNAVAILABLE);
	assert_true(check.asked >= 1);
	assert_int_equal(fixture->trial.arrived, 0);
}

static void
test_tls_authorities_decide_otherwise(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_channel_tls tls = {
	    .roots = fixture->certificate, .server_name = "peyk.test"};
	char *other, *other_key;

	assert_int_equal(call_with(fixture, &tls), RPC_CODE_OK);
	tls.server_name = NULL;
	assert_int_equal(call_with(fixture, &tls), RPC_CODE_UNAVAILABLE);
	trial_certificate("peyk.test", &other, &other_key);
	tls.server_name = "peyk.test";
	tls.roots = other;
	assert_int_equal(call_with(fixture, &tls), RPC_CODE_UNAVAILABLE);
	/* The system's know nothing of it. */
	tls.roots = NULL;
	assert_int_equal(call_with(fixture, &tls), RPC_CODE_UNAVAILABLE);
	trial_wait(&fixture->trial.arrived, 1);
	assert_int_equal(fixture->trial.arrived, 1);
	free(other);
	free(other_key);
}

static void
test_tls_does_not_talk_to_plaintext(void **state)
{
	struct fixture *fixture = *state;
	struct check check = {fixture->certificate, true, 0};
	struct rpc_channel_tls tls = {.verify = verify, .verify_arg = &check};
	struct trial plain;

	assert_int_equal(call_with(fixture, NULL), RPC_CODE_UNAVAILABLE);
	trial_start(&plain, NULL, NULL);
	strcpy(fixture->trial.target, plain.target);
	assert_int_equal(call_with(fixture, &tls), RPC_CODE_UNAVAILABLE);
	assert_int_equal(check.asked, 0);
	trial_stop(&plain, 0);
}

static void
test_tls_server_needs_a_pair(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_server_tls tls = {.certificate_chain = fixture->certificate};
	struct rpc_server *server;
	char *other, *other_key;

	trial_certificate("peyk.test", &other, &other_key);
	assert_ok(rpc_server_new(NULL, &server));
	tls.private_key = other_key;
	assert_status(rpc_server_add_port(server, "127.0.0.1:0", &tls, NULL),
	    STATUS_INVALID);
	tls.private_key = "no PEM";
	assert_status(rpc_server_add_port(server, "127.0.0.1:0", &tls, NULL),
	    STATUS_INVALID);
	/* Good credentials, a taken address. */
	tls.private_key = fixture->key;
	assert_status(
	    rpc_server_add_port(server, fixture->trial.target, &tls, NULL),
	    STATUS_UNAVAILABLE);
	assert_ok(rpc_server_add_port(server, "127.0.0.1:0", &tls, NULL));
	rpc_server_free(server);
	free(other);
	free(other_key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_tls_application_accepts_a_certificate),
	    TEST(test_tls_application_refuses_a_certificate),
	    TEST(test_tls_authorities_decide_otherwise),
	    TEST(test_tls_does_not_talk_to_plaintext),
	    TEST(test_tls_server_needs_a_pair),
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
