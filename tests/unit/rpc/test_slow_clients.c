/* rpc/rpc_server.h: clients that begin and do not end, or do not read. */

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/unit.h"
#include "trial.h"

/* ---- As much of HTTP/2 (RFC 9113) as it takes ---- */

enum {
	FRAME_DATA = 0,
	FRAME_HEADERS = 1,
	FRAME_RST_STREAM = 3,
	FRAME_SETTINGS = 4,
	FRAME_PING = 6,
	FLAG_ACK = 1,
	FLAG_END_STREAM = 1,
	FLAG_END_HEADERS = 4,
	SETTING_INITIAL_WINDOW = 4,
	HEADER_SIZE = 9,
	STREAMS_MAX = 64,
};

struct slow_client {
	int fd;
	uint32_t last_stream;
	uint32_t server_window; /* of each stream, as the server told */
	/* By stream, the first is 0: headers seen; ended by the server. */
	bool has_headers[STREAMS_MAX], is_over[STREAMS_MAX];
	uint8_t input[1 << 16];
	size_t input_size;
};

static void
write_all(struct slow_client *client, const void *data, size_t size)
{
	assert_int_equal(send(client->fd, data, size, MSG_NOSIGNAL), size);
}

static void
write_frame(struct slow_client *client, uint8_t type, uint8_t flags,
    uint32_t stream, const void *payload, size_t size)
{
	uint8_t header[HEADER_SIZE] = {(uint8_t)(size >> 16),
	    (uint8_t)(size >> 8), (uint8_t)size, type, flags,
	    (uint8_t)(stream >> 24), (uint8_t)(stream >> 16),
	    (uint8_t)(stream >> 8), (uint8_t)stream};

	write_all(client, header, sizeof(header));
	if (size > 0)
		write_all(client, payload, size);
}

/* window: of each stream of ours, that is how much may be sent to us. */
static void
connect_slowly(
    struct slow_client *client, const struct trial *trial, uint32_t window)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)trial->port)};
	uint8_t settings[6] = {0, SETTING_INITIAL_WINDOW,
	    (uint8_t)(window >> 24), (uint8_t)(window >> 16),
	    (uint8_t)(window >> 8), (uint8_t)window};

	memset(client, 0, sizeof(*client));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client->fd >= 0);
	assert_int_equal(
	    connect(client->fd, (struct sockaddr *)&address, sizeof(address)),
	    0);
	write_all(client, preface, sizeof(preface) - 1);
	write_frame(client, FRAME_SETTINGS, 0, 0, settings, sizeof(settings));
}

static void
hpack_literal(uint8_t *block, size_t *size, const char *name, const char *value)
{
	const char *texts[2] = {name, value};

	block[(*size)++] = 0; /* neither indexed nor Huffman-coded */
	for (int i = 0; i < 2; i++) {
		size_t length = strlen(texts[i]);

		assert_true(length < 127);
		block[(*size)++] = (uint8_t)length;
		memcpy(&block[*size], texts[i], length);
		*size += length;
	}
}

/* Headers of an Echo, and what is given of its one message. */
static void
begin_echo(
    struct slow_client *client, const void *message, size_t size, bool is_whole)
{
	uint8_t block[512];
	size_t block_size = 0;

	client->last_stream += client->last_stream == 0 ? 1 : 2;
	hpack_literal(block, &block_size, ":method", "POST");
	hpack_literal(block, &block_size, ":scheme", "http");
	hpack_literal(block, &block_size, ":path", trial_echo_method.path);
	hpack_literal(block, &block_size, ":authority", "trial");
	hpack_literal(block, &block_size, "te", "trailers");
	hpack_literal(block, &block_size, "content-type", "application/grpc");
	write_frame(client, FRAME_HEADERS, FLAG_END_HEADERS,
	    client->last_stream, block, block_size);
	write_frame(client, FRAME_DATA, is_whole ? FLAG_END_STREAM : 0,
	    client->last_stream, message, size);
}

