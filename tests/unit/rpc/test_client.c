/*
 * rpc/client_call.h, client_channel.h, and the client's half of interceptor.h:
 * what test_calls.c leaves out.
 */

#include <stdlib.h>
#include <string.h>

#include "rpc/interceptor.h"
#include "rpc/status_details.h"
#include "tests/unit/unit.h"
#include "trial.h"

enum { PATIENCE = 20000 };

struct fixture {
	struct trial trial;
	struct rpc_client client;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	trial_start(&fixture->trial, NULL, NULL);
	assert_ok(rpc_loop_new(&fixture->client.loop));
	*state = fixture;
	return 0;
}

static void
connect_with(struct fixture *fixture, const struct rpc_channel_options *options)
{
	assert_ok(rpc_channel_new(
	    fixture->trial.target, options, &fixture->client.channel));
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	rpc_channel_free(fixture->client.channel);
	rpc_loop_free(fixture->client.loop);
	trial_stop(&fixture->trial, 2000);
	free(fixture);
	return 0;
}

static Golden__V1__EchoRequest
echo(const char *text)
{
	Golden__V1__EchoRequest request = GOLDEN__V1__ECHO_REQUEST__INIT;

	request.text = (char *)(uintptr_t)text;
	return request;
}

/* Calls Echo; `status` is to be cleared. */
static enum status
call_echo(struct fixture *fixture, int64_t timeout_ms,
    const Golden__V1__EchoRequest *request, struct rpc_status *status)
{
	const struct rpc_call_options options = {.timeout_ms = timeout_ms};
	Golden__V1__EchoReply *reply = NULL;
	enum status st =
	    trial_echo(&fixture->client, &options, request, &reply, status);

	if (reply != NULL)
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	return st;
}

static void
expect_echo(struct fixture *fixture, const Golden__V1__EchoRequest *request,
    enum rpc_code code)
{
	struct rpc_status status = {0};

	assert_status(call_echo(fixture, PATIENCE, request, &status),
	    rpc_code_to_status(code));
	assert_string_equal(rpc_code_name(status.code), rpc_code_name(code));
	rpc_status_clear(&status);
}

/* ---- Interceptors ---- */

/* What one interceptor has seen; `log` is shared. */
struct seen {
	char name;
	char *log;
	enum rpc_code refusal;
	struct rpc_client_interceptor *self;
	int starts, sent, received, ends;
	size_t sent_bytes, received_bytes;
	enum rpc_code code;
	struct rpc_client_call *call;
};

static void
note(struct seen *seen, char what)
{
	size_t length = strlen(seen->log);

	seen->log[length] = seen->name;
	seen->log[length + 1] = what;
	seen->log[length + 2] = '\0';
}

static enum rpc_code
on_start(struct rpc_client_call *call, const char **message, void *arg)
{
	struct seen *seen = arg;

	seen->starts++;
	note(seen, '+');
	assert_null(*message);
	assert_null(rpc_client_call_slot(call, seen->self));
	rpc_client_call_set_slot(call, seen->self, seen);
	assert_string_equal(
	    rpc_client_call_method(call)->service, "golden.v1.Trial");
	assert_ok(rpc_client_call_add_metadata(
	    call, "x-ask", bytes_make((const uint8_t *)&seen->name, 1)));
	assert_status(rpc_client_call_add_metadata(
			  call, "X-Ask", BYTES_LITERAL("capitals")),
	    STATUS_INVALID);
	if (seen->refusal != RPC_CODE_OK)
		*message = "not with me";
	return seen->refusal;
}

static void
on_message(struct rpc_client_call *call, enum rpc_direction direction,
    struct bytes message, void *arg)
{
	struct seen *seen = arg;

	assert_ptr_equal(rpc_client_call_slot(call, seen->self), seen);
	if (direction == RPC_DIRECTION_SENT) {
		seen->sent++;
		seen->sent_bytes += message.size;
	} else {
		seen->received++;
		seen->received_bytes += message.size;
	}
}

