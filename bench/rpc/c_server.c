/* The benchmark's server on rpc/: c_server [--threads N]. */

#include <stdlib.h>
#include <string.h>

#include "bench.grpc-c.h"
#include "measure.h"
#include "rpc/rpc_server.h"
#include "rpc/server_call.h"

/* A stream that is being served. */
struct stream {
	uint32_t left, batch;  /* to send */
	uint64_t count, bytes; /* received, or sent */
	Bench__V1__Payload payload;
};

static struct stream *
stream_new(struct rpc_server_call *call)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		measure_fail("out of memory");
	bench__v1__payload__init(&stream->payload);
	rpc_server_call_set_user(call, stream, free);
	return stream;
}

static void
serve_unary(void *service, struct rpc_server_call *call,
    const Bench__V1__Payload *request)
{
	(void)service;
	echo_unary_reply(call, request);
}

/* ---- Download ---- */

static void
on_download_sent(struct rpc_server_call *call, bool is_alive, void *arg)
{
	struct stream *stream = arg;

	if (!is_alive)
		return;
	if (stream->left == 0) {
		rpc_server_call_finish(call);
		return;
	}
	stream->left--;
	rpc_server_call_set_corked(
	    call, measure_is_corked(stream->count, stream->batch));
	measure_number(stream->payload.body.data, stream->payload.body.len,
	    stream->count++);
	(void)echo_download_send(
	    call, &stream->payload, on_download_sent, stream);
}

static void
download_free(void *user)
{
	struct stream *stream = user;

	free(stream->payload.body.data);
	free(stream);
}

static void
serve_download(void *service, struct rpc_server_call *call,
    const Bench__V1__Order *request)
{
	struct stream *stream = stream_new(call);

	(void)service;
	stream->left = request->count;
	stream->batch = request->batch;
	stream->payload.body.len = request->size;
	stream->payload.body.data = malloc(request->size + 1u);
	if (stream->payload.body.data == NULL)
		measure_fail("out of memory");
	measure_fill(stream->payload.body.data, request->size);
	rpc_server_call_set_user(call, stream, download_free);
	on_download_sent(call, true, stream);
}

/* ---- Upload ---- */

static void
on_upload(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	struct stream *stream = arg;
	Bench__V1__Payload *payload = NULL;
	Bench__V1__Tally tally = BENCH__V1__TALLY__INIT;

	if (is_end) {
		tally.count = stream->count;
		tally.bytes = stream->bytes;
		echo_upload_reply(call, &tally);
		return;
	}
	if (echo_upload_request(message, &payload) != STATUS_OK)
		measure_fail("a payload does not parse");
	stream->count++;
	stream->bytes += payload->body.len;
	bench__v1__payload__free_unpacked(payload, NULL);
	(void)rpc_server_call_receive(call, on_upload, stream);
}

static void
serve_upload(void *service, struct rpc_server_call *call)
{
	(void)service;
	(void)rpc_server_call_receive(call, on_upload, stream_new(call));
}

/* ---- Ping-pong ---- */

static void on_ping(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg);

static void
on_pong_sent(struct rpc_server_call *call, bool is_alive, void *arg)
{
	if (is_alive)
		(void)rpc_server_call_receive(call, on_ping, arg);
}

static void
on_ping(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	Bench__V1__Payload *payload = NULL;

	if (is_end) {
		rpc_server_call_finish(call);
		return;
	}
	if (echo_ping_pong_request(message, &payload) != STATUS_OK)
		measure_fail("a payload does not parse");
	(void)echo_ping_pong_send(call, payload, on_pong_sent, arg);
	bench__v1__payload__free_unpacked(payload, NULL);
}

static void
serve_ping_pong(void *service, struct rpc_server_call *call)
{
	(void)service;
	(void)rpc_server_call_receive(call, on_ping, NULL);
}

static const struct echo_handlers handlers = {
    .unary = serve_unary,
    .download = serve_download,
    .upload = serve_upload,
    .ping_pong = serve_ping_pong,
};

int
main(int argc, char **argv)
{
	struct rpc_server_options options = {
	    .workers = measure_server_threads(argc, argv)};
	struct rpc_server *server = NULL;
	int port = 0;

	if (rpc_server_new(&options, &server) != STATUS_OK ||
	    echo_register(server, &handlers, NULL) != STATUS_OK ||
	    rpc_server_add_port(server, "127.0.0.1:0", NULL, &port) !=
		STATUS_OK ||
	    rpc_server_start(server) != STATUS_OK)
		measure_fail("the server does not start");
	measure_serve(port);
	rpc_server_stop(server, 0);
	rpc_server_free(server);
	return 0;
}