static void
read_settings(struct slow_client *client, const uint8_t *payload, size_t size)
{
	for (size_t i = 0; i + 6 <= size; i += 6) {
		if (payload[i] == 0 && payload[i + 1] == SETTING_INITIAL_WINDOW)
			client->server_window = (uint32_t)payload[i + 2] << 24 |
						(uint32_t)payload[i + 3] << 16 |
						(uint32_t)payload[i + 4] << 8 |
						payload[i + 5];
	}
	write_frame(client, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
}

static void
read_frame(struct slow_client *client, const uint8_t *frame, size_t size)
{
	uint8_t type = frame[3], flags = frame[4];
	uint32_t stream = (uint32_t)frame[5] << 24 | (uint32_t)frame[6] << 16 |
			  (uint32_t)frame[7] << 8 | frame[8];
	size_t index = stream / 2;

	if (type == FRAME_SETTINGS && (flags & FLAG_ACK) == 0)
		read_settings(client, frame + HEADER_SIZE, size);
	if (type == FRAME_PING && (flags & FLAG_ACK) == 0)
		write_frame(
		    client, FRAME_PING, FLAG_ACK, 0, frame + HEADER_SIZE, size);
	if (stream == 0)
		return;
	assert_true(index < STREAMS_MAX);
	if (type == FRAME_HEADERS)
		client->has_headers[index] = true;
	if (type == FRAME_RST_STREAM || (flags & FLAG_END_STREAM) != 0)
		client->is_over[index] = true;
}

/* Reads frames until so many calls were ended, or the time is over. */
static unsigned
count_over(struct slow_client *client, unsigned enough, uint64_t ms)
{
	uint64_t end_ms = clock_monotonic_ms() + ms;
	unsigned count = 0;

	for (;;) {
		struct pollfd poller = {.fd = client->fd, .events = POLLIN};
		uint64_t now_ms = clock_monotonic_ms();
		size_t at = 0;
		ssize_t got;

		count = 0;
		for (size_t i = 0; i < STREAMS_MAX; i++)
			count += client->is_over[i];
		if (count >= enough || now_ms >= end_ms ||
		    poll(&poller, 1, (int)(end_ms - now_ms)) <= 0)
			return count;
		got = read(client->fd, client->input + client->input_size,
		    sizeof(client->input) - client->input_size);
		assert_true(got > 0);
		client->input_size += (size_t)got;
		while (client->input_size - at >= HEADER_SIZE) {
			const uint8_t *frame = client->input + at;
			size_t size = (size_t)frame[0] << 16 |
				      (size_t)frame[1] << 8 | frame[2];

			if (client->input_size - at < HEADER_SIZE + size)
				break;
			read_frame(client, frame, size);
			at += HEADER_SIZE + size;
		}
		client->input_size -= at;
		memmove(client->input, client->input + at, client->input_size);
	}
}

/* ---- Tests ---- */

/* Says that a mebibyte follows, and sends little of it. */
static const uint8_t beginning[100] = {0, 0, 0x10, 0, 0};

static void
expect_service(const struct trial *trial)
{
	struct rpc_call_options options = {.timeout_ms = 10000};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__EchoReply *reply = NULL;
	struct trial_client client;

	request.text = (char *)(uintptr_t) "salam";
	trial_connect(&client, trial->target, NULL);
	assert_ok(trial_echo(&client.rpc, &options, &request, &reply, NULL));
	golden__v1__echo_reply__free_unpacked(reply, NULL);
	trial_disconnect(&client);
}

static void
test_slow_clients_get_no_window_in_advance(void **state)
{
	struct slow_client client;
	struct trial trial;

	(void)state;
	trial_start(&trial, NULL, NULL);
	connect_slowly(&client, &trial, 65535);
	(void)count_over(&client, 1, 200);
	/* Of a stream, 0: not told, which means 65,535. */
	assert_true(client.server_window <= 128 * 1024);
	close(client.fd);
	trial_stop(&trial, 2000);
}

static void
test_slow_clients_cannot_begin_too_many_requests(void **state)
{
	enum { COUNT = 30, ALLOWED = 8 };
	struct rpc_server_options options = {
	    .workers = 2, .max_partial_requests = ALLOWED};
	struct slow_client client;
	struct trial trial;
	uint64_t start_ms = clock_monotonic_ms();

	(void)state;
	trial_start(&trial, &options, NULL);
	connect_slowly(&client, &trial, 65535);
	for (int i = 0; i < COUNT; i++)
		begin_echo(&client, beginning, sizeof(beginning), false);
	expect_service(&trial);
	assert_true(
	    count_over(&client, COUNT - ALLOWED, 10000) >= COUNT - ALLOWED);
	assert_true(clock_monotonic_ms() - start_ms >= 1000);
	/* The latest stay: they may be honest. */
	assert_false(client.is_over[COUNT - 1]);
	expect_service(&trial);
	/* Counted after the answer. */
	trial_wait(&trial.arrived, 2);
	assert_int_equal(trial.arrived, 2);
	close(client.fd);
	trial_stop(&trial, 2000);
}

static void
test_slow_clients_are_given_a_time(void **state)
{
	struct rpc_server_options options = {.request_timeout_ms = 500};
	struct slow_client client;
	struct trial trial;

	(void)state;
	trial_start(&trial, &options, NULL);
	connect_slowly(&client, &trial, 65535);
	begin_echo(&client, beginning, sizeof(beginning), false);
	begin_echo(&client, "", 0, false);
	assert_int_equal(count_over(&client, 2, 10000), 2);
	close(client.fd);
	trial_stop(&trial, 2000);
}

/* An Echo whose answer has a mebibyte. */
static size_t
pack_large(uint8_t *message)
{
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	size_t size;

	request.padding = 1 << 20;
	size = golden__v1__echo_request__pack(&request, message + 5);
	memset(message, 0, 5);
	message[4] = (uint8_t)size;
	return size + 5;
}

static void
test_slow_clients_cannot_leave_too_many_answers(void **state)
{
	/* Eight mebibytes are the least that a worker is given. */
	enum { COUNT = 20, ALLOWED = 8 };
	struct rpc_server_options options = {.max_unsent_bytes = 1};
	struct slow_client client;
	struct trial trial;
	uint8_t message[64];
	size_t size = pack_large(message);

	(void)state;
	trial_start(&trial, &options, NULL);
	connect_slowly(&client, &trial, 0);
	for (int i = 0; i < COUNT; i++)
		begin_echo(&client, message, size, true);
	trial_wait(&trial.arrived, COUNT);
	/* What is too much is refused at once, and small answers never. */
	assert_true(
	    count_over(&client, COUNT - ALLOWED, 4000) >= COUNT - ALLOWED);
	expect_service(&trial);
	/* What an answer was made from does not wait with it. */
	trial_wait(&trial.destroyed, COUNT + 1);
	close(client.fd);
	trial_stop(&trial, 2000);
}

static void
test_slow_clients_are_cut_off_from_their_answers(void **state)
{
	struct rpc_server_options options = {.answer_timeout_ms = 500};
	struct slow_client client;
	struct trial trial;
	uint8_t message[64];
	size_t size = pack_large(message);

	(void)state;
	trial_start(&trial, &options, NULL);
	connect_slowly(&client, &trial, 0);
	begin_echo(&client, message, size, true);
	begin_echo(&client, message, size, true);
	assert_int_equal(count_over(&client, 2, 10000), 2);
	close(client.fd);
	trial_stop(&trial, 2000);
}

static void
test_slow_clients_do_not_hold_up_a_stop(void **state)
{
	struct slow_client client;
	struct trial trial;
	uint8_t message[64];
	size_t size = pack_large(message);
	uint64_t start_ms;

	(void)state;
	trial_start(&trial, NULL, NULL);
	connect_slowly(&client, &trial, 65535);
	begin_echo(&client, beginning, sizeof(beginning), false);
	begin_echo(&client, message, size, true);
	trial_wait(&trial.arrived, 1);
	(void)count_over(&client, 1, 200);
	start_ms = clock_monotonic_ms();
	/* It hears that the server goes, and says nothing. */
	trial_stop(&trial, 20000);
	assert_true(clock_monotonic_ms() - start_ms < 10000);
	close(client.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slow_clients_get_no_window_in_advance),
	    cmocka_unit_test(test_slow_clients_cannot_begin_too_many_requests),
	    cmocka_unit_test(test_slow_clients_are_given_a_time),
	    cmocka_unit_test(test_slow_clients_cannot_leave_too_many_answers),
	    cmocka_unit_test(test_slow_clients_are_cut_off_from_their_answers),
	    cmocka_unit_test(test_slow_clients_do_not_hold_up_a_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