static void
on_status(struct rpc_client_call *call, const struct rpc_status *status,
    uint64_t duration_us, void *arg)
{
	struct seen *seen = arg;

	seen->ends++;
	seen->code = status->code;
	note(seen, '-');
	assert_true(duration_us < UINT64_C(60000000));
	assert_ptr_equal(rpc_client_call_slot(call, seen->self), seen);
	assert_status(
	    rpc_client_call_add_metadata(call, "x-late", BYTES_LITERAL("late")),
	    STATUS_INVALID);
}

struct watch {
	char log[64];
	struct seen seen[3];
	struct rpc_client_interceptor interceptors[3];
};

/* The second one has no call backs. */
static void
watch_from(struct fixture *fixture, struct watch *watch)
{
	struct rpc_channel_options options = {
	    .interceptors = watch->interceptors, .interceptor_count = 3};

	memset(watch, 0, sizeof(*watch));
	for (int i = 0; i < 3; i++) {
		watch->seen[i].name = (char)('a' + i);
		watch->seen[i].log = watch->log;
		watch->seen[i].self = &watch->interceptors[i];
		if (i == 1)
			continue;
		watch->interceptors[i] = (struct rpc_client_interceptor){
		    .arg = &watch->seen[i],
		    .on_start = on_start,
		    .on_message = on_message,
		    .on_status = on_status,
		};
	}
	connect_with(fixture, &options);
}

static void
test_interceptors_run_around_a_call(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("watched");
	struct rpc_client_call *call;
	struct watch watch;
	struct bytes value;

	watch_from(fixture, &watch);
	assert_ok(
	    trial_echo_start(&fixture->client, NULL, &request, NULL, &call));
	assert_string_equal(watch.log, "a+c+");
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, PATIENCE));
	assert_string_equal(watch.log, "a+c+c-a-");
	/* Their metadata arrived, the last one's last. */
	assert_true(rpc_client_call_metadata(call, false, "x-answer", &value));
	assert_bytes(value, BYTES_LITERAL("c"));
	for (int i = 0; i < 3; i += 2) {
		assert_int_equal(watch.seen[i].sent, 1);
		assert_int_equal(watch.seen[i].sent_bytes, 2 + 7);
		assert_int_equal(watch.seen[i].received, 1);
		assert_int_equal(watch.seen[i].received_bytes, 2 + 7);
		assert_int_equal(watch.seen[i].ends, 1);
		assert_int_equal(watch.seen[i].code, RPC_CODE_OK);
	}
	rpc_client_call_free(call);
	/* A call that fails. */
	request.code = RPC_CODE_ABORTED;
	expect_echo(fixture, &request, RPC_CODE_ABORTED);
	assert_int_equal(watch.seen[0].code, RPC_CODE_ABORTED);
	assert_int_equal(watch.seen[0].received, 1);
	/* One that is left: it ends for them at once. */
	request.code = 0;
	request.how = GOLDEN__V1__HOW__HOW_PARK;
	assert_ok(
	    trial_echo_start(&fixture->client, NULL, &request, NULL, &call));
	rpc_client_call_free(call);
	assert_int_equal(watch.seen[0].ends, 3);
	assert_int_equal(watch.seen[0].code, RPC_CODE_CANCELLED);
}

static void
on_end(struct rpc_client_call *call, const struct rpc_status *status, void *arg)
{
	assert_int_equal(status->code, RPC_CODE_PERMISSION_DENIED);
	(*(int *)arg)++;
	rpc_client_call_free(call);
}

