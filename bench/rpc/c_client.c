/* The benchmark's load generator on rpc/, with one thread. */

#include <stdlib.h>

#include "bench.grpc-c.h"
#include "measure.h"
#include "rpc/client_call.h"
#include "rpc/client_channel.h"
#include "rpc/loop.h"

static struct measure figures;

/* One call after another, or one stream. */
struct slot {
	struct rpc_client client;
	struct rpc_client_call *call;
	Bench__V1__Payload request;
	uint64_t number; /* of the message that is on its way */
	unsigned left;   /* of the stream */
	uint64_t started_ns;
	bool is_sent, is_answered; /* ping-pong: both before the next */
};

static void start(struct slot *slot);

static void
check(const struct slot *slot, Bench__V1__Payload *reply)
{
	measure_check(
	    &figures, reply->body.data, reply->body.len, slot->number);
	bench__v1__payload__free_unpacked(reply, NULL);
}

/* The end of any call, after what it had to check itself. */
static void
next_call(struct slot *slot)
{
	rpc_client_call_free(slot->call);
	slot->call = NULL;
	if (!figures.is_over)
		start(slot);
}

static void
require_ok(const struct rpc_status *status)
{
	if (status->code != RPC_CODE_OK)
		measure_fail(
		    status->message != NULL ? status->message : "failed");
}

static void
on_unary(
    struct rpc_client_call *call, const struct rpc_status *status, void *arg)
{
	struct slot *slot = arg;
	Bench__V1__Payload *reply = NULL;

	require_ok(status);
	if (echo_unary_response(call, &reply) != STATUS_OK)
		measure_fail("a reply does not parse");
	check(slot, reply);
	measure_add(&figures, slot->started_ns);
	slot->number++;
	next_call(slot);
}

/* ---- Download ---- */

static void
on_downloaded(struct rpc_client_call *call, struct bytes message, void *arg)
{
	struct slot *slot = arg;
	Bench__V1__Payload *reply = NULL;

	(void)message;
	if (echo_download_response(call, &reply) != STATUS_OK)
		measure_fail("a reply does not parse");
	check(slot, reply);
	measure_add(&figures, 0);
	slot->number++;
}

static void
on_stream_end(
    struct rpc_client_call *call, const struct rpc_status *status, void *arg)
{
	struct slot *slot = arg;

	(void)call;
	require_ok(status);
	if (slot->number != figures.stream_length)
		measure_fail("a stream has the wrong length");
	next_call(slot);
}

/* ---- Upload ---- */

static void
upload_next(struct rpc_client_call *call, struct slot *slot)
{
	if (slot->number == figures.stream_length) {
		rpc_client_call_finish_sending(call);
		return;
	}
	rpc_client_call_set_corked(
	    call, measure_is_corked(slot->number, figures.batch));
	measure_number(
	    slot->request.body.data, slot->request.body.len, slot->number++);
	if (!echo_upload_send_request(call, &slot->request))
		measure_fail("cannot send");
}

static void
on_upload_sent(struct rpc_client_call *call, void *arg)
{
	measure_add(&figures, 0);
	upload_next(call, arg);
}

static void
on_tally(
    struct rpc_client_call *call, const struct rpc_status *status, void *arg)
{
	struct slot *slot = arg;
	Bench__V1__Tally *tally = NULL;

	require_ok(status);
	if (echo_upload_response(call, &tally) != STATUS_OK ||
	    tally->count != figures.stream_length ||
	    tally->bytes != figures.stream_length * (uint64_t)figures.size)
		measure_fail("the tally is wrong");
	bench__v1__tally__free_unpacked(tally, NULL);
	next_call(slot);
}

/* ---- Ping-pong ---- */

static void
ping(struct rpc_client_call *call, struct slot *slot)
{
	if (slot->number == figures.stream_length) {
		rpc_client_call_finish_sending(call);
		return;
	}
	slot->is_sent = slot->is_answered = false;
	slot->started_ns = measure_now_ns();
	measure_number(
	    slot->request.body.data, slot->request.body.len, slot->number);
	if (!echo_ping_pong_send_request(call, &slot->request))
		measure_fail("cannot send");
}

static void
ping_if_done(struct rpc_client_call *call, struct slot *slot)
{
	if (!slot->is_sent || !slot->is_answered)
		return;
	slot->number++;
	ping(call, slot);
}

static void
on_ping_sent(struct rpc_client_call *call, void *arg)
{
	struct slot *slot = arg;

	slot->is_sent = true;
	ping_if_done(call, slot);
}

