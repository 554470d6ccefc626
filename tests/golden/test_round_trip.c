/*
 * Messages with every feature of protobuf-c, sent through generated stubs of
 * all four kinds: what comes back is, byte for byte, what protobuf itself
 * wrote.
 */

#include <stdio.h>
#include <stdlib.h>

#include "golden/services.grpc-c.h"
#include "rpc/loop.h"
#include "rpc/rpc_server.h"
#include "tests/unit/unit.h"

typedef Golden__EveryKind__Of__ThingV3__Everything everything;
typedef Golden__EveryKind__Of__ThingV3__Choice choice;
typedef Golden__EveryKind__Of__ThingV3__Outer__Middle middle;
typedef Golden__EveryKind__Of__ThingV3__Outer__Middle__Inner inner;
typedef Golden__EveryKind__Of__ThingV3__Outer__Middle__Inner__State state;
typedef Golden__Renamed__Old old;

static const char *folder;

/* ---- The server ---- */

static void
serve_unary(
    void *service, struct rpc_server_call *call, const everything *request)
{
	(void)service;
	every_unary_reply(call, request);
}

/* The same message three times; the request lives until the end. */
static void
send_old(struct rpc_server_call *call, bool is_alive, void *arg)
{
	unsigned *left = rpc_server_call_user(call);

	assert_true(is_alive);
	if ((*left)-- > 0)
		assert_true(every_server_stream_send(call, arg, send_old, arg));
	else
		rpc_server_call_finish(call);
}

static void
serve_server_stream(
    void *service, struct rpc_server_call *call, const old *request)
{
	unsigned *left = calloc(1, sizeof(*left));

	(void)service;
	assert_non_null(left);
	*left = 3;
	rpc_server_call_set_user(call, left, free);
	send_old(call, true, (void *)(uintptr_t)request);
}

/* What has come so far; the last one goes back with all states. */
struct collected {
	inner *last;
	state states[8];
	size_t count;
};

/* protoc-c writes helpers for the outermost types only. */
static void
free_inner(inner *message)
{
	if (message != NULL)
		protobuf_c_message_free_unpacked(&message->base, NULL);
}

static void
free_collected(void *user)
{
	struct collected *collected = user;

	free_inner(collected->last);
	free(collected);
}

static void
collect(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	struct collected *collected = arg;
	middle reply = GOLDEN__EVERY_KIND__OF__THING_V3__OUTER__MIDDLE__INIT;

	if (!is_end) {
		free_inner(collected->last);
		collected->last = NULL;
		assert_ok(
		    every_client_stream_request(message, &collected->last));
		assert_true(collected->count < 8);
		collected->states[collected->count++] = collected->last->state;
		assert_true(rpc_server_call_receive(call, collect, arg));
		return;
	}
	reply.inner = collected->last;
	reply.states = collected->states;
	reply.n_states = collected->count;
	every_client_stream_reply(call, &reply);
}

static void
serve_client_stream(void *service, struct rpc_server_call *call)
{
	struct collected *collected = calloc(1, sizeof(*collected));

	(void)service;
	assert_non_null(collected);
	rpc_server_call_set_user(call, collected, free_collected);
	assert_true(rpc_server_call_receive(call, collect, collected));
}

static void echo_choice(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg);

static void
next_choice(struct rpc_server_call *call, bool is_alive, void *arg)
{
	assert_true(is_alive);
	assert_true(rpc_server_call_receive(call, echo_choice, arg));
}

static void
echo_choice(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	choice *request = NULL;

	if (is_end) {
		rpc_server_call_finish(call);
		return;
	}
	assert_ok(every_both_request(message, &request));
	assert_true(every_both_send(call, request, next_choice, arg));
	golden__every_kind__of__thing_v3__choice__free_unpacked(request, NULL);
}

static void
serve_both(void *service, struct rpc_server_call *call)
{
	(void)service;
	assert_true(rpc_server_call_receive(call, echo_choice, NULL));
}