static void
test_interceptors_refuse(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("refused");
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT;
	struct rpc_status status = {0};
	struct rpc_client_call *call;
	struct watch watch;
	int ends = 0;
	const struct rpc_client_call_events events = {
	    .arg = &ends, .on_status = on_end};

	watch_from(fixture, &watch);
	watch.seen[0].refusal = RPC_CODE_PERMISSION_DENIED;
	assert_status(
	    call_echo(fixture, PATIENCE, &request, &status), STATUS_DENIED);
	assert_string_equal(status.message, "not with me");
	rpc_status_clear(&status);
	/* The ones after it do not hear of the call. */
	assert_string_equal(watch.log, "a+a-");
	assert_int_equal(watch.seen[0].code, RPC_CODE_PERMISSION_DENIED);
	assert_int_equal(watch.seen[0].sent, 0);
	assert_int_equal(fixture->trial.arrived, 0);
	/* Everything else may be done with such a call. */
	assert_ok(trial_talk_start(&fixture->client, NULL, &events, &call));
	assert_int_equal(ends, 0);
	assert_false(trial_sum_send_request(call, &number));
	rpc_client_call_cancel(call);
	rpc_client_call_receive(call);
	rpc_client_call_finish_sending(call);
	while (ends == 0)
		assert_int_equal(rpc_loop_step(fixture->client.loop, PATIENCE),
		    RPC_LOOP_EVENT);
	assert_ok(
	    trial_echo_start(&fixture->client, NULL, &request, NULL, &call));
	rpc_client_call_free(call);
	assert_int_equal(watch.seen[0].ends, 3);
}

static void
test_interceptors_see_streams(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("word");
	Golden__V1__EchoReply *reply;
	struct rpc_client_call *call;
	struct watch watch;

	watch_from(fixture, &watch);
	assert_ok(trial_talk_start(&fixture->client, NULL, NULL, &call));
	for (int i = 0; i < 3; i++) {
		assert_ok(trial_talk_write(call, PATIENCE, &request));
		assert_ok(trial_talk_next(call, PATIENCE, &reply));
		golden__v1__echo_reply__free_unpacked(reply, NULL);
	}
	rpc_client_call_finish_sending(call);
	assert_ok(trial_talk_next(call, PATIENCE, &reply));
	assert_null(reply);
	assert_int_equal(watch.seen[2].sent, 3);
	assert_int_equal(watch.seen[2].received, 3);
	assert_string_equal(watch.log, "a+c+c-a-");
	rpc_client_call_free(call);
	assert_string_equal(watch.log, "a+c+c-a-");
}

/* ---- One after the other ---- */

static void
test_streams_are_written_and_finished(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT, *sum = NULL;
	struct rpc_status status = {0};
	struct rpc_client_call *call;

	connect_with(fixture, NULL);
	assert_ok(trial_sum_start(&fixture->client, NULL, NULL, &call));
	for (number.value = 1; number.value <= 100; number.value++)
		assert_ok(trial_sum_write(call, PATIENCE, &number));
	assert_ok(trial_sum_finish(call, &sum, &status));
	assert_int_equal(sum->value, 5050);
	assert_int_equal(status.code, RPC_CODE_OK);
	golden__v1__number__free_unpacked(sum, NULL);
	/* After the end. */
	assert_status(trial_sum_write(call, PATIENCE, &number), STATUS_STALE);
	rpc_client_call_free(call);
}

static void
test_streams_begin_without_a_request(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT, *sum = NULL;
	struct rpc_client_call *call = NULL;

	connect_with(fixture, NULL);
	number.value = 7;
	assert_ok(rpc_client_call_start_message(&fixture->client,
	    &trial_sum_method, NULL, &number.base, NULL, &call));
	number.value = 8;
	assert_ok(trial_sum_write(call, PATIENCE, &number));
	assert_ok(trial_sum_finish(call, &sum, NULL));
	assert_int_equal(sum->value, 8);
	golden__v1__number__free_unpacked(sum, NULL);
	rpc_client_call_free(call);
}

