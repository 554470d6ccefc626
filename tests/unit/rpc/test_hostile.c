/*
 * rpc/client_call.h against servers that break the rules: hostile_server.py,
 * which starts this program. Each call ends, with the code that gRPC's
 * documents name where they name one, and takes no more memory than it may.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/status_details.h"
#include "tests/unit/unit.h"
#include "trial.h"

enum { SHORT = 500, PATIENCE = 20000 };

static char **ports; /* "name=port" */

static void
connect_with(struct trial_client *client, const char *name,
    const struct rpc_channel_options *options)
{
	size_t length = strlen(name);
	char target[64] = "";

	for (char **port = ports; *port != NULL; port++)
		if (strncmp(*port, name, length) == 0 && (*port)[length] == '=')
			snprintf(target, sizeof(target), "127.0.0.1:%s",
			    *port + length + 1);
	assert_string_not_equal(target, "");
	assert_ok(rpc_loop_new(&client->rpc.loop));
	assert_ok(rpc_channel_new(target, options, &client->rpc.channel));
}

/* Most that the process has ever had. */
static long
peak_kib(void)
{
	char line[128];
	long peak = 0;
	FILE *file = fopen("/proc/self/status", "r");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmHWM: %ld", &peak) == 1)
			break;
	fclose(file);
	assert_true(peak > 0);
	return peak;
}

/* Paths are literals: gRPC remembers them by address. */
struct hostile {
	const char *path;
	enum rpc_code code;
};

static struct rpc_method
method_of(const char *path, enum rpc_method_kind kind)
{
	struct rpc_method method = trial_echo_method;

	method.path = path;
	method.kind = kind;
	return method;
}

static enum status
call_within(struct trial_client *client, const char *path, int64_t timeout_ms,
    struct rpc_status *status)
{
	const struct rpc_method method = method_of(path, RPC_METHOD_UNARY);
	const struct rpc_call_options options = {.timeout_ms = timeout_ms};
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	enum status st;

	st = rpc_client_unary_message(
	    &client->rpc, &method, &options, &request.base, &reply, status);
	if (st == STATUS_OK)
		protobuf_c_message_free_unpacked(reply, NULL);
	return st;
}

static enum status
call_unary(
    struct trial_client *client, const char *path, struct rpc_status *status)
{
	return call_within(client, path, PATIENCE, status);
}

/* Each on a connection of its own: some break it. */
static void
expect_all(const char *server, const struct hostile *all, size_t count)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < count; i++) {
		struct rpc_status status = {0};
		struct trial_client client;

		connect_with(&client, server, NULL);
		(void)!call_unary(&client, all[i].path, &status);
		if (status.code != all[i].code) {
			print_error("%s: %s (%s)\n", all[i].path,
			    rpc_code_name(status.code),
			    status.message != NULL ? status.message : "");
			wrong++;
		}
		rpc_status_clear(&status);
		trial_disconnect(&client);
	}
	assert_int_equal(wrong, 0);
}

#define EXPECT_ALL(server, all)                                                \
	expect_all(server, all, sizeof(all) / sizeof((all)[0]))

/* doc/PROTOCOL-HTTP2.md, “Errors” */
static void
test_hostile_reset_streams(void **state)
{
	static const struct hostile all[] = {
	    {"/bad/rst/0", RPC_CODE_INTERNAL},
	    {"/bad/rst/1", RPC_CODE_INTERNAL},
	    {"/bad/rst/2", RPC_CODE_INTERNAL},
	    {"/bad/rst/3", RPC_CODE_INTERNAL},
	    {"/bad/rst/4", RPC_CODE_INTERNAL},
	    {"/bad/rst/6", RPC_CODE_INTERNAL},
	    {"/bad/rst/7", RPC_CODE_UNAVAILABLE},
	    {"/bad/rst/8", RPC_CODE_CANCELLED},
	    {"/bad/rst/9", RPC_CODE_INTERNAL},
	    {"/bad/rst/10", RPC_CODE_INTERNAL},
	    {"/bad/rst/11", RPC_CODE_RESOURCE_EXHAUSTED},
	    {"/bad/rst/12", RPC_CODE_PERMISSION_DENIED},
	    {"/bad/rst/99", RPC_CODE_INTERNAL},
	    {"/bad/rst_late/2", RPC_CODE_INTERNAL},
	    {"/bad/rst_late/8", RPC_CODE_CANCELLED},
	};

	(void)state;
	EXPECT_ALL("streams", all);
}

