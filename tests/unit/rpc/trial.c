#include "trial.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/unit.h"

/* ---- Counters that one can wait for, and threads held back ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_changed = PTHREAD_COND_INITIALIZER;

void
trial_bump(atomic_int *counter)
{
	pthread_mutex_lock(&lock);
	(*counter)++;
	pthread_cond_broadcast(&has_changed);
	pthread_mutex_unlock(&lock);
}

void
trial_wait(atomic_int *counter, int value)
{
	struct timespec end;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 20;
	pthread_mutex_lock(&lock);
	while (*counter < value && error == 0)
		error = pthread_cond_timedwait(&has_changed, &lock, &end);
	pthread_mutex_unlock(&lock);
	assert_true(*counter >= value);
}

void
trial_hold_back(struct trial *trial, int until_cancelled)
{
	pthread_mutex_lock(&lock);
	trial->is_held_back = true;
	trial->until_cancelled = until_cancelled;
	pthread_mutex_unlock(&lock);
}

void
trial_let_go(struct trial *trial)
{
	pthread_mutex_lock(&lock);
	trial->is_held_back = false;
	pthread_cond_broadcast(&has_changed);
	pthread_mutex_unlock(&lock);
}

/* What a thread does before it answers; turns vary the order of things. */
static void
be_held_back(struct trial *trial, unsigned turns)
{
	pthread_mutex_lock(&lock);
	while (trial->is_held_back &&
	       (trial->until_cancelled == 0 ||
		   trial->cancelled < trial->until_cancelled))
		pthread_cond_wait(&has_changed, &lock);
	pthread_mutex_unlock(&lock);
	while (turns-- > 0)
		sched_yield();
}

/* ---- Interrupting ---- */

volatile sig_atomic_t trial_is_interrupted;

static void
on_signal(int number)
{
	(void)number;
	trial_is_interrupted = 1;
}

/* The letter after the name in brackets. */
static bool
is_asleep(pid_t thread)
{
	char path[64], line[256] = "";
	const char *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	state = strrchr(line, ')');
	assert_non_null(state);
	return state[1] == ' ' && state[2] == 'S';
}

static void *
interrupt_when_asleep(void *arg)
{
	const struct trial_interrupt *interrupt = arg;

	while (!is_asleep(interrupt->sleeper_id))
		sched_yield();
	pthread_kill(interrupt->sleeper, SIGUSR1);
	return NULL;
}

void
trial_interrupt_start(struct trial_interrupt *interrupt)
{
	const struct sigaction action = {.sa_handler = on_signal};

	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	interrupt->sleeper = pthread_self();
	interrupt->sleeper_id = gettid();
	assert_int_equal(pthread_create(&interrupt->thread, NULL,
			     interrupt_when_asleep, interrupt),
	    0);
}

void
trial_interrupt_end(struct trial_interrupt *interrupt)
{
	pthread_join(interrupt->thread, NULL);
	assert_int_equal(trial_is_interrupted, 1);
	trial_is_interrupted = 0;
}

/* ---- Echo ---- */

static void
echo_answer(
    struct rpc_server_call *call, const Golden__V1__EchoRequest *request)
{
	Golden__V1__EchoReply reply = GOLDEN__V1__ECHO_REPLY__INIT;

	if (request->code != 0) {
		rpc_server_call_fail(call, (enum rpc_code)request->code,
		    request->text,
		    bytes_make(request->details.data, request->details.len));
		return;
	}
	reply.text = request->text;
	reply.padding.len = request->padding;
	reply.padding.data = calloc(1, request->padding + 1u);
	assert_non_null(reply.padding.data);
	trial_echo_reply(call, &reply);
	free(reply.padding.data);
}

/* What a call keeps until it is answered. */
struct parked {
	struct trial *trial;
	const Golden__V1__EchoRequest *request;
	struct rpc_server_call *call;
	bool is_answered;
};

static void
parked_destroy(void *user)
{
	struct parked *parked = user;

	trial_bump(&parked->trial->destroyed);
	free(parked);
}

static void
on_wake(struct rpc_server_call *call, bool is_alive, void *arg)
{
	struct parked *parked = arg;

	if (!is_alive)
		trial_bump(&parked->trial->woken_dead);
	/* Last: tests wait for it, and then look at the other. */
	trial_bump(&parked->trial->woken);
	/* The request is gone once the call was answered. */
	if (parked->is_answered)
		return;
	parked->is_answered = true;
	/* Harmless in a dead call, and lets go of it. */
	echo_answer(call, parked->request);
}

