#include "server/info_service.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "channel/server_info.h"
#include "server/caller.h"
#include "wire/limits.h"

struct info_service {
	struct info_service_options options;
	pthread_mutex_t mutex;
	/* Guarded by mutex: */
	struct buf answer;   /* serialized; empty: none yet */
	uint64_t made_at_ms; /* clock_monotonic_ms() */
};

enum status
info_service_new(
    const struct info_service_options *options, struct info_service **out)
{
	struct info_service *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return STATUS_NOMEM;
	if (pthread_mutex_init(&service->mutex, NULL) != 0) {
		free(service);
		return STATUS_INTERNAL;
	}
	service->options = *options;
	buf_init(&service->answer, WIRE_SERVER_INFO_MAX);
	*out = service;
	return STATUS_OK;
}

void
info_service_free(struct info_service *service)
{
	if (service == NULL)
		return;
	buf_clear(&service->answer);
	(void)pthread_mutex_destroy(&service->mutex);
	free(service);
}

static enum status
make(struct info_service *service)
{
	const struct info_service_options *options = &service->options;
	struct channel_server_info info = {0};

	channel_server_info_set_limits(&info);
	info.time_ms = clock_wall_ms();
	info.sealing_key_count = keyring_published(
	    options->keyring, info.time_ms, info.sealing_keys);
	info.has_tls_certificate = options->has_tls_certificate;
	info.tls_certificate = options->tls_certificate;
	info.registration = options->is_registration_open
				? PEYK__V1__REGISTRATION__REGISTRATION_OPEN
				: PEYK__V1__REGISTRATION__REGISTRATION_CLOSED;
	(void)snprintf(info.version, sizeof(info.version), "%s", PEYK_VERSION);
	buf_reset(&service->answer);
	return channel_server_info_make(
	    &info, &options->identity->key, &service->answer);
}

void
info_service_get(struct info_service *service, struct rpc_server_call *call)
{
	uint64_t now_ms = clock_monotonic_ms();
	enum status st = STATUS_OK;
	int failed = 0;

	failed = pthread_mutex_lock(&service->mutex);
	assert(failed == 0);
	if (service->answer.size == 0 ||
	    now_ms >= service->made_at_ms + INFO_SERVICE_AGE_MAX_MS) {
		st = make(service);
		if (st != STATUS_OK)
			buf_reset(&service->answer);
		service->made_at_ms = now_ms;
	}
	if (st == STATUS_OK)
		rpc_server_call_reply(call, buf_bytes(&service->answer));
	failed = pthread_mutex_unlock(&service->mutex);
	assert(failed == 0);
	(void)failed;
	if (st != STATUS_OK)
		caller_fail(call, RPC_CODE_UNAVAILABLE, CALLER_RETRY_BUSY_MS,
		    "try again");
}