static void
test_streams_that_fail_are_finished(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT, *sum = NULL;
	struct rpc_status status = {0};
	struct rpc_client_call *call;

	connect_with(fixture, NULL);
	assert_ok(trial_sum_start(&fixture->client, NULL, NULL, &call));
	assert_true(
	    rpc_client_call_send(call, BYTES_LITERAL("\x0a\xff\xff\xff\xff")));
	/* Until the server's refusal is there. */
	while (trial_sum_write(call, PATIENCE, &number) == STATUS_OK)
		;
	assert_status(trial_sum_write(call, PATIENCE, &number), STATUS_STALE);
	assert_status(trial_sum_finish(call, &sum, &status), STATUS_INVALID);
	assert_int_equal(status.code, RPC_CODE_INVALID_ARGUMENT);
	assert_string_equal(status.message, "garbage");
	assert_null(sum);
	rpc_status_clear(&status);
	rpc_client_call_free(call);
}

static void
test_streams_are_finished_by_an_interrupt(void **state)
{
	struct fixture *fixture = *state;
	const struct rpc_method method = {
	    .path = "/golden.v1.Trial/Echo",
	    .kind = RPC_METHOD_CLIENT_STREAMING,
	    .response = &golden__v1__echo_reply__descriptor,
	};
	Golden__V1__EchoRequest request = echo("parked");
	struct trial_interrupt interrupt;
	struct rpc_status status = {0};
	struct rpc_client_call *call;
	ProtobufCMessage *reply = NULL;

	connect_with(fixture, NULL);
	request.how = GOLDEN__V1__HOW__HOW_PARK;
	assert_ok(rpc_client_call_start(
	    &fixture->client, &method, NULL, bytes_empty(), NULL, &call));
	assert_ok(rpc_client_call_write(call, PATIENCE, &request.base));
	rpc_loop_set_interrupt(fixture->client.loop, &trial_is_interrupted);
	trial_interrupt_start(&interrupt);
	assert_status(
	    rpc_client_call_finish(call, &reply, &status), STATUS_CANCELLED);
	assert_int_equal(status.code, RPC_CODE_CANCELLED);
	/* The flag ends a wait before it begins. */
	assert_false(rpc_client_call_wait(call, RPC_WAIT_END, 0) &&
		     !rpc_client_call_has_ended(call));
	trial_interrupt_end(&interrupt);
	rpc_status_clear(&status);
	rpc_client_call_free(call);
}

/* ---- Leaving from a call back ---- */

enum moment { MOMENT_HEADERS, MOMENT_MESSAGE, MOMENT_SENT, MOMENTS };

struct leaver {
	enum moment moment;
	bool cancels; /* instead of freeing */
	int told;     /* call backs after it was left */
	int ends;
	struct rpc_client_call *call; /* NULL once it is left */
};

static void
leave_at(struct leaver *leaver, enum moment moment)
{
	if (leaver->call == NULL) {
		leaver->told++;
		return;
	}
	if (moment != leaver->moment)
		return;
	if (leaver->cancels) {
		rpc_client_call_cancel(leaver->call);
	} else {
		rpc_client_call_free(leaver->call);
		leaver->call = NULL;
	}
}

static void
leave_on_headers(struct rpc_client_call *call, void *arg)
{
	(void)call;
	leave_at(arg, MOMENT_HEADERS);
}

static void
leave_on_message(struct rpc_client_call *call, struct bytes message, void *arg)
{
	struct leaver *leaver = arg;

	(void)call;
	(void)message;
	leave_at(leaver, MOMENT_MESSAGE);
}

static void
leave_on_sent(struct rpc_client_call *call, void *arg)
{
	struct leaver *leaver = arg;
	Golden__V1__EchoRequest request = echo("on and on");

	leave_at(leaver, MOMENT_SENT);
	if (leaver->call != NULL)
		assert_true(
		    trial_talk_send_request(call, &request) || leaver->cancels);
}

static void
leave_on_status(
    struct rpc_client_call *call, const struct rpc_status *status, void *arg)
{
	struct leaver *leaver = arg;

	assert_ptr_equal(leaver->call, call);
	assert_int_equal(status->code, RPC_CODE_CANCELLED);
	leaver->ends++;
	rpc_client_call_free(call);
	leaver->call = NULL;
}