static void *
wake_later(void *arg)
{
	struct parked *parked = arg;
	struct trial *trial = parked->trial;

	be_held_back(trial, parked->request->delay_ms);
	assert_true(rpc_server_call_wake(parked->call, on_wake, parked));
	trial_bump(&trial->woke);
	return NULL;
}

static void *
release_later(void *arg)
{
	struct parked *parked = arg;
	struct trial *trial = parked->trial;
	struct rpc_server_call *call = parked->call;

	be_held_back(trial, parked->request->delay_ms);
	rpc_server_call_release(call);
	rpc_server_call_release(call);
	trial_bump(&trial->woke);
	return NULL;
}

static void *
wake_twice(void *arg)
{
	struct parked *parked = arg;
	struct trial *trial = parked->trial;

	be_held_back(trial, parked->request->delay_ms);
	assert_true(rpc_server_call_wake(parked->call, on_wake, parked));
	/* The second hold keeps the call until this has worked. */
	while (!rpc_server_call_wake(parked->call, on_wake, parked))
		trial->woken_busy++;
	trial_bump(&trial->woke);
	return NULL;
}

static void
run_thread(struct parked *parked, void *(*run)(void *arg))
{
	pthread_t thread;

	parked->trial->threads++;
	assert_int_equal(pthread_create(&thread, NULL, run, parked), 0);
	pthread_detach(thread);
}

static void
on_timer(struct rpc_server_call *call, void *arg)
{
	struct parked *parked = arg;

	echo_answer(call, parked->request);
}

static void
on_cancel(struct rpc_server_call *call, void *arg)
{
	struct parked *parked = arg;

	assert_false(rpc_server_call_is_alive(call));
	trial_bump(&parked->trial->cancelled);
}

static void
copy_metadata(struct rpc_server_call *call)
{
	struct bytes value, key;
	size_t count = 0;

	if (rpc_server_call_metadata(call, "x-ask", &value))
		assert_ok(rpc_server_call_add_header(call, "x-answer", value));
	if (rpc_server_call_metadata(call, "x-ask-bin", &value))
		assert_ok(
		    rpc_server_call_add_trailer(call, "x-answer-bin", value));
	while (rpc_server_call_metadata_at(call, count, &key, &value))
		count++;
	assert_false(rpc_server_call_metadata(call, "x-none", &value));
}

static void
handle_echo(void *service, struct rpc_server_call *call,
    const Golden__V1__EchoRequest *request)
{
	struct trial *trial = service;
	struct parked *parked = calloc(1, sizeof(*parked));

	assert_non_null(parked);
	parked->trial = trial;
	parked->request = request;
	parked->call = call;
	rpc_server_call_set_user(call, parked, parked_destroy);
	assert_ptr_equal(rpc_server_call_user(call), parked);
	assert_ptr_equal(rpc_server_call_method(call), &trial_echo_method);
	assert_int_equal(
	    strncmp(rpc_server_call_peer(call), "ipv4:127.0.0.1:", 15), 0);
	trial->time_left_ms = rpc_server_call_time_left_ms(call);
	assert_true(
	    rpc_server_call_worker(call) < rpc_server_workers(trial->server));
	assert_ptr_equal(rpc_server_call_loop(call),
	    rpc_server_loop(trial->server, rpc_server_call_worker(call)));
	copy_metadata(call);
	if (request->early_headers)
		rpc_server_call_send_headers(call);
	switch (request->how) {
	case GOLDEN__V1__HOW__HOW_THREAD:
		rpc_server_call_hold(call);
		if (request->padding != 0)
			rpc_server_call_on_cancel(call, on_cancel, parked);
		run_thread(parked, wake_later);
		break;
	case GOLDEN__V1__HOW__HOW_RELEASE:
		rpc_server_call_hold(call);
		rpc_server_call_hold(call);
		run_thread(parked, release_later);
		break;
	case GOLDEN__V1__HOW__HOW_WAKE_TWICE:
		rpc_server_call_hold(call);
		rpc_server_call_hold(call);
		run_thread(parked, wake_twice);
		break;
	case GOLDEN__V1__HOW__HOW_TIMER:
		rpc_server_call_set_timer(
		    call, request->delay_ms, on_timer, parked);
		break;
	case GOLDEN__V1__HOW__HOW_PARK:
		rpc_server_call_on_cancel(call, on_cancel, parked);
		break;
	case GOLDEN__V1__HOW__HOW_FORGET:
		break;
	default:
		echo_answer(call, request);
		break;
	}
	trial_bump(&trial->arrived);
}

