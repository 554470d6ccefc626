#include "rpc/status_details.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/google/rpc/error_details.pb-c.h"
#include "gen/google/rpc/status.pb-c.h"
#include "rpc/stub.h"

#define RETRY_INFO "google.rpc.RetryInfo"

/* protobuf-c's structs have no const; nothing below writes through these. */
static char *
text_of(const char *text)
{
	return (char *)(uintptr_t)text;
}

enum status
rpc_status_details_any(enum rpc_code code, const char *message,
    const char *type, struct bytes value, struct buf *out)
{
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Google__Protobuf__Any *details[] = {&any};
	char *url;
	enum status st;

	if (asprintf(&url, "%s%s", RPC_TYPE_URL, type) < 0)
		return STATUS_NOMEM;
	any.type_url = url;
	any.value.data = (uint8_t *)(uintptr_t)value.data;
	any.value.len = value.size;
	status.code = (int32_t)code;
	if (message != NULL)
		status.message = text_of(message);
	status.n_details = 1;
	status.details = details;
	st = rpc_stub_pack(&status.base, out);
	free(url);
	return st;
}

enum status
rpc_status_details_retry(
    enum rpc_code code, const char *message, uint64_t delay_ms, struct buf *out)
{
	Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
	Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
	/* Two numbers and two headers: far below this. */
	uint8_t packed[64];
	size_t size;

	delay.seconds = (int64_t)(delay_ms / 1000);
	delay.nanos = (int32_t)(delay_ms % 1000) * 1000000;
	retry.retry_delay = &delay;
	size = google__rpc__retry_info__pack(&retry, packed);
	return rpc_status_details_any(
	    code, message, RETRY_INFO, bytes_make(packed, size), out);
}

/* A type URL may have any host before its last slash. */
static bool
is_of_type(const Google__Protobuf__Any *any, const char *type)
{
	const char *slash = strrchr(any->type_url, '/');

	return slash != NULL && strcmp(slash + 1, type) == 0;
}

enum status
rpc_status_details_find(struct bytes details, const char *type, struct buf *out)
{
	Google__Rpc__Status *status =
	    google__rpc__status__unpack(NULL, details.size, details.data);
	enum status st = STATUS_NOT_FOUND;

	if (status == NULL)
		return STATUS_INVALID;
	for (size_t i = 0; i < status->n_details; i++) {
		const Google__Protobuf__Any *any = status->details[i];

		if (is_of_type(any, type)) {
			st = buf_append(
			    out, bytes_make(any->value.data, any->value.len));
			break;
		}
	}
	google__rpc__status__free_unpacked(status, NULL);
	return st;
}

/* A duration of another program; negative counts as none. */
static uint64_t
duration_ms(const Google__Protobuf__Duration *duration)
{
	const int64_t max_seconds = INT64_MAX / 1000 - 1;
	int64_t seconds = duration->seconds;
	int64_t milliseconds = duration->nanos / 1000000;

	if (seconds < 0 || duration->nanos < 0)
		return 0;
	if (seconds > max_seconds)
		seconds = max_seconds;
	if (milliseconds > 999)
		milliseconds = 999;
	return (uint64_t)(seconds * 1000 + milliseconds);
}

enum status
rpc_status_details_find_retry(struct bytes details, uint64_t *delay_ms)
{
	Google__Rpc__RetryInfo *retry = NULL;
	struct buf value;
	enum status st;

	/* What holds it all is no smaller than what it holds. */
	buf_init(&value, details.size);
	st = rpc_status_details_find(details, RETRY_INFO, &value);
	if (st != STATUS_OK)
		goto out;
	retry = google__rpc__retry_info__unpack(NULL, value.size, value.data);
	if (retry == NULL) {
		st = STATUS_INVALID;
		goto out;
	}
	*delay_ms =
	    retry->retry_delay != NULL ? duration_ms(retry->retry_delay) : 0;
out:
	if (retry != NULL)
		google__rpc__retry_info__free_unpacked(retry, NULL);
	buf_clear(&value);
	return st;
}

enum rpc_retry
rpc_status_retry(const struct rpc_status *status, uint64_t *delay_ms)
{
	if (status->code == RPC_CODE_OK)
		return RPC_RETRY_UNSAID;
	if (status->has_pushback) {
		if (status->pushback_ms < 0)
			return RPC_RETRY_NEVER;
		*delay_ms = (uint64_t)status->pushback_ms;
		return RPC_RETRY_AFTER;
	}
	return rpc_status_details_find_retry(
		   rpc_status_details(status), delay_ms) == STATUS_OK
		   ? RPC_RETRY_AFTER
		   : RPC_RETRY_UNSAID;
}