static void
serve_ping(void *service, struct rpc_server_call *call,
    const Google__Protobuf__Empty *request)
{
	(void)service;
	every_ping_reply(call, request);
}

static void
serve_nested(void *service, struct rpc_server_call *call,
    const Golden__Services__V1__Box__Lid *request)
{
	Golden__Services__V1__Box reply = GOLDEN__SERVICES__V1__BOX__INIT;

	(void)service;
	/* protobuf-c's members are not const. */
	reply.lid = (Golden__Services__V1__Box__Lid *)(uintptr_t)request;
	every_nested_reply(call, &reply);
}

static void
serve_oneofs(void *service, struct rpc_server_call *call,
    const Golden__Oneofs__Only *request)
{
	(void)service;
	every_oneofs_reply(call, request);
}

static void
serve_options(void *service, struct rpc_server_call *call,
    const Golden__Renamed__NoHelpers *request)
{
	Golden__Renamed__OtherBase reply = GOLDEN__RENAMED__OTHER_BASE__INIT;

	(void)service;
	reply.has_base = request->has_value;
	reply.base = request->value;
	every_options_reply(call, &reply);
}

static const struct every_handlers handlers = {
    .unary = serve_unary,
    .server_stream = serve_server_stream,
    .client_stream = serve_client_stream,
    .both = serve_both,
    .ping = serve_ping,
    .nested = serve_nested,
    .oneofs = serve_oneofs,
    .options = serve_options,
};

/* Answers by name: Every2.Unary is no other service's. */
static void
serve_second_unary(void *service, struct rpc_server_call *call,
    const Golden__Services__V1__Box *request)
{
	(void)service;
	every2_unary_reply(call, request);
}

static const struct every2_handlers second_handlers = {
    .unary = serve_second_unary,
};
static const struct words_handlers no_words = {0};

/* ---- Around each test ---- */

struct fixture {
	struct rpc_server *server;
	struct rpc_client client;
};

static int
set_up(void **state_out)
{
	static struct fixture fixture;
	char target[64];
	int port;

	assert_ok(rpc_server_new(NULL, &fixture.server));
	assert_ok(every_register(fixture.server, &handlers, NULL));
	assert_ok(every2_register(fixture.server, &second_handlers, NULL));
	assert_ok(words_register(fixture.server, &no_words, NULL));
	assert_ok(
	    rpc_server_add_port(fixture.server, "127.0.0.1:0", NULL, &port));
	assert_ok(rpc_server_start(fixture.server));
	snprintf(target, sizeof(target), "127.0.0.1:%d", port);
	assert_ok(rpc_loop_new(&fixture.client.loop));
	assert_ok(rpc_channel_new(target, NULL, &fixture.client.channel));
	*state_out = &fixture;
	return 0;
}

static int
tear_down(void **state_in)
{
	struct fixture *fixture = *state_in;

	rpc_channel_free(fixture->client.channel);
	rpc_loop_free(fixture->client.loop);
	rpc_server_stop(fixture->server, 5000);
	rpc_server_free(fixture->server);
	return 0;
}

static struct bytes
read_value(const char *name, uint8_t *data, size_t size)
{
	char path[1000];
	size_t got;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	got = fread(data, 1, size, file);
	assert_true(got > 0 && got < size);
	fclose(file);
	return bytes_make(data, got);
}

static void
assert_packs_to(const ProtobufCMessage *message, struct bytes expected)
{
	uint8_t *packed = malloc(protobuf_c_message_get_packed_size(message));
	size_t size;

	assert_non_null(packed);
	size = protobuf_c_message_pack(message, packed);
	assert_bytes(bytes_make(packed, size), expected);
	free(packed);
}

static void
assert_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	uint8_t packed[1000];

	assert_true(protobuf_c_message_get_packed_size(b) <= sizeof(packed));
	assert_packs_to(
	    a, bytes_make(packed, protobuf_c_message_pack(b, packed)));
}

static everything *
read_everything(struct bytes bytes)
{
	everything *message =
	    golden__every_kind__of__thing_v3__everything__unpack(
		NULL, bytes.size, bytes.data);

	assert_non_null(message);
	return message;
}