/* ---- Count ---- */

struct counting {
	struct trial *trial;
	Golden__V1__CountRequest request;
	uint32_t next;
	uint8_t *padding;
};

static void
counting_destroy(void *user)
{
	struct counting *counting = user;

	trial_bump(&counting->trial->destroyed);
	free(counting->padding);
	free(counting);
}

static void
count_on(struct rpc_server_call *call, bool is_alive, void *arg)
{
	struct counting *counting = arg;
	Golden__V1__Number number = GOLDEN__V1__NUMBER__INIT;

	if (!is_alive) {
		trial_bump(&counting->trial->cancelled);
		return;
	}
	if (counting->next > counting->request.to) {
		if (counting->request.code != 0)
			rpc_server_call_fail(call,
			    (enum rpc_code)counting->request.code,
			    "counted enough", bytes_empty());
		else
			rpc_server_call_finish(call);
		return;
	}
	number.value = counting->next++;
	number.padding.data = counting->padding;
	number.padding.len = counting->request.padding;
	/* Too much waits for other clients, and the call ends. */
	if (!trial_count_send(call, &number, count_on, counting))
		return;
	/* One at a time. */
	assert_false(trial_count_send(call, &number, count_on, counting));
	trial_bump(&counting->trial->sent);
}

static void
handle_count(void *service, struct rpc_server_call *call,
    const Golden__V1__CountRequest *request)
{
	struct counting *counting = calloc(1, sizeof(*counting));
	struct bytes corked;

	assert_non_null(counting);
	counting->trial = service;
	counting->request = *request;
	counting->next = request->from;
	counting->padding = calloc(1, request->padding + 1u);
	assert_non_null(counting->padding);
	rpc_server_call_set_user(call, counting, counting_destroy);
	rpc_server_call_set_corked(
	    call, rpc_server_call_metadata(call, TRIAL_CORKED_KEY, &corked));
	trial_bump(&counting->trial->arrived);
	count_on(call, true, counting);
}

/* ---- Sum and Talk ---- */

static void
on_number(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	int64_t *sum = arg;
	Golden__V1__Number *number = NULL;

	if (is_end) {
		Golden__V1__Number reply = GOLDEN__V1__NUMBER__INIT;

		/* It was told that there is nothing more. */
		assert_false(rpc_server_call_receive(call, on_number, sum));
		reply.value = *sum;
		trial_sum_reply(call, &reply);
		return;
	}
	if (trial_sum_request(message, &number) != STATUS_OK) {
		rpc_server_call_fail(
		    call, RPC_CODE_INVALID_ARGUMENT, "garbage", bytes_empty());
		return;
	}
	*sum += number->value;
	golden__v1__number__free_unpacked(number, NULL);
	assert_true(rpc_server_call_receive(call, on_number, sum));
}

static void
handle_sum(void *service, struct rpc_server_call *call)
{
	int64_t *sum = calloc(1, sizeof(*sum));

	(void)service;
	assert_non_null(sum);
	rpc_server_call_set_user(call, sum, free);
	assert_true(rpc_server_call_receive(call, on_number, sum));
	assert_false(rpc_server_call_receive(call, on_number, sum));
}

static void on_talk(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg);

static void
on_talk_sent(struct rpc_server_call *call, bool is_alive, void *arg)
{
	if (is_alive)
		assert_true(rpc_server_call_receive(call, on_talk, arg));
}

static void
on_talk(
    struct rpc_server_call *call, struct bytes message, bool is_end, void *arg)
{
	Golden__V1__EchoRequest *request = NULL;
	Golden__V1__EchoReply reply = GOLDEN__V1__ECHO_REPLY__INIT;

	if (is_end) {
		rpc_server_call_finish(call);
		return;
	}
	assert_ok(trial_talk_request(message, &request));
	reply.text = request->text;
	assert_true(trial_talk_send(call, &reply, on_talk_sent, arg));
	golden__v1__echo_request__free_unpacked(request, NULL);
}