/* doc/http-grpc-status-mapping.md, and statuses that are none */
static void
test_hostile_statuses(void **state)
{
	static const struct hostile all[] = {
	    {"/bad/http/100", RPC_CODE_UNKNOWN},
	    {"/bad/http/301", RPC_CODE_UNKNOWN},
	    {"/bad/http/400", RPC_CODE_INTERNAL},
	    {"/bad/http/401", RPC_CODE_UNAUTHENTICATED},
	    {"/bad/http/403", RPC_CODE_PERMISSION_DENIED},
	    {"/bad/http/404", RPC_CODE_UNIMPLEMENTED},
	    {"/bad/http/429", RPC_CODE_UNAVAILABLE},
	    {"/bad/http/500", RPC_CODE_UNKNOWN},
	    {"/bad/http/502", RPC_CODE_UNAVAILABLE},
	    {"/bad/http/503", RPC_CODE_UNAVAILABLE},
	    {"/bad/http/504", RPC_CODE_UNAVAILABLE},
	    {"/bad/content_type", RPC_CODE_UNKNOWN},
	    {"/bad/status/99", RPC_CODE_UNKNOWN},
	    {"/bad/status/abc", RPC_CODE_UNKNOWN},
	    {"/bad/status/-1", RPC_CODE_UNKNOWN},
	    {"/bad/status/", RPC_CODE_UNKNOWN},
	    {"/bad/no_status", RPC_CODE_UNKNOWN},
	    {"/bad/no_status_in_trailers", RPC_CODE_UNKNOWN},
	    {"/bad/percent", RPC_CODE_FAILED_PRECONDITION},
	};

	(void)state;
	EXPECT_ALL("streams", all);
}

/* doc/statuscodes.md: too few or too many messages, and what they are. */
static void
test_hostile_messages(void **state)
{
	static const struct hostile all[] = {
	    {"/bad/ok", RPC_CODE_OK},
	    {"/bad/no_message", RPC_CODE_UNIMPLEMENTED},
	    {"/bad/no_protobuf", RPC_CODE_INTERNAL},
	    /* Cut off, and so never a message. */
	    {"/bad/lies/100", RPC_CODE_UNIMPLEMENTED},
	    {"/bad/lies/4294967295", RPC_CODE_UNIMPLEMENTED},
	    {"/bad/half_prefix", RPC_CODE_UNIMPLEMENTED},
	    {"/bad/lies_and_ends/100", RPC_CODE_UNKNOWN},
	    {"/bad/flag/255", RPC_CODE_UNIMPLEMENTED},
	    {"/bad/after_the_end", RPC_CODE_OK},
	};

	(void)state;
	EXPECT_ALL("streams", all);
}

static void
test_hostile_compression(void **state)
{
	static const struct hostile all[] = {
	    {"/bad/gzip/good", RPC_CODE_OK},
	    {"/bad/deflate", RPC_CODE_OK},
	    {"/bad/gzip/garbage", RPC_CODE_INTERNAL},
	    {"/bad/gzip/cut", RPC_CODE_INTERNAL},
	    {"/bad/gzip/more", RPC_CODE_INTERNAL},
	    {"/bad/encoding/lzma", RPC_CODE_INTERNAL},
	    {"/bad/encoding/identity", RPC_CODE_INTERNAL},
	    {"/bad/flag/1", RPC_CODE_INTERNAL},
	    {"/bad/unused_encoding/lzma", RPC_CODE_OK},
	};

	(void)state;
	EXPECT_ALL("streams", all);
}

static void
test_hostile_connections(void **state)
{
	static const struct hostile all[] = {
	    {"/bad/ok", RPC_CODE_UNAVAILABLE},
	};
	static const struct hostile long_frame[] = {
	    {"/bad/ok", RPC_CODE_INTERNAL},
	};
	static const struct hostile goaway[] = {
	    {"/bad/goaway", RPC_CODE_UNAVAILABLE},
	};

	(void)state;
	EXPECT_ALL("garbage", all);
	EXPECT_ALL("http1", all);
	EXPECT_ALL("hang_up", all);
	EXPECT_ALL("goaway", all);
	EXPECT_ALL("long_frame", long_frame);
	EXPECT_ALL("streams", goaway);
}

