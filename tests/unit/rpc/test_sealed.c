/* rpc/sealed.h, with the generated code of a sealed service */

#include "rpc/sealed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "trial.h"

/* Envelopes of these tests: every byte inverted. */
static void
invert(struct bytes bytes, struct buf *out)
{
	assert_ok(buf_append(out, bytes));
	for (size_t i = 0; i < out->size; i++)
		out->data[i] = (uint8_t)~out->data[i];
}

static const struct rpc_method *
raw_method(const struct rpc_sealed_method *method)
{
	assert_string_equal(method->path, method->method->path);
	assert_string_equal(method->name, method->method->name);
	assert_ptr_equal(method, vault_http_sealed_methods[method->index]);
	return method->method;
}

/* ---- The server's peer ---- */

struct vault {
	struct rpc_sealed_server peer;
	struct rpc_server *server;
	char target[64];
};

struct caller {
	struct rpc_sealed_caller base;
	struct rpc_server_call *call;
};

static void
caller_reply(struct rpc_sealed_caller *base, struct bytes body)
{
	struct caller *caller = (struct caller *)base;
	Golden__V1__Sealed sealed = GOLDEN__V1__SEALED__INIT;
	struct buf inverted;

	assert_null(base->request);
	buf_init(&inverted, 10000);
	invert(body, &inverted);
	sealed.ciphertext.data = inverted.data;
	sealed.ciphertext.len = inverted.size;
	/* One message for all sealed methods, so one function would do. */
	rpc_server_call_reply_message(caller->call, &sealed.base);
	buf_clear(&inverted);
}

static void
caller_fail(struct rpc_sealed_caller *base, enum status st)
{
	(void)base;
	(void)st;
	fail();
}

static void
handle_put(void *service, struct rpc_sealed_caller *caller,
    const Golden__V1__EchoRequest *request)
{
	Golden__V1__Vaulted__Receipt receipt =
	    GOLDEN__V1__VAULTED__RECEIPT__INIT;

	assert_non_null(service);
	if (strcmp(request->text, "refuse") == 0) {
		rpc_sealed_caller_clear(caller);
		rpc_server_call_fail(((struct caller *)caller)->call,
		    RPC_CODE_PERMISSION_DENIED, "refused", bytes_empty());
		return;
	}
	/* The response may point into the request. */
	receipt.text = request->text;
	vault_http_put_reply(caller, &receipt);
}

/* No handler for Take. */
static const struct vault_http_sealed_handlers sealed_handlers = {
    .put = handle_put,
};

static void
handle_peek(void *service, struct rpc_server_call *call,
    const Golden__V1__Number *request)
{
	assert_non_null(service);
	vault_http_peek_reply(call, request);
}

static const struct vault_http_handlers handlers = {
    .peek = handle_peek,
};

static void
open_envelope(struct rpc_sealed_server *peer, struct rpc_server_call *call,
    const struct rpc_sealed_method *method, struct bytes request)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	Golden__V1__Sealed *sealed;
	struct buf body;
	enum status st;

	assert_non_null(caller);
	rpc_server_call_set_user(call, caller, free);
	caller->base.reply = caller_reply;
	caller->base.fail = caller_fail;
	caller->call = call;
	assert_ptr_equal(raw_method(method), rpc_server_call_method(call));
	sealed = golden__v1__sealed__unpack(NULL, request.size, request.data);
	assert_non_null(sealed);
	buf_init(&body, 10000);
	invert(
	    bytes_make(sealed->ciphertext.data, sealed->ciphertext.len), &body);
	golden__v1__sealed__free_unpacked(sealed, NULL);
	st = vault_http_dispatch(
	    &sealed_handlers, peer, method, &caller->base, buf_bytes(&body));
	buf_clear(&body);
	if (st != STATUS_OK)
		rpc_server_call_fail(call, rpc_code_from_status(st),
		    "not dispatched", bytes_empty());
}

static int
setup(void **state)
{
	struct vault *vault = calloc(1, sizeof(*vault));
	int port;

	assert_non_null(vault);
	vault->peer.open = open_envelope;
	assert_ok(rpc_server_new(NULL, &vault->server));
	assert_ok(vault_http_register_sealed(
	    vault->server, &handlers, vault, &vault->peer));
	assert_ok(empty_register(vault->server, NULL, NULL));
	assert_ok(
	    rpc_server_add_port(vault->server, "127.0.0.1:0", NULL, &port));
	assert_ok(rpc_server_start(vault->server));
	snprintf(vault->target, sizeof(vault->target), "127.0.0.1:%d", port);
	*state = vault;
	return 0;
}

static int
teardown(void **state)
{
	struct vault *vault = *state;

	rpc_server_stop(vault->server, 1000);
	rpc_server_free(vault->server);
	free(vault);
	return 0;
}