static void
test_calls_are_left_from_any_call_back(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("first");

	connect_with(fixture, NULL);
	for (int i = 0; i < 2 * MOMENTS; i++) {
		struct leaver leaver = {
		    .moment = (enum moment)(i / 2), .cancels = i % 2 == 1};
		const struct rpc_client_call_events events = {
		    .arg = &leaver,
		    .on_headers = leave_on_headers,
		    .on_message = leave_on_message,
		    .on_sent = leave_on_sent,
		    .on_status = leave_on_status,
		};

		assert_ok(trial_talk_start(
		    &fixture->client, NULL, &events, &leaver.call));
		assert_true(trial_talk_send_request(leaver.call, &request));
		while (leaver.call != NULL)
			assert_int_equal(
			    rpc_loop_step(fixture->client.loop, PATIENCE),
			    RPC_LOOP_EVENT);
		/* Nothing is told of it any more. */
		expect_echo(fixture, &request, RPC_CODE_OK);
		assert_int_equal(leaver.told, 0);
		assert_int_equal(leaver.ends, leaver.cancels ? 1 : 0);
	}
}

/* ---- Time ---- */

static void
test_deadline_that_is_over_ends_the_call(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("late");
	struct rpc_status status = {0};

	connect_with(fixture, NULL);
	assert_status(
	    call_echo(fixture, -1, &request, &status), STATUS_TIMEOUT);
	assert_int_equal(status.code, RPC_CODE_DEADLINE_EXCEEDED);
	assert_status(
	    call_echo(fixture, INT64_MIN, &request, &status), STATUS_TIMEOUT);
	assert_ok(call_echo(fixture, INT64_MAX, &request, &status));
	rpc_status_clear(&status);
}

static void
test_waits_may_be_as_long_as_one_likes(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("soon");
	struct rpc_client_call *call;

	connect_with(fixture, NULL);
	assert_ok(
	    trial_echo_start(&fixture->client, NULL, &request, NULL, &call));
	assert_true(rpc_client_call_wait(call, RPC_WAIT_END, INT64_MAX));
	rpc_client_call_free(call);
}

/* ---- Retries ---- */

static void
test_retry_hints_are_read(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("later");
	struct rpc_status status = {0};
	struct buf details;
	uint64_t delay_ms = 0;

	connect_with(fixture, NULL);
	buf_init(&details, 1000);
	assert_ok(rpc_status_details_retry(
	    RPC_CODE_UNAVAILABLE, "later", 1500, &details));
	request.code = RPC_CODE_UNAVAILABLE;
	request.details.data = details.data;
	request.details.len = details.size;
	assert_status(call_echo(fixture, PATIENCE, &request, &status),
	    STATUS_UNAVAILABLE);
	assert_int_equal(rpc_status_retry(&status, &delay_ms), RPC_RETRY_AFTER);
	assert_int_equal(delay_ms, 1500);
	/* The trailer counts for more. */
	status.has_pushback = true;
	status.pushback_ms = 20;
	assert_int_equal(rpc_status_retry(&status, &delay_ms), RPC_RETRY_AFTER);
	assert_int_equal(delay_ms, 20);
	status.pushback_ms = -1;
	assert_int_equal(rpc_status_retry(&status, &delay_ms), RPC_RETRY_NEVER);
	rpc_status_clear(&status);
	assert_int_equal(
	    rpc_status_retry(&status, &delay_ms), RPC_RETRY_UNSAID);
	request.details.len = 0;
	assert_status(call_echo(fixture, PATIENCE, &request, &status),
	    STATUS_UNAVAILABLE);
	assert_int_equal(
	    rpc_status_retry(&status, &delay_ms), RPC_RETRY_UNSAID);
	assert_int_equal(delay_ms, 20);
	rpc_status_clear(&status);
	buf_clear(&details);
}