/* What the limits of a channel bound. */
static void
test_hostile_sizes(void **state)
{
	static const struct hostile all[] = {
	    {"/bad/huge_headers/10000", RPC_CODE_OK},
	    {"/bad/huge_headers/200000", RPC_CODE_RESOURCE_EXHAUSTED},
	    {"/bad/huge_trailers/40000", RPC_CODE_RESOURCE_EXHAUSTED},
	    {"/bad/gzip/bomb", RPC_CODE_RESOURCE_EXHAUSTED},
	    {"/bad/pours/4194305", RPC_CODE_RESOURCE_EXHAUSTED},
	    {"/bad/pings/100", RPC_CODE_OK},
	    {"/bad/settings/100", RPC_CODE_OK},
	};
	static const struct hostile endless[] = {
	    {"/bad/pours/2147483647", RPC_CODE_RESOURCE_EXHAUSTED},
	    {"/bad/pours/4294967295", RPC_CODE_RESOURCE_EXHAUSTED},
	};
	long before = peak_kib();

	(void)state;
	EXPECT_ALL("streams", all);
	assert_in_range(peak_kib() - before, 0, 40 << 10);
	/* gRPC takes in a message to the end before it looks at its length:
	   that is what max_buffer_bytes is for, 64 MiB here. */
	EXPECT_ALL("streams", endless);
	assert_in_range(peak_kib() - before, 0, 160 << 10);
}

/* ---- Only the deadline ends them ---- */

static void
test_hostile_calls_end_at_their_deadline(void **state)
{
	static const struct {
		const char *server, *path;
	} all[] = {
	    {"streams", "/bad/never"},
	    {"streams", "/bad/never_after_headers"},
	    {"streams", "/bad/forever"},
	    {"streams", "/bad/lies/2"},
	    {"streams", "/bad/data_first"},
	    {"streams", "/bad/pours/4194300"},
	    {"silent", "/bad/ok"},
	    {"never_reads", "/bad/ok"},
	};
	enum { COUNT = sizeof(all) / sizeof(all[0]) };
	const struct rpc_call_options options = {.timeout_ms = SHORT};
	struct trial_client clients[COUNT];
	struct rpc_method methods[COUNT];
	struct rpc_client_call *calls[COUNT];
	long before = peak_kib();

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		methods[i] = method_of(all[i].path, RPC_METHOD_UNARY);
		connect_with(&clients[i], all[i].server, NULL);
		assert_ok(rpc_client_call_start(&clients[i].rpc, &methods[i],
		    &options, bytes_empty(), NULL, &calls[i]));
	}
	for (size_t i = 0; i < COUNT; i++) {
		assert_true(
		    rpc_client_call_wait(calls[i], RPC_WAIT_END, PATIENCE));
		assert_int_equal(rpc_client_call_status(calls[i])->code,
		    RPC_CODE_DEADLINE_EXCEEDED);
		rpc_client_call_free(calls[i]);
		trial_disconnect(&clients[i]);
	}
	assert_in_range(peak_kib() - before, 0, 60 << 10);
}

/*
 * The connection breaks, or the deadline passes. gRPC has no limit for headers
 * that do not end: they take about two and a half times what arrives.
 */
static void
test_hostile_headers_that_do_not_end(void **state)
{
	struct rpc_status status = {0};
	struct trial_client client;
	enum status st;

	(void)state;
	connect_with(&client, "streams", NULL);
	st = call_within(&client, "/bad/continuation/4", SHORT, &status);
	assert_int_not_equal(st, STATUS_OK);
	rpc_status_clear(&status);
	trial_disconnect(&client);
}

/* ---- Streams ---- */

/* It hides the status; no deadline is needed to find that out. */
static void
test_hostile_second_reply_is_refused(void **state)
{
	static const struct {
		enum rpc_method_kind kind;
		bool early_headers;
	} kinds[] = {
	    {RPC_METHOD_UNARY, false},
	    {RPC_METHOD_UNARY, true},
	    {RPC_METHOD_CLIENT_STREAMING, false},
	};
	struct trial_client client;

	(void)state;
	connect_with(&client, "streams", NULL);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct rpc_method method =
		    method_of("/bad/two_messages", kinds[i].kind);
		const struct rpc_call_options options = {
		    .early_headers = kinds[i].early_headers};
		struct rpc_client_call *call;

		assert_ok(rpc_client_call_start(&client.rpc, &method, &options,
		    bytes_empty(), NULL, &call));
		rpc_client_call_finish_sending(call);
		assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
		assert_string_equal(
		    rpc_code_name(rpc_client_call_status(call)->code),
		    "UNIMPLEMENTED");
		rpc_client_call_free(call);
	}
	trial_disconnect(&client);
}