/* ---- The client's peer ---- */

struct session {
	struct rpc_sealed_client peer;
	struct trial_client client;
	enum rpc_code code;
	bool is_reply_damaged;
};

static enum status
session_call(struct rpc_sealed_client *peer,
    const struct rpc_sealed_method *method, struct bytes body,
    struct buf *reply)
{
	struct session *session = (struct session *)peer;
	Golden__V1__Sealed request = GOLDEN__V1__SEALED__INIT;
	ProtobufCMessage *message = NULL;
	struct rpc_status status = {0};
	struct buf sealed;
	enum status st;

	buf_init(&sealed, 10000);
	invert(body, &sealed);
	request.ciphertext.data = sealed.data;
	request.ciphertext.len = sealed.size;
	st = rpc_client_unary_message(&session->client.rpc, raw_method(method),
	    NULL, &request.base, &message, &status);
	if (st == STATUS_OK) {
		const Golden__V1__Sealed *response =
		    (const Golden__V1__Sealed *)message;

		if (session->is_reply_damaged)
			assert_ok(buf_append_u8(reply, 0xff));
		invert(bytes_make(
			   response->ciphertext.data, response->ciphertext.len),
		    reply);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	session->code = status.code;
	rpc_status_clear(&status);
	buf_clear(&sealed);
	return st;
}

static void
session_open(struct session *session, const struct vault *vault)
{
	memset(session, 0, sizeof(*session));
	session->peer.call = session_call;
	trial_connect(&session->client, vault->target, NULL);
}

static void
test_sealed_methods_carry_their_contents(void **state)
{
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT, *same = NULL;
	Golden__V1__Vaulted__Receipt *receipt = NULL;
	struct session session;

	session_open(&session, *state);
	request.text = (char *)(uintptr_t) "salam";
	assert_ok(vault_http_put(&session.peer, &request, &receipt));
	assert_string_equal(receipt->text, "salam");
	protobuf_c_message_free_unpacked(&receipt->base, NULL);
	/* Beside them, plain ones. */
	number.value = 7;
	assert_ok(
	    vault_http_peek(&session.client.rpc, NULL, &number, &same, NULL));
	assert_int_equal(same->value, 7);
	golden__v1__number__free_unpacked(same, NULL);
	trial_disconnect(&session.client);
}

static void
test_sealed_methods_fail_as_their_peers_say(void **state)
{
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT;
	Golden__V1__Vaulted__Receipt *receipt = NULL;
	Golden__ShapesV2__Shape *shape = NULL;
	struct session session;

	session_open(&session, *state);
	request.text = (char *)(uintptr_t) "refuse";
	assert_status(
	    vault_http_put(&session.peer, &request, &receipt), STATUS_DENIED);
	assert_int_equal(session.code, RPC_CODE_PERMISSION_DENIED);
	/* Nobody handles it. */
	assert_status(
	    vault_http_take(&session.peer, &number, &shape), STATUS_NOT_FOUND);
	/* A reply that does not parse. */
	session.is_reply_damaged = true;
	request.text = (char *)(uintptr_t) "salam";
	assert_status(
	    vault_http_put(&session.peer, &request, &receipt), STATUS_INVALID);
	trial_disconnect(&session.client);
}

static void
test_sealed_garbage_is_not_dispatched(void **state)
{
	Golden__V1__Sealed request = GOLDEN__V1__SEALED__INIT;
	Golden__V1__Sealed *response = NULL;
	struct rpc_sealed_method foreign = vault_http_put_sealed;
	struct rpc_sealed_caller caller = {0};
	struct rpc_status status = {0};
	struct session session;
	uint8_t garbage[] = {0, 0, 0, 0, 0};

	session_open(&session, *state);
	request.ciphertext.data = garbage; /* 0xff... once it is opened */
	request.ciphertext.len = sizeof(garbage);
	assert_status(vault_http_put_raw(&session.client.rpc, NULL, &request,
			  &response, &status),
	    STATUS_INVALID);
	assert_int_equal(status.code, RPC_CODE_INVALID_ARGUMENT);
	assert_string_equal(status.message, "not dispatched");
	rpc_status_clear(&status);
	/* A method that is none of this service's. */
	assert_status(vault_http_dispatch(&sealed_handlers, NULL, &foreign,
			  &caller, bytes_empty()),
	    STATUS_NOT_FOUND);
	foreign.index = 1000;
	assert_status(vault_http_dispatch(&sealed_handlers, NULL, &foreign,
			  &caller, bytes_empty()),
	    STATUS_NOT_FOUND);
	trial_disconnect(&session.client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_sealed_methods_carry_their_contents),
	    TEST(test_sealed_methods_fail_as_their_peers_say),
	    TEST(test_sealed_garbage_is_not_dispatched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
