/* A gRPC client: hello_client [ADDRESS [NAME [TIMES]]] */

#include <stdio.h>
#include <stdlib.h>

#include <grpc_c/client_call.h>
#include <grpc_c/client_channel.h>
#include <grpc_c/loop.h>

#include "hello.grpc-c.h"

/* One request, one reply. `status` tells how the call ended, in any case. */
static enum status
greet_once(
    const struct rpc_client *client, char *name, struct rpc_status *status)
{
	/* A deadline; until then it waits for the server to be there. */
	const struct rpc_call_options options = {
	    .timeout_ms = 5000,
	    .wait_for_ready = true,
	};
	Hello__V1__HelloRequest request = HELLO__V1__HELLO_REQUEST__INIT;
	Hello__V1__HelloReply *reply;
	enum status st;

	request.name = name;
	st = greeter_say_hello(client, &options, &request, &reply, status);
	if (st != STATUS_OK)
		return st;
	puts(reply->text);
	hello__v1__hello_reply__free_unpacked(reply, NULL);
	return STATUS_OK;
}

/* One request, a stream of replies, read one by one. */
static enum status
greet_often(const struct rpc_client *client, char *name, unsigned times,
    struct rpc_status *status)
{
	const struct rpc_call_options options = {
	    .timeout_ms = 5000,
	    .receive_on_demand = true,
	};
	Hello__V1__HelloOftenRequest request =
	    HELLO__V1__HELLO_OFTEN_REQUEST__INIT;
	Hello__V1__HelloReply *reply;
	struct rpc_client_call *call = NULL;
	enum status st;

	request.name = name;
	request.times = times;
	st = greeter_say_hello_often_start(
	    client, &options, &request, NULL, &call);
	while (st == STATUS_OK &&
	       (st = greeter_say_hello_often_next(call, -1, &reply)) ==
		   STATUS_OK &&
	       reply != NULL) {
		puts(reply->text);
		hello__v1__hello_reply__free_unpacked(reply, NULL);
	}
	if (st == STATUS_OK)
		status->code = rpc_client_call_status(call)->code;
	rpc_client_call_free(call);
	return st != STATUS_OK ? st : rpc_code_to_status(status->code);
}

int
main(int argc, char **argv)
{
	const char *address = argc > 1 ? argv[1] : "127.0.0.1:50051";
	char world[] = "world";
	char *name = argc > 2 ? argv[2] : world;
	unsigned times = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 3;
	struct rpc_client client = {0};
	struct rpc_status status = {0};
	enum status st;

	if ((st = rpc_loop_new(&client.loop)) != STATUS_OK ||
	    (st = rpc_channel_new(address, NULL, &client.channel)) !=
		STATUS_OK ||
	    (st = greet_once(&client, name, &status)) != STATUS_OK ||
	    (st = greet_often(&client, name, times, &status)) != STATUS_OK)
		fprintf(stderr, "hello_client: %s: %s %s\n", status_name(st),
		    rpc_code_name(status.code),
		    status.message != NULL ? status.message : "");
	rpc_channel_free(client.channel);
	rpc_loop_free(client.loop);
	rpc_status_clear(&status);
	return st == STATUS_OK ? 0 : 1;
}