/* A server that never stops, a client that stops reading, and leaves. */
static void
test_hostile_stream_is_left(void **state)
{
	const struct rpc_method method =
	    method_of("/bad/forever", RPC_METHOD_SERVER_STREAMING);
	struct trial_client client;
	struct rpc_client_call *call;
	long before = peak_kib();

	(void)state;
	connect_with(&client, "streams", NULL);
	assert_ok(rpc_client_call_start(
	    &client.rpc, &method, NULL, bytes_empty(), NULL, &call));
	for (int i = 0; i < 200; i++) {
		assert_true(
		    rpc_client_call_wait(call, RPC_WAIT_MESSAGE, PATIENCE));
		assert_false(rpc_client_call_has_ended(call));
		assert_int_equal(rpc_client_call_message(call).size, 10000);
		rpc_client_call_receive(call);
	}
	/* Until nothing comes any more that was not asked for. */
	while (rpc_loop_step(client.rpc.loop, 200) == RPC_LOOP_EVENT)
		;
	assert_in_range(peak_kib() - before, 0, 40 << 10);
	rpc_client_call_cancel(call);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_int_equal(
	    rpc_client_call_status(call)->code, RPC_CODE_CANCELLED);
	rpc_client_call_free(call);
	trial_disconnect(&client);
}

/* What goes out to it gets stuck until gRPC gives the connection up. */
enum { GIVEN_UP_AFTER = 3000 };
static const struct rpc_channel_options impatient = {
    .keepalive_timeout_ms = GIVEN_UP_AFTER};

static void
test_hostile_server_that_does_not_read_holds_the_sender(void **state)
{
	enum { SIZE = 64 << 10, MANY = 4000 };
	const struct rpc_method method =
	    method_of("/bad/never", RPC_METHOD_CLIENT_STREAMING);
	static uint8_t data[SIZE];
	struct trial_client client;
	struct rpc_client_call *call;
	long before = peak_kib();
	size_t sent = 0;

	(void)state;
	connect_with(&client, "never_reads", &impatient);
	assert_ok(rpc_client_call_start(
	    &client.rpc, &method, NULL, bytes_empty(), NULL, &call));
	while (sent < MANY && rpc_client_call_wait(call, RPC_WAIT_SENT, SHORT))
		if (rpc_client_call_send(call, bytes_make(data, SIZE)))
			sent++;
	assert_false(rpc_client_call_send(call, bytes_make(data, SIZE)));
	/* The sockets' buffers, and what gRPC takes on top. */
	assert_in_range(sent * SIZE, 1, 24 << 20);
	assert_in_range(peak_kib() - before, 0, 40 << 10);
	rpc_client_call_free(call);
	trial_disconnect(&client);
}