static void
test_service_config_retries(void **state)
{
	static const char config[] =
	    "{\"methodConfig\": [{"
	    " \"name\": [{\"service\": \"golden.v1.Trial\"}],"
	    " \"retryPolicy\": {"
	    "  \"maxAttempts\": 3, \"initialBackoff\": \"0.01s\","
	    "  \"maxBackoff\": \"0.01s\", \"backoffMultiplier\": 1,"
	    "  \"retryableStatusCodes\": [\"UNAVAILABLE\"]}}]}";
	const struct rpc_channel_options options = {.service_config = config};
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("again");

	connect_with(fixture, &options);
	request.code = RPC_CODE_ABORTED;
	expect_echo(fixture, &request, RPC_CODE_ABORTED);
	request.code = RPC_CODE_UNAVAILABLE;
	expect_echo(fixture, &request, RPC_CODE_UNAVAILABLE);
	/* The server counts a call once it has answered. */
	trial_wait(&fixture->trial.arrived, 1 + 3);
	request.code = 0;
	expect_echo(fixture, &request, RPC_CODE_OK);
	trial_wait(&fixture->trial.arrived, 1 + 3 + 1);
	trial_wait(&fixture->trial.arrived, 1 + 3 + 1);
	assert_int_equal(fixture->trial.arrived, 1 + 3 + 1);
}

static void
test_nothing_is_retried_otherwise(void **state)
{
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("again");

	connect_with(fixture, NULL);
	request.code = RPC_CODE_UNAVAILABLE;
	expect_echo(fixture, &request, RPC_CODE_UNAVAILABLE);
	request.code = 0;
	expect_echo(fixture, &request, RPC_CODE_OK);
	trial_wait(&fixture->trial.arrived, 2);
	trial_wait(&fixture->trial.arrived, 2);
	assert_int_equal(fixture->trial.arrived, 2);
}

static void
test_service_config_limits_sizes(void **state)
{
	static const char config[] =
	    "{\"methodConfig\": [{"
	    " \"name\": [{\"service\": \"golden.v1.Trial\","
	    "  \"method\": \"Echo\"}],"
	    " \"maxResponseMessageBytes\": 1000}]}";
	const struct rpc_channel_options options = {.service_config = config};
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("limited");

	connect_with(fixture, &options);
	expect_echo(fixture, &request, RPC_CODE_OK);
	request.padding = 2000;
	expect_echo(fixture, &request, RPC_CODE_RESOURCE_EXHAUSTED);
}

static void
test_service_config_limits_times(void **state)
{
	static const char config[] =
	    "{\"methodConfig\": [{\"name\": [{}], \"timeout\": \"3s\"}]}";
	const struct rpc_channel_options options = {.service_config = config};
	struct fixture *fixture = *state;
	Golden__V1__EchoRequest request = echo("limited");
	struct rpc_status status = {0};

	connect_with(fixture, &options);
	request.how = GOLDEN__V1__HOW__HOW_PARK;
	/* No deadline of the call's own. */
	assert_status(call_echo(fixture, 0, &request, &status), STATUS_TIMEOUT);
	assert_int_equal(status.code, RPC_CODE_DEADLINE_EXCEEDED);
	rpc_status_clear(&status);
}

/* ---- Making a channel ---- */

static void
test_channel_refuses_what_is_wrong(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_channel_options options = {.service_config = "{ no"};
	struct rpc_channel_tls tls = {.private_key = "alone"};
	struct rpc_channel *channel = NULL;

	assert_status(
	    rpc_channel_new(fixture->trial.target, &options, &channel),
	    STATUS_INVALID);
	options.service_config = "{\"methodConfig\": 1}";
	assert_status(
	    rpc_channel_new(fixture->trial.target, &options, &channel),
	    STATUS_INVALID);
	options.service_config = NULL;
	options.tls = &tls;
	assert_status(
	    rpc_channel_new(fixture->trial.target, &options, &channel),
	    STATUS_INVALID);
	assert_status(rpc_channel_new("", NULL, &channel), STATUS_INVALID);
	assert_null(channel);
	connect_with(fixture, NULL);
}