static const struct rpc_call_options options = {.timeout_ms = 60000};

/* ---- The tests ---- */

static void
test_golden_unary(void **state_in)
{
	struct fixture *fixture = *state_in;
	uint8_t data[4096];
	struct bytes value = read_value("everything.binpb", data, sizeof(data));
	everything *request = read_everything(value), *response;
	struct rpc_status status = {0};

	assert_int_equal(request->scalars->a_colour,
	    GOLDEN__EVERY_KIND__OF__THING_V3__COLOUR__COLOUR_NEGATIVE);
	assert_ok(every_unary(
	    &fixture->client, &options, request, &response, &status));
	assert_packs_to(&response->base, value);
	golden__every_kind__of__thing_v3__everything__free_unpacked(
	    request, NULL);
	golden__every_kind__of__thing_v3__everything__free_unpacked(
	    response, NULL);
	rpc_status_clear(&status);
}

static void
test_golden_server_stream(void **state_in)
{
	struct fixture *fixture = *state_in;
	uint8_t data[4096];
	struct bytes value = read_value("old.binpb", data, sizeof(data));
	old *request =
	    golden__renamed__old__unpack(NULL, value.size, value.data);
	struct rpc_client_call *call;
	old *response;
	unsigned count = 0;

	assert_non_null(request);
	assert_string_equal(request->text, "not the default");
	/* The extensions, which are kept. */
	assert_int_equal(request->base.n_unknown_fields, 3);
	assert_ok(every_server_stream_start(
	    &fixture->client, &options, request, NULL, &call));
	while (every_server_stream_next(call, -1, &response) == STATUS_OK &&
	       response != NULL) {
		assert_packs_to(&response->base, value);
		golden__renamed__old__free_unpacked(response, NULL);
		count++;
	}
	assert_int_equal(count, 3);
	assert_int_equal(rpc_client_call_status(call)->code, RPC_CODE_OK);
	rpc_client_call_free(call);
	golden__renamed__old__free_unpacked(request, NULL);
}

static void
test_golden_defaults(void **state_in)
{
	Golden__Renamed__Old message = GOLDEN__RENAMED__OLD__INIT;

	(void)state_in;
	assert_int_equal(message.number, -42);
	assert_true(message.flag);
	assert_string_equal(message.text, "said \"so\"\n");
	assert_bytes(bytes_make(message.data.data, message.data.len),
	    BYTES_LITERAL("\0\377x"));
	assert_int_equal(message.level, GOLDEN__RENAMED__LEVEL__LEVEL_HIGH);
	assert_false(message.has_number);
}

static void
test_golden_client_stream(void **state_in)
{
	struct fixture *fixture = *state_in;
	uint8_t data[4096];
	everything *value =
	    read_everything(read_value("everything.binpb", data, sizeof(data)));
	const inner *request = value->outer->middle->inner;
	struct rpc_status status = {0};
	struct rpc_client_call *call;
	middle *response;

	assert_ok(
	    every_client_stream_start(&fixture->client, &options, NULL, &call));
	for (int i = 0; i < 3; i++)
		assert_ok(every_client_stream_write(call, -1, request));
	assert_ok(every_client_stream_finish(call, &response, &status));
	assert_int_equal(response->n_states, 3);
	assert_int_equal(response->states[2], request->state);
	assert_same(&response->inner->base, &request->base);
	protobuf_c_message_free_unpacked(&response->base, NULL);
	golden__every_kind__of__thing_v3__everything__free_unpacked(
	    value, NULL);
	rpc_client_call_free(call);
	rpc_status_clear(&status);
}

