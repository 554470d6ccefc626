#include "rpc/client_channel.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/compression.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>

#include "rpc/client_core.h"
#include "rpc/pem.h"

#define DEFAULT_KEEPALIVE_MS 30000
#define DEFAULT_KEEPALIVE_TIMEOUT_MS 20000
#define DEFAULT_MAX_BACKOFF_MS 5000
#define FIRST_BACKOFF_MS 200

/* Status details ride in the trailers: room for a few KiB in base64. */
#define MAX_METADATA_BYTES (32 * 1024)

#define DEFAULT_BUFFER_BYTES ((size_t)64 << 20)
#define DEFAULT_BUFFER_MESSAGES 4

/* Lives as long as gRPC needs it, which is longer than the channel. */
struct verifier {
	grpc_tls_certificate_verifier_external external;
	bool (*verify)(void *arg, const char *certificate);
	void *arg;
};

static int
verifier_verify(void *user_data,
    grpc_tls_custom_verification_check_request *request,
    grpc_tls_on_custom_verification_check_done_cb callback, void *callback_arg,
    grpc_status_code *status, char **details)
{
	struct verifier *verifier = user_data;
	const char *certificate = request->peer_info.peer_cert;

	(void)callback;
	(void)callback_arg;
	if (certificate != NULL &&
	    verifier->verify(verifier->arg, certificate)) {
		*status = GRPC_STATUS_OK;
	} else {
		*status = GRPC_STATUS_UNAUTHENTICATED;
		*details = gpr_strdup("the server's certificate was refused");
	}
	return 1; /* decided at once */
}

/* Nothing is ever under way: verifier_verify() decides at once. */
static void
verifier_cancel(
    void *user_data, grpc_tls_custom_verification_check_request *request)
{
	(void)user_data;
	(void)request;
}

static void
verifier_destruct(void *user_data)
{
	free(user_data);
}

/* Shows our certificate to the servers that ask. */
static void
set_identity(
    const struct rpc_channel_tls *tls, grpc_tls_credentials_options *options)
{
	grpc_tls_identity_pairs *pairs = grpc_tls_identity_pairs_create();
	grpc_tls_certificate_provider *provider;

	grpc_tls_identity_pairs_add_pair(
	    pairs, tls->private_key, tls->certificate_chain);
	provider = grpc_tls_certificate_provider_static_data_create(
	    NULL, pairs); /* takes them over */
	grpc_tls_credentials_options_set_certificate_provider(
	    options, provider);
	grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
	grpc_tls_certificate_provider_release(provider);
}

/* TLS where the application's check is the only one. */
static enum status
create_verified(
    const struct rpc_channel_tls *tls, grpc_channel_credentials **credentials)
{
	grpc_tls_credentials_options *options;
	grpc_tls_certificate_verifier *verifier;
	struct verifier *own = calloc(1, sizeof(*own));

	if (own == NULL)
		return STATUS_NOMEM;
	own->verify = tls->verify;
	own->arg = tls->verify_arg;
	own->external.user_data = own;
	own->external.verify = verifier_verify;
	own->external.cancel = verifier_cancel;
	own->external.destruct = verifier_destruct;
	verifier =
	    grpc_tls_certificate_verifier_external_create(&own->external);
	options = grpc_tls_credentials_options_create();
	grpc_tls_credentials_options_set_certificate_verifier(
	    options, verifier);
	grpc_tls_certificate_verifier_release(verifier);
	grpc_tls_credentials_options_set_verify_server_cert(options, 0);
	grpc_tls_credentials_options_set_check_call_host(options, 0);
	if (tls->private_key != NULL)
		set_identity(tls, options);
	*credentials = grpc_tls_credentials_create(options);
	return *credentials != NULL ? STATUS_OK : STATUS_INVALID;
}

static grpc_channel_credentials *
create_checked(const struct rpc_channel_tls *tls)
{
	grpc_ssl_pem_key_cert_pair pair = {
	    .private_key = tls->private_key,
	    .cert_chain = tls->certificate_chain,
	};

	return grpc_ssl_credentials_create_ex(
	    tls->roots, tls->private_key != NULL ? &pair : NULL, NULL, NULL);
}

static bool
is_sound(const struct rpc_channel_tls *tls)
{
	if (tls->roots != NULL && !rpc_pem_has_certificates(tls->roots))
		return false;
	if (tls->private_key == NULL && tls->certificate_chain == NULL)
		return true;
	return tls->private_key != NULL && tls->certificate_chain != NULL &&
	       rpc_pem_is_pair(tls->certificate_chain, tls->private_key);
}

static enum status
create_credentials(
    const struct rpc_channel_tls *tls, grpc_channel_credentials **credentials)
{
	if (tls == NULL)
		*credentials = grpc_insecure_credentials_create();
	else if (!is_sound(tls))
		return STATUS_INVALID;
	else if (tls->verify != NULL)
		return create_verified(tls, credentials);
	else
		*credentials = create_checked(tls);
	return *credentials != NULL ? STATUS_OK : STATUS_INVALID;
}