static bool
accept_any(void *arg, const char *certificate)
{
	(void)arg;
	(void)certificate;
	return true;
}

static void
test_channel_needs_a_pair(void **state)
{
	struct fixture *fixture = *state;
	struct rpc_channel_tls tls = {0};
	const struct rpc_channel_options options = {.tls = &tls};
	char *certificate, *key, *other, *other_key;
	struct rpc_channel *channel = NULL;

	trial_certificate("a.test", &certificate, &key);
	trial_certificate("b.test", &other, &other_key);
	for (int i = 0; i < 2; i++) {
		const struct rpc_channel_tls wrong[] = {
		    {.roots = "no PEM"},
		    {.roots = key},
		    {.certificate_chain = certificate},
		    {.certificate_chain = certificate, .private_key = "none"},
		    {.certificate_chain = "none", .private_key = key},
		    {.certificate_chain = certificate,
			.private_key = other_key},
		};

		for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
			tls = wrong[k];
			tls.verify = i == 0 ? NULL : accept_any;
			assert_status(rpc_channel_new(fixture->trial.target,
					  &options, &channel),
			    STATUS_INVALID);
		}
		tls = (struct rpc_channel_tls){.roots = certificate,
		    .certificate_chain = other,
		    .private_key = other_key,
		    .verify = i == 0 ? NULL : accept_any};
		assert_ok(
		    rpc_channel_new(fixture->trial.target, &options, &channel));
		rpc_channel_free(channel);
		channel = NULL;
	}
	free(certificate);
	free(key);
	free(other);
	free(other_key);
	connect_with(fixture, NULL);
}

/* Against authorities, too; rpc_channel_tls.verify: test_server_tls.c. */
static void
test_channel_proves_who_it_is(void **state)
{
	struct fixture *fixture = *state;
	char *certificate, *key, *own, *own_key;
	struct rpc_server_tls server_tls = {.is_client_required = true};
	struct rpc_channel_tls tls = {.server_name = "server.test"};
	const struct rpc_channel_options options = {.tls = &tls};
	Golden__V1__EchoRequest request = echo("mutual");
	struct trial trial;

	trial_certificate("server.test", &certificate, &key);
	trial_certificate("client.test", &own, &own_key);
	server_tls.certificate_chain = certificate;
	server_tls.private_key = key;
	server_tls.client_roots = own;
	trial_start(&trial, NULL, &server_tls);
	strcpy(fixture->trial.target, trial.target);
	tls.roots = certificate;
	connect_with(fixture, &options);
	expect_echo(fixture, &request, RPC_CODE_UNAVAILABLE);
	rpc_channel_free(fixture->client.channel);
	tls.certificate_chain = own;
	tls.private_key = own_key;
	connect_with(fixture, &options);
	expect_echo(fixture, &request, RPC_CODE_OK);
	trial_stop(&trial, 2000);
	free(certificate);
	free(key);
	free(own);
	free(own_key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_interceptors_run_around_a_call),
	    TEST(test_interceptors_refuse),
	    TEST(test_interceptors_see_streams),
	    TEST(test_streams_are_written_and_finished),
	    TEST(test_streams_begin_without_a_request),
	    TEST(test_streams_that_fail_are_finished),
	    TEST(test_streams_are_finished_by_an_interrupt),
	    TEST(test_calls_are_left_from_any_call_back),
	    TEST(test_deadline_that_is_over_ends_the_call),
	    TEST(test_waits_may_be_as_long_as_one_likes),
	    TEST(test_retry_hints_are_read),
	    TEST(test_service_config_retries),
	    TEST(test_nothing_is_retried_otherwise),
	    TEST(test_service_config_limits_sizes),
	    TEST(test_service_config_limits_times),
	    TEST(test_channel_refuses_what_is_wrong),
	    TEST(test_channel_needs_a_pair),
	    TEST(test_channel_proves_who_it_is),
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