static void
test_golden_both(void **state_in)
{
	struct fixture *fixture = *state_in;
	uint8_t data[4096];
	everything *value =
	    read_everything(read_value("everything.binpb", data, sizeof(data)));
	struct rpc_client_call *call;
	choice *response;

	assert_int_equal(value->n_choices, 7);
	assert_ok(every_both_start(&fixture->client, &options, NULL, &call));
	for (size_t i = 0; i < value->n_choices; i++) {
		assert_ok(every_both_write(call, -1, value->choices[i]));
		assert_ok(every_both_next(call, -1, &response));
		assert_non_null(response);
		assert_int_equal(
		    response->which_case, value->choices[i]->which_case);
		assert_same(&response->base, &value->choices[i]->base);
		golden__every_kind__of__thing_v3__choice__free_unpacked(
		    response, NULL);
	}
	rpc_client_call_finish_sending(call);
	assert_ok(every_both_next(call, -1, &response));
	assert_null(response);
	assert_int_equal(rpc_client_call_status(call)->code, RPC_CODE_OK);
	rpc_client_call_free(call);
	golden__every_kind__of__thing_v3__everything__free_unpacked(
	    value, NULL);
}

static void
test_golden_small_messages(void **state_in)
{
	struct fixture *fixture = *state_in;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	Google__Protobuf__Empty *nothing;
	Golden__Services__V1__Box__Lid lid =
	    GOLDEN__SERVICES__V1__BOX__LID__INIT;
	Golden__Services__V1__Box *box;
	Golden__Oneofs__Only only = GOLDEN__ONEOFS__ONLY__INIT, *same;
	Golden__Renamed__NoHelpers no_helpers =
	    GOLDEN__RENAMED__NO_HELPERS__INIT;
	Golden__Renamed__OtherBase *other_base;
	char label[] = "label";

	assert_ok(
	    every_ping(&fixture->client, &options, &empty, &nothing, NULL));
	google__protobuf__empty__free_unpacked(nothing, NULL);

	lid.label = label;
	assert_ok(every_nested(&fixture->client, &options, &lid, &box, NULL));
	assert_string_equal(box->lid->label, label);
	golden__services__v1__box__free_unpacked(box, NULL);

	only.one_case = GOLDEN__ONEOFS__ONLY__ONE_NUMBER;
	only.number = 0;
	assert_ok(every_oneofs(&fixture->client, &options, &only, &same, NULL));
	assert_int_equal(same->one_case, GOLDEN__ONEOFS__ONLY__ONE_NUMBER);
	golden__oneofs__only__free_unpacked(same, NULL);

	no_helpers.has_value = 1;
	no_helpers.value = -3;
	assert_ok(every_options(
	    &fixture->client, &options, &no_helpers, &other_base, NULL));
	assert_int_equal(other_base->base, -3);
	golden__renamed__other_base__free_unpacked(other_base, NULL);
}

static void
test_golden_names(void **state_in)
{
	struct fixture *fixture = *state_in;
	Golden__Services__V1__Box box = GOLDEN__SERVICES__V1__BOX__INIT;
	Golden__Services__V1__Box *reply;
	struct rpc_status status = {0};

	assert_ok(
	    every2_unary(&fixture->client, &options, &box, &reply, &status));
	golden__services__v1__box__free_unpacked(reply, NULL);
	/* No handlers, but all of them known. */
	assert_int_not_equal(
	    words_template(&fixture->client, &options, &box, &reply, &status),
	    STATUS_OK);
	assert_int_equal(status.code, RPC_CODE_UNIMPLEMENTED);
	assert_string_equal(
	    words_a_b__method.path, "/golden.services.v1.Words/A_b_");
	assert_string_equal(
	    every_methods[0]->service, "golden.services.v1.Every");
	rpc_status_clear(&status);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_unary),
	    cmocka_unit_test(test_golden_server_stream),
	    cmocka_unit_test(test_golden_defaults),
	    cmocka_unit_test(test_golden_client_stream),
	    cmocka_unit_test(test_golden_both),
	    cmocka_unit_test(test_golden_small_messages),
	    cmocka_unit_test(test_golden_names),
	};

	if (argc != 2) {
		fputs("usage: test_golden_round_trip FOLDER\n", stderr);
		return 2;
	}
	folder = argv[1];
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