static void
on_pong(struct rpc_client_call *call, struct bytes message, void *arg)
{
	struct slot *slot = arg;
	Bench__V1__Payload *reply = NULL;

	(void)message;
	if (echo_ping_pong_response(call, &reply) != STATUS_OK)
		measure_fail("a reply does not parse");
	check(slot, reply);
	measure_add(&figures, slot->started_ns);
	slot->is_answered = true;
	ping_if_done(call, slot);
}

/* ---- All ---- */

static enum status
start_download(struct slot *slot)
{
	const struct rpc_client_call_events events = {
	    .arg = slot,
	    .on_message = on_downloaded,
	    .on_status = on_stream_end,
	};
	Bench__V1__Order order = BENCH__V1__ORDER__INIT;

	order.count = figures.stream_length;
	order.size = (uint32_t)figures.size;
	order.batch = figures.batch;
	return echo_download_start(
	    &slot->client, NULL, &order, &events, &slot->call);
}

static enum status
start_unary(struct slot *slot)
{
	const struct rpc_client_call_events events = {
	    .arg = slot, .on_status = on_unary};

	slot->started_ns = measure_now_ns();
	measure_number(
	    slot->request.body.data, slot->request.body.len, slot->number);
	return echo_unary_start(
	    &slot->client, NULL, &slot->request, &events, &slot->call);
}

static enum status
start_upload(struct slot *slot)
{
	const struct rpc_client_call_events events = {
	    .arg = slot, .on_sent = on_upload_sent, .on_status = on_tally};
	enum status st;

	st = echo_upload_start(&slot->client, NULL, &events, &slot->call);
	if (st == STATUS_OK)
		upload_next(slot->call, slot);
	return st;
}

static enum status
start_pingpong(struct slot *slot)
{
	const struct rpc_client_call_events events = {
	    .arg = slot,
	    .on_message = on_pong,
	    .on_sent = on_ping_sent,
	    .on_status = on_stream_end,
	};
	enum status st;

	st = echo_ping_pong_start(&slot->client, NULL, &events, &slot->call);
	if (st == STATUS_OK)
		ping(slot->call, slot);
	return st;
}

static void
start(struct slot *slot)
{
	enum status st = STATUS_INTERNAL;

	switch (figures.kind) {
	case MEASURE_UNARY:
		st = start_unary(slot);
		break;
	case MEASURE_DOWNLOAD:
		slot->number = 0;
		st = start_download(slot);
		break;
	case MEASURE_UPLOAD:
		slot->number = 0;
		st = start_upload(slot);
		break;
	case MEASURE_PINGPONG:
		slot->number = 0;
		st = start_pingpong(slot);
		break;
	}
	if (st != STATUS_OK)
		measure_fail("a call does not start");
}

int
main(int argc, char **argv)
{
	struct rpc_loop *loop = NULL;
	struct rpc_channel **channels;
	struct slot *slots;

	measure_init(&figures, argc, argv);
	channels = calloc(figures.connections, sizeof(struct rpc_channel *));
	slots = calloc(figures.outstanding, sizeof(*slots));
	if (channels == NULL || slots == NULL ||
	    rpc_loop_new(&loop) != STATUS_OK)
		measure_fail("out of memory");
	for (unsigned i = 0; i < figures.connections; i++)
		if (rpc_channel_new(figures.target, NULL, &channels[i]) !=
		    STATUS_OK)
			measure_fail("no channel");
	for (unsigned i = 0; i < figures.outstanding; i++) {
		struct slot *slot = &slots[i];

		slot->client.channel = channels[i % figures.connections];
		slot->client.loop = loop;
		bench__v1__payload__init(&slot->request);
		slot->request.body.len = figures.size;
		slot->request.body.data = malloc(figures.size + 1);
		if (slot->request.body.data == NULL)
			measure_fail("out of memory");
		measure_fill(slot->request.body.data, figures.size);
		start(slot);
	}
	while (!figures.is_over && rpc_loop_step(loop, -1) == RPC_LOOP_EVENT)
		;
	measure_print(&figures);
	for (unsigned i = 0; i < figures.outstanding; i++) {
		rpc_client_call_free(slots[i].call);
		free(slots[i].request.body.data);
	}
	rpc_loop_free(loop);
	for (unsigned i = 0; i < figures.connections; i++)
		rpc_channel_free(channels[i]);
	free(slots);
	free(channels);
	return 0;
}