static void
handle_talk(void *service, struct rpc_server_call *call)
{
	assert_true(rpc_server_call_receive(call, on_talk, service));
}

static const struct trial_handlers handlers = {
    .echo = handle_echo,
    .count = handle_count,
    .sum = handle_sum,
    .talk = handle_talk,
    /* The others have none. */
};

/* ---- Starting and stopping ---- */

void
trial_open(struct trial *trial, const struct rpc_server_options *options)
{
	memset(trial, 0, sizeof(*trial));
	assert_ok(rpc_server_new(options, &trial->server));
	assert_ok(trial_register(trial->server, &handlers, trial));
	assert_status(
	    trial_register(trial->server, &handlers, trial), STATUS_EXISTS);
}

void
trial_run(struct trial *trial, const struct rpc_server_tls *tls)
{
	assert_ok(rpc_server_add_port(
	    trial->server, "127.0.0.1:0", tls, &trial->port));
	assert_ok(rpc_server_start(trial->server));
	snprintf(
	    trial->target, sizeof(trial->target), "127.0.0.1:%d", trial->port);
}

void
trial_start(struct trial *trial, const struct rpc_server_options *options,
    const struct rpc_server_tls *tls)
{
	trial_open(trial, options);
	trial_run(trial, tls);
}

void
trial_stop(struct trial *trial, int grace_ms)
{
	/* Where a test failed halfway, they would be waited for for ever. */
	trial_let_go(trial);
	rpc_server_stop(trial->server, grace_ms);
	trial_wait(&trial->woke, trial->threads);
	rpc_server_free(trial->server);
}

void
trial_connect(struct trial_client *client, const char *target,
    const struct rpc_channel_tls *tls)
{
	struct rpc_channel_options options = {.tls = tls};

	assert_ok(rpc_loop_new(&client->rpc.loop));
	assert_ok(rpc_channel_new(target, &options, &client->rpc.channel));
}

void
trial_disconnect(struct trial_client *client)
{
	rpc_channel_free(client->rpc.channel);
	rpc_loop_free(client->rpc.loop);
}

/* ---- Certificates ---- */

static char *
read_bio(BIO *bio)
{
	char *data, *text;
	long size = BIO_get_mem_data(bio, &data);

	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	memcpy(text, data, (size_t)size);
	BIO_free(bio);
	return text;
}

static X509 *
read_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	assert_non_null(x509);
	BIO_free(bio);
	return x509;
}

static EVP_PKEY *
read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	assert_non_null(key);
	BIO_free(bio);
	return key;
}

static void
add_extension(X509 *x509, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	X509_add_ext(x509, extension, -1);
	X509_EXTENSION_free(extension);
}

void
trial_signed_certificate(const char *name, long lifetime_s, const char *issuer,
    const char *issuer_key, char **certificate, char **key)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	EVP_PKEY *signer = issuer_key != NULL ? read_key(issuer_key) : NULL;
	X509 *parent = issuer != NULL ? read_certificate(issuer) : NULL;
	X509 *x509 = X509_new();
	X509_NAME *subject = X509_get_subject_name(x509);
	BIO *out;
	char san[128];

	assert_non_null(pair);
	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), issuer != NULL ? 2 : 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x509), lifetime_s);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(
	    x509, parent != NULL ? X509_get_subject_name(parent) : subject);
	X509_set_pubkey(x509, pair);
	snprintf(san, sizeof(san), "DNS:%s", name);
	add_extension(x509, NID_subject_alt_name, san);
	/* So that it may sign others. */
	if (issuer == NULL)
		add_extension(x509, NID_basic_constraints, "CA:TRUE");
	assert_true(
	    X509_sign(x509, signer != NULL ? signer : pair, EVP_sha256()) > 0);
	out = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(out, x509);
	*certificate = read_bio(out);
	out = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(out, pair, NULL, NULL, 0, NULL, NULL);
	*key = read_bio(out);
	X509_free(x509);
	X509_free(parent);
	EVP_PKEY_free(signer);
	EVP_PKEY_free(pair);
}

void
trial_certificate(const char *name, char **certificate, char **key)
{
	trial_signed_certificate(name, 3600, NULL, NULL, certificate, key);
}