static size_t
positive_or(int value, size_t otherwise)
{
	return value > 0 ? (size_t)value : otherwise;
}

static size_t
max_message_bytes(const struct rpc_channel_options *options)
{
	return options->max_message_bytes != 0 ? options->max_message_bytes
					       : RPC_MAX_MESSAGE_BYTES;
}

static size_t
max_buffer_bytes(const struct rpc_channel_options *options)
{
	size_t messages =
	    max_message_bytes(options) < SIZE_MAX / 4
		? max_message_bytes(options) * DEFAULT_BUFFER_MESSAGES
		: SIZE_MAX;

	if (options->max_buffer_bytes != 0)
		return options->max_buffer_bytes;
	return messages > DEFAULT_BUFFER_BYTES ? messages
					       : DEFAULT_BUFFER_BYTES;
}

static grpc_compression_algorithm
algorithm_of(enum rpc_compression compression)
{
	switch (compression) {
	case RPC_COMPRESSION_DEFAULT:
	case RPC_COMPRESSION_NONE:
		return GRPC_COMPRESS_NONE;
	case RPC_COMPRESSION_DEFLATE:
		return GRPC_COMPRESS_DEFLATE;
	case RPC_COMPRESSION_GZIP:
		return GRPC_COMPRESS_GZIP;
	}
	return GRPC_COMPRESS_NONE;
}

static grpc_channel *
create_core(const char *target, const struct rpc_channel_options *options,
    grpc_channel_credentials *credentials)
{
	struct rpc_args args = {0};
	grpc_channel_args list;
	grpc_channel *core;

	rpc_args_add_number(&args, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
	    !options->share_connection);
	rpc_args_add_number(
	    &args, GRPC_ARG_ENABLE_HTTP_PROXY, options->use_proxy);
	rpc_args_add_number(
	    &args, GRPC_ARG_ENABLE_RETRIES, options->service_config != NULL);
	rpc_args_add_number(
	    &args, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
	if (options->service_config != NULL)
		rpc_args_add_text(
		    &args, GRPC_ARG_SERVICE_CONFIG, options->service_config);
	rpc_args_add_number(&args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
	    max_message_bytes(options));
	/* rpc/decompress.h */
	rpc_args_add_number(
	    &args, GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
	rpc_args_add_number(&args, GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM,
	    algorithm_of(options->compression));
	rpc_args_add_number(
	    &args, GRPC_ARG_MAX_METADATA_SIZE, MAX_METADATA_BYTES);
	rpc_args_add_number(&args, GRPC_ARG_KEEPALIVE_TIME_MS,
	    positive_or(options->keepalive_ms, DEFAULT_KEEPALIVE_MS));
	rpc_args_add_number(&args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
	    positive_or(
		options->keepalive_timeout_ms, DEFAULT_KEEPALIVE_TIMEOUT_MS));
	/* A call that waits at the server sends no data between pings. */
	rpc_args_add_number(&args, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
	rpc_args_add_number(
	    &args, GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, FIRST_BACKOFF_MS);
	rpc_args_add_number(&args, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
	    positive_or(options->max_backoff_ms, DEFAULT_MAX_BACKOFF_MS));
	if (options->tls != NULL && options->tls->server_name != NULL)
		rpc_args_add_text(&args, GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
		    options->tls->server_name);
	rpc_args_add_quota(&args, "rpc_channel", max_buffer_bytes(options));
	list = rpc_args_list(&args);
	core = grpc_channel_create(target, credentials, &list);
	rpc_args_clear(&args);
	return core;
}

enum status
rpc_channel_new(const char *target, const struct rpc_channel_options *options,
    struct rpc_channel **out)
{
	static const struct rpc_channel_options defaults;
	grpc_channel_credentials *credentials = NULL;
	struct rpc_channel *channel;
	enum status st;

	if (options == NULL)
		options = &defaults;
	if ((channel = calloc(1, sizeof(*channel))) == NULL)
		return STATUS_NOMEM;
	rpc_core_start();
	st = create_credentials(options->tls, &credentials);
	if (st != STATUS_OK)
		goto out;
	channel->core = create_core(target, options, credentials);
	grpc_channel_credentials_release(credentials);
	/* Where it cannot be made, gRPC gives one that has failed already. */
	if (channel->core == NULL ||
	    grpc_channel_check_connectivity_state(channel->core, 0) !=
		GRPC_CHANNEL_IDLE) {
		st = STATUS_INVALID;
		goto out;
	}
	channel->max_message_bytes = max_message_bytes(options);
	channel->interceptors = options->interceptors;
	channel->interceptor_count = options->interceptor_count;
	*out = channel;
	channel = NULL;
out:
	rpc_channel_free(channel);
	return st;
}

void
rpc_channel_free(struct rpc_channel *channel)
{
	if (channel == NULL)
		return;
	if (channel->core != NULL)
		grpc_channel_destroy(channel->core);
	free(channel);
	rpc_core_stop();
}

void
rpc_channel_reset_backoff(struct rpc_channel *channel)
{
	grpc_channel_reset_connect_backoff(channel->core);
}
