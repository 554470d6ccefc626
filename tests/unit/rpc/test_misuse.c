/* What aborts with a reason, since otherwise it would fail much later. */

#include "tests/unit/unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rpc/client_channel.h"
#include "rpc/metadata.h"
#include "rpc/server_call.h"
#include "trial.h"

/* Runs it in a child of its own, which gRPC has not been started in, and
   expects an abort that says `why`. */
static void
assert_aborts(void (*misuse)(void), const char *why)
{
	char text[4096];
	size_t size = 0;
	ssize_t got;
	int ends[2], result;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)signal(SIGABRT, SIG_DFL); /* not cmocka's */
		(void)dup2(ends[1], STDERR_FILENO);
		(void)close(ends[0]);
		(void)close(ends[1]);
		alarm(60);
		misuse();
		_exit(0);
	}
	(void)close(ends[1]);
	while (size < sizeof(text) - 1 &&
	       (got = read(ends[0], text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)got;
	text[size] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(child, &result, 0), child);
	if (strstr(text, why) == NULL)
		fail_msg("expected “%s”, got: %s", why, text);
	assert_true(WIFSIGNALED(result));
	assert_int_equal(WTERMSIG(result), SIGABRT);
}

/* ---- A handler that does as `misuse_call` says ---- */

static void (*misuse_call)(struct rpc_server_call *call);
static struct rpc_server *the_server;

static void
handle_echo(void *service, struct rpc_server_call *call,
    const Golden__V1__EchoRequest *request)
{
	(void)service;
	(void)request;
	misuse_call(call);
}

static void
call_misused_server(void)
{
	static const struct trial_handlers handlers = {.echo = handle_echo};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *response;
	struct trial_client client;
	char target[32];
	int port;

	if (rpc_server_new(NULL, &the_server) != STATUS_OK ||
	    trial_register(the_server, &handlers, NULL) != STATUS_OK ||
	    rpc_server_add_port(the_server, "127.0.0.1:0", NULL, &port) !=
		STATUS_OK ||
	    rpc_server_start(the_server) != STATUS_OK)
		_exit(2);
	snprintf(target, sizeof(target), "127.0.0.1:%d", port);
	trial_connect(&client, target, NULL);
	(void)!trial_echo(&client.rpc, NULL, &request, &response, NULL);
}

static void *
answer(void *arg)
{
	rpc_server_call_fail(
	    arg, RPC_CODE_ABORTED, "from elsewhere", bytes_empty());
	return NULL;
}

static void
answer_from_a_thread(struct rpc_server_call *call)
{
	pthread_t thread;

	rpc_server_call_hold(call);
	if (pthread_create(&thread, NULL, answer, call) != 0)
		_exit(2);
	(void)pthread_join(thread, NULL);
}

static void
test_an_answer_from_another_thread(void **state)
{
	(void)state;
	misuse_call = answer_from_a_thread;
	assert_aborts(call_misused_server, "rpc_call_is_on_worker");
}

static void
stop_server(struct rpc_server_call *call)
{
	(void)call;
	rpc_server_stop(the_server, 0);
}

static void
test_a_server_that_a_handler_stops(void **state)
{
	(void)state;
	misuse_call = stop_server;
	assert_aborts(call_misused_server, "is_on_worker");
}

/* ---- Without a call ---- */

static void
use_after_fork(void)
{
	struct rpc_loop *loop;
	pid_t child;
	int result;

	if (rpc_loop_new(&loop) != STATUS_OK || (child = fork()) < 0)
		_exit(2);
	if (child == 0) {
		(void)!rpc_loop_new(&loop);
		_exit(0);
	}
	if (waitpid(child, &result, 0) == child && WIFSIGNALED(result) &&
	    WTERMSIG(result) == SIGABRT)
		abort();
}

static void
test_a_child_of_fork(void **state)
{
	(void)state;
	assert_aborts(use_after_fork, "fork()");
}

/* gRPC may be used in each of them, one after the other. */
static void
test_fork_without_a_user(void **state)
{
	struct rpc_loop *loop;
	pid_t child;
	int result;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (rpc_loop_new(&loop) != STATUS_OK)
			_exit(2);
		rpc_loop_free(loop);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFEXITED(result));
	assert_int_equal(WEXITSTATUS(result), 0);
}

static void
start_on_closed_loop(void)
{
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *response;
	struct trial_client client;

	trial_connect(&client, "127.0.0.1:1", NULL);
	rpc_loop_close(client.rpc.loop);
	(void)!trial_echo(&client.rpc, NULL, &request, &response, NULL);
}

/* gRPC's own, which is silent otherwise. */
static void
test_a_call_on_a_closed_loop(void **state)
{
	(void)state;
	assert_aborts(start_on_closed_loop, "gRPC: ");
}

/* ---- What is refused ---- */

static void
test_impossible_arguments(void **state)
{
	struct rpc_server *server;
	int port;

	(void)state;
	assert_false(rpc_metadata_is_legal(NULL, bytes_empty()));
	assert_int_equal(rpc_server_new(NULL, &server), STATUS_OK);
	assert_int_equal(
	    rpc_server_add_port(server, "127.0.0.1:65536", NULL, &port),
	    STATUS_INVALID);
	assert_int_equal(
	    rpc_server_add_port(server, NULL, NULL, &port), STATUS_INVALID);
	assert_int_equal(rpc_server_add_port(server, "[::1", NULL, &port),
	    STATUS_UNAVAILABLE);
	rpc_server_free(server);
	rpc_server_free(NULL);
	rpc_loop_free(NULL);
	rpc_channel_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    /* Before gRPC runs here: these fork. */
	    cmocka_unit_test(test_an_answer_from_another_thread),
	    cmocka_unit_test(test_a_server_that_a_handler_stops),
	    cmocka_unit_test(test_a_child_of_fork),
	    cmocka_unit_test(test_fork_without_a_user),
	    cmocka_unit_test(test_a_call_on_a_closed_loop),
	    cmocka_unit_test(test_impossible_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