static void
test_hostile_server_that_does_not_read_holds_no_end(void **state)
{
	const struct rpc_method method = method_of("/bad/ok", RPC_METHOD_UNARY);
	const struct rpc_call_options options = {.timeout_ms = SHORT};
	static uint8_t data[8 << 20];
	struct trial_client client;
	struct rpc_client_call *call;
	uint64_t start_ms = clock_monotonic_ms();

	(void)state;
	connect_with(&client, "never_reads", &impatient);
	assert_ok(rpc_client_call_start(&client.rpc, &method, &options,
	    bytes_make(data, sizeof(data)), NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_int_equal(
	    rpc_client_call_status(call)->code, RPC_CODE_DEADLINE_EXCEEDED);
	assert_in_range(
	    clock_monotonic_ms() - start_ms, SHORT, GIVEN_UP_AFTER - 1);
	rpc_client_call_free(call);
	trial_disconnect(&client);
}

/* ---- What a status holds ---- */

static void
test_hostile_status_details(void **state)
{
	struct rpc_status status = {0};
	struct trial_client client;
	struct buf found;
	uint64_t delay_ms = 4711;

	(void)state;
	buf_init(&found, 100);
	connect_with(&client, "streams", NULL);
	assert_status(
	    call_unary(&client, "/bad/details/AQID", &status), STATUS_STALE);
	assert_bytes(rpc_status_details(&status), BYTES_LITERAL("\1\2\3"));
	assert_status(
	    rpc_status_details_find(rpc_status_details(&status), "a.B", &found),
	    STATUS_INVALID);
	assert_int_equal(
	    rpc_status_retry(&status, &delay_ms), RPC_RETRY_UNSAID);
	assert_int_equal(delay_ms, 4711);
	/* No base64: an error all the same. */
	assert_int_not_equal(
	    call_unary(&client, "/bad/details/!!!", &status), STATUS_OK);
	rpc_status_clear(&status);
	trial_disconnect(&client);
	buf_clear(&found);
}

static void
test_hostile_pushback(void **state)
{
	struct rpc_status status = {0};
	struct trial_client client;
	uint64_t delay_ms = 4711;

	(void)state;
	connect_with(&client, "streams", NULL);
	assert_status(call_unary(&client, "/bad/pushback/250", &status),
	    STATUS_UNAVAILABLE);
	assert_int_equal(rpc_status_retry(&status, &delay_ms), RPC_RETRY_AFTER);
	assert_int_equal(delay_ms, 250);
	delay_ms = 4711;
	assert_status(call_unary(&client, "/bad/pushback/-1", &status),
	    STATUS_UNAVAILABLE);
	assert_int_equal(rpc_status_retry(&status, &delay_ms), RPC_RETRY_NEVER);
	assert_status(call_unary(&client, "/bad/pushback/soon", &status),
	    STATUS_UNAVAILABLE);
	assert_int_equal(rpc_status_retry(&status, &delay_ms), RPC_RETRY_NEVER);
	assert_status(
	    call_unary(&client, "/bad/pushback/99999999999999999999", &status),
	    STATUS_UNAVAILABLE);
	assert_int_equal(rpc_status_retry(&status, &delay_ms), RPC_RETRY_NEVER);
	assert_int_equal(delay_ms, 4711);
	rpc_status_clear(&status);
	trial_disconnect(&client);
}

/* ---- What our own messages look like on the wire ---- */

static char text_of_as[2001];

static void
expect_trailer(
    const struct rpc_client_call *call, const char *key, const char *expected)
{
	struct bytes value;

	assert_true(rpc_client_call_metadata(call, true, key, &value));
	assert_bytes(value, bytes_from_string(expected));
}

static void
expect_encoding(enum rpc_compression channel, enum rpc_compression of_call,
    const char *encoding, const char *flag)
{
	const struct rpc_channel_options options = {.compression = channel};
	const struct rpc_call_options call_options = {
	    .timeout_ms = PATIENCE, .compression = of_call};
	const struct rpc_method method = method_of("/bad/ok", RPC_METHOD_UNARY);
	struct trial_client client;
	struct rpc_client_call *call;

	connect_with(&client, "streams", &options);
	assert_ok(rpc_client_call_start(&client.rpc, &method, &call_options,
	    bytes_from_string(text_of_as), NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	expect_trailer(call, "x-encoding", encoding);
	expect_trailer(call, "x-flag", flag);
	rpc_client_call_free(call);
	trial_disconnect(&client);
}

static void
test_wire_shows_compression(void **state)
{
	(void)state;
	memset(text_of_as, 'a', sizeof(text_of_as) - 1);
	expect_encoding(0, 0, "none", "0");
	expect_encoding(0, RPC_COMPRESSION_GZIP, "gzip", "1");
	expect_encoding(RPC_COMPRESSION_GZIP, 0, "gzip", "1");
	expect_encoding(
	    RPC_COMPRESSION_GZIP, RPC_COMPRESSION_DEFLATE, "deflate", "1");
	expect_encoding(
	    RPC_COMPRESSION_GZIP, RPC_COMPRESSION_NONE, "none", "0");
}

static void
test_wire_shows_messages_left_uncompressed(void **state)
{
	const struct rpc_call_options options = {
	    .timeout_ms = PATIENCE, .compression = RPC_COMPRESSION_GZIP};
	const struct rpc_method method =
	    method_of("/bad/flags", RPC_METHOD_CLIENT_STREAMING);
	struct trial_client client;
	struct rpc_client_call *call;

	(void)state;
	memset(text_of_as, 'a', sizeof(text_of_as) - 1);
	connect_with(&client, "streams", NULL);
	assert_ok(rpc_client_call_start(
	    &client.rpc, &method, &options, bytes_empty(), NULL, &call));
	for (int i = 0; i < 4; i++) {
		rpc_client_call_set_compress(call, i != 1 && i != 2);
		assert_true(
		    rpc_client_call_send(call, bytes_from_string(text_of_as)));
		assert_true(
		    rpc_client_call_wait(call, RPC_WAIT_SENT, PATIENCE));
	}
	rpc_client_call_finish_sending(call);
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	expect_trailer(call, "x-flags", "1001");
	rpc_client_call_free(call);
	trial_disconnect(&client);
}

/* A call says whether what it received was compressed. */
static void
test_wire_tells_of_compression(void **state)
{
	static const char *const paths[] = {"/bad/gzip/good", "/bad/ok"};
	struct trial_client client;

	(void)state;
	connect_with(&client, "streams", NULL);
	for (int i = 0; i < 2; i++) {
		const struct rpc_method method =
		    method_of(paths[i], RPC_METHOD_UNARY);
		struct rpc_client_call *call;

		assert_ok(rpc_client_call_start(
		    &client.rpc, &method, NULL, bytes_empty(), NULL, &call));
		assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
		assert_bytes(
		    rpc_client_call_message(call), BYTES_LITERAL("\x0a\x02hi"));
		assert_int_equal(rpc_client_call_was_compressed(call), i == 0);
		rpc_client_call_free(call);
	}
	trial_disconnect(&client);
}

static void
test_wire_repeats_keys(void **state)
{
	const struct rpc_method method = method_of("/bad/ok", RPC_METHOD_UNARY);
	struct bytes key, value, twice[2];
	struct trial_client client;
	struct rpc_client_call *call;
	size_t found = 0;

	(void)state;
	connect_with(&client, "streams", NULL);
	assert_ok(rpc_client_call_start(
	    &client.rpc, &method, NULL, bytes_empty(), NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	for (size_t i = 0;
	     rpc_client_call_metadata_at(call, true, i, &key, &value); i++)
		if (bytes_equal(key, BYTES_LITERAL("x-twice"))) {
			assert_true(found < 2);
			twice[found++] = value;
		}
	assert_int_equal(found, 2);
	assert_bytes(twice[0], BYTES_LITERAL("one"));
	assert_bytes(twice[1], BYTES_LITERAL("two"));
	expect_trailer(call, "x-twice", "two");
	rpc_client_call_free(call);
	trial_disconnect(&client);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hostile_reset_streams),
	    cmocka_unit_test(test_hostile_statuses),
	    cmocka_unit_test(test_hostile_messages),
	    cmocka_unit_test(test_hostile_compression),
	    cmocka_unit_test(test_hostile_connections),
	    cmocka_unit_test(test_hostile_calls_end_at_their_deadline),
	    cmocka_unit_test(test_hostile_headers_that_do_not_end),
	    cmocka_unit_test(test_hostile_second_reply_is_refused),
	    cmocka_unit_test(test_hostile_stream_is_left),
	    cmocka_unit_test(
		test_hostile_server_that_does_not_read_holds_the_sender),
	    cmocka_unit_test(
		test_hostile_server_that_does_not_read_holds_no_end),
	    cmocka_unit_test(test_hostile_status_details),
	    cmocka_unit_test(test_hostile_pushback),
	    cmocka_unit_test(test_wire_shows_compression),
	    cmocka_unit_test(test_wire_shows_messages_left_uncompressed),
	    cmocka_unit_test(test_wire_tells_of_compression),
	    cmocka_unit_test(test_wire_repeats_keys),
	    /* Last: its peak hides what others take. */
	    cmocka_unit_test(test_hostile_sizes),
	};
	struct rpc_loop *loop;
	int failed;

	if (argc < 2) {
		fputs("usage: hostile_server.py test_rpc_hostile\n", stderr);
		return 2;
	}
	ports = argv + 1;
	/* Keeps gRPC itself up between the tests. */
	if (rpc_loop_new(&loop) != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rpc_loop_free(loop);
	return failed;
}
