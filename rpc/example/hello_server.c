/*
 * A gRPC server: hello_server [ADDRESS]
 *
 * Serves hello.v1.Greeter with reflection and health until SIGINT or SIGTERM.
 * The address defaults to 127.0.0.1:50051; port 0 takes a free one.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc_c/health.h>
#include <grpc_c/reflection.h>
#include <grpc_c/rpc_server.h>

#include "hello.grpc-c.h"

/* ---- SayHello: the answer at once ---- */

static void
say_hello(void *service, struct rpc_server_call *call,
    const Hello__V1__HelloRequest *request)
{
	Hello__V1__HelloReply reply = HELLO__V1__HELLO_REPLY__INIT;
	char text[128];

	(void)service;
	snprintf(text, sizeof(text), "Hello, %s!", request->name);
	reply.text = text;
	greeter_say_hello_reply(call, &reply);
}

/* ---- SayHelloOften: one message after the other ---- */

/* Lives as long as its call: the worker frees it (rpc_server_call_set_user). */
struct greeting {
	char text[128];
	unsigned sent, times;
};

/* Sends the next one when gRPC has taken the one before: flow control. */
static void
greet_next(struct rpc_server_call *call, bool is_alive, void *arg)
{
	Hello__V1__HelloReply reply = HELLO__V1__HELLO_REPLY__INIT;
	struct greeting *greeting = arg;

	if (!is_alive || greeting->sent == greeting->times) {
		rpc_server_call_finish(call);
		return;
	}
	greeting->sent++;
	reply.text = greeting->text;
	greeter_say_hello_often_send(call, &reply, greet_next, greeting);
}

static void
say_hello_often(void *service, struct rpc_server_call *call,
    const Hello__V1__HelloOftenRequest *request)
{
	struct greeting *greeting = calloc(1, sizeof(*greeting));

	(void)service;
	if (greeting == NULL) {
		rpc_server_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    "out of memory", bytes_empty());
		return;
	}
	snprintf(greeting->text, sizeof(greeting->text), "Hello, %s!",
	    request->name);
	greeting->times = request->times;
	rpc_server_call_set_user(call, greeting, free);
	greet_next(call, true, greeting);
}

/* ---- The server ---- */

static const struct greeter_handlers handlers = {
    .say_hello = say_hello,
    .say_hello_often = say_hello_often,
};

/* What reflection tells of. */
static const struct rpc_descriptors *const described[] = {&hello_descriptors};

int
main(int argc, char **argv)
{
	const char *address = argc > 1 ? argv[1] : "127.0.0.1:50051";
	struct rpc_server *server = NULL;
	struct rpc_reflection *reflection = NULL;
	struct rpc_health *health = NULL;
	int port, caught;
	sigset_t signals;
	enum status st;

	/* Before any thread starts, so that none of them gets the signal. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	if ((st = rpc_server_new(NULL, &server)) != STATUS_OK ||
	    (st = greeter_register(server, &handlers, NULL)) != STATUS_OK ||
	    (st = rpc_reflection_new(described, 1, &reflection)) != STATUS_OK ||
	    (st = rpc_reflection_register(reflection, server)) != STATUS_OK ||
	    (st = rpc_health_new(&health)) != STATUS_OK ||
	    (st = rpc_health_register(health, server)) != STATUS_OK ||
	    (st = rpc_server_add_port(server, address, NULL, &port)) !=
		STATUS_OK ||
	    (st = rpc_server_start(server)) != STATUS_OK)
		goto out;
	printf("listening on port %d\n", port);
	fflush(stdout);
	sigwait(&signals, &caught);
	rpc_health_shutdown(health);
	rpc_server_stop(server, 5000);
out:
	rpc_server_free(server);
	rpc_health_free(health);
	rpc_reflection_free(reflection);
	if (st != STATUS_OK)
		fprintf(
		    stderr, "hello_server: %s: %s\n", address, status_name(st));
	return st == STATUS_OK ? 0 : 1;
}
